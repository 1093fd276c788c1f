//! Tells the binary which commit it was built from.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PLINTH_COMMIT");
    // The log of HEAD grows with every commit and checkout.
    for file in ["../../.git/HEAD", "../../.git/logs/HEAD"] {
        if Path::new(file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!(
        "cargo::rustc-env=PLINTH_COMMIT={}",
        commit().unwrap_or_else(|| "unknown".to_owned())
    );
}

fn commit() -> Option<String> {
    let given = std::env::var("PLINTH_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    given.or_else(|| {
        let output = Command::new("git")
            .args(["rev-parse", "--short", "HEAD"])
            .output()
            .ok()?;
        let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !commit.is_empty()).then_some(commit)
    })
}
