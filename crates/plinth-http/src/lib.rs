//! What all routes share: who is calling, how much they may send, and what an error looks like.
//!
//! A service's handler takes a [`Caller`], reads its body with [`read_body`], runs its statements under
//! [`Caller::session`], and answers errors as an [`ApiError`] (or in the shape its own clients expect).

mod app;
mod body;
mod caller;
mod error;
mod gate;
pub mod host;
mod limits;
mod pace;
pub mod request_id;
mod room;
mod session;
mod sqlstate;
mod stretch;
mod token;

pub use app::{App, Mode};
pub use body::{BodyError, discard_body, read_body};
pub use caller::{Caller, KeyKind};
pub use error::{ApiError, internal_error};
pub use gate::{Gate, GateError, GateKeys};
pub use limits::Limits;
pub use room::{Budget, NoRoom, Room};
pub use session::request_settings;
pub use sqlstate::status_of as sqlstate_status;
pub use stretch::FileStretch;
pub use token::{Claims, TokenError};
