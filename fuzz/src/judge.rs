//! What PostgreSQL 15 says of a text. The parser that is asked is a later one's, made for texts whose constants were
//! replaced by parameters; here its known differences are taken out, and nothing else.

use pg_query::protobuf::Token;
use pg_query::{ParserOptions, parse, scan};

/// Whether PostgreSQL 15's grammar accepts it.
pub(crate) fn accepts(text: &str) -> bool {
    if parse(text, ParserOptions::DEFAULT).is_err() {
        return false;
    }
    let Ok(scanned) = scan(text) else {
        return true;
    };
    // The text with a row for each parameter, see below.
    let mut with_rows = String::new();
    let mut copied = 0;
    for token in &scanned.tokens {
        let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end))
        else {
            continue;
        };
        let Some(written) = text.get(start..end) else {
            continue;
        };
        match token.token() {
            // `0x1F` and `1_000` came with version 16; before, they were trailing junk.
            Token::Iconst | Token::Fconst
                if written.contains(['_', 'x', 'X', 'o', 'O', 'b', 'B']) =>
            {
                return false;
            }
            // `$1a` too.
            Token::Param if text[end..].starts_with(begins_name) => return false,
            // `SELECT a $1` is accepted there as `SELECT a label` is, and by no server. Where a parameter is a value, a
            // row may stand too, but is no label; only `$1.a` and `$1[1]` have no such form.
            Token::Param if !text[end..].trim_start().starts_with(['.', '[']) => {
                with_rows.push_str(&text[copied..start]);
                with_rows.push_str(" row(1) ");
                copied = end;
            }
            _ => {}
        }
    }
    with_rows.push_str(&text[copied..]);
    copied == 0 || parse(&with_rows, ParserOptions::DEFAULT).is_ok()
}

fn begins_name(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_' || !letter.is_ascii()
}
