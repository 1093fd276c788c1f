//! One database type over the engines: sessions, transactions, migrations, keys.
//!
//! Everything above this crate thinks in Postgres and never asks which engine runs: `embedded` in one file, or a PostgreSQL
//! server. [`Db`] is one type over both.

pub mod backup;
mod base;
mod clock;
mod db;
mod error;
pub mod keys;
mod known;
pub mod migrations;
mod param;
mod parsed;
mod policy_scans;
mod rows;

pub use base::base_module;
pub use clock::Clock;
pub use db::{Alone, Db, OpenOptions, Setup, Transaction};
pub use error::Error;
pub use known::Known;
pub use param::Param;
pub use plinth_embedded::{Durability, RowScan};
pub use plinth_postgres::{Options as ServerOptions, Target as ServerTarget};
pub use plinth_sql::SqlError;
pub use plinth_sql::catalog::{AutoExpose, Catalog};
pub use plinth_sql::session::{Ambient, Claims, Outcome, RowColumn, ScriptOptions, Session};
pub use plinth_sql::shape::{Answer, BodyFormat, Fetch, Filled, Read, Write};
pub use policy_scans::{MissingIndex, PolicyScan};
pub use rows::{Row, Rows};
