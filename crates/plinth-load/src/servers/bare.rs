//! The limit of the HTTP stack: axum with one route a work, answering a constant of the usual size.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::{Kind, Server, free_address, start};

/// Bytes of a message as JSON.
const ROW_BYTES: usize = 480;

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let row = Bytes::from(vec![b'x'; ROW_BYTES]);
    let read = move || {
        let row = row.clone();
        async move { ([(CONTENT_TYPE, "application/json")], row) }
    };
    // The body is read whole, as an insert has to.
    let insert = |_body: Bytes| async { axum::http::StatusCode::CREATED };
    let router = Router::new()
        .route("/", get(|| async { "ok" }))
        .route("/rest/v1/messages", get(read).post(insert));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _same = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await
    })?;
    Ok(())
}

pub(super) fn prepare(folder: &Path) -> Result<Server> {
    let address = free_address()?;
    let (child, started_in) = launch(folder, address)?;
    Ok(Server {
        kind: Kind::Bare,
        address,
        child,
        started_in,
        users: Vec::new(),
        key: "sb_publishable_AAAAAAAAAAAAAAAAAAAAAA_BBBBBBBB".to_owned(),
    })
}

pub(super) fn launch(folder: &Path, address: SocketAddr) -> Result<(Child, Duration)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", &address.to_string()]);
    start(&mut command, address, "/", &folder.join("log"))
}
