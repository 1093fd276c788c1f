//! The service on a fresh database and a fresh folder, with a clock that tests move.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use plinth_db::keys::Keys;
use plinth_db::migrations::apply_system;
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions, Rows, Session};
use plinth_http::{App, Gate, GateKeys, Limits, Mode, read_body};
use plinth_storage::{CheckConfig, Config, ImageConfig, Storage, StoreConfig};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Largest object.
pub(crate) const UPLOAD_BYTES: u64 = 1 << 20;

/// Buckets, and a policy by which everybody who is signed in has what is theirs.
const SETUP: &str = "
  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
    ('files', 'files', false, null, null),
    ('small', 'small', false, 10, null),
    ('images', 'images', true, null, '{image/*}'),
    ('closed', 'closed', false, null, null);
  create policy own on storage.objects to authenticated
    using (owner_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub'))
    with check (bucket_id <> 'closed' and owner_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub'));
";

pub(crate) struct TestApp {
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    /// Who is asked about uploads from the next restart on.
    pub(crate) check: Option<CheckConfig>,
    gate: Arc<Gate>,
    /// None in the middle of a restart.
    running: Option<Running>,
    folder: PathBuf,
}

struct Running {
    storage: Storage,
    router: Router,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) async fn start() -> TestApp {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "plinth-storage-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    let clock = Clock::fixed("2026-01-02T03:04:05.123456Z".parse().unwrap());
    let options = OpenOptions {
        path: folder.join("plinth.db"),
        clock: clock.clone(),
        auto_expose: AutoExpose::Protected,
        durability: Durability::Synced,
    };
    let db = Db::open(options).unwrap();
    apply_system(&db, &[plinth_db::base_module(), plinth_storage::module()])
        .await
        .unwrap();
    let keys = Keys::local();
    let mut app = TestApp {
        gate: Arc::new(Gate::new(&GateKeys::from(&keys), clock.clone())),
        clock,
        db,
        keys,
        check: None,
        running: None,
        folder,
    };
    app.script(SETUP).await;
    app.restart().await;
    app
}

impl TestApp {
    /// As after the end of a process, however it ended: what was in memory is gone.
    pub(crate) async fn restart(&mut self) {
        self.running = None;
        let shared = App {
            db: self.db.clone(),
            gate: Arc::clone(&self.gate),
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: "http://127.0.0.1:54321".into(),
        };
        let config = Config {
            store: StoreConfig::Folder(self.folder.join("media")),
            images: ImageConfig::in_folder(self.folder.join("images")),
            check: self.check.clone(),
            upload_bytes: UPLOAD_BYTES,
            resumable_lifetime: Duration::from_hours(1),
            signed_upload_lifetime: Duration::from_mins(1),
            region: "local".to_owned(),
            public_url: None,
            redirect: None,
        };
        let storage = Storage::open(shared, config, &self.keys).await.unwrap();
        let router = plinth_storage::router(storage.clone());
        self.running = Some(Running { storage, router });
    }

    /// Everything of this test.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    pub(crate) fn router(&self) -> Router {
        self.running.as_ref().unwrap().router.clone()
    }

    pub(crate) fn storage(&self) -> Storage {
        self.running.as_ref().unwrap().storage.clone()
    }

    /// A token of somebody who is signed in.
    pub(crate) fn token(&self, sub: &str) -> String {
        self.gate
            .sign(&json!({ "role": "authenticated", "sub": sub }))
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        send(self.router(), method, path, headers, body).await
    }

    pub(crate) async fn script(&self, sql: &'static str) {
        let work = move |tx: &mut plinth_db::Transaction<'_>| tx.script(sql).map(|_| ());
        self.db.transaction(&Session::system(), work).await.unwrap();
    }

    pub(crate) async fn query(&self, sql: &str) -> Rows {
        self.db
            .query(&Session::system(), sql, Vec::new())
            .await
            .unwrap()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(jiff::SignedDuration::from_secs(seconds));
    }

    /// Files anywhere in the store, but for its lock.
    pub(crate) fn stored_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.join("media")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("lock") => {}
                    false => files.push(path),
                }
            }
        }
        files
    }
}

pub(crate) async fn send(
    router: Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = read_body(body, 16 << 20).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: bytes.to_vec(),
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}
