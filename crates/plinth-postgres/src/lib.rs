//! The PostgreSQL engine: the same sessions, documents and transactions as the embedded one, asked of a stock server.
//!
//! The server does the work: its row-level security decides, it checks and prints values, it writes the JSON. What is here is the road to it:
//! connections that are nobody until a request gives them a role for one transaction, statements printed from the same trees that the
//! embedded engine translates, and a catalog read back from the server for planning.

mod batch;
mod body;
mod connect;
mod engine;
mod error;
mod fence;
mod introspect;
mod leaving;
mod outage;
mod pool;
mod render;
mod roles;
mod script;
mod session;
mod setup;
mod suspects;
mod target;
mod text;
mod tls;
mod transaction;
mod url;
mod wire;

pub use engine::{Engine, Options};
pub use error::EngineError;
// `cargo xtask guard` counts it.
#[doc(hidden)]
pub use render::text_of;
pub use setup::{Alone, Setup};
pub use target::Target;
pub use transaction::Tx;
