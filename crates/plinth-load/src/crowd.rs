//! Many users at once: connections that do nothing, more requests than can be answered, clients that mean no good, and a
//! flood of sign-ins.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::generator::{Pace, Plan, Tally, run};
use crate::process::memory_kib;
use crate::servers::{Places, Server, WARM_UP};
use crate::workload::Work;

/// Idle connections: nearly as many as a process here may have files.
const IDLE: usize = 18_000;
/// Processes that hold them, each from an address of its own: an address has some 28,000 ports.
const HOLDERS: usize = 2;
/// Connections over which too much is asked.
const CROWD: usize = 2_000;
/// Clients of a peak.
const CLIENTS: usize = 64;
/// Connections that mean no good.
pub(crate) const HOSTILE: usize = 1_000;

/// What was found.
pub(crate) struct Crowd {
    /// Memory of the server before, in KiB.
    pub(crate) before_kib: u64,
    /// Memory of each idle connection, in KiB.
    pub(crate) idle_kib: f64,
    /// A read beside them, 99 of 100, in microseconds.
    pub(crate) beside_idle_p99: u64,
    /// Answers a second to as many as it can serve, and with twice as many asked for.
    pub(crate) overload: Vec<Overload>,
    /// Reads a second alone, beside bad clients, and the most memory then, in KiB.
    pub(crate) hostile: (f64, f64, u64),
    /// Reads a second alone and beside sign-ins, their p99 in microseconds, and the sign-ins a second.
    pub(crate) flood: (f64, f64, u64, f64),
    /// Time from start to the first answer, with data in place, and memory then, in KiB.
    pub(crate) start: (Duration, u64),
}

/// One kind of work, asked for twice as often as it can be done.
pub(crate) struct Overload {
    pub(crate) work: Work,
    pub(crate) peak: f64,
    pub(crate) tally: Tally,
}

/// Measures all of it on a Plinth that is filled for it.
pub(crate) fn measure(places: &Places, time: Duration, say: &mut dyn FnMut(&str)) -> Result<Crowd> {
    let mut server = Server::prepare(crate::servers::Kind::Plinth, places)?;
    server.restart(places, None)?;
    let start = (server.started_in, memory_kib(server.process())?.0);
    say(&format!(
        "started on its data in {:.0} ms",
        start.0.as_secs_f64() * 1e3
    ));
    let (before_kib, idle_kib, beside_idle_p99) = idle(&server, time)?;
    say(&format!(
        "{IDLE} idle connections, {idle_kib:.1} KiB each; a read beside them p99 {beside_idle_p99} µs"
    ));
    server.restart(places, None)?;
    let hostile = hostile(&server, time)?;
    say(&format!(
        "beside bad clients {:.0} of {:.0} reads a second, at most {} MiB",
        hostile.1,
        hostile.0,
        hostile.2 / 1024
    ));
    let flood = flood(&server, time)?;
    say(&format!(
        "beside {:.0} sign-ins a second {:.0} of {:.0} reads a second, p99 {} µs",
        flood.3, flood.1, flood.0, flood.2
    ));
    server.restart(places, Some(0))?;
    let overload = [Work::Read, Work::List, Work::ListTotal]
        .into_iter()
        .map(|work| overload(&server, work, time))
        .collect::<Result<Vec<_>>>()?;
    for found in &overload {
        say(&format!(
            "overload, {}: {:.0} of {:.0} a second, p99 {} µs; refused {:.0} a second, p99 {} µs",
            found.work.name(),
            found.tally.rate(),
            found.peak,
            found.tally.within(0.99),
            found.tally.refused_rate(),
            found.tally.refused.value_at_quantile(0.99)
        ));
    }
    Ok(Crowd {
        before_kib,
        idle_kib,
        beside_idle_p99,
        overload,
        hostile,
        flood,
        start,
    })
}

/// Connections that made one request and are kept open.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn idle(server: &Server, time: Duration) -> Result<(u64, f64, u64)> {
    // What every server sets aside once is not theirs.
    closed(server, Work::Read, CLIENTS, time)?;
    let before = memory_kib(server.process())?.0;
    let mut holders = Vec::new();
    for number in 0..HOLDERS {
        let count = (IDLE / HOLDERS).to_string();
        let source = format!("127.0.0.{}", number + 2);
        let (address, key) = (server.address.to_string(), server.key());
        holders.push(Helper::start(&["hold", &address, &source, &count, key])?);
    }
    for holder in &mut holders {
        holder.wait_until_ready()?;
    }
    let after = memory_kib(server.process())?.0;
    let beside = closed(server, Work::Read, CLIENTS, time)?;
    let each = after.saturating_sub(before) as f64 / IDLE as f64;
    Ok((before, each, beside.within(0.99)))
}

/// Reads with and without something beside them: in turn, and the pair in the middle counts, since a machine that is shared
/// is now faster and now slower.
fn pairs(
    server: &Server,
    time: Duration,
    beside: impl Fn() -> Result<(Tally, f64)>,
) -> Result<(f64, Tally, f64)> {
    const PAIRS: usize = 3;
    let mut found = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let alone = closed(server, Work::Read, CLIENTS, time)?.rate();
        let (tally, others) = beside()?;
        found.push((alone, tally, others));
    }
    found.sort_by(|a, b| (a.1.rate() / a.0).total_cmp(&(b.1.rate() / b.0)));
    Ok(found.swap_remove(PAIRS / 2))
}

fn hostile(server: &Server, time: Duration) -> Result<(f64, f64, u64)> {
    let (alone, beside, _) = pairs(server, time, || {
        let mut helper = Helper::start(&["hostile", &server.address.to_string()])?;
        helper.wait_until_ready()?;
        Ok((closed(server, Work::Read, CLIENTS, time)?, 0.0))
    })?;
    Ok((alone, beside.rate(), memory_kib(server.process())?.1))
}

fn flood(server: &Server, time: Duration) -> Result<(f64, f64, u64, f64)> {
    let (alone, beside, sign_ins) = pairs(server, time, || {
        std::thread::scope(|scope| {
            let sign_ins = scope.spawn(|| closed(server, Work::SignIn, CLIENTS, time));
            let beside = closed(server, Work::Read, CLIENTS, time)?;
            let sign_ins = sign_ins.join().ok().context("the sign-ins failed")??;
            Ok((beside, sign_ins.rate()))
        })
    })?;
    Ok((alone, beside.rate(), beside.within(0.99), sign_ins))
}

/// On one core, with the generator on the other.
fn overload(server: &Server, work: Work, time: Duration) -> Result<Overload> {
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            let mut second = CpuSet::new();
            second.set(1);
            sched_setaffinity(None, &second).context("this needs two cores")?;
            let peak = closed(server, work, CLIENTS, time)?.rate();
            let plan = Plan {
                target: server.address,
                clients: CROWD,
                pace: Pace::Open(peak * 2.0),
                warm_up: WARM_UP,
                time,
            };
            let tally = run(&plan, server.requests(work, 11))?;
            ensure!(
                tally.other == 0 && tally.broken == 0,
                "{} answers were neither good nor 503, {} connections broke: {:?}",
                tally.other,
                tally.broken,
                tally.first_other
            );
            Ok(Overload { work, peak, tally })
        });
        measured.join().ok().context("the overload failed")?
    })
}

fn closed(server: &Server, work: Work, clients: usize, time: Duration) -> Result<Tally> {
    server.load(work, clients, time, 5)
}

/// This program in another process, until it is dropped.
struct Helper(Child);

impl Helper {
    fn start(args: &[&str]) -> Result<Helper> {
        let child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Helper(child))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let out = self.0.stdout.as_mut().context("no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line == "ready\n", "a helper said {line:?}");
        Ok(())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Says that a helper is ready, and keeps it until its parent ends it or is gone itself.
pub(crate) fn ready_until_dropped() -> Result<()> {
    say_ready()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

fn say_ready() -> Result<()> {
    let mut out = std::io::stdout();
    out.write_all(b"ready\n")?;
    Ok(out.flush()?)
}

/// Holds so many connections from this source address, each after one request.
pub(crate) fn hold(target: SocketAddr, source: SocketAddr, count: usize, key: &str) -> Result<()> {
    let request = crate::http::Request::new(
        "GET",
        "/rest/v1/rooms?select=id&limit=1",
        &[("apikey", key)],
        b"",
    );
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&source.into())?;
        socket.connect(&target.into())?;
        let mut stream = std::net::TcpStream::from(socket);
        let answer = crate::http::exchange(&mut stream, &request)?;
        ensure!(answer.status < 500, "{}", answer.status);
        held.push(stream);
    }
    ready_until_dropped()
}

/// How long bad clients go on at most, should their parent forget them.
const HOSTILE_TIME: Duration = Duration::from_mins(2);

/// Sends what no client should, over many connections: malformed heads, heads that are too large, heads byte by byte,
/// bodies without end.
pub(crate) fn be_hostile(target: SocketAddr) -> Result<()> {
    let until = Instant::now() + HOSTILE_TIME;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        for number in 0..HOSTILE {
            tokio::spawn(hostile_client(target, number % 4, until));
        }
        say_ready()?;
        tokio::time::sleep_until(until.into()).await;
        Ok(())
    })
}

/// One bad client, which begins anew when it is turned away.
async fn hostile_client(target: SocketAddr, kind: usize, until: Instant) {
    const PAUSE: Duration = Duration::from_secs(1);
    while Instant::now() < until {
        if let Ok(mut stream) = TcpStream::connect(target).await {
            // It is meant to be refused, in whatever way.
            let _refused = match kind {
                0 => malformed(&mut stream).await,
                1 => oversized(&mut stream).await,
                2 => dripping(&mut stream, until).await,
                _ => endless(&mut stream, until).await,
            };
        }
        tokio::time::sleep(PAUSE).await;
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
async fn dripping(stream: &mut TcpStream, until: Instant) -> std::io::Result<()> {
    let head = b"GET /rest/v1/messages HTTP/1.1\r\nhost: x\r\nx-slow: ";
    for byte in head.iter().chain(std::iter::repeat(&b'a')) {
        if Instant::now() > until {
            break;
        }
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn endless(stream: &mut TcpStream, until: Instant) -> std::io::Result<()> {
    let head = b"POST /auth/v1/token?grant_type=password HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await?;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    while Instant::now() < until {
        stream.write_all(chunk.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Reads until the server closes.
async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).await? > 0 {}
    Ok(())
}
