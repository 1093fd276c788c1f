//! What passes between a command and whoever has the database.

use std::fmt;
use std::path::PathBuf;

use plinth_db::keys::Which;
use plinth_db::{Outcome, ServerTarget, SqlError};
use plinth_sql::types::Type;
use plinth_storage::{Checked, Finding};
use serde::{Deserialize, Serialize};

use crate::project::Stage;

/// What a command asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Run a script.
    Sql(ScriptRequest),
    /// Apply, check or list migrations.
    Migrate {
        /// Which of them.
        mode: MigrateMode,
    },
    /// How things stand, with the keys.
    Status,
    /// Replace keys.
    RotateKeys(RotateRequest),
    /// Access keys of S3 clients.
    S3Keys(S3KeysRequest),
    /// Compare stored files with their rows.
    StorageCheck {
        /// And mend what can be mended.
        repair: bool,
        /// What no row names is only noted when it is younger than this.
        older_than_seconds: u64,
    },
    /// Compare payments and refunds with what their providers say.
    OrdersReconcile,
    /// Compare the books with orders, payments and stock.
    LedgerCheck,
    /// Which database it is.
    Database,
}

/// What is done with access keys of S3 clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(crate) enum S3KeysRequest {
    /// A new one.
    Create {
        /// What it is for.
        name: String,
        /// The only buckets that it opens; none for all.
        buckets: Option<Vec<String>>,
    },
    /// All of them.
    List,
    /// One opens nothing any more.
    Revoke {
        /// Which.
        access_key_id: String,
    },
}

/// A script and who it runs as.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScriptRequest {
    /// The text.
    pub sql: String,
    /// The role.
    pub role: String,
    /// `request.jwt.claims` as JSON text.
    pub claims: Option<String>,
}

/// Which keys are replaced, and for how long the old ones still count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct RotateRequest {
    /// Which.
    pub which: Which,
    /// How long.
    pub keep_old_seconds: i64,
}

/// What `plinth migrate` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MigrateMode {
    /// Run what is pending.
    Apply,
    /// Say what would run, changing nothing.
    Check,
    /// List every migration.
    Status,
}

/// What comes back: any number of replies, the last of which is `Done` or `Failed`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum Reply {
    /// A statement of a script has run or failed.
    Statement(Box<StatementReply>),
    /// A line about the work that goes on.
    Progress {
        /// The line.
        text: String,
        /// Whether it is a warning.
        warning: bool,
    },
    /// Migrations that ran now.
    Applied {
        /// Their versions.
        versions: Vec<String>,
        /// Policies that read whole tables now. A server of an earlier version says nothing of them.
        #[serde(default)]
        policy_scans: Vec<PolicyScanReport>,
    },
    /// What pending migrations would do.
    Checked {
        /// File by file.
        files: Vec<CheckReport>,
    },
    /// Every migration.
    Migrations {
        /// One by one.
        files: Vec<FileReport>,
    },
    /// How things stand.
    Status(Box<StatusReport>),
    /// Access keys of S3 clients.
    S3Keys {
        /// The one that was made or ended, or all.
        keys: Vec<S3KeyReport>,
    },
    /// Something about stored files.
    StorageFinding {
        /// What.
        finding: Finding,
    },
    /// What the comparison of stored files came to.
    StorageChecked {
        /// The counts.
        checked: Checked,
    },
    /// What the comparison with providers came to.
    OrdersReconciled {
        /// The counts and what differed.
        report: plinth_commerce::Report,
    },
    /// What in the books does not fit.
    LedgerChecked {
        /// One by one.
        findings: Vec<LedgerFinding>,
    },
    /// Keys were replaced.
    Rotated(RotateReport),
    /// Which database it is.
    Database {
        /// The one on a server; none for a file.
        server: Option<DatabaseReport>,
    },
    /// The end.
    Done,
    /// The end, for a reason.
    Failed {
        /// The reason.
        message: String,
    },
}

/// What one statement came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct StatementReply {
    /// Its first byte in the script.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Result columns.
    pub columns: Vec<ColumnReply>,
    /// Values in Postgres's text form.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag.
    pub tag: String,
    /// Whether there is a result at all.
    pub returns_rows: bool,
    /// Why it failed.
    pub error: Option<Diagnostic>,
    /// What it had to say.
    pub notices: Vec<Diagnostic>,
}

/// A result column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ColumnReply {
    /// Its name.
    pub name: String,
    /// How its values are shown.
    pub kind: ColumnKind,
}

/// How a column's values are shown: at which edge, and as what in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ColumnKind {
    /// Numbers.
    Number,
    /// `t` and `f`.
    Boolean,
    /// Documents.
    Json,
    /// Everything else.
    Text,
}

/// An error or a notice, with the fields of Postgres's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Diagnostic {
    /// SQLSTATE.
    pub code: String,
    /// One line.
    pub message: String,
    /// `DETAIL`.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// Its first byte in the script.
    pub at: Option<usize>,
}

/// A pending migration that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckReport {
    /// The file.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Statements that run.
    pub runs: usize,
    /// Statements that are refused: `file:line:column: message`.
    pub refused: Vec<String>,
}

/// A migration and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FileReport {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// `applied`, `pending`, `edited` or `missing`.
    pub state: String,
}

/// How things stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusReport {
    /// Which data this is about.
    pub stage: Stage,
    /// The process that serves, if one does.
    pub pid: Option<u32>,
    /// The version of that process or of this command.
    pub version: String,
    /// Where clients reach it.
    pub api_url: String,
    /// JWT with role `anon`.
    pub anon_key: String,
    /// JWT with role `service_role`.
    pub service_role_key: String,
    /// `sb_publishable_…`.
    pub publishable_key: String,
    /// `sb_secret_…`.
    pub secret_key: String,
    /// Signs tokens.
    pub jwt_secret: String,
    /// Migrations that have run.
    pub migrations_applied: usize,
    /// Migrations that have not.
    pub migrations_pending: usize,
    /// Size of the database file.
    pub database_bytes: u64,
}

/// An access key of S3 clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct S3KeyReport {
    /// What clients send.
    pub access_key_id: String,
    /// What they sign with. Only when the key is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// Where they reach the server.
    pub endpoint: String,
    /// What it is for.
    pub name: String,
    /// The only buckets that it opens; none for all.
    pub buckets: Option<Vec<String>>,
    /// When it was made.
    pub created_at: String,
    /// When it was used, to some minutes.
    pub last_used_at: Option<String>,
    /// Since when it opens nothing.
    pub revoked_at: Option<String>,
}

/// A database on a server: what two URLs are compared by. A password has no place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseReport {
    /// Host and port of each.
    pub hosts: Vec<String>,
    /// Its name.
    pub database: String,
    /// Who connects.
    pub user: String,
}

impl From<ServerTarget> for DatabaseReport {
    fn from(target: ServerTarget) -> DatabaseReport {
        DatabaseReport {
            hosts: target.hosts,
            database: target.database,
            user: target.user,
        }
    }
}

impl fmt::Display for DatabaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DatabaseReport {
            hosts,
            database,
            user,
        } = self;
        write!(f, "`{database}` at {} as `{user}`", hosts.join(", "))
    }
}

/// Something in the books that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LedgerFinding {
    /// Which rule.
    pub rule: String,
    /// What it is about: the id of an order, a payment, a product.
    pub subject: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl From<plinth_commerce::Finding> for LedgerFinding {
    fn from(finding: plinth_commerce::Finding) -> LedgerFinding {
        LedgerFinding {
            rule: finding.rule,
            subject: finding.subject,
            expected: finding.expected,
            found: finding.found,
        }
    }
}

/// A policy that reads a whole table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyScanReport {
    /// The table that the policy protects, with its schema.
    pub table: String,
    /// What is slow and why, as the warning says it.
    pub message: String,
    /// The statement that mends it, where there is one.
    pub statement: Option<String>,
}

/// Keys that were replaced. The new ones are in a [`StatusReport`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RotateReport {
    /// Which.
    pub which: Which,
    /// Until when the old ones count; none when they no longer do.
    pub old_until: Option<String>,
}

impl From<&SqlError> for Diagnostic {
    fn from(error: &SqlError) -> Diagnostic {
        Diagnostic {
            code: error.code.clone(),
            message: error.message.clone(),
            detail: error.detail.clone(),
            hint: error.hint.clone(),
            at: error.span.map(|span| span.start as usize),
        }
    }
}

impl From<Outcome> for StatementReply {
    fn from(outcome: Outcome) -> StatementReply {
        let reply = StatementReply {
            start: outcome.range.start,
            end: outcome.range.end,
            notices: outcome.notices.iter().map(Diagnostic::from).collect(),
            ..StatementReply::default()
        };
        match outcome.result {
            Err(error) => StatementReply {
                error: Some(Diagnostic::from(&error)),
                ..reply
            },
            Ok(set) => StatementReply {
                columns: set
                    .columns
                    .into_iter()
                    .map(|column| ColumnReply {
                        kind: ColumnKind::of(&column.ty),
                        name: column.name,
                    })
                    .collect(),
                rows: set.rows,
                tag: set.tag,
                returns_rows: set.returns_rows,
                ..reply
            },
        }
    }
}

impl ColumnKind {
    fn of(ty: &Type) -> ColumnKind {
        match ty {
            ty if ty.is_number() => ColumnKind::Number,
            Type::Bool => ColumnKind::Boolean,
            Type::Json | Type::Jsonb => ColumnKind::Json,
            _ => ColumnKind::Text,
        }
    }
}
