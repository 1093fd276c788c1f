//! What browsers make of objects that strangers have uploaded: whatever they are, none of them runs as the application.

use crate::app::{Answer, start};
use crate::s3::S3Client;
use crate::tus::Client;

const PAGE: &str = "<!doctype html><script>alert(document.domain)</script>";

/// A type is what the service says it is, not what a browser finds.
#[track_caller]
fn is_of_type(answer: Answer, content_type: &str) -> Answer {
    let answer = answer.is(200);
    assert_eq!(answer.header("content-type"), content_type);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.text(), PAGE);
    answer
}

#[track_caller]
fn is_in_a_sandbox(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    let words: Vec<&str> = policy.split(';').map(str::trim).collect();
    // The word alone: with `allow-scripts` behind it, it would be none.
    assert!(words.contains(&"sandbox"), "{policy}");
    assert!(words.contains(&"default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn a_page_that_says_it_is_an_image_is_sent_as_one() {
    let app = start().await;
    let (admin, s3) = (Client::admin(&app), S3Client::of(&app).await);
    let image = [("content-type", "image/png")];
    let get = async |path: &str| admin.send("GET", path, &[], "").await;
    for bucket in ["files", "images"] {
        let object = format!("/object/{bucket}/a.png");
        admin.send("POST", &object, &image, PAGE).await.is(200);
        is_of_type(get(&object).await, "image/png");
        let path = format!("/object/authenticated/{bucket}/a.png");
        is_of_type(get(&path).await, "image/png");
        let sign = format!("/object/sign/{bucket}/a.png");
        let json = [("content-type", "application/json")];
        let signed = admin
            .send("POST", &sign, &json, r#"{"expiresIn": 60}"#)
            .await;
        let signed = signed.is(200).json();
        let url = signed["signedURL"].as_str().unwrap();
        is_of_type(app.send("GET", url, &[], "").await, "image/png");
    }
    let public = "/object/public/images/a.png";
    is_of_type(app.send("GET", public, &[], "").await, "image/png");
    is_of_type(s3.get("a.png").await, "image/png");
}

#[tokio::test]
async fn a_page_is_sent_as_text() {
    let app = start().await;
    let admin = Client::admin(&app);
    for said in ["text/html", "application/xhtml+xml", "Text/HTML"] {
        let headers = [("content-type", said)];
        admin
            .send("PUT", "/object/files/a", &headers, PAGE)
            .await
            .is(200);
        is_of_type(admin.object("files", "a").await, "text/plain");
    }
}

#[tokio::test]
async fn a_drawing_with_scripts_is_sent_into_a_sandbox() {
    let app = start().await;
    let admin = Client::admin(&app);
    for said in ["image/svg+xml", "text/xml", "application/xml"] {
        let headers = [("content-type", said)];
        admin
            .send("PUT", "/object/files/a", &headers, PAGE)
            .await
            .is(200);
        is_in_a_sandbox(&is_of_type(admin.object("files", "a").await, said));
    }
}

/// S3 clients get their types back as they said them, and may ask for others: so everything is in a sandbox there.
#[tokio::test]
async fn whatever_comes_by_s3_is_in_a_sandbox() {
    let app = start().await;
    let s3 = S3Client::of(&app).await;
    for said in [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "image/png",
    ] {
        s3.put("a", said, PAGE.len(), PAGE).await.is(200);
        is_in_a_sandbox(&is_of_type(s3.get("a").await, said));
        let get = object_store::signer::Method::GET;
        let asked = [("response-content-type", "text/html")];
        is_in_a_sandbox(&s3.send(&get, "a", &asked, &[], "").await.is(200));
        let range = [("range", "bytes=0-8")];
        is_in_a_sandbox(&s3.send(&get, "a", &[], &range, "").await.is(206));
        let head = object_store::signer::Method::HEAD;
        is_in_a_sandbox(&s3.send(&head, "a", &[], &[], "").await.is(200));
    }
    // Errors repeat names that a stranger made up.
    is_in_a_sandbox(&s3.get("nothing").await.is(404));
}
