//! Dates and times as text, in the ISO style.

use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days};
use super::{DATE_INFINITY, DATE_NEGATIVE_INFINITY, INFINITY, NEGATIVE_INFINITY};

/// `2024-01-02`, with ` BC` where due.
pub fn format_date(date: i32) -> String {
    text(|out| write_date(date, out))
}

/// `03:04:05.123`.
pub fn format_time(micros: i64) -> String {
    text(|out| write_time(micros, out))
}

/// `2024-01-02 03:04:05.123`.
pub fn format_timestamp(timestamp: i64) -> String {
    text(|out| write_timestamp(timestamp, b' ', "", out))
}

/// `2024-01-02 03:04:05.123+00`.
pub fn format_timestamptz(timestamp: i64) -> String {
    text(|out| write_timestamp(timestamp, b' ', "+00", out))
}

/// Appends a date.
pub fn write_date(date: i32, out: &mut Vec<u8>) {
    match date {
        DATE_INFINITY => out.extend_from_slice(b"infinity"),
        DATE_NEGATIVE_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => {
            if write_day(i64::from(date), out) {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

/// Appends a time of day; the fraction loses zeros at its end.
pub fn write_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / MICROS_PER_SECOND;
    push_number(seconds / 3600, 2, out);
    out.push(b':');
    push_number(seconds / 60 % 60, 2, out);
    out.push(b':');
    push_number(seconds % 60, 2, out);
    let fraction = micros % MICROS_PER_SECOND;
    if fraction != 0 {
        out.push(b'.');
        push_number(fraction, 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Appends a timestamp with this byte between date and time and this offset behind: `b'T'` and `+00:00` make the
/// JSON form.
pub fn write_timestamp(timestamp: i64, separator: u8, offset: &str, out: &mut Vec<u8>) {
    match timestamp {
        INFINITY => return out.extend_from_slice(b"infinity"),
        NEGATIVE_INFINITY => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let before_christ = write_day(timestamp.div_euclid(MICROS_PER_DAY), out);
    out.push(separator);
    write_time(timestamp.rem_euclid(MICROS_PER_DAY), out);
    out.extend_from_slice(offset.as_bytes());
    if before_christ {
        out.extend_from_slice(b" BC");
    }
}

/// Appends a non-negative number, padded with zeros to `width`.
pub(super) fn push_number(value: i64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let start = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[start..]);
}

/// Appends `2024-01-02`; true when the year is BC.
fn write_day(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil_from_days(days);
    push_number(if year > 0 { year } else { 1 - year }, 4, out);
    out.push(b'-');
    push_number(month, 2, out);
    out.push(b'-');
    push_number(day, 2, out);
    year <= 0
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(32);
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
