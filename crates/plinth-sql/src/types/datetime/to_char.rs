//! `to_char` of timestamps and intervals.

use super::calendar::{Civil, MICROS_PER_SECOND, civil_from_timestamp, days_from_civil};
use super::is_finite;
use super::pattern::{Case, Key, MONTHS, Node, ROMAN, WEEKDAYS, parse};
use crate::SqlError;
use crate::types::interval::Interval;

/// `to_char(timestamp, template)`; `None` is NULL (an infinity or an empty template). `zoned` is for `timestamptz`.
pub fn to_char_timestamp(
    timestamp: i64,
    template: &str,
    zoned: bool,
) -> Result<Option<String>, SqlError> {
    if !is_finite(timestamp) {
        return Ok(None);
    }
    let civil = civil_from_timestamp(timestamp);
    let shown = Shown {
        year: if civil.year > 0 {
            civil.year
        } else {
            civil.year - 1
        },
        month: civil.month,
        day: civil.day,
        hour: civil.hour(),
        minute: civil.minute(),
        second: civil.second(),
        fraction: civil.fraction(),
        julian: civil.days() + 2_451_545,
        day_of_year: civil.day_of_year(),
        calendar: Some(civil),
        zone: if zoned { "UTC" } else { "" },
    };
    render(&shown, template)
}

/// `to_char(interval, template)`.
pub fn to_char_interval(interval: &Interval, template: &str) -> Result<Option<String>, SqlError> {
    let (months, days) = (i64::from(interval.months), i64::from(interval.days));
    let seconds = interval.micros / MICROS_PER_SECOND;
    let shown = Shown {
        year: months / 12,
        month: months % 12,
        day: days,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        fraction: interval.micros % MICROS_PER_SECOND,
        julian: days_from_civil(months / 12, months % 12, days) + 2_451_545,
        day_of_year: months / 12 * 360 + months % 12 * 30 + days,
        calendar: None,
        zone: "",
    };
    render(&shown, template)
}

struct Shown {
    /// Negative before Christ; there is no year 0 (in a timestamp).
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    fraction: i64,
    julian: i64,
    day_of_year: i64,
    /// Absent for intervals.
    calendar: Option<Civil>,
    zone: &'static str,
}

fn render(shown: &Shown, template: &str) -> Result<Option<String>, SqlError> {
    if template.is_empty() {
        return Ok(None);
    }
    let (nodes, _) = parse(template);
    let mut out = String::new();
    for node in &nodes {
        match node {
            Node::Char(c) | Node::Quoted(c) => out.push(*c),
            Node::Key(key) => {
                let text = shown.key(key)?;
                out.push_str(&text);
                if let Some(case) = key.ordinal {
                    out.push_str(ordinal(&text, case));
                }
            }
        }
    }
    Ok(Some(out))
}

impl Shown {
    fn key(&self, key: &Key) -> Result<String, SqlError> {
        let padded = |value: i64, width: usize| number(value, if key.fill { 0 } else { width });
        Ok(match key.name {
            "HH" | "HH12" => padded(
                if self.hour % 12 == 0 {
                    12
                } else {
                    self.hour % 12
                },
                2,
            ),
            "HH24" => padded(self.hour, 2),
            "MI" => padded(self.minute, 2),
            "SS" => padded(self.second, 2),
            "MS" | "FF3" => number(self.fraction / 1000, 3),
            "US" | "FF6" => number(self.fraction, 6),
            "FF1" => number(self.fraction / 100_000, 1),
            "FF2" => number(self.fraction / 10_000, 2),
            "FF4" => number(self.fraction / 100, 4),
            "FF5" => number(self.fraction / 10, 5),
            "SSSS" | "SSSSS" => number((self.hour * 60 + self.minute) * 60 + self.second, 0),
            "AM" | "PM" => half_day(self.hour, "AM", "PM", key.case),
            "A.M." | "P.M." => half_day(self.hour, "A.M.", "P.M.", key.case),
            "AD" | "BC" => cased(if self.year < 0 { "BC" } else { "AD" }, key.case),
            "A.D." | "B.C." => cased(if self.year < 0 { "B.C." } else { "A.D." }, key.case),
            "YYYY" => padded(self.year.abs(), 4),
            "YYY" => padded(self.year.abs() % 1000, 3),
            "YY" => padded(self.year.abs() % 100, 2),
            "Y" => padded(self.year.abs() % 10, 1),
            "Y,YYY" => format!("{},{:03}", self.year.abs() / 1000, self.year.abs() % 1000),
            "CC" => padded(self.century(), 2),
            "MM" => padded(self.month, 2),
            // A sign counts as one of the digits here.
            "DD" => format!("{:0width$}", self.day, width = if key.fill { 0 } else { 2 }),
            "DDD" => format!(
                "{:0width$}",
                self.day_of_year,
                width = if key.fill { 0 } else { 3 }
            ),
            "J" => number(self.julian, 0),
            "RM" => self.roman(key),
            "Q" if self.month != 0 => number((self.month - 1) / 3 + 1, 0),
            "W" => number((self.day - 1) / 7 + 1, 0),
            "WW" => padded((self.day_of_year - 1) / 7 + 1, 2),
            "TZ" => cased(self.zone, key.case),
            "TZH" | "OF" => "+00".to_owned(),
            "TZM" => "00".to_owned(),
            "MONTH" | "MON" | "Q" if self.month == 0 => String::new(),
            _ => self.calendar_key(key)?,
        })
    }

    /// Patterns that need a real date.
    fn calendar_key(&self, key: &Key) -> Result<String, SqlError> {
        let Some(civil) = &self.calendar else {
            return Err(SqlError::new(
                "22007",
                "invalid format specification for an interval value",
            )
            .hint("Intervals are not tied to specific calendar dates."));
        };
        let padded = |value: i64, width: usize| number(value, if key.fill { 0 } else { width });
        let (iso_year, iso_week) = civil.iso_week();
        let iso_year = if iso_year > 0 { iso_year } else { 1 - iso_year };
        let iso_weekday = (civil.weekday() + 6) % 7 + 1;
        Ok(match key.name {
            "MONTH" => name(&MONTHS, civil.month - 1, 9, key),
            "MON" => short_name(&MONTHS, civil.month - 1, key),
            "DAY" => name(&WEEKDAYS, civil.weekday(), 9, key),
            "DY" => short_name(&WEEKDAYS, civil.weekday(), key),
            "D" => number(civil.weekday() + 1, 0),
            "ID" => number(iso_weekday, 0),
            "IDDD" => padded((iso_week - 1) * 7 + iso_weekday, 3),
            "IW" => padded(iso_week, 2),
            "IYYY" => padded(iso_year, 4),
            "IYY" => padded(iso_year % 1000, 3),
            "IY" => padded(iso_year % 100, 2),
            "I" => padded(iso_year % 10, 1),
            _ => String::new(),
        })
    }

    fn century(&self) -> i64 {
        match (self.calendar, self.year) {
            (None, year) => year / 100,
            (_, year) if year > 0 => (year - 1) / 100 + 1,
            (_, year) => (year + 1) / 100 - 1,
        }
    }

    fn roman(&self, key: &Key) -> String {
        let index = if self.month > 0 {
            self.month - 1
        } else {
            self.month + 11
        };
        if self.month == 0 {
            return String::new();
        }
        let text = usize::try_from(index)
            .ok()
            .and_then(|index| ROMAN.get(index))
            .copied()
            .unwrap_or("");
        pad(&cased(text, key.case), if key.fill { 0 } else { 4 })
    }
}

/// Zero-padded; the sign comes on top of the width.
fn number(value: i64, width: usize) -> String {
    if value < 0 {
        format!("-{:0width$}", -value)
    } else {
        format!("{value:0width$}")
    }
}

fn half_day(hour: i64, am: &str, pm: &str, case: Case) -> String {
    cased(if hour % 24 >= 12 { pm } else { am }, case)
}

fn cased(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_ascii_uppercase(),
        Case::Lower => text.to_ascii_lowercase(),
        Case::Capital => text.to_owned(),
    }
}

fn name(names: &[&str], index: i64, width: usize, key: &Key) -> String {
    let full = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or("");
    pad(&cased(full, key.case), if key.fill { 0 } else { width })
}

fn short_name(names: &[&str], index: i64, key: &Key) -> String {
    let full = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or("");
    cased(full.get(..3).unwrap_or(full), key.case)
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

/// `st`, `nd`, `rd`, `th`.
pub(super) fn ordinal(number: &str, case: Case) -> &'static str {
    let digits = number.as_bytes();
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    let upper = case == Case::Upper;
    match digits.last() {
        Some(b'1') if !teen => {
            if upper {
                "ST"
            } else {
                "st"
            }
        }
        Some(b'2') if !teen => {
            if upper {
                "ND"
            } else {
                "nd"
            }
        }
        Some(b'3') if !teen => {
            if upper {
                "RD"
            } else {
                "rd"
            }
        }
        _ => {
            if upper {
                "TH"
            } else {
                "th"
            }
        }
    }
}
