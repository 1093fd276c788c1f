//! A store of files that speaks S3: `SeaweedFS` on ports of loopback, in a temporary folder, for one owner.
//!
//! It checks signatures, as S3 does; what accepts any key would prove nothing. It can be stopped, also where it is, and go on.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::http::Request;
use crate::process::mortal;
use crate::temp::TempDir;

/// Takes three seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Somebody else may take a port between our look and the server's.
const TRIES: u32 = 5;
const ACCESS_KEY: &str = "plinth-proofs";
const SECRET_KEY: &str = "a secret of the proofs alone";
/// Go's bit for a folder among the bits of a mode.
const FOLDER: u64 = 1 << 31;

/// A running store. Stopped when dropped.
#[derive(Debug)]
pub struct SeaweedFs {
    program: PathBuf,
    server: Mutex<Child>,
    folder: TempDir,
    ports: Ports,
    next: AtomicU32,
}

/// One for each part of it, and one more for what its parts say to each other.
#[derive(Clone, Copy, Debug)]
struct Ports {
    master: [u16; 2],
    volume: [u16; 2],
    filer: [u16; 2],
    s3: [u16; 2],
}

/// The program: `PLINTH_WEED`, or `weed` in the search path.
pub fn find() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("PLINTH_WEED") {
        return Some(PathBuf::from(program)).filter(|program| program.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("weed"))
        .find(|program| program.exists())
}

impl SeaweedFs {
    /// Starts the program and waits until files can be stored.
    ///
    /// Call it from a thread that lives as long as the store: on Linux the store ends with the thread that started it, so that
    /// a killed test run leaves nothing behind.
    pub fn start(program: &Path) -> Result<SeaweedFs> {
        for _ in 1..TRIES {
            if let Ok(store) = SeaweedFs::start_once(program) {
                return Ok(store);
            }
        }
        SeaweedFs::start_once(program)
    }

    /// The name of a fresh bucket.
    pub fn bucket(&self) -> Result<String> {
        let name = format!("files-{}", self.next.fetch_add(1, Ordering::Relaxed));
        // A bucket is a folder to it.
        let made = self.filer(&Request::new("POST", &format!("/buckets/{name}/")))?;
        ensure!(made.0 == 201, "the bucket {name}: {}", made.0);
        Ok(name)
    }

    /// How Plinth is told to keep its files in a bucket of this store.
    pub fn environment(&self, bucket: &str) -> Vec<(&'static str, String)> {
        let endpoint = format!("http://{}", loopback(self.ports.s3[0]));
        [
            ("PLINTH_STORAGE_STORE", "s3"),
            ("PLINTH_STORAGE_S3_ENDPOINT", endpoint.as_str()),
            ("PLINTH_STORAGE_S3_REGION", "us-east-1"),
            ("PLINTH_STORAGE_S3_BUCKET", bucket),
            ("PLINTH_STORAGE_S3_ACCESS_KEY_ID", ACCESS_KEY),
            ("PLINTH_STORAGE_S3_SECRET_ACCESS_KEY", SECRET_KEY),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    /// The files in a bucket: their keys, and under `/.uploads/` the parts of uploads that have not ended.
    pub fn files(&self, bucket: &str) -> Result<Vec<String>> {
        let root = format!("/buckets/{bucket}");
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let list = Request::get(&format!("{folder}/?limit=100000"));
            let (status, entries) = self.filer(&list.header("accept", "application/json"))?;
            if status == 404 && folder != root {
                // Gone since it was listed.
                continue;
            }
            ensure!(status == 200, "the list of {folder}: {status}");
            for entry in entries["Entries"].as_array().into_iter().flatten() {
                let path = entry["FullPath"]
                    .as_str()
                    .context("a file without a path")?;
                if entry["Mode"].as_u64().unwrap_or_default() & FOLDER != 0 {
                    folders.push(path.to_owned());
                } else {
                    files.push(path.trim_start_matches(&root).to_owned());
                }
            }
        }
        Ok(files)
    }

    /// Ends it at once, as when its process is killed: nobody is told, nothing is finished.
    pub fn stop(&self) -> Result<()> {
        let mut server = self.server();
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// Starts it again where it was, with all that it had, and waits until files can be stored.
    pub fn restart(&self) -> Result<()> {
        self.ports.forget();
        *self.server() = spawn(&self.program, self.folder.path(), self.ports)?;
        self.wait_until_ready()
    }

    /// Stops it where it is, as on a machine that hangs: no connection breaks, and none is answered.
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on, not knowing that time has passed, and waits until files can be stored.
    pub fn thaw(&self) -> Result<()> {
        self.signal("-CONT")?;
        self.wait_until_ready()
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let id = self.server().id().to_string();
        let status = Command::new("kill").args([signal, &id]).status()?;
        ensure!(status.success(), "kill {signal} {id}: {status}");
        Ok(())
    }

    fn server(&self) -> MutexGuard<'_, Child> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_once(program: &Path) -> Result<SeaweedFs> {
        let folder = TempDir::new("seaweedfs")?;
        let ports = Ports::free()?;
        let config = folder.path().join("s3.json");
        let credentials = json!([{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }]);
        let identity = json!({ "name": "plinth", "credentials": credentials,
            "actions": ["Admin", "Read", "Write", "List", "Tagging"] });
        std::fs::write(&config, json!({ "identities": [identity] }).to_string())?;
        let store = SeaweedFs {
            program: program.to_owned(),
            server: Mutex::new(spawn(program, folder.path(), ports)?),
            folder,
            ports,
            next: AtomicU32::new(0),
        };
        store.wait_until_ready()?;
        Ok(store)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let began = Instant::now();
        let file = Request::new("PUT", "/ready").body("ready");
        let s3 = Request::get("/");
        loop {
            // Whoever is not known is refused, but by then it is there.
            let answers = s3.try_send(loopback(self.ports.s3[0])).is_some();
            if answers && self.filer(&file).is_ok_and(|(status, _)| status == 201) {
                return Ok(());
            }
            let ended = self.server().try_wait()?;
            if ended.is_some() || began.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                bail!("SeaweedFS did not start: {}", log.unwrap_or_default());
            }
            std::thread::sleep(POLL);
        }
    }

    fn filer(&self, request: &Request) -> Result<(u16, Value)> {
        let answer = request
            .try_send(loopback(self.ports.filer[0]))
            .context("SeaweedFS does not answer")?;
        let is_chunked = answer.head.to_ascii_lowercase().contains("chunked");
        let body = if is_chunked {
            unchunked(&answer.body)
        } else {
            answer.body
        };
        Ok((
            answer.status,
            serde_json::from_slice(&body).unwrap_or_default(),
        ))
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        // It would take its leave for seventeen seconds.
        drop(self.stop());
        self.ports.forget();
    }
}

impl Ports {
    /// All are held until the last is found, so that no two are the same.
    fn free() -> Result<Ports> {
        let held = (0..8)
            .map(|_| TcpListener::bind(loopback(0)))
            .collect::<Result<Vec<_>, _>>()?;
        let ports = held
            .iter()
            .map(|one| Ok(one.local_addr()?.port()))
            .collect::<Result<Vec<_>>>()?;
        let pair = |place: usize| [ports[2 * place], ports[2 * place + 1]];
        Ok(Ports {
            master: pair(0),
            volume: pair(1),
            filer: pair(2),
            s3: pair(3),
        })
    }

    /// Removes what its parts talk through, which is not kept in its folder.
    fn forget(self) {
        for (part, [_, port]) in [
            ("master", self.master),
            ("volume", self.volume),
            ("filer", self.filer),
            ("s3", self.s3),
        ] {
            drop(std::fs::remove_file(format!(
                "/tmp/seaweedfs-{part}-grpc-{port}.sock"
            )));
        }
    }
}

fn spawn(program: &Path, folder: &Path, ports: Ports) -> Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    mortal(program)
        .args(arguments(folder, ports))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))
}

fn arguments(folder: &Path, ports: Ports) -> Vec<String> {
    let folder = folder.display();
    let mut arguments: Vec<String> = [
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        // It would report to its makers.
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=20",
        // Services that nobody asks for, each on a fixed port.
        "-iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("-dir={folder}"));
    arguments.push(format!("-s3.config={folder}/s3.json"));
    arguments.push(format!("-s3.localSocket={folder}/s3.sock"));
    arguments.push(format!("-filer.localSocket={folder}/filer.sock"));
    for (part, [port, grpc]) in [
        ("master", ports.master),
        ("volume", ports.volume),
        ("filer", ports.filer),
        ("s3", ports.s3),
    ] {
        arguments.push(format!("-{part}.port={port}"));
        arguments.push(format!("-{part}.port.grpc={grpc}"));
    }
    arguments
}

/// What is in the chunks of a body: a line with the length of each in hexadecimal digits, the bytes, and a line's end.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).ok();
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let chunk = length.and_then(|length| body.get(end + 2..end + 2 + length));
        let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        all.extend(chunk);
        body = body.get(end + 2 + chunk.len() + 2..).unwrap_or_default();
    }
    all
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(
            unchunked(b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"),
            b"abc0123456789"
        );
        assert_eq!(unchunked(b"5\r\nabc"), b"");
    }
}
