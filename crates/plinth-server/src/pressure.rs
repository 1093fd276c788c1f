//! Overload: how late the server is, and whom it turns away.
//!
//! When more is asked than can be done, everybody waits longer and longer, and most are answered after they have given
//! up. So the server looks how late it is, and refuses as many requests as it takes to be in time for the others: at once,
//! before anything is read, with the word when to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use plinth_http::ApiError;

/// So late the server may be without refusing anybody: what a burst does to it.
const PATIENT: Duration = Duration::from_millis(10);
/// So late, it refuses everybody.
const LATEST: Duration = Duration::from_millis(40);
/// How often it looks. While nothing is asked it does not look at all.
const TICK: Duration = Duration::from_millis(1);
/// Looks without a request between them, after which it stops looking.
const QUIET_TICKS: u32 = 50;
/// What a refused client is told to wait, in seconds.
const RETRY_AFTER: u64 = 1;

/// How much is asked of this process. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Pressure(Arc<Gauge>);

#[derive(Default)]
struct Gauge {
    /// How late a timer was when it was last looked at, in microseconds: as long as whatever was ready had to wait. The
    /// lesser of two looks.
    late_us: AtomicU64,
    /// Requests so far.
    requests: AtomicU64,
    /// Somebody looks.
    watched: AtomicBool,
}

impl Pressure {
    /// Notes a request, and says whether it can be answered in time.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        if !self.0.watched.load(Ordering::Relaxed) && !self.0.watched.swap(true, Ordering::Relaxed)
        {
            tokio::spawn(watch(self.0.clone()));
        }
        let late = Duration::from_micros(self.0.late_us.load(Ordering::Relaxed));
        if is_refused(number, late) {
            return Err(refusal());
        }
        Ok(())
    }
}

/// The share that is refused grows with the lateness. Numbers are spread evenly, so that it is met at once and not only
/// in the long run.
fn is_refused(number: u64, late: Duration) -> bool {
    let Some(over) = late.checked_sub(PATIENT) else {
        return false;
    };
    // The fraction of a multiple of the golden ratio.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let share = over.as_micros().min(u128::from(u32::MAX)) << 32;
    u128::from(spread) < share / (LATEST - PATIENT).as_micros()
}

fn refusal() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "overloaded",
        "The server has more to do than it can do in time",
    )
    .hint("Try again after the time in the header Retry-After, and wait longer each time.")
    .retry_after(RETRY_AFTER)
}

/// Looks how late a timer is, until nothing is asked any more.
async fn watch(gauge: Arc<Gauge>) {
    let mut quiet = 0;
    let mut last = 0;
    let mut seen = gauge.requests.load(Ordering::Relaxed);
    while quiet < QUIET_TICKS {
        let due = Instant::now() + TICK;
        tokio::time::sleep_until(due.into()).await;
        let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Once may be a process that was stopped for a while; twice is too much to do.
        gauge.late_us.store(late.min(last), Ordering::Relaxed);
        last = late;
        let requests = gauge.requests.load(Ordering::Relaxed);
        quiet = if requests == seen { quiet + 1 } else { 0 };
        seen = requests;
    }
    gauge.late_us.store(0, Ordering::Relaxed);
    gauge.watched.store(false, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_the_more_are_refused() {
        let refused = |late_ms| {
            let late = Duration::from_millis(late_ms);
            (0..1000).filter(|number| is_refused(*number, late)).count()
        };
        assert_eq!(refused(0), 0);
        assert_eq!(refused(10), 0);
        assert!((480..=520).contains(&refused(25)), "{}", refused(25));
        assert_eq!(refused(40), 1000);
        assert_eq!(refused(60_000), 1000);
    }

    #[tokio::test]
    async fn whoever_blocks_the_server_has_the_next_refused() {
        let pressure = Pressure::default();
        assert!(pressure.admit().is_ok());
        tokio::task::yield_now().await;
        // Nothing else runs on this thread meanwhile.
        while pressure.admit().is_ok() {
            std::thread::sleep(LATEST * 2);
            tokio::task::yield_now().await;
        }
        while pressure.admit().is_err() {
            tokio::time::sleep(TICK).await;
        }
    }
}
