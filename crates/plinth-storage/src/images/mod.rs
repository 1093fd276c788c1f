//! Images in other sizes and formats, made when they are asked for.
//!
//! The work is bounded on every side. A file's header is read before anything is decoded, so a bomb costs a 4xx. As many
//! images are made at a time as there are cores, on threads that stand behind all others; a few more wait, and whoever comes
//! after them is told to come back. Requests for the same result wait for one computation, and results are kept on disk
//! ([`cache`]). Whether somebody may see the source is asked before any of this, every time.

mod cache;
mod encode;
mod params;
mod pixels;
mod plan;
mod source;
mod transform;
mod workers;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::error::StorageError;
use cache::{Cache, Key};
use workers::{Memory, Workers};

pub(crate) use params::{Recipe, Transform};

/// Sources that are being fetched or decoded, for each core: one is fetched while another is decoded.
const SOURCES_PER_CORE: usize = 2;
/// Longest side that `WebP` can express.
const LONGEST_SIDE: u16 = 16_383;
/// When to come back where too much waits.
const BUSY_SECONDS: u64 = 2;
/// Bytes of a result that are handed to a connection at once.
const PIECE_BYTES: usize = 64 << 10;

/// What images may cost.
#[derive(Clone, Debug)]
pub struct ImageConfig {
    /// Where results are kept. Nothing else may be in this folder.
    pub cache_folder: PathBuf,
    /// Bytes of results that are kept.
    pub cache_bytes: u64,
    /// Longest side of a result; at most 16,383, which is what `WebP` can express.
    pub side_pixels: u16,
    /// Largest file that is read.
    pub source_bytes: u64,
    /// Most pixels of a source.
    pub source_pixels: u64,
    /// Largest result.
    pub result_bytes: usize,
    /// Images made at a time. Without it as many as there are cores.
    pub workers: Option<NonZeroUsize>,
    /// Images that may wait, for each worker.
    pub waiting_per_worker: usize,
    /// Decoded pixels that may be in memory at a time, and beside them results on their way to clients. One image is always
    /// let in.
    pub memory_bytes: u64,
    /// Longest that a request waits for its image.
    pub deadline: Duration,
}

impl ImageConfig {
    /// The defaults, with results in this folder.
    pub fn in_folder(cache_folder: PathBuf) -> ImageConfig {
        ImageConfig {
            cache_folder,
            cache_bytes: 512 << 20,
            side_pixels: 2000,
            source_bytes: 25 << 20,
            source_pixels: 50_000_000,
            result_bytes: 16 << 20,
            workers: None,
            waiting_per_worker: 32,
            memory_bytes: 384 << 20,
            deadline: Duration::from_secs(20),
        }
    }
}

/// Makes images. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Images {
    shared: Arc<Shared>,
}

struct Shared {
    config: ImageConfig,
    cache: Cache,
    workers: Workers,
    memory: Memory,
    /// What is being made or fetched now.
    flights: Mutex<HashMap<Key, Arc<Flight>>>,
    /// One for each image that is made or waits.
    places: Semaphore,
    /// One for each source in memory.
    slots: Arc<Semaphore>,
    /// One for each KiB of the results that clients have not taken yet, of so many.
    outgoing: Arc<Semaphore>,
    outgoing_kib: u32,
}

/// A result that several requests wait for. When the one that makes it goes away, another takes over.
type Flight = OnceCell<Result<Rendered, StorageError>>;

/// An image as it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) bytes: Bytes,
    pub(crate) kind: Kind,
    /// What it takes of the memory for results on their way, where that was taken before it was read.
    pub(crate) room: Option<Room>,
}

/// A part of the memory for results on their way, until everybody has his who shares it.
pub(crate) type Room = Arc<OwnedSemaphorePermit>;

/// The formats that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    WebP,
    Gif,
    /// Never a source.
    Avif,
}

impl Images {
    /// Learns what the cache has. Blocks.
    pub(crate) fn open(config: &ImageConfig) -> io::Result<Images> {
        let threads = config
            .workers
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        let places = threads.saturating_mul(config.waiting_per_worker.saturating_add(1));
        let config = ImageConfig {
            side_pixels: config.side_pixels.clamp(1, LONGEST_SIDE),
            ..config.clone()
        };
        let outgoing_kib = u32::try_from(config.memory_bytes >> 10).unwrap_or(u32::MAX);
        let outgoing_kib = outgoing_kib.max(1);
        Ok(Images {
            shared: Arc::new(Shared {
                cache: Cache::open(&config.cache_folder, config.cache_bytes)?,
                workers: Workers::new(threads),
                memory: Memory::new(config.memory_bytes),
                flights: Mutex::default(),
                places: Semaphore::new(places.min(Semaphore::MAX_PERMITS)),
                slots: Arc::new(Semaphore::new(threads * SOURCES_PER_CORE)),
                outgoing: Arc::new(Semaphore::new(outgoing_kib as usize)),
                outgoing_kib,
                config,
            }),
        })
    }

    /// The image that this recipe makes of a version. `load` is only waited for when it has to be made.
    ///
    /// # Errors
    /// [`StorageError::InvalidRequest`] when the source is not an image, is broken or is too large;
    /// [`StorageError::Busy`] when too many images wait or this one takes too long; what `load` answers.
    pub(crate) async fn render(
        &self,
        version: Uuid,
        recipe: Recipe,
        load: impl Future<Output = Result<Bytes, StorageError>> + Send,
    ) -> Result<Rendered, StorageError> {
        let key = Key { version, recipe };
        let joined = self.shared.join(key);
        let made = joined.flight.get_or_init(|| self.shared.fetch(key, load));
        match tokio::time::timeout(self.shared.config.deadline, made).await {
            Ok(made) => made.clone(),
            Err(_) => Err(busy()),
        }
    }

    /// A result as a body. It is in memory until its client has taken it, and a slow one takes its time: beyond a bound whoever
    /// comes is told to come back.
    ///
    /// # Errors
    /// [`StorageError::Busy`].
    pub(crate) fn body(&self, result: Rendered) -> Result<Body, StorageError> {
        let room = match result.room {
            Some(room) => room,
            None => self.shared.room(result.bytes.len() as u64)?,
        };
        let pieces = stream::unfold((result.bytes, room), |(mut rest, room)| async move {
            if rest.is_empty() {
                return None;
            }
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            Some((Ok::<_, Infallible>(piece), (rest, room)))
        });
        Ok(Body::from_stream(pieces))
    }

    /// Removes what was made of a version.
    pub(crate) async fn forget(&self, version: Uuid) {
        self.shared.cache.forget(version).await;
    }

    /// What can be set.
    pub(crate) fn config(&self) -> &ImageConfig {
        &self.shared.config
    }
}

/// The entity tag of a result, in quotes. It is known before the result is.
pub(crate) fn etag(version: Uuid, recipe: &Recipe) -> String {
    let digest = Sha256::digest(format!("{}/{version}/{recipe}", cache::REVISION));
    format!("\"{}\"", hex::encode(&digest[..16]))
}

fn busy() -> StorageError {
    StorageError::Busy {
        retry_after_seconds: BUSY_SECONDS,
    }
}

impl Shared {
    fn join(&self, key: Key) -> Joined<'_> {
        let flight = Arc::clone(self.flights.lock().entry(key).or_default());
        Joined {
            shared: self,
            key,
            flight,
        }
    }

    /// Room for a result of so many bytes. More than there ever is counts as all of it.
    fn room(&self, bytes: u64) -> Result<Room, StorageError> {
        let kib = u32::try_from((bytes >> 10) + 1).unwrap_or(u32::MAX);
        let outgoing = Arc::clone(&self.outgoing);
        let room = outgoing.try_acquire_many_owned(kib.min(self.outgoing_kib));
        room.map(Arc::new).map_err(|_| busy())
    }

    /// From the cache, or made.
    async fn fetch(
        self: &Arc<Shared>,
        key: Key,
        load: impl Future<Output = Result<Bytes, StorageError>> + Send,
    ) -> Result<Rendered, StorageError> {
        if let Some(weight) = self.cache.weight(key) {
            // Before it is read: however many are asked for at once, no more are in memory.
            let room = Some(self.room(weight)?);
            if let Some(bytes) = self.cache.get(key).await
                && let Some(kind) = Kind::of(&bytes)
            {
                return Ok(Rendered { bytes, kind, room });
            }
        }
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let slots = Arc::clone(&self.slots);
        let slot = slots
            .acquire_owned()
            .await
            .map_err(|_| StorageError::Internal("images are closed".to_owned()))?;
        let source = load.await?;
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(self);
        self.workers.run(Box::new(move |scratch| {
            // The source stays in memory until the work is done, whether anybody still waits for it or not.
            let _slot = slot;
            if reply.is_closed() {
                return;
            }
            let Shared { config, memory, .. } = &*shared;
            let made = transform::render(scratch, memory, &source, &key.recipe, config);
            if let Ok(rendered) = &made {
                shared.cache.put(key, &rendered.bytes);
            }
            let _gone = reply.send(made);
        }))?;
        // The thread says in the log what happened.
        answer.await.map_err(|_| source::broken())?
    }
}

/// A request that waits for a flight. The last one to leave takes it off the list.
struct Joined<'a> {
    shared: &'a Shared,
    key: Key,
    flight: Arc<Flight>,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut flights = self.shared.flights.lock();
        // Clones are made under the lock: one is the list's and one is ours.
        if Arc::strong_count(&self.flight) == 2 {
            flights.remove(&self.key);
        }
    }
}

impl Kind {
    /// By the first bytes, whatever somebody said that it is.
    pub(crate) fn of(bytes: &[u8]) -> Option<Kind> {
        let has =
            |at: usize, text: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(text));
        if has(0, b"\xff\xd8\xff") {
            Some(Kind::Jpeg)
        } else if has(0, b"\x89PNG\r\n\x1a\n") {
            Some(Kind::Png)
        } else if has(0, b"GIF87a") || has(0, b"GIF89a") {
            Some(Kind::Gif)
        } else if has(0, b"RIFF") && has(8, b"WEBP") {
            Some(Kind::WebP)
        } else if has(4, b"ftypavif") {
            Some(Kind::Avif)
        } else {
            None
        }
    }

    /// Whether a file of our own making ends as it should.
    fn is_whole(self, bytes: &[u8]) -> bool {
        match self {
            Kind::Jpeg => bytes.ends_with(&[0xff, 0xd9]),
            Kind::Png => bytes.ends_with(b"IEND\xae\x42\x60\x82"),
            Kind::Gif => bytes.ends_with(&[0x3b]),
            Kind::WebP => {
                let Some(&[a, b, c, d]) = bytes.get(4..8) else {
                    return false;
                };
                let said = u64::from(u32::from_le_bytes([a, b, c, d])) + 8;
                bytes.len() as u64 == said
            }
            // It says nothing about its end; zeros are what a power cut leaves there.
            Kind::Avif => bytes.last().is_some_and(|last| *last != 0),
        }
    }

    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Kind::Jpeg => "image/jpeg",
            Kind::Png => "image/png",
            Kind::WebP => "image/webp",
            Kind::Gif => "image/gif",
            Kind::Avif => "image/avif",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::HeaderMap;

    use super::*;

    struct Stage {
        images: Images,
        folder: PathBuf,
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            let _best_effort = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn stage(change: impl FnOnce(&mut ImageConfig)) -> Stage {
        let folder = std::env::temp_dir().join(format!("plinth-images-{}", Uuid::now_v7()));
        let mut config = ImageConfig::in_folder(folder.clone());
        change(&mut config);
        Stage {
            images: Images::open(&config).unwrap(),
            folder,
        }
    }

    fn recipe(stage: &Stage, query: &str) -> Recipe {
        let transform = Transform::from_query(query, stage.images.config()).unwrap();
        transform.recipe(&HeaderMap::new())
    }

    fn png(width: u32, height: u32) -> Bytes {
        let shade = |place: u32| u8::try_from(place % 256).unwrap();
        let image =
            image::RgbImage::from_fn(width, height, |x, y| image::Rgb([shade(x), shade(y), 90]));
        let mut bytes = io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        Bytes::from(bytes.into_inner())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn equal_requests_are_one_computation_and_later_ones_are_none() {
        let stage = stage(|_| {});
        let (version, recipe) = (Uuid::now_v7(), recipe(&stage, "width=20"));
        let loads = AtomicUsize::new(0);
        let source = png(60, 40);
        let ask = || {
            stage.images.render(version, recipe, async {
                loads.fetch_add(1, Ordering::SeqCst);
                // Time for the others to arrive.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(source.clone())
            })
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        assert!(a.bytes == b.bytes && b.bytes == c.bytes);
        assert_eq!(a.kind, Kind::Png);
        let later = ask().await.unwrap();
        assert_eq!(later.bytes, a.bytes);
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert!(stage.images.shared.flights.lock().is_empty());

        stage.images.forget(version).await;
        ask().await.unwrap();
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn beyond_the_bound_one_is_told_to_come_back() {
        let stage = stage(|config| {
            config.workers = NonZeroUsize::new(1);
            config.waiting_per_worker = 0;
        });
        let (began, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let first = stage
            .images
            .render(Uuid::now_v7(), recipe(&stage, ""), async {
                began.send(()).unwrap();
                may_go_on.await.unwrap();
                Ok(png(9, 9))
            });
        let others = async {
            has_begun.await.unwrap();
            let load = async { Ok(png(9, 9)) };
            let refused = stage
                .images
                .render(Uuid::now_v7(), recipe(&stage, ""), load)
                .await;
            go_on.send(()).unwrap();
            refused
        };
        let (first, refused) = tokio::join!(first, others);
        assert!(first.is_ok());
        assert!(matches!(refused, Err(StorageError::Busy { .. })));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_wait_has_an_end_and_leaves_nothing_behind() {
        let stage = stage(|config| config.deadline = Duration::from_millis(20));
        let never = std::future::pending();
        let late = stage
            .images
            .render(Uuid::now_v7(), recipe(&stage, ""), never)
            .await;
        assert!(matches!(late, Err(StorageError::Busy { .. })));
        assert!(stage.images.shared.flights.lock().is_empty());
        let slots = stage.images.shared.slots.available_permits();
        assert_eq!(slots % SOURCES_PER_CORE, 0);
    }

    #[tokio::test]
    async fn results_that_clients_have_not_taken_are_bounded() {
        let stage = stage(|config| config.memory_bytes = 8 << 10);
        let result = |kib: usize| Rendered {
            bytes: Bytes::from(vec![7; kib << 10]),
            kind: Kind::Jpeg,
            room: None,
        };
        let first = stage.images.body(result(5)).unwrap();
        let second = stage.images.body(result(5));
        assert!(matches!(second, Err(StorageError::Busy { .. })));
        let read = plinth_http::read_body(first, 10_000).await.unwrap();
        assert_eq!(read, result(5).bytes);
        // More than there ever is counts as all of it.
        assert!(stage.images.body(result(90)).is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kept_result_is_read_when_there_is_room_for_it() {
        let stage = stage(|config| config.memory_bytes = 1 << 20);
        let (version, recipe) = (Uuid::now_v7(), recipe(&stage, "width=20"));
        let ask = || {
            let load = async { Ok(png(60, 40)) };
            stage.images.render(version, recipe, load)
        };
        assert!(ask().await.unwrap().room.is_none());
        let kept = ask().await.unwrap();
        assert!(kept.room.is_some());
        let all = stage.images.shared.outgoing_kib as usize;
        let free = || stage.images.shared.outgoing.available_permits();
        assert!(free() < all);
        let body = stage.images.body(kept).unwrap();
        drop(body);
        assert_eq!(free(), all);
        let _others = stage.images.shared.room(1 << 20).unwrap();
        assert!(matches!(ask().await, Err(StorageError::Busy { .. })));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failure_is_not_kept() {
        let stage = stage(|_| {});
        let (version, recipe) = (Uuid::now_v7(), recipe(&stage, "width=5"));
        let away = async { Err(StorageError::StoreAway("gone".to_owned())) };
        assert!(stage.images.render(version, recipe, away).await.is_err());
        let text = async { Ok(Bytes::from_static(b"no image")) };
        let refused = stage.images.render(version, recipe, text).await;
        assert!(matches!(refused, Err(StorageError::InvalidRequest(_))));
        let back = async { Ok(png(9, 9)) };
        assert!(stage.images.render(version, recipe, back).await.is_ok());
    }

    #[test]
    fn tags_differ_by_version_and_recipe() {
        let stage = stage(|_| {});
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let (small, large) = (recipe(&stage, "width=5"), recipe(&stage, "width=6"));
        assert_eq!(etag(one, &small), etag(one, &small));
        assert_eq!(etag(one, &small).len(), 34);
        assert_ne!(etag(one, &small), etag(one, &large));
        assert_ne!(etag(one, &small), etag(other, &small));
    }

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        assert_eq!(Kind::of(&png(2, 2)), Some(Kind::Png));
        assert!(Kind::Png.is_whole(&png(2, 2)));
        assert_eq!(Kind::of(b"GIF89a..."), Some(Kind::Gif));
        assert_eq!(Kind::of(b"RIFF\x04\0\0\0WEBP"), Some(Kind::WebP));
        assert!(Kind::WebP.is_whole(b"RIFF\x04\0\0\0WEBP"));
        assert!(!Kind::WebP.is_whole(b"RIFF\x05\0\0\0WEBP"));
        assert_eq!(Kind::of(b"<svg xmlns="), None);
        assert_eq!(Kind::of(b""), None);
    }
}
