//! Gives the tokens of a date or time text their meaning: which number is the year, which word a month.
//!
//! Follows the rules of the Postgres manual, appendix B.1, with `DateStyle` fixed to `ISO, MDY`.

use super::calendar::{Civil, MICROS_PER_SECOND, civil_from_days, days_from_civil, days_in_month};
use super::tokens::{Kind, Token};
use super::words::{clock, fraction_micros, is_weekday, month, signed_offset, split_letters};
use super::zone::{abbreviation, posix_offset, unknown_zone, zone_offset};
use crate::SqlError;

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A point in time; the offset is in seconds east of UTC, if one was given.
    Point {
        civil: Civil,
        offset: Option<i64>,
        has_date: bool,
        has_time: bool,
    },
    Epoch,
    Infinity,
    NegativeInfinity,
    Now,
    /// Midnight, this many days from today.
    Day(i64),
}

/// Why a text is not a date or time.
#[derive(Debug)]
pub(super) enum Fault {
    Syntax,
    Range,
    /// A month or day that is out of range, perhaps because the order was meant otherwise.
    MonthOrDayRange,
    OffsetRange,
    Other(SqlError),
}

const YEAR: u16 = 1;
const MONTH: u16 = 2;
const DAY: u16 = 4;
const DAY_OF_YEAR: u16 = 8;
const TIME: u16 = 16;
const ZONE: u16 = 32;
const NAME: u16 = 64;
const DATE: u16 = YEAR | MONTH | DAY;

/// Decodes a whole text. With `time_only`, run-together digits are a time, not a date.
pub(super) fn decode(tokens: &[Token], time_only: bool) -> Result<Decoded, Fault> {
    if let [only] = tokens
        && let Some(special) = special(only)
    {
        return Ok(special);
    }
    let mut fields = Fields {
        time_only,
        ..Fields::default()
    };
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        fields.token(token, tokens.get(index + 1))?;
        index += 1;
    }
    fields.finish()
}

fn special(token: &Token) -> Option<Decoded> {
    Some(match (token.kind, token.text.as_str()) {
        (Kind::Word, "epoch") => Decoded::Epoch,
        (Kind::Word | Kind::SignedWord, "infinity" | "+infinity") => Decoded::Infinity,
        (Kind::SignedWord, "-infinity") => Decoded::NegativeInfinity,
        (Kind::Word, "now") => Decoded::Now,
        (Kind::Word, "today") => Decoded::Day(0),
        (Kind::Word, "tomorrow") => Decoded::Day(1),
        (Kind::Word, "yesterday") => Decoded::Day(-1),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HalfDay {
    Am,
    Pm,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about what was read"
)]
struct Fields {
    time_only: bool,
    /// Which of the parts below are known.
    set: u16,
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    /// Hours are kept apart because `PM` may still come.
    hour: i64,
    /// Microseconds within the hour.
    rest: i64,
    offset: i64,
    /// The year was written with one or two digits.
    short_year: bool,
    before_christ: bool,
    month_in_words: bool,
    half: Option<HalfDay>,
    /// `today 12:00` and the like: days from now, resolved by the caller through `Relative`.
    relative: Option<i64>,
    julian: bool,
}

impl Fields {
    fn token(&mut self, token: &Token, next: Option<&Token>) -> Result<(), Fault> {
        let text = token.text.as_str();
        match token.kind {
            Kind::Date if self.set & (MONTH | DAY) == MONTH | DAY => self.zone_name(text),
            Kind::Date
                if self.time_only
                    && self.set & TIME != 0
                    && !text.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                self.zone_name(text)
            }
            // `040506-08`: a time run together with its offset, not a date, when only a time is wanted.
            Kind::Date
                if self.time_only
                    && text.starts_with(|c: char| c.is_ascii_digit())
                    && text.matches('-').count() == 1 =>
            {
                self.zone_name(text)
            }
            Kind::Date => self.date(text),
            Kind::Time => {
                self.mark(TIME)?;
                (self.hour, self.rest) = clock(text)?;
                self.check_clock()
            }
            Kind::Signed => {
                self.mark(ZONE)?;
                self.offset = signed_offset(text)?;
                Ok(())
            }
            Kind::Number => self.number(text),
            Kind::Word => self.word(text, next),
            Kind::SignedWord => Err(Fault::Syntax),
        }
    }

    fn mark(&mut self, part: u16) -> Result<(), Fault> {
        if self.set & part != 0 {
            return Err(Fault::Syntax);
        }
        self.set |= part;
        Ok(())
    }

    fn zone_name(&mut self, text: &str) -> Result<(), Fault> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let at = text.find('-').ok_or(Fault::Syntax)?;
            self.mark(ZONE)?;
            self.offset = signed_offset(&text[at..])?;
            return self.run_together(&text[..at]);
        }
        let offset = zone_offset(text, 0)
            .or_else(|| posix_offset(text))
            .ok_or_else(|| Fault::Other(unknown_zone(text)))?;
        self.mark(ZONE)?;
        self.offset = offset;
        Ok(())
    }

    /// `2024-01-02`, `jan-08-1999`, `8/1/1999`: words first, then numbers in order.
    fn date(&mut self, text: &str) -> Result<(), Fault> {
        let parts: Vec<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .flat_map(split_letters)
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() > 3 {
            return Err(Fault::Syntax);
        }
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                self.mark(MONTH)?;
                self.month = month(part).ok_or(Fault::Syntax)?;
                self.month_in_words = true;
            }
        }
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                self.date_number(part)?;
            }
        }
        let complete =
            self.set & DATE == DATE || self.set & (YEAR | DAY_OF_YEAR) == YEAR | DAY_OF_YEAR;
        if complete { Ok(()) } else { Err(Fault::Syntax) }
    }

    fn number(&mut self, text: &str) -> Result<(), Fault> {
        if self.julian {
            self.julian = false;
            let days: i64 = text.parse().map_err(|_| Fault::Syntax)?;
            self.mark(DATE)?;
            (self.year, self.month, self.day) = civil_from_days(days.min(1 << 40) - 2_451_545);
            // Julian days may lie before Christ without saying so; 1 BC is astronomical year 0.
            if self.year <= 0 {
                self.year = 1 - self.year;
                self.before_christ = true;
            }
            return Ok(());
        }
        if self.time_only {
            return self.run_together(text);
        }
        let whole = text.split('.').next().unwrap_or(text);
        if text.contains('.') {
            if self.set & DATE == 0 {
                return self.date(text);
            }
            return if whole.len() > 2 {
                self.run_together(text)
            } else {
                Err(Fault::Syntax)
            };
        }
        if whole.len() >= 6 && (self.set & DATE != DATE || self.set & TIME == 0) {
            return self.run_together(text);
        }
        self.date_number(text)
    }

    /// One number of a date, by what is known already: year, month, day as MDY unless it has three digits and more.
    fn date_number(&mut self, text: &str) -> Result<(), Fault> {
        let value: i64 = text.parse().map_err(|_| Fault::Syntax)?;
        if value > i64::from(i32::MAX) {
            return Err(Fault::Range);
        }
        let long = text.len() >= 3;
        if text.len() == 3 && self.set & DATE == YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return self.mark(DAY_OF_YEAR);
        }
        let part = match self.set & DATE {
            0 if long => YEAR,
            0 | YEAR | DAY => MONTH,
            MONTH if self.month_in_words && long => YEAR,
            MONTH => DAY,
            known if known == YEAR | MONTH => {
                if self.month_in_words && long && self.short_year {
                    // `08-jan-1999`: what looked like a year was the day.
                    self.day = self.year;
                    self.set |= DAY;
                    self.set &= !YEAR;
                    self.short_year = false;
                    YEAR
                } else {
                    DAY
                }
            }
            known if known == MONTH | DAY => YEAR,
            known if known == DATE => return self.run_together(text),
            _ => return Err(Fault::Syntax),
        };
        self.mark(part)?;
        match part {
            YEAR => {
                self.year = value;
                self.short_year = text.len() <= 2;
            }
            MONTH => self.month = value,
            _ => self.day = value,
        }
        Ok(())
    }

    /// `20240102`, `990102`, `040506.789`, `0405`.
    fn run_together(&mut self, text: &str) -> Result<(), Fault> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !whole.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::Syntax);
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| Fault::Syntax);
        if self.set & DATE != DATE && !self.time_only && !text.contains('.') && whole.len() >= 6 {
            let (rest, day) = whole.split_at(whole.len() - 2);
            let (year, month) = rest.split_at(rest.len() - 2);
            self.mark(DATE)?;
            (self.year, self.month, self.day) = (number(year)?, number(month)?, number(day)?);
            if self.year > i64::from(i32::MAX) {
                return Err(Fault::Range);
            }
            self.short_year = year.len() == 2;
            return Ok(());
        }
        if self.set & TIME != 0 {
            return Err(Fault::Syntax);
        }
        let (hour, minute, second) = match whole.len() {
            6 => (
                number(&whole[..2])?,
                number(&whole[2..4])?,
                number(&whole[4..])?,
            ),
            4 => (number(&whole[..2])?, number(&whole[2..])?, 0),
            _ => return Err(Fault::Syntax),
        };
        self.mark(TIME)?;
        self.hour = hour;
        if minute > 59 || second > 60 {
            return Err(Fault::Range);
        }
        self.rest = (minute * 60 + second) * MICROS_PER_SECOND + fraction_micros(fraction)?;
        self.check_clock()
    }

    fn word(&mut self, word: &str, next: Option<&Token>) -> Result<(), Fault> {
        if let Some(offset) = abbreviation(word) {
            self.mark(ZONE)?;
            self.offset = offset;
            return Ok(());
        }
        if let Some(month) = month(word) {
            if self.set & MONTH != 0
                && self.set & DAY == 0
                && !self.month_in_words
                && (1..=31).contains(&self.month)
            {
                // `8 jan 1999`: the number before was the day.
                self.day = self.month;
                self.set |= DAY;
                self.set &= !MONTH;
            }
            self.mark(MONTH)?;
            self.month = month;
            self.month_in_words = true;
            return Ok(());
        }
        if is_weekday(word) {
            return Ok(());
        }
        match word {
            "am" => self.half = Some(HalfDay::Am),
            "pm" => self.half = Some(HalfDay::Pm),
            "ad" => self.mark(NAME)?,
            "bc" => {
                self.mark(NAME)?;
                self.before_christ = true;
            }
            "at" | "on" => {}
            "t" => {
                let time_follows =
                    next.is_some_and(|next| matches!(next.kind, Kind::Time | Kind::Number));
                if !time_follows || (self.set & DATE != DATE && !self.time_only) {
                    return Err(Fault::Syntax);
                }
            }
            "j" | "jd" | "julian" => self.julian = true,
            "allballs" => {
                self.mark(TIME | ZONE)?;
                (self.hour, self.rest, self.offset) = (0, 0, 0);
            }
            "today" | "tomorrow" | "yesterday" => {
                self.mark(DATE)?;
                self.relative = Some(match word {
                    "today" => 0,
                    "tomorrow" => 1,
                    _ => -1,
                });
            }
            other => return self.zone_word(other),
        }
        Ok(())
    }

    fn zone_word(&mut self, word: &str) -> Result<(), Fault> {
        let offset = zone_offset(word, 0).ok_or(Fault::Syntax)?;
        self.mark(ZONE)?;
        self.offset = offset;
        Ok(())
    }

    fn check_clock(&self) -> Result<(), Fault> {
        let late = self.hour == 24 && self.rest > 0;
        if self.hour > 24 || late {
            Err(Fault::Range)
        } else {
            Ok(())
        }
    }

    fn finish(mut self) -> Result<Decoded, Fault> {
        let has_date = self.set & (YEAR | MONTH | DAY | DAY_OF_YEAR) != 0;
        if has_date && self.relative.is_none() {
            self.check_date()?;
        }
        if let Some(half) = self.half {
            if self.hour > 12 {
                return Err(Fault::Range);
            }
            self.hour = self.hour % 12 + if half == HalfDay::Pm { 12 } else { 0 };
        }
        let has_time = self.set & TIME != 0;
        let full_date = self.set & DATE == DATE;
        if !full_date && (has_date || !self.time_only) {
            return Err(Fault::Syntax);
        }
        let micros = self.hour * 3600 * MICROS_PER_SECOND + self.rest;
        if let Some(days) = self.relative {
            return if has_time {
                Ok(Decoded::relative(days, micros))
            } else {
                Ok(Decoded::Day(days))
            };
        }
        let civil = Civil {
            year: self.year,
            month: self.month,
            day: self.day,
            micros,
        };
        let offset = (self.set & ZONE != 0).then_some(self.offset);
        Ok(Decoded::Point {
            civil,
            offset,
            has_date,
            has_time,
        })
    }

    /// Brings the year to its astronomical count and refuses days that do not exist.
    fn check_date(&mut self) -> Result<(), Fault> {
        if self.set & YEAR != 0 {
            if self.before_christ {
                if self.year <= 0 {
                    return Err(Fault::Range);
                }
                self.year = 1 - self.year;
            } else if self.short_year {
                self.year += if self.year < 70 { 2000 } else { 1900 };
            } else if self.year <= 0 {
                return Err(Fault::Range);
            }
        }
        if self.set & DAY_OF_YEAR != 0 {
            let days = days_from_civil(self.year, 1, 1) + self.day_of_year - 1;
            (self.year, self.month, self.day) = civil_from_days(days);
            self.set |= DATE;
        }
        if self.set & MONTH != 0 && !(1..=12).contains(&self.month) {
            return Err(Fault::MonthOrDayRange);
        }
        if self.set & DAY != 0 && !(1..=31).contains(&self.day) {
            return Err(Fault::MonthOrDayRange);
        }
        if self.set & DATE == DATE && self.day > days_in_month(self.year, self.month) {
            return Err(Fault::Range);
        }
        Ok(())
    }
}

impl Decoded {
    /// `tomorrow 12:00`: a point whose year 0 is replaced by the caller's today.
    fn relative(days: i64, micros: i64) -> Decoded {
        Decoded::Point {
            civil: Civil {
                year: i64::MIN,
                month: 1,
                day: days,
                micros,
            },
            offset: None,
            has_date: true,
            has_time: true,
        }
    }
}
