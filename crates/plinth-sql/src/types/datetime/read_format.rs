//! `to_date` and `to_timestamp` with a template.

use super::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, date_in_range, days_from_civil, days_in_month, in_range,
    iso_week_one,
};
use super::parse::field_out_of_range;
use super::pattern::{Key, MONTHS, Node, ROMAN, WEEKDAYS, parse};
use crate::SqlError;

/// `to_date(text, template)`.
pub fn to_date(text: &str, template: &str) -> Result<i32, SqlError> {
    let (days, _) = read(text, template)?;
    date_in_range(days)
        .ok_or_else(|| SqlError::new("22008", format!("date out of range: \"{text}\"")))
}

/// `to_timestamp(text, template)`.
pub fn to_timestamp(text: &str, template: &str) -> Result<i64, SqlError> {
    let (days, micros) = read(text, template)?;
    days.checked_mul(MICROS_PER_DAY)
        .and_then(|day| day.checked_add(micros))
        .and_then(in_range)
        .ok_or_else(|| SqlError::new("22008", "timestamp out of range"))
}

/// Days and microseconds.
fn read(text: &str, template: &str) -> Result<(i64, i64), SqlError> {
    let (nodes, exact) = parse(template);
    let mut reader = Reader {
        rest: text,
        before: ' ',
        exact,
        skipped: 0,
        found: Found::default(),
    };
    for (i, node) in nodes.iter().enumerate() {
        if reader.rest.is_empty() {
            break;
        }
        reader.node(node, nodes.get(i + 1), i == 0)?;
    }
    reader.found.resolve(text)
}

#[derive(Default)]
struct Found {
    year: Option<i64>,
    iso_year: Option<i64>,
    century: Option<i64>,
    before_christ: bool,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    iso_day_of_year: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    iso_week: Option<i64>,
    iso_weekday: Option<i64>,
    julian: Option<i64>,
    hour: Option<i64>,
    twelve_hours: bool,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    of_day: Option<i64>,
    millis: i64,
    micros: i64,
    zone_sign: i64,
    zone_hour: i64,
    zone_minute: i64,
}

struct Reader<'a> {
    rest: &'a str,
    /// The character that was passed last.
    before: char,
    exact: bool,
    /// Blanks skipped beyond what the template asked for.
    skipped: i64,
    found: Found,
}

fn invalid(message: String) -> SqlError {
    SqlError::new("22007", message)
}

fn is_separator(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric() && !c.is_ascii_control()
}

impl Reader<'_> {
    fn node(&mut self, node: &Node, next: Option<&Node>, first: bool) -> Result<(), SqlError> {
        let key = match node {
            Node::Key(key) => Some(key),
            _ => None,
        };
        if !self.exact && (first || key.is_some()) {
            self.skip_blanks();
        }
        match node {
            Node::Key(key) => {
                self.key(key, next)?;
                if !self.exact {
                    self.skipped = 0;
                    self.skip_blanks();
                }
            }
            Node::Char(c) if is_separator(*c) => {
                if self.exact {
                    self.advance();
                } else {
                    self.skipped -= 1;
                    if self.rest.starts_with(is_separator) {
                        self.advance();
                        self.skipped += 1;
                    }
                }
            }
            Node::Char(_) | Node::Quoted(_) => {
                if !self.exact && self.skipped > 0 {
                    self.skipped -= 1;
                } else {
                    self.advance();
                }
            }
        }
        Ok(())
    }

    fn skip_blanks(&mut self) {
        while self.rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.advance();
            self.skipped += 1;
        }
    }

    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        self.before = chars.next().unwrap_or(' ');
        self.rest = chars.as_str();
    }

    fn key(&mut self, key: &Key, next: Option<&Node>) -> Result<(), SqlError> {
        match key.name {
            "AM" | "PM" | "A.M." | "P.M." => {
                let names: &[&str] = if key.name.contains('.') {
                    &["A.M.", "P.M."]
                } else {
                    &["AM", "PM"]
                };
                self.found.afternoon = Some(self.word(names, None, key)? == 1);
                self.found.twelve_hours = true;
                return Ok(());
            }
            "AD" | "BC" | "A.D." | "B.C." => {
                let names: &[&str] = if key.name.contains('.') {
                    &["A.D.", "B.C."]
                } else {
                    &["AD", "BC"]
                };
                self.found.before_christ = self.word(names, None, key)? == 1;
                return Ok(());
            }
            "MONTH" => {
                self.found.month = Some(self.word(&MONTHS, None, key)? + 1);
                return Ok(());
            }
            "MON" => {
                self.found.month = Some(self.word(&MONTHS, Some(3), key)? + 1);
                return Ok(());
            }
            "RM" => {
                // Longest first, or every month would begin with I.
                let mut order: Vec<usize> = (0..12).collect();
                order.sort_by_key(|i| std::cmp::Reverse(ROMAN[*i].len()));
                let names: Vec<&str> = order.iter().map(|i| ROMAN[*i]).collect();
                let index = usize::try_from(self.word(&names, None, key)?).unwrap_or(0);
                self.found.month = i64::try_from(order[index] + 1).ok();
                return Ok(());
            }
            "DAY" => return self.word(&WEEKDAYS, None, key).map(drop),
            "DY" => return self.word(&WEEKDAYS, Some(3), key).map(drop),
            "TZ" | "OF" => {
                let message = format!(
                    "formatting field \"{}\" is only supported in to_char",
                    key.name
                );
                return Err(SqlError::new("0A000", message));
            }
            "TZH" => {
                // A minus sign may have been taken for the separator of the template.
                let swallowed = self.skipped > 0 && self.before == '-';
                if self.rest.starts_with(['+', '-', ' ']) {
                    self.advance();
                }
                let negative = swallowed || self.before == '-';
                self.found.zone_sign = if negative { -1 } else { 1 };
            }
            "Y,YYY" => return self.year_with_comma(),
            _ => {}
        }
        self.number_key(key, next)
    }

    fn number_key(&mut self, key: &Key, next: Option<&Node>) -> Result<(), SqlError> {
        let width = match key.name {
            "HH24" | "HH12" | "HH" | "TZH" | "TZM" | "IW" | "CC" => 2,
            "SSSS" | "SSSSS" => 5,
            "US" => 6,
            "J" => 7,
            "IDDD" => 3,
            name if name.starts_with("FF") => usize::from(name.as_bytes()[2] - b'0'),
            name if name.starts_with('I') && name.ends_with('Y') => name.len(),
            "MS" => 3,
            "ID" => 1,
            name => name.len(),
        };
        let (value, digits) = self.integer(key, next, width)?;
        let found = &mut self.found;
        let fraction = |value: i64, places: usize| {
            value.saturating_mul(
                10i64.pow(u32::try_from(places.saturating_sub(digits)).unwrap_or(0)),
            )
        };
        match key.name {
            "HH24" => found.hour = Some(value),
            "HH12" | "HH" => {
                found.hour = Some(value);
                found.twelve_hours = true;
            }
            "MI" => found.minute = Some(value),
            "SS" => found.second = Some(value),
            "SSSS" | "SSSSS" => found.of_day = Some(value),
            "MS" => found.millis = fraction(value, 3),
            "US" => found.micros = fraction(value, 6),
            name if name.starts_with("FF") => found.micros = fraction(value, 6),
            "YYYY" => found.year = Some(value),
            "YYY" | "YY" | "Y" => {
                found.year = Some(if digits < 4 { full_year(value) } else { value });
            }
            "IYYY" => found.iso_year = Some(value),
            "IYY" | "IY" | "I" => {
                found.iso_year = Some(if digits < 4 { full_year(value) } else { value });
            }
            "CC" => found.century = Some(value),
            "MM" => found.month = Some(value),
            "DD" => found.day = Some(value),
            "DDD" => found.day_of_year = Some(value),
            "IDDD" => found.iso_day_of_year = Some(value),
            "WW" => found.week = Some(value),
            "W" => found.week_of_month = Some(value),
            "IW" => found.iso_week = Some(value),
            "ID" => found.iso_weekday = Some(value),
            "J" => found.julian = Some(value),
            "TZH" => found.zone_hour = value,
            "TZM" => found.zone_minute = value,
            // A quarter or weekday number says nothing that could be checked.
            _ => {}
        }
        if key.ordinal.is_some() {
            self.advance();
            self.advance();
        }
        Ok(())
    }

    /// A whole number; of at most `width` characters when digits may follow directly.
    fn integer(
        &mut self,
        key: &Key,
        next: Option<&Node>,
        width: usize,
    ) -> Result<(i64, usize), SqlError> {
        while self.rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.advance();
        }
        let open_ended = key.fill
            || key.ordinal.is_some()
            || match next {
                None => true,
                Some(Node::Key(next)) => {
                    matches!(
                        next.name,
                        "AM" | "PM"
                            | "A.M."
                            | "P.M."
                            | "AD"
                            | "BC"
                            | "A.D."
                            | "B.C."
                            | "MONTH"
                            | "MON"
                            | "DAY"
                            | "DY"
                            | "RM"
                            | "TZ"
                            | "TZH"
                            | "OF"
                    )
                }
                Some(Node::Char(c) | Node::Quoted(c)) => !c.is_ascii_digit(),
            };
        let copy: String = self.rest.chars().take(width).collect();
        let shown = case_name(key);
        let refuse = |detail: String| {
            invalid(format!("invalid value \"{copy}\" for \"{shown}\"")).detail(detail)
        };
        let source = if open_ended {
            self.rest
        } else {
            &self.rest[..copy.len()]
        };
        let sign = usize::from(source.starts_with(['+', '-']));
        let digits = source[sign..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
        if !open_ended {
            let have = copy.chars().count();
            if have < width {
                let message = format!("source string too short for \"{shown}\" formatting field");
                let detail = format!("Field requires {width} characters, but only {have} remain.");
                return Err(invalid(message).detail(detail).hint(hint));
            }
            let used = sign + digits;
            if digits > 0 && used < width {
                let detail =
                    format!("Field requires {width} characters, but only {used} could be parsed.");
                return Err(refuse(detail).hint(hint));
            }
        }
        if digits == 0 {
            return Err(refuse("Value must be an integer.".to_owned()));
        }
        let value = source[..sign + digits].parse::<i32>().map_err(|_| {
            let message = format!("value for \"{shown}\" in source string is out of range");
            let detail = "Value must be in the range -2147483648 to 2147483647.";
            SqlError::new("22008", message).detail(detail)
        })?;
        self.rest = &self.rest[sign + digits..];
        Ok((i64::from(value), sign + digits))
    }

    fn year_with_comma(&mut self) -> Result<(), SqlError> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let thousands = digits(self.rest);
        let after = &self.rest[thousands..];
        let rest = after
            .strip_prefix(',')
            .map_or(0, |tail| digits(tail).min(3));
        if thousands == 0 || rest == 0 {
            return Err(invalid("invalid input string for \"Y,YYY\"".to_owned()));
        }
        let number = |text: &str| text.parse::<i64>().unwrap_or(i64::from(i32::MAX));
        let year = number(&self.rest[..thousands]).saturating_mul(1000) + number(&after[1..=rest]);
        self.found.year = Some(year.min(i64::from(i32::MAX)));
        self.rest = &after[1 + rest..];
        Ok(())
    }

    /// Which of the names the text goes on with, in any case; `length` cuts the names.
    fn word(&mut self, names: &[&str], length: Option<usize>, key: &Key) -> Result<i64, SqlError> {
        for (i, name) in names.iter().enumerate() {
            let name = length.map_or(*name, |length| &name[..length]);
            if self
                .rest
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name))
            {
                self.rest = &self.rest[name.len()..];
                return Ok(i64::try_from(i).unwrap_or(0));
            }
        }
        let word: String = self
            .rest
            .chars()
            .take_while(|c| !c.is_whitespace())
            .collect();
        Err(invalid(format!(
            "invalid value \"{word}\" for \"{}\"",
            case_name(key)
        ))
        .detail("The given value did not match any of the allowed values for this field."))
    }
}

impl Found {
    fn resolve(&self, text: &str) -> Result<(i64, i64), SqlError> {
        let iso = self.iso_year.is_some()
            || self.iso_week.is_some()
            || self.iso_weekday.is_some()
            || self.iso_day_of_year.is_some();
        let gregorian = self.year.is_some()
            || self.month.is_some()
            || self.day.is_some()
            || self.day_of_year.is_some()
            || self.week.is_some();
        if iso && gregorian {
            return Err(
                invalid("invalid combination of date conventions".to_owned()).hint(
                    "Do not mix Gregorian and ISO week date conventions in a formatting template.",
                ),
            );
        }
        let days = if let Some(julian) = self.julian {
            julian - 2_451_545
        } else if iso {
            let year = self.iso_year.unwrap_or(0);
            let offset = match self.iso_day_of_year {
                Some(day) => day - 1,
                None => (self.iso_week.unwrap_or(1) - 1) * 7 + self.iso_weekday.unwrap_or(1) - 1,
            };
            iso_week_one(year) + offset
        } else {
            self.gregorian_days(text)?
        };
        Ok((days, self.time(text)?))
    }

    fn gregorian_days(&self, text: &str) -> Result<i64, SqlError> {
        let mut year = self.year.unwrap_or(0);
        if let Some(century) = self.century {
            year = if self.year.is_some() {
                (century - 1) * 100 + year.rem_euclid(100)
            } else {
                (century - 1) * 100 + 1
            };
        }
        if self.before_christ {
            year = 1 - year;
        } else if year < 0 {
            year += 1;
        }
        if let Some(day_of_year) = self
            .day_of_year
            .or(self.week.map(|week| (week - 1) * 7 + 1))
        {
            if year == 0 && !self.before_christ {
                return Err(invalid(
                    "cannot calculate day of year without year information".to_owned(),
                ));
            }
            if !(1..=365 + i64::from(super::is_leap_year(year))).contains(&day_of_year) {
                return Err(field_out_of_range(text));
            }
            return Ok(days_from_civil(year, 1, 1) + day_of_year - 1);
        }
        let month = self.month.unwrap_or(1);
        let day = self
            .day
            .or(self.week_of_month.map(|week| (week - 1) * 7 + 1))
            .unwrap_or(1);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(field_out_of_range(text));
        }
        Ok(days_from_civil(year, month, day))
    }

    fn time(&self, text: &str) -> Result<i64, SqlError> {
        let mut hour = self.hour.unwrap_or(0);
        let (mut minute, mut second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        if self.twelve_hours && self.hour.is_some() {
            if !(1..=12).contains(&hour) {
                return Err(
                    invalid(format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                        .hint("Use the 24-hour clock, or give an hour between 1 and 12."),
                );
            }
            // Without AM or PM, 12 stays what the clock shows after midnight.
            hour = hour % 12 + if self.afternoon == Some(true) { 12 } else { 0 };
        }
        if let Some(of_day) = self.of_day {
            (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        }
        let range =
            (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
        if !range || self.zone_hour.abs() > 15 || !(0..60).contains(&self.zone_minute) {
            return Err(field_out_of_range(text));
        }
        let zone = self.zone_sign * (self.zone_hour * 60 + self.zone_minute) * 60;
        Ok(
            ((hour * 60 + minute) * 60 + second - zone) * MICROS_PER_SECOND
                + self.millis * 1000
                + self.micros,
        )
    }
}

/// Short years are the ones nearest to 2020.
fn full_year(year: i64) -> i64 {
    match year {
        70..100 => year + 1900,
        0..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

/// The pattern as it was written, for messages.
fn case_name(key: &Key) -> String {
    use super::pattern::Case;
    match key.case {
        Case::Upper => key.name.to_owned(),
        Case::Lower => key.name.to_ascii_lowercase(),
        Case::Capital => format!("{}{}", &key.name[..1], key.name[1..].to_ascii_lowercase()),
    }
}
