//! What the blocks and loops around a statement declare: labels, and what is known of variables.

use std::collections::HashMap;

/// Blocks and loops, innermost last.
#[derive(Default)]
pub(super) struct Scopes {
    frames: Vec<Frame>,
}

/// A declared variable, as far as this grammar cares.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) constant: bool,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// A cursor with its query: the names of its arguments.
    Bound(Vec<String>),
    /// `refcursor`.
    Refcursor,
    /// `record` or a table's `%ROWTYPE`.
    Row,
    /// A built-in type.
    Scalar,
    /// Only the catalog knows.
    Unknown,
}

struct Frame {
    label: Option<String>,
    is_loop: bool,
    variables: HashMap<String, Variable>,
}

impl Scopes {
    pub(super) fn open_block(&mut self, label: Option<String>) {
        self.open(label, false);
    }

    pub(super) fn open_loop(&mut self, label: Option<String>) {
        self.open(label, true);
    }

    fn open(&mut self, label: Option<String>, is_loop: bool) {
        self.frames.push(Frame {
            label,
            is_loop,
            variables: HashMap::new(),
        });
    }

    pub(super) fn close(&mut self) {
        self.frames.pop();
    }

    /// Declares a variable in the innermost block or loop; a later one of the same name hides it.
    pub(super) fn declare(&mut self, name: &str, variable: Variable) {
        if let Some(frame) = self.frames.last_mut() {
            frame.variables.insert(name.to_owned(), variable);
        }
    }

    /// Whether the innermost block declares this name.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.frames
            .last()
            .is_some_and(|frame| frame.variables.contains_key(name))
    }

    /// The variable that a name means: all of it, or all but a label before it. A field of a record is unknown.
    pub(super) fn find(&self, parts: &[String]) -> Option<&Variable> {
        let (variable, rest) = self.resolve(parts)?;
        (rest.is_empty() || variable.constant).then_some(variable)
    }

    /// The name of the variable without a label.
    pub(super) fn own_name<'p>(&self, parts: &'p [String]) -> &'p str {
        let rest = self.resolve(parts).map_or(0, |(_, rest)| rest.len());
        parts
            .get(parts.len().saturating_sub(rest + 1))
            .map_or("", String::as_str)
    }

    /// The variable, and what stands behind its name.
    fn resolve<'p>(&self, parts: &'p [String]) -> Option<(&Variable, &'p [String])> {
        let (first, rest) = parts.split_first()?;
        self.frames.iter().rev().find_map(|frame| {
            if let Some(variable) = frame.variables.get(first) {
                return Some((variable, rest));
            }
            let (second, rest) = rest.split_first()?;
            if frame.label.as_ref() != Some(first) {
                return None;
            }
            frame.variables.get(second).map(|variable| (variable, rest))
        })
    }

    /// Whether a label is a loop's; none when no block or loop around has it.
    pub(super) fn is_loop(&self, label: &str) -> Option<bool> {
        self.frames
            .iter()
            .rev()
            .find(|frame| frame.label.as_deref() == Some(label))
            .map(|frame| frame.is_loop)
    }

    pub(super) fn in_loop(&self) -> bool {
        self.frames.iter().any(|frame| frame.is_loop)
    }
}

impl Variable {
    fn of(kind: Kind) -> Variable {
        Variable {
            constant: false,
            kind,
        }
    }

    pub(super) fn bound_cursor(args: Vec<String>) -> Variable {
        Variable::of(Kind::Bound(args))
    }

    pub(super) fn refcursor() -> Variable {
        Variable::of(Kind::Refcursor)
    }

    pub(super) fn row() -> Variable {
        Variable::of(Kind::Row)
    }

    pub(super) fn scalar() -> Variable {
        Variable::of(Kind::Scalar)
    }

    pub(super) fn unknown() -> Variable {
        Variable::of(Kind::Unknown)
    }

    pub(super) fn constant() -> Variable {
        Variable {
            constant: true,
            ..Variable::scalar()
        }
    }

    pub(super) fn is_row(&self) -> bool {
        self.kind == Kind::Row
    }

    pub(super) fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    pub(super) fn is_cursor(&self) -> bool {
        matches!(self.kind, Kind::Bound(_) | Kind::Refcursor)
    }

    /// The names of the arguments of a bound cursor.
    pub(super) fn cursor_args(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Bound(args) => Some(args),
            Kind::Refcursor | Kind::Row | Kind::Scalar | Kind::Unknown => None,
        }
    }
}
