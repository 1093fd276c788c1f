//! Servers of files: Plinth with a bucket whose policies give everybody a folder, `PocketBase` with a file that only its
//! owner may see, and nginx, which serves what lies in a folder and asks nobody.

mod nginx;
mod plinth;
mod pocketbase;

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use nginx::Nginx;
pub(crate) use plinth::Plinth;
pub(crate) use pocketbase::PocketBase;

const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A process that ends with its owner. It is asked to, because nginx takes its own processes along then.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(id) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(id, Signal::TERM);
        }
        let began = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && began.elapsed() < STOP_LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// A form with one file in it, as browsers send it, and its content type.
fn form(
    fields: &[(&str, &str)],
    file: &str,
    kind: &str,
    content: &[u8],
) -> (&'static str, Vec<u8>) {
    let mut head = String::new();
    for (name, value) in fields {
        head += &format!(
            "--plinth-load\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    head += &format!(
        "--plinth-load\r\ncontent-disposition: form-data; name=\"{file}\"; filename=\"file\"\r\ncontent-type: {kind}\r\n\r\n"
    );
    let end = b"\r\n--plinth-load--\r\n".as_slice();
    (
        "multipart/form-data; boundary=plinth-load",
        [head.as_bytes(), content, end].concat(),
    )
}
