//! `plinth serve`.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{Directory, Shared, VERSION, application, output, runtime};
use crate::project::Stage;
use crate::serve_loop::{Start, prepare, told_to_stop};

/// Run an application in production
#[derive(Debug, Args)]
#[command(
    after_help = "Applies pending migrations, then serves until Ctrl-C or SIGTERM, which let running requests end.
Keys are made at the first start and sealed in the database; see them with: plinth status DIR

Examples:
  plinth serve shop
  plinth serve shop --listen 0.0.0.0:8000
  PLINTH_MASTER_KEY=$(cat key) plinth serve shop --json"
)]
pub(super) struct Serve {
    #[command(flatten)]
    directory: Directory,
}

pub(super) fn run(args: &Serve, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    runtime()?.block_on(async {
        let ready = prepare(&project, &config, Start { stage: Stage::Serve, reset: false }).await?;
        let applied = match ready.migrate().await {
            Ok(applied) => applied,
            Err(error) => {
                let message = ready.owner.explain(&error);
                ready.abandon().await;
                anyhow::bail!(message);
            }
        };
        let (url, took) = (&ready.owner.api_url, ready.started.elapsed().as_millis());
        if shared.json {
            let line = json!({ "event": "ready", "api_url": url, "pid": std::process::id(), "version": VERSION,
                "start_ms": took, "applied": applied.versions });
            output::line(&line.to_string())?;
        } else {
            output::line(&format!("serving {} on {url} (ready in {took} ms)", project.name()))?;
        }
        ready.serve(told_to_stop()).await;
        Ok(ExitCode::SUCCESS)
    })
}
