//! The proleptic Gregorian calendar.

use crate::SqlError;

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day of 24 hours.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// First and last day that Postgres keeps: 4714-11-24 BC and 5874897-12-31.
const DATE_RANGE: (i64, i64) = (-2_451_545, 2_145_031_948);
/// First microsecond (as the first date) and the first one that is too late (294277-01-01).
const TIMESTAMP_RANGE: (i64, i64) = (-211_813_488_000_000_000, 9_223_371_331_200_000_000);

/// A point in the calendar. `year` counts astronomically: 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical year.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// Microseconds since midnight.
    pub micros: i64,
}

impl Civil {
    /// 0 to 23.
    pub fn hour(&self) -> i64 {
        self.micros / (3600 * MICROS_PER_SECOND)
    }

    /// 0 to 59.
    pub fn minute(&self) -> i64 {
        self.micros / (60 * MICROS_PER_SECOND) % 60
    }

    /// 0 to 59.
    pub fn second(&self) -> i64 {
        self.micros / MICROS_PER_SECOND % 60
    }

    /// Microseconds within the second.
    pub fn fraction(&self) -> i64 {
        self.micros % MICROS_PER_SECOND
    }

    /// Days since 2000-01-01.
    pub fn days(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// 1 to 366.
    pub fn day_of_year(&self) -> i64 {
        self.days() - days_from_civil(self.year, 1, 1) + 1
    }

    /// 0 is Sunday.
    pub fn weekday(&self) -> i64 {
        (self.days() + 6).rem_euclid(7)
    }

    /// The ISO year and week.
    pub fn iso_week(&self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let monday_based = (self.weekday() + 6) % 7;
        let (year, _, _) = civil_from_days(self.days() - monday_based + 3);
        let week = (self.days() - iso_week_one(year)).div_euclid(7) + 1;
        (year, week)
    }
}

/// The Monday that begins ISO week 1 of a year.
pub(super) fn iso_week_one(year: i64) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - (fourth + 5).rem_euclid(7)
}

/// Days since 2000-01-01. `month` is 1 to 12; `day` may lie outside its month.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years counted from March put the leap day last; an era of 400 years has 146,097 days.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 730_425
}

/// Astronomical year, month and day of a day since 2000-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 730_425;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// The calendar point of a finite timestamp.
pub fn civil_from_timestamp(timestamp: i64) -> Civil {
    let (year, month, day) = civil_from_days(timestamp.div_euclid(MICROS_PER_DAY));
    Civil {
        year,
        month,
        day,
        micros: timestamp.rem_euclid(MICROS_PER_DAY),
    }
}

/// The timestamp of a calendar point, if Postgres can keep it.
pub fn timestamp_from_civil(civil: &Civil) -> Option<i64> {
    timestamp_from_parts(civil.days(), civil.micros)
}

/// The timestamp of a day and microseconds after its midnight, if Postgres can keep it.
pub(super) fn timestamp_from_parts(days: i64, micros: i64) -> Option<i64> {
    in_range(days.checked_mul(MICROS_PER_DAY)?.checked_add(micros)?)
}

/// The timestamp itself, if Postgres can keep it.
pub(super) fn in_range(timestamp: i64) -> Option<i64> {
    (TIMESTAMP_RANGE.0..TIMESTAMP_RANGE.1)
        .contains(&timestamp)
        .then_some(timestamp)
}

/// The date, if Postgres can keep it.
pub(super) fn date_in_range(days: i64) -> Option<i32> {
    (DATE_RANGE.0..=DATE_RANGE.1)
        .contains(&days)
        .then(|| i32::try_from(days).ok())
        .flatten()
}

/// 28 to 31.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap_year(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether February has 29 days.
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `make_date(year, month, day)`; a negative year is BC.
pub fn make_date(year: i64, month: i64, day: i64) -> Result<i32, SqlError> {
    date_in_range(existing_day(year, month, day)?).ok_or_else(|| {
        SqlError::new(
            "22008",
            format!("date out of range: {}", shown_date(year, month, day)),
        )
    })
}

/// [`days_from_civil`] of a date that the calendar has; a negative year is BC.
fn existing_day(year: i64, month: i64, day: i64) -> Result<i64, SqlError> {
    let astronomical = if year < 0 { year + 1 } else { year };
    if year == 0
        || !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(astronomical, month)
    {
        return Err(SqlError::new(
            "22008",
            format!(
                "date field value out of range: {}",
                shown_date(year, month, day)
            ),
        ));
    }
    Ok(days_from_civil(astronomical, month, day))
}

fn shown_date(year: i64, month: i64, day: i64) -> String {
    format!("{year}-{month:02}-{day:02}")
}

/// `make_time(hour, minute, seconds)`: microseconds of the day.
pub fn make_time(hour: i64, minute: i64, seconds: f64) -> Result<i64, SqlError> {
    day_time(hour, minute, seconds).ok_or_else(|| {
        SqlError::new(
            "22008",
            format!(
                "time field value out of range: {hour}:{minute:02}:{}",
                shown_seconds(seconds)
            ),
        )
    })
}

/// `make_timestamp(year, month, day, hour, minute, seconds)`.
pub fn make_timestamp(
    (year, month, day): (i64, i64, i64),
    (hour, minute, seconds): (i64, i64, f64),
) -> Result<i64, SqlError> {
    let days = existing_day(year, month, day)?;
    let micros = make_time(hour, minute, seconds)?;
    timestamp_from_parts(days, micros).ok_or_else(|| {
        let time = format!("{hour}:{minute:02}:{}", shown_seconds(seconds));
        SqlError::new(
            "22008",
            format!(
                "timestamp out of range: {} {time}",
                shown_date(year, month, day)
            ),
        )
    })
}

fn day_time(hour: i64, minute: i64, seconds: f64) -> Option<i64> {
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 60 million")]
    let fraction = (seconds * 1e6).round_ties_even() as i64;
    let micros = (hour * 60 + minute) * 60 * MICROS_PER_SECOND + fraction;
    (micros <= MICROS_PER_DAY).then_some(micros)
}

/// As C's `%02g`.
fn shown_seconds(seconds: f64) -> String {
    let text = super::super::float::format_f64(seconds);
    if text.len() < 2 {
        format!("0{text}")
    } else {
        text
    }
}
