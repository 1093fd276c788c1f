//! Pictures made small, beside libvips on the same pictures and the same cores.

use std::fs;
use std::net::TcpStream;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{Beside, in_turn};
use crate::http::{drain, send};
use crate::servers::Places;
use crate::servers::files::Plinth;

/// A picture like a photograph, how many copies of it are made small, and what is promised.
#[derive(Clone, Copy)]
pub(super) struct Size {
    megapixels: usize,
    width: usize,
    height: usize,
    copies: usize,
    promised: f64,
}

pub(super) const SIZES: [Size; 3] = [
    Size {
        megapixels: 1,
        width: 1155,
        height: 866,
        copies: 96,
        promised: 0.5,
    },
    Size {
        megapixels: 2,
        width: 1633,
        height: 1225,
        copies: 64,
        promised: 0.5,
    },
    Size {
        megapixels: 12,
        width: 4000,
        height: 3000,
        copies: 24,
        promised: 0.3,
    },
];

/// Pixels of the small picture; one more each run, so that no result of the last is kept for it.
const WIDTH: usize = 300;
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Small pictures a second.
pub(super) fn measure(server: &Plinth, places: &Places, size: Size) -> Result<Beside> {
    let folder = places.scratch.join("pictures");
    let photo = photograph(&folder, size)?;
    let content = fs::read(&photo)?;
    let mut files = Vec::new();
    for copy in 0..size.copies {
        let file = folder.join(format!("{}-{copy}.jpg", size.megapixels));
        fs::write(&file, &content)?;
        files.push(file);
        let request = server.upload(&name(size, copy), "image/jpeg", &content);
        let answer = send(server.address, &request)?;
        ensure!(answer.status == 200, "an upload answers {}", answer.status);
    }
    let found = in_turn(
        |number| rate(size, || make(server, size, WIDTH + number)),
        |number| rate(size, || vips(&files, WIDTH + number)),
    )?;
    Ok(Beside {
        work: format!("thumbnail of {} megapixels", size.megapixels),
        unit: "/s",
        rival: "vipsthumbnail",
        found,
        promised: Some(size.promised),
    })
}

/// Clouds in three colours, and the grain of a camera: some 20 KiB for each tenth of a megapixel, as photographs have.
fn photograph(folder: &Path, size: Size) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let (width, height) = (size.width.to_string(), size.height.to_string());
    let vips = |args: &[&str]| -> Result<()> {
        let output = Command::new("vips")
            .args(args)
            .current_dir(folder)
            .output()
            .context("cannot run vips; it is in Debian's package libvips-tools")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "vips {}: {said}", args.join(" "));
        Ok(())
    };
    for seed in ["1", "2", "3"] {
        let band = format!("{seed}.v");
        let cell = ["--cell-size", "200", "--uchar", "--seed", seed];
        vips(&[&["perlin", &band, &width, &height], &cell[..]].concat())?;
    }
    vips(&["bandjoin", "1.v 2.v 3.v", "clouds.v"])?;
    vips(&[
        "gaussnoise",
        "grain.v",
        &width,
        &height,
        "--sigma",
        "6",
        "--mean",
        "0",
    ])?;
    vips(&["add", "clouds.v", "grain.v", "sum.v"])?;
    vips(&["cast", "sum.v", "photo.v", "uchar"])?;
    let photo = format!("{}.jpg", size.megapixels);
    vips(&["jpegsave", "photo.v", &photo, "--Q", "85"])?;
    Ok(folder.join(photo))
}

#[expect(clippy::cast_precision_loss, reason = "there are some dozen pictures")]
fn rate(size: Size, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(size.copies as f64 / began.elapsed().as_secs_f64())
}

/// By Plinth, as many clients as there are cores, each picture once.
fn make(server: &Plinth, size: Size, width: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    let client = || -> Result<()> {
        let mut stream = TcpStream::connect(server.address)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let copy = next.fetch_add(1, Ordering::Relaxed);
            if copy >= size.copies {
                return Ok(());
            }
            let request = server.thumbnail(&name(size, copy), width);
            let (status, length) = drain(&mut stream, &request, &mut buffer)?;
            ensure!(status == 200 && length > 1000, "{status}, {length} bytes");
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..cores()).map(|_| scope.spawn(client)).collect();
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(())
    })
}

/// By libvips, in as many processes as there are cores, which is faster than many threads in one.
fn vips(files: &[PathBuf], width: usize) -> Result<()> {
    let shares = files.chunks(files.len().div_ceil(cores()));
    let started: Vec<_> = shares
        .map(|share| {
            Command::new("vipsthumbnail")
                .env("VIPS_CONCURRENCY", "1")
                .args([
                    "--size",
                    &format!("{width}x"),
                    "--output",
                    "small-%s.jpg[Q=80]",
                ])
                .args(share)
                .spawn()
        })
        .collect::<Result<_, _>>()
        .context("cannot run vipsthumbnail; it is in Debian's package libvips-tools")?;
    for mut process in started {
        let status = process.wait()?;
        if !status.success() {
            bail!("vipsthumbnail: {status}");
        }
    }
    Ok(())
}

fn name(size: Size, copy: usize) -> String {
    format!("photo-{}-{copy}.jpg", size.megapixels)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
