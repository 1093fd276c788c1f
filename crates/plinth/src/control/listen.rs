//! The server's end of the control socket.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::socket_path::short;
use super::{Owner, Reply, Request};
use crate::project::close_to_others;

/// A request carries a whole script; one larger than this is a mistake.
const REQUEST_BYTES: u64 = 1 << 30;

/// Listens on the socket until the task is aborted. A socket that is there already was left by a process that is gone:
/// whoever calls this holds the directory's lock.
pub(crate) fn listen(socket: &Path, owner: Arc<Owner>) -> anyhow::Result<JoinHandle<()>> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", socket.display()));
        }
        _ => {}
    }
    let bound = short(socket).and_then(|short| UnixListener::bind(&short.path));
    let listener = bound.with_context(|| format!("cannot listen on {}", socket.display()))?;
    close_to_others(socket, 0o600)
        .with_context(|| format!("cannot close {} to others", socket.display()))?;
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let owner = Arc::clone(&owner);
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &owner).await {
                            tracing::debug!(%error, "a command went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket refused a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }))
}

/// Request by request, one line each, until the other end closes.
async fn converse(stream: UnixStream, owner: &Owner) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reading)
            .take(REQUEST_BYTES)
            .read_until(b'\n', &mut line)
            .await?
            == 0
        {
            return Ok(());
        }
        let (replies, mut outgoing) = mpsc::unbounded_channel();
        let work = async move {
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) => owner.answer(request, &replies).await,
                Err(error) => {
                    let message = format!("the running server does not know this request: {error}");
                    let _gone = replies.send(Reply::Failed { message });
                }
            }
            line
        };
        let write = async {
            while let Some(reply) = outgoing.recv().await {
                let mut text = serde_json::to_vec(&reply)?;
                text.push(b'\n');
                writing.write_all(&text).await?;
            }
            io::Result::Ok(())
        };
        let (returned, written) = tokio::join!(work, write);
        written?;
        line = returned;
    }
}
