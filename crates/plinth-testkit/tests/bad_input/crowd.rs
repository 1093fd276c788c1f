//! A thousand clients that mean no good, all at once: whoever means well is answered meanwhile, and the server's memory keeps its bound.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::refusals::rest_difference;
use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::{Answer, Request};

/// Who is in the crowd.
const CROWD: [(Kind, usize); 6] = [
    (Kind::Malformed, 200),
    (Kind::Oversized, 200),
    (Kind::Slow, 200),
    // They want 1.6 GiB, and some thirty of them find room.
    (Kind::Stalled, 200),
    (Kind::EndlessHead, 100),
    (Kind::EndlessBody, 100),
];
/// Connections of all of them.
const CONNECTIONS: usize = 1_000;

/// Largest body.
const LIMIT: usize = 8 << 20;
/// Memory of all bodies, but for the beginning of each.
const BODIES: usize = 256 << 20;
/// Memory of a connection: the beginning of its body (64 KiB), and what the HTTP library reads ahead of whoever takes it (408 KiB).
const CONNECTION: usize = 512 << 10;
/// What the server takes while nobody asks for anything, and what its allocator keeps for a while.
const OTHER: usize = 128 << 20;
/// The most memory that it may ever have had.
const MOST: usize = BODIES + CONNECTIONS * CONNECTION + OTHER;

/// Files of this process: the crowd, and what other tests have open beside this one.
#[cfg(unix)]
const FILES: u64 = 2_500;
/// Bytes that a client's system keeps for it: what the server does not take should not fill the memory of this machine.
const SEND_BUFFER: u32 = 64 << 10;
/// Bytes at a time of those who send as fast as they can.
const PIECE: usize = 64 << 10;
/// Pause of a client that sends a little at a time.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two that stall: they fill what there is one after the other, and not all of it in halves.
const STAGGER: Duration = Duration::from_millis(20);

/// So many that stall must have been told to come back.
const TOLD: usize = 50;
/// How long all of it may take.
const STAGE: Duration = Duration::from_secs(20);
/// How long somebody who means well may wait for an answer, asking again when told to.
const HONEST_LIMIT: Duration = Duration::from_secs(8);
/// Between two requests of somebody who means well.
const HONEST_PAUSE: Duration = Duration::from_millis(20);

/// How clients mean no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Speaks no HTTP.
    Malformed,
    /// Has more to send than is taken.
    Oversized,
    /// Sends a body byte by byte.
    Slow,
    /// Sends all of the largest body but its last byte.
    Stalled,
    /// Sends a head without end.
    EndlessHead,
    /// Sends a body without end.
    EndlessBody,
}

/// How many of the crowd were answered.
#[derive(Debug, Default)]
struct Tally {
    malformed: usize,
    oversized: usize,
    /// Those that stalled and found no room.
    busy: usize,
}

#[test]
fn a_crowd_that_means_no_good_takes_a_bounded_memory_and_nobodys_answer() {
    allow_files();
    let members: usize = CROWD.iter().map(|(_, count)| count).sum();
    assert_eq!(members, CONNECTIONS);
    with_server(|server| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (tell, told) = mpsc::channel();
        for (kind, count) in CROWD {
            for number in 0..count {
                let member = member(
                    kind,
                    number,
                    server.address(),
                    server.keys.publishable.clone(),
                );
                let tell = tell.clone();
                runtime.spawn(async move {
                    // Who is cut off has heard nothing.
                    if let Ok(answer) = member.await {
                        let _heard_enough = tell.send((kind, answer));
                    }
                });
            }
        }
        let began = Instant::now();
        let mut tally = Tally::default();
        while !tally.is_enough() {
            assert!(began.elapsed() < STAGE, "{tally:?}");
            ask_honestly(server);
            let first = told.recv_timeout(HONEST_PAUSE);
            for (kind, answer) in first.into_iter().chain(told.try_iter()) {
                tally.note(kind, &answer);
            }
        }
        drop(runtime);
        // The server hears of it before this is answered.
        ask_honestly(server);
        if let Some(bytes) = most_memory(server.process()) {
            assert!(bytes < MOST, "{} MiB of {}", bytes >> 20, MOST >> 20);
        }
    });
}

impl Tally {
    fn is_enough(&self) -> bool {
        CROWD.contains(&(Kind::Malformed, self.malformed))
            && CROWD.contains(&(Kind::Oversized, self.oversized))
            && self.busy >= TOLD
    }

    fn note(&mut self, kind: Kind, answer: &Answer) {
        let is_late = answer.json()["code"] == "overloaded";
        let (counted, status, code) = match kind {
            Kind::Malformed => (&mut self.malformed, 400, "bad_request"),
            Kind::Oversized => (&mut self.oversized, 413, "request_entity_too_large"),
            // It has gone away while bytes of it were on their way, and has lost its answer.
            Kind::Stalled if answer.status == 0 || is_late => return,
            Kind::Stalled => (&mut self.busy, 503, "server_busy"),
            // When they are cut off, and with which words, is not what this is about.
            Kind::Slow | Kind::EndlessHead | Kind::EndlessBody => return,
        };
        // With so many at once anybody may come too late.
        let difference = match is_late {
            true => rest_difference(answer, 503, "overloaded"),
            false => rest_difference(answer, status, code),
        };
        assert_eq!(
            difference,
            None,
            "{kind:?}: {} {}",
            answer.head,
            answer.text()
        );
        if answer.status == 503 {
            assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
        }
        *counted += 1;
    }
}

/// Does what a client of its kind does, to the end of its connection, and gives what it was answered.
async fn member(kind: Kind, number: usize, to: SocketAddr, key: String) -> io::Result<Answer> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    let mut stream = socket.connect(to).await?;
    let post = |header: &str| {
        format!(
            "POST {NOTES} HTTP/1.1\r\nhost: 127.0.0.1\r\napikey: {key}\r\ncontent-type: application/json\r\n{header}\r\n"
        )
    };
    let sized = |bytes: usize| post(&format!("content-length: {bytes}\r\n"));
    match kind {
        Kind::Malformed => stream.write_all(b"hello\r\n\r\n").await?,
        Kind::Oversized => stream.write_all(sized(LIMIT + 1).as_bytes()).await?,
        Kind::Slow => {
            stream.write_all(sized(LIMIT).as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Kind::Stalled => {
            let turn = u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep(STAGGER * turn).await;
            stream.write_all(sized(LIMIT).as_bytes()).await?;
            let piece = vec![b' '; PIECE];
            let mut left = LIMIT - 1;
            while left > 0 {
                let now = left.min(piece.len());
                stream.write_all(&piece[..now]).await?;
                left -= now;
            }
        }
        Kind::EndlessHead => {
            let line = format!("GET {NOTES} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-endless: ");
            stream.write_all(line.as_bytes()).await?;
            let more = "a".repeat(1 << 10);
            loop {
                stream.write_all(more.as_bytes()).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Kind::EndlessBody => {
            let head = post("transfer-encoding: chunked\r\n");
            stream.write_all(head.as_bytes()).await?;
            let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    let mut bytes = Vec::new();
    // What came before the connection was reset counts.
    drop(stream.read_to_end(&mut bytes).await);
    Ok(Answer::read(&bytes))
}

/// Reads a table and calls a function, with a small body. Both are answered, if need be a little later.
fn ask_honestly(server: &Server) {
    let requests = [
        (
            Request::get("/rest/v1/people?select=name&order=name"),
            json!([{ "name": "Ann" }, { "name": "Bob" }]),
        ),
        (
            Request::post("/rest/v1/rpc/add_up", r#"{"a": 1, "b": 2}"#),
            json!(3),
        ),
    ];
    for (request, expected) in requests {
        let began = Instant::now();
        let mut answer = server.ask(&request);
        // Only one who comes too late is told to come again, and when.
        while answer.json()["code"] == "overloaded" {
            assert!(began.elapsed() < HONEST_LIMIT, "{request} is never in time");
            thread::sleep(Duration::from_secs(1));
            answer = server.ask(&request);
        }
        assert_eq!((answer.status, answer.json()), (200, expected), "{request}");
        assert!(began.elapsed() < HONEST_LIMIT, "{request} took too long");
    }
}

/// Lets this process open as many files as it needs.
#[cfg(unix)]
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|files| files < FILES) {
        let raised = Rlimit {
            current: Some(limit.maximum.map_or(FILES, |most| most.min(FILES))),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
}

#[cfg(not(unix))]
fn allow_files() {}

/// The most memory that a process ever had, in bytes, where the system tells.
#[cfg(target_os = "linux")]
fn most_memory(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
    Some(kib.parse::<usize>().unwrap() << 10)
}

#[cfg(not(target_os = "linux"))]
fn most_memory(_process: u32) -> Option<usize> {
    None
}
