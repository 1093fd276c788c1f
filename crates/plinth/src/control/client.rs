//! A command's end of the control socket.

use std::path::Path;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::socket_path::short;
use super::{Reply, Request};

/// A connection to a running server.
pub(crate) struct Client {
    replies: Lines<BufReader<OwnedReadHalf>>,
    requests: OwnedWriteHalf,
}

impl Client {
    /// `None` when nobody listens there.
    pub(super) async fn connect(socket: &Path) -> Option<Client> {
        let short = short(socket).ok()?;
        let (reading, requests) = UnixStream::connect(&short.path).await.ok()?.into_split();
        Some(Client {
            replies: BufReader::new(reading).lines(),
            requests,
        })
    }

    /// Asks and hands every reply to `on`, the last one included.
    pub(super) async fn ask(
        &mut self,
        request: &Request,
        mut on: impl FnMut(Reply),
    ) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests
            .write_all(&line)
            .await
            .context("the running server went away")?;
        loop {
            let Some(line) = self
                .replies
                .next_line()
                .await
                .context("the running server went away")?
            else {
                bail!("the running server ended before it had answered");
            };
            let reply = serde_json::from_str(&line)
                .context("the running server answers in another form; is it of another version?")?;
            let last = matches!(reply, Reply::Done | Reply::Failed { .. });
            on(reply);
            if last {
                return Ok(());
            }
        }
    }
}
