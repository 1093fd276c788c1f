//! Socket addresses hold about a hundred bytes of path; folders may lie deeper.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Longest path that fits a socket address everywhere (108 bytes with the final zero on Linux, 104 on macOS).
const LONGEST_BYTES: usize = 100;

/// A path to bind or connect to. A folder that lies too deep is reached through its open handle, which must live as
/// long as the path is used.
pub(super) struct SocketPath {
    pub path: PathBuf,
    _folder: Option<File>,
}

pub(super) fn short(socket: &Path) -> io::Result<SocketPath> {
    if socket.as_os_str().len() <= LONGEST_BYTES {
        return Ok(SocketPath {
            path: socket.to_owned(),
            _folder: None,
        });
    }
    let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let folder = File::open(parent)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok(SocketPath {
        path,
        _folder: Some(folder),
    })
}
