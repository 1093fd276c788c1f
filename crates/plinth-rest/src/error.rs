//! What goes wrong in a request, and the status each is answered with.

use axum::http::StatusCode;
use plinth_db::SqlError;
use plinth_http::{ApiError, BodyError, Caller};
use serde_json::Value;

/// An error of this service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Found before anything ran.
    #[error(transparent)]
    Query(#[from] plinth_query::Error),
    /// Found while running.
    #[error("{0}")]
    Database(Box<plinth_db::Error>),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl From<plinth_db::Error> for Error {
    fn from(error: plinth_db::Error) -> Error {
        Error::Database(Box::new(error))
    }
}

impl Error {
    pub(crate) fn path() -> Error {
        plinth_query::Error::Path.into()
    }

    pub(crate) fn method(method: &str) -> Error {
        plinth_query::Error::Method {
            method: method.to_owned(),
        }
        .into()
    }

    pub(crate) fn function_method(method: &str) -> Error {
        plinth_query::Error::FunctionMethod {
            method: method.to_owned(),
        }
        .into()
    }

    /// As this caller is told of it.
    pub(crate) fn for_caller(self, caller: &Caller) -> ApiError {
        match self {
            Error::Query(error) => of_query(&error),
            Error::Database(error) => match *error {
                plinth_db::Error::Sql(error) => of_sql(&error, caller.is_anonymous()),
                other => other.into(),
            },
            Error::Body(error) => error.into(),
        }
    }
}

fn of_query(error: &plinth_query::Error) -> ApiError {
    ApiError::new(status(error), error.code(), error.message())
        .details(error.details())
        .maybe_hint(error.hint())
}

/// The engine answers two conditions of the protocol by its codes, since only a running write can tell.
fn of_sql(error: &SqlError, anonymous: bool) -> ApiError {
    let status = match error.code.as_str() {
        "PGRST116" => StatusCode::NOT_ACCEPTABLE,
        "PGRST124" => StatusCode::BAD_REQUEST,
        _ => return ApiError::sql(error, anonymous),
    };
    let details = error.detail.clone().map_or(Value::Null, Value::String);
    ApiError::new(status, &error.code, &*error.message)
        .details(details)
        .maybe_hint(error.hint.clone())
}

/// Exhaustive on purpose: a new error asks for its status here.
fn status(error: &plinth_query::Error) -> StatusCode {
    use plinth_query::Error;
    match error {
        Error::Syntax { .. }
        | Error::NotUtf8
        | Error::NulCharacter
        | Error::NulEscape
        | Error::TooMany { .. }
        | Error::NotEmbedded { .. }
        | Error::EmbedOperator { .. }
        | Error::RelatedOrder { .. }
        | Error::Aggregates
        | Error::UnknownColumn { .. }
        | Error::UnknownPayloadColumn { .. }
        | Error::UnknownType { .. }
        | Error::Unsupported { .. }
        | Error::NoRelationship { .. }
        | Error::InvalidJson
        | Error::JsonTooDeep { .. }
        | Error::ObjectKeysDiffer
        | Error::RaggedCsv
        | Error::ContentType { .. }
        | Error::InvalidPreferences { .. }
        | Error::MaxAffected { .. }
        | Error::MaxAffectedOnSingleRow
        | Error::PutPage
        | Error::PutKey => StatusCode::BAD_REQUEST,
        Error::AmbiguousRelationship { .. } | Error::AmbiguousFunction { .. } => {
            StatusCode::MULTIPLE_CHOICES
        }
        // An operator is a function: PostgreSQL's 42883 for both.
        Error::UnknownTable { .. }
        | Error::NoFunction { .. }
        | Error::UndefinedOperator { .. }
        | Error::Path => StatusCode::NOT_FOUND,
        Error::Method { .. } | Error::FunctionMethod { .. } | Error::PutFilters => {
            StatusCode::METHOD_NOT_ALLOWED
        }
        Error::SchemaNotExposed { .. } | Error::MediaType { .. } | Error::NotOneRow { .. } => {
            StatusCode::NOT_ACCEPTABLE
        }
        Error::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_that_is_not_one_is_not_acceptable() {
        let error = of_query(&plinth_query::Error::NotOneRow { rows: 0 });
        assert_eq!(
            (error.status.as_u16(), error.code.as_str()),
            (406, "PGRST116")
        );
        // Older clients look for these words.
        assert_eq!(*error.details, Value::from("The result contains 0 rows"));
        assert_eq!(
            error.message,
            "Cannot coerce the result to a single JSON object"
        );
    }

    #[test]
    fn conditions_found_by_a_running_write_keep_their_status() {
        let error = SqlError::new("PGRST116", "m").detail("The result contains 2 rows");
        assert_eq!(of_sql(&error, false).status.as_u16(), 406);
        assert_eq!(
            of_sql(&SqlError::new("PGRST124", "m"), false)
                .status
                .as_u16(),
            400
        );
        assert_eq!(
            of_sql(&SqlError::new("42501", "m"), true).status.as_u16(),
            401
        );
        assert_eq!(
            of_sql(&SqlError::new("42501", "m"), false).status.as_u16(),
            403
        );
    }
}
