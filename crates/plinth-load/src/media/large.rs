//! A gigabyte there and back, and what the server's memory did meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::noise;
use crate::http::{drain, send};
use crate::process::{forget_peak, memory_kib};
use crate::results::{Aim, Bound, mebibytes};
use crate::servers::files::Plinth;

const LENGTH: usize = 1 << 30;
const BLOCK: usize = 1 << 20;
/// What the server's memory may grow by.
const PROMISED_KIB: u64 = 32 * 1024;
const ANSWER_LIMIT: Duration = Duration::from_mins(2);

/// What came of it.
pub(crate) struct Large {
    up: Way,
    down: Way,
}

/// One way.
struct Way {
    took: Duration,
    /// The most above what it had before.
    grown_kib: u64,
}

pub(super) fn measure(server: &Plinth) -> Result<Large> {
    // What it needs for any file is there by then.
    let small = server.upload("small", "application/octet-stream", b"small");
    let answer = send(server.address, &small)?;
    ensure!(answer.status == 200, "an upload answers {}", answer.status);
    send(server.address, &server.download("small"))?;
    Ok(Large {
        up: watched(server, || upload(server))?,
        down: watched(server, || download(server))?,
    })
}

impl Large {
    /// One line of it.
    pub(super) fn line(&self) -> String {
        format!(
            "1 GiB: up {}, down {}; {} MiB are promised",
            self.up.text(),
            self.down.text(),
            PROMISED_KIB / 1024
        )
    }

    /// What was aimed at.
    pub(super) fn aims(&self) -> Vec<Aim> {
        vec![self.up.aim("upload"), self.down.aim("download")]
    }
}

impl Way {
    fn aim(&self, way: &str) -> Aim {
        let what = format!("{way} of 1 GiB");
        let limit = Bound::AtMost(mebibytes(PROMISED_KIB));
        Aim::new(&what, mebibytes(self.grown_kib), limit, "MiB more memory")
    }

    #[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
    fn text(&self) -> String {
        format!(
            "{:.0} MiB/s with {:.1} MiB more memory",
            (LENGTH >> 20) as f64 / self.took.as_secs_f64(),
            mebibytes(self.grown_kib)
        )
    }
}

fn watched(server: &Plinth, work: impl FnOnce() -> Result<()>) -> Result<Way> {
    let (before, _) = memory_kib(server.process())?;
    forget_peak(server.process())?;
    let began = Instant::now();
    work()?;
    let took = began.elapsed();
    let (_, most) = memory_kib(server.process())?;
    Ok(Way {
        took,
        grown_kib: most.saturating_sub(before),
    })
}

fn upload(server: &Plinth) -> Result<()> {
    let block = noise(BLOCK, 1);
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(&server.upload_of("large", LENGTH))?;
    for _ in 0..LENGTH / BLOCK {
        stream.write_all(&block).context("the upload broke off")?;
    }
    let mut beginning = [0; 12];
    stream.read_exact(&mut beginning)?;
    ensure!(
        &beginning == b"HTTP/1.1 200",
        "the upload answers {}",
        String::from_utf8_lossy(&beginning)
    );
    Ok(())
}

fn download(server: &Plinth) -> Result<()> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let mut buffer = vec![0; BLOCK];
    let (status, length) = drain(&mut stream, &server.download("large"), &mut buffer)?;
    ensure!(
        (status, length) == (200, LENGTH),
        "{status}, {length} bytes"
    );
    Ok(())
}
