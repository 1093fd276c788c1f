//! Resumable uploads.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::app::{Answer, TestApp, UPLOAD_BYTES, send, start};

pub(crate) const ME: &str = "11111111-1111-1111-1111-111111111111";
const YOU: &str = "22222222-2222-2222-2222-222222222222";
const BYTES: (&str, &str) = ("content-type", "application/offset+octet-stream");
/// Longest wait for something that must come.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Somebody who uploads.
pub(crate) struct Client {
    router: Router,
    bearer: String,
}

impl Client {
    pub(crate) fn of(app: &TestApp, sub: &str) -> Client {
        Client {
            router: app.router(),
            bearer: format!("Bearer {}", app.token(sub)),
        }
    }

    /// The service role, whom no policy binds.
    pub(crate) fn admin(app: &TestApp) -> Client {
        Client {
            router: app.router(),
            bearer: format!("Bearer {}", app.keys.secret.expose()),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let own = [
            ("authorization", self.bearer.as_str()),
            ("tus-resumable", "1.0.0"),
        ];
        let headers = [&own[..], headers].concat();
        send(self.router.clone(), method, path, &headers, body).await
    }

    async fn post(&self, bucket: &str, name: &str, headers: &[(&str, &str)]) -> Answer {
        let metadata = named(bucket, name);
        let headers = [&[("upload-metadata", metadata.as_str())][..], headers].concat();
        self.send("POST", "/upload/resumable", &headers, "").await
    }

    /// A new upload in the bucket `files`; gives its path.
    pub(crate) async fn begin(&self, name: &str, length: u64) -> String {
        let length = length.to_string();
        let headers = [("upload-length", length.as_str())];
        path(&self.post("files", name, &headers).await.is(201))
    }

    pub(crate) async fn patch(&self, path: &str, offset: u64, body: impl Into<Body>) -> Answer {
        let offset = offset.to_string();
        let headers = [BYTES, ("upload-offset", offset.as_str())];
        self.send("PATCH", path, &headers, body).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.send("HEAD", path, &[], "").await
    }

    #[track_caller]
    fn offset(answer: &Answer) -> u64 {
        answer.header("upload-offset").parse().unwrap()
    }

    pub(crate) async fn object(&self, bucket: &str, name: &str) -> Answer {
        let path = format!("/object/authenticated/{bucket}/{name}");
        self.send("GET", &path, &[], "").await
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn named(bucket: &str, name: &str) -> String {
    encoded(&[("bucketName", bucket), ("objectName", name)])
}

/// Of an answer's `Location`, relative to the service.
#[track_caller]
fn path(answer: &Answer) -> String {
    let (_, path) = answer
        .header("location")
        .split_once("/storage/v1")
        .expect("a location");
    path.to_owned()
}

/// A body that comes as it is sent. The second value is answered when somebody begins to read it.
fn slow_body() -> (mpsc::Sender<&'static str>, oneshot::Receiver<()>, Body) {
    let (sender, receiver) = mpsc::channel::<&'static str>(8);
    let (begins, begun) = oneshot::channel();
    let pieces = stream::unfold(
        (receiver, Some(begins)),
        |(mut receiver, begins)| async move {
            if let Some(begins) = begins {
                let _nobody_waits = begins.send(());
            }
            let piece = receiver.recv().await?;
            Some((Ok::<_, io::Error>(Bytes::from(piece)), (receiver, None)))
        },
    );
    (sender, begun, Body::from_stream(pieces))
}

#[tokio::test]
async fn what_is_served_is_said_to_everybody() {
    let app = start().await;
    for path in [
        "/upload/resumable",
        "/upload/resumable/sign",
        "/upload/resumable/x",
    ] {
        let answer = app.send("OPTIONS", path, &[], "").await.is(204);
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(answer.header("tus-version"), "1.0.0");
        assert_eq!(
            answer.header("tus-extension"),
            "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum"
        );
        assert_eq!(answer.header("tus-max-size"), UPLOAD_BYTES.to_string());
        assert_eq!(answer.header("tus-checksum-algorithm"), "sha1,md5,sha256");
    }
}

#[tokio::test]
async fn an_upload_comes_in_pieces() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let metadata = encoded(&[
        ("bucketName", "files"),
        ("objectName", "a/b.txt"),
        ("contentType", "text/plain"),
        ("cacheControl", "3600"),
        ("metadata", r#"{"by":"me"}"#),
        ("filename", "caf\u{e9}"),
    ]);
    let headers = [
        ("upload-metadata", metadata.as_str()),
        ("upload-length", "11"),
    ];
    let made = me
        .send("POST", "/upload/resumable", &headers, "")
        .await
        .is(201);
    assert!(
        made.header("location")
            .starts_with("http://127.0.0.1:54321/storage/v1/upload/resumable/")
    );
    assert_eq!(
        made.header("upload-expires"),
        "Fri, 02 Jan 2026 04:04:05 GMT"
    );
    let upload = path(&made);

    let new = me.head(&upload).await.is(200);
    assert_eq!(Client::offset(&new), 0);
    assert_eq!(new.header("upload-length"), "11");
    assert_eq!(new.header("upload-metadata"), metadata);
    assert_eq!(new.header("cache-control"), "no-store");

    let first = me.patch(&upload, 0, "hello ").await.is(204);
    assert_eq!(Client::offset(&first), 6);
    assert_eq!(first.header("tus-complete"), "");
    assert_eq!(Client::offset(&me.head(&upload).await), 6);
    assert_eq!(
        me.object("files", "a/b.txt").await.json()["code"],
        "NoSuchKey"
    );

    let last = me.patch(&upload, 6, "world").await.is(204);
    assert_eq!(Client::offset(&last), 11);
    assert_eq!(last.header("tus-complete"), "1");
    let object = me.object("files", "a/b.txt").await.is(200);
    assert_eq!(object.text(), "hello world");
    assert_eq!(object.header("cache-control"), "max-age=3600");
    assert!(object.header("content-type").starts_with("text/plain"));
    assert_eq!(
        object.header("etag"),
        "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""
    );
    let row = app
        .query("select owner_id, user_metadata from storage.objects")
        .await;
    let row = row.first().unwrap();
    assert_eq!(row.text("owner_id").unwrap(), ME);
    assert_eq!(row.json("user_metadata").unwrap(), json!({ "by": "me" }));

    // Whoever did not hear the last answer asks.
    let asked = me.head(&upload).await.is(200);
    assert_eq!(Client::offset(&asked), 11);
    assert_eq!(asked.header("tus-complete"), "1");
    me.patch(&upload, 6, "world").await.is(409);
    me.patch(&upload, 11, "").await.is(204);
    me.send("DELETE", &upload, &[], "").await.is(400);
}

#[tokio::test]
async fn the_first_bytes_may_come_at_once() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let metadata = named("files", "a");
    let headers = [
        ("upload-metadata", metadata.as_str()),
        ("upload-length", "5"),
        BYTES,
    ];
    let part = me
        .send("POST", "/upload/resumable", &headers, "he")
        .await
        .is(201);
    assert_eq!(Client::offset(&part), 2);
    me.patch(&path(&part), 2, "llo").await.is(204);
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello");

    let metadata = named("files", "b");
    let headers = [
        ("upload-metadata", metadata.as_str()),
        ("upload-length", "5"),
        BYTES,
    ];
    let whole = me
        .send("POST", "/upload/resumable/", &headers, "hello")
        .await
        .is(201);
    assert_eq!(whole.header("tus-complete"), "1");
    assert_eq!(me.object("files", "b").await.is(200).text(), "hello");

    // What goes wrong at once leaves nothing.
    let metadata = named("files", "c");
    let headers = [
        ("upload-metadata", metadata.as_str()),
        ("upload-length", "5"),
        ("upload-checksum", "md5 AAAAAAAAAAAAAAAAAAAAAA=="),
        BYTES,
    ];
    me.send("POST", "/upload/resumable", &headers, "hello")
        .await
        .is(460);
    let left = app
        .query("select id from storage.uploads where name = 'c'")
        .await;
    assert!(left.is_empty());
    // Bytes that do not say what they are.
    me.send("POST", "/upload/resumable", &headers[..2], "hello")
        .await
        .is(415);
}

#[tokio::test]
async fn an_empty_upload_is_an_object_at_once() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let made = me.post("files", "empty", &[("upload-length", "0")]).await;
    let made = made.is(201);
    assert_eq!(made.header("tus-complete"), "1");
    assert_eq!(me.object("files", "empty").await.is(200).text(), "");
    assert_eq!(Client::offset(&me.head(&path(&made)).await.is(200)), 0);
}

#[tokio::test]
async fn the_length_may_come_later() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let made = me.post("small", "a", &[("upload-defer-length", "1")]).await;
    let upload = path(&made.is(201));
    let new = me.head(&upload).await.is(200);
    assert_eq!(new.header("upload-defer-length"), "1");
    assert_eq!(new.header("upload-length"), "");
    me.patch(&upload, 0, "hello").await.is(204);

    let with_length = async |length: &str, body: &'static str| {
        let headers = [BYTES, ("upload-offset", "5"), ("upload-length", length)];
        me.send("PATCH", &upload, &headers, body).await
    };
    with_length("4", "").await.is(400);
    with_length("11", " world").await.is(413);
    with_length("8", "!").await.is(204);
    with_length("9", "!").await.is(409);
    assert_eq!(me.head(&upload).await.is(200).header("upload-length"), "8");
    let last = me.patch(&upload, 6, "!!").await.is(204);
    assert_eq!(last.header("tus-complete"), "1");
    assert_eq!(me.object("small", "a").await.is(200).text(), "hello!!!");
}

#[tokio::test]
async fn the_offset_must_be_where_the_upload_is() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    me.patch(&upload, 1, "x").await.is(409);
    me.patch(&upload, 0, "he").await.is(204);
    let refused = me.patch(&upload, 0, "he").await.is(409);
    assert!(refused.text().contains("byte 2"), "{}", refused.text());
    let no_offset = me.send("PATCH", &upload, &[BYTES], "llo").await;
    no_offset.is(400);
    let no_type = [("upload-offset", "2")];
    me.send("PATCH", &upload, &no_type, "llo").await.is(415);
    me.patch(&upload, 2, "llo").await.is(204);
}

#[tokio::test]
async fn a_second_writer_is_refused_at_once() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    let (bytes, begun, body) = slow_body();
    let (first, path) = (Client::of(&app, ME), upload.clone());
    let first = tokio::spawn(async move { first.patch(&path, 0, body).await });
    begun.await.unwrap();
    me.patch(&upload, 0, "hello").await.is(423);
    me.send("DELETE", &upload, &[], "").await.is(423);
    me.head(&upload).await.is(200);
    bytes.send("hello").await.unwrap();
    drop(bytes);
    first.await.unwrap().is(204);
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello");
}

#[tokio::test]
async fn a_writer_on_another_node_is_respected_until_its_lease_ends() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    app.script(
        "update storage.uploads set lease_holder = gen_random_uuid(), lease_until = now() + interval '15 seconds'",
    )
    .await;
    me.patch(&upload, 0, "hello").await.is(423);
    app.pass(16);
    me.patch(&upload, 0, "hello").await.is(204);
}

#[tokio::test]
async fn what_arrived_before_the_connection_broke_counts() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 11).await;
    let broken: [io::Result<&str>; 2] = [Ok("hello "), Err(io::ErrorKind::ConnectionReset.into())];
    let broken = Body::from_stream(stream::iter(broken));
    me.patch(&upload, 0, broken).await;
    assert_eq!(Client::offset(&me.head(&upload).await.is(200)), 6);

    // A request whose client went away is dropped in the middle.
    let (bytes, begun, body) = slow_body();
    let (first, path) = (Client::of(&app, ME), upload.clone());
    let first = tokio::spawn(async move { first.patch(&path, 6, body).await });
    begun.await.unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    bytes.send("wor").await.unwrap();
    drop(bytes);
    let counted = async {
        while Client::offset(&me.head(&upload).await.is(200)) != 9 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, counted).await.unwrap();
    let unlocked = async {
        while me.patch(&upload, 9, "ld").await.status == 423 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, unlocked).await.unwrap();
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello world");
}

#[tokio::test]
async fn an_upload_survives_a_restart() {
    let mut app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 11).await;
    me.patch(&upload, 0, "hello ").await.is(204);
    drop(me);
    app.restart().await;
    let me = Client::of(&app, ME);
    assert_eq!(Client::offset(&me.head(&upload).await.is(200)), 6);
    me.patch(&upload, 6, "world").await.is(204);
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello world");
}

#[tokio::test]
async fn a_killed_server_locks_nobody_out_after_its_next_start() {
    let mut app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    app.script(
        "update storage.uploads set lease_holder = gen_random_uuid(), lease_until = now() + interval '15 seconds'",
    )
    .await;
    drop(me);
    app.restart().await;
    let me = Client::of(&app, ME);
    me.patch(&upload, 0, "hello").await.is(204);
}

#[tokio::test]
async fn a_commit_that_nobody_could_note_is_found() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    me.patch(&upload, 0, "hello").await.is(204);
    // As if the server had ended right after the object's commit.
    app.script(r#"update storage.uploads set finished_at = null, store_state = '{"offset": 5}'"#)
        .await;
    let asked = me.head(&upload).await.is(200);
    assert_eq!(asked.header("tus-complete"), "1");
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello");
}

#[tokio::test]
async fn a_chunk_with_the_wrong_checksum_does_not_count() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 11).await;
    let patch = async |checksum: &str, body: &'static str| {
        let headers = [BYTES, ("upload-offset", "0"), ("upload-checksum", checksum)];
        me.send("PATCH", &upload, &headers, body).await
    };
    let sha1 = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
    patch(sha1, "hello w0rld").await.is(460);
    assert_eq!(Client::offset(&me.head(&upload).await.is(200)), 0);
    patch(sha1, "hello").await.is(460);
    patch("crc32 AAAAAA==", "hello world").await.is(400);
    patch(sha1, "hello world").await.is(204);
    let object = me.object("files", "a").await.is(200);
    assert_eq!(object.text(), "hello world");
    assert_eq!(
        object.header("etag"),
        "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""
    );
}

#[tokio::test]
async fn no_more_than_the_length_is_taken() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    // Said beforehand: nothing is read.
    let headers = [BYTES, ("upload-offset", "0"), ("content-length", "6")];
    me.send("PATCH", &upload, &headers, "hello!").await.is(413);
    assert_eq!(Client::offset(&me.head(&upload).await.is(200)), 0);
    // Found out: whoever sends another file than announced has no upload any more, and nothing is left of it.
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(b"hel")));
    let body = Body::from_stream(endless.take(1 << 20));
    me.patch(&upload, 0, body).await.is(413);
    me.head(&upload).await.is(404);
    assert_eq!(app.stored_files(), Vec::<std::path::PathBuf>::new());

    // A length that is deferred is bounded by the bucket.
    let made = me.post("small", "b", &[("upload-defer-length", "1")]).await;
    let upload = path(&made.is(201));
    me.patch(&upload, 0, "0123456789").await.is(204);
    me.patch(&upload, 10, "x").await.is(413);
    me.head(&upload).await.is(404);
}

#[tokio::test]
async fn what_cannot_become_an_object_does_not_begin() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let five = [("upload-length", "5")];
    me.post("nowhere", "a", &five).await.is(404);
    me.post("closed", "a", &five).await.is(403);
    me.post("images", "a", &five).await.is(415);
    me.post("small", "a", &[("upload-length", "11")])
        .await
        .is(413);
    let huge = (UPLOAD_BYTES + 1).to_string();
    me.post("files", "a", &[("upload-length", huge.as_str())])
        .await
        .is(413);
    me.post("files", "../a", &five).await.is(400);
    me.post("files", "a", &[]).await.is(400);
    me.post("files", "a", &[five[0], ("upload-concat", "partial")])
        .await
        .is(501);
    me.send("POST", "/upload/resumable", &five, "")
        .await
        .is(400);
    assert!(app.query("select id from storage.uploads").await.is_empty());

    let upload = me.begin("a", 5).await;
    me.patch(&upload, 0, "hello").await.is(204);
    me.post("files", "a", &five).await.is(409);
    let again = [five[0], ("x-upsert", "true")];
    let upload = path(&me.post("files", "a", &again).await.is(201));
    me.patch(&upload, 0, "other").await.is(204);
    assert_eq!(me.object("files", "a").await.is(200).text(), "other");
}

#[tokio::test]
async fn an_upload_is_its_owners_alone() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    let mut others = vec![Client::of(&app, YOU)];
    for key in [app.keys.publishable.as_str(), app.keys.secret.expose()] {
        others.push(Client {
            router: app.router(),
            bearer: format!("Bearer {key}"),
        });
    }
    for other in others {
        other.head(&upload).await.is(404);
        other.patch(&upload, 0, "hello").await.is(404);
        other.send("DELETE", &upload, &[], "").await.is(404);
    }
    let nobody = [BYTES, ("tus-resumable", "1.0.0"), ("upload-offset", "0")];
    app.send("PATCH", &upload, &nobody, "hello").await.is(403);
    assert_eq!(Client::offset(&me.head(&upload).await.is(200)), 0);
    me.head("/upload/resumable/nothing").await.is(404);
}

#[tokio::test]
async fn policies_are_asked_again_at_the_end() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    app.script("drop policy own on storage.objects").await;
    me.patch(&upload, 0, "he").await.is(204);
    me.patch(&upload, 2, "llo").await.is(403);
    me.head(&upload).await.is(404);
    assert_eq!(app.stored_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn the_buckets_rules_are_asked_again_at_the_end() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    app.script("update storage.buckets set file_size_limit = 4 where id = 'files'")
        .await;
    me.patch(&upload, 0, "hello").await.is(413);
    me.head(&upload).await.is(404);
}

#[tokio::test]
async fn two_uploads_of_one_name_make_one_object() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let (one, two) = (me.begin("a", 5).await, me.begin("a", 5).await);
    me.patch(&two, 0, "later").await.is(204);
    me.patch(&one, 0, "hello").await.is(409);
    assert_eq!(me.object("files", "a").await.is(200).text(), "later");
    me.head(&one).await.is(404);
}

#[tokio::test]
async fn an_upload_can_be_terminated() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    me.patch(&upload, 0, "he").await.is(204);
    me.send("DELETE", &upload, &[], "").await.is(204);
    me.head(&upload).await.is(404);
    me.patch(&upload, 2, "llo").await.is(404);
    assert_eq!(app.stored_files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn uploads_expire_and_are_swept() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let (open, done) = (me.begin("a", 5).await, me.begin("b", 5).await);
    me.patch(&open, 0, "he").await.is(204);
    me.patch(&done, 0, "hello").await.is(204);
    app.pass(3599);
    me.head(&open).await.is(200);
    app.pass(3600);
    me.head(&open).await.is(410);
    me.patch(&open, 2, "llo").await.is(410);
    me.send("DELETE", &open, &[], "").await.is(410);
    Client::of(&app, YOU).head(&open).await.is(404);

    let swept = async {
        while !app.query("select id from storage.uploads").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = app.storage().run_sweeper() => {}
        swept = tokio::time::timeout(SOON, swept) => swept.unwrap(),
    }
    assert_eq!(app.stored_files().len(), 1);
    assert_eq!(me.object("files", "b").await.is(200).text(), "hello");
    me.head(&open).await.is(404);
}

#[tokio::test]
async fn the_protocol_is_insisted_on() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    let bearer = [("authorization", me.bearer.as_str())];
    for (method, path) in [
        ("POST", "/upload/resumable"),
        ("HEAD", upload.as_str()),
        ("PATCH", upload.as_str()),
        ("DELETE", upload.as_str()),
    ] {
        let refused = app.send(method, path, &bearer, "").await.is(412);
        assert_eq!(refused.header("tus-version"), "1.0.0");
        assert_eq!(refused.header("tus-resumable"), "1.0.0");
    }
    for (method, path) in [
        ("GET", upload.as_str()),
        ("PUT", upload.as_str()),
        ("POST", upload.as_str()),
        ("PATCH", "/upload/resumable"),
    ] {
        me.send(method, path, &[], "").await.is(405);
    }
}

#[tokio::test]
async fn a_post_may_stand_for_another_method() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let upload = me.begin("a", 5).await;
    let over = |method| ("x-http-method-override", method);
    let headers = [over("PATCH"), BYTES, ("upload-offset", "0")];
    me.send("POST", &upload, &headers, "he").await.is(204);
    let asked = me.send("POST", &upload, &[over("HEAD")], "").await.is(200);
    assert_eq!(Client::offset(&asked), 2);
    let other = Client::of(&app, YOU);
    other
        .send("POST", &upload, &[over("DELETE")], "")
        .await
        .is(404);
    me.send("POST", &upload, &[over("DELETE")], "")
        .await
        .is(204);
    me.head(&upload).await.is(404);
}

#[tokio::test]
async fn the_location_is_where_the_client_came() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let location = async |headers: &[(&str, &str)]| {
        let headers = [&[("upload-length", "5")][..], headers].concat();
        let made = me.post("files", "a", &headers).await.is(201);
        let (base, _) = made.header("location").rsplit_once('/').unwrap();
        base.to_owned()
    };
    assert_eq!(
        location(&[
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/api"),
        ])
        .await,
        "https://shop.example/api/storage/v1/upload/resumable"
    );
    assert_eq!(
        location(&[("x-forwarded-host", "evil.example/x?")]).await,
        "http://127.0.0.1:54321/storage/v1/upload/resumable"
    );
}

#[tokio::test]
async fn open_uploads_are_bounded() {
    let app = start().await;
    let (me, you) = (Client::of(&app, ME), Client::of(&app, YOU));
    me.begin("a", 5).await;
    app.script(
        "insert into storage.uploads (id, bucket_id, name, role, owner_id, created_at, expires_at) \
         select gen_random_uuid(), bucket_id, name, role, owner_id, created_at, expires_at \
           from storage.uploads, generate_series(1, 999)",
    )
    .await;
    let length = [("upload-length", "5")];
    me.post("files", "b", &length).await.is(429);
    you.post("files", "b", &length).await.is(201);
}

#[tokio::test]
async fn a_signed_url_replaces_only_what_its_maker_saw() {
    let app = start().await;
    let (me, you) = (Client::of(&app, ME), Client::of(&app, YOU));
    let text = [("content-type", "text/plain")];
    let place = "/object/files/a";
    me.send("POST", place, &text, "first").await.is(200);
    let sign = "/object/upload/sign/files/a";
    let signed = me.send("POST", sign, &[("x-upsert", "true")], "").await;
    let token = signed.is(200).json()["token"].as_str().unwrap().to_owned();
    let url = format!("{sign}?token={token}");
    app.send("PUT", &url, &text, "second").await.is(200);
    assert_eq!(me.object("files", "a").await.is(200).text(), "second");

    let (version, signature) = (("tus-resumable", "1.0.0"), ("x-signature", token.as_str()));
    let metadata = named("files", "a");
    let begin = [
        version,
        signature,
        ("upload-length", "5"),
        ("upload-metadata", metadata.as_str()),
    ];
    let begun = app.send("POST", "/upload/resumable/sign", &begin, "").await;
    let upload = path(&begun.is(201));
    // What was seen goes, and somebody else makes another.
    me.send("DELETE", place, &[], "").await.is(200);
    you.send("POST", place, &text, "yours").await.is(200);
    let last = [version, signature, BYTES, ("upload-offset", "0")];
    app.send("PATCH", &upload, &last, "third").await.is(409);
    app.send("PUT", &url, &text, "third").await.is(400);
    assert_eq!(you.object("files", "a").await.is(200).text(), "yours");
}

#[tokio::test]
async fn a_signed_url_uploads_without_a_key() {
    let app = start().await;
    let me = Client::of(&app, ME);
    let signed = me
        .send("POST", "/object/upload/sign/files/a", &[], "")
        .await
        .is(200);
    let token = signed.json()["token"].as_str().unwrap().to_owned();
    let version = ("tus-resumable", "1.0.0");
    let signature = ("x-signature", token.as_str());
    let (metadata, other) = (named("files", "a"), named("files", "b"));
    let length = ("upload-length", "5");
    let begin = async |headers: &[(&str, &str)]| {
        let headers = [&[version, length][..], headers].concat();
        app.send("POST", "/upload/resumable/sign", &headers, "")
            .await
    };
    begin(&[("upload-metadata", metadata.as_str())])
        .await
        .is(400);
    begin(&[("upload-metadata", other.as_str()), signature])
        .await
        .is(400);
    begin(&[
        ("upload-metadata", metadata.as_str()),
        ("x-signature", "a.b.c"),
    ])
    .await
    .is(400);
    let made = begin(&[("upload-metadata", metadata.as_str()), signature])
        .await
        .is(201);
    let upload = path(&made);
    assert!(upload.starts_with("/upload/resumable/sign/"), "{upload}");

    // It is no upload of its owner's other uploads, nor the other way around.
    let id = upload.rsplit('/').next().unwrap();
    me.head(&format!("/upload/resumable/{id}")).await.is(404);
    let own = me.begin("c", 5).await;
    let id = own.rsplit('/').next().unwrap();
    let as_signed = format!("/upload/resumable/sign/{id}");
    app.send("HEAD", &as_signed, &[version, signature], "")
        .await
        .is(400);

    let offset = ("upload-offset", "0");
    app.send("PATCH", &upload, &[version, offset, BYTES], "hello")
        .await
        .is(400);
    app.send(
        "PATCH",
        &upload,
        &[version, offset, BYTES, signature],
        "hello",
    )
    .await
    .is(204);
    // The object belongs to whoever signed.
    assert_eq!(me.object("files", "a").await.is(200).text(), "hello");
    // A token that is over opens nothing more.
    app.pass(61);
    app.send("HEAD", &upload, &[version, signature], "")
        .await
        .is(400);
}
