//! `interval`: months, days and microseconds that are kept apart, because their lengths vary.

mod parse;

use std::cmp::Ordering;
use std::fmt::{self, Write};

use super::datetime::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::fault::{division_by_zero, out_of_range};
use crate::SqlError;

pub use parse::parse;

const DAYS_PER_MONTH: i32 = 30;

/// An interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Days, beside the months.
    pub days: i32,
    /// Microseconds, beside the days; may exceed a day.
    pub micros: i64,
}

impl Interval {
    /// The order of intervals: a month counts 30 days, a day 24 hours.
    pub fn key(&self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// `self + other`, part by part.
    pub fn add(&self, other: &Interval) -> Result<Interval, SqlError> {
        let sum = || {
            Some(Interval {
                months: self.months.checked_add(other.months)?,
                days: self.days.checked_add(other.days)?,
                micros: self.micros.checked_add(other.micros)?,
            })
        };
        sum().ok_or_else(too_large)
    }

    /// `self - other`, part by part.
    pub fn sub(&self, other: &Interval) -> Result<Interval, SqlError> {
        let difference = || {
            Some(Interval {
                months: self.months.checked_sub(other.months)?,
                days: self.days.checked_sub(other.days)?,
                micros: self.micros.checked_sub(other.micros)?,
            })
        };
        difference().ok_or_else(too_large)
    }

    /// `-self`.
    pub fn neg(&self) -> Result<Interval, SqlError> {
        Interval::default().sub(self)
    }

    /// `self * factor`. Fractions of months become days of 1/30 month, fractions of days time.
    pub fn mul(&self, factor: f64) -> Result<Interval, SqlError> {
        self.scaled(|part| part * factor)
    }

    /// `self / divisor`, with the same rules as [`Interval::mul`].
    pub fn div(&self, divisor: f64) -> Result<Interval, SqlError> {
        if divisor == 0.0 {
            return Err(division_by_zero());
        }
        self.scaled(|part| part / divisor)
    }

    /// `justify_hours`: 24 hours become a day.
    pub fn justify_hours(&self) -> Result<Interval, SqlError> {
        let whole = self.micros / MICROS_PER_DAY;
        let days = i64::from(self.days) + whole;
        let (days, micros) = same_sign(days, self.micros % MICROS_PER_DAY, MICROS_PER_DAY);
        Ok(Interval {
            months: self.months,
            days: i32::try_from(days).map_err(|_| too_large())?,
            micros,
        })
    }

    /// `justify_days`: 30 days become a month.
    pub fn justify_days(&self) -> Result<Interval, SqlError> {
        let months = i64::from(self.months) + i64::from(self.days / DAYS_PER_MONTH);
        let (months, days) = same_sign(
            months,
            i64::from(self.days % DAYS_PER_MONTH),
            i64::from(DAYS_PER_MONTH),
        );
        Ok(Interval {
            months: i32::try_from(months).map_err(|_| too_large())?,
            days: i32::try_from(days).map_err(|_| too_large())?,
            micros: self.micros,
        })
    }

    /// `justify_interval`: both of the above, and one sign for all parts.
    pub fn justify(&self) -> Result<Interval, SqlError> {
        let days = i64::from(self.days) + self.micros / MICROS_PER_DAY;
        let months = i64::from(self.months) + days / i64::from(DAYS_PER_MONTH);
        let mut days = days % i64::from(DAYS_PER_MONTH);
        let mut micros = self.micros % MICROS_PER_DAY;
        let mut months = months;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            days += i64::from(DAYS_PER_MONTH);
            months -= 1;
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            days -= i64::from(DAYS_PER_MONTH);
            months += 1;
        }
        (days, micros) = same_sign(days, micros, MICROS_PER_DAY);
        Ok(Interval {
            months: i32::try_from(months).map_err(|_| too_large())?,
            days: i32::try_from(days).map_err(|_| too_large())?,
            micros,
        })
    }

    /// What `interval(p)` keeps: the seconds rounded to `digits` digits.
    #[must_use]
    pub fn apply_typmod(&self, digits: i32) -> Interval {
        Interval {
            micros: super::datetime::round_micros(self.micros, digits),
            ..*self
        }
    }

    /// The form that is stored: `months days micros`.
    pub fn to_storage(&self) -> String {
        format!("{} {} {}", self.months, self.days, self.micros)
    }

    /// Reads the stored form back; `None` if it is not one.
    pub fn from_storage(text: &str) -> Option<Interval> {
        let (months, rest) = text.split_once(' ')?;
        let (days, micros) = rest.split_once(' ')?;
        Some(Interval {
            months: months.parse().ok()?,
            days: days.parse().ok()?,
            micros: micros.parse().ok()?,
        })
    }

    fn scaled(&self, scale: impl Fn(f64) -> f64) -> Result<Interval, SqlError> {
        // The steps and roundings are Postgres's, so that the last microsecond agrees.
        let months_exact = scale(f64::from(self.months));
        let days_exact = scale(f64::from(self.days));
        let (months, days) = (whole(months_exact)?, whole(days_exact)?);
        let month_rest_days =
            to_microseconds((months_exact - f64::from(months)) * f64::from(DAYS_PER_MONTH));
        let rest_whole = whole(month_rest_days)?;
        let mut seconds = to_microseconds(
            (days_exact - f64::from(days) + month_rest_days - f64::from(rest_whole)) * 86_400.0,
        );
        let mut days = days;
        if seconds.abs() >= 86_400.0 {
            let extra = whole(seconds / 86_400.0)?;
            days = days.checked_add(extra).ok_or_else(too_large)?;
            seconds -= f64::from(extra) * 86_400.0;
        }
        days = days.checked_add(rest_whole).ok_or_else(too_large)?;
        #[expect(clippy::cast_precision_loss, reason = "as Postgres computes it")]
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&micros) {
            return Err(too_large());
        }
        #[expect(clippy::cast_possible_truncation, reason = "in range")]
        Ok(Interval {
            months,
            days,
            micros: micros as i64,
        })
    }
}

/// Orders two stored forms as intervals; texts that are none come last, by bytes.
pub fn compare_storage(a: &str, b: &str) -> Ordering {
    match (Interval::from_storage(a), Interval::from_storage(b)) {
        (Some(a), Some(b)) => a.key().cmp(&b.key()),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

impl fmt::Display for Interval {
    /// `1 year 2 mons 3 days 04:05:06.789`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let mut after_negative = false;
        for (value, unit) in [
            (self.months / 12, "year"),
            (self.months % 12, "mon"),
            (self.days, "day"),
        ] {
            if value == 0 {
                continue;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            if after_negative && value > 0 {
                out.push('+');
            }
            write!(out, "{value} {unit}{}", if value == 1 { "" } else { "s" })?;
            after_negative = value < 0;
        }
        if out.is_empty() || self.micros != 0 {
            if !out.is_empty() {
                out.push(' ');
            }
            if self.micros < 0 {
                out.push('-');
            } else if after_negative {
                out.push('+');
            }
            let size = self.micros.unsigned_abs();
            let per_second = MICROS_PER_SECOND.unsigned_abs();
            let (seconds, fraction) = (size / per_second, size % per_second);
            write!(
                out,
                "{:02}:{:02}:{:02}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            )?;
            if fraction != 0 {
                out.push_str(format!(".{fraction:06}").trim_end_matches('0'));
            }
        }
        f.pad(&out)
    }
}

fn too_large() -> SqlError {
    SqlError {
        code: "22008".to_owned(),
        ..out_of_range("interval")
    }
}

fn whole(value: f64) -> Result<i32, SqlError> {
    if !(value > -2_147_483_649.0 && value < 2_147_483_648.0) {
        return Err(too_large());
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    Ok(value as i32)
}

fn to_microseconds(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

/// Moves one unit between the large and the small part so that their signs agree.
fn same_sign(large: i64, small: i64, unit: i64) -> (i64, i64) {
    if large > 0 && small < 0 {
        (large - 1, small + unit)
    } else if large < 0 && small > 0 {
        (large + 1, small - unit)
    } else {
        (large, small)
    }
}
