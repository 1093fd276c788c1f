//! Load for HTTP servers, and the benchmark of Plinth beside others.
//!
//! `generator` sends requests and keeps the times, `process` reads what servers use, `calm` takes a run again that others
//! disturbed. The benchmark puts the same data (`workload`) into each server under `servers`, runs the same work on them
//! in turn (`bench`) and writes what it found, beside what was aimed at (`results`).

mod calm;
mod commerce;
mod generator;
mod http;
mod machine;
mod media;
mod on_postgres;
mod process;

pub mod bench;
mod crowd;
mod results;
mod servers;
mod workload;

pub use generator::{Pace, Plan, Tally, Times, run};
pub use http::{Answer, Request, send};
pub use process::{Usage, Used, memory_kib};
