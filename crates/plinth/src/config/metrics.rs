//! `[metrics]`.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde::Deserialize;

/// `[metrics]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Address and port of `/metrics`; empty means that there is none.
    pub listen: String,
}

impl Metrics {
    /// Where to listen. Loopback only: figures of a business are nobody else's, and this port asks for no key.
    pub(crate) fn address(&self) -> anyhow::Result<Option<SocketAddr>> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let address: SocketAddr = self.listen.parse().with_context(|| {
            format!(
                "metrics.listen must be an address and a port such as 127.0.0.1:9464, not {:?}",
                self.listen
            )
        })?;
        if !address.ip().is_loopback() {
            bail!(
                "metrics.listen must be a loopback address such as 127.0.0.1:9464, not {address}: anybody who reaches it may read it"
            );
        }
        Ok(Some(address))
    }
}
