//! Waiting for a value, never for a time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks at something that has no way to tell us.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Looks until there is something to see.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if began.elapsed() >= limit {
            bail!("{what}: not within {:.0} s", limit.as_secs_f64());
        }
        thread::sleep(POLL);
    }
}
