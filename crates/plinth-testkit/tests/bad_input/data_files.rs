//! Data that is not ours, not whole, or not of this version: refused by name, and left as it is.

use std::fs;
use std::path::{Path, PathBuf};

use plinth_testkit::temp::TempDir;

use plinth_testkit::process::run;
use plinth_testkit::server::write_migration;

/// Where SQLite keeps the number that is our format version.
const USER_VERSION: std::ops::Range<usize> = 60..64;

const SERVE: [&str; 4] = ["serve", ".", "--listen", "127.0.0.1:0"];

fn database(folder: &Path) -> PathBuf {
    folder.join("data/plinth.db")
}

/// A folder with some data in it.
fn filled() -> TempDir {
    let folder = TempDir::new("bad-data").unwrap();
    let sql = "create table kept (id integer primary key, text text);\n\
               insert into kept select number, repeat('x', 100) from generate_series(1, 2000) as number;\n";
    write_migration(folder.path(), "0001_kept.sql", sql);
    run(folder.path(), &["migrate", "."]).is(0, &["applied 1 migration"]);
    folder
}

/// Neither a server nor a command takes it, and it is as it was afterwards.
fn is_refused(folder: &Path, said: &str) {
    let before = fs::read(database(folder)).unwrap();
    for args in [
        SERVE.as_slice(),
        &["sql", ".", "-c", "table kept"],
        &["migrate", "."],
        &["status", "."],
    ] {
        run(folder, args).is(1, &["data/plinth.db", said]);
    }
    assert!(
        fs::read(database(folder)).unwrap() == before,
        "the file was changed"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    for content in [
        b"just a text, and no database".repeat(400),
        (0..=255).cycle().take(20_000).collect(),
    ] {
        let folder = TempDir::new("bad-data").unwrap();
        fs::create_dir_all(folder.path().join("data")).unwrap();
        fs::write(database(folder.path()), content).unwrap();
        is_refused(folder.path(), "file is not a database");
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = filled();
    let whole = fs::read(database(folder.path())).unwrap();
    fs::write(database(folder.path()), &whole[..whole.len() / 3]).unwrap();
    is_refused(folder.path(), "malformed");
    fs::write(database(folder.path()), &whole).unwrap();
    run(
        folder.path(),
        &["sql", ".", "-c", "select count(*) from kept"],
    )
    .is(0, &["2000"]);
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let folder = filled();
    let mut bytes = fs::read(database(folder.path())).unwrap();
    bytes[USER_VERSION].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(database(folder.path()), &bytes).unwrap();
    is_refused(folder.path(), "format 999");
}

#[test]
fn another_programs_database_is_refused() {
    let folder = filled();
    let mut bytes = fs::read(database(folder.path())).unwrap();
    // SQLite's `application_id`.
    bytes[68..72].copy_from_slice(b"GPKG");
    fs::write(database(folder.path()), &bytes).unwrap();
    is_refused(folder.path(), "not");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let folder = TempDir::new("bad-data").unwrap();
    fs::create_dir_all(database(folder.path())).unwrap();
    run(folder.path(), &SERVE).is(1, &["data/plinth.db"]);
}

#[test]
fn a_wrong_master_key_is_refused() {
    let folder = filled();
    run(folder.path(), &["status", "."]).is(0, &[]);
    let key = folder.path().join("data/master.key");
    let right = fs::read(&key).unwrap();
    for wrong in ["", "short", &"A".repeat(43), &"z".repeat(64)] {
        fs::write(&key, wrong).unwrap();
        let ended = run(folder.path(), &SERVE);
        assert_eq!(ended.code, Some(1), "{wrong:?}: {ended:?}");
        assert!(ended.stderr.contains("key"), "{wrong:?}: {ended:?}");
    }
    fs::write(&key, right).unwrap();
    run(folder.path(), &["status", "."]).is(0, &[]);
}
