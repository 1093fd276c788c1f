//! A store and a database of its own for each test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use plinth_db::migrations::apply_system;
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions, Session};
use uuid::Uuid;

use super::s3::S3;
use super::{Kind, Store, StoreConfig};
use crate::error::StorageError;

/// Folders are removed with it.
pub(super) struct Stage {
    pub(super) root: PathBuf,
    pub(super) db: Db,
}

impl Stage {
    pub(super) async fn new() -> Stage {
        let root = std::env::temp_dir().join(format!("plinth-store-{}", Uuid::now_v7()));
        let db = Db::open(OpenOptions {
            path: root.join("plinth.db"),
            clock: Clock::system(),
            auto_expose: AutoExpose::Protected,
            durability: Durability::Unsynced,
        })
        .unwrap();
        apply_system(&db, &[plinth_db::base_module(), crate::module()])
            .await
            .unwrap();
        let stage = Stage { root, db };
        stage
            .sql(
                "insert into storage.buckets (id, name) values ('b', 'b')",
                Vec::new(),
            )
            .await;
        stage
    }

    pub(super) fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// The folder, as a start of the server opens it.
    pub(super) async fn folder(&self) -> Store {
        Store::open(&StoreConfig::Folder(self.media()))
            .await
            .unwrap()
    }

    pub(super) fn bucket() -> Store {
        Store(Kind::S3(Arc::new(S3::in_memory())))
    }

    pub(super) async fn sql(&self, sql: &str, params: Vec<plinth_db::Param>) -> plinth_db::Rows {
        self.db
            .query(&Session::system(), sql, params)
            .await
            .unwrap()
    }

    /// Makes a row that names a version.
    pub(super) async fn name(&self, name: &str, version: Uuid, size: u64) {
        let metadata = serde_json::json!({ "size": size });
        self.sql(
            "insert into storage.objects (bucket_id, name, version, metadata) values ('b', $1, $2, $3)",
            vec![name.into(), version.into(), metadata.into()],
        )
        .await;
    }

    /// Names in a folder of the media folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.media().join(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Waits until a folder of the media folder is empty: what is dropped is removed on another thread.
    pub(super) async fn becomes_empty(&self, folder: &str) {
        for _ in 0..500 {
            if self.names(folder).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{folder} still has {:?}", self.names(folder));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.root);
    }
}

/// Bytes that are all different from their neighbours.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 255).unwrap())
        .collect()
}

/// A body in pieces of this size.
pub(super) fn body(
    bytes: &[u8],
    piece: usize,
) -> impl Stream<Item = Result<Bytes, StorageError>> + use<> {
    let pieces: Vec<Result<Bytes, StorageError>> = bytes
        .chunks(piece)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

/// The same, and then the connection breaks.
pub(super) fn broken(
    bytes: &[u8],
    piece: usize,
) -> impl Stream<Item = Result<Bytes, StorageError>> + use<> {
    body(bytes, piece).chain(stream::once(async { Err(StorageError::Incomplete) }))
}

/// For states that nobody keeps.
pub(super) fn unsaved(_state: super::UploadState) -> std::future::Ready<Result<(), StorageError>> {
    std::future::ready(Ok(()))
}

/// Everything that a store hands out.
pub(super) async fn read(store: &Store, version: Uuid) -> Vec<u8> {
    read_range(store, version, None).await
}

pub(super) async fn read_range(
    store: &Store,
    version: Uuid,
    range: Option<std::ops::Range<u64>>,
) -> Vec<u8> {
    let mut reading = store.read(version, range).await.unwrap();
    let length = reading.len();
    let mut whole = Vec::new();
    while let Some(bytes) = reading.next().await {
        whole.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(whole.len() as u64, length);
    whole
}

/// The `ETag` that bytes have when they are uploaded at once.
pub(super) fn etag(bytes: &[u8]) -> String {
    let mut digest = super::digest::Digest::default();
    digest.update(bytes);
    super::quoted(&digest.finish())
}
