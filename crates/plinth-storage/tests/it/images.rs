//! Images in other sizes, as clients ask for them.

use std::io::Cursor;

use image::GenericImageView as _;
use serde_json::json;

use crate::app::{Answer, TestApp, start};

const ME: &str = "11111111-1111-1111-1111-111111111111";
const YOU: &str = "22222222-2222-2222-2222-222222222222";

/// A PNG of one colour.
fn png(width: u32, height: u32, color: [u8; 4]) -> Vec<u8> {
    let image = image::RgbaImage::from_pixel(width, height, image::Rgba(color));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn send(app: &TestApp, sub: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let bearer = format!("Bearer {}", app.token(sub));
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "image/png"),
        ("cache-control", "max-age=60"),
        ("x-upsert", "true"),
    ];
    app.send(method, path, &headers, body).await
}

async fn upload(app: &TestApp, place: &str, bytes: Vec<u8>) {
    let path = format!("/object/{place}");
    send(app, ME, "POST", &path, bytes).await.is(200);
}

#[track_caller]
fn size(answer: &Answer) -> (u32, u32) {
    image::load_from_memory(&answer.body).unwrap().dimensions()
}

#[tokio::test]
async fn everybody_sees_those_of_public_buckets() {
    let app = start().await;
    upload(&app, "images/a/b.png", png(80, 40, [9, 99, 200, 255])).await;
    upload(&app, "files/b.png", png(80, 40, [9, 99, 200, 255])).await;
    let path = "/render/image/public/images/a/b.png?width=20&quality=50&t=1";

    let plain = app
        .send("GET", path, &[("accept", "*/*")], "")
        .await
        .is(200);
    assert_eq!(size(&plain), (20, 10));
    for (name, value) in [
        ("content-type", "image/png"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "max-age=60"),
        ("vary", "accept"),
        ("x-transformations", "width:20,resize:cover,quality:50"),
        ("accept-ranges", ""),
    ] {
        assert_eq!(plain.header(name), value, "{name}");
    }
    let webp = app
        .send("GET", path, &[("accept", "image/webp,*/*")], "")
        .await
        .is(200);
    assert_eq!(webp.header("content-type"), "image/webp");
    assert_ne!(webp.header("etag"), plain.header("etag"));

    let known = [("accept", "*/*"), ("if-none-match", plain.header("etag"))];
    let unchanged = app.send("GET", path, &known, "").await.is(304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.header("etag"), plain.header("etag"));
    app.send("GET", path, &[("accept", "image/webp"), known[1]], "")
        .await
        .is(200);

    let saved = app
        .send(
            "GET",
            &format!("{path}&download=x.jpg&format=origin"),
            &[],
            "",
        )
        .await
        .is(200);
    assert_eq!(saved.header("content-type"), "image/png");
    assert_eq!(saved.header("vary"), "");
    assert!(
        saved
            .header("content-disposition")
            .starts_with("attachment; filename=x.jpg")
    );

    let private = app
        .send("GET", "/render/image/public/files/b.png?width=20", &[], "")
        .await
        .is(400);
    assert_eq!(private.json()["code"], "NoSuchBucket");
}

#[tokio::test]
async fn policies_are_asked_each_time() {
    let app = start().await;
    upload(&app, "files/a.png", png(80, 40, [9, 99, 200, 100])).await;
    let path = "/render/image/authenticated/files/a.png?width=20";
    for _ in 0..2 {
        let mine = send(&app, ME, "GET", path, Vec::new()).await.is(200);
        assert_eq!(mine.header("content-type"), "image/png");
    }
    let yours = send(&app, YOU, "GET", path, Vec::new()).await.is(400);
    assert_eq!(yours.json()["code"], "NoSuchKey");
    app.send("GET", path, &[], "").await.is(400);
    send(&app, ME, "DELETE", "/object/files/a.png", Vec::new())
        .await
        .is(200);
    let gone = send(&app, ME, "GET", path, Vec::new()).await.is(400);
    assert_eq!(gone.json()["code"], "NoSuchKey");
}

#[tokio::test]
async fn a_signed_url_says_what_is_done() {
    let app = start().await;
    upload(&app, "files/a.png", png(80, 40, [9, 99, 200, 255])).await;
    let body =
        json!({ "expiresIn": 60, "transform": { "width": 10, "height": 10, "resize": "contain" } });
    let signed = send(
        &app,
        ME,
        "POST",
        "/object/sign/files/a.png",
        body.to_string().into_bytes(),
    )
    .await
    .is(200);
    let url = signed.json()["signedURL"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with("/render/image/sign/files/a.png?token="),
        "{url}"
    );

    let shown = app
        .send("GET", &format!("{url}&width=40&resize=fill"), &[], "")
        .await
        .is(200);
    assert_eq!(size(&shown), (10, 5));
    // As long as the URL, at most.
    assert_eq!(shown.header("cache-control"), "max-age=60");
    assert!(!shown.header("expires").is_empty());
    let other = url.replace("a.png", "b.png");
    assert_eq!(
        app.send("GET", &other, &[], "").await.is(400).json()["code"],
        "InvalidSignature"
    );
    app.pass(61);
    assert_eq!(
        app.send("GET", &url, &[], "").await.is(400).json()["code"],
        "InvalidJWT"
    );

    let bad = json!({ "expiresIn": 60, "transform": { "width": "wide" } });
    send(
        &app,
        ME,
        "POST",
        "/object/sign/files/a.png",
        bad.to_string().into_bytes(),
    )
    .await
    .is(400);
}

#[tokio::test]
async fn another_image_has_other_thumbnails() {
    let app = start().await;
    let path = "/render/image/public/images/a.png?width=4&format=origin";
    let mut tags = Vec::new();
    for color in [[200, 0, 0, 255], [0, 0, 200, 255]] {
        upload(&app, "images/a.png", png(8, 8, color)).await;
        let shown = app.send("GET", path, &[], "").await.is(200);
        let image = image::load_from_memory(&shown.body).unwrap();
        assert_eq!(image.get_pixel(1, 1), image::Rgba(color));
        tags.push(shown.header("etag").to_owned());
    }
    assert_ne!(tags[0], tags[1]);
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let app = start().await;
    upload(&app, "files/a.png", b"<svg onload=alert(1)>".to_vec()).await;
    upload(&app, "images/b.png", png(8, 8, [1, 2, 3, 255])).await;
    for (path, code) in [
        (
            "/render/image/authenticated/files/a.png?width=4",
            "InvalidRequest",
        ),
        (
            "/render/image/authenticated/files/none.png?width=4",
            "NoSuchKey",
        ),
        (
            "/render/image/public/images/b.png?width=x",
            "InvalidRequest",
        ),
        (
            "/render/image/public/images/b.png?quality=5",
            "InvalidRequest",
        ),
        (
            "/render/image/public/images/b.png?format=tiff",
            "InvalidRequest",
        ),
    ] {
        let refused = send(&app, ME, "GET", path, Vec::new()).await.is(400);
        assert_eq!(refused.json()["code"], code, "{path}");
    }
}
