//! Hashing and proving passwords.
//!
//! Argon2id with 19 MiB, 2 passes and 1 lane (OWASP's first recommendation) for everything made here; bcrypt and
//! Argon2 hashes of imported users are proved as they are. One hash takes a core for some 16 ms, so the work is done by
//! [threads of its own](hashers), and only so much waits that the last of it is still answered in time.

mod hashers;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::AuthError;
use hashers::{Hashers, Memory};

/// KiB; see above.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// What an imported hash may ask of us: more would let one row of data stop the server.
const MAX_IMPORTED_MEMORY_KIB: u32 = 256 * 1024;
const MAX_IMPORTED_PASSES: u32 = 16;
const MAX_IMPORTED_LANES: u32 = 16;
const MAX_BCRYPT_COST: u32 = 14;

/// Proved against when there is no such user or no password, so that the answer takes as long. Nothing matches it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and proves. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords(Hashers);

/// What proving a password came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is the one. `upgrade` is a fresh hash to store when the stored one is of a weaker kind.
    Right { upgrade: Option<String> },
    /// It is not, or there is none.
    Wrong,
}

impl Passwords {
    /// As many at once as this machine has cores.
    pub(crate) fn for_this_machine() -> Passwords {
        Passwords(Hashers::for_this_machine())
    }

    /// A hash to store.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, AuthError> {
        let password = password.to_owned();
        self.0.run(move |memory| hash(&password, memory)).await?
    }

    /// Proves a password against what is stored. Takes its time also when nothing is.
    pub(crate) async fn prove(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Proof, AuthError> {
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.0
            .run(move |memory| prove(&password, stored.as_deref(), memory))
            .await?
    }
}

/// Whether a hash from outside is of a kind that can be proved here, at a cost that is bearable.
pub(crate) fn is_importable(stored: &str) -> bool {
    if is_bcrypt(stored) {
        return bcrypt_cost(stored).is_some_and(|cost| (4..=MAX_BCRYPT_COST).contains(&cost))
            && stored.len() == 60;
    }
    argon2_params(stored).is_some_and(|params| {
        params.m_cost() <= MAX_IMPORTED_MEMORY_KIB
            && params.t_cost() <= MAX_IMPORTED_PASSES
            && params.p_cost() <= MAX_IMPORTED_LANES
    })
}

fn hash(password: &str, memory: &mut Memory) -> Result<String, AuthError> {
    let fault = |what: String| AuthError::Internal(format!("hashing a password failed: {what}"));
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| fault(error.to_string()))?;
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| fault(error.to_string()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let output = digest(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, memory);
    let made = output.and_then(|output| {
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(output),
        })
    });
    Ok(made.map_err(|error| fault(error.to_string()))?.to_string())
}

fn prove(password: &str, stored: Option<&str>, memory: &mut Memory) -> Result<Proof, AuthError> {
    let stored = stored
        .filter(|stored| is_importable(stored))
        .unwrap_or(NOBODY);
    if is_bcrypt(stored) {
        return match bcrypt::verify(password, stored) {
            Ok(true) => Ok(Proof::Right {
                upgrade: Some(hash(password, memory)?),
            }),
            Ok(false) | Err(_) => Ok(Proof::Wrong),
        };
    }
    if !matches(password, stored, memory).unwrap_or(false) {
        return Ok(Proof::Wrong);
    }
    let weak = !stored.starts_with("$argon2id$")
        || argon2_params(stored)
            .is_none_or(|params| params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES);
    Ok(Proof::Right {
        upgrade: if weak {
            Some(hash(password, memory)?)
        } else {
            None
        },
    })
}

/// Whether a password is the one of an Argon2 hash, which says how it was made.
fn matches(
    password: &str,
    stored: &str,
    memory: &mut Memory,
) -> Result<bool, argon2::password_hash::Error> {
    let parsed = PasswordHash::new(stored)?;
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Ok(false);
    };
    let version = parsed.version.map(Version::try_from).transpose()?;
    let argon2 = Argon2::new(
        Algorithm::try_from(parsed.algorithm.as_str())?,
        version.unwrap_or_default(),
        Params::try_from(&parsed)?,
    );
    // Outputs compare in constant time.
    Ok(digest(&argon2, password, salt, expected.len(), memory)? == *expected)
}

fn digest(
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    length: usize,
    memory: &mut Memory,
) -> Result<Output, argon2::password_hash::Error> {
    let blocks = memory.blocks(argon2.params().block_count());
    let mut out = [0_u8; Output::MAX_LENGTH];
    let out = out
        .get_mut(..length)
        .ok_or(argon2::password_hash::Error::OutputSize)?;
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks)?;
    Ok(Output::new(out)?)
}

fn is_bcrypt(stored: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|prefix| stored.starts_with(prefix))
}

fn bcrypt_cost(stored: &str) -> Option<u32> {
    stored.get(4..6)?.parse().ok()
}

fn argon2_params(stored: &str) -> Option<Params> {
    if !stored.starts_with("$argon2") {
        return None;
    }
    Params::try_from(&PasswordHash::new(stored).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_proves_its_password_and_no_other() {
        let mut memory = Memory::default();
        let stored = hash("correct horse", &mut memory).unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert_eq!(
            prove("correct horse", Some(&stored), &mut memory).unwrap(),
            Proof::Right { upgrade: None }
        );
        assert_eq!(
            prove("wrong horse", Some(&stored), &mut memory).unwrap(),
            Proof::Wrong
        );
    }

    #[test]
    fn a_bcrypt_hash_is_accepted_and_upgraded() {
        let mut memory = Memory::default();
        let stored = bcrypt::hash("correct horse", 4).unwrap();
        let Proof::Right {
            upgrade: Some(fresh),
        } = prove("correct horse", Some(&stored), &mut memory).unwrap()
        else {
            panic!("not accepted");
        };
        assert_eq!(
            prove("correct horse", Some(&fresh), &mut memory).unwrap(),
            Proof::Right { upgrade: None }
        );
        assert_eq!(
            prove("wrong horse", Some(&stored), &mut memory).unwrap(),
            Proof::Wrong
        );
    }

    #[test]
    fn without_a_usable_hash_the_dummy_is_worked_through() {
        let mut memory = Memory::default();
        assert!(is_importable(NOBODY));
        for stored in [
            None,
            Some(""),
            Some("x"),
            Some("$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"),
        ] {
            assert_eq!(prove("", stored, &mut memory).unwrap(), Proof::Wrong);
        }
    }

    #[test]
    fn hashes_that_cost_too_much_are_refused() {
        assert!(!is_importable(
            "$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuuabcdefghijk"
        ));
        assert!(!is_importable(&NOBODY.replace("m=19456", "m=4194304")));
        assert!(!is_importable("$fbscrypt$v=1,n=14"));
    }

    #[test]
    fn a_hash_is_that_of_the_library() {
        use argon2::password_hash::PasswordVerifier as _;
        let stored = hash("correct horse", &mut Memory::default()).unwrap();
        let argon2 = Argon2::default();
        assert!(argon2.verify_password(b"correct horse", &*stored).is_ok());
        assert!(argon2.verify_password(b"wrong horse", &*stored).is_err());
    }
}
