//! Filters and orders.

use super::choice::{count, one};
use super::requests::Maker;
use super::schema::Column;
use super::values::Ty;
use super::world::Source;

/// Parameters of a query string: names, and values that stand with commas between.
pub(super) type Parameters = Vec<(String, Vec<String>)>;

const COMPARISONS: [&str; 8] = ["eq", "eq", "eq", "neq", "gt", "gte", "lt", "lte"];
const ROUGH_COMPARISONS: [&str; 5] = ["eq", "eq", "eq", "neq", "gt"];
const OF_BOOLEANS: [&str; 6] = [
    "is.true",
    "is.false",
    "eq.true",
    "eq.false",
    "is.unknown",
    "neq.true",
];
const OF_TEXTS: [&str; 8] = [
    "like",
    "ilike",
    "like",
    "ilike",
    "match",
    "imatch",
    "like(any)",
    "ilike(all)",
];
const PATHS: [&str; 5] = ["->>a", "->>a", "->b->c->>0", "->a", "->>1"];

impl Maker<'_> {
    /// So many filters or groups of filters.
    pub(super) fn filters(
        &mut self,
        parameters: &mut Parameters,
        source: &Source,
        prefix: &str,
        number: usize,
    ) {
        for _ in 0..number {
            if self.shape.chance(16) {
                let mut terms = Vec::new();
                for _ in 0..count(&mut self.shape, 2, 3) {
                    terms.push(self.term(source));
                }
                let group = self.shape.pick(&["or", "or", "and", "not.or"]);
                let terms = format!("({})", terms.join(","));
                parameters.push((format!("{prefix}{group}"), vec![terms]));
            } else {
                let (field, test) = self.filter(source, false);
                parameters.push((format!("{prefix}{field}"), vec![test]));
            }
        }
    }

    /// A term of a group, some of which are groups themselves.
    fn term(&mut self, source: &Source) -> String {
        let nested = self.shape.chance(12);
        let (field, test) = self.filter(source, true);
        if !nested {
            return format!("{field}.{test}");
        }
        let (other, other_test) = self.filter(source, true);
        let group = self.shape.pick(&["and", "or", "not.and"]);
        format!("{group}({field}.{test},{other}.{other_test})")
    }

    /// What is tested, and how. Within a `group` values stand in quotes where they must.
    fn filter(&mut self, source: &Source, group: bool) -> (String, String) {
        let column = one(&mut self.shape, &source.columns);
        if column.ty != Ty::Jsonb || !self.shape.chance(55) {
            return (column.name.clone(), self.test(source, column, group));
        }
        let path = self.shape.pick(&PATHS);
        let test = match (path, group) {
            ("->a", true) => "is.null".to_owned(),
            ("->a", false) => format!("eq.{}", self.values.pick(&["1", "\"x\"", "null"])),
            _ => match self.shape.pick(&["eq", "neq", "gt", "like", "in"]) {
                "like" => format!("like.{}", self.values.pick(&["x*", "*"])),
                "in" => {
                    let choices = ["x", "1", "2"];
                    let first = self.values.pick(&choices);
                    format!("in.({first},{})", self.values.pick(&choices))
                }
                operator => {
                    let value = self.values.pick(&["x", "1", "2", "text"]);
                    format!("{operator}.{value}")
                }
            },
        };
        (format!("{}{path}", column.name), test)
    }

    fn test(&mut self, source: &Source, column: &Column, group: bool) -> String {
        let not = if self.shape.chance(15) { "not." } else { "" };
        let test = self.positive(source, column, group);
        format!("{not}{test}")
    }

    fn positive(&mut self, source: &Source, column: &Column, group: bool) -> String {
        if self.shape.chance(14) {
            let tests: &[&str] = if group {
                &["is.null"]
            } else {
                &["is.null", "is.null", "is.not_null"]
            };
            return self.shape.pick(tests).to_owned();
        }
        match column.ty {
            Ty::Bool => return self.shape.pick(&OF_BOOLEANS).to_owned(),
            Ty::Jsonb => return self.of_document(source, column, group),
            Ty::Texts => {
                let operator = self.shape.pick(&["cs", "cd", "ov", "eq", "cs"]);
                let arrays = ["{a}", "{a,b}", "{b}", "{}", "{\"b c\"}", "{x,a}"];
                return format!("{operator}.{}", self.values.pick(&arrays));
            }
            Ty::Text if self.shape.chance(40) => return self.of_pattern(group),
            _ => {}
        }
        if self.shape.chance(18) {
            let mut list = Vec::new();
            for _ in 0..count(&mut self.shape, 1, 4) {
                list.push(element(&self.value(source, column)));
            }
            return format!("in.({})", list.join(","));
        }
        let ordered = matches!(column.ty, Ty::Int | Ty::Bigint | Ty::Uuid | Ty::Date);
        if self.shape.chance(8) && ordered {
            let operator = self.shape.pick(&["eq(any)", "gt(all)", "lte(any)"]);
            let first = self.value(source, column);
            return format!("{operator}.{{{first},{}}}", self.value(source, column));
        }
        let distinct = self.shape.chance(6);
        let operator = if distinct {
            "isdistinct"
        } else if matches!(column.ty, Ty::Uuid | Ty::Level) {
            self.shape.pick(&ROUGH_COMPARISONS)
        } else {
            self.shape.pick(&COMPARISONS)
        };
        let value = self.value(source, column);
        format!("{operator}.{}", written(&value, group))
    }

    fn of_document(&mut self, source: &Source, column: &Column, group: bool) -> String {
        match (self.shape.below(3), group) {
            (0, true) => "cs.{\"a\":1}".to_owned(),
            (0, false) => {
                let parts = ["{\"a\":1}", "{\"a\":\"x\"}", "[1]", "{}"];
                format!("cs.{}", self.values.pick(&parts))
            }
            (_, true) => "is.null".to_owned(),
            (1, false) => format!("eq.{}", self.value(source, column)),
            _ => {
                let wholes = [
                    "{\"a\": 1, \"b\": {\"c\": [1, 2, null]}, \"ü\": true}",
                    "[1, 2, 3, \"x\"]",
                    "{}",
                ];
                format!("cd.{}", self.values.pick(&wholes))
            }
        }
    }

    fn of_pattern(&mut self, group: bool) -> String {
        let operator = self.shape.pick(&OF_TEXTS);
        let patterns: &[&str] = match operator {
            "like(any)" | "ilike(all)" => &["{a*,*n}", "{*,A*}", "{*o*,*e*}"],
            "match" | "imatch" => &["^a", "n$", "[a-c]", "o.*a", "^$"],
            _ => &["a*", "*n", "*a*", "A%", "_*", "*,*", "*\\*"],
        };
        let pattern = self.values.pick(patterns);
        let quoted = group && !operator.ends_with(')');
        format!("{operator}.{}", written(pattern, quoted))
    }

    /// An order by some columns. A `total` one leaves nothing to chance.
    pub(super) fn order(
        &mut self,
        parameters: &mut Parameters,
        source: &Source,
        prefix: &str,
        total: bool,
    ) {
        let mut terms = Vec::new();
        for _ in 0..count(&mut self.shape, 1, 2) {
            let column = one(&mut self.shape, &source.columns);
            let path = match column.ty {
                Ty::Jsonb if self.shape.chance(50) => self.shape.pick(&["->>a", "->a"]),
                _ => "",
            };
            let how = self.shape.pick(&[
                "",
                ".asc",
                ".desc",
                ".desc.nullslast",
                ".nullsfirst",
                ".asc.nullslast",
            ]);
            terms.push(format!("{}{path}{how}", column.name));
        }
        if total {
            for column in &source.primary {
                terms.push(format!("{column}{}", self.shape.pick(&["", ".desc"])));
            }
        }
        parameters.push((format!("{prefix}order"), terms));
    }
}

fn written(value: &str, quoted: bool) -> String {
    if quoted {
        element(value)
    } else {
        value.to_owned()
    }
}

/// A value in a list, in quotes where it would not be one otherwise.
fn element(value: &str) -> String {
    let special = |c: char| ",()\"\\:.".contains(c) || c.is_whitespace();
    if !value.is_empty() && !value.contains(special) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
