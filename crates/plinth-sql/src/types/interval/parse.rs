//! Interval input: `1 year 2 mons 03:04:05`, `@ 1 minute ago`, `P1Y2M3DT4H`, `1-2`.

use super::{DAYS_PER_MONTH, Interval, too_large};
use crate::SqlError;
use crate::types::datetime::{Kind, MICROS_PER_DAY, MICROS_PER_SECOND, Token, split_tokens};

/// Parses an interval.
pub fn parse(text: &str) -> Result<Interval, SqlError> {
    let verbose = split_tokens(text, |word| unit(word).is_some() || word == "ago")
        .map_or(Err(Fault::Syntax), |tokens| read_verbose(&tokens));
    let parsed = match verbose {
        Err(Fault::Syntax) => read_iso(text.trim()),
        other => other,
    };
    parsed
        .and_then(Parts::interval)
        .map_err(|fault| match fault {
            Fault::Syntax => SqlError::new(
                "22007",
                format!("invalid input syntax for type interval: \"{text}\""),
            ),
            Fault::Range => SqlError::new(
                "22015",
                format!("interval field value out of range: \"{text}\""),
            ),
            Fault::Total => too_large(),
        })
}

enum Fault {
    Syntax,
    /// One part does not fit.
    Range,
    /// The months of years and months together do not fit.
    Total,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Micros,
    Millis,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

fn unit(word: &str) -> Option<Unit> {
    // Postgres looks at the first ten letters.
    let word = word.get(..10).unwrap_or(word);
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Micros,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millis,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
        _ => return None,
    })
}

#[derive(Default)]
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    micros: i64,
}

impl Parts {
    fn interval(self) -> Result<Interval, Fault> {
        let months = self
            .years
            .checked_mul(12)
            .and_then(|months| months.checked_add(self.months))
            .ok_or(Fault::Total)?;
        Ok(Interval {
            months: i32::try_from(months).map_err(|_| Fault::Total)?,
            days: i32::try_from(self.days).map_err(|_| Fault::Range)?,
            micros: self.micros,
        })
    }

    fn add(&mut self, unit: Unit, number: Number) -> Result<(), Fault> {
        let Number { whole, fraction } = number;
        match unit {
            Unit::Micros => self.add_time(whole, fraction, 1),
            Unit::Millis => self.add_time(whole, fraction, 1000),
            Unit::Second => self.add_time(whole, fraction, MICROS_PER_SECOND),
            Unit::Minute => self.add_time(whole, fraction, 60 * MICROS_PER_SECOND),
            Unit::Hour => self.add_time(whole, fraction, 3600 * MICROS_PER_SECOND),
            Unit::Day => {
                add_to(&mut self.days, whole, 1)?;
                self.add_time(0, fraction, MICROS_PER_DAY)
            }
            Unit::Week => {
                add_to(&mut self.days, whole, 7)?;
                self.add_fraction_of_days(fraction, 7)
            }
            Unit::Month => {
                add_to(&mut self.months, whole, 1)?;
                self.add_fraction_of_days(fraction, DAYS_PER_MONTH)
            }
            Unit::Year => self.add_years(whole, fraction, 1),
            Unit::Decade => self.add_years(whole, fraction, 10),
            Unit::Century => self.add_years(whole, fraction, 100),
            Unit::Millennium => self.add_years(whole, fraction, 1000),
        }
    }

    fn add_time(&mut self, whole: i64, fraction: f64, micros: i64) -> Result<(), Fault> {
        let exact = whole
            .checked_mul(micros)
            .and_then(|sum| self.micros.checked_add(sum))
            .ok_or(Fault::Range)?;
        #[expect(clippy::cast_precision_loss, reason = "units are small")]
        let exact_rest = fraction * micros as f64;
        // Exactly half a microsecond is cut.
        let up = if exact_rest.fract().abs() > 0.5 {
            exact_rest.signum()
        } else {
            0.0
        };
        let rest = exact_rest.trunc() + up;
        #[expect(clippy::cast_possible_truncation, reason = "at most a day")]
        let sum = exact.checked_add(rest as i64).ok_or(Fault::Range)?;
        self.micros = sum;
        Ok(())
    }

    fn add_fraction_of_days(&mut self, fraction: f64, days: i32) -> Result<(), Fault> {
        let exact = fraction * f64::from(days);
        #[expect(clippy::cast_possible_truncation, reason = "at most a month")]
        add_to(&mut self.days, exact.trunc() as i64, 1)?;
        self.add_time(0, exact.fract(), MICROS_PER_DAY)
    }

    fn add_years(&mut self, whole: i64, fraction: f64, years: i32) -> Result<(), Fault> {
        add_to(&mut self.years, whole, i64::from(years))?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most a millennium of months"
        )]
        let months = (fraction * f64::from(years) * 12.0).round_ties_even() as i64;
        add_to(&mut self.months, months, 1)
    }

    fn negate(&mut self) {
        for part in [
            &mut self.years,
            &mut self.months,
            &mut self.days,
            &mut self.micros,
        ] {
            *part = part.wrapping_neg();
        }
    }
}

/// Adds within the 32 bits that Postgres gives each calendar part.
fn add_to(part: &mut i64, value: i64, unit: i64) -> Result<(), Fault> {
    let sum = value
        .checked_mul(unit)
        .and_then(|value| part.checked_add(value))
        .ok_or(Fault::Range)?;
    i32::try_from(sum).map_err(|_| Fault::Range)?;
    *part = sum;
    Ok(())
}

#[derive(Clone, Copy)]
struct Number {
    whole: i64,
    fraction: f64,
}

/// `12`, `-1.5`, `.25`. The fraction has the sign of the number.
fn number(text: &str) -> Result<Number, Fault> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(Fault::Syntax);
    }
    let sign = if negative { -1 } else { 1 };
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<i64>().map_err(|_| Fault::Range)?
    };
    let fraction: f64 = if fraction.is_empty() {
        0.0
    } else {
        format!("0.{fraction}").parse().map_err(|_| Fault::Syntax)?
    };
    Ok(Number {
        whole: whole * sign,
        fraction: if negative { -fraction } else { fraction },
    })
}

/// Reads tokens from the end, so that each unit is known before its number.
fn read_verbose(tokens: &[Token]) -> Result<Parts, Fault> {
    let mut parts = Parts::default();
    let mut seen: Vec<Unit> = Vec::new();
    let mut pending: Option<Unit> = None;
    let mut ago = false;
    for token in tokens.iter().rev() {
        let text = token.text.as_str();
        match token.kind {
            Kind::Word if text == "ago" => {
                ago = true;
                pending = None;
            }
            Kind::Word if text == "at" => {}
            Kind::Word => pending = Some(unit(text).ok_or(Fault::Syntax)?),
            Kind::Time => {
                read_clock(text, false, &mut parts, &mut seen)?;
                pending = Some(Unit::Day);
            }
            Kind::Signed if text.contains(':') => {
                read_clock(&text[1..], text.starts_with('-'), &mut parts, &mut seen)?;
                pending = Some(Unit::Day);
            }
            Kind::Signed | Kind::Date | Kind::Number => {
                let sign_and_digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                if let Some((years, months)) = sign_and_digits.split_once('-') {
                    years_and_months(text.starts_with('-'), years, months, &mut parts)?;
                    once(Unit::Year, &mut seen)?;
                    once(Unit::Month, &mut seen)?;
                    continue;
                }
                let unit = pending.unwrap_or(Unit::Second);
                parts.add(unit, number(text)?)?;
                once(unit, &mut seen)?;
            }
            Kind::SignedWord => return Err(Fault::Syntax),
        }
    }
    if seen.is_empty() {
        return Err(Fault::Syntax);
    }
    if ago {
        parts.negate();
    }
    Ok(parts)
}

fn once(unit: Unit, seen: &mut Vec<Unit>) -> Result<(), Fault> {
    if seen.contains(&unit) {
        return Err(Fault::Syntax);
    }
    seen.push(unit);
    Ok(())
}

/// SQL's `years-months`.
fn years_and_months(
    negative: bool,
    years: &str,
    months: &str,
    parts: &mut Parts,
) -> Result<(), Fault> {
    let (years, months) = (number(years)?.whole, number(months)?.whole);
    if months > 11 {
        return Err(Fault::Range);
    }
    let total = years
        .checked_mul(12)
        .and_then(|total| total.checked_add(months))
        .ok_or(Fault::Range)?;
    add_to(&mut parts.months, total, if negative { -1 } else { 1 })
}

/// `hours:minutes[:seconds[.f]]`; two parts with a fraction are minutes and seconds.
fn read_clock(
    text: &str,
    negative: bool,
    parts: &mut Parts,
    seen: &mut Vec<Unit>,
) -> Result<(), Fault> {
    let pieces: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match pieces.as_slice() {
        [minutes, seconds] if seconds.contains('.') => ("0", *minutes, *seconds),
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return Err(Fault::Syntax),
    };
    let seconds = number(if seconds.is_empty() {
        return Err(Fault::Syntax);
    } else {
        seconds
    })?;
    let (hours, minutes) = (number(hours)?.whole, number(minutes)?.whole);
    if minutes > 59 || seconds.whole > 60 {
        return Err(Fault::Range);
    }
    for unit in [Unit::Hour, Unit::Minute, Unit::Second] {
        once(unit, seen)?;
    }
    let mut time = Parts::default();
    time.add(
        Unit::Hour,
        Number {
            whole: hours,
            fraction: 0.0,
        },
    )?;
    time.add(
        Unit::Minute,
        Number {
            whole: minutes,
            fraction: 0.0,
        },
    )?;
    time.add(Unit::Second, seconds)?;
    let micros = if negative { -time.micros } else { time.micros };
    parts.micros = parts.micros.checked_add(micros).ok_or(Fault::Range)?;
    Ok(())
}

/// ISO 8601: `P1Y2M3DT4H5M6.7S`, `P1W`, and the alternative `P0001-02-03T04:05:06`.
fn read_iso(text: &str) -> Result<Parts, Fault> {
    let mut rest = text.strip_prefix('P').ok_or(Fault::Syntax)?;
    if rest.is_empty() {
        return Err(Fault::Syntax);
    }
    let mut parts = Parts::default();
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if in_time {
                return Err(Fault::Syntax);
            }
            in_time = true;
            rest = time;
            continue;
        }
        let sign = usize::from(rest.starts_with(['+', '-']));
        let end = rest[sign..]
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .map_or(rest.len(), |end| end + sign);
        let value = number(&rest[..end])?;
        let Some(designator) = rest[end..].chars().next() else {
            return Err(Fault::Syntax);
        };
        if matches!(designator, '-' | ':') {
            return read_iso_alternative(rest, in_time, parts);
        }
        let unit = match (designator, in_time) {
            ('Y', false) => Unit::Year,
            ('M', false) => Unit::Month,
            ('W', false) => Unit::Week,
            ('D', false) => Unit::Day,
            ('H', true) => Unit::Hour,
            ('M', true) => Unit::Minute,
            ('S', true) => Unit::Second,
            _ => return Err(Fault::Syntax),
        };
        parts.add(unit, value)?;
        rest = &rest[end + 1..];
    }
    Ok(parts)
}

fn read_iso_alternative(text: &str, in_time: bool, mut parts: Parts) -> Result<Parts, Fault> {
    let (date, time) = if in_time {
        ("", text)
    } else {
        text.split_once('T').unwrap_or((text, ""))
    };
    let units: [(&str, char, [Unit; 3]); 2] = [
        (date, '-', [Unit::Year, Unit::Month, Unit::Day]),
        (time, ':', [Unit::Hour, Unit::Minute, Unit::Second]),
    ];
    for (text, separator, units) in units {
        if text.is_empty() {
            continue;
        }
        let pieces: Vec<&str> = text.split(separator).collect();
        if pieces.len() > units.len() {
            return Err(Fault::Syntax);
        }
        for (piece, unit) in pieces.iter().zip(units) {
            parts.add(unit, number(piece)?)?;
        }
    }
    Ok(parts)
}
