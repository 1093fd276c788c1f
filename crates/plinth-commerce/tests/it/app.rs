//! The service on a fresh database, with a clock that tests move.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use plinth_commerce::{Commerce, Config};
use plinth_db::keys::Keys;
use plinth_db::migrations::apply_system;
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions, Rows, Session};
use plinth_http::{App, Gate, GateKeys, Limits, Mode, read_body};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Counted: ten of them.
pub(crate) const TEAPOT: &str = "11110000-0000-4000-8000-000000000001";
/// Not counted.
pub(crate) const BOOK: &str = "22220000-0000-4000-8000-000000000001";
pub(crate) const ANN: &str = "aaaa0000-0000-4000-8000-000000000001";
pub(crate) const BOB: &str = "bbbb0000-0000-4000-8000-000000000001";
pub(crate) const STAFF: &str = "cccc0000-0000-4000-8000-000000000001";

const GOODS: &str = "
  insert into commerce.products (id, name) values
    ('11110000-0000-4000-8000-000000000001', 'A teapot'), ('22220000-0000-4000-8000-000000000001', 'A book');
  insert into commerce.prices (id, product_id, currency, amount) values
    ('11110000-0000-4000-8000-0000000000aa', '11110000-0000-4000-8000-000000000001', 'EUR', 2000),
    ('22220000-0000-4000-8000-0000000000aa', '22220000-0000-4000-8000-000000000001', 'EUR', 1000);
  insert into commerce.inventory (product_id, on_hand) values ('11110000-0000-4000-8000-000000000001', 10);
  insert into commerce.tax_rates (region, tax_class, ppm, included, name) values ('DE', 'standard', 190000, true, 'MwSt.');
";

/// A database of its own, and the clock that it reads.
pub(crate) struct Place {
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    folder: Folder,
}

/// Removed when dropped.
struct Folder(PathBuf);

pub(crate) struct TestApp {
    pub(crate) clock: Clock,
    pub(crate) db: Db,
    pub(crate) commerce: Commerce,
    gate: Arc<Gate>,
    keys: Keys,
    router: Router,
    /// Makes idempotency keys.
    next_key: AtomicU32,
    _folder: Folder,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Who calls.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    User(&'a str),
    Staff,
    Guest,
    /// With a secret.
    Holder(&'a str),
    Service,
    /// Without any key.
    Nobody,
}

pub(crate) async fn start() -> TestApp {
    start_with(Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> TestApp {
    let place = Place::empty();
    let modules = [
        plinth_db::base_module(),
        plinth_auth::module(),
        plinth_commerce::module(),
    ];
    apply_system(&place.db, &modules).await.unwrap();
    let app = place.open(config);
    let goods = move |tx: &mut plinth_db::Transaction<'_>| tx.script(GOODS).map(|_| ());
    app.db.transaction(&Session::system(), goods).await.unwrap();
    app
}

impl Place {
    /// Without any table.
    pub(crate) fn empty() -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "plinth-commerce-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Folder(std::env::temp_dir().join(name));
        let clock = Clock::fixed("2026-01-02T03:04:05.123456Z".parse().unwrap());
        let options = OpenOptions {
            path: folder.0.join("plinth.db"),
            clock: clock.clone(),
            auto_expose: AutoExpose::Protected,
            durability: Durability::Synced,
        };
        Place {
            clock,
            db: Db::open(options).unwrap(),
            folder,
        }
    }

    /// The service on its tables.
    pub(crate) fn open(self, config: Config) -> TestApp {
        let keys = Keys::local();
        let gate = Arc::new(Gate::new(&GateKeys::from(&keys), self.clock.clone()));
        let shared = App {
            db: self.db.clone(),
            gate: Arc::clone(&gate),
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: "http://127.0.0.1:54321".into(),
        };
        let commerce = Commerce::open(shared, config, &keys).unwrap();
        TestApp {
            router: plinth_commerce::router(commerce.clone()),
            commerce,
            clock: self.clock,
            db: self.db,
            gate,
            keys,
            next_key: AtomicU32::new(0),
            _folder: self.folder,
        }
    }
}

impl TestApp {
    /// A key that no other request of this test has.
    pub(crate) fn fresh_key(&self) -> String {
        let number = self.next_key.fetch_add(1, Ordering::Relaxed);
        format!("a-key-of-this-test-{number}")
    }

    /// Reads.
    pub(crate) async fn get(&self, who: As<'_>, path: &str) -> Answer {
        self.send(who, "GET", path, &[], Body::empty()).await
    }

    /// Writes, with a fresh key.
    pub(crate) async fn write(
        &self,
        who: As<'_>,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        self.write_with(who, method, path, &self.fresh_key(), body)
            .await
    }

    /// Writes, with this key.
    pub(crate) async fn write_with(
        &self,
        who: As<'_>,
        method: &str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Answer {
        let headers = [("idempotency-key", key)];
        self.send(who, method, path, &headers, body.to_string())
            .await
    }

    pub(crate) async fn send(
        &self,
        who: As<'_>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in self.credentials(who) {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let answered = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answered.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: read_body(body, 16 << 20).await.unwrap().to_vec(),
        }
    }

    fn credentials(&self, who: As<'_>) -> Vec<(&'static str, String)> {
        let publishable = ("apikey", self.keys.publishable.clone());
        let session = |sub: &str, role: Option<&str>| {
            let claims = json!({
                "role": "authenticated",
                "sub": sub,
                "app_metadata": { "commerce_role": role },
                // What a user says of himself never counts.
                "user_metadata": { "commerce_role": "admin" },
            });
            (
                "authorization",
                format!("Bearer {}", self.gate.sign(&claims)),
            )
        };
        match who {
            As::Nobody => Vec::new(),
            As::Guest => vec![publishable],
            As::Holder(secret) => vec![publishable, ("x-commerce-secret", secret.to_owned())],
            As::User(sub) => vec![publishable, session(sub, None)],
            As::Staff => vec![publishable, session(STAFF, Some("staff"))],
            As::Service => vec![("apikey", self.keys.secret.expose().to_owned())],
        }
    }

    /// Places an order of so many teapots.
    pub(crate) async fn order(&self, who: As<'_>, quantity: i64) -> Value {
        let body = json!({
            "lines": [{ "product_id": TEAPOT, "quantity": quantity }],
            "currency": "EUR",
            "region": "DE",
        });
        self.write(who, "POST", "/orders", &body)
            .await
            .is(201)
            .json()
    }

    pub(crate) async fn query(&self, sql: &str) -> Rows {
        let system = Session::system();
        self.db.query(&system, sql, Vec::new()).await.unwrap()
    }

    /// One number that SQL gives, in a column `n`.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.query(sql).await.first().unwrap().int("n").unwrap()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Refused with this code.
    #[track_caller]
    pub(crate) fn is_error(self, status: u16, code: &str) -> Answer {
        let answer = self.is(status);
        assert_eq!(answer.json()["code"], code, "{}", answer.text());
        answer
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

/// A path of an order.
pub(crate) fn of(order: &Value, rest: &str) -> String {
    format!("/orders/{}{rest}", order["id"].as_str().unwrap())
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}
