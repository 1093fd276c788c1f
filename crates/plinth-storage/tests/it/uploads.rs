//! Uploads in one request: how much may be said of a file, what may be sent for a folder, how long a token to upload holds.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, start};

const ME: &str = "11111111-1111-1111-1111-111111111111";
/// Most bytes of what an uploader says.
const MIB: usize = 1 << 20;
/// What is said is this, with as many letters as it may have.
const EMPTY: &str = r#"{"a":""}"#;
/// How long a token holds here, in seconds.
const LIFETIME: i64 = 60;

/// Metadata of so many bytes.
fn said(bytes: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - EMPTY.len()))
}

/// A form with what is said of its file.
fn form(metadata: &str) -> String {
    let fields = format!("--B\nContent-Disposition: form-data; name=\"metadata\"\n\n{metadata}\n");
    let file =
        "--B\nContent-Disposition: form-data; name=\"\"; filename=\"a.txt\"\n\nhello\n--B--\n";
    (fields + file).replace('\n', "\r\n")
}

async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let bearer = format!("Bearer {}", app.token(ME));
    let headers = [&[("authorization", bearer.as_str())][..], headers].concat();
    app.send(method, path, &headers, body).await
}

fn refusal(code: &str, message: &str) -> Value {
    json!({ "statusCode": "400", "error": code, "message": message, "code": code })
}

#[tokio::test]
async fn what_is_said_of_a_file_has_a_mebibyte_and_not_a_byte_more() {
    let app = start().await;
    let form_type = [("content-type", "multipart/form-data; boundary=B")];
    for method in ["POST", "PUT"] {
        for (bytes, by_form, by_header) in [
            (MIB, None, None),
            (
                MIB + 1,
                Some(refusal(
                    "InvalidRequest",
                    "The fields of the form are too large",
                )),
                Some(refusal("InvalidParameter", "Invalid Parameter metadata")),
            ),
        ] {
            let path = format!("/object/files/{method}-form-{bytes}");
            let answer = send(&app, method, &path, &form_type, form(&said(bytes))).await;
            is(&answer, by_form.as_ref());
            let path = format!("/object/files/{method}-header-{bytes}");
            let header = STANDARD.encode(said(bytes));
            let headers = [
                ("content-type", "text/plain"),
                ("x-metadata", header.as_str()),
            ];
            let answer = send(&app, method, &path, &headers, "hello".to_owned()).await;
            is(&answer, by_header.as_ref());
        }
    }
    let names =
        "select name, length(user_metadata ->> 'a') as length from storage.objects order by name";
    let rows = app.query(names).await;
    let length = (MIB - EMPTY.len()).to_string();
    let kept: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.get("name").unwrap().to_owned(),
                row.get("length").unwrap().to_owned(),
            )
        })
        .collect();
    let names = ["POST-form", "POST-header", "PUT-form", "PUT-header"];
    let wanted = names.map(|name| (format!("{name}-{MIB}"), length.clone()));
    assert_eq!(kept, wanted);
    assert_eq!(app.stored_files().len(), wanted.len());
}

/// Fails unless the upload was taken, or refused so.
#[track_caller]
fn is(answer: &Answer, refused: Option<&Value>) {
    match refused {
        None => assert_eq!(answer.status, 200, "{}", answer.text()),
        Some(refusal) => assert_eq!((answer.status, &answer.json()), (400, refusal)),
    }
}

#[tokio::test]
async fn little_is_read_of_what_is_sent_for_a_folder() {
    let app = start().await;
    let path = "/object/small/folder/.emptyFolderPlaceholder";
    let much = 64 << 10;
    for method in ["POST", "PUT"] {
        let sent = send(&app, method, path, &[], "x".repeat(much)).await;
        is(&sent, None);
    }
    let too_much = send(&app, "PUT", path, &[], "x".repeat(much + 1)).await;
    assert_eq!(too_much.is(400).json()["code"], "EntityTooLarge");
    let path = path.replace("/object/", "/object/info/");
    let info = send(&app, "GET", &path, &[], String::new()).await;
    assert_eq!(info.is(200).json()["size"], json!(0));
}

#[tokio::test]
async fn a_token_to_upload_ends() {
    let app = start().await;
    let path = "/object/upload/sign/files/a.txt";
    let signed = send(&app, "POST", path, &[("x-upsert", "true")], String::new()).await;
    let signed = signed.is(200).json();
    let url = signed["url"].as_str().unwrap();
    let put = |text: &'static str| {
        let headers = &[("content-type", "text/plain")];
        app.send("PUT", url, headers, text)
    };
    put("first").await.is(200);
    app.pass(LIFETIME - 1);
    put("second").await.is(200);
    app.pass(1);
    let late = put("third").await.is(400).json();
    let message = "\"exp\" claim timestamp check failed";
    assert_eq!(late, refusal("InvalidJWT", message));
    let kept = send(&app, "GET", "/object/files/a.txt", &[], String::new()).await;
    assert_eq!(kept.is(200).text(), "second");
}

#[tokio::test]
async fn a_token_to_upload_says_for_what_it_is_and_not_who_one_is() {
    let app = start().await;
    let path = "/object/upload/sign/files/a.txt";
    let signed = send(&app, "POST", path, &[], String::new()).await;
    let signed = signed.is(200).json();
    let token = signed["token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let begins = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        json!({ "url": "files/a.txt", "scope": "upload", "owner": ME, "upsert": false,
                "iat": begins, "exp": begins + LIFETIME })
    );
    // Whoever is signed in has a token, too: of the same secret, for something else.
    let other = format!("{path}?token={}", app.token(ME));
    let refused = app
        .send("PUT", &other, &[("content-type", "text/plain")], "x")
        .await;
    let message = "signature verification failed";
    assert_eq!(refused.is(400).json(), refusal("InvalidJWT", message));
}
