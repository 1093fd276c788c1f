//! nginx, set up to hand out files as fast as it can.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::super::{Places, free_address, start};
use super::Running;
use crate::http::Request;

/// It runs until this is dropped.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _process: Running,
}

impl Nginx {
    /// Serves what is in a folder.
    pub(crate) fn start(places: &Places, root: &Path) -> Result<Nginx> {
        let folder = places.scratch.join("nginx");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let address = free_address()?;
        let config = folder.join("nginx.conf");
        std::fs::write(&config, settings(&folder, root, address))?;
        let mut command = Command::new(program());
        command.arg("-p").arg(&folder).arg("-c").arg(&config);
        let (child, _) = start(&mut command, address, "/", &folder.join("log"))
            .context("nginx; it is Debian's package nginx-light")?;
        Ok(Nginx {
            address,
            _process: Running(child),
        })
    }

    /// A file, by its path in the folder.
    pub(crate) fn download(path: &str) -> Request {
        Request::new("GET", &format!("/{path}"), &[], b"")
    }
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() {
        debian
    } else {
        "nginx"
    }
}

fn settings(folder: &Path, root: &Path, address: SocketAddr) -> String {
    let (folder, root) = (folder.display(), root.display());
    // Files of root are for root alone.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        temporary += &format!("  {kind}_temp_path {folder}/{kind};\n");
    }
    format!(
        "daemon off;\n{user}\nworker_processes auto;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 100000000;\n\
         {temporary}  server {{ listen {address}; root {root}; }}\n}}\n"
    )
}
