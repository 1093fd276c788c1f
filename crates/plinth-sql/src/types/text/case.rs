//! `upper`, `lower` and `initcap`, character by character as the C library's C.UTF-8 does: never changing the number of
//! characters (`ß` stays).

/// `upper(text)`.
pub fn upper(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_uppercase() } else { text.chars().map(upper_char).collect() }
}

/// `lower(text)`.
pub fn lower(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().map(lower_char).collect() }
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
