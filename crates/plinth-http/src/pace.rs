//! How fast something may go, all who do it together.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// So many bytes a second, and so many at once after a pause. Whoever comes too early waits, in the order of coming.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    at_once: Duration,
    /// When all that was taken would be due, had it come evenly.
    due: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) const fn new(bytes_per_second: u64, bytes_at_once: u64) -> Pace {
        Pace {
            bytes_per_second,
            at_once: lasts(bytes_at_once, bytes_per_second),
            due: Mutex::new(None),
        }
    }

    /// Takes so many bytes, and returns when it is time for more.
    pub(crate) async fn take(&self, bytes: u64) {
        let now = Instant::now();
        let due = {
            let mut due = self.due.lock();
            let from = due.unwrap_or(now).max(now);
            *due.insert(from + lasts(bytes, self.bytes_per_second))
        };
        if let Some(enough) = due.checked_sub(self.at_once).filter(|enough| *enough > now) {
            tokio::time::sleep_until(enough).await;
        }
    }
}

const fn lasts(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / bytes_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_at_once_is_bounded_and_then_its_rate() {
        let pace = Pace::new(100, 200);
        let began = Instant::now();
        pace.take(150).await;
        pace.take(50).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        pace.take(100).await;
        assert!(began.elapsed() >= Duration::from_secs(1));
        // A pause gives back what there is at once, and no more.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let began = Instant::now();
        pace.take(200).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        pace.take(50).await;
        assert!(began.elapsed() >= Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_go_no_faster() {
        let pace = Pace::new(100, 100);
        let began = Instant::now();
        tokio::join!(pace.take(100), pace.take(100), pace.take(100));
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
