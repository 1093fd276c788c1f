//! Two who write one name at the same time, each on a road of its own: one of them is there in the end, whole, and says so in
//! its tag.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};

use crate::app::{Answer, TestApp, start};
use crate::s3::S3Client;
use crate::tus::{Client, SOON};

const ROUNDS: u8 = 10;
const OCTETS: &str = "application/octet-stream";
/// More than a batch of what a store writes at once, in pieces that do not fit into one.
const BYTES: usize = 600_007;
const PIECE: usize = 10_007;

/// Bytes of one writer, which no other has at any place.
fn bytes(writer: u8) -> Vec<u8> {
    vec![writer; BYTES]
}

/// A body whose pieces come one by one, with time for others in between.
fn slowly(bytes: &[u8]) -> Body {
    let pieces: Vec<Bytes> = bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces).then(|piece| async move {
        tokio::task::yield_now().await;
        Ok::<_, io::Error>(piece)
    }))
}

fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// The tag of an object that came in one part.
fn tag_of_one_part(bytes: &[u8]) -> String {
    format!("\"{}-1\"", md5(Md5::digest(bytes).as_slice()))
}

async fn put(client: &Client, bytes: &[u8]) -> Answer {
    let headers = [("content-type", OCTETS)];
    client
        .send("PUT", "/object/files/a", &headers, slowly(bytes))
        .await
}

/// One of the two, with its own tag, by whatever road it is read.
async fn is_one_of(app: &TestApp, s3: &S3Client, writers: &[(&[u8], String)]) {
    let found = s3.get("a").await.is(200);
    let (_, tag) = writers
        .iter()
        .find(|(bytes, _)| found.body == *bytes)
        .expect("bytes of both, or of neither");
    assert_eq!(found.header("etag"), tag);
    let read = Client::admin(app).object("files", "a").await.is(200);
    assert!(read.body == found.body);
    assert_eq!(read.header("etag"), tag);
}

/// Of all that was written one file is left.
async fn leaves_one_file(app: &TestApp) {
    let swept = async {
        while app.stored_files().len() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = app.storage().run_sweeper() => {}
        swept = tokio::time::timeout(SOON, swept) => {
            assert!(swept.is_ok(), "{:?}", app.stored_files());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_by_s3_beside_a_put() {
    let app = start().await;
    let (admin, s3) = (Client::admin(&app), S3Client::of(&app).await);
    for round in 0..ROUNDS {
        let (ours, theirs) = (bytes(2 * round), bytes(2 * round + 1));
        let (by_s3, by_rest) = tokio::join!(
            s3.put("a", OCTETS, BYTES, slowly(&ours)),
            put(&admin, &theirs)
        );
        by_s3.is(200);
        by_rest.is(200);
        let tag = |bytes: &[u8]| format!("\"{}\"", md5(bytes));
        let writers = [(&ours[..], tag(&ours)), (&theirs[..], tag(&theirs))];
        is_one_of(&app, &s3, &writers).await;
    }
    leaves_one_file(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_beside_a_put() {
    let app = start().await;
    let (admin, s3) = (Client::admin(&app), S3Client::of(&app).await);
    for round in 0..ROUNDS {
        let (ours, theirs) = (bytes(2 * round), bytes(2 * round + 1));
        let id = s3.begin("a").await;
        let part = s3.part("a", &id, &ours).await;
        let (completed, by_rest) = tokio::join!(s3.complete("a", &id, &part), put(&admin, &theirs));
        completed.is(200);
        by_rest.is(200);
        let writers = [
            (&ours[..], tag_of_one_part(&ours)),
            (&theirs[..], format!("\"{}\"", md5(&theirs))),
        ];
        is_one_of(&app, &s3, &writers).await;
    }
    leaves_one_file(&app).await;
}

#[tokio::test]
async fn a_completion_whose_node_was_killed_keeps_others_away_for_a_minute() {
    let app = start().await;
    let s3 = S3Client::of(&app).await;
    let id = s3.begin("a").await;
    let tag = s3.part("a", &id, b"bytes").await;
    let since = async |seconds: i32| {
        let sql = format!(
            "update storage.s3_multipart_uploads set completing_at = now() - interval '{seconds} s'"
        );
        app.query(&sql).await;
    };
    since(45).await;
    let refused = s3.complete("a", &id, &tag).await.is(409);
    assert!(refused.text().contains("OperationAborted"));
    since(61).await;
    s3.complete("a", &id, &tag).await.is(200);
    assert_eq!(s3.get("a").await.is(200).body, b"bytes");
}
