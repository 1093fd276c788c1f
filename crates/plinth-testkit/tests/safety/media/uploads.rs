//! Somebody who uploads until the server is gone, and knows what must be there afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::POLL;
use plinth_testkit::random::Random;
use serde_json::json;

use super::client::{OCTETS, admin, by_s3, header, location, object, put, read, tus};
use super::parts::{Cut, Parts};
use super::place::BUCKET;

/// Most files are not larger than this, so that there are many.
const USUAL: u64 = 1_000_000;
/// Some are, and go to S3 in several parts.
const LARGEST: u64 = 20_000_000;
const PIECE: usize = 500_000;
/// More than the first of two parts may have at least.
const TWO_PARTS: u64 = 5_500_000;
/// After so many bytes an upload has begun in every store.
const BEGUN: usize = 9_000_000;
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
    /// What was under way when the server was killed: all of it counts or nothing does.
    doubtful: Option<Change>,
    /// Uploads in pieces that were under way at a kill.
    unfinished: Vec<Pieces>,
    /// The same in parts. Of some the end was under way.
    unfinished_parts: Vec<Parts>,
    /// Whether anything was under way when the server was killed last.
    was_killed: bool,
}

/// What one request makes of files, by their names.
type Change = Vec<(String, Option<Content>)>;

/// Bytes that can be made again, so that a gigabyte of them need not be kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Content {
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
pub(super) struct Killed;

impl Content {
    pub(super) fn bytes(self) -> Vec<u8> {
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

impl Pieces {
    /// Without an answer nobody knows where to send pieces: it expires.
    fn begin(to: SocketAddr, name: String, content: Content) -> Result<Pieces, Killed> {
        let metadata = [("bucketName", BUCKET), ("objectName", name.as_str())]
            .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
        let create = tus("POST", "/storage/v1/upload/resumable")
            .header("upload-length", content.length.to_string())
            .header("upload-metadata", metadata.join(","));
        let created = create.try_send(to).ok_or(Killed)?;
        assert_eq!(created.status, 201, "{}", created.text());
        Ok(Pieces {
            name,
            content,
            path: location(&created),
            acknowledged: 0,
        })
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
            unfinished_parts: Vec::new(),
            was_killed: false,
        }
    }

    /// Uploads until the server is gone.
    pub(super) fn write(&mut self, to: SocketAddr, stop: &AtomicBool) {
        self.was_killed = false;
        while !stop.load(Ordering::SeqCst) {
            let done = match self.random.below(16) {
                0 => self.remove(to),
                1 | 2 => self.replace(to),
                3..=5 => self.in_pieces(to),
                6 | 7 => self.as_form(to),
                8 | 9 => self.in_parts(to),
                10 => self.copy(to),
                11 => self.rename(to),
                12 => self.with_signed_url(to),
                13 => self.to_s3(to),
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
        if let Some(wanted) = self.doubtful.take() {
            let before: Change = wanted
                .iter()
                .map(|(name, _)| (name.clone(), self.files.get(name).copied().flatten()))
                .collect();
            let found: Vec<Option<Vec<u8>>> =
                wanted.iter().map(|(name, _)| read(at, name)).collect();
            let is = |change: &Change| {
                let mut pairs = change.iter().zip(&found);
                pairs.all(|((_, content), found)| *found == content.map(Content::bytes))
            };
            let lengths: Vec<_> = found
                .iter()
                .map(|bytes| bytes.as_ref().map(Vec::len))
                .collect();
            assert!(
                is(&wanted) || is(&before),
                "neither what was nor what was to be: {lengths:?} bytes, not {wanted:?} or {before:?}"
            );
            let now = if is(&wanted) { wanted } else { before };
            for (name, content) in now {
                self.latest.retain(|latest| *latest != name);
                self.files.insert(name, content);
            }
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

    /// Goes on with all that was under way in pieces and in parts, to the end; how many there were.
    pub(super) fn go_on(&mut self, to: SocketAddr) -> usize {
        let unfinished = std::mem::take(&mut self.unfinished);
        let unfinished_parts = std::mem::take(&mut self.unfinished_parts);
        let count = unfinished.len() + unfinished_parts.len();
        for pieces in unfinished {
            self.finish(to, pieces);
        }
        for mut parts in unfinished_parts {
            // Also where its end was under way and may have been reached: who did not hear of it asks again.
            let Ok(()) = parts.send(to) else {
                panic!("nobody kills it now");
            };
            self.done(vec![(parts.name.clone(), Some(parts.content))]);
            self.check(to, &parts.name);
        }
        count
    }

    /// Begins an upload in pieces and one in parts, and leaves them where every store has something of them.
    pub(super) fn leave_two(&mut self, to: SocketAddr) {
        let content = Content {
            seed: self.random.bits(),
            length: 2 * BEGUN,
        };
        let name = self.new_name();
        let Ok(pieces) = Pieces::begin(to, name, content) else {
            panic!("nobody kills it now");
        };
        let answer = patch(&pieces.path, 0, &content.bytes()[..BEGUN]).send(to);
        assert_eq!(answer.status, 204, "{}", answer.text());
        let name = self.new_name();
        let Ok(mut parts) = Parts::begin(to, name, content) else {
            panic!("nobody kills it now");
        };
        assert!(parts.send_part(to, b"a part").is_ok());
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
            self.done(vec![(pieces.name, Some(content))]);
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
        match self.some_file() {
            Some((name, _)) => self.put(to, name),
            None => Ok(()),
        }
    }

    fn put(&mut self, to: SocketAddr, name: String) -> Result<(), Killed> {
        let content = self.new_content();
        let request = put(&name, content.bytes());
        self.change(to, &request, vec![(name, Some(content))])
    }

    fn to_s3(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let (name, content) = (self.new_name(), self.new_content());
        let request = by_s3("PUT", &name, &[], &[]).body(content.bytes());
        self.change(to, &request, vec![(name, Some(content))])
    }

    fn with_signed_url(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let (name, content) = (self.new_name(), self.new_content());
        let path = format!("/storage/v1/object/upload/sign/{BUCKET}/{name}");
        let sign = admin(Request::new("POST", &path));
        let signed = sign.try_send(to).ok_or(Killed)?;
        assert_eq!(signed.status, 200, "{}", signed.text());
        let token = signed.json()["token"].as_str().expect("a token").to_owned();
        let request = Request::new("PUT", &format!("{path}?token={token}"))
            .body(content.bytes())
            .header("content-type", OCTETS);
        self.change(to, &request, vec![(name, Some(content))])
    }

    /// By one of the two protocols.
    fn copy(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let Some((source, content)) = self.some_file() else {
            return Ok(());
        };
        let name = self.new_name();
        let request = match self.random.chance(50) {
            true => transfer("copy", &source, &name),
            false => {
                let source = format!("/{BUCKET}/{source}");
                by_s3("PUT", &name, &[], &[("x-amz-copy-source", source.as_str())])
            }
        };
        self.change(to, &request, vec![(name, Some(content))])
    }

    fn rename(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let Some((source, content)) = self.some_file() else {
            return Ok(());
        };
        let name = self.new_name();
        let request = transfer("move", &source, &name);
        self.change(to, &request, vec![(source, None), (name, Some(content))])
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
        self.change(to, &admin(request), vec![(name, Some(content))])
    }

    fn remove(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let Some((name, _)) = self.some_file() else {
            return Ok(());
        };
        let request = Request::new("DELETE", &object(&name));
        self.change(to, &admin(request), vec![(name, None)])
    }

    fn in_parts(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let least = if self.random.chance(50) { 1 } else { TWO_PARTS };
        let content = Content {
            seed: self.random.bits(),
            length: usize::try_from(least + self.random.below(USUAL)).unwrap(),
        };
        let name = self.new_name();
        let mut parts = Parts::begin(to, name, content)?;
        match parts.send(to) {
            Ok(()) => {
                self.done(vec![(parts.name, Some(content))]);
                Ok(())
            }
            Err(cut) => {
                if let Cut::AtTheEnd = cut {
                    self.doubtful = Some(vec![(parts.name.clone(), Some(content))]);
                }
                self.unfinished_parts.push(parts);
                Err(Killed)
            }
        }
    }

    fn in_pieces(&mut self, to: SocketAddr) -> Result<(), Killed> {
        let (name, content) = (self.new_name(), self.new_content());
        let pieces = Pieces::begin(to, name, content)?;
        self.send_pieces(to, pieces)
    }

    fn send_pieces(&mut self, to: SocketAddr, mut pieces: Pieces) -> Result<(), Killed> {
        let bytes = pieces.content.bytes();
        while pieces.acknowledged < bytes.len() {
            let end = bytes.len().min(pieces.acknowledged + PIECE);
            let at = pieces.acknowledged;
            let request = patch(&pieces.path, at, &bytes[at..end]);
            let Some(answer) = unlocked(&request, to) else {
                self.unfinished.push(pieces);
                return Err(Killed);
            };
            assert_eq!(answer.status, 204, "{}", answer.text());
            assert_eq!(header(&answer, "upload-offset"), end.to_string());
            pieces.acknowledged = end;
        }
        self.done(vec![(pieces.name, Some(pieces.content))]);
        Ok(())
    }

    fn change(&mut self, to: SocketAddr, request: &Request, change: Change) -> Result<(), Killed> {
        let Some(answer) = request.try_send(to) else {
            self.doubtful = Some(change);
            return Err(Killed);
        };
        assert_eq!(answer.status, 200, "{request}: {}", answer.text());
        self.done(change);
        Ok(())
    }

    fn done(&mut self, change: Change) {
        for (name, content) in change {
            self.latest.push(name.clone());
            self.files.insert(name, content);
        }
    }

    fn new_name(&mut self) -> String {
        self.next += 1;
        format!("{}/{}.bin", self.number, self.next)
    }

    /// A file that is there, among those of this round.
    fn some_file(&mut self) -> Option<(String, Content)> {
        let there: Vec<(&String, Content)> = self
            .latest
            .iter()
            .filter_map(|name| Some((name, self.files[name]?)))
            .collect();
        if there.is_empty() {
            return None;
        }
        let place = usize::try_from(self.random.below(there.len() as u64)).unwrap();
        let (name, content) = there[place];
        Some((name.clone(), content))
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

/// The bytes behind those that are there.
fn patch(path: &str, at: usize, bytes: &[u8]) -> Request {
    tus("PATCH", path)
        .body(bytes)
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", at.to_string())
}

/// Makes of one file another, or gives it another name.
fn transfer(how: &str, source: &str, destination: &str) -> Request {
    let body = json!({ "bucketId": BUCKET, "sourceKey": source, "destinationKey": destination });
    admin(Request::post(
        &format!("/storage/v1/object/{how}"),
        body.to_string(),
    ))
}
