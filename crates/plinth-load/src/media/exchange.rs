//! Files that come and go: downloads beside nginx, both ways beside `PocketBase`.

use std::fs::File;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Beside, in_turn, noise};
use crate::generator::{Pace, Plan, run};
use crate::http::{Request, drain, send};
use crate::servers::files::{Nginx, Plinth, PocketBase};
use crate::servers::{Places, WARM_UP};

const LARGE: usize = 100 << 20;
const SMALL: usize = 100 << 10;
/// Small files that are asked for in turn.
const FILES: u64 = 64;
const CLIENTS: usize = 16;
const KIND: &str = "application/octet-stream";
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Downloads of large and small files.
pub(super) fn beside_nginx(
    server: &Plinth,
    places: &Places,
    time: Duration,
) -> Result<Vec<Beside>> {
    put(server, "100 MiB", LARGE, 1)?;
    for file in 0..FILES {
        put(server, &format!("{file}"), SMALL, file)?;
    }
    let (root, large) = server.stored(u64::try_from(LARGE)?)?;
    let (_, small) = server.stored(u64::try_from(SMALL)?)?;
    let nginx = Nginx::start(places, &root)?;
    let large = Nginx::download(large.first().context("the file is not in its folder")?);
    let found = in_turn(
        |_| stream(server.address, &server.download("100%20MiB"), LARGE, time),
        |_| stream(nginx.address, &large, LARGE, time),
    )?;
    let large = Beside {
        work: "download 100 MiB, 1 client".to_owned(),
        unit: "MiB/s",
        rival: "nginx",
        found,
        promised: Some(0.8),
    };
    let asked: Vec<Request> = (0..FILES)
        .map(|file| server.download(&file.to_string()))
        .collect();
    let small: Vec<Request> = small.iter().map(|path| Nginx::download(path)).collect();
    let found = in_turn(
        |_| rate(server.address, time, each(&asked)),
        |_| rate(nginx.address, time, each(&small)),
    )?;
    let small = Beside {
        work: format!("download 100 KiB, {CLIENTS} clients"),
        unit: "/s",
        rival: "nginx",
        found,
        promised: Some(0.5),
    };
    Ok(vec![large, small])
}

/// Small files, both ways.
pub(super) fn beside_pocketbase(
    server: &Plinth,
    places: &Places,
    time: Duration,
) -> Result<Vec<Beside>> {
    let rival = PocketBase::start(places)?;
    let content = noise(SMALL, 7);
    let downloads: Vec<Request> = (0..FILES)
        .map(|file| rival.put(KIND, &noise(SMALL, file)))
        .collect::<Result<_>>()?;
    let ours: Vec<Request> = (0..FILES)
        .map(|file| server.download(&file.to_string()))
        .collect();
    let mut next = 0;
    let up = in_turn(
        |number| {
            rate(server.address, time, || {
                next += 1;
                server.upload(&format!("up/{number}/{next}"), KIND, &content)
            })
        },
        |_| rate(rival.address, time, || rival.upload(KIND, &content)),
    )?;
    let again = in_turn(
        |number| {
            rate(server.address, time, || {
                next += 1;
                server.upload(&format!("again/{number}/{next}"), KIND, &content)
            })
        },
        |_| disk_alone(places, time, &content),
    )?;
    let down = in_turn(
        |_| rate(server.address, time, each(&ours)),
        |_| rate(rival.address, time, each(&downloads)),
    )?;
    let beside = |way: &str, found, rival, promised| Beside {
        work: format!("{way} 100 KiB, {CLIENTS} clients"),
        unit: "/s",
        rival,
        found,
        promised,
    };
    Ok(vec![
        beside("upload", up, "PocketBase", Some(4.0)),
        beside("upload", again, "the disk alone", None),
        beside("download", down, "PocketBase", Some(5.0)),
    ])
}

/// Files a second that as many threads write and sync, one after the other each.
#[expect(clippy::cast_precision_loss, reason = "files stay far below 2^52")]
fn disk_alone(places: &Places, time: Duration, content: &[u8]) -> Result<f64> {
    let folder = places.scratch.join("disk");
    std::fs::create_dir_all(&folder)?;
    let began = Instant::now();
    let write = &|client: usize| -> Result<usize> {
        let mut written = 0;
        while began.elapsed() < time {
            let mut file = File::create_new(folder.join(format!("{client}-{written}")))?;
            file.write_all(content)?;
            file.sync_all()?;
            written += 1;
        }
        Ok(written)
    };
    let written: Result<Vec<usize>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || write(client)))
            .collect();
        let ended = clients.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|ended| ended.map_err(|_| anyhow!("a thread that wrote files broke"))?)
            .collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&folder)?;
    Ok(written?.iter().sum::<usize>() as f64 / seconds)
}

fn put(server: &Plinth, name: &str, length: usize, seed: u64) -> Result<()> {
    let name = name.replace(' ', "%20");
    let request = server.upload(&name, KIND, &noise(length, seed));
    let answer = send(server.address, &request)?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "{name}: {} {text}", answer.status);
    Ok(())
}

/// One after the other, endlessly.
fn each(requests: &[Request]) -> impl FnMut() -> Request {
    let mut next = requests.iter().cycle();
    move || next.next().cloned().unwrap_or_default()
}

/// Answers a second, of several clients at once.
fn rate(target: SocketAddr, time: Duration, next: impl FnMut() -> Request) -> Result<f64> {
    let plan = Plan {
        target,
        clients: CLIENTS,
        pace: Pace::Closed,
        warm_up: WARM_UP,
        time,
    };
    Ok(run(&plan, next)?.all_good()?.rate())
}

/// Mebibytes a second, of one client that asks again and again.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn stream(target: SocketAddr, request: &Request, length: usize, time: Duration) -> Result<f64> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut buffer = vec![0; 256 * 1024];
    // The first brings the file into memory.
    drain(&mut stream, request, &mut buffer)?;
    let (began, mut files) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        let (status, found) = drain(&mut stream, request, &mut buffer)?;
        ensure!((status, found) == (200, length), "{status}, {found} bytes");
        files += 1;
    }
    Ok(f64::from(files) * (length >> 20) as f64 / began.elapsed().as_secs_f64())
}
