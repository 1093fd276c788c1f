//! Byte offsets as people count: lines and columns from 1.

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// The place of a byte offset. Offsets past the end or inside a character mean the nearest place before.
pub fn position(text: &str, offset: usize) -> Position {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("é = 1;\nx", 3), Position { line: 1, column: 3 });
        assert_eq!(position("é = 1;\nx", 8), Position { line: 2, column: 1 });
    }

    #[test]
    fn any_offset_has_a_place() {
        assert_eq!(position("é", 1), Position { line: 1, column: 1 });
        assert_eq!(position("", 99), Position { line: 1, column: 1 });
    }
}
