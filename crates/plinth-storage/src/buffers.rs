//! The memory that uploads may fill, all of them together.
//!
//! Bytes on their way into an S3 store are held until they are a part, and a signed chunk until its signature is proved. What
//! one connection holds is bounded where it does; this bounds what all hold.

use std::sync::LazyLock;
use std::time::Duration;

use plinth_http::Budget;

/// Bytes in memory: sixteen uploads at their full speed, and hundreds of small or slow ones.
const BYTES: usize = 256 << 20;
/// Longest wait for room. A part on its way to its store frees what it takes within about that.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all uploads of this process share.
pub(crate) fn of_process() -> Budget {
    static ALL: LazyLock<Budget> = LazyLock::new(|| Budget::new(BYTES, PATIENCE));
    ALL.clone()
}
