//! The check of uploads: what is refused is nowhere to be seen.

#![cfg(unix)]

use std::time::Duration;

use plinth_storage::CheckConfig;

use crate::app::{Answer, TestApp, start};

/// Refuses files with a certain word, and does not know what to say about others.
const SCANNER: &str = r#"
    if grep -q virus "$PLINTH_FILE"; then echo found a virus in "$PLINTH_NAME"; exit 1; fi
    if grep -q riddle "$PLINTH_FILE"; then exit 3; fi
    if grep -q long "$PLINTH_FILE"; then sleep 60; fi"#;

async fn scanned() -> TestApp {
    let mut app = start().await;
    let mut config = CheckConfig::in_folder(app.folder().join("quarantine"));
    config.command = ["/bin/sh", "-c", SCANNER].map(str::to_owned).to_vec();
    config.timeout = Duration::from_secs(2);
    app.check = Some(config);
    app.restart().await;
    app
}

async fn send(app: &TestApp, method: &str, path: &str, body: &'static str) -> Answer {
    let bearer = format!(
        "Bearer {}",
        app.token("11111111-1111-1111-1111-111111111111")
    );
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
