//! What keys look like.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Random characters of an opaque key: 22 of base64url hold 132 bits.
const RANDOM_LENGTH: usize = 22;
/// Characters of the checksum, by which a scanner tells a key from noise without asking a database.
const CHECKSUM_LENGTH: usize = 8;
/// The header of every token we sign, in the order that clients' fixtures have it.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A text that is never written to a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A key for one purpose, which tells nothing of the secret nor of the key for another purpose. Never a purpose with the form
    /// of a token: the secret may sign those, too.
    pub fn derive(&self, purpose: &str) -> Vec<u8> {
        hmac_sha256(self.0.as_bytes(), purpose.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A token signed with HS256. The payload is taken as it is: its order is part of the well-known keys.
pub(super) fn sign(secret: &str, payload: &str) -> String {
    let body = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = hmac_sha256(secret.as_bytes(), body.as_bytes());
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// `sb_publishable_` or `sb_secret_`, random characters, `_`, checksum.
pub(super) fn opaque_key(prefix: &str, random: [u8; 17]) -> String {
    let mut characters = URL_SAFE_NO_PAD.encode(random);
    characters.truncate(RANDOM_LENGTH);
    let body = format!("{prefix}{characters}");
    format!("{body}_{}", opaque_checksum(&body))
}

/// Whether a key of ours has its shape and checksum. The well-known local keys have the shape alone.
pub fn opaque_key_is_well_formed(key: &str) -> bool {
    let Some(body) = key
        .len()
        .checked_sub(CHECKSUM_LENGTH + 1)
        .and_then(|at| key.get(..at))
    else {
        return false;
    };
    let random = body
        .strip_prefix("sb_publishable_")
        .or_else(|| body.strip_prefix("sb_secret_"));
    random.is_some_and(|random| random.len() == RANDOM_LENGTH)
        && key.get(body.len()..) == Some(format!("_{}", opaque_checksum(body)).as_str())
}

fn opaque_checksum(body: &str) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(Sha256::digest(body.as_bytes()));
    text.truncate(CHECKSUM_LENGTH);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_keys_have_their_shape_and_checksum() {
        let key = opaque_key("sb_secret_", [7; 17]);
        assert_eq!(
            key.len(),
            "sb_secret_".len() + RANDOM_LENGTH + 1 + CHECKSUM_LENGTH
        );
        assert!(opaque_key_is_well_formed(&key));
        let mut forged = key.clone();
        forged.replace_range(12..13, if key.as_bytes()[12] == b'A' { "B" } else { "A" });
        assert!(!opaque_key_is_well_formed(&forged));
        assert!(!opaque_key_is_well_formed("sb_secret_é"));
        assert!(!opaque_key_is_well_formed(""));
    }

    #[test]
    fn hmac_is_the_one_of_rfc_4231() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn secrets_stay_out_of_logs() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(…)");
    }
}
