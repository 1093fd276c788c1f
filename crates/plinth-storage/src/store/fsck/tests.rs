//! Rows and bytes that do not fit together, on both stores.

use std::fs;
use std::time::Duration;

use uuid::Uuid;

use super::{Check, Checked, Finding, FsckOptions};
use crate::store::Store;
use crate::store::stage::{Stage, body, read};

/// A check to which nothing is young.
async fn check(stage: &Stage, store: &Store, repair: bool) -> (Checked, Vec<Finding>) {
    let mut findings = Vec::new();
    let check = Check {
        db: &stage.db,
        store,
        options: FsckOptions {
            repair,
            older_than: Duration::ZERO,
        },
        counts: false,
        checked: Checked::default(),
        on: |finding| findings.push(finding),
    };
    let checked = check.run().await.unwrap();
    (checked, findings)
}

async fn object(stage: &Stage, store: &Store, name: &str) -> Uuid {
    let stored = store
        .receive(&stage.db, body(name.as_bytes(), 10), 100)
        .await
        .unwrap();
    let version = stored.version;
    stage.name(name, version, name.len() as u64).await;
    store.keep(stored).await;
    version
}

#[tokio::test]
async fn what_fits_together_is_no_finding() {
    let stage = Stage::new().await;
    for store in [stage.folder().await, Stage::bucket()] {
        let prefix = if store.folder().is_some() { "f" } else { "s" };
        stage.sql("delete from storage.objects", Vec::new()).await;
        for number in 0..3 {
            object(&stage, &store, &format!("{prefix}{number}")).await;
        }
        let (checked, findings) = check(&stage, &store, false).await;
        assert_eq!((checked.rows, checked.whole, checked.problems()), (3, 3, 0));
        assert!(findings.is_empty(), "{findings:?}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_in_a_folder_is_found_and_mended() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    for number in 0..4 {
        object(&stage, &store, &format!("whole{number}")).await;
    }
    let lost = object(&stage, &store, "lost").await;
    fs::remove_file(store.local_path(lost).unwrap()).unwrap();
    stage
        .sql(
            "insert into storage.objects (bucket_id, name) values ('b', 'never had bytes')",
            Vec::new(),
        )
        .await;
    let cut = object(&stage, &store, "cut").await;
    fs::write(store.local_path(cut).unwrap(), "c").unwrap();
    let stray = store
        .receive(&stage.db, body(b"stray", 5), 100)
        .await
        .unwrap();
    let stray = {
        let version = stray.version;
        store.keep(stray).await;
        version
    };
    let waiting = store
        .receive(&stage.db, body(b"waiting", 7), 100)
        .await
        .unwrap();
    let waiting = {
        let version = waiting.version;
        stage.name("waiting", version, 7).await;
        version
    };
    store.begin_parts(Uuid::now_v7()).await.unwrap();
    fs::write(stage.media().join("incoming/notes.txt"), "mine").unwrap();

    let (checked, findings) = check(&stage, &store, false).await;
    assert_eq!((checked.rows, checked.whole), (8, 5));
    assert_eq!(
        (
            checked.missing,
            checked.size_differs,
            checked.orphans,
            checked.unplaced
        ),
        (2, 1, 2, 1)
    );
    assert_eq!(checked.problems(), 6);
    assert!(findings.contains(&Finding::Stranger {
        path: "incoming/notes.txt".to_owned()
    }));
    assert!(findings.contains(&Finding::SizeDiffers {
        bucket: "b".to_owned(),
        name: "cut".to_owned(),
        version: cut.to_string(),
        row_bytes: 3,
        store_bytes: 1,
    }));

    let (checked, _) = check(&stage, &store, true).await;
    // What was cut off nobody can bring back.
    assert_eq!((checked.problems(), checked.refused), (1, false));
    assert!(store.read(stray, None).await.is_err());
    assert_eq!(read(&store, waiting).await, b"waiting");
    let (checked, findings) = check(&stage, &store, false).await;
    assert_eq!((checked.rows, checked.problems()), (6, 1));
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(stage.media().join("incoming/notes.txt").exists());
}

#[tokio::test]
async fn everything_that_is_wrong_in_a_bucket_is_found_and_mended() {
    let stage = Stage::new().await;
    let store = Stage::bucket();
    object(&stage, &store, "whole").await;
    object(&stage, &store, "also whole").await;
    let lost = object(&stage, &store, "lost").await;
    store.remove(lost).await.unwrap();
    let stray = store
        .receive(&stage.db, body(b"stray", 5), 100)
        .await
        .unwrap();
    // As long as it is announced it is the sweeper's.
    let (checked, _) = check(&stage, &store, false).await;
    assert_eq!((checked.missing, checked.orphans), (1, 0));
    stage.sql("delete from storage.removals", Vec::new()).await;
    let (checked, _) = check(&stage, &store, true).await;
    assert_eq!(
        (checked.missing, checked.orphans, checked.repaired),
        (1, 1, 2)
    );
    assert!(store.read(stray.version, None).await.is_err());
    let (checked, _) = check(&stage, &store, false).await;
    assert_eq!((checked.rows, checked.problems()), (2, 0));
}

#[tokio::test]
async fn rows_stay_when_nearly_everything_is_missing() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    object(&stage, &store, "whole").await;
    for number in 0..3 {
        stage
            .name(&format!("lost{number}"), Uuid::now_v7(), 1)
            .await;
    }
    let (checked, _) = check(&stage, &store, true).await;
    assert!(checked.refused);
    assert_eq!((checked.missing, checked.problems()), (3, 3));
}

#[tokio::test]
async fn bytes_stay_when_hardly_any_row_names_them() {
    let stage = Stage::new().await;
    for store in [stage.folder().await, Stage::bucket()] {
        stage.sql("delete from storage.objects", Vec::new()).await;
        stage.sql("delete from storage.removals", Vec::new()).await;
        object(&stage, &store, "whole").await;
        let lost = object(&stage, &store, "lost row").await;
        object(&stage, &store, "another").await;
        // As in a database from before they were made: nothing says that they may go.
        stage
            .sql(
                "delete from storage.objects where name <> 'whole'",
                Vec::new(),
            )
            .await;
        stage.sql("delete from storage.removals", Vec::new()).await;
        let (checked, findings) = check(&stage, &store, true).await;
        assert!(checked.refused);
        assert_eq!((checked.orphans, checked.repaired), (2, 0));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(read(&store, lost).await, b"lost row");
    }
}

#[tokio::test]
async fn bytes_that_are_young_are_only_noted() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let under_way = store
        .receive(&stage.db, body(b"under way", 5), 100)
        .await
        .unwrap();
    let version = under_way.version;
    let config = crate::store::StoreConfig::Folder(stage.media());
    let check = async |repair, older_than| {
        let mut findings = Vec::new();
        let options = FsckOptions { repair, older_than };
        let checked = super::check_store(&stage.db, &config, options, |finding| {
            findings.push(finding);
        });
        (checked.await.unwrap(), findings)
    };
    let (checked, findings) = check(true, Duration::from_hours(1)).await;
    assert_eq!(checked, Checked::default());
    assert_eq!(
        findings,
        [Finding::Young {
            version: version.to_string(),
            bytes: 9
        }]
    );
    assert_eq!(read(&store, version).await, b"under way");

    // Where nobody uploads, nothing is too young to be wrong.
    let (checked, findings) = check(false, Duration::ZERO).await;
    assert_eq!((checked.orphans, checked.problems()), (1, 1));
    assert_eq!(
        findings,
        [Finding::OrphanBytes {
            version: version.to_string(),
            bytes: Some(9),
            repaired: false
        }]
    );
}
