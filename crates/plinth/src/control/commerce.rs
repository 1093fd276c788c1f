//! Comparing orders with providers and with the books, for `plinth orders reconcile` and `plinth ledger check`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use plinth_commerce::Commerce;
use tokio::sync::mpsc::UnboundedSender;

use super::{LedgerFinding, Owner, Reply};

/// Between two lines about work that goes on.
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Owner {
    /// The shop, where there is one.
    pub(crate) fn open_commerce(&self) -> anyhow::Result<Option<Commerce>> {
        let open = |config: &plinth_commerce::Config| {
            Commerce::open(self.app.clone(), config.clone(), &self.keys.now())
        };
        let opened = self.commerce.as_ref().map(open).transpose();
        opened.context("see [commerce] in plinth.toml")
    }

    /// Asks providers beside the server's own worker: asking twice moves no money twice.
    pub(super) async fn reconcile_orders(
        &self,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        let commerce = self.open_commerce().map_err(|error| format!("{error:#}"))?;
        let Some(commerce) = commerce else {
            return Err("there is no shop: commerce.enabled is false in plinth.toml".to_owned());
        };
        let mut said = Instant::now();
        let reconciled = plinth_commerce::reconcile(&commerce, |looked| {
            if said.elapsed() >= LINE_EVERY {
                said = Instant::now();
                progress(
                    replies,
                    format!("asked about {looked} payments and refunds"),
                );
            }
        });
        let report = reconciled.await.map_err(|error| error.to_string())?;
        let _gone = replies.send(Reply::OrdersReconciled { report });
        Ok(())
    }

    /// Reads the books in one snapshot; nothing is changed.
    pub(super) async fn check_ledger(
        &self,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        let checking = plinth_commerce::check_ledger(&self.db);
        tokio::pin!(checking);
        let begun = Instant::now();
        let found = loop {
            match tokio::time::timeout(LINE_EVERY, &mut checking).await {
                Ok(found) => break found.map_err(|error| error.to_string())?,
                Err(_) => {
                    let seconds = begun.elapsed().as_secs();
                    progress(replies, format!("reading the books since {seconds} s"));
                }
            }
        };
        let findings = found.into_iter().map(LedgerFinding::from).collect();
        let _gone = replies.send(Reply::LedgerChecked { findings });
        Ok(())
    }
}

/// A command that went away no longer wants to hear.
fn progress(replies: &UnboundedSender<Reply>, text: String) {
    let _gone = replies.send(Reply::Progress {
        text,
        warning: false,
    });
}
