//! Runs that nobody disturbed: one during which others kept the machine busy is taken again, and one that is disturbed every time is kept,
//! with what others did beside it. One that failed is taken again, too, and that is said: a moment in which the machine was away can cost a 503.

use anyhow::Result;

use crate::process::{Usage, Used};

/// How often a run is taken, at most.
pub(crate) const TRIES: usize = 3;

/// What came of the first run that was not disturbed, or of the last, and what was used meanwhile.
///
/// `server` is the process whose CPU time counts as the server's; this process's own, where nobody serves. `run` is told how many tries
/// there were before it.
pub(crate) fn undisturbed<T>(
    server: u32,
    mut run: impl FnMut(usize) -> Result<T>,
) -> Result<(T, Used)> {
    let mut before = 0;
    loop {
        let begin = Usage::now(server)?;
        let found = run(before);
        let used = Usage::now(server)?.since(begin);
        before += 1;
        let found = match found {
            Err(error) if before < TRIES => {
                eprintln!("once more: {error:#}");
                continue;
            }
            found => found?,
        };
        if before == TRIES || !used.disturbance().is_much() {
            return Ok((found, used));
        }
    }
}
