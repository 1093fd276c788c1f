//! How strongly operators bind.

/// From weakest to strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::parse) enum Level {
    Or,
    And,
    Not,
    Is,
    Compare,
    Pattern,
    Escape,
    Other,
    Add,
    Multiply,
    Power,
    AtTimeZone,
    Collate,
    Sign,
    Cast,
}

impl Level {
    pub(super) fn next(self) -> Level {
        match self {
            Level::Or => Level::And,
            Level::And => Level::Not,
            Level::Not => Level::Is,
            Level::Is => Level::Compare,
            Level::Compare => Level::Pattern,
            Level::Pattern => Level::Escape,
            Level::Escape => Level::Other,
            Level::Other => Level::Add,
            Level::Add => Level::Multiply,
            Level::Multiply => Level::Power,
            Level::Power => Level::AtTimeZone,
            Level::AtTimeZone => Level::Collate,
            Level::Collate => Level::Sign,
            Level::Sign | Level::Cast => Level::Cast,
        }
    }

    pub(super) fn is_non_associative(self) -> bool {
        matches!(self, Level::Is | Level::Compare | Level::Pattern)
    }
}

/// The level of an operator made of symbols.
pub(super) fn symbol_level(op: &str) -> Level {
    match op {
        "<" | ">" | "=" | "<=" | ">=" | "<>" => Level::Compare,
        "+" | "-" => Level::Add,
        "*" | "/" | "%" => Level::Multiply,
        "^" => Level::Power,
        _ => Level::Other,
    }
}
