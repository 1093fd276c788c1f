//! Notices that an application's files change.

use std::path::PathBuf;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::project::Project;

/// Editors write a file in several steps; this long after the last one it is read.
const QUIET: Duration = Duration::from_millis(150);

/// Watches an application's folder and the folders of its migrations.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    project: Project,
}

impl Watch {
    /// Starts watching.
    pub(crate) fn start(project: &Project) -> notify::Result<Watch> {
        // One place is enough: a change that is not fetched yet stands for all that follow.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is an event as well, and we read them.
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                let _full = sender.try_send(());
            }
        })?;
        let mut watch = Watch {
            watcher,
            changes,
            project: project.clone(),
        };
        watch
            .watcher
            .watch(&watch.project.dir, RecursiveMode::NonRecursive)?;
        watch.watch_subfolders();
        Ok(watch)
    }

    /// Waits for a change and for the quiet after it.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        self.watch_subfolders();
    }

    /// Folders may come and go, and a folder that came again is another one.
    fn watch_subfolders(&mut self) {
        let dir = &self.project.dir;
        let folders: [PathBuf; 3] = [
            dir.join("migrations"),
            dir.join("supabase"),
            dir.join("supabase/migrations"),
        ];
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, folder = %folder.display(), "cannot watch");
            }
        }
    }
}
