//! A store that hangs or is gone. Who needs it is told so in time (503, and when to come back), everybody else is served
//! meanwhile, and when it is there again everything goes on, without a restart of ours and with no object that is half there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::POLL;
use plinth_testkit::server::Process;
use serde_json::json;

use super::client::{admin, by_s3, header, location, maybe_header, object, put, read, tus};
use super::place::{BUCKET, Place};
use super::services;

/// Longest until a reader is told that the store is silent: what a small request may take.
const READ: Duration = Duration::from_secs(30);
/// The same for who sends: the longest silence of a store. (What one part may take is twice as long, and does not come to bear.)
const WRITTEN: Duration = Duration::from_mins(1);
/// Where nobody listens any more, all tries together are over by then.
const REFUSED: Duration = Duration::from_secs(20);
/// How long a store may need until it does again what it did before.
const RECOVERED: Duration = Duration::from_secs(30);
/// What a busy machine adds.
const MARGIN: Duration = Duration::from_secs(10);
/// What who needs no store waits at most.
const SERVED: Duration = Duration::from_secs(5);
/// Longer than one part, so that an upload of it comes to the store in several.
const LARGE: usize = 20_000_000;
/// So much of it is sent before the store hangs.
const BEGUN: usize = 12_000_000;

#[test]
fn a_store_that_is_away_is_said_in_time_and_costs_nobody_anything() {
    let Some((postgres, program)) = services() else {
        return;
    };
    let place = Place::services(&postgres, &program);
    let store = place.store().expect("there is one");
    let server = place.start();
    let client = Client(server.address);
    let before = content(1, 3_000_000);
    client.put("before", &before);
    let upload = client.begin("resumed", 2_000_000);
    client.patch(&upload, 0, 500_000).is(204);

    // In the middle of an upload, which has begun in the store already.
    let large = client.open_large();
    let began = Instant::now();
    while place.unfinished().is_empty() {
        assert!(began.elapsed() < RECOVERED, "no upload has begun");
        thread::sleep(POLL);
    }
    store.freeze().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || large.finish().is_away_within(WRITTEN));
        scope.spawn(|| {
            client
                .ask(&put("small", "never there"))
                .is_away_within(WRITTEN);
        });
        scope.spawn(|| {
            client
                .patch(&upload, 500_000, 500_000)
                .is_away_within(WRITTEN);
        });
        scope.spawn(|| client.get("before").is_away_within(READ));
        let by_s3 = by_s3("GET", "before", &[], &[]);
        scope.spawn(move || client.ask(&by_s3).is_away_within(READ));
        scope.spawn(|| client.is_served_without_a_store());
    });
    store.thaw().unwrap();
    client.works_again(&before, &upload, 500_000);

    store.stop().unwrap();
    client
        .ask(&put("small", "never there"))
        .is_away_within(REFUSED);
    client.get("before").is_away_within(REFUSED);
    client
        .patch(&upload, 1_000_000, 500_000)
        .is_away_within(REFUSED);
    client.is_served_without_a_store();
    store.restart().unwrap();
    client.works_again(&before, &upload, 1_000_000);
    client.patch(&upload, 1_500_000, 500_000).is(204);
    assert!(read(server.address, "resumed").unwrap() == content(3, 2_000_000));

    is_in_order(&place, server);
}

/// Nothing is left of what was refused, and nothing is missing.
fn is_in_order(place: &Place, server: Process) {
    let begun = place.begun();
    place.expire();
    server.kill();
    let server = place.start();
    place.sweep(&server, &begun);
    server.kill();
    place.check();
}

/// Bytes that no other name has.
fn content(name: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| name ^ u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 255).unwrap())
        .collect()
}

/// Somebody who waits as long as it takes.
#[derive(Clone, Copy)]
struct Client(SocketAddr);

/// What was answered, and after what time.
struct Told {
    answer: Answer,
    after: Duration,
}

/// A large upload, of which only the beginning was sent.
struct Large {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Client {
    /// Asks again where the machine was too busy: that is about us and not about the store.
    fn ask(self, request: &Request) -> Told {
        loop {
            let began = Instant::now();
            let answer = request.try_send_within(self.0, WRITTEN + MARGIN);
            let answer = answer.unwrap_or_else(|| panic!("no answer to {request}"));
            if !answer.text().contains("overloaded") {
                let after = began.elapsed();
                return Told { answer, after };
            }
            thread::sleep(POLL);
        }
    }

    fn put(self, name: &str, bytes: &[u8]) {
        self.ask(&put(name, bytes)).is(200);
    }

    fn get(self, name: &str) -> Told {
        self.ask(&admin(Request::get(&object(name))))
    }

    /// Begins a resumable upload; gives its path.
    fn begin(self, name: &str, length: usize) -> String {
        use base64::Engine as _;
        let metadata = [("bucketName", BUCKET), ("objectName", name)].map(|(key, value)| {
            let value = base64::engine::general_purpose::STANDARD.encode(value);
            format!("{key} {value}")
        });
        let begin = tus("POST", "/storage/v1/upload/resumable")
            .header("upload-length", length.to_string())
            .header("upload-metadata", metadata.join(","));
        location(&self.ask(&begin).is(201))
    }

    /// So many bytes of the upload that is called `resumed`, from this place on.
    fn patch(self, upload: &str, from: usize, length: usize) -> Told {
        let bytes = content(3, from + length);
        let patch = tus("PATCH", upload)
            .body(&bytes[from..])
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", from.to_string());
        self.ask(&patch)
    }

    fn open_large(self) -> Large {
        let mut bytes = put("large", content(2, LARGE)).bytes();
        let rest = bytes.split_off(BEGUN);
        let mut stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(WRITTEN + MARGIN)).unwrap();
        stream.write_all(&bytes).unwrap();
        Large { stream, rest }
    }

    /// Rows are there, and lists of files are rows.
    fn is_served_without_a_store(self) {
        let list = format!("/storage/v1/object/list/{BUCKET}");
        let list = Request::post(&list, json!({ "prefix": "" }).to_string());
        for _ in 0..5 {
            for request in [
                Request::get("/health"),
                admin(Request::get("/rest/v1/")),
                admin(Request::get("/storage/v1/bucket")),
                admin(list.clone()),
                admin(Request::new("HEAD", &object("before"))),
            ] {
                let told = self.ask(&request);
                assert!(told.after < SERVED, "{request}: {:?}", told.after);
                told.is(200);
            }
        }
    }

    /// What was there is whole, what was refused is not there, and what is uploaded now is.
    fn works_again(self, before: &[u8], upload: &str, at: usize) {
        let now = content(4, LARGE);
        let began = Instant::now();
        while self.ask(&put("now", &now[..])).answer.status != 200 {
            assert!(began.elapsed() < RECOVERED, "the store does not come back");
            thread::sleep(POLL);
        }
        assert!(read(self.0, "now").as_deref() == Some(&now[..]));
        assert!(read(self.0, "before").as_deref() == Some(before));
        for refused in ["large", "small", "resumed"] {
            assert!(read(self.0, refused).is_none(), "{refused} is there");
        }
        self.ask(&admin(Request::new("DELETE", &object("now"))))
            .is(200);
        // The upload in pieces has what was acknowledged, and goes on.
        let head = self.ask(&tus("HEAD", upload)).is(200);
        assert_eq!(header(&head, "upload-offset"), at.to_string());
        self.patch(upload, at, 500_000).is(204);
    }
}

impl Large {
    /// Sends the rest and waits for the answer.
    fn finish(self) -> Told {
        let began = Instant::now();
        let Large { mut stream, rest } = self;
        let mut sender = stream.try_clone().unwrap();
        // A server that has said no does not read it all.
        let sending = thread::spawn(move || drop(sender.write_all(&rest)));
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        sending.join().unwrap();
        Told {
            answer: Answer::read(&bytes),
            after: began.elapsed(),
        }
    }
}

impl Told {
    #[track_caller]
    fn is(self, status: u16) -> Answer {
        assert_eq!(self.answer.status, status, "{}", self.answer.text());
        self.answer
    }

    /// The store is away: so the client hears by then, and when to come back.
    #[track_caller]
    fn is_away_within(self, limit: Duration) {
        assert!(self.after < limit + MARGIN, "after {:?}", self.after);
        let answer = self.is(503);
        let retry = maybe_header(&answer, "retry-after");
        assert_eq!(retry.as_deref(), Some("2"), "{}", answer.text());
    }
}
