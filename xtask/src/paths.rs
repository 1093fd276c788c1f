//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout: where cargo says that it runs this, which may be another place than the one where it was compiled.
pub(crate) fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().unwrap_or(&manifest).to_owned()
}

/// Compiled artefacts and logs: never in the checkout.
pub(crate) fn cache() -> PathBuf {
    if let Some(cache) = std::env::var_os("PLINTH_CACHE") {
        return PathBuf::from(cache);
    }
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    home.join(".cache/plinth")
}

/// Cargo, at the root, building into the cache. What the outer `cargo xtask` told its own child about itself
/// would make every crate look changed, so it is taken out.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO"
        {
            command.env_remove(name.as_ref());
        }
    }
    command
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target());
    command
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    cache().join("target")
}

/// The built command.
pub(crate) fn plinth() -> PathBuf {
    target().join("debug/plinth")
}

/// The files below a folder whose names end so, in order.
pub(crate) fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
