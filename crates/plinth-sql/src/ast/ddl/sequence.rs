//! Sequences, and their options, which identity columns have too.

use crate::ast::ObjectName;

/// `CREATE SEQUENCE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateSequence {
    /// Its name.
    pub name: ObjectName,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// Options.
    pub options: SequenceOptions,
}

/// `ALTER SEQUENCE` with options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterSequence {
    /// Which.
    pub name: ObjectName,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Options.
    pub options: SequenceOptions,
}

/// Options of a sequence; none where not written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct SequenceOptions {
    /// `AS type`.
    pub data_type: Option<String>,
    /// `INCREMENT BY`.
    pub increment: Option<i64>,
    /// `MINVALUE`; `Some(None)` is `NO MINVALUE`.
    pub min_value: Option<Option<i64>>,
    /// `MAXVALUE`; `Some(None)` is `NO MAXVALUE`.
    pub max_value: Option<Option<i64>>,
    /// `START WITH`.
    pub start: Option<i64>,
    /// `RESTART [WITH n]`.
    pub restart: Option<Option<i64>>,
    /// `CACHE`.
    pub cache: Option<i64>,
    /// `CYCLE` / `NO CYCLE`.
    pub cycle: Option<bool>,
    /// `OWNED BY table.column`; `Some(None)` is `OWNED BY NONE`.
    pub owned_by: Option<Option<(Option<String>, String, String)>>,
    /// `SEQUENCE NAME [schema.]name` of an identity column, as dumps write it.
    #[serde(default)]
    pub sequence_name: Option<(Option<String>, String)>,
}
