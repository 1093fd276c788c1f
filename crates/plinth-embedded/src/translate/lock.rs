//! `FOR UPDATE` and its siblings. Nothing is locked, because there is one writer; but Postgres asks for the right to update
//! what is locked, and shows only rows that the role might update.

use plinth_sql::SqlError;
use plinth_sql::ast::{FromItem, Locking, ObjectName, Query, Select, SetExpr};

use super::Translator;

/// Which entries of a `FROM` are locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Locks {
    /// None.
    #[default]
    None,
    /// All; the word is what the caller wrote: `UPDATE`, `KEY SHARE`, ….
    All(String),
    /// Those of these names.
    Named(String, Vec<String>),
}

impl Locks {
    /// Whether an entry of this name is locked.
    pub(super) fn covers(&self, alias: Option<&str>) -> bool {
        match self {
            Locks::None => false,
            Locks::All(_) => true,
            Locks::Named(_, names) => names.iter().any(|name| Some(name.as_str()) == alias),
        }
    }

    /// What is locked inside the entry of this name.
    pub(super) fn inside(&self, alias: Option<&str>) -> Locks {
        match self {
            Locks::All(strength) | Locks::Named(strength, _) if self.covers(alias) => {
                Locks::All(strength.clone())
            }
            _ => Locks::None,
        }
    }
}

impl Translator<'_> {
    /// What a query locks, with what the query around it locks in it.
    pub(super) fn locks_of(&self, query: &Query, around: Locks) -> Result<Locks, SqlError> {
        let mut locks = around;
        for clause in &query.locking {
            let strength = clause.strength.to_uppercase();
            lockable(query, &strength)?;
            if clause.of.is_empty() {
                locks = Locks::All(strength);
                continue;
            }
            let names = self.locked_names(query, clause, &strength)?;
            match &mut locks {
                Locks::All(_) => {}
                Locks::Named(_, known) => known.extend(names),
                Locks::None => locks = Locks::Named(strength, names),
            }
        }
        if let Locks::All(strength) = &locks {
            lockable(query, strength)?;
        }
        let plain = matches!(query.body, SetExpr::Select(_));
        Ok(if plain { locks } else { Locks::None })
    }

    /// `0A000` where the select being read is locked and has what no lock goes with.
    pub(super) fn refuse_locked(&self, what: &str) -> Result<(), SqlError> {
        match &self.locks {
            Locks::None => Ok(()),
            Locks::All(strength) | Locks::Named(strength, _) => Err(not_with(strength, what)),
        }
    }

    /// The names behind `OF`, each of which must be a table or a query of this `FROM`.
    fn locked_names(
        &self,
        query: &Query,
        clause: &Locking,
        strength: &str,
    ) -> Result<Vec<String>, SqlError> {
        let SetExpr::Select(select) = &query.body else {
            return Ok(Vec::new());
        };
        let mut names = Vec::with_capacity(clause.of.len());
        for name in &clause.of {
            if name.schema.is_some() {
                let message = format!("FOR {strength} must specify unqualified relation names");
                return Err(SqlError::new("42601", message).at(name.span));
            }
            let found = select
                .from
                .iter()
                .find_map(|item| find_entry(item, &name.name));
            let refused = match found {
                None => {
                    let message = format!(
                        "relation \"{}\" in FOR {strength} clause not found in FROM clause",
                        name.name
                    );
                    return Err(SqlError::new("42P01", message).at(name.span));
                }
                Some(Entry::Function) => "a function",
                Some(Entry::Table(table)) if self.named_query(table).is_some() => "a WITH query",
                Some(Entry::Table(_) | Entry::Query) => {
                    names.push(name.name.clone());
                    continue;
                }
            };
            let message = format!("FOR {strength} cannot be applied to {refused}");
            return Err(SqlError::new("0A000", message).at(name.span));
        }
        Ok(names)
    }
}

/// What an entry of `FROM` is.
enum Entry<'q> {
    Table(&'q ObjectName),
    Query,
    Function,
}

/// The entry of this name.
fn find_entry<'q>(item: &'q FromItem, name: &str) -> Option<Entry<'q>> {
    match item {
        FromItem::Table { name: table, alias } => {
            let shown = alias.as_ref().map_or(&table.name, |alias| &alias.name);
            (shown == name).then_some(Entry::Table(table))
        }
        FromItem::Subquery { alias, .. } => {
            let named = alias.as_ref().is_some_and(|alias| alias.name == name);
            named.then_some(Entry::Query)
        }
        FromItem::Function { call, alias, .. } => {
            let shown = alias.as_ref().map_or(&call.name.name, |alias| &alias.name);
            (shown == name).then_some(Entry::Function)
        }
        FromItem::Join { left, right, .. } => {
            find_entry(left, name).or_else(|| find_entry(right, name))
        }
    }
}

/// `0A000` for a query whose rows are no table's rows.
fn lockable(query: &Query, strength: &str) -> Result<(), SqlError> {
    let what = match &query.body {
        SetExpr::SetOp { .. } => Some("UNION/INTERSECT/EXCEPT"),
        SetExpr::Select(select) => made_of_many(select),
        SetExpr::Values(_) | SetExpr::Query(_) => None,
    };
    match what {
        None => Ok(()),
        Some(what) => Err(not_with(strength, what)),
    }
}

fn not_with(strength: &str, what: &str) -> SqlError {
    SqlError::new(
        "0A000",
        format!("FOR {strength} is not allowed with {what}"),
    )
}

/// The clause that makes one row of many.
fn made_of_many(select: &Select) -> Option<&'static str> {
    if select.distinct.is_some() {
        Some("DISTINCT clause")
    } else if !select.group_by.is_empty() {
        Some("GROUP BY clause")
    } else if select.having.is_some() {
        Some("HAVING clause")
    } else {
        None
    }
}
