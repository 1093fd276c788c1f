//! Tokens: signing, verifying, and remembering what was verified.
//!
//! One algorithm, HS256 with the project's secret. The header's `alg` only ever has to agree with that; it never
//! chooses anything, so `none` and public keys used as secrets find no way in. A secret that another one has replaced
//! verifies until its end, and so does what is remembered of it.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::Mutex;
use plinth_db::keys::Secret;
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

/// A secret, and when it counts, in seconds since 1970.
pub(crate) struct SigningSecret<'a> {
    /// The secret.
    pub(crate) secret: &'a str,
    /// From when it signs; before that it verifies only. None means always.
    pub(crate) signs_from: Option<i64>,
    /// From when it no longer counts.
    pub(crate) ends: Option<i64>,
}

/// Signs with the newest of its secrets and verifies with all.
pub(crate) struct Signer {
    /// The newest first; there is one at least.
    secrets: Vec<Known>,
    validation: Validation,
    verified: Mutex<HashMap<[u8; 32], Verified>>,
}

/// A secret as the library wants it.
struct Known {
    secret: Secret,
    encoding: EncodingKey,
    decoding: DecodingKey,
    signs_from: Option<i64>,
    ends: Option<i64>,
}

/// A token that was found genuine, and when it counts.
#[derive(Clone)]
struct Verified {
    claims: Claims,
    window: Window,
}

/// The times in a token, and of the secret that signed it, in seconds since 1970.
#[derive(Clone, Copy, Default)]
struct Window {
    expires: Option<i64>,
    not_before: Option<i64>,
    issued: Option<i64>,
    secret_ends: Option<i64>,
}

impl Signer {
    /// With the newest secret and those before it, the newest of them first.
    pub(crate) fn new<'a>(
        newest: SigningSecret<'a>,
        older: impl Iterator<Item = SigningSecret<'a>>,
    ) -> Signer {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked here, against the clock we were given; audiences are each service's own matter.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let known = |one: SigningSecret<'_>| Known {
            secret: Secret::new(one.secret),
            encoding: EncodingKey::from_secret(one.secret.as_bytes()),
            decoding: DecodingKey::from_secret(one.secret.as_bytes()),
            signs_from: one.signs_from,
            ends: one.ends,
        };
        Signer {
            secrets: std::iter::once(newest).chain(older).map(known).collect(),
            validation,
            verified: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn sign(&self, claims: &Value, now: i64) -> String {
        let secret = self.signing(now);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &secret.encoding)
            .expect("JSON always serialises and HMAC takes keys of any length")
    }

    /// A key for this purpose from each secret that counts, first from the one that signs.
    pub(crate) fn derive(&self, purpose: &str, now: i64) -> Vec<Vec<u8>> {
        let signing = self.signing(now);
        let counts = |one: &&Known| !one.has_ended(now) && !std::ptr::eq(*one, signing);
        let others = self.secrets.iter().filter(counts);
        std::iter::once(signing)
            .chain(others)
            .map(|one| one.secret.derive(purpose))
            .collect()
    }

    fn signing(&self, now: i64) -> &Known {
        let signs = |secret: &&Known| {
            !secret.has_ended(now) && secret.signs_from.is_none_or(|from| from <= now)
        };
        // Where clocks differ none may have begun, and the newest will.
        let secret = self.secrets.iter().find(signs).or(self.secrets.first());
        secret.expect("a signer has a secret")
    }

    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let remembered = self.verified.lock().get(&key).cloned();
        let is_new = remembered.is_none();
        let verified = match remembered {
            Some(verified) => verified,
            None => self.decode(token, now)?,
        };
        verified.window.check(now)?;
        let claims = verified.claims.clone();
        if is_new {
            self.remember(key, verified, now);
        }
        Ok(claims)
    }

    fn decode(&self, token: &str, now: i64) -> Result<Verified, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        let parts = token.split('.').count();
        if parts != 3 {
            return Err(TokenError::Parts(parts));
        }
        let (claims, secret_ends) = self.claims(token, now)?;
        let window = Window {
            expires: seconds(&claims, "exp")?,
            not_before: seconds(&claims, "nbf")?,
            issued: seconds(&claims, "iat")?,
            secret_ends,
        };
        if claims.get("role").is_some_and(|role| !role.is_string()) {
            return Err(TokenError::Claim("role", "string"));
        }
        Ok(Verified {
            claims: Claims::new(claims),
            window,
        })
    }

    /// The claims of a token that one of the secrets has signed, and when that one ends.
    fn claims(
        &self,
        token: &str,
        now: i64,
    ) -> Result<(Map<String, Value>, Option<i64>), TokenError> {
        for secret in self.secrets.iter().filter(|secret| !secret.has_ended(now)) {
            let data = jsonwebtoken::decode::<Map<String, Value>>(
                token,
                &secret.decoding,
                &self.validation,
            );
            match data.map_err(|error| reason(error.kind(), token)) {
                Ok(data) => return Ok((data.claims, secret.ends)),
                // Another one may have.
                Err(TokenError::Signature) => {}
                Err(other) => return Err(other),
            }
        }
        Err(TokenError::Signature)
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

impl Known {
    fn has_ended(&self, now: i64) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }
}

impl Window {
    fn check(self, now: i64) -> Result<(), TokenError> {
        if self.secret_ends.is_some_and(|end| end <= now) {
            return Err(TokenError::Signature);
        }
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

    /// With one secret that counts for good.
    fn signer(secret: &str) -> Signer {
        Signer::new(signing(secret, None, None), std::iter::empty())
    }

    fn signing(secret: &str, signs_from: Option<i64>, ends: Option<i64>) -> SigningSecret<'_> {
        SigningSecret {
            secret,
            signs_from,
            ends,
        }
    }

    fn verify(claims: &Value) -> Result<Claims, TokenError> {
        let signer = signer("a secret that is long enough for anyone");
        signer.verify(&signer.sign(claims, NOW), NOW)
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
        let signer = signer("secret");
        let token = signer.sign(&json!({"exp": NOW + 10}), NOW);
        assert!(signer.verify(&token, NOW).is_ok());
        assert!(signer.verify(&token, NOW + 40).is_ok());
        assert_eq!(
            signer.verify(&token, NOW + 41).unwrap_err(),
            TokenError::Expired
        );
    }

    #[test]
    fn a_replaced_secret_verifies_until_its_end_also_what_is_remembered() {
        let token = signer("old").sign(&json!({"exp": NOW + 3600}), NOW);
        let both = Signer::new(
            signing("new", Some(NOW), None),
            std::iter::once(signing("old", None, Some(NOW + 60))),
        );
        for now in [NOW, NOW + 59] {
            assert!(both.verify(&token, now).is_ok());
        }
        for now in [NOW + 60, NOW + 61] {
            assert_eq!(both.verify(&token, now).unwrap_err(), TokenError::Signature);
        }
        let fresh = both.sign(&json!({}), NOW);
        assert!(signer("new").verify(&fresh, NOW).is_ok());
        assert!(both.verify(&fresh, NOW + 61).is_ok());
        let neither = signer("other").sign(&json!({}), NOW);
        assert_eq!(
            both.verify(&neither, NOW).unwrap_err(),
            TokenError::Signature
        );
    }

    #[test]
    fn a_new_secret_verifies_before_it_signs() {
        let both = Signer::new(
            signing("new", Some(NOW + 3), None),
            std::iter::once(signing("old", None, Some(NOW + 3))),
        );
        let token = signer("new").sign(&json!({}), NOW);
        assert!(both.verify(&token, NOW).is_ok());
        for (now, secret) in [(NOW, "old"), (NOW + 2, "old"), (NOW + 3, "new")] {
            let signed = both.sign(&json!({}), now);
            assert!(signer(secret).verify(&signed, now).is_ok(), "{secret}");
        }
    }

    #[test]
    fn keys_for_other_purposes_come_and_go_with_the_secrets() {
        let both = Signer::new(
            signing("new", Some(NOW + 3), None),
            std::iter::once(signing("old", None, Some(NOW + 60))),
        );
        let of = |secret: &str| Secret::new(secret).derive("a purpose");
        for (now, keys) in [
            (NOW, vec![of("old"), of("new")]),
            (NOW + 3, vec![of("new"), of("old")]),
            (NOW + 60, vec![of("new")]),
        ] {
            assert_eq!(both.derive("a purpose", now), keys);
        }
        assert_ne!(both.derive("another", NOW), both.derive("a purpose", NOW));
    }

    #[test]
    fn forgeries_are_refused() {
        let (ours, theirs) = (signer("ours"), signer("theirs"));
        let claims = json!({"role": "service_role"});
        assert_eq!(
            ours.verify(&theirs.sign(&claims, NOW), NOW).unwrap_err(),
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

        let genuine = ours.sign(&json!({"role": "anon"}), NOW);
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
