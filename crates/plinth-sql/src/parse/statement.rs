//! Which statement it is, and the ones that are known by name only.

use super::parser::{PResult, Parser};
use crate::ast::{Span, Statement};

/// Kinds of objects that `CREATE`, `ALTER` and `DROP` know by name only, longer names first, with what to do instead.
const UNSUPPORTED_KINDS: &[(&str, Option<&str>)] = &[
    ("access method", None),
    (
        "aggregate",
        Some("Use a function over array_agg(…), or aggregate in a view."),
    ),
    ("cast", Some("Write a function and call it.")),
    ("collation", None),
    ("conversion", None),
    (
        "database",
        Some("One server holds one database; schemas divide it."),
    ),
    ("default conversion", None),
    (
        "domain",
        Some("Use the base type, with a CHECK constraint on each column."),
    ),
    ("event trigger", None),
    ("foreign data wrapper", None),
    ("foreign table", None),
    ("language", None),
    ("large object", None),
    ("operator class", None),
    ("operator family", None),
    ("operator", Some("Write a function and call it.")),
    ("owned", None),
    ("procedural language", None),
    ("rule", Some("Use a trigger.")),
    ("server", None),
    ("statistics", None),
    ("subscription", None),
    ("system", None),
    ("tablespace", None),
    ("text search", None),
    ("transform", None),
    ("trusted language", None),
    ("trusted procedural language", None),
    ("user mapping", None),
];

/// Statements known by name only.
const UNSUPPORTED_STATEMENTS: &[(&str, Option<&str>)] = &[
    ("call", Some("Call a function with SELECT.")),
    ("close", Some(WITHOUT_CURSORS)),
    (
        "copy",
        Some("Use INSERT; pg_dump --inserts writes a dump in this way."),
    ),
    ("deallocate", None),
    ("declare", Some(WITHOUT_CURSORS)),
    ("execute", None),
    ("explain", None),
    ("fetch", Some(WITHOUT_CURSORS)),
    ("import foreign schema", None),
    ("load", None),
    ("merge", Some("Use INSERT … ON CONFLICT DO UPDATE.")),
    ("move", Some(WITHOUT_CURSORS)),
    ("prepare", None),
    ("reassign owned", None),
    (
        "refresh materialized view",
        Some("A plain view is always fresh."),
    ),
];

const WITHOUT_CURSORS: &str = "Read pages with LIMIT and a condition on the last key.";

/// Statements without any effect where there is nothing to tune.
const WITHOUT_EFFECT: &[&str] = &[
    "analyse",
    "analyze",
    "checkpoint",
    "cluster",
    "discard",
    "listen",
    "lock",
    "reindex",
    "security label",
    "unlisten",
    "vacuum",
];

/// Extensions whose everyday functions and types are built in, and those that only tune or watch a server.
const BUILT_IN_EXTENSIONS: &[&str] = &[
    "citext",
    "pg_graphql",
    "pg_stat_statements",
    "pgcrypto",
    "pgjwt",
    "plpgsql",
    "supabase_vault",
    "uuid-ossp",
];

impl Parser<'_> {
    /// One statement; what follows it is the caller's.
    pub(super) fn statement(&mut self) -> PResult<Statement> {
        if self.is_sym("(") {
            return self.row_statement();
        }
        match self.word() {
            "select" | "values" | "table" | "with" | "insert" | "update" | "delete" => {
                self.row_statement()
            }
            "truncate" => Ok(Statement::Truncate(self.truncate()?)),
            "create" => self.create(),
            "alter" => self.alter(),
            "drop" => self.drop(),
            "comment" => self.comment(),
            "grant" | "revoke" => self.grant().map(Statement::Grant),
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint"
            | "release" => self.transaction(),
            "set" => self.set(),
            "reset" => self.reset().map(Statement::Set),
            "show" => self.show(),
            "do" => self.do_block(),
            "notify" => {
                let what = format!("NOTIFY {}", self.word_at(1));
                Ok(self.without_effect(what.trim_end()))
            }
            _ => self.known_by_name(),
        }
    }

    fn known_by_name(&mut self) -> PResult<Statement> {
        if let Some(what) = WITHOUT_EFFECT.iter().find(|what| self.is_phrase(what)) {
            return Ok(self.without_effect(&what.to_ascii_uppercase()));
        }
        match UNSUPPORTED_STATEMENTS
            .iter()
            .find(|(what, _)| self.is_phrase(what))
        {
            Some((what, hint)) => {
                let start = self.here();
                Ok(self.unsupported(&what.to_ascii_uppercase(), *hint, start))
            }
            None => Err(self.unexpected()),
        }
    }

    fn create(&mut self) -> PResult<Statement> {
        let start = self.expect("create")?;
        let or_replace = self.eat_all(&["or", "replace"]);
        if let Some(refused) = self.unsupported_kind("CREATE", start) {
            return Ok(refused);
        }
        match self.word() {
            "function" | "procedure" => return self.create_function(or_replace),
            "trigger" | "constraint" => return self.create_trigger(or_replace),
            "view" | "recursive" => return self.create_view(or_replace, false),
            "temp" | "temporary" | "local" | "global" | "unlogged" => {
                return self.create_with_persistence(or_replace);
            }
            _ if or_replace => return Err(self.unexpected()),
            _ => {}
        }
        match self.word() {
            "table" => self.create_table(false),
            "materialized" => self.create_materialized_view(),
            "unique" | "index" => self.create_index(),
            "sequence" => self.create_sequence(false),
            "schema" => self.create_schema(start),
            "type" => self.create_type(start),
            "policy" => self.create_policy(),
            "role" | "user" | "group" => self.create_role(start),
            "extension" => {
                self.advance();
                self.eat_all(&["if", "not", "exists"]);
                let name = self.unreserved()?;
                if BUILT_IN_EXTENSIONS.contains(&name.as_str()) {
                    return Ok(self.without_effect(&format!("CREATE EXTENSION {name}")));
                }
                let what = format!("the extension \"{name}\"");
                Ok(self.unsupported(&what, Some("Leave it out, or run on PostgreSQL."), start))
            }
            "publication" => Ok(self.without_effect("CREATE PUBLICATION")),
            _ => Err(self.unexpected()),
        }
    }

    /// `TEMPORARY` or `UNLOGGED` before a table, view or sequence.
    fn create_with_persistence(&mut self, or_replace: bool) -> PResult<Statement> {
        let temporary = if self.eat("unlogged") {
            false
        } else {
            self.eat_any(&["local", "global"]);
            self.expect_any(&["temp", "temporary"])?;
            true
        };
        match self.word() {
            "view" | "recursive" if temporary => self.create_view(or_replace, true),
            _ if or_replace => Err(self.unexpected()),
            "table" => self.create_table(temporary),
            "sequence" => self.create_sequence(temporary),
            "materialized" if !temporary => self.create_materialized_view(),
            _ => Err(self.unexpected()),
        }
    }

    /// The statement by its name, when the kind of object here is known by name only.
    pub(super) fn unsupported_kind(&mut self, verb: &str, start: Span) -> Option<Statement> {
        let (kind, hint) = UNSUPPORTED_KINDS
            .iter()
            .find(|(kind, _)| self.is_phrase(kind))?;
        Some(self.unsupported(
            &format!("{verb} {}", kind.to_ascii_uppercase()),
            *hint,
            start,
        ))
    }

    fn is_phrase(&self, words: &str) -> bool {
        words
            .split(' ')
            .enumerate()
            .all(|(ahead, word)| self.word_at(ahead) == word)
    }

    /// Skips the rest: the statement is known by name only.
    pub(super) fn unsupported(&mut self, what: &str, hint: Option<&str>, start: Span) -> Statement {
        self.skip_statement();
        Statement::Unsupported {
            what: what.to_owned(),
            hint: hint.map(str::to_owned),
            span: self.since(start),
        }
    }

    /// Skips the rest: the statement changes nothing here.
    pub(super) fn without_effect(&mut self, what: &str) -> Statement {
        self.skip_statement();
        Statement::NoOp(what.to_owned())
    }
}
