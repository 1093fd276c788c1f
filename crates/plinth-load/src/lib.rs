//! Load for HTTP servers, and the benchmark of Plinth beside others.
//!
//! `generator` sends requests and keeps the times, `process` reads what servers use. The benchmark puts the same
//! data (`workload`) into each server under `servers`, runs the same work on them in turn (`bench`) and writes what
//! it found (`results`).

mod commerce;
mod generator;
mod http;
mod media;
mod on_postgres;
mod process;

pub mod bench;
mod crowd;
mod results;
mod servers;
mod workload;

pub use generator::{Pace, Plan, Tally, run};
pub use http::{Answer, Request, send};
pub use process::{Usage, Used, memory_kib};
