//! Where rows and files are: in a folder, or on a database server and in a store that speaks S3.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::process::{POLL, run_with};
use plinth_testkit::seaweedfs::SeaweedFs;
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;

use super::client::{admin, object};

pub(super) const BUCKET: &str = "files";
const SCHEMA: &str = "insert into storage.buckets (id, name) values ('files', 'files');";
/// How long the sweep may take to find what it has to do.
const SWEPT: Duration = Duration::from_secs(150);
/// Below this the store keeps the parts of uploads that have not ended, by what it calls each upload.
const PARTS: &str = "/.uploads/";

/// An application and where its data is.
pub(super) struct Place {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    services: Option<Services>,
}

struct Services {
    store: SeaweedFs,
    bucket: String,
    _postgres: Guarded,
}

impl Place {
    /// Everything in the application's own folder.
    pub(super) fn folder() -> Place {
        let folder = TempDir::new("media").unwrap();
        write_migration(folder.path(), "0001_files.sql", SCHEMA);
        Place {
            folder,
            environment: Vec::new(),
            services: None,
        }
    }

    /// Rows in PostgreSQL, files in `SeaweedFS`.
    pub(super) fn services(postgres: &Path, seaweedfs: &Path) -> Place {
        let postgres = Guarded::start(postgres).unwrap();
        let store = SeaweedFs::start(seaweedfs).unwrap();
        let bucket = store.bucket().unwrap();
        let mut place = Place::folder();
        place.environment = store.environment(&bucket);
        let url = postgres.url(&postgres.database().unwrap());
        place.environment.push(("PLINTH_DATABASE_URL", url));
        place.services = Some(Services {
            store,
            bucket,
            _postgres: postgres,
        });
        place
    }

    pub(super) fn start(&self) -> Process {
        Process::start_with("dev", self.folder.path(), &[], &self.environment())
    }

    /// The store, where files are in one.
    pub(super) fn store(&self) -> Option<&SeaweedFs> {
        self.services.as_ref().map(|services| &services.store)
    }

    /// Brings the time forward at which a completion that a killed server had begun keeps nobody away any more. In a folder the
    /// next start has seen to that already.
    pub(super) fn end_claims(&self) {
        if self.services.is_some() {
            self.sql(
                "update storage.s3_multipart_uploads set completing_at = now() - interval '1 hour' where completing_at is not null",
            );
        }
    }

    /// The uploads that have not ended, as rows know them: by what the store calls them.
    pub(super) fn begun(&self) -> BTreeSet<String> {
        let id = match self.services {
            Some(_) => "store_state ->> 'upload'",
            None => "id",
        };
        let ids = [
            format!("select {id} as id from storage.uploads where finished_at is null"),
            format!("select {id} as id from storage.s3_multipart_uploads"),
            // Of what one request was sending in parts.
            "select upload as id from storage.removals where upload is not null".to_owned(),
        ]
        .map(|sql| self.sql(&sql));
        let lines = ids.iter().flat_map(|said| said.lines().skip(1));
        lines
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Fails when there is more of uploads that have not ended than rows know.
    pub(super) fn check_begun(&self, begun: &BTreeSet<String>) {
        let unfinished = self.unfinished();
        let known = unfinished.intersection(begun).count();
        assert!(
            known >= 2,
            "the two that were left are not in {unfinished:?}"
        );
        let unknown: Vec<_> = unfinished.difference(begun).collect();
        // A kill between a store's answer that an upload has begun and the row that says so: the store's own rules end that one.
        let allowed = usize::from(self.services.is_some());
        assert!(unknown.len() <= allowed, "no row knows of {unknown:?}");
    }

    /// Brings the time forward at which what was left behind is removed. The next start sees to it at once.
    pub(super) fn expire(&self) {
        self.sql("update storage.removals set due_at = now()");
        // What a request of the killed server had taken it would have given back.
        self.sql("update storage.uploads set lease_until = null");
        for uploads in ["uploads", "s3_multipart_uploads"] {
            self.sql(&format!(
                "update storage.{uploads} set expires_at = now() - interval '1 second'"
            ));
        }
    }

    /// Waits until there is one file for each row, and nothing of the uploads that had begun.
    pub(super) fn sweep(&self, server: &Process, begun: &BTreeSet<String>) {
        let waiting = Instant::now();
        loop {
            // Removing something wakes the sweep.
            wake(server);
            let (rows, files) = (self.rows(), self.files());
            let unfinished = self.unfinished();
            if rows == files.len() && unfinished.is_disjoint(begun) {
                return;
            }
            assert!(
                waiting.elapsed() < SWEPT,
                "{rows} rows and {} files: {files:?}, unfinished {unfinished:?}, still to be removed: {}\n{}",
                files.len(),
                self.sql("select version, due_at - now() as due from storage.removals; select id, finished_at, expires_at - now() as ends, lease_until - now() as leased, store_state from storage.uploads"),
                server.log()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Asks the command whether rows and files fit together, to the last one, with no server running.
    pub(super) fn check(&self) {
        let args = ["storage", "check", ".", "--dev", "--older-than", "0s"];
        let ended = run_with(self.folder.path(), &args, &self.environment());
        ended.is(0, &[" rows: 0 without bytes", "; 0 bytes without row"]);
        assert!(!ended.stdout.contains("note:"), "{}", ended.stdout);
    }

    fn rows(&self) -> usize {
        let said = self.sql("select count(*) as n from storage.objects");
        let count = said.lines().nth(1).and_then(|line| line.parse().ok());
        count.unwrap_or_else(|| panic!("no count: {said}"))
    }

    fn files(&self) -> Vec<String> {
        match &self.services {
            Some(services) => {
                let mut files = services.store.files(&services.bucket).unwrap();
                files.retain(|file| !file.starts_with(PARTS));
                files
            }
            None => ["objects", "incoming", "uploads"]
                .iter()
                .flat_map(|kind| files_below(&self.media().join(kind)))
                .collect(),
        }
    }

    /// What there is of uploads that have not ended, by what the store calls each.
    pub(super) fn unfinished(&self) -> BTreeSet<String> {
        match &self.services {
            Some(services) => {
                let files = services.store.files(&services.bucket).unwrap();
                let parts = files.iter().filter_map(|file| file.strip_prefix(PARTS));
                let upload = |part: &str| part.split('/').next().unwrap_or_default().to_owned();
                parts.map(upload).collect()
            }
            // Also one that is empty.
            None => std::fs::read_dir(self.media().join("uploads"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
        }
    }

    fn media(&self) -> PathBuf {
        self.folder.path().join("data/dev/media")
    }

    fn sql(&self, sql: &str) -> String {
        let args = ["sql", ".", "--dev", "--format", "csv", "-c", sql];
        let ended = run_with(self.folder.path(), &args, &self.environment());
        ended.is(0, &[]);
        ended.stdout
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}

fn wake(server: &Process) {
    for request in [
        Request::new("POST", &object("wake")).body("wake"),
        Request::new("DELETE", &object("wake")),
    ] {
        let answer = admin(request).send(server.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

pub(super) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}
