//! The storage service: buckets, objects and their delivery under `/storage/v1`.
//!
//! What an object is called, who owns it and how long it is are rows (`model`), under the policies of the application.
//! What it holds is kept by version (`store`): every upload makes a new version, whose bytes are written once and never
//! change, and the row says which version is the object. So a reader sees one whole version, a writer that dies leaves
//! nothing behind that anybody could see, and no name that a user chose is ever a path or a key.

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

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use plinth_db::keys::MasterKey;
use plinth_db::migrations::SystemModule;
use plinth_http::App;
use tokio::sync::Notify;

pub use check::CheckConfig;
pub use http::{ROUTES, router};
pub use images::ImageConfig;
pub use store::{S3Config, StoreConfig};

use check::Check;
use images::Images;
use sign::UrlSigner;
use store::Store;

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
}

/// Everything the routes of this service need. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    app: App,
    config: Arc<Config>,
    store: Store,
    signer: UrlSigner,
    images: Images,
    check: Option<Check>,
    /// Woken when bytes have become superfluous.
    sweeper: Arc<Notify>,
    /// Who writes which resumable upload now.
    upload_locks: tus::Locks,
    s3: s3::State,
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store of files: {0}")]
pub struct OpenError(String);
