//! Logs go to standard error; standard output is for results.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging. `verbosity` counts `-v`: 0 warnings, 1 information, 2 debugging, 3 everything.
pub(crate) fn start(format: LogFormat, verbosity: u8) {
    let level = match verbosity {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // Letters of `dev` are sent to nobody: the terminal is where they arrive.
        .with_env_filter(EnvFilter::new(format!(
            // The library under the S3 endpoint calls every client's mistake an error, and shows signatures.
            "{level},plinth::letters=info,s3s=off"
        )));
    // A second start (in tests) finds a logger in place, which is as good.
    let _started = match format {
        LogFormat::Text => builder
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .try_init(),
    };
}
