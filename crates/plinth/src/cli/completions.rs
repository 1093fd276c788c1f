//! `plinth completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output;

/// Print a script that completes plinth's commands in your shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plinth completions bash > ~/.local/share/bash-completion/completions/plinth
  plinth completions zsh > ~/.zfunc/_plinth
  plinth completions fish > ~/.config/fish/completions/plinth.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Completions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "plinth",
        &mut script,
    );
    output::write(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
