//! The folder, crash by crash: a crash is a store that is dropped between two steps, and recovery is the next one's.

pub(super) mod full;

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::recover::Recovered;
use crate::error::StorageError;
use crate::store::stage::{Stage, body, broken, etag, pattern, read, read_range, unsaved};
use crate::store::{Part, Store, StoreConfig, UploadState};

const MIB: usize = 1024 * 1024;

async fn receive(stage: &Stage, store: &Store, bytes: &[u8]) -> crate::store::Stored {
    store
        .receive(&stage.db, body(bytes, 60_000), u64::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn bytes_can_be_read_on_their_way_and_in_their_place() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    for length in [0, 1, 100_000, 3 * MIB + 17] {
        let bytes = pattern(length);
        let stored = receive(&stage, &store, &bytes).await;
        let version = stored.version;
        assert_eq!((stored.size, &stored.etag), (length as u64, &etag(&bytes)));
        assert_eq!(stage.names("incoming"), [version.to_string()]);
        assert_eq!(read(&store, version).await, bytes);
        store.keep(stored).await;
        assert!(stage.names("incoming").is_empty());
        assert_eq!(read(&store, version).await, bytes);
        let shard = version.to_string().split_off(34);
        assert_eq!(stage.names(&format!("objects/{shard}")).len(), 1);
        store.remove(version).await.unwrap();
        store.remove(version).await.unwrap();
        assert!(matches!(
            store.read(version, None).await,
            Err(StorageError::NoSuchKey)
        ));
    }
}

#[tokio::test]
async fn ranges_are_what_they_say() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let bytes = pattern(2 * MIB);
    let stored = receive(&stage, &store, &bytes).await;
    let version = stored.version;
    store.keep(stored).await;
    for (start, end) in [(0, 1), (5, 6), (130_000, 140_000), (1_000_000, 2_097_152)] {
        let range = Some(start as u64..end as u64);
        assert_eq!(read_range(&store, version, range).await, bytes[start..end]);
    }
    let behind = store.read(version, Some(2_097_152..2_097_153)).await;
    assert!(matches!(
        behind,
        Err(StorageError::InvalidRange { size: 2_097_152 })
    ));
    assert!(matches!(
        store.bytes(version, 1000).await,
        Err(StorageError::TooLarge)
    ));
    assert_eq!(store.bytes(version, u64::MAX).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_that_does_not_end_leaves_nothing() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let bytes = pattern(2 * MIB);
    let large = store
        .receive(&stage.db, body(&bytes, 60_000), 1_500_000)
        .await;
    assert!(matches!(large, Err(StorageError::TooLarge)));
    let cut = store
        .receive(&stage.db, broken(&bytes, 60_000), u64::MAX)
        .await;
    assert!(matches!(cut, Err(StorageError::Incomplete)));
    let mut dropped = store.begin(&stage.db).await.unwrap();
    dropped.write(Bytes::from(bytes)).await.unwrap();
    drop(dropped);
    stage.becomes_empty("incoming").await;
}

#[tokio::test]
async fn a_crash_before_the_commit_leaves_nothing_after_the_next_start() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"lost").await;
    let version = stored.version;
    drop((stored, store));
    assert_eq!(stage.names("incoming"), [version.to_string()]);
    let store = stage.folder().await;
    let recovered = store.recover(&stage.db).await.unwrap();
    assert_eq!((recovered.placed, recovered.removed), (0, 1));
    assert!(stage.names("incoming").is_empty());
}

#[tokio::test]
async fn a_crash_after_the_commit_loses_nothing() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"kept").await;
    let version = stored.version;
    stage.name("kept.txt", version, 4).await;
    drop((stored, store));
    let store = stage.folder().await;
    assert_eq!(read(&store, version).await, b"kept");
    let recovered = store.recover(&stage.db).await.unwrap();
    assert_eq!((recovered.placed, recovered.removed), (1, 0));
    assert_eq!(read(&store, version).await, b"kept");
    assert_eq!(
        store.recover(&stage.db).await.unwrap(),
        Recovered::default()
    );
}

#[tokio::test]
async fn uploads_without_a_row_go_at_the_next_start() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let (kept, lost) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [kept, lost] {
        store.begin_parts(id).await.unwrap();
    }
    stage
        .sql(
            "insert into storage.uploads (id, bucket_id, name, role, created_at, expires_at) \
             values ($1, 'b', 'n', 'anon', now(), now())",
            vec![kept.into()],
        )
        .await;
    let recovered = store.recover(&stage.db).await.unwrap();
    assert_eq!((recovered.placed, recovered.removed), (0, 1));
    assert_eq!(stage.names("uploads"), [kept.to_string()]);
}

#[tokio::test]
async fn what_is_young_is_left_alone_while_requests_run() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"under way").await;
    let tidied = super::tidy(store.folder().unwrap(), &stage.db).await;
    assert_eq!(tidied.unwrap(), Recovered::default());
    assert_eq!(read(&store, stored.version).await, b"under way");
}

#[tokio::test]
async fn a_commit_keeps_or_removes_or_leaves() {
    let stage = Stage::new().await;
    let store = stage.folder().await;

    let stored = receive(&stage, &store, b"good").await;
    let version = stored.version;
    let good = store.commit(stored, async { Ok::<_, StorageError>(7) });
    assert_eq!(good.await.unwrap(), 7);
    assert!(stage.names("incoming").is_empty());
    assert_eq!(read(&store, version).await, b"good");

    let stored = receive(&stage, &store, b"refused").await;
    let denied = async { Err::<(), _>(StorageError::AccessDenied("no".to_owned())) };
    assert!(store.commit(stored, denied).await.is_err());
    assert!(stage.names("incoming").is_empty());

    // The server went away while it committed: the row may be there.
    let stored = receive(&stage, &store, b"unknown").await;
    let version = stored.version;
    let lost = async { Err::<(), _>(StorageError::from(plinth_db::Error::Closed)) };
    assert!(store.commit(stored, lost).await.is_err());
    assert_eq!(read(&store, version).await, b"unknown");
}

#[tokio::test]
async fn a_commit_goes_on_when_its_client_hangs_up() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"mine").await;
    let version = stored.version;
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let committing = store.commit(stored, async {
        let _gone = wait.await;
        Ok::<_, StorageError>(())
    });
    let hung_up = tokio::time::timeout(Duration::from_millis(20), committing).await;
    assert!(hung_up.is_err());
    go.send(()).unwrap();
    stage.becomes_empty("incoming").await;
    assert_eq!(read(&store, version).await, b"mine");
}

#[tokio::test]
async fn a_copy_outlives_its_source() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"twice").await;
    let (version, tag) = (stored.version, stored.etag.clone());
    store.keep(stored).await;
    let copy = store.copy(&stage.db, version, &tag).await.unwrap();
    assert_eq!((copy.size, &copy.etag), (5, &tag));
    let copied = copy.version;
    store.keep(copy).await;
    store.remove(version).await.unwrap();
    assert_eq!(read(&store, copied).await, b"twice");
    assert!(matches!(
        store.copy(&stage.db, version, &tag).await,
        Err(StorageError::NoSuchKey)
    ));
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let stage = Stage::new().await;
    let (id, bytes) = (Uuid::now_v7(), pattern(900_000));
    let mut saved = String::from("{}");
    for (part, rest) in [(0, 250_000), (250_000, 600_000), (600_000, 900_000)] {
        let store = stage.folder().await;
        let mut state: UploadState = serde_json::from_str(&saved).unwrap();
        let piece = broken(&bytes[part..rest], 10_000);
        let taken = store
            .append(id, &mut state, piece, 1_000_000, unsaved)
            .await
            .unwrap();
        assert_eq!((taken, state.offset()), ((rest - part) as u64, rest as u64));
        saved = serde_json::to_string(&state).unwrap();
    }
    let store = stage.folder().await;
    let state: UploadState = serde_json::from_str(&saved).unwrap();
    // A commit that was refused, or a crash: the upload is still there.
    let first = store
        .finish_upload(&stage.db, id, state.clone())
        .await
        .unwrap();
    store.discard(first).await;
    let stored = store
        .finish_upload(&stage.db, id, state.clone())
        .await
        .unwrap();
    assert_eq!(stored.version, id);
    assert_eq!(stored.etag, etag(&bytes));
    assert_eq!(read(&store, id).await, bytes);
    store.keep(stored).await;
    assert!(stage.names("uploads").is_empty());
    assert_eq!(read(&store, id).await, bytes);
    // It has become an object: abandoning it changes nothing.
    store.abandon_upload(id, state).await.unwrap();
    assert_eq!(read(&store, id).await, bytes);
}

#[tokio::test]
async fn what_an_older_state_does_not_name_is_cut_off() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let id = Uuid::now_v7();
    let mut state = UploadState::default();
    store
        .append(id, &mut state, body(b"hello ", 3), 100, unsaved)
        .await
        .unwrap();
    let mut wrong = state.clone();
    store
        .append(id, &mut wrong, body(b"wrong bytes", 3), 100, unsaved)
        .await
        .unwrap();
    store
        .append(id, &mut state, body(b"world", 3), 100, unsaved)
        .await
        .unwrap();
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    assert_eq!(stored.etag, etag(b"hello world"));
    store.keep(stored).await;
    assert_eq!(read(&store, id).await, b"hello world");
}

#[tokio::test]
async fn over_its_limit_an_upload_keeps_what_fits() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
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
}

#[tokio::test]
async fn an_upload_of_nothing_is_an_empty_object() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let id = Uuid::now_v7();
    let state = UploadState::default();
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    store.keep(stored).await;
    assert_eq!(read(&store, id).await, b"");
}

#[tokio::test]
async fn an_abandoned_upload_is_gone() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let id = Uuid::now_v7();
    let mut state = UploadState::default();
    store
        .append(id, &mut state, body(b"abc", 3), 100, unsaved)
        .await
        .unwrap();
    store.abandon_upload(id, state.clone()).await.unwrap();
    store.abandon_upload(id, state.clone()).await.unwrap();
    assert!(stage.names("uploads").is_empty());
    let again = store
        .append(id, &mut state.clone(), body(b"d", 1), 100, unsaved)
        .await;
    assert!(matches!(again, Err(StorageError::NoSuchUpload)));
    assert!(matches!(
        store.finish_upload(&stage.db, id, state).await,
        Err(StorageError::NoSuchUpload)
    ));
}

#[tokio::test]
async fn parts_come_in_any_order_and_again() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let id = Uuid::now_v7();
    let state = store.begin_parts(id).await.unwrap();
    let bytes = pattern(1_200_000);
    let put = async |number: u16, bytes: &[u8]| {
        store
            .put_part(&stage.db, id, &state, number, body(bytes, 50_000), u64::MAX)
            .await
            .unwrap()
    };
    let last = put(9, &bytes[700_000..]).await;
    put(3, b"a first try").await;
    put(3, b"a second try").await;
    let first = put(3, &bytes[..700_000]).await;
    let outdated = [Part {
        etag: "0".repeat(32),
        ..first.clone()
    }];
    let replaced = store.join_parts(&stage.db, id, state.clone(), &outdated);
    assert!(matches!(
        replaced.await,
        Err(StorageError::InvalidRequest(_))
    ));
    assert_eq!((first.number, first.size), (3, 700_000));
    assert_eq!(format!("\"{}\"", first.etag), etag(&bytes[..700_000]));
    let large = store
        .put_part(&stage.db, id, &state, 4, body(&bytes, 50_000), 1_000_000)
        .await;
    assert!(matches!(large, Err(StorageError::TooLarge)));

    let backwards = [last.clone(), first.clone()];
    let refused = store
        .join_parts(&stage.db, id, state.clone(), &backwards)
        .await;
    assert!(matches!(refused, Err(StorageError::InvalidRequest(_))));
    let parts = [first, last];
    let stored = store
        .join_parts(&stage.db, id, state.clone(), &parts)
        .await
        .unwrap();
    assert!(stored.etag.ends_with("-2\""), "{}", stored.etag);
    // Once more, as after a crash.
    drop(stored);
    let stored = store
        .join_parts(&stage.db, id, state.clone(), &parts)
        .await
        .unwrap();
    assert_eq!((stored.version, stored.size), (id, 1_200_000));
    store.keep(stored).await;
    assert_eq!(read(&store, id).await, bytes);
    stage.becomes_empty("uploads").await;
    assert!(stage.names("incoming").is_empty());

    let late = store
        .put_part(&stage.db, id, &state, 1, body(b"late", 2), 100)
        .await;
    assert!(matches!(late, Err(StorageError::NoSuchUpload)));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let config = StoreConfig::Folder(stage.media());
    let second = Store::open(&config).await;
    assert!(matches!(second, Err(StorageError::StoreAway(_))));
    // A look at it is not.
    Store::attach(&config).await.unwrap();
    drop(store);
    Store::open(&config).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private_and_links_lead_nowhere() {
    use std::os::unix::fs::{MetadataExt, symlink};
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"private").await;
    let version = stored.version;
    store.keep(stored).await;
    let place = store.local_path(version).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&place), 0o600);
    assert_eq!(mode(place.parent().unwrap()), 0o700);
    assert_eq!(mode(&stage.media()), 0o700);

    let secret = stage.root.join("secret");
    fs::write(&secret, "of somebody else").unwrap();
    fs::remove_file(&place).unwrap();
    symlink(&secret, &place).unwrap();
    assert!(store.read(version, None).await.is_err());
    assert!(store.local_path(version).is_none());
    store.remove(version).await.unwrap();
    assert!(secret.exists());

    drop(store);
    let objects = stage.media().join("objects");
    fs::remove_dir_all(&objects).unwrap();
    symlink(&stage.root, &objects).unwrap();
    let led_away = Store::open(&StoreConfig::Folder(stage.media())).await;
    assert!(matches!(led_away, Err(StorageError::StoreAway(_))));
}
