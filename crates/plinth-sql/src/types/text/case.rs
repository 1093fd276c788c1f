//! `upper`, `lower` and `initcap`, character by character as the C library's C.UTF-8 does: never changing the number of
//! characters (`ß` stays).

/// `upper(text)`.
pub fn upper(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_uppercase()
    } else {
        text.chars().map(upper_char).collect()
    }
}

/// `lower(text)`.
pub fn lower(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().map(lower_char).collect()
    }
}

/// `initcap(text)`: each run of letters and digits begins upper and goes on lower.
pub fn initcap(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|c| {
            let changed = if inside { lower_char(c) } else { upper_char(c) };
            inside = c.is_alphanumeric();
            changed
        })
        .collect()
}

fn upper_char(c: char) -> char {
    // Greek letters with iota below have a single-letter form that full mapping takes apart.
    let simple = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(c) + 8)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(u32::from(c) + 9),
        _ => None,
    };
    if let Some(simple) = simple {
        return simple;
    }
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

pub(super) fn lower_char(c: char) -> char {
    // The one letter whose full mapping is longer although a simple one exists.
    if c == 'İ' {
        return 'i';
    }
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}
