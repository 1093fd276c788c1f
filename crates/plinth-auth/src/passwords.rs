//! Hashing and proving passwords, on a bounded pool.
//!
//! Argon2id with 19 MiB, 2 passes and 1 lane (OWASP's first recommendation) for everything made here; bcrypt and
//! Argon2 hashes of imported users are proved as they are. One hash takes a core for some 20 ms, so only as many run
//! as there are cores, and only so many wait that the last of them is still answered in time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::AuthError;

/// KiB; see above.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Waiting for a core, for each core: at 20 ms each the last one waits some two seconds.
const WAITING_PER_CORE: usize = 100;
/// What an imported hash may ask of us: more would let one row of data stop the server.
const MAX_IMPORTED_MEMORY_KIB: u32 = 256 * 1024;
const MAX_IMPORTED_PASSES: u32 = 16;
const MAX_IMPORTED_LANES: u32 = 16;
const MAX_BCRYPT_COST: u32 = 14;

/// Proved against when there is no such user or no password, so that the answer takes as long. Nothing matches it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The pool. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

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
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Passwords {
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores.saturating_mul(WAITING_PER_CORE + 1))),
        }
    }

    /// A hash to store.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, AuthError> {
        let password = password.to_owned();
        self.run(move || hash(&password)).await?
    }

    /// Proves a password against what is stored. Takes its time also when nothing is.
    pub(crate) async fn prove(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Proof, AuthError> {
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.run(move || prove(&password, stored.as_deref()))
            .await?
    }

    /// The permits move into the work: a client that goes away frees its place only when the core is free again.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| AuthError::Busy {
                retry_after_seconds: 2,
            })?;
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| AuthError::Internal("the password pool is closed".to_owned()))?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((running, admitted));
            done
        })
        .await
        .map_err(|error| AuthError::Internal(format!("hashing a password failed: {error}")))
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

fn hash(password: &str) -> Result<String, AuthError> {
    let fault = |what: String| AuthError::Internal(format!("hashing a password failed: {what}"));
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| fault(error.to_string()))?;
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| fault(error.to_string()))?;
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| fault(error.to_string()))?;
    Ok(hash.to_string())
}

fn prove(password: &str, stored: Option<&str>) -> Result<Proof, AuthError> {
    let stored = stored
        .filter(|stored| is_importable(stored))
        .unwrap_or(NOBODY);
    if is_bcrypt(stored) {
        return match bcrypt::verify(password, stored) {
            Ok(true) => Ok(Proof::Right {
                upgrade: Some(hash(password)?),
            }),
            Ok(false) | Err(_) => Ok(Proof::Wrong),
        };
    }
    let Ok(parsed) = PasswordHash::new(stored) else {
        return Ok(Proof::Wrong);
    };
    if Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_err()
    {
        return Ok(Proof::Wrong);
    }
    let weak = !stored.starts_with("$argon2id$")
        || argon2_params(stored)
            .is_none_or(|params| params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES);
    Ok(Proof::Right {
        upgrade: if weak { Some(hash(password)?) } else { None },
    })
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
        let stored = hash("correct horse").unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert_eq!(
            prove("correct horse", Some(&stored)).unwrap(),
            Proof::Right { upgrade: None }
        );
        assert_eq!(prove("wrong horse", Some(&stored)).unwrap(), Proof::Wrong);
    }

    #[test]
    fn a_bcrypt_hash_is_accepted_and_upgraded() {
        let stored = bcrypt::hash("correct horse", 4).unwrap();
        let Proof::Right {
            upgrade: Some(fresh),
        } = prove("correct horse", Some(&stored)).unwrap()
        else {
            panic!("not accepted");
        };
        assert_eq!(
            prove("correct horse", Some(&fresh)).unwrap(),
            Proof::Right { upgrade: None }
        );
        assert_eq!(prove("wrong horse", Some(&stored)).unwrap(), Proof::Wrong);
    }

    #[test]
    fn without_a_usable_hash_the_dummy_is_worked_through() {
        assert!(is_importable(NOBODY));
        for stored in [
            None,
            Some(""),
            Some("x"),
            Some("$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA"),
        ] {
            assert_eq!(prove("", stored).unwrap(), Proof::Wrong);
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

    #[tokio::test]
    async fn over_the_bound_the_pool_says_so() {
        let pool = Passwords {
            running: Arc::new(Semaphore::new(1)),
            admitted: Arc::new(Semaphore::new(0)),
        };
        assert!(matches!(pool.hash("x").await, Err(AuthError::Busy { .. })));
    }
}
