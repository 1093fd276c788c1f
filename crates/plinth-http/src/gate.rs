//! The gate: which key or token a request carries, and whom that makes the caller.

use axum::http::header::{AUTHORIZATION, ORIGIN, USER_AGENT, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::RwLock;
use plinth_db::keys::{Keys, OldKey, OldKind, Secret};
use plinth_db::{Catalog, Clock};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::token::{Signer, SigningSecret};
use crate::{ApiError, Caller, Claims, KeyKind, Mode, TokenError, host};

/// The header that carries the API key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("apikey");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What all opaque keys begin with. Clients put them where tokens go, too; they are never parsed as one.
const OPAQUE_PREFIX: &str = "sb_";

/// The keys a gate knows.
#[derive(Clone, Debug, Default)]
pub struct GateKeys {
    /// Signs and verifies tokens.
    pub jwt_secret: String,
    /// From when it signs, in seconds since 1970; until then an old one does. None means always.
    pub signs_from: Option<i64>,
    /// `sb_publishable_…`: these make the caller `anon`.
    pub publishable: Vec<String>,
    /// `sb_secret_…`: these make the caller `service_role`.
    pub secret: Vec<String>,
    /// The key of the role `anon` in the form of a token. It is let in by the secret that signed it.
    pub anon_jwt: Option<String>,
    /// Keys that those above have replaced, the oldest first.
    pub old: Vec<OldKey>,
}

/// Knows the keys; tells who is calling.
pub struct Gate {
    ring: RwLock<Ring>,
    clock: Clock,
}

/// The keys, until others are put into their place. What was verified with them goes with them.
struct Ring {
    signer: Signer,
    public: Vec<Secret>,
    keys: Vec<KnownKey>,
}

/// An opaque key, kept as its digest only.
struct KnownKey {
    digest: [u8; 32],
    kind: KeyKind,
    /// From when it no longer counts, in seconds since 1970.
    ends: Option<i64>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Neither `apikey` nor a bearer token.
    #[error("No API key found in request")]
    NoKey,
    /// An opaque key that is not (or no longer) known.
    #[error("Invalid API key")]
    UnknownKey,
    /// A token that is not accepted.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A service key where anybody can read it.
    #[error("Forbidden use of secret API key in browser")]
    ExposedServiceKey,
    /// The token's role does not exist.
    #[error("role \"{0}\" does not exist")]
    UnknownRole(String),
    /// The token's role is not one that callers may have.
    #[error("permission denied to set role \"{0}\"")]
    RoleNotGranted(String),
}

impl Gate {
    /// A gate for these keys.
    pub fn new(keys: &GateKeys, clock: Clock) -> Gate {
        Gate {
            ring: RwLock::new(Ring::of(keys)),
            clock,
        }
    }

    /// Puts these keys into the place of those known so far. They count from the next request.
    pub fn replace(&self, keys: &GateKeys) {
        let ring = Ring::of(keys);
        *self.ring.write() = ring;
    }

    /// Who sent these headers. Without any key the caller is `anon` on `open` routes and refused on others.
    ///
    /// Whether the role exists and may be taken is `check_role`'s question, and whether a service key may come
    /// from there `check_origin`'s; [`Caller`] as an extractor asks all three.
    pub fn resolve(&self, headers: &HeaderMap, open: bool) -> Result<Caller, GateError> {
        let ring = self.ring.read();
        let bearer = bearer(headers);
        let api_key = headers
            .get(API_KEY)
            .map(|value| value.to_str().unwrap_or_default());
        let opaque = api_key
            .filter(|key| key.starts_with(OPAQUE_PREFIX))
            .map(|key| self.opaque_key(&ring, key).ok_or(GateError::UnknownKey))
            .transpose()?;

        match (bearer, api_key) {
            (Some(token), _) if !token.starts_with(OPAQUE_PREFIX) => Ok(self
                .by_token(&ring, token)?
                .also_holding(opaque == Some(KeyKind::Secret))),
            (_, Some(key)) => match opaque {
                Some(kind) => Ok(Caller::by_key(kind)),
                None => self.by_token(&ring, key),
            },
            (Some(key), None) => self
                .opaque_key(&ring, key)
                .map(Caller::by_key)
                .ok_or(GateError::UnknownKey),
            (None, None) if open => Ok(Caller::by_key(KeyKind::None)),
            (None, None) => Err(GateError::NoKey),
        }
    }

    /// The keys that every client has, in both forms. Holding one proves nothing.
    pub fn public_keys(&self) -> Vec<Secret> {
        self.ring.read().public.clone()
    }

    /// Signs claims with the project's secret.
    pub fn sign(&self, claims: &Value) -> String {
        self.ring.read().signer.sign(claims, self.now())
    }

    /// Keys for one purpose, derived from the secrets that sign tokens: they come and go with these. What any of them has signed
    /// counts; the first is the one to sign with. Never a purpose with the form of a token.
    pub fn derived_keys(&self, purpose: &str) -> Vec<Vec<u8>> {
        self.ring.read().signer.derive(purpose, self.now())
    }

    /// The claims of a token that is genuine and current.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.ring.read().signer.verify(token, self.now())
    }

    fn by_token(&self, ring: &Ring, token: &str) -> Result<Caller, GateError> {
        let claims = ring.signer.verify(token, self.now())?;
        Ok(Caller::by_token(token, claims))
    }

    /// Compares digests, each in constant time and always all of them, so that timing tells nothing of a key.
    fn opaque_key(&self, ring: &Ring, key: &str) -> Option<KeyKind> {
        let sent = digest(key);
        let found = ring.keys.iter().fold(None, |found, known| {
            if bool::from(known.digest.ct_eq(&sent)) {
                Some(known)
            } else {
                found
            }
        });
        let found = found?;
        let counts = found.ends.is_none_or(|end| self.now() < end);
        counts.then_some(found.kind)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

impl Ring {
    fn of(keys: &GateKeys) -> Ring {
        let publishable = keys
            .publishable
            .iter()
            .map(|key| KnownKey::new(key, KeyKind::Publishable, None));
        let secret = keys
            .secret
            .iter()
            .map(|key| KnownKey::new(key, KeyKind::Secret, None));
        let old = keys.old.iter().filter_map(|old| {
            let kind = match old.kind {
                OldKind::Signing => return None,
                OldKind::Publishable => KeyKind::Publishable,
                OldKind::Secret => KeyKind::Secret,
            };
            Some(KnownKey::new(old.text.expose(), kind, Some(old.ends)))
        });
        let newest = SigningSecret {
            secret: &keys.jwt_secret,
            signs_from: keys.signs_from,
            ends: None,
        };
        let signing = |old: &&OldKey| old.kind == OldKind::Signing;
        let older = keys.old.iter().rev().filter(signing);
        let older = older.map(|old| SigningSecret {
            secret: old.text.expose(),
            signs_from: old.signs_from,
            ends: Some(old.ends),
        });
        let public = keys.anon_jwt.iter().chain(&keys.publishable);
        Ring {
            public: public.map(Secret::new).collect(),
            signer: Signer::new(newest, older),
            keys: publishable.chain(secret).chain(old).collect(),
        }
    }
}

impl KnownKey {
    fn new(key: &str, kind: KeyKind, ends: Option<i64>) -> KnownKey {
        KnownKey {
            digest: digest(key),
            kind,
            ends,
        }
    }
}

impl From<&Keys> for GateKeys {
    fn from(keys: &Keys) -> GateKeys {
        GateKeys {
            jwt_secret: keys.jwt_secret.expose().to_owned(),
            signs_from: keys.signs_from,
            publishable: vec![keys.publishable.clone()],
            secret: vec![keys.secret.expose().to_owned()],
            anon_jwt: Some(keys.anon_jwt.clone()),
            old: keys.old.clone(),
        }
    }
}

/// Refuses service keys that whoever looks at a browser's traffic could read.
///
/// `dev` has keys that the whole world knows, so any web page could call it through a visitor's browser: there,
/// nothing but this machine's own pages may. `serve` refuses browsers altogether.
pub(crate) fn check_origin(
    mode: Mode,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<(), GateError> {
    if !caller.holds_service_key() {
        return Ok(());
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let exposed = match mode {
        Mode::Dev => {
            let from_elsewhere =
                headers.contains_key(ORIGIN) && !text(ORIGIN).is_some_and(is_loopback_origin);
            from_elsewhere || text(SEC_FETCH_SITE) == Some("cross-site")
        }
        Mode::Serve => {
            let looks_like_browser =
                text(USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
            // Every browser says where a request comes from; programs on Node.js send `Sec-Fetch-Mode` alone.
            looks_like_browser || headers.contains_key(SEC_FETCH_SITE)
        }
    };
    if exposed {
        Err(GateError::ExposedServiceKey)
    } else {
        Ok(())
    }
}

/// Whether a caller may have this role: it exists and `authenticator` was granted it. Otherwise whoever can sign a
/// token could call himself `postgres`.
pub(crate) fn check_role(catalog: &Catalog, role: &str) -> Result<(), GateError> {
    if !catalog.roles.contains_key(role) {
        return Err(GateError::UnknownRole(role.to_owned()));
    }
    if !catalog.may_become("authenticator", role) {
        return Err(GateError::RoleNotGranted(role.to_owned()));
    }
    Ok(())
}

/// The text after `Bearer`; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_loopback_origin(origin: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| host::is_loopback(authority))
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl From<GateError> for ApiError {
    fn from(error: GateError) -> ApiError {
        let message = error.to_string();
        match error {
            GateError::NoKey | GateError::UnknownKey | GateError::ExposedServiceKey => {
                ApiError::new(StatusCode::UNAUTHORIZED, "PGRST302", message)
            }
            GateError::Token(reason) => {
                let code = if reason.is_about_claims() {
                    "PGRST303"
                } else {
                    "PGRST301"
                };
                let mut error = ApiError::new(StatusCode::UNAUTHORIZED, code, &*message);
                // Our own fixed texts: nothing in them needs quoting.
                let challenge =
                    format!("Bearer error=\"invalid_token\", error_description=\"{message}\"");
                if let Ok(challenge) = HeaderValue::try_from(challenge) {
                    error.headers = vec![(WWW_AUTHENTICATE, challenge)];
                }
                error
            }
            GateError::UnknownRole(_) => ApiError::new(StatusCode::UNAUTHORIZED, "22023", message),
            GateError::RoleNotGranted(_) => ApiError::new(StatusCode::FORBIDDEN, "42501", message),
        }
    }
}

impl IntoResponse for GateError {
    fn into_response(self) -> Response {
        let hint = match &self {
            GateError::NoKey => "No `apikey` request header or url param was found.",
            GateError::UnknownKey => "Double check your API key.",
            GateError::ExposedServiceKey => {
                "Secret API keys can only be used in a protected environment and should never be used in a browser. \
                 Delete this secret API key immediately."
            }
            GateError::Token(_) | GateError::UnknownRole(_) | GateError::RoleNotGranted(_) => {
                return ApiError::from(self).into_response();
            }
        };
        // The gateway in front of the services has a shape of its own, without a code.
        let body = json!({ "message": self.to_string(), "hint": hint });
        let headers = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        (StatusCode::UNAUTHORIZED, headers, axum::Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";
    const SECRET: &str = "sb_secret_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";

    fn gate() -> Gate {
        let keys = GateKeys {
            jwt_secret: "a secret".to_owned(),
            publishable: vec![PUBLISHABLE.to_owned()],
            secret: vec![SECRET.to_owned()],
            ..GateKeys::default()
        };
        Gate::new(&keys, Clock::system())
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn role(lines: &[(&'static str, &str)]) -> Result<String, GateError> {
        gate()
            .resolve(&headers(lines), false)
            .map(|caller| caller.role)
    }

    fn token(role: &str) -> String {
        gate().sign(&json!({ "role": role, "sub": "7f1c3c7e-0000-4000-8000-000000000001" }))
    }

    #[test]
    fn opaque_keys_are_looked_up() {
        assert_eq!(role(&[("apikey", PUBLISHABLE)]).unwrap(), "anon");
        assert_eq!(role(&[("apikey", SECRET)]).unwrap(), "service_role");
        assert_eq!(
            role(&[("apikey", "sb_secret_x")]),
            Err(GateError::UnknownKey)
        );
        assert_eq!(
            role(&[("apikey", &format!("{SECRET}x"))]),
            Err(GateError::UnknownKey)
        );
    }

    #[test]
    fn replaced_keys_count_until_their_end() {
        let gate = gate();
        let now = Clock::system().now().as_second();
        let old = |kind, text: &str, ends| OldKey {
            kind,
            text: plinth_db::keys::Secret::new(text),
            signs_from: None,
            ends,
        };
        let user = format!("Bearer {}", gate.sign(&json!({ "role": "authenticated" })));
        let user = headers(&[("authorization", &user)]);
        let key = headers(&[("apikey", SECRET)]);
        let lets_in = |sent: &HeaderMap| gate.resolve(sent, false).is_ok();
        assert!(lets_in(&user) && lets_in(&key));
        for (ends, counts) in [(now + 3600, true), (now - 1, false)] {
            gate.replace(&GateKeys {
                jwt_secret: "another secret".to_owned(),
                old: vec![
                    old(OldKind::Signing, "a secret", ends),
                    old(OldKind::Secret, SECRET, ends),
                ],
                ..GateKeys::default()
            });
            assert_eq!((lets_in(&user), lets_in(&key)), (counts, counts));
        }
    }

    #[test]
    fn a_key_in_the_place_of_the_token_is_not_parsed_as_one() {
        let both = [
            ("apikey", PUBLISHABLE),
            ("authorization", &*format!("Bearer {PUBLISHABLE}")),
        ];
        assert_eq!(role(&both).unwrap(), "anon");
        assert_eq!(
            role(&[("authorization", &*format!("Bearer {SECRET}"))]).unwrap(),
            "service_role"
        );
        assert_eq!(
            role(&[("authorization", "Bearer sb_new_kind")]),
            Err(GateError::UnknownKey)
        );
    }

    #[test]
    fn a_token_counts_before_the_key() {
        let user = format!("Bearer {}", token("authenticated"));
        assert_eq!(
            role(&[("apikey", PUBLISHABLE), ("authorization", &user)]).unwrap(),
            "authenticated"
        );
        assert_eq!(role(&[("authorization", &user)]).unwrap(), "authenticated");
        assert_eq!(
            role(&[
                ("apikey", "sb_publishable_revoked"),
                ("authorization", &user)
            ]),
            Err(GateError::UnknownKey)
        );
        assert_eq!(role(&[("apikey", &token("anon"))]).unwrap(), "anon");
    }

    #[test]
    fn without_a_key_only_open_routes_are_reached() {
        assert_eq!(role(&[]), Err(GateError::NoKey));
        assert_eq!(
            role(&[("authorization", "Basic eDp5")]),
            Err(GateError::NoKey)
        );
        assert_eq!(
            gate().resolve(&HeaderMap::new(), true).unwrap().role,
            "anon"
        );
        assert_eq!(
            role(&[("authorization", "Bearer ")]),
            Err(GateError::Token(TokenError::Empty))
        );
        assert!(matches!(
            role(&[("authorization", "Bearer x.y.z")]),
            Err(GateError::Token(_))
        ));
    }

    #[test]
    fn service_keys_stay_out_of_browsers() {
        let check = |mode, key: &str, lines: &[(&'static str, &str)]| {
            let mut all = headers(lines);
            all.insert(API_KEY, key.parse().unwrap());
            let caller = gate().resolve(&all, false).unwrap();
            check_origin(mode, &all, &caller).is_ok()
        };
        let firefox = ("user-agent", "Mozilla/5.0 (X11)");
        assert!(check(Mode::Serve, SECRET, &[("user-agent", "node")]));
        assert!(!check(Mode::Serve, SECRET, &[firefox]));
        assert!(!check(
            Mode::Serve,
            SECRET,
            &[("sec-fetch-site", "same-origin")]
        ));
        // Node.js.
        assert!(check(
            Mode::Serve,
            SECRET,
            &[("user-agent", "node"), ("sec-fetch-mode", "cors")]
        ));
        assert!(!check(Mode::Serve, &token("service_role"), &[firefox]));
        assert!(check(Mode::Serve, PUBLISHABLE, &[firefox]));

        assert!(check(
            Mode::Dev,
            SECRET,
            &[firefox, ("origin", "http://localhost:3000")]
        ));
        assert!(!check(
            Mode::Dev,
            SECRET,
            &[("origin", "https://example.com")]
        ));
        assert!(!check(Mode::Dev, SECRET, &[("origin", "null")]));
        assert!(!check(
            Mode::Dev,
            SECRET,
            &[("sec-fetch-site", "cross-site")]
        ));
        assert!(check(
            Mode::Dev,
            PUBLISHABLE,
            &[("origin", "https://example.com")]
        ));
    }

    #[test]
    fn a_secret_key_beside_a_user_token_is_still_exposed() {
        let user = format!("Bearer {}", token("authenticated"));
        let sent = headers(&[
            ("apikey", SECRET),
            ("authorization", &user),
            ("user-agent", "Mozilla/5.0"),
        ]);
        let caller = gate().resolve(&sent, false).unwrap();
        assert_eq!(caller.role, "authenticated");
        assert_eq!(
            check_origin(Mode::Serve, &sent, &caller),
            Err(GateError::ExposedServiceKey)
        );
    }
}
