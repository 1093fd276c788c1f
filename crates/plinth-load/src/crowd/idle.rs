//! Connections that made one request and are kept open.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::helper::{self, Helper};
use super::{CLIENTS, closed};
use crate::calm::TRIES;
use crate::http::{Request, exchange};
use crate::process::{Disturbance, memory_kib};
use crate::servers::Server;
use crate::workload::Work;

/// Idle connections: nearly as many as a process here may have files.
pub(super) const IDLE: usize = 18_000;
/// Processes that hold them, each from an address of its own: an address has some 28,000 ports.
const HOLDERS: u8 = 2;
/// Longest run of reads beside them. The server closes what was idle for a minute, and all tries must end before.
const MOST_TIME: Duration = Duration::from_secs(10);

/// What they cost.
pub(crate) struct Idle {
    /// Memory of the server before, in KiB.
    pub(crate) before_kib: u64,
    /// Memory of each, in KiB.
    pub(crate) each_kib: f64,
    /// A read beside them, 99 of 100, in microseconds.
    pub(crate) beside_p99: u64,
    pub(crate) disturbance: Disturbance,
}

/// Opens them, reads beside them, and fails when the server has closed any meanwhile.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
pub(super) fn measure(server: &Server, time: Duration) -> Result<Idle> {
    // What every server sets aside once is not theirs.
    server.load(Work::Read, CLIENTS, time, 5)?;
    let before_kib = memory_kib(server.process())?.0;
    let sources: Vec<Ipv4Addr> = (0..HOLDERS)
        .map(|number| Ipv4Addr::new(127, 0, 0, number + 2))
        .collect();
    let count = (IDLE / sources.len()).to_string();
    let mut holders = Vec::new();
    for source in &sources {
        let (address, source) = (server.address.to_string(), source.to_string());
        holders.push(Helper::start(&[
            "hold",
            &address,
            &source,
            &count,
            server.key(),
        ])?);
    }
    for holder in &mut holders {
        holder.wait_until_ready()?;
    }
    let after_kib = memory_kib(server.process())?.0;
    let (beside, used) = closed(server, Work::Read, time.min(MOST_TIME))?;
    let open = open_from(&sources, server.process())?;
    ensure!(
        open == IDLE,
        "of {IDLE} idle connections {open} are open after the reads beside them"
    );
    Ok(Idle {
        before_kib,
        each_kib: after_kib.saturating_sub(before_kib) as f64 / IDLE as f64,
        beside_p99: beside.within(0.99),
        disturbance: used.disturbance(),
    })
}

/// In the helper: holds so many connections from this source address, each after one request.
pub(crate) fn hold(target: SocketAddr, source: SocketAddr, count: usize, key: &str) -> Result<()> {
    let request = Request::new(
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
        let mut stream = TcpStream::from(socket);
        let mut answer = exchange(&mut stream, &request)?;
        // Whoever is refused for want of time asks again, as a client does.
        for _ in 0..TRIES {
            if answer.status != 503 {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
            answer = exchange(&mut stream, &request)?;
        }
        ensure!(answer.status < 500, "{}", answer.status);
        held.push(stream);
    }
    helper::say_ready()?;
    helper::answer(|| held.len().to_string())
}

/// How many connections from these addresses a process has open: its files say which sockets it keeps, the system's table which of them are
/// still connected to whom.
fn open_from(sources: &[Ipv4Addr], process: u32) -> Result<usize> {
    let folder = format!("/proc/{process}/fd");
    let mut kept = HashSet::new();
    for file in fs::read_dir(&folder).with_context(|| folder.clone())? {
        // One that was closed meanwhile leads nowhere.
        let Ok(target) = fs::read_link(file?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        if let Some(number) = target.strip_prefix("socket:[") {
            kept.insert(number.trim_end_matches(']').to_owned());
        }
    }
    let path = format!("/proc/{process}/net/tcp");
    let table = fs::read_to_string(&path).with_context(|| path.clone())?;
    let open = connected_from(sources, &table);
    Ok(open
        .into_iter()
        .filter(|socket| kept.contains(*socket))
        .count())
}

/// The numbers of the sockets in `/proc/net/tcp` that are connected to one of these addresses.
fn connected_from<'a>(sources: &[Ipv4Addr], table: &'a str) -> Vec<&'a str> {
    const ESTABLISHED: &str = "01";
    // The table has an address as the machine's memory has it.
    let wanted: Vec<String> = sources
        .iter()
        .map(|source| format!("{:08X}", u32::from_ne_bytes(source.octets())))
        .collect();
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(2);
            let (address, _port) = fields.next()?.split_once(':')?;
            let state = fields.next()?;
            let number = fields.nth(5)?;
            let is_one = state == ESTABLISHED && wanted.iter().any(|known| known == address);
            is_one.then_some(number)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_what_this_process_keeps_open_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        // An address that no other test comes from.
        let source = Ipv4Addr::new(127, 0, 0, 77);
        let connect = || {
            let socket =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
            socket.connect(&target.into()).unwrap();
            (TcpStream::from(socket), listener.accept().unwrap().0)
        };
        let me = std::process::id();
        let (first, second) = (connect(), connect());
        assert_eq!(open_from(&[source], me).unwrap(), 2);
        assert_eq!(open_from(&[Ipv4Addr::new(127, 0, 0, 78)], me).unwrap(), 0);
        // The other end is still open: what counts is the server's.
        let (client, accepted) = second;
        drop(accepted);
        assert_eq!(open_from(&[source], me).unwrap(), 1);
        drop((first, client));
        assert_eq!(open_from(&[source], me).unwrap(), 0);
    }

    #[test]
    fn sockets_that_wait_or_are_over_are_not_connected() {
        let address = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 2]));
        let line = |state: &str, number: u32| {
            format!(
                "   0: 0100007F:1F90 {address}:C350 {state} 00000000:00000000 00:00000000 00000000     0        0 {number} 1 0 20 4 30 10 -1\n"
            )
        };
        let table = [
            "head\n".to_owned(),
            line("01", 7),
            line("08", 8),
            line("0A", 9),
        ]
        .concat();
        let sources = [Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 2)];
        assert_eq!(connected_from(&sources, &table), ["7"]);
        assert!(connected_from(&sources[..1], &table).is_empty());
    }
}
