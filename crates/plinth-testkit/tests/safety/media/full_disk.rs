//! A disk that is full when an upload comes to its last step: the bytes are there and their row does not fit. Such an upload is
//! refused with 507, leaves no bytes behind, and goes well once there is room.

use std::time::{Duration, Instant};

use plinth_db::Durability;
use plinth_testkit::disk::Disk;
use plinth_testkit::outcome::Who;
use plinth_testkit::random::Random;
use plinth_testkit::rest::{Answer, Client};
use plinth_testkit::temp::TempDir;
use serde_json::json;

use super::place::{BUCKET, files_below};
use crate::orders::open;

const ROUNDS: u64 = 20;
/// Room for some rows, or for not even one.
const MOST_ROOM: u64 = 100_000;
/// A writer whose lease could not be ended, because that needs room, keeps others away for so long at most.
const UNLOCKED: Duration = Duration::from_secs(20);
const ORIGIN: &str = "http://127.0.0.1:54321";

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_row_does_not_fit_leaves_nothing() {
    let folder = TempDir::new("full-media").unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let client = client(&folder).await;
    let mut random = Random::new(0x000f_01e5);
    let (mut acknowledged, mut next) = (0, 0);
    for _ in 0..ROUNDS {
        disk.leave_room(random.below(MOST_ROOM));
        loop {
            next += 1;
            let answer = put(&client, next).await;
            if answer.status == 200 {
                acknowledged += 1;
                continue;
            }
            assert_eq!(answer.status, 507, "{}", answer.text());
            assert_eq!(answer.json()["code"], "StorageFull", "{}", answer.text());
            assert!(answer.headers.contains_key("retry-after"));
            break;
        }
        // Reading needs no room, and what was refused is not there.
        let read = client.get(&object(next)).await;
        assert_eq!(read.json()["code"], "NoSuchKey", "{}", read.text());
        assert_eq!(files_below(&client.files().join("incoming")).len(), 0);
        let kept = files_below(&client.files().join("objects")).len();
        assert_eq!(kept, acknowledged);
        disk.make_room();
        assert_eq!(put(&client, next).await.status, 200);
        acknowledged += 1;
        let read = client.get(&object(next)).await;
        assert_eq!(read.text(), content(next));
    }
    assert!(acknowledged > usize::try_from(ROUNDS).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumable_upload_goes_on_when_its_row_fits_again() {
    let folder = TempDir::new("full-resumable").unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let client = client(&folder).await;
    // Not even a lease is written, or one that nobody can end.
    for (number, room) in [(1, 0), (2, 14_000)] {
        let upload = begin(&client, number).await;
        let whole = content(number);
        let (first, rest) = whole.split_at(3);
        assert_eq!(patch(&client, &upload, 0, first).await.status, 204);
        disk.leave_room(room);
        let full = patch(&client, &upload, 3, rest).await;
        // There may have been just enough.
        assert!(matches!(full.status.as_u16(), 204 | 507), "{}", full.text());
        assert!(room > 0 || full.status == 507, "{}", full.text());
        disk.make_room();
        let head = unlocked(|| call(&client, "HEAD", &upload, &[], None)).await;
        let offset = head.headers["upload-offset"].to_str().unwrap();
        let offset: usize = offset.parse().unwrap();
        assert!(offset == 3 || offset == whole.len(), "{offset}");
        if offset < whole.len() {
            let last = unlocked(|| patch(&client, &upload, offset, &whole[offset..])).await;
            assert_eq!(last.status, 204, "{}", last.text());
        }
        let read = client.get(&object(number)).await;
        assert_eq!(read.text(), whole);
        assert_eq!(files_below(&client.files().join("uploads")).len(), 0);
    }
}

/// The whole server on a database in this folder.
async fn client(folder: &TempDir) -> Client {
    let db = open(folder.path(), Durability::Synced).await;
    let client = Client::new(db).await.unwrap();
    let bucket = json!({ "name": BUCKET });
    let made = client.post("/storage/v1/bucket", &bucket).await;
    assert_eq!(made.status, 200, "{}", made.text());
    client
}

fn object(number: u64) -> String {
    format!("/storage/v1/object/{BUCKET}/{number}.txt")
}

fn content(number: u64) -> String {
    format!("the content of {number}")
}

async fn put(client: &Client, number: u64) -> Answer {
    let text = [("content-type", "text/plain")];
    call(
        client,
        "POST",
        &object(number),
        &text,
        Some(content(number)),
    )
    .await
}

/// Begins a resumable upload; gives its path.
async fn begin(client: &Client, number: u64) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (bucket, name) = (encode(BUCKET), encode(&format!("{number}.txt")));
    let metadata = format!("bucketName {bucket},objectName {name}");
    let length = content(number).len().to_string();
    let headers = [
        ("upload-length", length.as_str()),
        ("upload-metadata", metadata.as_str()),
    ];
    let path = "/storage/v1/upload/resumable";
    let made = call(client, "POST", path, &headers, None).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let location = made.headers["location"].to_str().unwrap();
    location.strip_prefix(ORIGIN).unwrap().to_owned()
}

async fn patch(client: &Client, upload: &str, at: usize, text: &str) -> Answer {
    let offset = at.to_string();
    let headers = [
        ("content-type", "application/offset+octet-stream"),
        ("upload-offset", offset.as_str()),
    ];
    call(client, "PATCH", upload, &headers, Some(text.to_owned())).await
}

async fn call(
    client: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Answer {
    let mut all = client.credentials(&Who::postgres());
    all.push(("tus-resumable".to_owned(), "1.0.0".to_owned()));
    let own = headers.iter();
    all.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    client.call(method, path, &all, body).await.unwrap()
}

/// The answer, once the lease is over of who had the upload before.
async fn unlocked(ask: impl AsyncFn() -> Answer) -> Answer {
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if answer.status != 423 || began.elapsed() > UNLOCKED {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
