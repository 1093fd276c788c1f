//! Which status a SQLSTATE is answered with.

use axum::http::StatusCode;

/// The status of a SQLSTATE, as `PostgREST` has it: single codes first, then classes, then 400.
///
/// `anonymous` callers get 401 where others get 403: signing in may help them.
#[expect(clippy::match_same_arms, reason = "each code has a reason of its own")]
pub fn status_of(code: &str, message: &str, anonymous: bool) -> StatusCode {
    match code {
        // Conflicts with rows that are there.
        "23505" | "23503" => StatusCode::CONFLICT,
        // Insufficient privilege, by grant or by policy.
        "42501" if anonymous => StatusCode::UNAUTHORIZED,
        "42501" => StatusCode::FORBIDDEN,
        // Undefined function or operator, undefined table.
        "42883" | "42P01" => StatusCode::NOT_FOUND,
        // A policy that refers to its own table.
        "42P17" => StatusCode::INTERNAL_SERVER_ERROR,
        // A write in a transaction that only reads: a GET of a function that writes.
        "25006" => StatusCode::METHOD_NOT_ALLOWED,
        // The guard against updates of a whole table; other cardinality violations are the schema's fault.
        "21000" if message.ends_with("requires a WHERE clause") => StatusCode::BAD_REQUEST,
        "21000" => StatusCode::INTERNAL_SERVER_ERROR,
        // `SET ROLE` to a role that does not exist.
        "22023" if is_unknown_role(message) => StatusCode::UNAUTHORIZED,
        // A configured limit; the rest of its class is exhaustion, which passes.
        "53400" => StatusCode::INTERNAL_SERVER_ERROR,
        // The server is shutting down.
        "57P01" => StatusCode::SERVICE_UNAVAILABLE,
        // `RAISE` without a code of its own.
        "P0001" => StatusCode::BAD_REQUEST,
        _ => custom_status(code).unwrap_or_else(|| status_of_class(code)),
    }
}

fn status_of_class(code: &str) -> StatusCode {
    match code.get(..2).unwrap_or_default() {
        // Connection exceptions; insufficient resources.
        "08" | "53" => StatusCode::SERVICE_UNAVAILABLE,
        // Invalid grantor, invalid role, invalid authorization.
        "0L" | "0P" | "28" => StatusCode::FORBIDDEN,
        // Triggered action, transaction state and termination, routines, savepoints, rollbacks, limits exceeded,
        // object state, operator intervention, system, configuration, foreign data, PL/pgSQL, internal.
        "09" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0"
        | "HV" | "P0" | "XX" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// `PTnnn`, by which SQL chooses a status itself.
fn custom_status(code: &str) -> Option<StatusCode> {
    let digits = code.strip_prefix("PT").filter(|digits| digits.len() == 3)?;
    // Below 200 are interim answers, which would leave the client waiting.
    StatusCode::from_u16(digits.parse().ok()?)
        .ok()
        .filter(|status| status.as_u16() >= 200)
}

fn is_unknown_role(message: &str) -> bool {
    message.starts_with("role \"") && message.ends_with("\" does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_postgrest() {
        for (code, status) in [
            ("23505", 409),
            ("23503", 409),
            ("23502", 400),
            ("23514", 400),
            ("22P02", 400),
            ("42703", 400),
            ("42P10", 400),
            ("42501", 403),
            ("42P01", 404),
            ("42883", 404),
            ("42P17", 500),
            ("25006", 405),
            ("25001", 500),
            ("28000", 403),
            ("0P000", 403),
            ("08006", 503),
            ("53300", 503),
            ("53400", 500),
            ("54001", 500),
            ("57014", 500),
            ("57P01", 503),
            ("P0001", 400),
            ("P0002", 500),
            ("40001", 500),
            ("PT418", 418),
            ("PT1", 400),
            ("PT100", 400),
            ("XX000", 500),
            ("", 400),
            ("\u{e9}", 400),
        ] {
            assert_eq!(status_of(code, "", false).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn the_message_decides_where_the_code_does_not() {
        assert_eq!(status_of("42501", "", true).as_u16(), 401);
        assert_eq!(
            status_of("21000", "UPDATE requires a WHERE clause", false).as_u16(),
            400
        );
        assert_eq!(
            status_of("21000", "more than one row returned", false).as_u16(),
            500
        );
        assert_eq!(
            status_of("22023", "role \"nobody\" does not exist", false).as_u16(),
            401
        );
        assert_eq!(status_of("22023", "invalid value", false).as_u16(), 400);
    }
}
