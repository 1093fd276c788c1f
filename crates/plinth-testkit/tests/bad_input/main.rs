//! Bad input of every kind, given to the real command over real sockets.
//!
//! Whatever comes in, the answer says what is wrong in the documented form, nothing that is stored changes, nothing
//! panics, and the next good request is answered. `PLINTH_BIN` names the command to test; without it, it is the one
//! that was built into the same target folder.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod bodies;
mod command_line;
mod connections;
mod crowd;
mod data_files;
mod functions;
mod injection;
mod limits;
mod metrics;
mod migrations;
mod patterns;
mod queries;
mod refusals;
mod server;
mod tokens;
mod uploads;
mod values;
