//! What a commit must pass: formatting, lints, documentation, tidy.

use std::time::Duration;

use crate::paths::{self, cargo};
use crate::run::Run;
use crate::{engines, tidy};

const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// The quick checks, cheapest first.
pub(crate) fn all(run: &mut Run) {
    by_reading(run);
    run.command(
        "fmt",
        cargo().args(["fmt", "--all", "--check"]),
        BUILD_LIMIT,
    );
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    run.compiler("clippy", cargo().args(clippy), BUILD_LIMIT);
    // What nothing else builds.
    let features = [
        "clippy",
        "--quiet",
        "--package",
        "plinth-storage",
        "--features",
        "avif",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    run.compiler("clippy: avif", cargo().args(features), BUILD_LIMIT);
    let docs = [
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ];
    run.compiler(
        "docs",
        cargo().args(docs).env("RUSTDOCFLAGS", "--deny warnings"),
        BUILD_LIMIT,
    );
}

/// What needs no compiler.
pub(crate) fn by_reading(run: &mut Run) {
    run.task("tidy", || tidy::check(&paths::root()));
    run.task("engines", engines::check);
}
