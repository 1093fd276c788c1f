//! Somebody who uploads until the server is gone, and knows what must be there afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plinth_db::keys::Keys;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::POLL;
use plinth_testkit::random::Random;

use super::place::BUCKET;

/// Most files are not larger than this, so that there are many.
const USUAL: u64 = 1_000_000;
/// Some are, and go to S3 in several parts.
const LARGEST: u64 = 20_000_000;
const PIECE: usize = 500_000;
/// How long the lock on an upload may outlive the server that had it.
const UNLOCKED: Duration = Duration::from_secs(20);
/// Bytes by chance are repeated after so many, which no size of a piece is a multiple of.
const BLOCK: usize = 100_003;

/// One of several at once, each with names of its own.
pub(super) struct Writer {
    number: u64,
    random: Random,
    next: u64,
    /// What was acknowledged, by name; none where a file was removed.
    files: BTreeMap<String, Option<Content>>,
    /// What may have changed since all was looked at.
    latest: Vec<String>,
    /// What was under way when the server was killed: it counts or it does not.
    doubtful: Option<(String, Option<Content>)>,
    /// Uploads in pieces that were under way at a kill.
    unfinished: Vec<Pieces>,
    /// Whether anything was under way when the server was killed last.
    was_killed: bool,
}

/// Bytes that can be made again, so that a gigabyte of them need not be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    seed: u64,
    length: usize,
}

/// An upload in pieces.
struct Pieces {
    name: String,
    content: Content,
    /// Where it goes on.
    path: String,
    acknowledged: usize,
}

/// The server was killed before it answered.
struct Killed;

impl Content {
    fn bytes(self) -> Vec<u8> {
        let mut random = Random::new(self.seed);
        let block: Vec<u8> = (0..BLOCK.div_ceil(8))
            .flat_map(|_| random.bits().to_le_bytes())
            .take(BLOCK)
            .collect();
        let mut bytes = block.repeat(self.length.div_ceil(BLOCK));
        bytes.truncate(self.length);
        bytes
    }
}

impl Writer {
    pub(super) fn new(number: u64, seed: u64) -> Writer {
        Writer {
            number,
            random: Random::new(seed),
            next: 0,
            files: BTreeMap::new(),
            latest: Vec::new(),
            doubtful: None,
            unfinished: Vec::new(),
            was_killed: false,
        }
    }

    /// Uploads until the server is gone.
    pub(super) fn write(&mut self, to: SocketAddr, stop: &AtomicBool) {
        self.was_killed = false;
        while !stop.load(Ordering::SeqCst) {
            let done = match self.random.below(10) {
                0 => self.remove(to),
                1 | 2 => self.replace(to),
                3..=5 => self.in_pieces(to),
                6 | 7 => self.as_form(to),
                _ => self.as_it_is(to),
            };
            if done.is_err() {
                self.was_killed = true;
                return;
            }
        }
    }

    /// Whether something was under way when the server was killed.
    pub(super) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// How many changes were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.files.len()
    }

    /// Looks at what the last round changed. What was doubtful counts from now on as what it has become.
    pub(super) fn check_latest(&mut self, at: SocketAddr) {
        if let Some((name, wanted)) = self.doubtful.take() {
            let before = self.files.get(&name).copied().flatten();
            let found = read(at, &name);
            let is = |content: Option<Content>| found == content.map(Content::bytes);
            let now = if is(wanted) { wanted } else { before };
            assert!(
                is(now),
                "{name} is neither what it was nor what it was to be: {} bytes, not {wanted:?} or {before:?}",
                found.as_ref().map_or(0, Vec::len)
            );
            self.latest.retain(|latest| *latest != name);
            self.files.insert(name, now);
        }
        for name in std::mem::take(&mut self.latest) {
            self.check(at, &name);
        }
    }

    /// Looks at everything.
    pub(super) fn check_all(&self, at: SocketAddr) {
        for name in self.files.keys() {
            self.check(at, name);
        }
    }

    /// Goes on with all that was under way in pieces, to the end; how many there were.
    pub(super) fn go_on(&mut self, to: SocketAddr) -> usize {
        let unfinished = std::mem::take(&mut self.unfinished);
        let count = unfinished.len();
        for pieces in unfinished {
            self.finish(to, pieces);
        }
        count
    }

    fn finish(&mut self, to: SocketAddr, pieces: Pieces) {
        let head = unlocked(&tus("HEAD", &pieces.path), to).expect("nobody kills it now");
        let (name, content) = (pieces.name.clone(), pieces.content);
        if head.status == 200 {
            let offset: usize = header(&head, "upload-offset").parse().unwrap();
            assert!(
                offset >= pieces.acknowledged && offset <= content.length,
                "{offset} of {} bytes are there, {} were acknowledged",
                content.length,
                pieces.acknowledged
            );
            let rest = Pieces {
                acknowledged: offset,
                ..pieces
            };
            let Ok(()) = self.send_pieces(to, rest) else {
                panic!("nobody kills it now");
            };
        } else {
            // Its last piece was the one that was under way, and all of it arrived.
            let last = pieces.acknowledged + PIECE >= content.length;
            assert!(last && matches!(head.status, 404 | 410), "{}", head.head);
            self.done(pieces.name, Some(content));
        }
        self.check(to, &name);
    }

    fn check(&self, at: SocketAddr, name: &str) {
        let wanted = self.files[name].map(Content::bytes);
        let found = read(at, name);
        assert!(
            found == wanted,
            "{name} has {:?} bytes and not {:?}, or others",
            found.map(|bytes| bytes.len()),
            wanted.map(|bytes| bytes.len())
        );
    }

    fn as_it_is(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let name = self.new_name();
        self.put(to, name)
    }

    fn replace(&mut self, to: SocketAddr) -> Result<(), Killed> {
        match self.some_name() {
            Some(name) => self.put(to, name),
            None => Ok(()),
        }
    }

    fn put(&mut self, to: SocketAddr, name: String) -> Result<(), Killed> {
        let content = self.new_content();
        let request = Request::new("POST", &object(&name))
            .body(content.bytes())
            .header("content-type", "application/octet-stream")
            .header("x-upsert", "true");
        self.change(to, &admin(request), name, Some(content))
    }

    fn as_form(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let (name, content) = (self.new_name(), self.new_content());
        let mut body =
            b"--form\r\ncontent-disposition: form-data; name=\"cacheControl\"\r\n\r\n3600\r\n"
                .to_vec();
        body.extend(b"--form\r\ncontent-disposition: form-data; name=\"\"; filename=\"blob\"\r\ncontent-type: image/png\r\n\r\n");
        body.extend(content.bytes());
        body.extend(b"\r\n--form--\r\n");
        let request = Request::new("POST", &object(&name))
            .body(body)
            .header("content-type", "multipart/form-data; boundary=form");
        self.change(to, &admin(request), name, Some(content))
    }

    fn remove(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let Some(name) = self.some_name() else {
            return Ok(());
        };
        let request = Request::new("DELETE", &object(&name));
        self.change(to, &admin(request), name, None)
    }

    fn in_pieces(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let (name, content) = (self.new_name(), self.new_content());
        let metadata = [("bucketName", BUCKET), ("objectName", name.as_str())]
            .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
        let create = tus("POST", "/storage/v1/upload/resumable")
            .header("upload-length", content.length.to_string())
            .header("upload-metadata", metadata.join(","));
        // Without an answer nobody knows where to send pieces: it expires.
        let created = create.try_send(to).ok_or(Killed)?;
        assert_eq!(created.status, 201, "{}", created.text());
        let location = header(&created, "location");
        let path = location.find("/storage/").map(|at| &location[at..]);
        let pieces = Pieces {
            name,
            content,
            path: path.expect("a path below the storage service").to_owned(),
            acknowledged: 0,
        };
        self.send_pieces(to, pieces)
    }

    fn send_pieces(&mut self, to: SocketAddr, mut pieces: Pieces) -> Result<(), Killed> {
        let bytes = pieces.content.bytes();
        while pieces.acknowledged < bytes.len() {
            let end = bytes.len().min(pieces.acknowledged + PIECE);
            let request = tus("PATCH", &pieces.path)
                .body(&bytes[pieces.acknowledged..end])
                .header("content-type", "application/offset+octet-stream")
                .header("upload-offset", pieces.acknowledged.to_string());
            let Some(answer) = unlocked(&request, to) else {
                self.unfinished.push(pieces);
                return Err(Killed);
            };
            assert_eq!(answer.status, 204, "{}", answer.text());
            assert_eq!(header(&answer, "upload-offset"), end.to_string());
            pieces.acknowledged = end;
        }
        self.done(pieces.name, Some(pieces.content));
        Ok(())
    }

    fn change(
        &mut self,
        to: SocketAddr,
        request: &Request,
        name: String,
        becomes: Option<Content>,
    ) -> Result<(), Killed> {
        let Some(answer) = request.try_send(to) else {
            self.doubtful = Some((name, becomes));
            return Err(Killed);
        };
        assert_eq!(answer.status, 200, "{request}: {}", answer.text());
        self.done(name, becomes);
        Ok(())
    }

    fn done(&mut self, name: String, content: Option<Content>) {
        self.latest.push(name.clone());
        self.files.insert(name, content);
    }

    fn new_name(&mut self) -> String {
        self.next += 1;
        format!("{}/{}.bin", self.number, self.next)
    }

    /// A file that is there, among those of this round.
    fn some_name(&mut self) -> Option<String> {
        let there: Vec<&String> = self
            .latest
            .iter()
            .filter(|name| self.files[*name].is_some())
            .collect();
        if there.is_empty() {
            return None;
        }
        let place = usize::try_from(self.random.below(there.len() as u64)).unwrap();
        Some(there[place].clone())
    }

    fn new_content(&mut self) -> Content {
        let most = if self.random.chance(10) {
            LARGEST
        } else {
            USUAL
        };
        Content {
            seed: self.random.bits(),
            length: usize::try_from(1 + self.random.below(most)).unwrap(),
        }
    }
}

/// The answer of an upload in pieces, once nobody else has it: the server that was killed had it and could not let it go.
fn unlocked(request: &Request, to: SocketAddr) -> Option<Answer> {
    let began = Instant::now();
    loop {
        let answer = request.try_send(to)?;
        if answer.status != 423 || began.elapsed() > UNLOCKED {
            return Some(answer);
        }
        thread::sleep(POLL);
    }
}

/// The whole of a file; none where there is no such file.
fn read(at: SocketAddr, name: &str) -> Option<Vec<u8>> {
    let answer = admin(Request::get(&object(name))).send(at);
    if answer.status == 200 {
        return Some(answer.body);
    }
    assert_eq!(
        answer.json()["code"],
        "NoSuchKey",
        "{name}: {}",
        answer.text()
    );
    None
}

fn object(name: &str) -> String {
    format!("/storage/v1/object/{BUCKET}/{name}")
}

fn tus(method: &str, path: &str) -> Request {
    admin(Request::new(method, path)).header("tus-resumable", "1.0.0")
}

fn admin(request: Request) -> Request {
    let keys = Keys::local();
    let key = keys.service_role_jwt.expose();
    request
        .header("apikey", key)
        .header("authorization", format!("Bearer {key}"))
}

fn header(answer: &Answer, name: &str) -> String {
    let line = answer.head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    });
    line.unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}
