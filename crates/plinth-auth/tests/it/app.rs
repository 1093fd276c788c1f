//! The service on a fresh database, with a clock that tests move.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use plinth_auth::{AuthApp, Config, Mailer, Outbox};
use plinth_db::migrations::apply_system;
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions};
use plinth_http::{App, Gate, GateKeys, Limits, Mode, read_body};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const PUBLISHABLE: &str = "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";
pub(crate) const SECRET: &str = "sb_secret_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB";

pub(crate) struct TestApp {
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) gate: Arc<Gate>,
    pub(crate) auth: AuthApp,
    pub(crate) outbox: Outbox,
    config: Config,
    router: Router,
    folder: PathBuf,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

/// A letter as its reader uses it.
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) code: String,
    /// Of the link, relative to the service.
    pub(crate) path: String,
}

/// With the defaults of `dev`.
pub(crate) async fn start() -> TestApp {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(configure: impl FnOnce(&mut Config)) -> TestApp {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "plinth-auth-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    let clock = Clock::fixed("2026-01-02T03:04:05.123456Z".parse().unwrap());
    let mut config = Config::for_mode(Mode::Dev);
    configure(&mut config);
    let outbox = match &config.mailer {
        Mailer::Outbox(outbox) => outbox.clone(),
        Mailer::Off | Mailer::Smtp(_) => Outbox::default(),
    };
    let db = open(&folder, &clock).await;
    let (gate, auth) = serve(&db, &clock, &config);
    TestApp {
        router: plinth_auth::router(auth.clone()),
        clock,
        db,
        gate,
        auth,
        outbox,
        config,
        folder,
    }
}

async fn open(folder: &Path, clock: &Clock) -> Db {
    let options = OpenOptions {
        path: folder.join("plinth.db"),
        clock: clock.clone(),
        auto_expose: AutoExpose::Protected,
        durability: Durability::Synced,
    };
    let db = Db::open(options).unwrap();
    apply_system(&db, &[plinth_db::base_module(), plinth_auth::module()])
        .await
        .unwrap();
    db
}

fn serve(db: &Db, clock: &Clock, config: &Config) -> (Arc<Gate>, AuthApp) {
    let keys = GateKeys {
        jwt_secret: "a secret of more than thirty-two characters".to_owned(),
        publishable: vec![PUBLISHABLE.to_owned()],
        secret: vec![SECRET.to_owned()],
        ..GateKeys::default()
    };
    let gate = Arc::new(Gate::new(&keys, clock.clone()));
    let app = App {
        db: db.clone(),
        gate: Arc::clone(&gate),
        limits: Arc::new(Limits::default()),
        mode: Mode::Dev,
        public_url: "http://127.0.0.1:54321".into(),
    };
    let auth = AuthApp::new(app, config.clone(), keys.jwt_secret.as_bytes());
    (gate, auth)
}

impl TestApp {
    /// Ends it and starts it anew on the same data.
    pub(crate) async fn restart(&mut self) {
        self.db.clone().close().await;
        self.db = open(&self.folder, &self.clock).await;
        (self.gate, self.auth) = serve(&self.db, &self.clock, &self.config);
        self.router = plinth_auth::router(self.auth.clone());
    }

    /// A request with an API key (none when empty) and perhaps a token.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        key: &str,
        token: Option<&str>,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-supabase-api-version", "2024-01-01");
        if !key.is_empty() {
            request = request.header("apikey", key);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let bytes = read_body(body, 16 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: parts.status.as_u16(),
            body,
            headers: parts.headers,
        }
    }

    /// As clients without a session send it: the key stands in the token's place, too.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(
            "POST",
            path,
            PUBLISHABLE,
            Some(PUBLISHABLE),
            &body.to_string(),
        )
        .await
    }

    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> Answer {
        self.post("/signup", json!({ "email": email, "password": password }))
            .await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/token?grant_type=password",
            json!({ "email": email, "password": password }),
        )
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post(
            "/token?grant_type=refresh_token",
            json!({ "refresh_token": token }),
        )
        .await
    }

    pub(crate) async fn user(&self, token: &str) -> Answer {
        self.call("GET", "/user", PUBLISHABLE, Some(token), "")
            .await
    }

    pub(crate) async fn change(&self, token: &str, change: Value) -> Answer {
        self.call(
            "PUT",
            "/user",
            PUBLISHABLE,
            Some(token),
            &change.to_string(),
        )
        .await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.call(method, path, SECRET, Some(SECRET), &body).await
    }

    /// Lets letters go and takes the newest.
    #[track_caller]
    pub(crate) fn newest_letter(&self) -> Letter {
        let sent = self.outbox.letters().into_iter().next().expect("a letter");
        let (_, link) = sent.html.split_once("href=\"").unwrap_or_default();
        let link = link.split('"').next().unwrap_or_default();
        let code = |word: &&str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
        let mut words = sent.html.split(|c: char| !c.is_ascii_alphanumeric());
        Letter {
            code: words.rfind(code).unwrap_or_default().to_owned(),
            path: link
                .replace("&amp;", "&")
                .replace("http://127.0.0.1:54321/auth/v1", ""),
            to: sent.to,
            subject: sent.subject,
        }
    }

    /// Follows the link of a letter, as a browser does: without a key. The answer is where it leads.
    pub(crate) async fn follow(&self, letter: &Letter) -> String {
        let answer = self.call("GET", &letter.path, "", None, "").await;
        assert_eq!(answer.status, 303);
        answer.headers["location"].to_str().unwrap().to_owned()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.advance(jiff::SignedDuration::from_secs(seconds));
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self) -> Answer {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{}",
            self.body
        );
    }

    #[track_caller]
    pub(crate) fn access_token(&self) -> String {
        self.body["access_token"]
            .as_str()
            .expect("a session")
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn refresh_token(&self) -> String {
        self.body["refresh_token"]
            .as_str()
            .expect("a session")
            .to_owned()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}
