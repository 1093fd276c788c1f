//! Finds members and elements in text that is known to be valid JSON, as slices and without building anything.
//!
//! On other text it may find nonsense but neither panics nor loops.

/// Behind the string that begins at `at`.
pub(super) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind the value that begins at `at`.
pub(super) fn value_end(bytes: &[u8], mut at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'{' | b'[') => {
            let mut depth = 0usize;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => {
                        at = string_end(bytes, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            bytes.len()
        }
        _ => {
            let ends =
                |b: &u8| matches!(b, b',' | b'}' | b']' | b':' | b' ' | b'\n' | b'\r' | b'\t');
            bytes
                .get(at..)
                .and_then(|rest| rest.iter().position(ends))
                .map_or(bytes.len(), |length| at + length)
        }
    }
}

/// `text` without the blanks of JSON around it.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\n' | '\r' | '\t'))
}

/// The members of an object: raw keys (with quotes) and raw values. Empty for anything else.
pub(super) fn members(text: &str) -> Members<'_> {
    let text = trim(text);
    let at = if text.starts_with('{') { 1 } else { text.len() };
    Members { text, at }
}

pub(super) struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let bytes = self.text.as_bytes();
        let start = skip(bytes, self.at, b',');
        if bytes.get(start) != Some(&b'"') {
            self.at = bytes.len();
            return None;
        }
        let key_end = string_end(bytes, start);
        let value = skip(bytes, key_end, b':');
        let end = value_end(bytes, value);
        self.at = end;
        Some((self.text.get(start..key_end)?, self.text.get(value..end)?))
    }
}

/// The raw elements of an array. Empty for anything else.
pub(super) fn elements(text: &str) -> Elements<'_> {
    let text = trim(text);
    let at = if text.starts_with('[') { 1 } else { text.len() };
    Elements { text, at }
}

pub(super) struct Elements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = skip(bytes, self.at, b',');
        if start >= bytes.len() || bytes[start] == b']' {
            self.at = bytes.len();
            return None;
        }
        let end = value_end(bytes, start).max(start + 1);
        self.at = end;
        self.text.get(start..end)
    }
}

/// Past blanks and one separator.
fn skip(bytes: &[u8], mut at: usize, separator: u8) -> usize {
    while bytes
        .get(at)
        .is_some_and(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t') || *b == separator)
    {
        at += 1;
    }
    at
}
