//! Everything a request can get wrong before a row is touched, with the facts clients are told.
//!
//! No HTTP statuses here: the REST service maps variants to statuses in its own table. The texts are part of the
//! wire protocol; clients match on some of them, so they do not change.

use serde_json::{Value, json};

use crate::relationships::Cardinality;

/// What went wrong. `Display` is the `message` of the error body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A query parameter does not follow the grammar.
    #[error("\"failed to parse {what} ({text})\" (line 1, column {column})")]
    Syntax {
        /// Which part: `filter`, `select parameter`, …
        what: &'static str,
        /// The text that was read, shortened when long.
        text: String,
        /// Where reading stopped, in characters from 1.
        column: usize,
        /// What stood there; none at the end.
        unexpected: Option<char>,
        /// What should have stood there.
        expecting: &'static str,
    },
    /// The query string is not UTF-8 once its percent signs are decoded.
    #[error("the query string is not valid UTF-8")]
    NotUtf8,
    /// A NUL character, which no text can hold.
    #[error("invalid byte sequence for encoding \"UTF8\": 0x00")]
    NulCharacter,
    /// A bound on the size of a request.
    #[error("too many {what}: at most {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A filter, an order or a limit names an embed that is not selected.
    #[error("'{name}' is not an embedded resource in this request")]
    NotEmbedded {
        /// The name used.
        name: String,
    },
    /// An embed can only be compared with null.
    #[error("Bad operator on the '{name}' embedded resource")]
    EmbedOperator {
        /// The embed.
        name: String,
    },
    /// Ordering by a related table that has several rows for one.
    #[error("A related order on '{target}' is not possible")]
    RelatedOrder {
        /// The ordered relation.
        origin: String,
        /// The embed.
        target: String,
    },
    /// `sum()`, `count()`, …
    #[error("Use of aggregate functions is not allowed")]
    Aggregates,

    /// The schema asked for is not exposed.
    #[error("Invalid schema: {schema}")]
    SchemaNotExposed {
        /// What was asked for.
        schema: String,
        /// What there is.
        exposed: Vec<String>,
    },
    /// No such table or view.
    #[error("Could not find the table '{schema}.{table}' in the schema cache")]
    UnknownTable {
        /// The schema searched.
        schema: String,
        /// The name.
        table: String,
        /// A near name that the role may see.
        did_you_mean: Option<String>,
    },
    /// No such column in a filter, an order or a select list.
    #[error("column {relation}.{column} does not exist")]
    UnknownColumn {
        /// The relation.
        relation: String,
        /// The name.
        column: String,
        /// A near name that the role may see.
        did_you_mean: Option<String>,
    },
    /// No such column for a key of the body or an entry of `columns`.
    #[error("Could not find the '{column}' column of '{relation}' in the schema cache")]
    UnknownPayloadColumn {
        /// The relation.
        relation: String,
        /// The name.
        column: String,
        /// A near name that the role may see.
        did_you_mean: Option<String>,
    },
    /// A cast to something that is not on the list of types.
    #[error("type \"{name}\" does not exist")]
    UnknownType {
        /// As written.
        name: String,
    },
    /// An operator that the column's type does not have.
    #[error("operator does not exist: {left} {operator} unknown")]
    UndefinedOperator {
        /// The column's type.
        left: String,
        /// The SQL operator.
        operator: &'static str,
    },
    /// Part of the protocol that is not offered here.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: String,
    },

    /// Nothing connects the two.
    #[error("Could not find a relationship between '{origin}' and '{target}' in the schema cache")]
    NoRelationship {
        /// The relation embedded into.
        origin: String,
        /// The name asked for.
        target: String,
        /// The hint after `!`.
        hint: Option<String>,
        /// The schema searched.
        schema: String,
        /// A related relation of a near name.
        did_you_mean: Option<String>,
    },
    /// Several foreign keys connect the two.
    #[error(
        "Could not embed because more than one relationship was found for '{origin}' and '{target}'"
    )]
    AmbiguousRelationship {
        /// The relation embedded into.
        origin: String,
        /// The name asked for.
        target: String,
        /// All that fit.
        candidates: Vec<RelationshipFacts>,
    },
    /// No function of this name takes these arguments.
    #[error("Could not find the function {schema}.{}{} in the schema cache", .name, signature(.arguments))]
    NoFunction {
        /// The schema searched.
        schema: String,
        /// The name.
        name: String,
        /// The argument names given.
        arguments: Vec<String>,
        /// A near signature that the role may see.
        did_you_mean: Option<String>,
    },
    /// Several functions take these arguments.
    #[error("Could not choose the best candidate function between: {}", .candidates.join(", "))]
    AmbiguousFunction {
        /// Their signatures.
        candidates: Vec<String>,
    },

    /// The body is empty or not JSON.
    #[error("Empty or invalid json")]
    InvalidJson,
    /// The body nests too deep.
    #[error("Empty or invalid json")]
    JsonTooDeep {
        /// The bound.
        limit: usize,
    },
    /// Objects of one array differ in their keys and `columns` was not given.
    #[error("All object keys must match")]
    ObjectKeysDiffer,
    /// A CSV line is longer or shorter than the header, or there is no header.
    #[error("All lines must have same number of fields")]
    RaggedCsv,
    /// Not one of the content types that can be read.
    #[error("Content-Type not acceptable: {given}")]
    ContentType {
        /// What was sent.
        given: String,
    },
    /// `\u0000` in a JSON string.
    #[error("unsupported Unicode escape sequence")]
    NulEscape,

    /// The page asked for cannot exist.
    #[error("Requested range not satisfiable")]
    Range(RangeProblem),
    /// None of the accepted media types can be made.
    #[error("None of these media types are available: {}", .accepted.join(", "))]
    MediaType {
        /// What the client accepts.
        accepted: Vec<String>,
    },
    /// Unknown preferences under `handling=strict`.
    #[error("Invalid preferences given with handling=strict")]
    InvalidPreferences {
        /// Those unknown.
        invalid: Vec<String>,
    },
    /// One object was asked for and there is none, or more.
    #[error("Cannot coerce the result to a single JSON object")]
    NotOneRow {
        /// How many there are.
        rows: u64,
    },
    /// More rows than `max-affected`.
    #[error("Query result exceeds max-affected preference constraint")]
    MaxAffected {
        /// How many.
        rows: u64,
    },
    /// `max-affected` for a function that returns one row.
    #[error(
        "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
    )]
    MaxAffectedOnSingleRow,

    /// `PUT` needs exactly one equality for every column of the primary key.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// `PUT` takes no page.
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    PutPage,
    /// The key in the body differs from that in the URL.
    #[error("Payload values do not match URL in primary key column(s)")]
    PutKey,
    /// A method that relations do not have.
    #[error("Unsupported HTTP method: {method}")]
    Method {
        /// The method.
        method: String,
    },
    /// A method that functions do not have.
    #[error("Cannot use the {method} method on RPC")]
    FunctionMethod {
        /// The method.
        method: String,
    },
    /// A path that leads nowhere.
    #[error("Invalid path specified in request URL")]
    Path,
}

/// Why a page cannot exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeProblem {
    /// `limit` or `offset` below zero.
    Negative(&'static str),
    /// `Range: 9-0`, or a `Range` outside of `limit` and `offset`.
    Empty,
    /// Beyond the last row.
    Beyond {
        /// Rows to skip.
        offset: u64,
        /// Rows there are.
        total: u64,
    },
}

/// One of several relationships, as the error shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationshipFacts {
    /// Its cardinality.
    pub cardinality: Cardinality,
    /// From which relation to which.
    pub embedding: (String, String),
    /// The keys in words.
    pub relationship: String,
    /// What to write after `!` to choose it.
    pub hint: String,
}

impl Error {
    /// The code of the error body: one of the protocol's own (`PGRST…`) or a SQLSTATE.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Syntax { .. } | Error::NotUtf8 | Error::TooMany { .. } => "PGRST100",
            Error::NulCharacter => "22021",
            Error::NulEscape => "22P05",
            Error::FunctionMethod { .. } => "PGRST101",
            Error::InvalidJson
            | Error::JsonTooDeep { .. }
            | Error::ObjectKeysDiffer
            | Error::RaggedCsv
            | Error::ContentType { .. } => "PGRST102",
            Error::Range(_) => "PGRST103",
            Error::PutFilters => "PGRST105",
            Error::SchemaNotExposed { .. } => "PGRST106",
            Error::MediaType { .. } => "PGRST107",
            Error::NotEmbedded { .. } => "PGRST108",
            Error::PutPage => "PGRST114",
            Error::PutKey => "PGRST115",
            Error::NotOneRow { .. } => "PGRST116",
            Error::Method { .. } => "PGRST117",
            Error::RelatedOrder { .. } => "PGRST118",
            Error::EmbedOperator { .. } => "PGRST120",
            Error::InvalidPreferences { .. } => "PGRST122",
            Error::Aggregates => "PGRST123",
            Error::MaxAffected { .. } => "PGRST124",
            Error::Path => "PGRST125",
            Error::MaxAffectedOnSingleRow => "PGRST128",
            Error::NoRelationship { .. } => "PGRST200",
            Error::AmbiguousRelationship { .. } => "PGRST201",
            Error::NoFunction { .. } => "PGRST202",
            Error::AmbiguousFunction { .. } => "PGRST203",
            Error::UnknownPayloadColumn { .. } => "PGRST204",
            Error::UnknownTable { .. } => "PGRST205",
            Error::UnknownColumn { .. } => "42703",
            Error::UnknownType { .. } => "42704",
            Error::UndefinedOperator { .. } => "42883",
            Error::Unsupported { .. } => "0A000",
        }
    }

    /// The `message` of the error body.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// The `details` of the error body: a string, an array, or null.
    pub fn details(&self) -> Value {
        match self {
            Error::Syntax { unexpected, expecting, .. } => match unexpected {
                Some(found) => format!("unexpected \"{found}\" expecting {expecting}").into(),
                None => format!("unexpected end of input expecting {expecting}").into(),
            },
            Error::JsonTooDeep { limit } => format!("It nests deeper than {limit} levels").into(),
            Error::NulEscape => "\\u0000 cannot be converted to text.".into(),
            Error::EmbedOperator { .. } => {
                "Only is null or not is null filters are allowed on embedded resources".into()
            }
            Error::RelatedOrder { origin, target } => format!(
                "'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"
            )
            .into(),
            Error::NoRelationship { origin, target, hint, schema, .. } => {
                let by = hint.as_ref().map(|hint| format!(" using the hint '{hint}'"));
                format!(
                    "Searched for a foreign key relationship between '{origin}' and '{target}'{} in the schema \
                     '{schema}', but no matches were found.",
                    by.unwrap_or_default()
                )
                .into()
            }
            Error::AmbiguousRelationship { candidates, .. } => {
                candidates.iter().map(RelationshipFacts::to_json).collect()
            }
            Error::NoFunction { schema, name, arguments, .. } => format!(
                "Searched for the function {schema}.{name}{}, but no matches were found in the schema cache.",
                match arguments.as_slice() {
                    [] => " without parameters".to_owned(),
                    [one] => format!(" with parameter {one}"),
                    many => format!(" with parameters {}", many.join(", ")),
                }
            )
            .into(),
            Error::Range(RangeProblem::Negative(which)) => {
                format!("{which} should be greater than or equal to zero.").into()
            }
            Error::Range(RangeProblem::Empty) => {
                "The lower boundary must be lower than or equal to the upper boundary in the Range header.".into()
            }
            Error::Range(RangeProblem::Beyond { offset, total }) => {
                format!("An offset of {offset} was requested, but there are only {total} rows.").into()
            }
            Error::InvalidPreferences { invalid } => {
                format!("Invalid preferences: {}", invalid.join(", ")).into()
            }
            Error::NotOneRow { rows } => format!("The result contains {rows} rows").into(),
            Error::MaxAffected { rows } => format!("The query affects {rows} rows").into(),
            _ => Value::Null,
        }
    }

    /// The `hint` of the error body.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::NotEmbedded { name } => Some(format!(
                "Verify that '{name}' is included in the 'select' query parameter."
            )),
            Error::SchemaNotExposed { exposed, .. } => Some(format!(
                "Only the following schemas are exposed: {}",
                exposed.join(", ")
            )),
            Error::UnknownTable {
                schema,
                did_you_mean,
                ..
            } => did_you_mean
                .as_ref()
                .map(|near| format!("Perhaps you meant the table '{schema}.{near}'")),
            Error::UnknownColumn {
                relation,
                did_you_mean,
                ..
            } => did_you_mean.as_ref().map(|near| {
                format!("Perhaps you meant to reference the column \"{relation}.{near}\".")
            }),
            Error::UnknownPayloadColumn { did_you_mean, .. } => did_you_mean
                .as_ref()
                .map(|near| format!("Perhaps you meant the column '{near}'")),
            Error::UnknownType { .. } => Some(format!(
                "A cast may name one of: {}",
                crate::plan::CASTS.join(", ")
            )),
            Error::UndefinedOperator { .. } => Some("Range types are not offered.".to_owned()),
            Error::NoRelationship {
                target,
                did_you_mean,
                ..
            } => did_you_mean
                .as_ref()
                .map(|near| format!("Perhaps you meant '{near}' instead of '{target}'.")),
            Error::AmbiguousRelationship {
                target, candidates, ..
            } => {
                let choices: Vec<String> = candidates
                    .iter()
                    .map(|one| format!("'{}!{}'", one.embedding.1, one.hint))
                    .collect();
                Some(format!(
                    "Try changing '{target}' to one of the following: {}. Find the desired relationship in the \
                     'details' key.",
                    choices.join(", ")
                ))
            }
            Error::NoFunction { did_you_mean, .. } => did_you_mean
                .as_ref()
                .map(|near| format!("Perhaps you meant to call the function {near}")),
            Error::AmbiguousFunction { .. } => {
                Some("Give the functions different names, or their parameters.".to_owned())
            }
            _ => None,
        }
    }
}

impl RelationshipFacts {
    fn to_json(&self) -> Value {
        json!({
            "cardinality": self.cardinality.as_str(),
            "embedding": format!("{} with {}", self.embedding.0, self.embedding.1),
            "relationship": self.relationship,
        })
    }
}

fn signature(arguments: &[String]) -> String {
    match arguments {
        [] => " without parameters".to_owned(),
        names => format!("({})", names.join(", ")),
    }
}
