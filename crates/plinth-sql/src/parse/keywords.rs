//! Which words mean something, and where they may still be names.
//!
//! The lists are those of `pg_get_keywords()` in Postgres 15. Within the grammar a keyword is compared by its
//! text; this module only answers whether a word may be used as a name in some place.

use std::collections::HashMap;
use std::sync::LazyLock;

/// How reserved a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Not a keyword, or one that may be any name.
    Free,
    /// A column or table name, but not a function or type name.
    ColumnName,
    /// A function or type name, but not a column or table name.
    FunctionName,
    /// Never a name without quotes.
    Reserved,
}

/// How reserved this lower-case word is.
pub(super) fn class(word: &str) -> Class {
    KEYWORDS.get(word).map_or(Class::Free, |known| known.0)
}

/// Whether the word may name a result column without `AS`.
pub(super) fn may_be_bare_label(word: &str) -> bool {
    KEYWORDS.get(word).is_none_or(|known| known.1)
}

/// Keywords that restrict something: the class, and whether they may be a bare label.
static KEYWORDS: LazyLock<HashMap<&'static str, (Class, bool)>> = LazyLock::new(|| {
    let classes = [
        (RESERVED, Class::Reserved),
        (FUNCTION_NAME, Class::FunctionName),
        (COLUMN_NAME, Class::ColumnName),
    ];
    let mut keywords = HashMap::new();
    for (list, class) in classes {
        keywords.extend(list.split_whitespace().map(|word| (word, (class, true))));
    }
    for word in NO_BARE_LABEL.split_whitespace() {
        keywords.entry(word).or_insert((Class::Free, true)).1 = false;
    }
    keywords
});

const RESERVED: &str = "\
    all analyse analyze and any array as asc asymmetric both case cast check collate column \
    constraint create current_catalog current_date current_role current_time current_timestamp \
    current_user default deferrable desc distinct do else end except false fetch for foreign \
    from grant group having in initially intersect into lateral leading limit localtime \
    localtimestamp not null offset on only or order placing primary references returning select \
    session_user some symmetric table then to trailing true union unique user using variadic \
    when where window with \
    ";

const FUNCTION_NAME: &str = "\
    authorization binary collation concurrently cross current_schema freeze full ilike inner is \
    isnull join left like natural notnull outer overlaps right similar tablesample verbose \
    ";

const COLUMN_NAME: &str = "\
    between bigint bit boolean char character coalesce dec decimal exists extract float \
    greatest grouping inout int integer interval least national nchar none normalize nullif \
    numeric out overlay position precision real row setof smallint substring time timestamp \
    treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest \
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable \
    ";

const NO_BARE_LABEL: &str = "\
    array as char character create day except fetch filter for from grant group having hour \
    intersect into isnull limit minute month notnull offset on order over overlaps precision \
    returning second to union varying where window with within without year \
    ";
