//! Which objects a stored expression or query refers to.
//!
//! Postgres stores what names meant, not the names. We store text, so we do three things when it matters: write every
//! name out in full when an expression is stored ([`store_expr`]), collect what it refers to when something is dropped
//! ([`collect`]), and rewrite it when something is renamed ([`Rename`]). All three need the same scopes, which are here.

mod handlers;
mod naming;
mod scope;
mod source;

pub(crate) use handlers::{Rename, Renamed, Target, collect, store_expr, store_query};
pub(crate) use naming::{output_name, regclass_text};
pub(crate) use scope::Stored;
