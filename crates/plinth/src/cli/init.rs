//! `plinth init`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::{Shared, output};
use crate::config;

/// Make a new application: settings and an empty folder of migrations
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plinth init shop        in the folder shop, which is made when it is not there
  plinth init .           here; files that are there already are never overwritten

Next: write migrations/0001_tables.sql, then: plinth dev shop")]
pub(super) struct Init {
    /// The application's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

const MIGRATIONS_README: &str = include_str!("init/migrations.md");
const GITIGNORE: &str = "# Databases, keys and sockets that Plinth makes. Never in git.\n/data/\n";

pub(super) fn run(args: &Init, shared: &Shared) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    let mut files = vec![(dir.join(config::FILE), config::STARTER)];
    // A Supabase project keeps its migrations where they are.
    let keeps_migrations = dir.join("supabase").join("migrations").is_dir();
    if !keeps_migrations {
        files.push((dir.join("migrations").join("README.md"), MIGRATIONS_README));
    }
    let ignore = dir.join(".gitignore");
    if !ignore.exists() {
        files.push((ignore.clone(), GITIGNORE));
    }
    if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
        bail!(
            "{} is there already; nothing was changed\n  run it: plinth dev {}",
            taken.display(),
            dir.display()
        );
    }
    for (path, text) in &files {
        write_new(path, text).with_context(|| format!("cannot make {}", path.display()))?;
    }
    let ignored = fs::read_to_string(&ignore).is_ok_and(|text| text.lines().any(ignores_data));
    if shared.json {
        let made: Vec<_> = files
            .iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        output::line(&serde_json::json!({ "made": made }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (path, _) in &files {
        output::line(&format!("made {}", path.display()))?;
    }
    if !ignored {
        output::line("add a line /data/ to .gitignore: it will hold databases and keys")?;
    }
    let folder = if keeps_migrations {
        "supabase/migrations"
    } else {
        "migrations"
    };
    output::line(&format!(
        "next: write {}/{folder}/0001_tables.sql, then: plinth dev {0}",
        dir.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn ignores_data(line: &str) -> bool {
    matches!(line.trim().trim_matches('/'), "data" | "**/data" | "data/*")
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_starter_once_and_never_overwrites() {
        let dir = std::env::temp_dir().join(format!("plinth-init-{}", std::process::id()));
        let _absent = fs::remove_dir_all(&dir);
        let (args, shared) = (
            Init { dir: dir.clone() },
            Shared {
                listen: None,
                database_url: None,
                json: true,
                verbosity: 0,
            },
        );
        run(&args, &shared).unwrap();
        assert!(plinth_db::migrations::find(&dir).unwrap().is_empty());
        fs::write(dir.join("plinth.toml"), "# mine").unwrap();
        assert!(
            run(&args, &shared)
                .unwrap_err()
                .to_string()
                .contains("plinth.toml")
        );
        assert_eq!(
            fs::read_to_string(dir.join("plinth.toml")).unwrap(),
            "# mine"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}
