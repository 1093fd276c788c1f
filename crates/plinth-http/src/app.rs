//! What a server hands to every route.

use std::sync::Arc;

use plinth_db::Db;

use crate::{Gate, Limits};

/// Wired once in `main`, differently in tests, and cloned into every router.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// How much of everything.
    pub limits: Arc<Limits>,
    /// Development or production.
    pub mode: Mode,
    /// Where clients reach the server, without a slash at the end: `http://127.0.0.1:54321`.
    pub public_url: Arc<str>,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `plinth dev`: well-known keys, so nothing but this machine may reach it.
    Dev,
    /// `plinth serve`.
    Serve,
}
