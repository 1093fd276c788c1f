//! Policies that may be to blame for a statement that failed.
//!
//! A policy runs inside the statements of whoever asks. When it divides by zero, or looks for a table that is gone, the server names neither
//! the policy nor its table, and the caller is not told what is inside of policies. Whoever runs the server needs to know. So the log gets a
//! line with the tables that the statement names and with their policies. Whether it was one of them, nobody can say from here: a function
//! that a trigger calls fails with the same codes.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use parking_lot::Mutex;
use plinth_sql::ast::{Names, ObjectName, Statement};
use plinth_sql::catalog::{Catalog, QName, RelationKind};
use plinth_sql::session::Session;
use plinth_sql::shape::{Fetch, FieldValue};
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::outage::Seldom;
use crate::session::OWNER;

/// Where names without a schema are found, as connections are set.
const SEARCH_PATH: [&str; 2] = ["public", "extensions"];
/// Failures that are told apart. Functions raise what codes they like, so there is no end of them.
const KINDS: usize = 256;
/// The longest text of the server's, or list of policies, in one line, in characters.
const LONGEST: usize = 500;

/// How often each kind of failure has been told: by tables, policies and SQLSTATE.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<HashMap<(String, String), Seldom>>);

impl Engine {
    /// The error of a caller's statement; the log hears of it when a policy may be to blame. `names` gives the relations of the statement.
    pub(crate) fn failed(
        &self,
        error: tokio_postgres::Error,
        session: &Session,
        names: impl FnOnce() -> Vec<ObjectName>,
    ) -> EngineError {
        if let Some(said) = error.as_db_error()
            && may_be_a_policy(said)
        {
            let catalog = self.catalog();
            if is_held_by_policies(session, &catalog) {
                let tables = with_policies(&catalog, names());
                self.0.suspects.tell(&tables, said);
            }
        }
        error.into()
    }
}

impl Suspects {
    /// Tells of a failure on tables with policies, each kind at most once in a while.
    fn tell(&self, tables: &str, said: &DbError) {
        if tables.is_empty() {
            return;
        }
        let code = said.code().code();
        let Some(times) = self.count(tables, code, Instant::now()) else {
            return;
        };
        tracing::warn!(
            times,
            code,
            error = %in_line(said.message()),
            context = %in_line(said.where_().unwrap_or_default()),
            "a statement failed on tables with policies: {tables}; unless it is the caller's mistake, look at these policies and at the functions that they or triggers call"
        );
    }

    fn count(&self, tables: &str, code: &str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock();
        if kinds.len() >= KINDS {
            kinds.clear();
        }
        let kind = (tables.to_owned(), code.to_owned());
        kinds.entry(kind).or_default().count(now)
    }
}

/// Whether the failure is of a kind that policies have, and came while the statement ran. One with a place in the statement's own text is
/// about what stands there: a value that cannot be read, a name that is not there.
fn may_be_a_policy(said: &DbError) -> bool {
    let is_in_the_text = matches!(said.position(), Some(ErrorPosition::Original(_)));
    !is_in_the_text && is_a_policys(said.code().code())
}

/// Data that do not fit, names and rights of definitions, and what PL/pgSQL raises. A refusal (42501) is what policies are for.
fn is_a_policys(code: &str) -> bool {
    code != "42501" && matches!(code.get(..2), Some("22" | "42" | "P0"))
}

/// A role that the catalog does not know has failed before anything ran.
fn is_held_by_policies(session: &Session, catalog: &Catalog) -> bool {
    let role = catalog.roles.get(&session.role);
    session.role != OWNER && role.is_some_and(|role| !role.bypass_rls && !role.superuser)
}

/// The relations that a document names.
pub(crate) fn of_fetch(fetch: &Fetch) -> Vec<ObjectName> {
    let mut names = of_statement(&fetch.statement);
    for field in &fetch.fields {
        if let FieldValue::Embed(embed) = &field.value {
            names.append(&mut of_fetch(&embed.fetch));
        }
    }
    names
}

/// The relations that a statement names.
pub(crate) fn of_statement(statement: &Statement) -> Vec<ObjectName> {
    Names::of_statement(statement).relations
}

/// Those of the relations, and of what views among them are made of, that have policies: `notes (own, open), tags (all)`. Empty
/// when there are none.
fn with_policies(catalog: &Catalog, mut names: Vec<ObjectName>) -> String {
    let path = SEARCH_PATH.map(str::to_owned);
    let (mut seen, mut told) = (BTreeSet::<QName>::new(), BTreeSet::new());
    while let Some(name) = names.pop() {
        let Some(relation) = catalog.relation(&name, &path) else {
            continue;
        };
        if !seen.insert(relation.name.clone()) {
            continue;
        }
        match &relation.kind {
            RelationKind::View(view) => names.append(&mut Names::of_query(&view.query).relations),
            RelationKind::Table(table) if table.row_security && !table.policies.is_empty() => {
                let policies = table.policies.iter().map(|policy| policy.name.as_str());
                let policies = policies.collect::<Vec<_>>().join(", ");
                told.insert(format!("{} ({policies})", relation.name.display()));
            }
            RelationKind::Table(_) => {}
        }
    }
    in_line(&told.into_iter().collect::<Vec<_>>().join(", "))
}

/// A text in one line, and not a long one: much of it may be a caller's.
fn in_line(text: &str) -> String {
    let line = text.trim().replace(char::is_control, " ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_a_policy_may_do_counts() {
        for code in ["22012", "22P02", "42P01", "42P17", "42883", "P0001"] {
            assert!(is_a_policys(code), "{code}");
        }
        for code in [
            "42501", "23505", "40001", "57014", "PT418", "XX000", "", "é",
        ] {
            assert!(!is_a_policys(code), "{code}");
        }
    }

    #[test]
    fn one_kind_of_failure_does_not_hide_another() {
        let (suspects, began) = (Suspects::default(), Instant::now());
        assert_eq!(suspects.count("notes (own)", "22012", began), Some(1));
        assert_eq!(suspects.count("notes (own)", "22012", began), None);
        assert_eq!(suspects.count("notes (own)", "42P01", began), Some(1));
        assert_eq!(suspects.count("tags (all)", "22012", began), Some(1));
        let later = began + Duration::from_secs(10);
        assert_eq!(suspects.count("notes (own)", "22012", later), Some(2));
    }

    #[test]
    fn kinds_have_an_end() {
        let (suspects, now) = (Suspects::default(), Instant::now());
        for kind in 0..2 * KINDS {
            suspects.count("notes (own)", &kind.to_string(), now);
        }
        assert!(suspects.0.lock().len() <= KINDS);
    }

    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(in_line(" a\nb\tc\u{1b}[31m "), "a b c [31m");
        let long = in_line(&"é".repeat(2 * LONGEST));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
