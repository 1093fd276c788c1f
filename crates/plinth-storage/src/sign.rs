//! Signed URLs: tokens that let whoever holds them read one object, or write one.
//!
//! Signed with a key of their own, which is derived from the secret that signs access tokens: an access token is never a signed
//! URL, and a signed URL never says who somebody is. It ends with that secret, because whoever had the secret could have signed
//! anything. A token names the object and what it is for; both must be what is asked.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use plinth_db::Clock;
use plinth_http::Gate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StorageError;

/// Longest life of a signed URL, in seconds: ten years.
const LONGEST_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// What the keys are derived for.
const PURPOSE: &str = "plinth: signed storage URLs";

/// Signs and verifies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct UrlSigner {
    /// Has the keys, also when others take their place.
    gate: Arc<Gate>,
    validation: Arc<Validation>,
    clock: Clock,
}

/// What a token for reading lets its holder do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Download {
    /// As which picture: `width:200,resize:cover`.
    pub(crate) transformations: Option<String>,
    pub(crate) end: End,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    /// From now.
    pub(crate) seconds_left: u64,
}

/// What a token for writing lets its holder do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upload {
    /// For whom.
    pub(crate) owner: Option<String>,
    /// Whether it may replace what is there.
    pub(crate) upsert: bool,
    /// The object that was there when the token was made.
    pub(crate) replaces: Option<Uuid>,
    /// Whoever made the token may replace everything.
    pub(crate) replaces_any: bool,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    /// `bucket/path`.
    url: String,
    scope: Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upsert: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<Uuid>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replaces_any: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    transformations: Option<String>,
    iat: i64,
    exp: i64,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Download,
    Upload,
}

impl UrlSigner {
    /// A signer whose tokens end with the secret that was the project's when they were made.
    pub(crate) fn new(gate: Arc<Gate>, clock: Clock) -> UrlSigner {
        let mut validation = Validation::new(Algorithm::HS256);
        // Checked here, against the clock we were given.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        UrlSigner {
            gate,
            validation: Arc::new(validation),
            clock,
        }
    }

    /// A token by which `bucket/path` can be read.
    pub(crate) fn sign_download(
        &self,
        url: String,
        transformations: Option<String>,
        expires_in_seconds: u64,
    ) -> String {
        self.sign(Claims {
            url,
            scope: Scope::Download,
            owner: None,
            upsert: None,
            replaces: None,
            replaces_any: false,
            transformations,
            iat: 0,
            exp: seconds(expires_in_seconds),
        })
    }

    /// A token by which `bucket/path` can be written.
    pub(crate) fn sign_upload(
        &self,
        url: String,
        granted: Upload,
        expires_in_seconds: u64,
    ) -> String {
        self.sign(Claims {
            url,
            scope: Scope::Upload,
            owner: granted.owner,
            upsert: Some(granted.upsert),
            replaces: granted.replaces,
            replaces_any: granted.replaces_any,
            transformations: None,
            iat: 0,
            exp: seconds(expires_in_seconds),
        })
    }

    /// What this token lets its holder read, if it is for this `bucket/path`.
    pub(crate) fn verify_download(&self, token: &str, url: &str) -> Result<Download, StorageError> {
        let claims = self.verify(token, url, Scope::Download)?;
        let seconds_left = claims.exp.saturating_sub(self.clock.now().as_second());
        Ok(Download {
            transformations: claims.transformations,
            end: End {
                at: Timestamp::from_second(claims.exp).unwrap_or(Timestamp::MAX),
                seconds_left: u64::try_from(seconds_left).unwrap_or(0),
            },
        })
    }

    /// What this token lets its holder write, if it is for this `bucket/path`.
    pub(crate) fn verify_upload(&self, token: &str, url: &str) -> Result<Upload, StorageError> {
        let claims = self.verify(token, url, Scope::Upload)?;
        Ok(Upload {
            owner: claims.owner,
            upsert: claims.upsert.unwrap_or(false),
            replaces: claims.replaces,
            replaces_any: claims.replaces_any,
        })
    }

    /// `claims.exp` comes in as a lifetime.
    fn sign(&self, mut claims: Claims) -> String {
        claims.iat = self.clock.now().as_second();
        claims.exp = claims.exp.saturating_add(claims.iat);
        let keys = self.gate.derived_keys(PURPOSE);
        let key = keys.first().expect("a gate has a secret that signs");
        let key = EncodingKey::from_secret(key);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
            .expect("these claims always serialise, and HMAC takes keys of any length")
    }

    fn verify(&self, token: &str, url: &str, scope: Scope) -> Result<Claims, StorageError> {
        if token.is_empty() {
            return Err(StorageError::MissingParameter("token"));
        }
        let claims = self.genuine(token)?;
        if claims.scope != scope {
            let wanted = match scope {
                Scope::Download => "download",
                Scope::Upload => "upload",
            };
            return Err(StorageError::InvalidSignature(format!(
                "Token is not scoped for {wanted}"
            )));
        }
        if claims.url != url {
            return Err(StorageError::InvalidSignature(
                "Invalid signature".to_owned(),
            ));
        }
        if claims.exp <= self.clock.now().as_second() {
            return Err(StorageError::InvalidJwt(
                "\"exp\" claim timestamp check failed".to_owned(),
            ));
        }
        Ok(claims)
    }

    /// What one of the keys has signed.
    fn genuine(&self, token: &str) -> Result<Claims, StorageError> {
        let refused = |text: &str| Err(StorageError::InvalidJwt(text.to_owned()));
        for key in self.gate.derived_keys(PURPOSE) {
            let key = DecodingKey::from_secret(&key);
            match jsonwebtoken::decode::<Claims>(token, &key, &self.validation) {
                Ok(decoded) => return Ok(decoded.claims),
                // Another one may have.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(_) => return refused("Invalid Compact JWS"),
            }
        }
        refused("signature verification failed")
    }
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count.min(LONGEST_SECONDS)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use plinth_db::keys::{OldKey, OldKind, Secret};
    use plinth_http::GateKeys;

    use super::*;

    fn signer() -> (UrlSigner, Clock) {
        let clock = Clock::fixed("2026-01-01T00:00:00Z".parse().unwrap());
        (signer_with("secret", clock.clone()), clock)
    }

    fn signer_with(secret: &str, clock: Clock) -> UrlSigner {
        let gate = Arc::new(Gate::new(&keys(secret), clock.clone()));
        UrlSigner::new(gate, clock)
    }

    fn keys(secret: &str) -> GateKeys {
        GateKeys {
            jwt_secret: secret.to_owned(),
            ..GateKeys::default()
        }
    }

    #[test]
    fn a_token_is_for_one_object_and_one_purpose() {
        let (signer, _) = signer();
        let read = signer.sign_download("b/a.txt".to_owned(), None, 60);
        assert!(signer.verify_download(&read, "b/a.txt").is_ok());
        let other = signer.verify_download(&read, "b/b.txt");
        assert!(matches!(other, Err(StorageError::InvalidSignature(_))));
        let write = signer.verify_upload(&read, "b/a.txt").unwrap_err();
        assert_eq!(write.to_string(), "Token is not scoped for upload");
        let granted = Upload {
            owner: Some("me".to_owned()),
            upsert: true,
            replaces: None,
            replaces_any: false,
        };
        let write = signer.sign_upload("b/a.txt".to_owned(), granted.clone(), 60);
        assert_eq!(signer.verify_upload(&write, "b/a.txt").unwrap(), granted);
        assert!(signer.verify_download(&write, "b/a.txt").is_err());
    }

    #[test]
    fn tokens_end() {
        let (signer, clock) = signer();
        let token = signer.sign_download("b/a".to_owned(), Some("width:1".to_owned()), 60);
        clock.advance(SignedDuration::from_secs(59));
        let granted = signer.verify_download(&token, "b/a").unwrap();
        assert_eq!(granted.transformations.as_deref(), Some("width:1"));
        assert_eq!(granted.end.seconds_left, 1);
        clock.advance(SignedDuration::from_secs(1));
        assert!(matches!(
            signer.verify_download(&token, "b/a"),
            Err(StorageError::InvalidJwt(_))
        ));
    }

    #[test]
    fn tokens_end_with_the_secret_that_was_there_when_they_were_made() {
        let (signer, clock) = signer();
        let counts = |token: &str| signer.verify_download(token, "b/a").is_ok();
        let before = signer.sign_download("b/a".to_owned(), None, 3600);
        let replaced = OldKey {
            kind: OldKind::Signing,
            text: Secret::new("secret"),
            signs_from: None,
            ends: clock.now().as_second() + 60,
        };
        signer.gate.replace(&GateKeys {
            old: vec![replaced],
            ..keys("a new secret")
        });
        let after = signer.sign_download("b/a".to_owned(), None, 3600);
        assert!(counts(&before) && counts(&after));
        clock.advance(SignedDuration::from_secs(60));
        assert!(!counts(&before) && counts(&after));
    }

    #[test]
    fn what_others_signed_opens_nothing() {
        let (signer, clock) = signer();
        let other = signer_with("another", clock);
        let token = other.sign_download("b/a".to_owned(), None, 60);
        for bad in [
            token.as_str(),
            "",
            "a.b.c",
            "eyJhbGciOiJub25lIn0.eyJ1cmwiOiJiL2EifQ.",
        ] {
            assert!(signer.verify_download(bad, "b/a").is_err(), "{bad}");
        }
        // An access token of the project is signed with the secret itself.
        let claims = serde_json::json!({"url": "b/a", "scope": "download", "iat": 0, "exp": 9_999_999_999_i64});
        let key = EncodingKey::from_secret(b"secret");
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(signer.verify_download(&token, "b/a").is_err());
    }
}
