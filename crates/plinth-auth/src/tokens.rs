//! The two tokens of a session (claims of the access token, and refresh tokens), and what is proved by mail.
//!
//! A refresh token is base64url of: version (one byte, 0), session id (16 bytes), counter (varint), the first 16 bytes of an HMAC-SHA-256 over
//! those, the first 4 bytes of a SHA-256 over everything before. It is derived, never stored: who asks twice for
//! the successor of a token gets the same one, and the database alone yields none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::model::session::Session;
use crate::model::user::User;

const VERSION: u8 = 0;
const MAC_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;
/// Version, session, the longest counter, both ends: a longer text is no token of ours.
const MAX_BYTES: usize = 1 + 16 + 10 + MAC_BYTES + CHECKSUM_BYTES;

/// What refresh tokens are derived from.
#[derive(Clone)]
pub(crate) struct RefreshKey([u8; 32]);

/// A genuine refresh token, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    /// Whose.
    pub(crate) session_id: Uuid,
    /// Its number in the session, from 0.
    pub(crate) counter: i64,
}

impl RefreshKey {
    /// A key of its own purpose, so that nothing signed elsewhere with the same secret is a refresh token.
    pub(crate) fn derive(secret: &[u8]) -> RefreshKey {
        RefreshKey(mac(secret, b"plinth refresh token v1"))
    }

    /// The token with this number.
    pub(crate) fn token(&self, session_id: Uuid, counter: i64) -> String {
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(session_id.as_bytes());
        push_varint(&mut bytes, counter.unsigned_abs());
        let proof = self.proof(&bytes);
        bytes.extend_from_slice(&proof);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Takes a token apart; `None` unless it was made with this key.
    pub(crate) fn read(&self, token: &str) -> Option<RefreshToken> {
        if token.len() > MAX_BYTES.div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        let (body, proof) = signed.split_at_checked(signed.len().checked_sub(MAC_BYTES)?)?;
        let genuine = checksum(signed).ct_eq(sum) & self.proof(body).ct_eq(proof);
        if !bool::from(genuine) {
            return None;
        }
        let (version, rest) = body.split_first()?;
        let (session, counter) = rest.split_at_checked(16)?;
        if *version != VERSION {
            return None;
        }
        Some(RefreshToken {
            session_id: Uuid::from_slice(session).ok()?,
            counter: i64::try_from(read_varint(counter)?).ok()?,
        })
    }

    fn proof(&self, body: &[u8]) -> [u8; MAC_BYTES] {
        let full = mac(&self.0, body);
        std::array::from_fn(|place| full[place])
    }
}

/// What the tokens of links and codes are derived from.
#[derive(Clone)]
pub(crate) struct MailKey([u8; 32]);

/// How many codes of six digits there are.
const CODES: u64 = 1_000_000;
/// Hexadecimal digits of a link's token, as many as clients of this API are used to.
const LINK_TOKEN_CHARS: usize = 56;

impl MailKey {
    /// A key of its own purpose.
    pub(crate) fn derive(secret: &[u8]) -> MailKey {
        MailKey(mac(secret, b"plinth one-time token v1"))
    }

    /// The token in the link of a letter to this address with this code. Keyed, so that a code of few digits cannot
    /// be found from what the database holds.
    pub(crate) fn link_token(&self, address: &str, code: &str) -> String {
        let message = [address.as_bytes(), b"\0", code.as_bytes()].concat();
        let mut token = hex::encode(mac(&self.0, &message));
        token.truncate(LINK_TOKEN_CHARS);
        token
    }
}

/// A fresh code, every one as likely as every other.
pub(crate) fn random_code() -> Result<String, getrandom::Error> {
    // Of 64 random bits the remainder's bias is below one in 10^13.
    let number = getrandom::u64()? % CODES;
    Ok(format!("{number:06}"))
}

/// As `auth.refresh_tokens.token`, `auth.one_time_tokens.token_hash` and `auth.flow_state.auth_code` hold them.
pub(crate) fn stored_form(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// The claims of an access token. `issuer` is the public URL of this service.
pub(crate) fn claims(
    user: &User,
    session: &Session,
    issuer: &str,
    issued_at: i64,
    expires_at: i64,
) -> Value {
    json!({
        "iss": issuer,
        "sub": user.id,
        "aud": user.aud,
        "exp": expires_at,
        "iat": issued_at,
        "email": user.email.as_deref().unwrap_or_default(),
        "phone": user.phone.as_deref().unwrap_or_default(),
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "role": user.role,
        "aal": session.aal,
        "amr": session.amr,
        "session_id": session.id,
        "is_anonymous": user.is_anonymous,
    })
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail; an all-zero key would still be a key that nobody is given.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|place| digest[place])
}

/// Seven bits a byte, lowest first; the top bit says that more follow.
fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// The number, when the bytes are exactly its shortest form: a token has one spelling only.
fn read_varint(bytes: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        let shift = u32::try_from(place)
            .ok()?
            .checked_mul(7)
            .filter(|shift| *shift < 63)?;
        number |= u64::from(byte & 0x7f) << shift;
        let last = byte & 0x80 == 0;
        if last {
            let shortest = *byte != 0 || place == 0;
            return (place + 1 == bytes.len() && shortest).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Uuid = Uuid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555);

    #[test]
    fn a_token_reads_back() {
        let key = RefreshKey::derive(b"secret");
        for counter in [0, 1, 127, 128, 300, 1 << 40, i64::MAX] {
            let token = key.token(SESSION, counter);
            assert_eq!(
                key.read(&token),
                Some(RefreshToken {
                    session_id: SESSION,
                    counter
                }),
                "{token}"
            );
            assert_eq!(key.token(SESSION, counter), token);
        }
    }

    #[test]
    fn only_genuine_tokens_are_read() {
        let key = RefreshKey::derive(b"secret");
        let token = key.token(SESSION, 7);
        assert_eq!(RefreshKey::derive(b"other").read(&token), None);
        for place in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                key.read(std::str::from_utf8(&forged).unwrap()),
                None,
                "{place}"
            );
        }
        for text in [
            "",
            "x",
            "abcdefghijkl",
            "é",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &"A".repeat(10_000),
        ] {
            assert_eq!(key.read(text), None, "{text}");
        }
    }

    #[test]
    fn varints_have_one_spelling() {
        assert_eq!(read_varint(&[0x80, 0x00]), None);
        assert_eq!(read_varint(&[0x00, 0x00]), None);
        assert_eq!(read_varint(&[0x80]), None);
        assert_eq!(read_varint(&[]), None);
        assert_eq!(read_varint(&[0xff; 12]), None);
        assert_eq!(read_varint(&[0xac, 0x02]), Some(300));
    }

    #[test]
    fn link_tokens_depend_on_the_key_the_address_and_the_code() {
        let key = MailKey::derive(b"secret");
        let token = key.link_token("a@example.com", "123456");
        assert_eq!(token.len(), LINK_TOKEN_CHARS);
        assert_ne!(token, key.link_token("a@example.com", "123457"));
        assert_ne!(token, key.link_token("b@example.com", "123456"));
        let other = MailKey::derive(b"other");
        assert_ne!(token, other.link_token("a@example.com", "123456"));
    }

    #[test]
    fn codes_have_six_digits() {
        for _ in 0..100 {
            let code = random_code().unwrap();
            assert!(
                code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
                "{code}"
            );
        }
    }

    #[test]
    fn stored_tokens_are_hashes() {
        assert_eq!(
            stored_form("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
