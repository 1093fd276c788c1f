//! The bucket, on `object_store`'s store in memory. What needs signatures is proved on a real store elsewhere.

use bytes::Bytes;
use futures_util::StreamExt;
use uuid::Uuid;

use super::{S3, prefix};
use crate::error::StorageError;
use crate::store::stage::{Stage, body, broken, etag, pattern, read, read_range, unsaved};
use crate::store::{Kind, Store, UploadState};

const MIB: usize = 1024 * 1024;

fn s3(store: &Store) -> &S3 {
    match &store.0 {
        Kind::S3(s3) => s3,
        Kind::Folder(_) => panic!("a folder"),
    }
}

async fn keys(store: &Store) -> Vec<String> {
    let listed: Vec<_> = s3(store).objects.list(None).collect().await;
    let mut keys: Vec<String> = listed
        .into_iter()
        .map(|about| about.unwrap().location.to_string())
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn bytes_come_back_as_they_were() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    for length in [0, 1, 100_000, 8 * MIB, 20 * MIB + 17] {
        let bytes = pattern(length);
        let stored = store
            .receive(&stage.db, body(&bytes, 300_000), u64::MAX)
            .await
            .unwrap();
        let version = stored.version;
        assert_eq!((stored.size, &stored.etag), (length as u64, &etag(&bytes)));
        store.keep(stored).await;
        assert!(read(&store, version).await == bytes, "{length} bytes");
        assert_eq!(store.size(version).await.unwrap(), Some(length as u64));
        if length > 1000 {
            let some = read_range(&store, version, Some(500..1000)).await;
            assert_eq!(some, bytes[500..1000]);
        }
        store.remove(version).await.unwrap();
        assert!(matches!(
            store.read(version, None).await,
            Err(StorageError::NoSuchKey)
        ));
    }
    assert!(keys(&store).await.is_empty());
}

#[tokio::test]
async fn a_version_is_announced_before_its_bytes() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let bytes = pattern(100);
    let stored = store
        .receive(&stage.db, body(&bytes, 10), u64::MAX)
        .await
        .unwrap();
    let due = "select version from storage.removals where due_at > now() + interval '23 hours'";
    assert_eq!(stage.sql(due, Vec::new()).await.len(), 1);
    stage.name("a", stored.version, 100).await;
    assert_eq!(stage.sql(due, Vec::new()).await.len(), 0);
    store.keep(stored).await;
}

#[tokio::test]
async fn parts_of_a_killed_server_are_found_and_ended() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let bytes = pattern(9 * MIB);
    let mut incoming = store.begin(&stage.db).await.unwrap();
    incoming.write(Bytes::from(bytes)).await.unwrap();
    let noted = "select version, upload from storage.removals where upload is not null";
    let noted = stage.sql(noted, Vec::new()).await;
    let row = noted.first().unwrap();
    let (version, upload) = (row.uuid("version").unwrap(), row.text("upload").unwrap());
    // What a killed server cannot do any more.
    std::mem::forget(incoming);
    let key = s3(&store).key(version);
    let put = async || s3(&store).put_part(&key, &upload, 1, Vec::new()).await;
    put().await.unwrap();
    store.end_parts(version, &upload).await.unwrap();
    assert!(put().await.is_err(), "the upload is still there");
    // That it is none is fine: it may have become an object.
    store.end_parts(version, &upload).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_does_not_end_leaves_nothing() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let bytes = pattern(20 * MIB);
    let cut = store
        .receive(&stage.db, broken(&bytes, 300_000), u64::MAX)
        .await;
    assert!(matches!(cut, Err(StorageError::Incomplete)));
    let large = store
        .receive(&stage.db, body(&bytes, 300_000), 19 * MIB as u64)
        .await;
    assert!(matches!(large, Err(StorageError::TooLarge)));
    assert!(keys(&store).await.is_empty());
}

#[tokio::test]
async fn an_upload_goes_on_on_another_node() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let (id, bytes) = (Uuid::now_v7(), pattern(30 * MIB + 5));
    let mut state = UploadState::default();
    let mut at = 0;
    while at < bytes.len() {
        // Each request may be another node's: only the row goes from one to the next.
        let row = serde_json::to_string(&state).unwrap();
        state = serde_json::from_str(&row).unwrap();
        let end = bytes.len().min(at + 6 * MIB);
        let taken = store
            .append(
                id,
                &mut state,
                broken(&bytes[at..end], 200_000),
                u64::MAX,
                unsaved,
            )
            .await
            .unwrap();
        assert_eq!(taken, (end - at) as u64);
        at = end;
        assert_eq!(state.offset(), at as u64);
    }
    let stored = store
        .finish_upload(&stage.db, id, state.clone())
        .await
        .unwrap();
    assert_eq!((stored.version, &stored.etag), (id, &etag(&bytes)));
    // Once more, as after a crash: the multipart upload is no more, the object is there.
    drop(stored);
    let stored = store
        .finish_upload(&stage.db, id, state.clone())
        .await
        .unwrap();
    store.keep(stored).await;
    assert!(read(&store, id).await == bytes);
    assert_eq!(keys(&store).await, [format!("media/objects/{id}")]);
    store.abandon_upload(id, state).await.unwrap();
    assert!(read(&store, id).await == bytes);
}

#[tokio::test]
async fn progress_is_saved_part_by_part() {
    let store = Stage::bucket();
    let (id, bytes) = (Uuid::now_v7(), pattern(33 * MIB));
    let mut state = UploadState::default();
    let saved = std::sync::Mutex::new(Vec::new());
    store
        .append(id, &mut state, body(&bytes, 500_000), u64::MAX, |state| {
            saved.lock().unwrap().push(state);
            std::future::ready(Ok(()))
        })
        .await
        .unwrap();
    let saved = saved.into_inner().unwrap();
    let offsets: Vec<u64> = saved.iter().map(UploadState::offset).collect();
    let part = 8 * MIB as u64;
    assert_eq!(offsets, [0, part, 2 * part, 3 * part]);
    // A node that died after the third: another one goes on from there.
    let mut state = saved[2].clone();
    let rest = body(&bytes[usize::try_from(state.offset()).unwrap()..], 500_000);
    store
        .append(id, &mut state, rest, u64::MAX, unsaved)
        .await
        .unwrap();
    let stage = Stage::new().await;
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    assert_eq!(stored.etag, etag(&bytes));
    store.keep(stored).await;
    assert!(read(&store, id).await == bytes);
}

#[tokio::test]
async fn an_older_state_finds_the_bytes_it_names() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let (id, bytes) = (Uuid::now_v7(), pattern(12 * MIB));
    let mut state = UploadState::default();
    store
        .append(
            id,
            &mut state,
            body(&bytes[..5 * MIB], 500_000),
            u64::MAX,
            unsaved,
        )
        .await
        .unwrap();
    // Bytes that turn out to be wrong, short of a part and beyond it.
    for wrong in [MIB, 9 * MIB] {
        let wrong = vec![7; wrong];
        let mut bad = state.clone();
        store
            .append(id, &mut bad, body(&wrong, 500_000), u64::MAX, unsaved)
            .await
            .unwrap();
    }
    store
        .append(
            id,
            &mut state,
            body(&bytes[5 * MIB..], 500_000),
            u64::MAX,
            unsaved,
        )
        .await
        .unwrap();
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    assert_eq!(stored.etag, etag(&bytes));
    store.keep(stored).await;
    assert_eq!(store.size(id).await.unwrap(), Some(12 * MIB as u64));
}

#[tokio::test]
async fn a_small_upload_is_its_tail() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let id = Uuid::now_v7();
    let mut state = UploadState::default();
    let over = store
        .append(id, &mut state, body(b"0123456789", 3), 7, unsaved)
        .await;
    assert!(matches!(over, Err(StorageError::TooLarge)));
    assert_eq!(state.offset(), 7);
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    store.keep(stored).await;
    assert_eq!(read(&store, id).await, b"0123456");
    assert_eq!(keys(&store).await.len(), 1);

    let gone = UploadState {
        offset: 3,
        tail: 3,
        ..UploadState::default()
    };
    let lost = store.finish_upload(&stage.db, Uuid::now_v7(), gone).await;
    assert!(matches!(lost, Err(StorageError::NoSuchUpload)));
}

#[tokio::test]
async fn parts_are_joined_when_they_are_in_a_row() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let (id, bytes) = (Uuid::now_v7(), pattern(7 * MIB));
    let state = store.begin_parts(id).await.unwrap();
    let second = store
        .put_part(
            &stage.db,
            id,
            &state,
            2,
            body(&bytes[5 * MIB..], 300_000),
            u64::MAX,
        )
        .await
        .unwrap();
    let first = store
        .put_part(
            &stage.db,
            id,
            &state,
            1,
            body(&bytes[..5 * MIB], 300_000),
            u64::MAX,
        )
        .await
        .unwrap();
    let gap = store
        .join_parts(&stage.db, id, state.clone(), std::slice::from_ref(&second))
        .await;
    assert!(matches!(gap, Err(StorageError::InvalidRequest(_))));
    let stored = store
        .join_parts(&stage.db, id, state, &[first, second])
        .await
        .unwrap();
    assert_eq!(stored.size, 7 * MIB as u64);
    assert!(stored.etag.ends_with("-2\""));
    store.keep(stored).await;
    assert!(read(&store, id).await == bytes);
}

#[tokio::test]
async fn a_copy_has_the_same_bytes() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    let stored = store
        .receive(&stage.db, body(b"twice", 2), 100)
        .await
        .unwrap();
    let copy = store
        .copy(&stage.db, stored.version, &stored.etag)
        .await
        .unwrap();
    assert_eq!((copy.size, &copy.etag), (5, &stored.etag));
    assert_eq!(read(&store, copy.version).await, b"twice");
    store.discard(copy).await;
    store.keep(stored).await;
    assert_eq!(keys(&store).await.len(), 1);
}

#[test]
fn a_prefix_needs_no_escaping() {
    assert_eq!(prefix("").unwrap(), "");
    assert_eq!(prefix("shop/media").unwrap(), "shop/media/");
    for bad in ["/", "a//b", "a/", "../a", "a b", "a%2f", "é"] {
        assert!(prefix(bad).is_err(), "{bad:?}");
    }
}
