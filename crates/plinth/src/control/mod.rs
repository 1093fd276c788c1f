//! How commands reach the database: through the control socket of a running server, or by opening it themselves.
//!
//! Both ways answer the same [`Request`] with the same [`Reply`]s, so no command knows which way it went. On the socket
//! each is one line of JSON. The socket lies in a folder that only the owner may enter, and has mode 0600: whoever reaches
//! it may do everything.

mod answer;
mod backend;
mod client;
mod commerce;
mod listen;
mod messages;
mod policy_scans;
mod socket_path;
mod storage;

pub(crate) use answer::{Owner, RunningServer, describe};
pub(crate) use backend::{Backend, Choice, running_on};
pub(crate) use listen::listen;
pub(crate) use messages::{
    CheckReport, ColumnKind, ColumnReply, DatabaseReport, Diagnostic, FileReport, LedgerFinding,
    MigrateMode, PolicyScanReport, Reply, Request, RotateReport, RotateRequest, S3KeyReport,
    S3KeysRequest, ScriptRequest, StatementReply, StatusReport,
};
