//! Where rows and files are: in a folder, or on a database server and in a store that speaks S3.

use std::path::Path;
use std::time::{Duration, Instant};

use plinth_db::keys::Keys;
use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::process::{POLL, run_with};
use plinth_testkit::seaweedfs::SeaweedFs;
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;

pub(super) const BUCKET: &str = "files";
const SCHEMA: &str = "insert into storage.buckets (id, name) values ('files', 'files');";
/// How long the sweep may take to find what it has to do.
const SWEPT: Duration = Duration::from_mins(1);

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

    /// Brings the time forward at which what was left behind is removed, and waits until there is one file for each row.
    pub(super) fn sweep(&self, server: &Process) {
        self.sql("update storage.removals set due_at = now()");
        self.sql("update storage.uploads set expires_at = now() - interval '1 second'");
        let began = Instant::now();
        loop {
            // Removing something wakes the sweep.
            wake(server);
            let (rows, files) = (self.rows(), self.files());
            if rows == files.len() {
                return;
            }
            assert!(
                began.elapsed() < SWEPT,
                "{rows} rows and {} files: {files:?}\n{}",
                files.len(),
                server.log()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Asks the command whether rows and files fit together, with no server running.
    pub(super) fn check(&self) {
        let args = ["storage", "check", ".", "--dev"];
        run_with(self.folder.path(), &args, &self.environment()).is(0, &[]);
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
                // What a killed server had begun to send in parts is known to the store alone, whose rules end it.
                files.retain(|file| !file.starts_with("/.uploads/"));
                files
            }
            None => ["objects", "incoming", "uploads"]
                .iter()
                .flat_map(|kind| files_below(&self.folder.path().join("data/dev/media").join(kind)))
                .collect(),
        }
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
    let keys = Keys::local();
    let key = keys.service_role_jwt.expose();
    let object = format!("/storage/v1/object/{BUCKET}/wake");
    for request in [
        Request::new("POST", &object).body("wake"),
        Request::new("DELETE", &object),
    ] {
        let request = request
            .header("apikey", key)
            .header("authorization", format!("Bearer {key}"));
        let answer = request.send(server.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

fn files_below(folder: &Path) -> Vec<String> {
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
