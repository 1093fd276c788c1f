//! The keys of a project: the secret that signs tokens, and the API keys that clients send.
//!
//! They live in `plinth.keys`, so that all nodes of a project agree, sealed by a master key that lives outside the
//! database. `dev` uses the keys that every local Supabase project carries, which must never reach production.
//!
//! A rotation puts new keys into the place of old ones, which count until an end that is stored with them. Whatever is to
//! outlive it is derived from a root secret that no rotation touches.

mod format;
mod local;
mod master;
mod sealed;
mod sealer;
mod store;

pub use format::{Secret, opaque_key_is_well_formed};
pub use master::MasterKey;
pub use sealer::Sealer;
pub use store::{Rotated, Which, exist, forget, load_or_create, refresh, rotate};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Error;

/// The secret of every local Supabase project. `serve` refuses it.
pub const DEMO_JWT_SECRET: &str = "super-secret-jwt-token-with-at-least-32-characters-long";

/// The keys in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What refresh tokens, the links in letters and the password of requests' login are derived from. It stays when the
    /// others change.
    pub root: Secret,
    /// Signs and verifies HS256 tokens.
    pub jwt_secret: Secret,
    /// From when it signs, in seconds since 1970; until then the one before it does, so that every node knows it before
    /// it meets a token of it.
    pub signs_from: Option<i64>,
    /// The JWT form of the public key: role `anon`.
    pub anon_jwt: String,
    /// The JWT form of the secret key: role `service_role`.
    pub service_role_jwt: Secret,
    /// `sb_publishable_…`: role `anon`.
    pub publishable: String,
    /// `sb_secret_…`: role `service_role`.
    pub secret: Secret,
    /// Seals the secrets that other modules keep in the database.
    pub sealer: Sealer,
    /// Those that they replaced and that still count, the oldest first.
    pub old: Vec<OldKey>,
}

/// A key that another one has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldKey {
    /// What it is for.
    pub kind: OldKind,
    /// The key.
    pub text: Secret,
    /// As [`Keys::signs_from`].
    pub signs_from: Option<i64>,
    /// From when it no longer counts, in seconds since 1970.
    pub ends: i64,
}

/// What a replaced key is for. The keys in the form of tokens end with the secret that signed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKind {
    /// It signed tokens.
    Signing,
    /// `sb_publishable_…`.
    Publishable,
    /// `sb_secret_…`.
    Secret,
}

impl Keys {
    /// The well-known keys of local development, byte for byte.
    pub fn local() -> Keys {
        local::keys()
    }

    /// When the next of the old keys ends, in seconds since 1970.
    pub fn next_end(&self) -> Option<i64> {
        self.old.iter().map(|key| key.ends).min()
    }

    /// The password of the login that requests connect to a database server as: the same for all nodes, and nothing that
    /// anybody has to keep.
    pub fn database_password(&self) -> Secret {
        let secret = self.root.expose().as_bytes();
        let mac = format::hmac_sha256(secret, b"plinth: the login of requests");
        Secret::new(URL_SAFE_NO_PAD.encode(mac))
    }
}

/// What can go wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `PLINTH_MASTER_KEY` is not a key.
    #[error(
        "PLINTH_MASTER_KEY must be 32 bytes in base64 or hex; make one with: openssl rand -base64 32"
    )]
    MalformedMasterKey,
    /// The master key's file does not hold a key.
    #[error("{} does not hold a master key (32 bytes in base64); restore it from a backup", path.display())]
    MalformedFile {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The master key's file could not be read or made.
    #[error("cannot use the master key {}: {cause}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// There is no master key, but the database holds keys that were sealed by one.
    #[error(
        "the keys of this database are sealed, and there is no master key to open them\n  put the one it was made with into {}, or set PLINTH_MASTER_KEY\n  if it is lost, {if_lost}", path.display()
    )]
    MissingMasterKey {
        /// Where it should be.
        path: std::path::PathBuf,
        /// What to do without it, which depends on where the data are.
        if_lost: &'static str,
    },
    /// The keys in the database were sealed by another master key, or damaged.
    #[error(
        "the master key does not open the keys of this database; give the one it was made with (PLINTH_MASTER_KEY, or the data folder's master.key)"
    )]
    WrongMasterKey,
    /// The demo secret in production.
    #[error(
        "the signing secret is the public one of local development; a server must not use it. Start from a fresh data folder"
    )]
    DemoSecret,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// The database could not do its part.
    #[error(transparent)]
    Database(#[from] Error),
}
