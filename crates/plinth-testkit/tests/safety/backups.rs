//! `plinth backup` and `plinth restore` as a person uses them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use plinth_testkit::process::{run, run_with};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;
use serde_json::Value;

const COUNT: [&str; 5] = [
    "--format",
    "csv",
    "-c",
    "select count(*) || ' of ' || sum(weight) as kept from kept",
    ".",
];

/// An application with some data, whose production keys have been made.
fn filled(name: &str) -> TempDir {
    let folder = TempDir::new(name).unwrap();
    let sql = "create table kept (id integer primary key, weight numeric not null, note text);
               create index on kept (weight);
               insert into kept select n, n * 0.5, repeat('x', 300) from generate_series(1, 10000) n;";
    write_migration(folder.path(), "0001_kept.sql", sql);
    run(folder.path(), &["migrate", "."]).is(0, &[]);
    folder
}

fn holds(folder: &Path, said: &str) {
    let args: Vec<&str> = ["sql"].iter().chain(&COUNT).copied().collect();
    run(folder, &args).is(0, &[said]);
}

fn restored(folder: &Path, file: &Path, flags: &[&str]) -> plinth_testkit::process::Ended {
    let file = file.to_str().expect("temporary folders have plain names");
    let args: Vec<&str> = ["restore", ".", file]
        .iter()
        .chain(flags)
        .copied()
        .collect();
    run(folder, &args)
}

#[test]
fn a_backup_of_a_running_server_brings_everything_back() {
    let folder = filled("backup");
    let server = Process::start("serve", folder.path());
    let made = run(folder.path(), &["backup", ".", "one.tar.zst", "--json"]);
    made.is(0, &[]);
    let report: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(report["manifest"]["files"][0]["path"], "plinth.db");
    let file = folder.path().join("one.tar.zst");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600,
        "a backup is for its owner alone"
    );
    // What comes after the backup is not in it.
    run(
        folder.path(),
        &["sql", ".", "-c", "delete from kept where id > 10"],
    )
    .is(0, &[]);
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("one"))
        .collect();
    assert_eq!(names, ["one.tar.zst"], "nothing unfinished stays");
    restored(folder.path(), &file, &[]).is(1, &["is using .", "stop it first"]);
    server.kill();
    restored(folder.path(), &file, &[]).is(1, &["never overwrites data"]);

    let other = TempDir::new("restored").unwrap();
    restored(other.path(), &file, &[]).is(0, &["data/plinth.db", "master.key"]);
    let key = other.path().join("data/master.key");
    run(other.path(), &["status", "."]).is(1, &["no master key", "data/master.key"]);
    assert!(
        !key.exists(),
        "a fresh key must not take the right one's place"
    );
    fs::copy(folder.path().join("data/master.key"), &key).unwrap();
    let keys = |folder: &Path| run(folder, &["status", ".", "-o", "env"]).stdout;
    assert_eq!(keys(folder.path()), keys(other.path()));
    holds(other.path(), "10000 of 25002500.0");
}

#[test]
fn without_its_master_key_a_backup_lives_with_new_keys() {
    let folder = filled("backup-keys");
    run(folder.path(), &["status", "."]).is(0, &[]);
    run(folder.path(), &["backup", "."]).is(0, &["data/backups/", "keep", "master.key"]);
    let file = fs::read_dir(folder.path().join("data/backups"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let other = TempDir::new("restored-keys").unwrap();
    restored(other.path(), &file, &["--new-keys"]).is(0, &[]);
    let keys = |folder: &Path| run(folder, &["status", ".", "-o", "env"]).stdout;
    let (old, new) = (keys(folder.path()), keys(other.path()));
    assert!(new.contains("ANON_KEY=\"ey") && old != new, "{new}");
    holds(other.path(), "10000 of 25002500.0");
    // A key from the environment counts as one.
    let third = TempDir::new("restored-env").unwrap();
    let file = file.to_str().unwrap();
    let master = [("PLINTH_MASTER_KEY", "00".repeat(32))];
    let master = [(master[0].0, master[0].1.as_str())];
    let ended = run_with(third.path(), &["restore", ".", file, "--json"], &master);
    ended.is(0, &["\"master_key_missing\":false"]);
    run_with(third.path(), &["status", "."], &master).is(1, &["does not open the keys"]);
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let folder = filled("backup-bad");
    run(folder.path(), &["backup", ".", "good.tar.zst"]).is(0, &[]);
    run(folder.path(), &["backup", ".", "good.tar.zst"]).is(1, &["exists already"]);
    let good = fs::read(folder.path().join("good.tar.zst")).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let other = TempDir::new("restored-bad").unwrap();
    let bad = other.path().join("bad");
    for (content, said) in [
        (Vec::new(), "backup"),
        (b"no archive at all".to_vec(), "no backup"),
        (good[..good.len() / 2].to_vec(), "cut off"),
        (good[..good.len() - 8].to_vec(), ""),
        (flipped, "damaged"),
        (
            packed(&[("plinth.db", b"no database")]),
            "manifest is missing",
        ),
        (packed(&[("../plinth.db", b"x")]), "does not know"),
        (
            packed(&[("manifest.json", b"{}")]),
            "manifest cannot be read",
        ),
        (
            packed(&[("manifest.json", b"{\"format\":9}")]),
            "newer plinth",
        ),
        (
            packed(&[
                ("plinth.db", b"short"),
                ("manifest.json", &manifest(5, "00")),
            ]),
            "damaged",
        ),
        (
            packed(&[
                ("plinth.db", b"short"),
                // The right checksum of what is no database.
                (
                    "manifest.json",
                    &manifest(
                        5,
                        "f9b0078b5df596d2ea19010c001bbd009e651de2c57e8fb7e355f31eb9d3f739",
                    ),
                ),
            ]),
            "check",
        ),
    ] {
        fs::write(&bad, content).unwrap();
        restored(other.path(), &bad, &[]).is(1, &[said]);
        let left: Vec<_> = fs::read_dir(other.path().join("data"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "lock")
            .collect();
        assert!(left.is_empty(), "{said}: {left:?}");
    }
    restored(other.path(), &folder.path().join("absent"), &[]).is(1, &["cannot read"]);
    // After all that, the whole one goes in.
    restored(other.path(), &folder.path().join("good.tar.zst"), &[]).is(0, &[]);
    // The log of a database that is gone would be read into the next one.
    fs::remove_file(other.path().join("data/plinth.db")).unwrap();
    fs::write(other.path().join("data/plinth.db-wal"), "old").unwrap();
    restored(other.path(), &folder.path().join("good.tar.zst"), &[]).is(1, &["plinth.db-wal"]);
}

#[test]
fn an_upgrade_saves_the_data_as_they_were() {
    let folder = filled("backup-upgrade");
    run(folder.path(), &["status", "."]).is(0, &[]);
    let backups = folder.path().join("data/backups");
    assert!(!backups.exists(), "what is up to date needs no backup");
    // As a version would have left it that did not know the last migration of a module of ours.
    let gone = "delete from plinth.migrations where version = (select max(version) from plinth.migrations where module = 'auth') and module = 'auth';
                drop table auth.attempts";
    run(folder.path(), &["sql", ".", "-c", gone]).is(0, &[]);
    let upgraded = run(folder.path(), &["status", "."]);
    let saved: Vec<_> = fs::read_dir(&backups)
        .unwrap_or_else(|error| panic!("{error}: {upgraded:?}"))
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert!(
        saved[0].to_str().unwrap().contains("before-upgrade"),
        "{saved:?}"
    );
    let other = TempDir::new("restored-upgrade").unwrap();
    restored(other.path(), &saved[0], &["--new-keys"]).is(0, &[]);
    holds(other.path(), "10000 of 25002500.0");
}

fn manifest(bytes: usize, sha256: &str) -> Vec<u8> {
    format!(
        r#"{{"format":1,"plinth":"0","taken_at":"2026-01-01T00:00:00Z","stage":"serve","files":[{{"path":"plinth.db","bytes":{bytes},"sha256":"{sha256}"}}]}}"#
    )
    .into_bytes()
}

fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}
