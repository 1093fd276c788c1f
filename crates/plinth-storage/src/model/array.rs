//! Arrays of text as a parameter, and as a row holds them.

/// `{"a","b \"c\""}`: every element in quotes, so that none is read as something else.
pub(crate) fn literal(items: &[impl AsRef<str>]) -> String {
    let mut text = String::from("{");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push('"');
        for c in item.as_ref().chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted() {
        assert_eq!(literal(&[] as &[&str]), "{}");
        assert_eq!(
            literal(&["a", "null", "b,c", r#"d"e\f"#]),
            r#"{"a","null","b,c","d\"e\\f"}"#
        );
    }
}
