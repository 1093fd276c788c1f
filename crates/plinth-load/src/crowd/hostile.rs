//! Clients that mean no good, a thousand at once, and the reads of others beside them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, oneshot};

use super::helper::{self, Helper};
use super::{CLIENTS, pairs};
use crate::process::{Disturbance, Usage, forget_peak, memory_kib};
use crate::servers::Server;
use crate::workload::Work;

/// Connections that mean no good.
pub(super) const HOSTILE: usize = 1_000;
/// As many of each: malformed heads, heads that are too large, heads byte by byte, bodies without end that come slowly, and fast, and bodies
/// that stop just before their end.
const KINDS: usize = 6;
/// The largest body that is taken under `/rest/v1`.
const REST_BODY_BYTES: usize = 8 << 20;
/// How long bad clients go on at most, should their parent forget them.
const HOSTILE_TIME: Duration = Duration::from_mins(2);
/// Before one that was turned away comes again.
const PAUSE: Duration = Duration::from_secs(1);

/// What they did to others.
pub(crate) struct Hostile {
    /// Reads a second without them, and with them.
    pub(crate) alone: f64,
    pub(crate) beside: f64,
    /// The most memory of the server meanwhile, in KiB.
    pub(crate) most_kib: u64,
    pub(crate) found: Found,
    /// Cores that they kept busy themselves.
    pub(crate) cores: f64,
    pub(crate) disturbance: Disturbance,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Open at once, before any of them began.
    pub(crate) connected: usize,
    /// Open at the end.
    pub(crate) open: usize,
    /// Connections that were not taken.
    pub(crate) refused: usize,
    /// Connections that the server ended.
    pub(crate) turned_away: usize,
}

/// Reads with and without them.
pub(super) fn measure(server: &Server, time: Duration) -> Result<Hostile> {
    let pair = pairs(server, time, |number| {
        let (address, process) = (server.address.to_string(), server.process());
        let mut helper = Helper::start(&["hostile", &address, server.key()])?;
        helper.wait_until_ready()?;
        forget_peak(process)?;
        let before = Usage::now(helper.process())?;
        let tally = server.load(Work::Read, CLIENTS, time, number)?;
        let used = Usage::now(helper.process())?.since(before);
        let most_kib = memory_kib(process)?.1;
        let found = Found::parse(&helper.ask()?)?;
        Ok((tally, (most_kib, found, used.server_cores())))
    })?;
    let (most_kib, found, cores) = pair.others;
    Ok(Hostile {
        alone: pair.alone,
        beside: pair.beside.rate(),
        most_kib,
        found,
        cores,
        disturbance: pair.disturbance,
    })
}

impl Found {
    /// As a helper says it.
    fn parse(line: &str) -> Result<Found> {
        let numbers: Result<Vec<usize>, _> = line.split(' ').map(str::parse::<usize>).collect();
        let numbers = numbers.with_context(|| format!("a helper said {line:?}"))?;
        let [connected, open, refused, turned_away] = numbers[..] else {
            bail!("a helper said {line:?}");
        };
        Ok(Found {
            connected,
            open,
            refused,
            turned_away,
        })
    }
}

/// In the helper: all connect, and when all have tried, all begin.
pub(crate) fn be_hostile(target: SocketAddr, key: &str) -> Result<()> {
    let shared = Arc::new(Shared {
        target,
        key: key.to_owned(),
        until: Instant::now() + HOSTILE_TIME,
        all_there: Barrier::new(HOSTILE + 1),
        counts: Counts::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        for number in 0..HOSTILE {
            tokio::spawn(client(Arc::clone(&shared), number % KINDS));
        }
        shared.all_there.wait().await;
        let (parent, parent_is_gone) = oneshot::channel::<()>();
        let counted = Arc::clone(&shared);
        std::thread::spawn(move || {
            let said = helper::say_ready().and_then(|()| helper::answer(|| counted.counts.line()));
            drop(parent);
            said
        });
        tokio::select! {
            () = tokio::time::sleep_until(shared.until.into()) => {}
            _ = parent_is_gone => {}
        }
        Ok(())
    })
}

/// What all bad clients of a helper have in common.
struct Shared {
    target: SocketAddr,
    key: String,
    until: Instant,
    all_there: Barrier,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    connected: AtomicUsize,
    open: AtomicUsize,
    refused: AtomicUsize,
    turned_away: AtomicUsize,
}

impl Counts {
    fn line(&self) -> String {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        format!(
            "{} {} {} {}",
            of(&self.connected),
            of(&self.open),
            of(&self.refused),
            of(&self.turned_away)
        )
    }
}

/// One bad client, which begins anew when it is turned away.
async fn client(shared: Arc<Shared>, kind: usize) {
    let counts = &shared.counts;
    let add = |count: &AtomicUsize| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let mut stream = connect(&shared).await;
    if stream.is_some() {
        add(&counts.connected);
    }
    shared.all_there.wait().await;
    while Instant::now() < shared.until {
        if let Some(mut open) = stream.take() {
            // It is meant to be refused, in whatever way.
            let _refused = misbehave(&mut open, kind, &shared).await;
            counts.open.fetch_sub(1, Ordering::Relaxed);
            add(&counts.turned_away);
        }
        tokio::time::sleep(PAUSE).await;
        stream = connect(&shared).await;
    }
}

async fn connect(shared: &Shared) -> Option<TcpStream> {
    let stream = TcpStream::connect(shared.target).await.ok();
    let count = match stream {
        Some(_) => &shared.counts.open,
        None => &shared.counts.refused,
    };
    count.fetch_add(1, Ordering::Relaxed);
    stream
}

async fn misbehave(stream: &mut TcpStream, kind: usize, shared: &Shared) -> std::io::Result<()> {
    match kind {
        0 => malformed(stream).await,
        1 => oversized(stream).await,
        2 => dripping(stream, shared).await,
        3 => endless(stream, shared, 1024, Duration::from_millis(200)).await,
        4 => endless(stream, shared, 64 * 1024, Duration::ZERO).await,
        _ => stalling(stream, shared).await,
    }
}

async fn malformed(stream: &mut TcpStream) -> std::io::Result<()> {
    stream
        .write_all(b"GET /rest/v1/messages?select=<*> HTTP/1.1\r\nhost: \x00\r\n\x01: {\r\n\r\n")
        .await?;
    drain(stream).await
}

async fn oversized(stream: &mut TcpStream) -> std::io::Result<()> {
    let head = format!(
        "GET /rest/v1/messages?select={} HTTP/1.1\r\nhost: x\r\n\r\n",
        "a".repeat(100_000)
    );
    stream.write_all(head.as_bytes()).await?;
    drain(stream).await
}

/// A byte a second.
async fn dripping(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    let head = b"GET /rest/v1/messages HTTP/1.1\r\nhost: x\r\nx-slow: ";
    for byte in head.iter().chain(std::iter::repeat(&b'a')) {
        if Instant::now() > shared.until {
            break;
        }
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// A body that never ends, in pieces of so many bytes with a pause after each; without one, as fast as it goes.
async fn endless(
    stream: &mut TcpStream,
    shared: &Shared,
    piece_bytes: usize,
    pause: Duration,
) -> std::io::Result<()> {
    let head = format!(
        "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nhost: x\r\napikey: {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        shared.key
    );
    stream.write_all(head.as_bytes()).await?;
    let piece = format!("{piece_bytes:x}\r\n{}\r\n", " ".repeat(piece_bytes));
    while Instant::now() < shared.until {
        stream.write_all(piece.as_bytes()).await?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// All of the largest body that is taken, but for its last byte, and then silence.
async fn stalling(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    static PIECE: [u8; 64 * 1024] = [b' '; 64 * 1024];
    let head = format!(
        "POST /rest/v1/messages HTTP/1.1\r\nhost: x\r\napikey: {}\r\n\
         content-type: application/json\r\ncontent-length: {REST_BODY_BYTES}\r\n\r\n",
        shared.key
    );
    stream.write_all(head.as_bytes()).await?;
    let mut left = REST_BODY_BYTES - 1;
    while left > 0 {
        let length = left.min(PIECE.len());
        stream.write_all(&PIECE[..length]).await?;
        left -= length;
    }
    drain(stream).await
}

/// Reads until the server closes.
async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_helper_counted_is_read_again() {
        let counts = Counts::default();
        counts.connected.store(998, Ordering::Relaxed);
        counts.open.store(600, Ordering::Relaxed);
        counts.refused.store(2, Ordering::Relaxed);
        counts.turned_away.store(1200, Ordering::Relaxed);
        let found = Found {
            connected: 998,
            open: 600,
            refused: 2,
            turned_away: 1200,
        };
        assert_eq!(Found::parse(&counts.line()).unwrap(), found);
        assert!(Found::parse("ready").is_err() && Found::parse("1 2 3").is_err());
    }
}
