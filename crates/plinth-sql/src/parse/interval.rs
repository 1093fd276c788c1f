//! `interval '1' day`: the fields behind the constant go into its text, so that the tree needs no node for them.

/// The first and last field of `YEAR TO MONTH` and its kind; both the same for a single one.
pub(super) type Fields = (&'static str, &'static str);

/// The text that means the same without the fields; none when this text under these fields means something else
/// than what it says (Postgres would cut `'1 day 2 hours'` down to the fields).
pub(super) fn with_fields(text: &str, (first, last): Fields) -> Option<String> {
    let text = text.trim();
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let decimal = |part: &str| match part.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(part),
    };
    // A bare number counts the last field.
    if digits(number) || (last == "second" && decimal(number)) {
        return Some(format!("{text} {last}"));
    }
    let fits = match (first, last) {
        ("year", "month") => number
            .split_once('-')
            .is_some_and(|(years, months)| digits(years) && digits(months)),
        ("hour", "minute") => clock(number, 2),
        ("hour", "second") => clock(number, 3),
        ("day", "minute") => day_and_clock(number, 2),
        ("day", "second") => day_and_clock(number, 3),
        ("minute", "second") if clock(number, 2) => {
            let sign = &text[..text.len() - number.len()];
            return Some(format!("{sign}00:{number}"));
        }
        // A text in words that names this one field itself.
        (single, same) if single == same => {
            let (amount, unit) = number.split_once(' ')?;
            let unit = unit.trim();
            decimal(amount)
                && !amount.contains('.')
                && unit.strip_suffix('s').unwrap_or(unit) == single
        }
        _ => false,
    };
    fits.then(|| text.to_owned())
}

/// `1:30` or `1:30:15.5`.
fn clock(text: &str, parts: usize) -> bool {
    let found: Vec<&str> = text.split(':').collect();
    found.len() == parts
        && found.iter().enumerate().all(|(place, part)| {
            let fraction = place == 2;
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (fraction && byte == b'.'))
        })
}

fn day_and_clock(text: &str, parts: usize) -> bool {
    text.split_once(' ').is_some_and(|(days, time)| {
        !days.is_empty()
            && days.bytes().all(|byte| byte.is_ascii_digit())
            && clock(time.trim(), parts)
    })
}
