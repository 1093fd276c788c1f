//! The secrets of guests: what stands in for an account of whoever has none.
//!
//! A secret is derived from the project's and the id of the cart or order that it opens, so a repeated request can be told it again
//! although it is kept nowhere; the row has its SHA-256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// What secrets are derived from.
#[derive(Clone)]
pub(crate) struct GuestKey([u8; 32]);

/// What a secret opens: that of a cart opens no order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opens {
    Cart,
    Order,
}

impl GuestKey {
    /// A key of its own purpose.
    pub(crate) fn derive(secret: &[u8]) -> GuestKey {
        GuestKey(mac(secret, b"plinth commerce: secrets of guests v1"))
    }

    /// The secret of this cart or order: 256 bits.
    pub(crate) fn secret(&self, opens: Opens, id: Uuid) -> String {
        let kind: &[u8] = match opens {
            Opens::Cart => b"cart",
            Opens::Order => b"order",
        };
        let message = [kind, b"\0", id.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(mac(&self.0, &message))
    }
}

/// As rows hold it.
pub(crate) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Whether a digest is the stored one, in a time that tells nothing.
pub(crate) fn is_same(stored: &str, sent: &str) -> bool {
    bool::from(stored.as_bytes().ct_eq(sent.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_one_thing() {
        let key = GuestKey::derive(b"a secret");
        let id = Uuid::from_u128(7);
        let secret = key.secret(Opens::Cart, id);
        assert_eq!(secret, key.secret(Opens::Cart, id));
        assert_eq!(secret.len(), 43);
        assert_ne!(secret, key.secret(Opens::Order, id));
        assert_ne!(secret, key.secret(Opens::Cart, Uuid::from_u128(8)));
        assert_ne!(secret, GuestKey::derive(b"another").secret(Opens::Cart, id));
        assert!(is_same(&digest(&secret), &digest(&secret)));
        assert!(!is_same(&digest(&secret), &digest("a guess")));
    }
}
