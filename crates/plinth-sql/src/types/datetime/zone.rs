//! Time zones: UTC under its names, fixed offsets, the abbreviations Postgres knows by default, and for
//! `AT TIME ZONE` the names of the tz database, whose copy is compiled in so that every machine answers alike.
//!
//! Inside a constant a full name (`'2024-07-01 12:00 Europe/Paris'`) is refused.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use super::{INFINITY, MICROS_PER_SECOND, NEGATIVE_INFINITY};
use crate::SqlError;

/// Seconds east of UTC that a zone name means at a local time (in microseconds), or `None` if the name is unknown.
/// Knows UTC and its aliases, `Etc/GMT±n` (whose sign is the other way round) and abbreviations.
pub fn zone_offset(name: &str, local_micros: i64) -> Option<i64> {
    // Fixed offsets do not depend on the moment; a tz database would.
    let _ = local_micros;
    let lower = name.to_ascii_lowercase();
    if let Some(offset) = abbreviation(&lower) {
        return Some(offset);
    }
    match lower.as_str() {
        "etc/utc" | "etc/gmt" | "etc/uct" | "etc/zulu" | "etc/universal" | "etc/greenwich"
        | "etc/gmt0" | "etc/gmt+0" | "etc/gmt-0" | "gmt0" | "gmt+0" | "gmt-0" | "universal"
        | "greenwich" => Some(0),
        other => {
            let hours: i64 = other.strip_prefix("etc/gmt")?.parse().ok()?;
            let signed = other
                .as_bytes()
                .get(7)
                .is_some_and(|b| matches!(b, b'+' | b'-'));
            (signed && (-14..=12).contains(&hours)).then_some(-hours * 3600)
        }
    }
}

/// `timestamp AT TIME ZONE z` (local time to a moment) when `to_utc`, else `timestamptz AT TIME ZONE z` (a moment to
/// local time).
pub fn at_time_zone(timestamp: i64, zone: &str, to_utc: bool) -> Result<i64, SqlError> {
    if timestamp == INFINITY || timestamp == NEGATIVE_INFINITY {
        return Ok(timestamp);
    }
    let offset = zone_offset(zone, timestamp)
        .or_else(|| named_offset(zone, timestamp, to_utc))
        .or_else(|| posix_offset(zone))
        .ok_or_else(|| unknown_zone(zone))?;
    let moved = if to_utc {
        timestamp - offset * MICROS_PER_SECOND
    } else {
        timestamp + offset * MICROS_PER_SECOND
    };
    super::calendar::in_range(moved).ok_or_else(|| SqlError::new("22008", "timestamp out of range"))
}

/// Seconds east of UTC in a zone of the tz database, at a local time or at a moment (microseconds since 2000).
fn named_offset(zone: &str, micros: i64, local: bool) -> Option<i64> {
    static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
    let zone = ZONES.get(zone).ok()?;
    let at = Timestamp::from_microsecond(micros.checked_add(MICROS_1970_TO_2000)?).ok()?;
    if !local {
        return Some(i64::from(zone.to_offset(at).seconds()));
    }
    let written = jiff::tz::Offset::UTC.to_datetime(at);
    let moment = zone.to_ambiguous_timestamp(written).compatible().ok()?;
    Some(at.as_second() - moment.as_second())
}

/// Microseconds between 1970 and 2000.
const MICROS_1970_TO_2000: i64 = 946_684_800 * MICROS_PER_SECOND;

/// `22023 time zone "X" not recognized`.
pub(super) fn unknown_zone(name: &str) -> SqlError {
    SqlError::new("22023", format!("time zone \"{name}\" not recognized"))
}

/// A bare offset used as a zone name counts west, as POSIX has it: `+02` is two hours behind UTC. A leading
/// abbreviation changes nothing (`UTC+3`).
pub(super) fn posix_offset(zone: &str) -> Option<i64> {
    let digits = zone.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = zone.len() - digits.len();
    if letters > 0 && letters < 3 {
        return None;
    }
    let (sign, digits) = match digits.as_bytes().first()? {
        b'-' => (1, &digits[1..]),
        b'+' => (-1, &digits[1..]),
        b'0'..=b'9' if letters > 0 => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let short = |text: &str| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !short(hours) || !short(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Seconds east of UTC of a lower-case abbreviation.
pub(super) fn abbreviation(name: &str) -> Option<i64> {
    let minutes = match name {
        "z" | "utc" | "gmt" | "ut" | "uct" | "zulu" | "wet" => 0,
        "wetdst" | "bst" | "cet" | "met" | "mez" | "wat" => 60,
        "cest" | "cetdst" | "eet" | "mest" | "mesz" | "metdst" | "ist" | "sast" => 120,
        "eest" | "eetdst" | "idt" | "msk" => 180,
        "msd" => 240,
        "pkt" | "uzt" | "mvt" => 300,
        "hkt" | "sgt" | "awst" | "myt" | "pht" => 480,
        "jst" | "kst" => 540,
        "acst" | "cast" => 570,
        "aest" | "pgt" => 600,
        "acdt" | "cadt" | "sadt" => 630,
        "aedt" | "aesst" => 660,
        "nzst" | "nzt" => 720,
        "nzdt" => 780,
        "nst" => -210,
        "ndt" => -150,
        "adt" => -180,
        "est" | "cdt" => -300,
        "ast" | "edt" => -240,
        "cst" | "mdt" => -360,
        "mst" | "pdt" => -420,
        "pst" | "akdt" => -480,
        "akst" => -540,
        "hst" => -600,
        _ => return None,
    };
    Some(minutes * 60)
}
