//! Lengths of time as commands are told them.

/// The longest: ten years, as long as keys in the form of tokens hold.
const LONGEST_SECONDS: i64 = 10 * 365 * 24 * 3600;

/// `0`, or a number and the first letter of its unit: `90s`, `15m`, `12h`, `30d`. Never negative.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || "0, or a number with s, m, h or d after it, is needed".to_owned();
    if text == "0" {
        return Ok(0);
    }
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600)];
    let unit = units
        .iter()
        .find_map(|(letter, unit)| Some((text.strip_suffix(*letter)?, *unit)));
    let (number, unit) = unit.ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let all = i64::from(number).saturating_mul(unit);
    if all > LONGEST_SECONDS {
        return Err("ten years (3650d) are the longest".to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, wanted) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("1h", 3600),
            ("3650d", LONGEST_SECONDS),
        ] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "1", "h", "-1h", "1.5h", "1w", "3651d", "1 h", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
