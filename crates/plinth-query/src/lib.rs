//! Request text to request, plan and statement. Pure: no input or output, no clock.
//!
//! The road of a REST request through this crate:
//!
//! 1. [`request::parse`] turns the query string into a [`request::Request`]: well formed, knows no schema.
//!    [`preferences`], [`negotiate`] and [`range`] do the same for the headers, [`body`] for what was sent.
//! 2. [`plan`] resolves every name against one catalog snapshot and yields the statements of
//!    `plinth_sql::shape`, which any engine can run. Every error a client can cause by naming things is raised by here.
//!
//! Privileges and policies are not looked at: the engine enforces them below, for every front end alike. Only
//! suggestions ("did you mean") ask what the role may see.

pub mod request;

pub mod body;
pub mod negotiate;
pub mod preferences;
pub mod range;

pub mod openapi;
pub mod plan;
pub mod relationships;

mod array;
mod error;
mod names;

pub use error::Error;
