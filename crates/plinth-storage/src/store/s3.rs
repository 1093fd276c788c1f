//! The store in a bucket of an S3-compatible store.
//!
//! ```text
//! PREFIX/objects/VERSION     bytes; those of a large part, on their way into a multipart upload, have a version of their own
//! PREFIX/uploads/ID/tail.N   what an upload in several requests has behind its part N, too little for a part
//! ```
//!
//! Whatever is larger than one part goes up as a multipart upload, in parts of 8 MiB: one is sent while the next one fills, so an
//! upload holds 16 MiB at most, and all together hold what [`crate::buffers`] lets them. Bytes without a row are found by rows
//! in `storage.removals` that were written before them, and so are parts, by what the store calls their upload.
//!
//! Every wait is bounded. Requests are tried again only where that changes nothing: `object_store` marks which.

mod copy;
mod gaps;
mod parts;
mod upload;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig,
};
use plinth_http::Budget;
use uuid::Uuid;

use super::{SaidByStore, within};
use crate::buffers;
use crate::error::StorageError;
pub(super) use copy::copy;
pub(super) use parts::Incoming;
pub(super) use upload::{append, finish_upload, join_parts};

/// A store that cannot be reached is away after this.
const CONNECT: Duration = Duration::from_secs(5);
/// A store that has gone silent in the middle of an answer is away after this.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest a small request may take, with its repetitions.
const SMALL: Duration = Duration::from_secs(30);
/// Longest that moving one part may take, with its repetitions.
const LARGE: Duration = Duration::from_mins(2);
/// Tried again this often, and not after [`RETRY`].
const RETRIES: usize = 2;
const RETRY: Duration = Duration::from_secs(15);

/// A bucket and how to reach it.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// `https://s3.example.com`; none is Amazon's own.
    pub endpoint: Option<String>,
    /// `us-east-1`; stores that have no regions take any.
    pub region: String,
    /// The bucket, which must be there.
    pub bucket: String,
    /// What every key begins with, without a slash at either end; may be empty.
    pub prefix: String,
    /// Who asks; none is the role of the machine that this runs on.
    pub credentials: Option<S3Credentials>,
    /// `https://host/bucket/key` in place of `https://bucket.host/key`; most stores but Amazon's want that. Without it,
    /// `endpoint` has the bucket in its name.
    pub path_style: bool,
}

/// An access key.
#[derive(Clone)]
pub struct S3Credentials {
    /// Its public half.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Credentials({})", self.access_key_id)
    }
}

/// An open bucket.
pub(crate) struct S3 {
    objects: Arc<dyn ObjectStore>,
    multipart: Arc<dyn MultipartStore>,
    /// What needs signatures of our own; a store in memory, in tests, has none.
    signing: Option<Signing>,
    /// Empty, or with a slash at its end.
    prefix: String,
    /// Where bytes on their way are held.
    buffers: Budget,
}

struct Signing {
    store: AmazonS3,
    client: reqwest::Client,
    bucket: String,
}

/// What [`Stored`](super::Stored) bytes in a bucket need when they are kept or not.
pub(super) struct Claim {
    s3: Arc<S3>,
    version: Uuid,
    /// Whether an upload in several requests has left something.
    upload: bool,
}

/// A version in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// None for what we did not put there.
    pub version: Option<Uuid>,
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Since it was written.
    pub age: Duration,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({}, {})", self.objects, self.prefix)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.version)
    }
}

impl Claim {
    fn new(s3: &Arc<S3>, version: Uuid, upload: bool) -> Claim {
        Claim {
            s3: Arc::clone(s3),
            version,
            upload,
        }
    }

    /// Bytes are in their place already. What their upload left goes meanwhile.
    pub(super) async fn keep(self) {
        if self.upload
            && let Err(error) = self.s3.clear_upload(self.version).await
        {
            tracing::warn!(%error, "what an upload left could not be removed");
        }
    }

    /// No row will name the bytes. An upload in several requests stays: finishing it can be tried again.
    pub(super) async fn discard(self) {
        if !self.upload
            && let Err(error) = self.s3.remove(vec![self.version]).await
        {
            tracing::warn!(%error, "bytes that no row names could not be removed yet");
        }
    }
}

impl S3 {
    pub(super) fn open(config: &S3Config) -> Result<S3, StorageError> {
        let cannot = |error: &dyn fmt::Display| {
            StorageError::StoreAway(format!("cannot use the bucket {}: {error}", config.bucket))
        };
        let prefix = prefix(&config.prefix)?;
        let endpoint = config.endpoint.as_deref();
        let plain = endpoint.is_some_and(|url| url.starts_with("http://"));
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            // A large download lasts as long as its reader takes; silence and our own bounds end the rest.
            .with_timeout_disabled()
            .with_allow_http(plain);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_virtual_hosted_style_request(!config.path_style)
            // Without TLS, the signature also says that the bytes are the right ones.
            .with_unsigned_payload(!plain)
            // Not every store knows how to delete many at once.
            .with_disable_bulk_delete(true)
            .with_client_options(client)
            .with_retry(RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRY,
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(2),
                    base: 2.0,
                },
            });
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(credentials) = &config.credentials {
            builder = builder
                .with_access_key_id(&credentials.access_key_id)
                .with_secret_access_key(&credentials.secret_access_key);
            if let Some(token) = &credentials.session_token {
                builder = builder.with_token(token);
            }
        }
        let store = builder.build().map_err(|error| cannot(&error))?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(LARGE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| cannot(&error))?;
        Ok(S3 {
            objects: Arc::new(store.clone()),
            multipart: Arc::new(store.clone()),
            signing: Some(Signing {
                store,
                client,
                bucket: config.bucket.clone(),
            }),
            prefix,
            buffers: buffers::of_process(),
        })
    }

    /// A store in memory.
    #[cfg(test)]
    pub(super) fn in_memory() -> S3 {
        let memory = Arc::new(object_store::memory::InMemory::new());
        S3 {
            objects: memory.clone(),
            multipart: memory,
            signing: None,
            prefix: "media/".to_owned(),
            buffers: buffers::of_process(),
        }
    }

    /// See [`Store::read`](super::Store::read).
    pub(super) async fn read(
        &self,
        version: Uuid,
        range: Option<Range<u64>>,
    ) -> Result<(BoxStream<'static, io::Result<Bytes>>, u64, Range<u64>), StorageError> {
        let key = self.key(version);
        let options = GetOptions {
            range: range.clone().map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let got = match bounded("reading", SMALL, self.objects.get_opts(&key, options)).await {
            // Not every store says so when a range begins behind the end.
            Err(StorageError::StoreAway(cause)) if range.is_some() => {
                let about = bounded("looking", SMALL, self.objects.head(&key)).await?;
                within(range, about.size)?;
                return Err(StorageError::StoreAway(cause));
            }
            got => got?,
        };
        let (size, range) = (got.meta.size, got.range.clone());
        let left = range.end - range.start;
        Ok((whole(got.into_stream(), left), size, range))
    }

    /// See [`Store::remove_all`](super::Store::remove_all).
    pub(super) async fn remove(&self, versions: Vec<Uuid>) -> Result<(), StorageError> {
        let keys: Vec<Path> = versions.iter().map(|version| self.key(*version)).collect();
        self.delete(keys).await
    }

    /// See [`Store::redirect`](super::Store::redirect).
    pub(super) async fn redirect(
        &self,
        version: Uuid,
        lifetime: Duration,
        said: SaidByStore<'_>,
    ) -> Result<Option<String>, StorageError> {
        let Some(signing) = &self.signing else {
            return Ok(None);
        };
        let mut options = SignedUrlOptions::new().with_query([
            ("response-content-type", said.content_type),
            ("response-cache-control", said.cache_control),
        ]);
        if let Some(disposition) = said.disposition {
            options = options.with_query([("response-content-disposition", disposition)]);
        }
        let key = self.key(version);
        let signed = signing
            .store
            .signed_url_opts(Method::GET, &key, lifetime, &options);
        let url = bounded("signing", SMALL, signed).await?;
        Ok(Some(url.into()))
    }

    /// How many bytes a version has; none when it is not there.
    pub(super) async fn size(&self, version: Uuid) -> Result<Option<u64>, StorageError> {
        match bounded("looking", SMALL, self.objects.head(&self.key(version))).await {
            Ok(about) => Ok(Some(about.size)),
            Err(StorageError::NoSuchKey) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All versions in ascending order.
    pub(super) fn list(&self) -> BoxStream<'static, Result<Listed, StorageError>> {
        let within = Path::from(format!("{}objects", self.prefix));
        let listed = self.objects.list(Some(&within));
        listed
            .map(|about| {
                let about = about.map_err(|error| failed("listing", &error))?;
                let name = about.location.filename().unwrap_or_default();
                let version = name
                    .parse::<Uuid>()
                    .ok()
                    .filter(|version| version.to_string() == name);
                let written = u64::try_from(about.last_modified.timestamp()).unwrap_or(0);
                let now = SystemTime::now()
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO);
                Ok(Listed {
                    version,
                    key: about.location.to_string(),
                    size: about.size,
                    age: now.saturating_sub(Duration::from_secs(written)),
                })
            })
            .boxed()
    }

    /// See [`Store::begin_parts`](super::Store::begin_parts).
    pub(super) async fn begin_parts(&self, id: Uuid) -> Result<super::UploadState, StorageError> {
        Ok(super::UploadState {
            upload: Some(self.begin_multipart(&self.key(id)).await?),
            ..super::UploadState::default()
        })
    }

    /// See [`Store::abandon_upload`](super::Store::abandon_upload).
    pub(super) async fn abandon_upload(
        &self,
        id: Uuid,
        state: &super::UploadState,
    ) -> Result<(), StorageError> {
        if let Some(upload) = &state.upload {
            self.abort_multipart(&self.key(id), upload).await?;
        }
        self.clear_upload(id).await
    }

    /// See [`Store::end_parts`](super::Store::end_parts).
    pub(super) async fn end_parts(&self, version: Uuid, upload: &str) -> Result<(), StorageError> {
        self.abort_multipart(&self.key(version), upload).await
    }

    /// Removes what lies beside an upload: its tails.
    pub(super) async fn clear_upload(&self, id: Uuid) -> Result<(), StorageError> {
        let within = self.upload_folder(id);
        let listed = self.objects.list(Some(&within));
        let keys = listed.map_ok(|about| about.location).try_collect();
        let keys: Vec<Path> = bounded("listing", SMALL, keys).await?;
        self.delete(keys).await
    }

    async fn delete(&self, keys: Vec<Path>) -> Result<(), StorageError> {
        let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
        let mut deleted = self.objects.delete_stream(keys);
        while let Some(deleted) = tokio::time::timeout(SMALL, deleted.next())
            .await
            .map_err(|_| silent("removing", SMALL))?
        {
            match deleted {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed("removing", &error)),
            }
        }
        Ok(())
    }

    async fn begin_multipart(&self, key: &Path) -> Result<String, StorageError> {
        bounded("beginning", SMALL, self.multipart.create_multipart(key)).await
    }

    /// Ends a multipart upload that becomes nothing. That it is none is fine.
    async fn abort_multipart(&self, key: &Path, upload: &str) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        let aborted = self.multipart.abort_multipart(key, &upload);
        match tokio::time::timeout(SMALL, aborted).await {
            Ok(Ok(()) | Err(object_store::Error::NotFound { .. })) => Ok(()),
            Ok(Err(error)) if is_no_upload(&error) => Ok(()),
            Ok(Err(error)) => Err(failed("ending an upload", &error)),
            Err(_) => Err(silent("ending an upload", SMALL)),
        }
    }

    /// `PREFIX/objects/VERSION`.
    fn key(&self, version: Uuid) -> Path {
        Path::from(format!("{}objects/{version}", self.prefix))
    }

    /// `PREFIX/uploads/ID`.
    fn upload_folder(&self, id: Uuid) -> Path {
        Path::from(format!("{}uploads/{id}", self.prefix))
    }

    /// `PREFIX/uploads/ID/tail.N`.
    fn tail(&self, id: Uuid, parts: usize) -> Path {
        Path::from(format!("{}uploads/{id}/tail.{parts}", self.prefix))
    }
}

/// Keys need no escaping, so the prefix must be plain.
fn prefix(text: &str) -> Result<String, StorageError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let good = |segment: &str| !matches!(segment, "" | "." | "..");
    if text.is_empty() {
        return Ok(String::new());
    }
    if !text.bytes().all(plain) || !text.split('/').all(good) {
        return Err(StorageError::Internal(format!(
            "the prefix {text:?} of the bucket has signs other than letters, digits and - _ . / or empty segments"
        )));
    }
    Ok(format!("{text}/"))
}

/// The stream, which fails when it ends too early.
fn whole(
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
    left: u64,
) -> BoxStream<'static, io::Result<Bytes>> {
    let checked = stream::try_unfold((bytes, left), |(mut bytes, left)| async move {
        match bytes.next().await {
            Some(Ok(some)) => {
                let left = left.saturating_sub(some.len() as u64);
                Ok(Some((some, (bytes, left))))
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None if left > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Ok(None),
        }
    });
    checked.boxed()
}

/// Sends a request that we have signed ourselves, whose client bounds its time, and reads the answer.
async fn answered(
    request: reqwest::RequestBuilder,
    away: impl Fn(&dyn fmt::Display) -> StorageError,
) -> Result<(reqwest::StatusCode, Bytes), StorageError> {
    // The URL has a signature in it, which is no matter for a log.
    let failed = |error: reqwest::Error| away(&error.without_url());
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let text = answer.bytes().await.map_err(failed)?;
    if status == reqwest::StatusCode::NOT_FOUND {
        return Err(StorageError::NoSuchKey);
    }
    Ok((status, text))
}

/// Asks the store, for so long and no longer.
async fn bounded<T>(
    doing: &str,
    limit: Duration,
    work: impl Future<Output = object_store::Result<T>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(failed(doing, &error)),
        Err(_) => Err(silent(doing, limit)),
    }
}

/// Stores say it in more than one way.
fn is_no_upload(error: &object_store::Error) -> bool {
    let text = error.to_string();
    text.contains("NoSuchUpload") || text.contains("Upload not found")
}

fn silent(doing: &str, limit: Duration) -> StorageError {
    StorageError::StoreAway(format!("{doing}: no answer within {} s", limit.as_secs()))
}

/// What went wrong with the store, for whoever asked for the bytes.
fn failed(doing: &str, error: &object_store::Error) -> StorageError {
    if matches!(error, object_store::Error::NotFound { .. }) {
        return StorageError::NoSuchKey;
    }
    let text = error.to_string();
    // S3 has no code of its own for a store without room; these are what stores say.
    let full = ["507 Insufficient Storage", "StorageFull", "QuotaExceeded"];
    if full.iter().any(|sign| text.contains(sign)) {
        return StorageError::StoreFull;
    }
    StorageError::StoreAway(format!("{doing}: {text}"))
}

#[cfg(test)]
mod tests;
