//! Who a statement runs as, and what it gives back: the values that pass between a caller and an engine.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use crate::SqlError;
use crate::types::Type;

/// Longest a statement may run when nothing else is said.
pub const DEFAULT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(8);

/// Who a statement runs as.
#[derive(Clone, Debug)]
pub struct Session {
    /// The role whose privileges and policies count: `anon`, `authenticated`, `service_role`, `postgres`, …
    pub role: String,
    /// The token's claims as JSON text: what `request.jwt.claims` holds.
    pub claims: Option<Arc<Claims>>,
    /// Further settings that SQL may read: `request.method`, `request.path`, `request.headers` (JSON), …
    pub settings: Ambient,
    /// Longest the statement may run.
    pub timeout: Duration,
}

/// A token's claims. Shared by all requests with this token, so that they are read once.
#[derive(Debug)]
pub struct Claims {
    text: String,
    value: OnceLock<Arc<serde_json::Value>>,
}

impl Claims {
    /// Claims as JSON text.
    pub fn new(text: impl Into<String>) -> Arc<Claims> {
        Arc::new(Claims {
            text: text.into(),
            value: OnceLock::new(),
        })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says; null when it is no JSON.
    pub fn value(&self) -> Arc<serde_json::Value> {
        let read = || Arc::new(serde_json::from_str(&self.text).unwrap_or_default());
        self.value.get_or_init(read).clone()
    }
}

/// Settings that a session finds in place. They are put together when SQL first asks for one, which it seldom does.
#[derive(Clone, Default)]
pub struct Ambient(Option<Arc<Lazy>>);

/// Settings by lower-case name, made at the first look.
type Lazy = LazyLock<Vec<(String, String)>, Box<dyn FnOnce() -> Vec<(String, String)> + Send>>;

impl Ambient {
    /// Settings by lower-case name, made at the first look.
    pub fn new(make: impl FnOnce() -> Vec<(String, String)> + Send + 'static) -> Ambient {
        Ambient(Some(Arc::new(LazyLock::new(Box::new(make)))))
    }

    /// All of them.
    pub fn all(&self) -> &[(String, String)] {
        self.0.as_deref().map_or(&[], |all| all.as_slice())
    }

    /// A setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.0.as_deref()?;
        let found = all.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

impl fmt::Debug for Ambient {
    /// Headers hold keys, so none is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Ambient(…)"
        } else {
            "Ambient"
        })
    }
}

impl Session {
    /// The superuser, for the product's own work. Never for a caller's statement. Callers wait for much of it, so it has their
    /// time; what takes longer says so.
    pub fn system() -> Session {
        Session::role("postgres")
    }

    /// A role without claims.
    pub fn role(role: &str) -> Session {
        Session {
            role: role.to_owned(),
            claims: None,
            settings: Ambient::default(),
            timeout: DEFAULT_STATEMENT_TIMEOUT,
        }
    }
}

/// The result of one statement, values in Postgres's text form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowSet {
    /// Result columns; empty for statements that return no rows.
    pub columns: Vec<RowColumn>,
    /// One entry a column.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows read or changed.
    pub affected: u64,
    /// The command tag: `INSERT 0 1`, `SELECT 3`, `CREATE TABLE`.
    pub tag: String,
    /// Whether the statement returns rows at all (a select of no columns does).
    pub returns_rows: bool,
}

/// A result column.
#[derive(Clone, Debug, PartialEq)]
pub struct RowColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// How a script is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptOptions {
    /// Stop at the first error rather than go on.
    pub stop_on_error: bool,
    /// One transaction around everything.
    pub single_transaction: bool,
    /// Roll back at the end: nothing is changed.
    pub check_only: bool,
}

/// What one statement of a script came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its place in the script, from 0.
    pub statement: usize,
    /// Its bytes in the script.
    pub range: Range<usize>,
    /// Its rows or its error; spans count from the start of the script.
    pub result: Result<RowSet, SqlError>,
    /// `NOTICE` (00000) and `WARNING` (01000) messages.
    pub notices: Vec<SqlError>,
}
