//! A disk that is full: writes are refused with 503 or 507, reads go on, nothing is half done, and when there is room
//! again everything works as before, without a restart.

use plinth_db::Durability;
use plinth_testkit::disk::Disk;
use plinth_testkit::random::Random;
use plinth_testkit::rest::Client;
use plinth_testkit::temp::TempDir;
use serde_json::json;

use crate::orders::{faults, open};

const ROUNDS: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_recovers() {
    let folder = TempDir::new("full").unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let db = open(folder.path(), Durability::Synced).await;
    let client = Client::new(db.clone()).await.unwrap();
    let mut random = Random::new(0xf011);
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    let mut next = 0;
    for _ in 0..ROUNDS {
        // The disk fills at any byte: in the log, in the middle of a page, while the log is copied.
        disk.leave_room(random.below(200_000));
        loop {
            next += 1;
            let answer = client.post("/rest/v1/rpc/place_order", &order(next)).await;
            match answer.status.as_u16() {
                200 => acknowledged.push(next),
                507 => {
                    refused += 1;
                    assert_eq!(answer.json()["code"], "53100", "{}", answer.text());
                    assert!(answer.headers.contains_key("retry-after"));
                    break;
                }
                other => panic!("{other}: {}", answer.text()),
            }
        }
        let signup =
            json!({ "email": format!("p{next}@example.com"), "password": "a long password" });
        let answer = client.post("/auth/v1/signup", &signup).await;
        assert!(
            matches!(answer.status.as_u16(), 200 | 503 | 507),
            "{}: {}",
            answer.status,
            answer.text()
        );
        // Reading needs no room.
        let read = client
            .get("/rest/v1/orders?select=id&order=id.desc&limit=1")
            .await;
        assert_eq!(read.status.as_u16(), 200, "{}", read.text());
        assert_eq!(read.json()[0]["id"].as_u64(), acknowledged.last().copied());
        assert_eq!(faults(&db, &acknowledged).await.unwrap(), None);
        disk.make_room();
        next += 1;
        let answer = client.post("/rest/v1/rpc/place_order", &order(next)).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
        acknowledged.push(next);
    }
    assert!(refused == ROUNDS && acknowledged.len() > 50);
    assert_eq!(faults(&db, &acknowledged).await.unwrap(), None);
    db.close().await;
    plinth_db::backup::check(&folder.path().join("plinth.db")).unwrap();
}

fn order(id: u64) -> serde_json::Value {
    json!({ "id": id, "writer": 1 })
}
