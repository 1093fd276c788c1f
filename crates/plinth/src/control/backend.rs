//! Through a running server, or on our own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use plinth_db::ServerTarget;
use tokio::sync::mpsc;

use super::client::Client;
use super::{DatabaseReport, Owner, Reply, Request};
use crate::config::Config;
use crate::lock::{self, Holder, Lock};
use crate::project::{Project, Stage};
use crate::serve_loop::{app, open_database};

/// How long a command waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever answers a command's requests.
pub(crate) enum Backend {
    /// A server that runs on the directory.
    Running(Client),
    /// This process.
    Own(Arc<Owner>, Lock),
}

/// Which data a command is about when no server runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// `data/` or `data/dev/`.
    pub stage: Stage,
    /// The command's name, for whoever finds the directory locked.
    pub command: &'static str,
}

impl Backend {
    /// Finds the running server, or opens the database.
    pub(crate) async fn connect(
        project: &Project,
        config: &Config,
        choice: Choice,
    ) -> anyhow::Result<Backend> {
        if let Some(client) = running(project, config).await? {
            return Ok(Backend::Running(client));
        }
        let holder = Holder {
            pid: std::process::id(),
            command: choice.command.to_owned(),
            address: None,
        };
        let lock = match lock::take(project, &holder, PATIENCE)? {
            Ok(lock) => lock,
            // A server may have come up while we waited.
            Err(held) => match (running(project, config).await?, held) {
                (Some(client), _) => return Ok(Backend::Running(client)),
                (None, Some(holder)) => bail!(
                    "{holder} is using {}; wait for it to end",
                    project.dir.display()
                ),
                (None, None) => bail!(
                    "another process is using {}; wait for it to end",
                    project.dir.display()
                ),
            },
        };
        tell_of_new_data(project, config, choice);
        let (db, keys) = open_database(project, config, choice.stage).await?;
        let owner = Owner {
            app: app(&db, &keys, config, choice.stage),
            db,
            keys,
            project: project.clone(),
            stage: choice.stage,
            api_url: config.public_url(),
            store: config.storage.store(&project.data(choice.stage)),
            commerce: config.commerce_service(),
            server: None,
        };
        Ok(Backend::Own(Arc::new(owner), lock))
    }

    /// Asks and hands every reply to `on` as it comes.
    pub(crate) async fn ask(
        &mut self,
        request: Request,
        mut on: impl FnMut(Reply),
    ) -> anyhow::Result<()> {
        match self {
            Backend::Running(client) => client.ask(&request, on).await,
            Backend::Own(owner, _) => {
                let (replies, mut incoming) = mpsc::unbounded_channel();
                let owner = Arc::clone(owner);
                let work = tokio::spawn(async move { owner.answer(request, &replies).await });
                while let Some(reply) = incoming.recv().await {
                    on(reply);
                }
                Ok(work.await?)
            }
        }
    }

    /// Closes a database of our own.
    pub(crate) async fn close(self) {
        if let Backend::Own(owner, lock) = self {
            if let Ok(owner) = Arc::try_unwrap(owner) {
                owner.db.close().await;
            }
            drop(lock);
        }
    }
}

/// Whoever has only ever run `plinth dev` should not take an empty answer for the truth.
fn tell_of_new_data(project: &Project, config: &Config, choice: Choice) {
    let file = project.data(choice.stage).database();
    let is_other = choice.stage == Stage::Serve && project.data(Stage::Dev).database().is_file();
    if is_other && !config.database.is_server() && !file.is_file() {
        eprintln!(
            "note: {} is made now, and is empty; add --dev for the data of `plinth dev`",
            file.display()
        );
    }
}

/// The server on this directory, whichever it is.
async fn running(project: &Project, config: &Config) -> anyhow::Result<Option<Client>> {
    for stage in [Stage::Dev, Stage::Serve] {
        if let Some(mut client) = Client::connect(&project.data(stage).control_socket()).await {
            if config.database.is_server() {
                refuse_another(&mut client, project, &config.database.url).await?;
            }
            return Ok(Some(client));
        }
    }
    Ok(None)
}

/// The PostgreSQL server that the running server of this stage keeps its data on; none where nobody runs, or on a file.
pub(crate) async fn running_on(
    project: &Project,
    stage: Stage,
) -> anyhow::Result<Option<DatabaseReport>> {
    match Client::connect(&project.data(stage).control_socket()).await {
        Some(mut client) => database_of(&mut client).await,
        None => Ok(None),
    }
}

/// Which server the running server is on; none is its file.
async fn database_of(client: &mut Client) -> anyhow::Result<Option<DatabaseReport>> {
    let (mut told, mut failed) = (None, String::new());
    let asked = client.ask(&Request::Database, |reply| match reply {
        Reply::Database { server } => told = Some(server),
        Reply::Failed { message } => failed = message,
        _ => {}
    });
    asked.await?;
    told.with_context(|| {
        format!("the running server does not say which database it is on ({failed}); it is of another version of plinth: start it anew")
    })
}

/// Whoever names a database means that one. A server that is on another would do the work there, and report that it went well.
async fn refuse_another(client: &mut Client, project: &Project, url: &str) -> anyhow::Result<()> {
    let wanted = DatabaseReport::from(ServerTarget::of(url)?);
    let running = database_of(client).await?;
    if running.as_ref() == Some(&wanted) {
        return Ok(());
    }
    let dir = project.dir.display();
    let on = running.map_or_else(|| "its file".to_owned(), |server| server.to_string());
    bail!(
        "the server that runs on {dir} is on {on}, and the URL of this command (`--database-url`, PLINTH_DATABASE_URL or `[database] url`) names {wanted}\n  \
         nothing was done; leave the URL out to reach what the server is on, or stop the server first"
    );
}
