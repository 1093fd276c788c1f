//! A client of the S3 endpoint, as the bucket `files` meets it. What it sends is signed in the URL.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use plinth_storage::s3_keys;

use crate::app::{Answer, TestApp, send};

const HOST: &str = "127.0.0.1:54321";
/// Signatures are proved by the time of day, whatever the test's clock says.
const LIFETIME: Duration = Duration::from_mins(5);

/// The holder of an access key, whom no policy binds.
pub(crate) struct S3Client {
    router: Router,
    signer: AmazonS3,
}

impl S3Client {
    pub(crate) async fn of(app: &TestApp) -> S3Client {
        let key = s3_keys::create(&app.db, &app.keys.sealer, "tests", None).await;
        let (key, secret) = key.unwrap();
        let signer = AmazonS3Builder::new()
            .with_endpoint(format!("http://{HOST}/storage/v1/s3"))
            .with_virtual_hosted_style_request(false)
            .with_bucket_name("files")
            .with_region("local")
            .with_access_key_id(key.access_key_id)
            .with_secret_access_key(secret.expose());
        S3Client {
            router: app.router(),
            signer: signer.build().unwrap(),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &Method,
        name: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let options = SignedUrlOptions::new().with_query(query.iter().copied());
        let name = Path::from(name);
        let signed = self
            .signer
            .signed_url_opts(method.clone(), &name, LIFETIME, &options);
        let url = signed.await.unwrap();
        let (_, target) = url.as_str().split_once("/storage/v1").unwrap();
        let headers = [&[("host", HOST)][..], headers].concat();
        let router = self.router.clone();
        send(router, method.as_str(), target, &headers, body).await
    }

    /// Puts an object of this type; the body is as long as it says.
    pub(crate) async fn put(
        &self,
        name: &str,
        content_type: &str,
        length: usize,
        body: impl Into<Body>,
    ) -> Answer {
        let length = length.to_string();
        let headers = [
            ("content-type", content_type),
            ("content-length", length.as_str()),
        ];
        self.send(&Method::PUT, name, &[], &headers, body).await
    }

    pub(crate) async fn get(&self, name: &str) -> Answer {
        self.send(&Method::GET, name, &[], &[], "").await
    }

    /// Begins an upload in parts; gives its id.
    pub(crate) async fn begin(&self, name: &str) -> String {
        let begun = self
            .send(&Method::POST, name, &[("uploads", "")], &[], "")
            .await
            .is(200);
        let text = begun.text();
        let (_, rest) = text.split_once("<UploadId>").unwrap();
        rest.split_once("</UploadId>").unwrap().0.to_owned()
    }

    /// Uploads the first part, which may be the only one. Gives its tag.
    pub(crate) async fn part(&self, name: &str, id: &str, bytes: &[u8]) -> String {
        let query = [("partNumber", "1"), ("uploadId", id)];
        let length = bytes.len().to_string();
        let headers = [("content-length", length.as_str())];
        let put = self
            .send(&Method::PUT, name, &query, &headers, bytes.to_vec())
            .await;
        put.is(200).header("etag").to_owned()
    }

    /// Makes the first part the object.
    pub(crate) async fn complete(&self, name: &str, id: &str, tag: &str) -> Answer {
        let part = format!("<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>");
        let parts = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
        let length = parts.len().to_string();
        let headers = [("content-length", length.as_str())];
        self.send(&Method::POST, name, &[("uploadId", id)], &headers, parts)
            .await
    }

    pub(crate) async fn abort(&self, name: &str, id: &str) {
        self.send(&Method::DELETE, name, &[("uploadId", id)], &[], "")
            .await
            .is(204);
    }
}
