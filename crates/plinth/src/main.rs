//! The `plinth` command: reads what was said, wires the parts together and hands over.
//!
//! Nothing here knows SQL or HTTP beyond passing them on. This is the only crate that reads the environment and the
//! configuration file, and the only one that prints.

mod backup;
mod cli;
mod config;
mod control;
mod key_ring;
mod lock;
mod logging;
mod metrics;
mod project;
mod serve_loop;
mod watch;

use std::process::ExitCode;

// A server allocates from many threads in small pieces; the C library's allocator is markedly slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
