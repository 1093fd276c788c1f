//! `plinth dev`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use plinth_db::migrations::{Applied, apply_seed, find_seed};
use serde_json::json;

use super::{Directory, Shared, VERSION, application, output, runtime};
use crate::control::Owner;
use crate::project::{Project, Stage};
use crate::serve_loop::{Ready, Start, migrate, prepare, told_to_stop};
use crate::watch::Watch;

/// Run an application for development
#[derive(Debug, Args)]
#[command(
    after_help = "Uses the keys of every local Supabase project, on a loopback address only, with data of its own in data/dev/.
Migrations are applied at the start and whenever files change; seed.sql is loaded once.

Examples:
  plinth dev shop
  plinth dev shop --listen 127.0.0.1:8000
  plinth dev shop --reset               start over with empty data
  plinth status shop -o env > .env      the URL and the keys for a client"
)]
pub(super) struct Dev {
    #[command(flatten)]
    directory: Directory,
    /// Throw the development data away and start over
    #[arg(long)]
    reset: bool,
}

pub(super) fn run(args: &Dev, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    runtime()?.block_on(async {
        // Watching begins before files are read, so that no change falls between.
        let watch = Watch::start(&project);
        let ready = prepare(
            &project,
            &config,
            Start {
                stage: Stage::Dev,
                reset: args.reset,
            },
        )
        .await?;
        let applied = match ready.migrate().await {
            Ok(applied) => applied,
            // Data that no longer fits the files is no base to work on.
            Err(error) if error.is_edited() => {
                let message = ready.owner.explain(&error);
                ready.abandon().await;
                anyhow::bail!(message);
            }
            // A slip in the newest file is mended while the server runs.
            Err(error) => {
                eprintln!("plinth: {error}\n  mend the file; it is applied when it changes");
                Applied::default()
            }
        };
        let seeded = seed(&ready.owner).await;
        greet(&project, &ready, &applied, seeded, shared.json)?;
        match watch {
            Ok(watch) => {
                tokio::spawn(follow(watch, Arc::clone(&ready.owner)));
            }
            Err(error) => eprintln!(
                "warning: cannot watch for changes ({error}); use: plinth migrate {}",
                project.dir.display()
            ),
        }
        ready.serve(told_to_stop()).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Loads the sample rows unless they are there. An error is printed; it is no reason not to serve.
async fn seed(owner: &Owner) -> bool {
    let loaded = match find_seed(&owner.project.dir) {
        Ok(Some(seed)) => apply_seed(&owner.db, &seed).await,
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    };
    loaded.unwrap_or_else(|error| {
        eprintln!("plinth: {error}\n  mend the file; it is loaded when it changes");
        false
    })
}

/// Applies what changes bring, until the server ends.
async fn follow(mut watch: Watch, owner: Arc<Owner>) {
    loop {
        watch.changed().await;
        match migrate(&owner).await {
            Ok(applied) if applied.versions.is_empty() => {}
            Ok(applied) => eprintln!("applied {}", applied.versions.join(", ")),
            Err(error) => {
                eprintln!("plinth: {}", owner.explain(&error));
                continue;
            }
        }
        if seed(&owner).await {
            eprintln!("loaded seed.sql");
        }
    }
}

fn greet(
    project: &Project,
    ready: &Ready,
    applied: &Applied,
    seeded: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let (owner, took) = (&ready.owner, ready.started.elapsed().as_millis());
    let keys = owner.keys.now();
    if as_json {
        let line = json!({ "event": "ready", "api_url": owner.api_url, "anon_key": keys.anon_jwt,
            "service_role_key": keys.service_role_jwt.expose(), "pid": std::process::id(), "version": VERSION,
            "start_ms": took, "applied": applied.versions, "seeded": seeded });
        return output::line(&line.to_string());
    }
    let migrations = match applied.versions.as_slice() {
        [] => "up to date".to_owned(),
        versions => format!("applied {}", versions.join(", ")),
    };
    let seeded = if seeded { "; loaded seed.sql" } else { "" };
    output::write(&format!(
        "\n  {name} is ready for development ({took} ms)\n\n\
         \x20 API URL          {url}\n\
         \x20 anon key         {anon}\n\
         \x20 service key      {service}\n\
         \x20 publishable key  {publishable}\n\
         \x20 secret key       {secret}\n\
         \x20 migrations       {migrations}{seeded}\n\n\
         \x20 Keys are the public ones of local development. SQL: plinth sql {dir}. Ctrl-C stops.\n\n",
        name = project.name(),
        url = owner.api_url,
        anon = keys.anon_jwt,
        service = keys.service_role_jwt.expose(),
        publishable = keys.publishable,
        secret = keys.secret.expose(),
        dir = project.dir.display(),
    ))
}
