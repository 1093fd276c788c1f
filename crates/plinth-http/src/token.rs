//! Tokens: signing, verifying, and remembering what was verified.
//!
//! One algorithm, HS256 with the project's secret. The header's `alg` only ever has to agree with that; it never
//! chooses anything, so `none` and public keys used as secrets find no way in.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Clocks of other machines may be off by this much.
const SKEW_SECONDS: i64 = 30;

/// Verified tokens that are remembered. About 1 KiB each, so some 8 MiB at most.
const CACHED_TOKENS: usize = 8192;

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// All claims. `role` is always there, `anon` when the token had none.
    pub map: Arc<Map<String, Value>>,
    /// The same as JSON text.
    pub json: Arc<plinth_db::Claims>,
}

/// Why a token is not accepted. The texts are what clients compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// `Authorization: Bearer` with nothing after it.
    #[error("Empty JWT is sent in Authorization header")]
    Empty,
    /// Not three parts between dots.
    #[error("Expected 3 parts in JWT; got {0}")]
    Parts(usize),
    /// `alg` is not HS256; `none` above all.
    #[error("Wrong or unsupported encoding algorithm")]
    Algorithm,
    /// Signed with another key, or changed after signing.
    #[error("No suitable key or wrong key type")]
    Signature,
    /// Not base64, not JSON, not an object.
    #[error("JWT couldn't be decoded")]
    Malformed,
    /// A claim that we read has the wrong type.
    #[error("The JWT '{0}' claim must be a {1}")]
    Claim(&'static str, &'static str),
    /// `exp` has passed.
    #[error("JWT expired")]
    Expired,
    /// `nbf` is to come.
    #[error("JWT not yet valid")]
    NotYetValid,
    /// `iat` is to come.
    #[error("JWT issued at future")]
    IssuedInFuture,
}

impl TokenError {
    /// Whether the token is genuine and only its claims were refused.
    pub fn is_about_claims(self) -> bool {
        match self {
            TokenError::Empty
            | TokenError::Parts(_)
            | TokenError::Algorithm
            | TokenError::Signature
            | TokenError::Malformed => false,
            TokenError::Claim(..)
            | TokenError::Expired
            | TokenError::NotYetValid
            | TokenError::IssuedInFuture => true,
        }
    }
}

impl Claims {
    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.map.get(name).and_then(Value::as_str)
    }

    /// The claims of a caller that has no token: just the role.
    pub(crate) fn of_role(role: &str) -> Claims {
        Claims::new(Map::from_iter([("role".to_owned(), Value::from(role))]))
    }

    fn new(mut map: Map<String, Value>) -> Claims {
        map.entry("role").or_insert_with(|| Value::from("anon"));
        let json = Value::Object(map.clone()).to_string();
        Claims {
            map: Arc::new(map),
            json: plinth_db::Claims::new(json),
        }
    }
}

/// Signs and verifies with one secret.
pub(crate) struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    verified: Mutex<HashMap<[u8; 32], Verified>>,
}

/// A token that was found genuine, and when it counts.
#[derive(Clone)]
struct Verified {
    claims: Claims,
    window: Window,
}

/// The times in a token, in seconds since 1970.
#[derive(Clone, Copy, Default)]
struct Window {
    expires: Option<i64>,
    not_before: Option<i64>,
    issued: Option<i64>,
}

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Signer {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked here, against the clock we were given; audiences are each service's own matter.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Signer {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            verified: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .expect("JSON always serialises and HMAC takes keys of any length")
    }

    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = self.verified.lock().get(&key).cloned();
        let is_new = remembered.is_none();
        let verified = match remembered {
            Some(verified) => verified,
            None => self.decode(token)?,
        };
        verified.window.check(now)?;
        let claims = verified.claims.clone();
        if is_new {
            self.remember(key, verified, now);
        }
        Ok(claims)
    }

    fn decode(&self, token: &str) -> Result<Verified, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        let parts = token.split('.').count();
        if parts != 3 {
            return Err(TokenError::Parts(parts));
        }
        let data =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.decoding, &self.validation)
                .map_err(|error| reason(error.kind(), token))?;
        let window = Window {
            expires: seconds(&data.claims, "exp")?,
            not_before: seconds(&data.claims, "nbf")?,
            issued: seconds(&data.claims, "iat")?,
        };
        if data
            .claims
            .get("role")
            .is_some_and(|role| !role.is_string())
        {
            return Err(TokenError::Claim("role", "string"));
        }
        Ok(Verified {
            claims: Claims::new(data.claims),
            window,
        })
    }

    fn remember(&self, key: [u8; 32], verified: Verified, now: i64) {
        let mut known = self.verified.lock();
        if known.len() >= CACHED_TOKENS {
            known.retain(|_, other| other.window.check(now).is_ok());
        }
        if known.len() >= CACHED_TOKENS {
            // Rare, and verifying anew costs microseconds: starting over needs no bookkeeping of use.
            known.clear();
        }
        known.insert(key, verified);
    }
}

impl Window {
    fn check(self, now: i64) -> Result<(), TokenError> {
        if self
            .expires
            .is_some_and(|at| now > at.saturating_add(SKEW_SECONDS))
        {
            return Err(TokenError::Expired);
        }
        if self
            .not_before
            .is_some_and(|at| now < at.saturating_sub(SKEW_SECONDS))
        {
            return Err(TokenError::NotYetValid);
        }
        if self
            .issued
            .is_some_and(|at| now < at.saturating_sub(SKEW_SECONDS))
        {
            return Err(TokenError::IssuedInFuture);
        }
        Ok(())
    }
}

/// A time claim. Fractions are allowed by the standard and cut off.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float outside the range of integers saturates"
)]
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value
            .as_i64()
            .or_else(|| value.as_f64().map(|float| float as i64))
        {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(TokenError::Claim(name, "number")),
        },
    }
}

fn reason(kind: &ErrorKind, token: &str) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        // The library cannot even read a header whose `alg` it does not know, such as `none`.
        ErrorKind::Json(_) if names_an_algorithm(token) => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}

fn names_an_algorithm(token: &str) -> bool {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap_or_default();
    let Ok(bytes) = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header) else {
        return false;
    };
    matches!(serde_json::from_slice(&bytes), Ok(Value::Object(header)) if header.get("alg").is_some_and(|alg| alg != "HS256"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn verify(claims: &Value) -> Result<Claims, TokenError> {
        let signer = Signer::new(b"a secret that is long enough for anyone");
        signer.verify(&signer.sign(claims), NOW)
    }

    fn encode(text: &str) -> String {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn a_genuine_token_gives_its_claims() {
        let claims =
            verify(&json!({"sub": "x", "role": "authenticated", "exp": NOW + 60})).unwrap();
        assert_eq!(claims.text("role"), Some("authenticated"));
        assert_eq!(
            verify(&json!({"exp": NOW + 60})).unwrap().text("role"),
            Some("anon")
        );
    }

    #[test]
    fn times_are_checked_with_half_a_minute_of_grace() {
        assert!(verify(&json!({"exp": NOW - 30})).is_ok());
        assert_eq!(
            verify(&json!({"exp": NOW - 31})).unwrap_err(),
            TokenError::Expired
        );
        assert!(verify(&json!({"nbf": NOW + 30})).is_ok());
        assert_eq!(
            verify(&json!({"nbf": NOW + 31})).unwrap_err(),
            TokenError::NotYetValid
        );
        assert_eq!(
            verify(&json!({"iat": NOW + 31})).unwrap_err(),
            TokenError::IssuedInFuture
        );
        assert_eq!(
            verify(&json!({"exp": "soon"})).unwrap_err(),
            TokenError::Claim("exp", "number")
        );
        assert_eq!(
            verify(&json!({"role": 1})).unwrap_err(),
            TokenError::Claim("role", "string")
        );
    }

    #[test]
    fn a_remembered_token_still_expires() {
        let signer = Signer::new(b"secret");
        let token = signer.sign(&json!({"exp": NOW + 10}));
        assert!(signer.verify(&token, NOW).is_ok());
        assert!(signer.verify(&token, NOW + 40).is_ok());
        assert_eq!(
            signer.verify(&token, NOW + 41).unwrap_err(),
            TokenError::Expired
        );
    }

    #[test]
    fn forgeries_are_refused() {
        let (ours, theirs) = (Signer::new(b"ours"), Signer::new(b"theirs"));
        let claims = json!({"role": "service_role"});
        assert_eq!(
            ours.verify(&theirs.sign(&claims), NOW).unwrap_err(),
            TokenError::Signature
        );

        let none = format!(
            "{}.{}.",
            encode(r#"{"alg":"none","typ":"JWT"}"#),
            encode(&claims.to_string())
        );
        assert_eq!(ours.verify(&none, NOW).unwrap_err(), TokenError::Algorithm);
        let other = format!(
            "{}.{}.eA",
            encode(r#"{"alg":"RS256"}"#),
            encode(&claims.to_string())
        );
        assert_eq!(ours.verify(&other, NOW).unwrap_err(), TokenError::Algorithm);

        let genuine = ours.sign(&json!({"role": "anon"}));
        let mut parts: Vec<&str> = genuine.split('.').collect();
        let swapped = encode(&claims.to_string());
        parts[1] = &swapped;
        assert_eq!(
            ours.verify(&parts.join("."), NOW).unwrap_err(),
            TokenError::Signature
        );

        assert_eq!(ours.verify("", NOW).unwrap_err(), TokenError::Empty);
        assert_eq!(ours.verify("a.b", NOW).unwrap_err(), TokenError::Parts(2));
        assert_eq!(
            ours.verify("a.b.c", NOW).unwrap_err(),
            TokenError::Malformed
        );
    }
}
