//! The Postgres dialect on SQLite: translation, policies, constraints, group commit.
//!
//! SQLite stores rows; this crate runs statements. A statement of the dialect is translated for one role against
//! one catalog snapshot, policies included (`translate`), and run by an executor that keeps constraints,
//! foreign keys and returning lists as Postgres does (`exec`). One writer thread commits in groups (`writer`);
//! readers never wait for it.

pub mod backup;
mod changes;
mod connection;
mod engine;
mod error;
mod exec;
mod functions;
mod names;
mod plans;
mod readers;
mod scans;
mod settings;
mod state;
mod store;
mod translate;
mod writer;

pub use changes::{Change, ChangeKind};
pub use engine::{Durability, Engine, Options};
pub use error::EngineError;
pub use exec::Tx;
pub use scans::RowScan;
