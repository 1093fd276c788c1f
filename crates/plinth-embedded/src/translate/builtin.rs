//! The built-in functions: one line each in [`BUILTINS`], read once.
//!
//! A line is `name(arguments) -> result = SQLite text; flags`. In the text `@1` is the first argument in its storage
//! form, `@e1` as an array element, `@j1` as JSON, `@x1` as text, `@t1` the code of its type, and `@*`, `@j*`, `@x*` are
//! all arguments of a variadic tail. Flags: `safe` (cannot raise and does not look at more than its arguments, so it
//! may stand beside a policy) and `writes`.

use std::collections::HashMap;
use std::sync::LazyLock;

use plinth_sql::types::Type;

/// The table itself.
pub(crate) const BUILTINS: &str = include_str!("builtins.txt");

/// One built-in function.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Builtin {
    /// Arguments that must (or, from `optional` on, may) be there.
    pub(super) fixed: Vec<Slot>,
    /// How many of `fixed` may be left out.
    optional: usize,
    /// What further arguments are.
    variadic: Option<Slot>,
    /// What it returns.
    pub(super) returns: Slot,
    /// SQLite text.
    pub(super) template: String,
    /// May stand beside a policy.
    pub(super) safe: bool,
    /// Changes something.
    pub(super) writes: bool,
}

/// The type of an argument or a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    /// This type.
    Is(Type),
    /// Any type at all.
    Any,
    /// Any type, the same wherever it stands.
    AnyElement,
    /// An array of that type.
    AnyArray,
}

/// A built-in function that returns rows: its SQLite text gives a JSON array with one entry a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SetReturning {
    /// The call.
    pub(super) call: Builtin,
    /// Columns of each row; none for functions that return values.
    pub(super) columns: Vec<(String, Type)>,
    /// The columns are those that the caller writes after `AS`.
    pub(super) record: bool,
}

impl Builtin {
    /// Whether this many arguments will do.
    pub(super) fn takes(&self, count: usize) -> bool {
        count + self.optional >= self.fixed.len()
            && (count <= self.fixed.len() || self.variadic.is_some())
    }

    /// What the argument at this place is.
    pub(super) fn slot(&self, place: usize) -> &Slot {
        self.fixed
            .get(place)
            .or(self.variadic.as_ref())
            .unwrap_or(&Slot::Any)
    }
}

/// Functions of this name.
pub(super) fn named(name: &str) -> &'static [Builtin] {
    TABLE
        .scalars
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Whether there is any function of this name.
pub(super) fn exists(name: &str) -> bool {
    TABLE.scalars.contains_key(name)
}

/// Functions of this name that return rows.
pub(super) fn set_returning(name: &str) -> Option<&'static [SetReturning]> {
    TABLE.sets.get(name).map(Vec::as_slice)
}

struct Table {
    scalars: HashMap<String, Vec<Builtin>>,
    sets: HashMap<String, Vec<SetReturning>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        scalars: HashMap::new(),
        sets: HashMap::new(),
    };
    for line in BUILTINS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        // A line that cannot be read is left out here and found by the test below.
        let _readable = add(&mut table, line);
    }
    table
});

fn add(table: &mut Table, line: &str) -> Option<()> {
    let (signature, rest) = line.split_once(" = ")?;
    let (template, flags) = rest.rsplit_once(';').unwrap_or((rest, ""));
    let (call, returns) = signature.split_once(" -> ")?;
    let (name, args) = call.split_once('(')?;
    let mut builtin = Builtin {
        fixed: Vec::new(),
        optional: 0,
        variadic: None,
        returns: Slot::Any,
        template: template.trim().to_owned(),
        safe: flags.contains("safe"),
        writes: flags.contains("writes"),
    };
    for arg in args
        .strip_suffix(')')?
        .split(',')
        .map(str::trim)
        .filter(|arg| !arg.is_empty())
    {
        if let Some(tail) = arg.strip_prefix("variadic ") {
            builtin.variadic = Some(slot(tail)?);
        } else if let Some(optional) = arg.strip_suffix('?') {
            builtin.optional += 1;
            builtin.fixed.push(slot(optional)?);
        } else {
            builtin.fixed.push(slot(arg)?);
        }
    }
    let Some(set) = returns.strip_prefix("setof ") else {
        builtin.returns = slot(returns)?;
        table
            .scalars
            .entry(name.trim().to_owned())
            .or_default()
            .push(builtin);
        return Some(());
    };
    let mut found = SetReturning {
        call: builtin,
        columns: Vec::new(),
        record: set == "record",
    };
    if let Some(columns) = set.strip_prefix('(') {
        for column in columns.strip_suffix(')')?.split(',') {
            let (name, ty) = column.trim().split_once(' ')?;
            found
                .columns
                .push((name.to_owned(), crate::names::type_of_code(ty)?));
        }
    } else if !found.record {
        found.call.returns = slot(set)?;
    }
    table
        .sets
        .entry(name.trim().to_owned())
        .or_default()
        .push(found);
    Some(())
}

fn slot(text: &str) -> Option<Slot> {
    Some(match text {
        "any" => Slot::Any,
        "anyelement" => Slot::AnyElement,
        "anyarray" => Slot::AnyArray,
        code => Slot::Is(crate::names::type_of_code(code)?),
    })
}

#[cfg(test)]
mod tests {
    use super::{BUILTINS, Table, add};
    use std::collections::HashMap;

    #[test]
    fn every_line_is_readable() {
        for line in BUILTINS
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let mut table = Table {
                scalars: HashMap::new(),
                sets: HashMap::new(),
            };
            assert!(add(&mut table, line).is_some(), "cannot read: {line}");
        }
    }
}
