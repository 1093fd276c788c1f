//! How often letters go to one address, and how many go out in all. Counted in memory and for every address that is
//! asked for, known or not, so that the refusal tells nobody who has an account.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::attempts::{AccountKey, account_key};
use crate::error::AuthError;

/// Addresses that are watched at once.
const MAX_ADDRESSES: usize = 100_000;
const HOUR_SECONDS: i64 = 3600;

/// The watch over all addresses.
#[derive(Default)]
pub(crate) struct Pace(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    /// When each was last written to.
    last: HashMap<AccountKey, i64>,
    hour_began: i64,
    in_this_hour: u32,
}

impl Pace {
    /// Counts a letter to this address, or says how long it has to wait.
    pub(crate) fn begin(
        &self,
        address: &str,
        interval_seconds: i64,
        per_hour: u32,
        now: Timestamp,
    ) -> Result<(), AuthError> {
        let (now, key) = (now.as_second(), account_key(address));
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = watch.last.get(&key) {
            let left = last.saturating_add(interval_seconds).saturating_sub(now);
            if left > 0 {
                return Err(AuthError::MailTooSoon {
                    retry_after_seconds: left.unsigned_abs(),
                });
            }
        }
        if now.saturating_sub(watch.hour_began) >= HOUR_SECONDS {
            watch.hour_began = now;
            watch.in_this_hour = 0;
        }
        if watch.in_this_hour >= per_hour {
            let left = watch
                .hour_began
                .saturating_add(HOUR_SECONDS)
                .saturating_sub(now);
            return Err(AuthError::TooMuchMail {
                retry_after_seconds: left.max(1).unsigned_abs(),
            });
        }
        watch.in_this_hour += 1;
        if watch.last.len() >= MAX_ADDRESSES {
            watch
                .last
                .retain(|_, last| last.saturating_add(interval_seconds) > now);
            if watch.last.len() >= MAX_ADDRESSES {
                watch.last.clear();
            }
        }
        watch.last.insert(key, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_address_waits_and_so_does_everybody_over_the_hour_s_bound() {
        let pace = Pace::default();
        pace.begin("a@x.y", 60, 2, at(10_000)).unwrap();
        assert!(matches!(
            pace.begin("a@x.y", 60, 2, at(10_010)),
            Err(AuthError::MailTooSoon {
                retry_after_seconds: 50
            })
        ));
        pace.begin("a@x.y", 60, 2, at(10_060)).unwrap();
        assert!(matches!(
            pace.begin("b@x.y", 60, 2, at(10_060)),
            Err(AuthError::TooMuchMail { .. })
        ));
        pace.begin("b@x.y", 60, 2, at(13_600)).unwrap();
    }
}
