//! Postgres's array literals: `{a,"b c",NULL}`.

/// The elements of a one-dimensional array literal; none when it is malformed or nested.
pub(crate) fn parse(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut elements = Vec::new();
    let mut rest = inner.chars().peekable();
    loop {
        while rest.next_if(char::is_ascii_whitespace).is_some() {}
        if rest.next_if_eq(&'"').is_some() {
            let mut element = String::new();
            loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => element.push(rest.next()?),
                    c => element.push(c),
                }
            }
            elements.push(Some(element));
            while rest.next_if(char::is_ascii_whitespace).is_some() {}
        } else {
            let (mut element, mut escaped) = (String::new(), false);
            while let Some(c) = rest.next_if(|c| *c != ',') {
                match c {
                    '{' | '}' | '"' => return None,
                    '\\' => {
                        escaped = true;
                        element.push(rest.next()?);
                    }
                    c => element.push(c),
                }
            }
            let element = if escaped {
                element
            } else {
                element.trim_end().to_owned()
            };
            if element.is_empty() {
                return None;
            }
            let null = !escaped && element.eq_ignore_ascii_case("null");
            elements.push((!null).then_some(element));
        }
        match rest.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// The literal of these elements.
pub(crate) fn literal<T: AsRef<str>>(elements: impl IntoIterator<Item = Option<T>>) -> String {
    let mut out = String::from("{");
    for (i, element) in elements.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        match element {
            None => out.push_str("NULL"),
            Some(text) => push_element(&mut out, text.as_ref()),
        }
    }
    out.push('}');
    out
}

/// One element, in quotes where it needs them.
pub(crate) fn push_element(out: &mut String, text: &str) {
    let special =
        |c: char| c.is_ascii_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\' | '\u{b}');
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
