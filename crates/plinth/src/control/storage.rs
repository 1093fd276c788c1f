//! Comparing stored files with their rows, for `plinth storage check`.

use plinth_storage::FsckOptions;
use tokio::sync::mpsc::UnboundedSender;

use super::{Owner, Reply};

impl Owner {
    /// Tells each finding as it comes, and at the end what it came to. The store is opened beside the server's own: nothing in
    /// it is locked by that.
    pub(super) async fn check_storage(
        &self,
        options: FsckOptions,
        replies: &UnboundedSender<Reply>,
    ) -> Result<(), String> {
        // A command that went away no longer wants to hear.
        let say = |reply| {
            let _gone = replies.send(reply);
        };
        let checked = plinth_storage::check_store(&self.db, &self.store, options, |finding| {
            say(Reply::StorageFinding { finding });
        });
        let checked = checked.await.map_err(|error| error.to_string())?;
        say(Reply::StorageChecked { checked });
        Ok(())
    }
}
