//! A full disk: whoever uploads is told so on every road, nothing is left behind, and once there is room it goes on.
//!
//! Which disk is full is said by the folder on it, because tests run side by side in one process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use parking_lot::Mutex;
use plinth_db::keys::Keys;
use plinth_http::{App, Gate, GateKeys, Limits, Mode, read_body};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{MIB, receive};
use crate::error::StorageError;
use crate::store::stage::{Stage, body, etag, pattern, read, unsaved};
use crate::store::{StoreConfig, UploadState};
use crate::{Config, ImageConfig, Storage, s3_keys};

const HOST: &str = "127.0.0.1:54321";

/// Bytes that still fit on the disk of a folder; one that is not here has room for everything.
static ROOM: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// How many of so many bytes fit. They take their room.
pub(in crate::store::folder) fn fitting(root: &Path, bytes: usize) -> usize {
    match ROOM.lock().get_mut(root) {
        Some(room) => {
            let fitting = bytes.min(*room);
            *room -= fitting;
            fitting
        }
        None => bytes,
    }
}

/// Fails where not even a name fits.
pub(in crate::store::folder) fn check(root: &Path) -> io::Result<()> {
    match ROOM.lock().get(root) {
        Some(0) => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

fn leave_room(stage: &Stage, bytes: usize) {
    ROOM.lock().insert(stage.media(), bytes);
}

fn make_room(stage: &Stage) {
    ROOM.lock().remove(&stage.media());
}

#[tokio::test]
async fn an_upload_that_does_not_fit_leaves_nothing() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let bytes = pattern(3 * MIB);
    // The last time there is room for all of it, but not for its name.
    for room in [0, 1, 100_000, 600_000, 2 * MIB, bytes.len()] {
        leave_room(&stage, room);
        let full = store
            .receive(&stage.db, body(&bytes, 60_000), u64::MAX)
            .await;
        assert!(matches!(full, Err(StorageError::StoreFull)), "{room}");
        stage.becomes_empty("incoming").await;
    }
    make_room(&stage);
    let stored = receive(&stage, &store, &bytes).await;
    assert!(read(&store, stored.version).await == bytes);
}

#[tokio::test]
async fn an_upload_in_pieces_keeps_what_was_safe_and_goes_on() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let (id, bytes) = (Uuid::now_v7(), pattern(900_000));
    let (first, rest) = bytes.split_at(250_000);
    let mut state = UploadState::default();
    store
        .append(id, &mut state, body(first, 10_000), u64::MAX, unsaved)
        .await
        .unwrap();
    let safe = state.clone();
    for room in [0, 100_000, 600_000] {
        leave_room(&stage, room);
        let full = store
            .append(id, &mut state, body(rest, 10_000), u64::MAX, unsaved)
            .await;
        assert!(matches!(full, Err(StorageError::StoreFull)), "{room}");
        assert_eq!(state, safe);
    }
    make_room(&stage);
    store
        .append(id, &mut state, body(rest, 10_000), u64::MAX, unsaved)
        .await
        .unwrap();
    let stored = store.finish_upload(&stage.db, id, state).await.unwrap();
    assert_eq!(stored.etag, etag(&bytes));
    store.keep(stored).await;
    assert!(read(&store, id).await == bytes);
    assert!(stage.names("uploads").is_empty());
}

#[tokio::test]
async fn a_part_that_does_not_fit_costs_no_other() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let (id, bytes) = (Uuid::now_v7(), pattern(1_200_000));
    let (one, two) = bytes.split_at(700_000);
    let state = store.begin_parts(id).await.unwrap();
    let put = async |number: u16, bytes: &[u8]| {
        let body = body(bytes, 50_000);
        store
            .put_part(&stage.db, id, &state, number, body, u64::MAX)
            .await
    };
    let one = put(1, one).await.unwrap();
    let upload = format!("uploads/{id}");
    let arrived = stage.names(&upload);
    for room in [0, 100_000] {
        leave_room(&stage, room);
        let full = put(2, two).await;
        assert!(matches!(full, Err(StorageError::StoreFull)), "{room}");
        becomes(&stage, &upload, &arrived).await;
    }
    make_room(&stage);
    let parts = [one, put(2, two).await.unwrap()];
    let arrived = stage.names(&upload);
    // Joined, they would be there twice for a moment.
    leave_room(&stage, 0);
    let full = store.join_parts(&stage.db, id, state.clone(), &parts).await;
    assert!(matches!(full, Err(StorageError::StoreFull)));
    assert!(stage.names("incoming").is_empty());
    assert_eq!(stage.names(&upload), arrived);
    make_room(&stage);
    let stored = store
        .join_parts(&stage.db, id, state, &parts)
        .await
        .unwrap();
    store.keep(stored).await;
    assert!(read(&store, id).await == bytes);
    assert!(stage.names("uploads").is_empty() && stage.names("incoming").is_empty());
}

#[tokio::test]
async fn a_copy_that_does_not_fit_leaves_nothing() {
    let stage = Stage::new().await;
    let store = stage.folder().await;
    let stored = receive(&stage, &store, b"twice").await;
    let (version, tag) = (stored.version, stored.etag.clone());
    store.keep(stored).await;
    leave_room(&stage, 0);
    let full = store.copy(&stage.db, version, &tag).await;
    assert!(matches!(full, Err(StorageError::StoreFull)));
    assert!(stage.names("incoming").is_empty());
    make_room(&stage);
    let copy = store.copy(&stage.db, version, &tag).await.unwrap();
    assert_eq!(read(&store, copy.version).await, b"twice");
}

#[tokio::test]
async fn clients_of_every_kind_are_told_and_go_on() {
    let stage = Stage::new().await;
    let client = Client::new(&stage).await;
    let bytes = pattern(1000);
    for road in [Road::Raw, Road::Form, Road::Replace, Road::S3] {
        leave_room(&stage, 10);
        let refused = client.upload(road, &bytes).await;
        refused.is_full();
        assert!(refused.text().contains("StorageFull"), "{}", refused.text());
        stage.becomes_empty("incoming").await;
        assert!(stage.objects().await.is_empty(), "{road:?}");
        make_room(&stage);
        client.upload(road, &bytes).await.is(200);
        client.check_and_remove(&stage, &bytes).await;
    }
}

#[tokio::test]
async fn a_resumable_upload_is_told_and_goes_on() {
    let stage = Stage::new().await;
    let client = Client::new(&stage).await;
    let bytes = pattern(1000);
    let tus = ("tus-resumable", "1.0.0");
    // `b` and `a` in base64.
    let begin = [
        tus,
        ("upload-length", "1000"),
        ("upload-metadata", "bucketName Yg==,objectName YQ=="),
    ];
    let begun = client.rest("POST", "/upload/resumable", &begin, b"").await;
    let location = begun.is(201).header("location");
    let (_, upload) = location.split_once("/storage/v1").unwrap();
    let patch = async |from: usize, to: usize| {
        let offset = from.to_string();
        let headers = [
            tus,
            ("upload-offset", offset.as_str()),
            ("content-type", "application/offset+octet-stream"),
        ];
        let bytes = &bytes[from..to];
        client.rest("PATCH", upload, &headers, bytes).await
    };
    patch(0, 400).await.is(204);
    leave_room(&stage, 10);
    patch(400, 1000).await.is_full();
    let head = client.rest("HEAD", upload, &[tus], b"").await.is(200);
    assert_eq!(head.header("upload-offset"), "400");
    assert!(stage.objects().await.is_empty());
    make_room(&stage);
    patch(400, 1000).await.is(204);
    client.check_and_remove(&stage, &bytes).await;
    assert!(stage.names("uploads").is_empty());
}

#[tokio::test]
async fn an_upload_in_parts_is_told_and_goes_on() {
    let stage = Stage::new().await;
    let client = Client::new(&stage).await;
    let bytes = pattern(1000);
    let begun = client
        .s3(&Method::POST, &[("uploads", "")], b"")
        .await
        .is(200);
    let id = begun.between("<UploadId>", "</UploadId>");
    let upload = ("uploadId", id.as_str());
    let put = async || {
        let part = [("partNumber", "1"), upload];
        client.s3(&Method::PUT, &part, &bytes).await
    };
    leave_room(&stage, 10);
    put().await.is_full();
    becomes(&stage, &format!("uploads/{id}"), &[]).await;
    make_room(&stage);
    let tag = put().await.is(200).header("etag");
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    );
    leave_room(&stage, 0);
    let refused = client.s3(&Method::POST, &[upload], parts.as_bytes()).await;
    refused.is_full();
    assert!(refused.text().contains("<Code>StorageFull</Code>"));
    assert!(stage.names("incoming").is_empty() && stage.objects().await.is_empty());
    make_room(&stage);
    client
        .s3(&Method::POST, &[upload], parts.as_bytes())
        .await
        .is(200);
    client.check_and_remove(&stage, &bytes).await;
    assert!(stage.names("uploads").is_empty());
}

/// How an object is uploaded in one request.
#[derive(Clone, Copy, Debug)]
enum Road {
    Raw,
    Form,
    Replace,
    S3,
}

/// Somebody who may do everything, before the whole service. What is uploaded is the object `a` in the bucket `b`.
struct Client {
    router: Router,
    bearer: String,
    signer: AmazonS3,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    async fn new(stage: &Stage) -> Client {
        let keys = Keys::local();
        let db = stage.db.clone();
        let (key, secret) = s3_keys::create(&db, &keys.sealer, "tests", None)
            .await
            .unwrap();
        let signer = AmazonS3Builder::new()
            .with_endpoint(format!("http://{HOST}/storage/v1/s3"))
            .with_virtual_hosted_style_request(false)
            .with_bucket_name("b")
            .with_region("local")
            .with_access_key_id(key.access_key_id)
            .with_secret_access_key(secret.expose())
            .build()
            .unwrap();
        let app = App {
            gate: Arc::new(Gate::new(&GateKeys::from(&keys), db.clock().clone())),
            db,
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: format!("http://{HOST}").into(),
        };
        let config = Config {
            store: StoreConfig::Folder(stage.media()),
            images: ImageConfig::in_folder(stage.root.join("images")),
            check: None,
            upload_bytes: 1 << 20,
            resumable_lifetime: Duration::from_hours(1),
            signed_upload_lifetime: Duration::from_mins(1),
            region: "local".to_owned(),
            public_url: None,
            redirect: None,
        };
        let storage = Storage::open(app, config, &keys).await.unwrap();
        Client {
            router: crate::router(storage),
            bearer: format!("Bearer {}", keys.secret.expose()),
            signer,
        }
    }

    async fn upload(&self, road: Road, bytes: &[u8]) -> Answer {
        let (object, octets) = ("/object/b/a", ("content-type", "application/octet-stream"));
        match road {
            Road::Raw => self.rest("POST", object, &[octets], bytes).await,
            Road::Replace => self.rest("PUT", object, &[octets], bytes).await,
            Road::S3 => self.s3(&Method::PUT, &[], bytes).await,
            Road::Form => {
                let form = ("content-type", "multipart/form-data; boundary=B");
                let opening =
                    b"--B\r\nContent-Disposition: form-data; name=\"\"; filename=\"a\"\r\n\r\n";
                let body = [opening.as_slice(), bytes, b"\r\n--B--\r\n"].concat();
                self.rest("POST", object, &[form], &body).await
            }
        }
    }

    /// The object is there, whole, and then it is not.
    async fn check_and_remove(&self, stage: &Stage, bytes: &[u8]) {
        let found = self.rest("GET", "/object/b/a", &[], b"").await.is(200);
        assert!(found.body == bytes);
        assert!(stage.names("incoming").is_empty());
        self.rest("DELETE", "/object/b/a", &[], b"").await.is(200);
    }

    async fn rest(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let own = [("authorization", self.bearer.as_str())];
        self.send(method, path, &[&own[..], headers].concat(), body)
            .await
    }

    /// A request for the object by the S3 protocol, signed in its URL.
    async fn s3(&self, method: &Method, query: &[(&str, &str)], body: &[u8]) -> Answer {
        let options = SignedUrlOptions::new().with_query(query.iter().copied());
        let object = object_store::path::Path::from("a");
        let lifetime = Duration::from_mins(1);
        let signed = self
            .signer
            .signed_url_opts(method.clone(), &object, lifetime, &options);
        let url = signed.await.unwrap();
        let (_, target) = url.as_str().split_once("/storage/v1").unwrap();
        let length = body.len().to_string();
        let headers = [("content-length", length.as_str())];
        self.send(method.as_str(), target, &headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [&[("host", HOST)][..], headers].concat() {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: read_body(body, MIB).await.unwrap().to_vec(),
        }
    }
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// No room, and when to come back.
    #[track_caller]
    fn is_full(&self) {
        assert_eq!(self.status, 507, "{}", self.text());
        assert_eq!(self.header("retry-after"), "30");
        assert!(self.text().contains("no room left"), "{}", self.text());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, empty when it is not there.
    fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let (_, rest) = text.split_once(before).unwrap();
        rest.split_once(after).unwrap().0.to_owned()
    }
}

impl Stage {
    /// The rows of objects.
    async fn objects(&self) -> plinth_db::Rows {
        self.sql("select name from storage.objects", Vec::new())
            .await
    }
}

/// Waits until a folder of the media folder has these names: what is dropped is removed on another thread.
async fn becomes(stage: &Stage, folder: &str, names: &[String]) {
    for _ in 0..500 {
        if stage.names(folder) == names {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{folder} has {:?} and not {names:?}", stage.names(folder));
}
