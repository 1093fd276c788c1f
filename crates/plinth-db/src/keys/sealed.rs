//! Sealing: AES-256-GCM under a key derived from the master key, one for each purpose.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::Sha256;

use super::{KeyError, MasterKey};

/// Opens every sealed text, so that the form can change one day.
const VERSION: &str = "v1:";
const NONCE_BYTES: usize = 12;

/// `v1:` and base64 of nonce, ciphertext and tag. `purpose` (the kind of key) parts one use of the master key from
/// another; `id` is bound in, so that a row's secret cannot be moved to another row.
pub(super) fn seal(
    master: &MasterKey,
    purpose: &str,
    id: &str,
    plain: &str,
) -> Result<String, KeyError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| KeyError::Random(error.to_string()))?;
    let payload = Payload {
        msg: plain.as_bytes(),
        aad: id.as_bytes(),
    };
    let sealed = cipher(master, purpose)
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| KeyError::WrongMasterKey)?;
    Ok(format!(
        "{VERSION}{}",
        STANDARD.encode([nonce.as_slice(), &sealed].concat())
    ))
}

/// The text that [`seal`] sealed under the same master key, purpose and id.
pub(super) fn open(
    master: &MasterKey,
    purpose: &str,
    id: &str,
    sealed: &str,
) -> Result<String, KeyError> {
    let bytes = sealed
        .strip_prefix(VERSION)
        .and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or(KeyError::WrongMasterKey)?;
    let (nonce, ciphertext) = bytes
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(KeyError::WrongMasterKey)?;
    let payload = Payload {
        msg: ciphertext,
        aad: id.as_bytes(),
    };
    let plain = cipher(master, purpose)
        .decrypt(&Nonce::from(*nonce), payload)
        .map_err(|_| KeyError::WrongMasterKey)?;
    String::from_utf8(plain).map_err(|_| KeyError::WrongMasterKey)
}

fn cipher(master: &MasterKey, purpose: &str) -> Aes256Gcm {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, &master.0)
        .expand(format!("plinth.keys/{purpose}").as_bytes(), &mut key)
        .expect("32 bytes are within what HKDF can give");
    Aes256Gcm::new(&key.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_purpose_and_row_open_it() {
        let master = MasterKey([1; 32]);
        let sealed = seal(&master, "jwt_secret", "a", "hush").unwrap();
        assert_eq!(open(&master, "jwt_secret", "a", &sealed).unwrap(), "hush");
        assert!(open(&MasterKey([2; 32]), "jwt_secret", "a", &sealed).is_err());
        assert!(open(&master, "secret", "a", &sealed).is_err());
        assert!(open(&master, "jwt_secret", "b", &sealed).is_err());
        for damaged in ["", "v1:", "v1:AAAA", "v2:AAAA", &sealed[..sealed.len() - 4]] {
            assert!(
                open(&master, "jwt_secret", "a", damaged).is_err(),
                "{damaged}"
            );
        }
    }

    #[test]
    fn sealing_twice_gives_different_texts() {
        let master = MasterKey([1; 32]);
        assert_ne!(
            seal(&master, "secret", "a", "x").unwrap(),
            seal(&master, "secret", "a", "x").unwrap()
        );
    }
}
