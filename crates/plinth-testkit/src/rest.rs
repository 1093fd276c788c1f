//! Requests of cases: made to the whole router, as a client's would be, without a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use plinth_auth::{AuthApp, Mailer, Outbox};
use plinth_commerce::Commerce;
use plinth_db::Db;
use plinth_db::keys::Keys;
use plinth_http::{App, Gate, GateKeys, Limits, Mode};
use plinth_rest::Rest;
use plinth_server::{Services, Site};
use plinth_storage::{ImageConfig, Storage, StoreConfig};
use serde_json::{Value, json};

use crate::case::RequestStep;
use crate::compare::{self, Kept};
use crate::outcome::Who;
use crate::temp::TempDir;

const HOST: &str = "127.0.0.1:54321";
const TOKEN_LIFE: Duration = Duration::from_hours(1);

/// A client of one database's server. Keeps what answers said for later requests (`$name`).
pub struct Client {
    site: Site,
    gate: Arc<Gate>,
    keys: Keys,
    kept: Kept,
    /// Files that requests store.
    media: TempDir,
}

/// The service of files of a test, in a folder of its own.
fn storage(folder: &Path) -> plinth_storage::Config {
    plinth_storage::Config {
        store: StoreConfig::Folder(folder.join("files")),
        images: ImageConfig::in_folder(folder.join("images")),
        check: None,
        upload_bytes: Limits::default().upload_bytes,
        resumable_lifetime: Duration::from_hours(1),
        signed_upload_lifetime: Duration::from_hours(2),
        region: "us-east-1".to_owned(),
        public_url: None,
        redirect: None,
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, with replacements where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// Wires a server with the keys of local development around a database.
    pub async fn new(db: Db) -> Result<Client> {
        let keys = Keys::local();
        let gate = Arc::new(Gate::new(&GateKeys::from(&keys), db.clock().clone()));
        let app = App {
            db,
            gate: Arc::clone(&gate),
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: format!("http://{HOST}").into(),
        };
        let mut config = plinth_auth::Config::for_mode(app.mode);
        config.mailer = Mailer::Outbox(Outbox::default());
        let auth = AuthApp::new(app.clone(), config, keys.root.expose().as_bytes());
        let media = TempDir::new("media")?;
        let files = storage(media.path());
        let storage = Storage::open(app.clone(), files, &keys).await?;
        let commerce = Commerce::open(app.clone(), plinth_commerce::Config::default(), &keys)?;
        let services = Services {
            rest: Rest::new(app.clone(), plinth_rest::Config::default()),
            auth: plinth_auth::router(auth),
            storage: Some(storage),
            commerce: Some(plinth_commerce::router(commerce)),
            mailbox: None,
            app,
        };
        Ok(Client {
            site: Site::new(services),
            gate,
            keys,
            kept: Kept::new(),
            media,
        })
    }

    /// Where the files are that requests store.
    pub fn files(&self) -> PathBuf {
        self.media.path().join("files")
    }

    /// Makes a case's request and says how the answer differs from what is expected.
    pub async fn send(&mut self, who: &Who, step: &RequestStep) -> Result<Option<String>> {
        let mut headers = self.credentials(who);
        for (name, value) in &step.headers {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name.clone(), self.filled_in(value)));
            }
        }
        let body = step.body.as_deref().map(|body| self.filled_in(body));
        if body.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let path = self.filled_in(&step.path);
        let answer = self.call(&step.method, &path, &headers, body).await?;
        let difference = self.difference(step, &answer);
        Ok(difference.map(|difference| {
            format!(
                "{} {path}\n{difference}\nbody: {}",
                step.method,
                answer.text()
            )
        }))
    }

    /// Makes a request with exactly these headers.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Option<String>,
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(encoded(path))
            .header("host", HOST);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let request = request
            .extension(ConnectInfo(peer))
            .body(Body::from(body.unwrap_or_default()))?;
        let response = self.site.answer(request).await;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// Posts a document with the secret key.
    ///
    /// # Panics
    /// When the request cannot be made.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let mut headers = self.credentials(&Who::postgres());
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        let called = self
            .call("POST", path, &headers, Some(body.to_string()))
            .await;
        called.expect("a request can be made")
    }

    /// Reads with the secret key.
    ///
    /// # Panics
    /// When the request cannot be made.
    pub async fn get(&self, path: &str) -> Answer {
        let headers = self.credentials(&Who::postgres());
        let called = self.call("GET", path, &headers, None).await;
        called.expect("a request can be made")
    }

    /// The headers that say who calls: a key, and a token for those who are not a key's own role. The owner of
    /// the database cannot call; its requests are made with the secret key.
    pub fn credentials(&self, who: &Who) -> Vec<(String, String)> {
        let key = |key: &str| ("apikey".to_owned(), key.to_owned());
        match who.role.as_str() {
            "postgres" | "service_role" => vec![key(self.keys.secret.expose())],
            "anon" => vec![key(&self.keys.publishable)],
            _ => vec![
                key(&self.keys.publishable),
                (
                    "authorization".to_owned(),
                    format!("Bearer {}", self.token(who)),
                ),
            ],
        }
    }

    fn token(&self, who: &Who) -> String {
        let mut claims: Value = who
            .claims
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let expires = (now + TOKEN_LIFE).as_secs();
        if let Value::Object(claims) = &mut claims {
            claims.entry("exp").or_insert_with(|| json!(expires));
        }
        self.gate.sign(&claims)
    }

    fn difference(&mut self, step: &RequestStep, answer: &Answer) -> Option<String> {
        if answer.status.as_u16() != step.status {
            return Some(format!(
                "status {}, expected {}",
                answer.status.as_u16(),
                step.status
            ));
        }
        if let Some(text) = &step.text {
            let actual = answer.text();
            // The last line of an answer may lack its end; a case file cannot say so.
            if actual.trim_end_matches('\n') != text.trim_end_matches('\n') {
                return Some(compare::lines(text, &actual));
            }
        }
        if let Some(expected) = &step.json {
            let parsed = serde_json::from_slice(&answer.body).context("the body is not JSON");
            let difference = match parsed {
                Ok(actual) => compare::json(&self.with_kept(expected), &actual, &mut self.kept),
                Err(error) => Some(error.to_string()),
            };
            if difference.is_some() {
                return difference;
            }
        }
        step.expect_headers.iter().find_map(|(name, expected)| {
            let values: Vec<_> = answer
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            let actual = values.join(", ");
            let expected = self.filled_in(expected);
            let same = actual == expected || (expected == "..." && !values.is_empty());
            (!same).then(|| format!("header {name} is `{actual}`, expected `{expected}`"))
        })
    }

    /// Text with the kept values in the places of their names, longer names first.
    fn filled_in(&self, text: &str) -> String {
        self.kept
            .iter()
            .rev()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${name}"), value)
            })
    }

    /// An expectation in which names that are kept already stand for their value; new ones stay.
    fn with_kept(&self, expected: &Value) -> Value {
        match expected {
            Value::String(text) if text.starts_with('$') => self
                .kept
                .get(&text[1..])
                .map_or_else(|| expected.clone(), |value| json!(value)),
            Value::Array(items) => items.iter().map(|item| self.with_kept(item)).collect(),
            Value::Object(entries) => {
                let filled = entries
                    .iter()
                    .map(|(key, value)| (key.clone(), self.with_kept(value)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }
}

/// Cases write addresses readably; what may not stand in one is escaped. Escapes that are there stay.
fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped_where_they_must_be() {
        assert_eq!(
            encoded("/t?a=cs.{1}&b=ö&c=%20"),
            "/t?a=cs.%7B1%7D&b=%C3%B6&c=%20"
        );
    }
}
