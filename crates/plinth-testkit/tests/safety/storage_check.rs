//! `plinth storage check` as a person uses it: on a stopped server and beside a running one, to look and to mend.

use std::fs;
use std::path::PathBuf;

use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::{Ended, run};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;
use serde_json::{Value, json};

const SCHEMA: &str = "insert into storage.buckets (id, name) values ('files', 'files');";
/// The version of bytes that no row names.
const STRAY: &str = "00000000-0000-7000-8000-0000000000ab";
/// Nobody uploads here: bytes of this moment count, too.
const ALL_AGES: [&str; 2] = ["--older-than", "0s"];

/// An application in production with three files, and the key that reads them.
struct Files {
    /// Before its folder, so that it ends before that goes away.
    server: Option<Process>,
    folder: TempDir,
    key: String,
}

impl Files {
    fn served() -> Files {
        let folder = TempDir::new("storage-check").unwrap();
        write_migration(folder.path(), "0001_files.sql", SCHEMA);
        let server = Process::start("serve", folder.path());
        let status = run(folder.path(), &["status", ".", "--json"]);
        let keys: Value = serde_json::from_str(&status.stdout).unwrap();
        let key = keys["secret_key"].as_str().unwrap().to_owned();
        let files = Files {
            server: Some(server),
            folder,
            key,
        };
        for name in ["a.txt", "b.txt", "c.txt"] {
            let answer = files.ask(Request::new("POST", &object(name)).body(name));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        files
    }

    fn stop(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    fn start(&mut self) {
        self.server = Some(Process::start("serve", self.folder.path()));
    }

    fn ask(&self, request: Request) -> Answer {
        let address = self.server.as_ref().expect("it runs").address;
        request.header("apikey", self.key.as_str()).send(address)
    }

    /// What a file's row names its bytes by.
    fn version(&self, name: &str) -> String {
        let info = format!("/storage/v1/object/info/files/{name}");
        let answer = self.ask(Request::get(&info)).json();
        answer["version"].as_str().unwrap().to_owned()
    }

    /// Where these bytes are.
    fn place(&self, version: &str) -> PathBuf {
        let shard = &version[version.len() - 2..];
        let objects = self.folder.path().join("data/media/objects");
        objects.join(shard).join(version)
    }

    /// Takes away the bytes of a row, and puts down some that no row names.
    fn spoil(&self, missing: &str) {
        fs::remove_file(self.place(missing)).unwrap();
        let stray = self.place(STRAY);
        fs::create_dir_all(stray.parent().unwrap()).unwrap();
        fs::write(stray, "stray").unwrap();
    }

    fn check(&self, flags: &[&str]) -> Ended {
        let args = [&["storage", "check", "."][..], flags].concat();
        run(self.folder.path(), &args)
    }

    /// The findings of `--json`, and the line after them.
    fn found(&self, code: i32, flags: &[&str]) -> (Vec<Value>, Value) {
        let ended = self.check(&[&["--json"][..], flags].concat());
        ended.is(code, &[]);
        let lines = ended.stdout.lines();
        let mut lines: Vec<Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let last = lines.pop().expect("there is a last line");
        (lines, last)
    }

    /// What is wrong is told with 1, mended with 0, and then nothing is wrong.
    fn finds_and_mends(&self, missing: &str) {
        let lost = json!({ "finding": "missing_bytes", "bucket": "files", "name": "c.txt", "version": missing });
        let stray = |repaired: bool| json!({ "finding": "orphan_bytes", "version": STRAY, "bytes": 5, "repaired": repaired });
        let counts = |repaired: u64| {
            json!({ "rows": 3, "whole": 2, "missing": 1, "size_differs": 0, "orphans": 1, "unplaced": 0,
                    "repaired": repaired, "refused": false })
        };

        // It may be an upload that is under way.
        let young = json!({ "finding": "young", "version": STRAY, "bytes": 5 });
        let (findings, last) = self.found(1, &[]);
        assert_eq!(findings, [lost.clone(), young]);
        assert_eq!(last["problems"], json!(1), "{last}");

        let (findings, last) = self.found(1, &ALL_AGES);
        assert_eq!(findings, [lost.clone(), stray(false)]);
        assert_eq!(last, json!({ "checked": counts(0), "problems": 2 }));
        self.check(&ALL_AGES).is(
            1,
            &[
                &format!("row without bytes: files/c.txt (version {missing})"),
                &format!("bytes without row: {STRAY}, 5 B"),
                "3 rows: 1 without bytes, 0 of the wrong size; 1 bytes without row, 0 not in their place",
            ],
        );
        assert!(self.place(STRAY).exists(), "looking changes nothing");

        let (findings, last) = self.found(0, &[&["--repair"][..], &ALL_AGES[..]].concat());
        assert_eq!(findings, [lost, stray(true)]);
        assert_eq!(last, json!({ "checked": counts(2), "problems": 0 }));
        assert!(!self.place(STRAY).exists(), "it is removed");

        let (findings, last) = self.found(0, &ALL_AGES);
        assert_eq!((findings.len(), &last["checked"]["rows"]), (0, &json!(2)));
        let ended = self.check(&ALL_AGES);
        ended.is(0, &["2 rows: 0 without bytes, 0 of the wrong size; 0 bytes without row, 0 not in their place"]);
    }

    /// Two files are as they were, and the third is not there any more.
    fn hold_what_was_whole(&self) {
        for name in ["a.txt", "b.txt"] {
            let answer = self.ask(Request::get(&object(name)));
            assert_eq!((answer.status, answer.text().as_str()), (200, name));
        }
        let gone = self.ask(Request::get(&object("c.txt")));
        assert_eq!(gone.json()["code"], "NoSuchKey", "{}", gone.text());
    }
}

fn object(name: &str) -> String {
    format!("/storage/v1/object/files/{name}")
}

#[test]
fn a_stopped_server_is_checked_and_mended() {
    let mut files = Files::served();
    let missing = files.version("c.txt");
    files.stop();
    files.check(&ALL_AGES).is(0, &["3 rows: 0 without bytes"]);
    files.spoil(&missing);
    files.finds_and_mends(&missing);
    files.start();
    files.hold_what_was_whole();
}

#[test]
fn a_running_server_is_checked_and_mended() {
    let files = Files::served();
    files.check(&ALL_AGES).is(0, &["3 rows: 0 without bytes"]);
    let missing = files.version("c.txt");
    files.spoil(&missing);
    files.finds_and_mends(&missing);
    files.hold_what_was_whole();
    // A row that was removed leaves its name to others.
    let again = files.ask(Request::new("POST", &object("c.txt")).body("again"));
    assert_eq!(again.status, 200, "{}", again.text());
    files.check(&ALL_AGES).is(0, &["3 rows: 0 without bytes"]);
}

#[test]
fn bytes_that_were_cut_off_stay_wrong() {
    let mut files = Files::served();
    let cut = files.version("c.txt");
    files.stop();
    fs::write(files.place(&cut), "c").unwrap();
    let differs = json!({ "finding": "size_differs", "bucket": "files", "name": "c.txt", "version": cut,
        "row_bytes": 5, "store_bytes": 1 });
    let none: &[&str] = &[];
    for flags in [none, &["--repair"]] {
        let (findings, last) = files.found(1, flags);
        assert_eq!(findings, std::slice::from_ref(&differs));
        assert_eq!(last["problems"], json!(1), "{last}");
    }
    assert_eq!(fs::read(files.place(&cut)).unwrap(), b"c");
}

#[test]
fn no_row_goes_where_most_files_are_missing() {
    let mut files = Files::served();
    let versions = ["a.txt", "b.txt"].map(|name| files.version(name));
    files.stop();
    for version in &versions {
        fs::remove_file(files.place(version)).unwrap();
    }
    files.check(&["--repair"]).is(
        1,
        &[
            "3 rows: 2 without bytes",
            "nothing was removed",
            "is it mounted",
        ],
    );
    let (findings, last) = files.found(1, &[]);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(last["checked"]["rows"], json!(3), "{last}");
}
