//! `localstripe` itself: a process on a port of loopback.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::message::Reply;
use crate::http::Request;
use crate::process::mortal;
use crate::temp::TempDir;

/// Its own command listens to everybody, and writes all it has to one file in /tmp at each change.
const PROGRAM: &str = "\
import socket
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda store: None
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(128)
print(listener.getsockname()[1], flush=True)
web.run_app(server.app, sock=listener, access_log=None, print=None)
";
/// It takes every key of this form.
const KEY: &str = "Bearer sk_test_stand_in";
/// More than there is of anything; it knows no limit.
const ALL: &str = "1000000";

/// The process. Killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    _folder: TempDir,
}

/// Who asks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    address: SocketAddr,
}

/// What goes with a request.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Nothing,
    Form(&'a [(String, String)]),
    Json(&'a Value),
}

impl Process {
    /// Starts it with an interpreter of Python that has the package.
    pub(super) fn start(python: &Path) -> Result<(Process, Peer)> {
        let folder = TempDir::new("localstripe")?;
        let log = folder.path().join("log");
        let mut child = mortal(python)
            .args(["-c", PROGRAM])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let stdout = child.stdout.take().context("it is piped")?;
        let process = Process {
            child,
            _folder: folder,
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port: Option<u16> = line.trim().parse().ok();
        let port = port.with_context(|| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!("localstripe did not start: {said}")
        })?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok((process, Peer { address }))
    }
}

impl Peer {
    /// Tells it where its webhooks go, and what they are signed with.
    pub(super) fn send_webhooks(&self, to: &str, secret: &str) -> Result<()> {
        let form = [("url", to), ("secret", secret)];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let reply = self.ask("POST", "/_config/webhooks/plinth", &Body::Form(&form));
        ensure!(reply.is_good(), "webhooks: {}", reply.status);
        Ok(())
    }

    /// Asks it something. Nobody there is a 500.
    pub(super) fn ask(&self, method: &str, target: &str, body: &Body) -> Reply {
        let request = Request::new(method, target).header("authorization", KEY);
        let request = match body {
            Body::Nothing => request,
            Body::Json(value) => request.body(value.to_string()),
            Body::Form(pairs) => request
                .body(form(pairs))
                .header("content-type", "application/x-www-form-urlencoded"),
        };
        match request.try_send(self.address) {
            Some(answer) => Reply {
                status: answer.status,
                headers: vec![("content-type", "application/json".to_owned())],
                body: answer.body,
            },
            None => Reply::error(500, "api_error", "", "localstripe is gone"),
        }
    }

    /// Reads one thing.
    pub(super) fn get(&self, kind: &str, id: &str) -> Reply {
        self.ask("GET", &format!("/v1/{kind}/{id}"), &Body::Nothing)
    }

    /// Everything of a kind, in the order in which it was made.
    pub(super) fn all(&self, kind: &str) -> Vec<Value> {
        self.list(&format!("/v1/{kind}?limit={ALL}"))
    }

    /// The refunds of an intent that has a charge.
    pub(super) fn refunds_of(&self, intent: &str) -> Vec<Value> {
        self.list(&format!("/v1/refunds?limit={ALL}&payment_intent={intent}"))
    }

    fn list(&self, target: &str) -> Vec<Value> {
        let mut list = self.ask("GET", target, &Body::Nothing).value();
        match list["data"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn form(pairs: &[(String, String)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        text.append_pair(name, value);
    }
    text.finish()
}
