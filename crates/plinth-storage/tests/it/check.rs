//! The check of uploads: what is refused is nowhere to be seen.

#![cfg(unix)]

use std::time::Duration;

use plinth_storage::CheckConfig;

use crate::app::{Answer, TestApp, start};
use crate::s3::S3Client;
use crate::tus::{Client, ME};

/// Refuses files with a certain word, and does not know what to say about others.
const SCANNER: &str = r#"
    if grep -q virus "$PLINTH_FILE"; then echo found a virus in "$PLINTH_NAME"; exit 1; fi
    if grep -q riddle "$PLINTH_FILE"; then exit 3; fi
    if grep -q long "$PLINTH_FILE"; then sleep 60; fi"#;

async fn scanned() -> TestApp {
    let mut app = start().await;
    scan(&mut app).await;
    app
}

/// From now on uploads are checked.
async fn scan(app: &mut TestApp) {
    let mut config = CheckConfig::in_folder(app.folder().join("quarantine"));
    config.command = ["/bin/sh", "-c", SCANNER].map(str::to_owned).to_vec();
    config.timeout = Duration::from_secs(2);
    app.check = Some(config);
    app.restart().await;
}

async fn send(app: &TestApp, method: &str, path: &str, body: &'static str) -> Answer {
    let bearer = format!("Bearer {}", app.token(ME));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/plain"),
    ];
    app.send(method, path, &headers, body).await
}

#[tokio::test]
async fn what_is_accepted_is_there() {
    let app = scanned().await;
    send(&app, "POST", "/object/files/a.txt", "hello")
        .await
        .is(200);
    let read = send(&app, "GET", "/object/authenticated/files/a.txt", "")
        .await
        .is(200);
    assert_eq!(read.text(), "hello");
}

#[tokio::test]
async fn what_is_refused_goes_into_quarantine() {
    let app = scanned().await;
    let refused = send(&app, "POST", "/object/files/a.txt", "a virus")
        .await
        .is(400);
    assert_eq!(refused.json()["code"], "UploadRejected");
    assert_eq!(refused.json()["message"], "found a virus in a.txt");
    send(&app, "GET", "/object/authenticated/files/a.txt", "")
        .await
        .is(400);
    assert_eq!(app.stored_files(), Vec::<std::path::PathBuf>::new());
    let kept = std::fs::read_dir(app.folder().join("quarantine")).unwrap();
    let kept: Vec<Vec<u8>> = kept
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.contains(&b"a virus".to_vec()));
}

#[tokio::test]
async fn no_answer_is_no() {
    let app = scanned().await;
    for body in ["a riddle", "a long story"] {
        let refused = send(&app, "POST", "/object/files/a.txt", body)
            .await
            .is(503);
        assert_eq!(refused.json()["code"], "UploadCheckUnavailable");
        send(&app, "GET", "/object/authenticated/files/a.txt", "")
            .await
            .is(400);
        assert_eq!(app.stored_files(), Vec::<std::path::PathBuf>::new());
    }
}

/// Every way by which bytes become an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    Raw,
    Form,
    Replace,
    Signed,
    Resumable,
    S3,
    S3InParts,
    Copy,
}

const ROADS: [Road; 8] = [
    Road::Raw,
    Road::Form,
    Road::Replace,
    Road::Signed,
    Road::Resumable,
    Road::S3,
    Road::S3InParts,
    Road::Copy,
];
const GOOD: &str = "hello";
const BAD: &str = "a virus";
const TEXT: (&str, &str) = ("content-type", "text/plain");

/// Somebody who knows all roads.
struct Uploader<'a> {
    app: &'a TestApp,
    me: Client,
    s3: S3Client,
}

impl Road {
    /// What an accepted upload is answered with, and a refused one.
    fn statuses(self) -> (u16, u16) {
        match self {
            Road::Raw | Road::Form | Road::Replace | Road::Signed | Road::Copy => (200, 400),
            Road::Resumable => (204, 422),
            Road::S3 | Road::S3InParts => (200, 403),
        }
    }

    /// How a refusal is called there; resumable uploads have a status and a text alone.
    fn code(self) -> &'static str {
        match self {
            Road::Raw | Road::Form | Road::Replace | Road::Signed | Road::Copy => {
                "\"code\":\"UploadRejected\""
            }
            Road::Resumable => "",
            Road::S3 | Road::S3InParts => "<Code>AccessDenied</Code>",
        }
    }
}

impl Uploader<'_> {
    async fn of(app: &TestApp) -> Uploader<'_> {
        Uploader {
            app,
            me: Client::of(app, ME),
            s3: S3Client::of(app).await,
        }
    }

    /// The answer to the request that would make the object.
    async fn upload(&self, road: Road, name: &str, text: &'static str) -> Answer {
        let (me, s3) = (&self.me, &self.s3);
        let object = format!("/object/files/{name}");
        match road {
            Road::Raw => me.send("POST", &object, &[TEXT], text).await,
            Road::Replace => me.send("PUT", &object, &[TEXT], text).await,
            Road::Form => {
                let form = format!(
                    "--B\r\nContent-Disposition: form-data; name=\"\"; filename=\"a\"\r\n\r\n{text}\r\n--B--\r\n"
                );
                let kind = ("content-type", "multipart/form-data; boundary=B");
                me.send("POST", &object, &[kind], form).await
            }
            Road::Signed => {
                let sign = format!("/object/upload/sign/files/{name}");
                let signed = me.send("POST", &sign, &[], "").await.is(200).json();
                let target = format!("{sign}?token={}", signed["token"].as_str().unwrap());
                self.app.send("PUT", &target, &[TEXT], text).await
            }
            Road::Resumable => {
                let upload = me.begin(name, text.len() as u64).await;
                me.patch(&upload, 0, text).await
            }
            Road::S3 => s3.put(name, "text/plain", text.len(), text).await,
            Road::S3InParts => {
                let id = s3.begin(name).await;
                let tag = s3.part(name, &id, text.as_bytes()).await;
                let completed = s3.complete(name, &id, &tag).await;
                if completed.status != 200 {
                    // Its parts stay for another try until somebody says that there will be none.
                    s3.abort(name, &id).await;
                }
                completed
            }
            Road::Copy => {
                let copy = serde_json::json!({ "bucketId": "files", "sourceKey": source(text), "destinationKey": name });
                let json = ("content-type", "application/json");
                me.send("POST", "/object/copy", &[json], copy.to_string())
                    .await
            }
        }
    }

    /// Whether the service has such an object, and nobody hides it.
    async fn is_there(&self, name: &str) -> bool {
        let rows = self.app.query("select name from storage.objects").await;
        let has_row = rows.iter().any(|row| row.get("name") == Some(name));
        let found = self.s3.get(name).await;
        assert_eq!(found.status, if has_row { 200 } else { 404 });
        has_row
    }
}

/// What there is to copy, from before uploads were checked.
fn source(text: &str) -> String {
    format!("source of {}", text.replace(' ', "-"))
}

async fn with_sources() -> TestApp {
    let mut app = start().await;
    for text in [GOOD, BAD] {
        let path = format!("/object/files/{}", source(text).replace(' ', "%20"));
        send(&app, "POST", &path, text).await.is(200);
    }
    scan(&mut app).await;
    app
}

#[tokio::test]
async fn no_road_goes_around_the_check() {
    let app = with_sources().await;
    let before = app.stored_files().len();
    let uploader = Uploader::of(&app).await;
    for road in ROADS {
        let name = format!("{road:?}.txt");
        let refused = uploader.upload(road, &name, BAD).await;
        let text = refused.text();
        assert_eq!(refused.status, road.statuses().1, "{road:?}: {text}");
        let reason = format!("found a virus in {name}");
        assert!(text.contains(&reason), "{road:?}: {text}");
        assert!(text.contains(road.code()), "{road:?}: {text}");
        assert!(!uploader.is_there(&name).await, "{road:?}");
        assert_eq!(app.stored_files().len(), before, "{road:?} left something");
    }
    let uploads = "select name from storage.uploads";
    assert!(app.query(uploads).await.is_empty());
}

#[tokio::test]
async fn every_road_is_open_to_what_is_accepted() {
    let app = with_sources().await;
    let uploader = Uploader::of(&app).await;
    for road in ROADS {
        let name = format!("{road:?}.txt");
        let accepted = uploader.upload(road, &name, GOOD).await;
        accepted.is(road.statuses().0);
        assert!(uploader.is_there(&name).await, "{road:?}");
        assert_eq!(uploader.s3.get(&name).await.is(200).text(), GOOD);
    }
}

#[tokio::test]
async fn what_was_there_outlives_a_refusal() {
    let app = scanned().await;
    let uploader = Uploader::of(&app).await;
    let name = "there.txt";
    uploader.upload(Road::Replace, name, GOOD).await.is(200);
    let etag = uploader.s3.get(name).await.header("etag").to_owned();
    for road in [Road::Replace, Road::S3, Road::S3InParts] {
        uploader.upload(road, name, BAD).await.is(road.statuses().1);
        let found = uploader.s3.get(name).await.is(200);
        assert_eq!(
            (found.text().as_str(), found.header("etag")),
            (GOOD, etag.as_str())
        );
    }
}
