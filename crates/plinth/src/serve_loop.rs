//! From a directory to a server that listens, and back down again.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use plinth_auth::{AuthApp, Mailer};
use plinth_db::keys;
use plinth_db::migrations::{self, Applied, MigrationError, apply_system, system_is_behind};
use plinth_db::{Clock, Db, Durability, OpenOptions, ServerOptions};
use plinth_http::{App, Mode};
use plinth_rest::Rest;
use plinth_server::{Services, Site};
use plinth_storage::Storage;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::backup;
use crate::config::Config;
use crate::control::{self, Owner, RunningServer, describe};
use crate::key_ring::{self, KeyRing};
use crate::lock::{self, Holder, Lock};
use crate::metrics;
use crate::project::{DataFolder, Project, Stage, make_private_folder};

/// How long requests that run may take to end once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that is ready but not yet listening for an end.
pub(crate) struct Ready {
    /// Who has the database; the control socket answers with it.
    pub owner: Arc<Owner>,
    /// When the start began.
    pub started: Instant,
    listener: TcpListener,
    site: Site,
    control: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    metrics: Option<JoinHandle<()>>,
    lock: Lock,
}

/// What is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Which keys and which data.
    pub stage: Stage,
    /// Throw the stage's data away first.
    pub reset: bool,
}

/// Takes the directory, opens the port and the database. The application's migrations are the caller's to apply, and
/// nothing is served yet.
pub(crate) async fn prepare(
    project: &Project,
    config: &Config,
    start: Start,
) -> anyhow::Result<Ready> {
    let (started, stage) = (Instant::now(), start.stage);
    refuse_strangers(config.server.listen, stage)?;
    let mut lock = take_directory(project, config, stage)?;
    // The port first: a port in use is found before anything is changed.
    let listener = plinth_server::bind(config.server.listen).await?;
    let address = listener.local_addr()?;
    let config = &with_port(config, address);
    lock.describe(&holder(config, stage))?;
    if start.reset {
        if config.database.is_server() {
            bail!("--reset throws away files; on a server, drop and create the database yourself");
        }
        remove_data(&project.data(stage))?;
    }
    let (db, keys) = open_database(project, config, stage).await?;
    let owner = Arc::new(Owner {
        app: app(&db, &keys, config, stage),
        db,
        keys,
        project: project.clone(),
        stage,
        api_url: config.public_url(),
        store: config.storage.store(&project.data(stage)),
        commerce: config.commerce_service(),
        server: Some(RunningServer {
            pid: std::process::id(),
        }),
    });
    let (site, mut background) = site(&owner, config).await?;
    background.push(tokio::spawn(key_ring::follow(Arc::clone(&owner))));
    let metrics = match config.metrics.address()? {
        Some(address) => Some(metrics::listen(address, Arc::clone(&owner)).await?),
        None => None,
    };
    let control = control::listen(&project.data(stage).control_socket(), Arc::clone(&owner))?;
    Ok(Ready {
        owner,
        started,
        listener,
        site,
        control,
        background,
        metrics,
        lock,
    })
}

impl Ready {
    /// Applies pending migrations. Warnings and notices go to standard error.
    pub(crate) async fn migrate(&self) -> Result<Applied, MigrationError> {
        migrate(&self.owner).await
    }

    /// Gives everything back without having served.
    pub(crate) async fn abandon(self) {
        self.serve(std::future::ready(())).await;
    }

    /// Serves until `stop`, lets running requests end, and closes the database.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        let Ready {
            owner,
            listener,
            site,
            control,
            background,
            metrics,
            lock,
            ..
        } = self;
        let socket = owner.project.data(owner.stage).control_socket();
        site.serve(listener, pin!(stop), DRAIN).await;
        control.abort();
        for task in background {
            task.abort();
        }
        if let Some(metrics) = metrics {
            metrics.abort();
        }
        // Commands that come now should open the database themselves rather than find nobody behind the socket.
        let _best_effort = std::fs::remove_file(socket);
        owner.db.clone().close().await;
        drop(lock);
    }
}

/// Applies the application's pending migrations.
pub(crate) async fn migrate(owner: &Owner) -> Result<Applied, MigrationError> {
    let files = migrations::find(&owner.project.dir)?;
    let print = |event: migrations::Event<'_>| {
        let (text, warning) = describe(&event);
        if warning {
            eprintln!("warning: {text}");
        } else {
            tracing::info!("{text}");
        }
    };
    migrations::apply(&owner.db, &files, print).await
}

/// The database with the system's own migrations in place, and the keys. Makes both on a fresh directory.
pub(crate) async fn open_database(
    project: &Project,
    config: &Config,
    stage: Stage,
) -> anyhow::Result<(Db, KeyRing)> {
    let data = project.data(stage);
    make_private_folder(&data.path)?;
    if config.database.is_server() {
        return connect_database(&data, config, stage).await;
    }
    let mut saved = false;
    let cannot_open = || format!("cannot open {}", data.database().display());
    if plinth_db::backup::wants_upgrade(&data.database()).with_context(cannot_open)? {
        save_before_upgrade(project, stage)?;
        saved = true;
    }
    let options = OpenOptions {
        path: data.database(),
        clock: Clock::system(),
        auto_expose: config.api.auto_expose.into(),
        durability: Durability::Synced,
    };
    let db = Db::open(options).with_context(cannot_open)?;
    let modules = plinth_server::modules();
    if !saved && system_is_behind(&db, &modules).await? {
        save_before_upgrade(project, stage)?;
    }
    apply_system(&db, &modules).await?;
    let keys = keys_of(&db, &data, stage).await?;
    Ok((db, keys))
}

/// The same on a server, where one node at a time prepares the database for all.
async fn connect_database(
    data: &DataFolder,
    config: &Config,
    stage: Stage,
) -> anyhow::Result<(Db, KeyRing)> {
    let options = ServerOptions {
        url: config.database.url.clone(),
        connections: config.database.connections,
        wait: Duration::from_millis(config.limits.connection_wait_ms),
        auto_expose: config.api.auto_expose.into(),
    };
    let db = Db::connect(options, Clock::system()).await?;
    let setup = db.set_up().await?;
    apply_system(&db, &plinth_server::modules()).await?;
    let keys = keys_of(&db, data, stage).await?;
    setup
        .finish(keys.now().database_password().expose())
        .await?;
    Ok((db, keys))
}

async fn keys_of(db: &Db, data: &DataFolder, stage: Stage) -> anyhow::Result<KeyRing> {
    Ok(match stage {
        Stage::Dev => KeyRing::local(db.clock()),
        Stage::Serve => {
            let from_environment = std::env::var("PLINTH_MASTER_KEY").ok();
            let from_environment = from_environment.as_deref();
            let stored = keys::load_or_create(db, from_environment, &data.master_key()).await?;
            KeyRing::stored(stored, db.clock())
        }
    })
}

/// An earlier version wrote this data; what it wrote can be had back.
fn save_before_upgrade(project: &Project, stage: Stage) -> anyhow::Result<()> {
    let file = backup::before_upgrade(project, stage)?;
    eprintln!(
        "this version of plinth upgrades the data; as they were, they are in {}",
        file.display()
    );
    Ok(())
}

/// Resolves at the first Ctrl-C or SIGTERM.
pub(crate) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be heard; end the process to stop the server");
            std::future::pending::<()>().await;
        }
    }
}

/// The keys of `dev` are public: nobody but this machine may reach it.
fn refuse_strangers(listen: SocketAddr, stage: Stage) -> anyhow::Result<()> {
    if stage == Stage::Dev && !listen.ip().is_loopback() {
        bail!(
            "plinth dev uses keys that everybody knows, so it listens on loopback only, not on {listen}\n  \
             to be reached from elsewhere, use: plinth serve"
        );
    }
    Ok(())
}

fn take_directory(project: &Project, config: &Config, stage: Stage) -> anyhow::Result<Lock> {
    // A short command may be at its end; a server is not.
    match lock::take(project, &holder(config, stage), Duration::from_secs(1))? {
        Ok(lock) => Ok(lock),
        Err(Some(first)) => bail!(
            "{} is in use already: {first}\n  stop that one first, or use another folder",
            project.dir.display()
        ),
        Err(None) => bail!(
            "{} is in use by another process; stop that one first",
            project.dir.display()
        ),
    }
}

fn holder(config: &Config, stage: Stage) -> Holder {
    let command = match stage {
        Stage::Dev => "plinth dev",
        Stage::Serve => "plinth serve",
    };
    Holder {
        pid: std::process::id(),
        command: command.to_owned(),
        address: Some(format!("http://{}", config.server.listen)),
    }
}

fn remove_data(data: &DataFolder) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(&data.path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", data.path.display()))
        }
        _ => Ok(()),
    }
}

/// Port 0 means any free one; clients are told which it became.
fn with_port(config: &Config, address: SocketAddr) -> Config {
    let mut config = config.clone();
    config.server.listen = address;
    config
}

/// What all services share.
pub(crate) fn app(db: &Db, keys: &KeyRing, config: &Config, stage: Stage) -> App {
    App {
        db: db.clone(),
        gate: Arc::clone(&keys.gate),
        limits: Arc::new((&config.limits).into()),
        mode: match stage {
            Stage::Dev => Mode::Dev,
            Stage::Serve => Mode::Serve,
        },
        public_url: config.public_url().into(),
    }
}

async fn site(owner: &Owner, config: &Config) -> anyhow::Result<(Site, Vec<JoinHandle<()>>)> {
    let (app, mode) = (owner.app.clone(), owner.app.mode);
    let settings = config.auth_service(&owner.project.dir, mode)?;
    if mode == Mode::Serve && !settings.mailer.is_on() {
        tracing::warn!(
            "there is no mail server: addresses are not confirmed, and forgotten passwords cannot be recovered; see [mail] in plinth.toml"
        );
    }
    let outbox = match &settings.mailer {
        Mailer::Outbox(outbox) if mode == Mode::Dev => Some(outbox.clone()),
        Mailer::Off | Mailer::Outbox(_) | Mailer::Smtp(_) => None,
    };
    let keys = owner.keys.now();
    let auth = AuthApp::new(app.clone(), settings, keys.root.expose().as_bytes());
    let mailer = tokio::spawn(auth.clone().run_mailer());
    let counts = tokio::spawn(auth.clone().run_sweeper());
    let media = config.storage_service(&owner.project.data(owner.stage));
    let storage = Storage::open(app.clone(), media, &keys).await?;
    let sweeper = tokio::spawn(storage.clone().run_sweeper());
    let mut background = vec![mailer, counts, sweeper];
    let commerce = owner.open_commerce()?;
    if let Some(commerce) = &commerce {
        background.push(tokio::spawn(commerce.clone().run_worker()));
    }
    let rest = plinth_rest::Config {
        schemas: config.api.schemas.clone(),
    };
    let site = Site::new(Services {
        rest: Rest::new(app.clone(), rest),
        auth: plinth_auth::router(auth),
        storage: Some(storage),
        commerce: commerce.map(plinth_commerce::router),
        mailbox: outbox.map(plinth_auth::mailbox),
        app,
    });
    Ok((site, background))
}
