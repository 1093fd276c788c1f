//! The `plinth-load` command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use plinth_load::bench::{self, Kind, Options};

#[derive(Parser)]
#[command(about = "Load for HTTP servers, and the benchmark of Plinth beside others")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the benchmark
    Bench {
        /// The `plinth` program
        #[arg(long)]
        plinth: PathBuf,
        /// The `pocketbase` program, looked for in the PATH
        #[arg(long, default_value = "pocketbase")]
        pocketbase: PathBuf,
        /// A folder for the servers' data
        #[arg(long)]
        scratch: PathBuf,
        /// Where the report goes
        #[arg(long)]
        output: Option<PathBuf>,
        /// Seconds for each figure
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// Only work whose name contains this
        #[arg(long)]
        only: Option<String>,
        /// Which servers; all by default
        #[arg(long, value_enum)]
        server: Vec<Kind>,
        /// Only many users at once, on Plinth
        #[arg(long)]
        crowd: bool,
        /// Only Plinth on PostgreSQL, beside pgbench
        #[arg(long)]
        on_postgres: bool,
        /// Only files and pictures, beside nginx, libvips and `PocketBase`
        #[arg(long)]
        media: bool,
        /// Only orders, beside the same statements by hand
        #[arg(long)]
        commerce: bool,
        /// Runs of each figure that stands beside other servers; the middle one counts
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Measures SQLite by itself
    #[command(hide = true)]
    Raw {
        /// A folder for its file
        scratch: PathBuf,
    },
    /// Holds idle connections
    #[command(hide = true)]
    Hold {
        /// The server
        target: SocketAddr,
        /// The address to come from
        source: std::net::IpAddr,
        /// How many
        count: usize,
        /// The API key
        key: String,
    },
    /// Sends what no client should
    #[command(hide = true)]
    Hostile {
        /// The server
        target: SocketAddr,
        /// The API key
        key: String,
    },
    /// Serves the bare HTTP server that Plinth is compared with
    #[command(hide = true)]
    Bare {
        /// Where it listens
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bare { address } => bench::bare(address),
        Command::Hold {
            target,
            source,
            count,
            key,
        } => bench::hold(target, source, count, &key),
        Command::Hostile { target, key } => bench::be_hostile(target, &key),
        Command::Raw { scratch } => bench::raw(&scratch).map(|figures| eprintln!("{figures}")),
        Command::Bench {
            plinth,
            pocketbase,
            scratch,
            output,
            seconds,
            only,
            server,
            crowd,
            on_postgres,
            media,
            commerce,
            rounds,
        } => bench::bench(
            &Options {
                plinth,
                pocketbase,
                scratch,
                output,
                time: Duration::from_secs(seconds),
                only,
                servers: server,
                crowd,
                on_postgres,
                media,
                commerce,
                rounds,
            },
            &mut |line| eprintln!("{line}"),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
