//! The storage service: buckets, objects and their delivery under `/storage/v1`.
//!
//! What an object is called, who owns it and how long it is are rows (`model`), under the policies of the application.
//! What it holds is kept by version (`store`): every upload makes a new version, whose bytes are written once and never
//! change, and the row says which version is the object. So a reader sees one whole version, a writer that dies leaves
//! nothing behind that anybody could see, and no name that a user chose is ever a path or a key.

mod buffers;
mod check;
mod delivery;
mod error;
mod http;
mod images;
mod model;
mod names;
mod s3;
mod sign;
mod store;
mod tus;
mod unfinished;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use plinth_db::keys::Keys;
use plinth_db::migrations::SystemModule;
use plinth_http::App;
use tokio::sync::Notify;

pub use check::CheckConfig;
pub use delivery::RedirectConfig;
pub use http::{Download, ROUTES, router};
pub use images::ImageConfig;
pub use s3::keys as s3_keys;
pub use store::fsck::{Checked, Finding, FsckError, FsckOptions, check_store};
pub use store::hold::{Hold, hold};
pub use store::{S3Config, S3Credentials, StoreConfig};

use check::Check;
use error::StorageError;
use images::Images;
use sign::UrlSigner;
use store::Store;
use unfinished::Unfinished;

/// The prefix that all routes have.
pub const PREFIX: &str = "/storage/v1";

/// What a project decides about its files.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where bytes are kept.
    pub store: StoreConfig,
    /// What images may cost.
    pub images: ImageConfig,
    /// Who is asked before an upload becomes visible.
    pub check: Option<CheckConfig>,
    /// Largest object; a bucket may want less.
    pub upload_bytes: u64,
    /// How long a resumable upload may take, from its beginning.
    pub resumable_lifetime: Duration,
    /// How long a signed upload URL holds.
    pub signed_upload_lifetime: Duration,
    /// What the S3 endpoint calls its region.
    pub region: String,
    /// Where clients reach the server, if somebody has said so; none goes by what their requests and a proxy's headers say.
    pub public_url: Option<String>,
    /// Whose downloads are sent to the store itself.
    pub redirect: Option<RedirectConfig>,
}

/// Everything the routes of this service need. Cheap to clone: a request does so several times.
#[derive(Clone)]
pub struct Storage(Arc<Parts>);

/// What a [`Storage`] is made of.
pub struct Parts {
    app: App,
    config: Config,
    store: Store,
    signer: UrlSigner,
    images: Images,
    check: Option<Check>,
    /// Woken when bytes have become superfluous.
    sweeper: Notify,
    /// Who writes which resumable upload now.
    locks: tus::Locks,
    /// What unfinished uploads hold.
    unfinished: Unfinished,
    s3: s3::State,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store of files: {0}")]
pub struct OpenError(String);

impl Storage {
    /// Opens the store of files and puts uploads that a crash has left in their place, or away.
    ///
    /// `keys` open the secrets that S3 clients sign with. Signed URLs come and go with those of the gate, which follows rotations.
    pub async fn open(app: App, config: Config, keys: &Keys) -> Result<Storage, OpenError> {
        let opened = |error: StorageError| OpenError(error.to_string());
        let store = Store::open(&config.store).await.map_err(opened)?;
        let images = config.images.clone();
        let images = tokio::task::spawn_blocking(move || Images::open(&images)).await;
        let images = images
            .map_err(|error| OpenError(error.to_string()))?
            .map_err(|error| OpenError(error.to_string()))?;
        let check = config.check.as_ref().map(Check::open).transpose();
        let storage = Storage(Arc::new(Parts {
            signer: UrlSigner::new(Arc::clone(&app.gate), app.db.clock().clone()),
            check: check.map_err(OpenError)?,
            config,
            store,
            images,
            sweeper: Notify::new(),
            locks: tus::Locks::default(),
            unfinished: Unfinished::default(),
            s3: s3::State::new(keys),
            app,
        }));
        store::sweep::recover(&storage).await.map_err(opened)?;
        Ok(storage)
    }

    /// Removes bytes that are needed no more as they come up, until it is dropped.
    pub async fn run_sweeper(self) {
        store::sweep::run(&self).await;
    }
}

impl Deref for Storage {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Storage> for App {
    fn from_ref(storage: &Storage) -> App {
        storage.app.clone()
    }
}

/// The tables and functions of the schema `storage` that this service needs beyond the base's.
pub fn module() -> SystemModule {
    SystemModule {
        name: "storage",
        migrations: &[
            (
                "0001",
                "storage",
                include_str!("../migrations/0001_storage.sql"),
            ),
            (
                "0002",
                "uploads",
                include_str!("../migrations/0002_uploads.sql"),
            ),
            ("0003", "s3", include_str!("../migrations/0003_s3.sql")),
            (
                "0004",
                "public_buckets",
                include_str!("../migrations/0004_public_buckets.sql"),
            ),
            (
                "0005",
                "parts",
                include_str!("../migrations/0005_parts.sql"),
            ),
        ],
    }
}
