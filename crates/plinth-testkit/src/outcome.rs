//! What is asked of an engine and what it answers, in the same terms for both.

use std::fmt;

use serde_json::{Map, Value, json};

/// Whom a statement or a request is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The role's name.
    pub role: String,
    /// `request.jwt.claims`, as JSON text; `None` for the owner of the database.
    pub claims: Option<String>,
}

impl Who {
    /// The owner of the database, to whom no policy applies.
    pub fn postgres() -> Who {
        Who {
            role: "postgres".to_owned(),
            claims: None,
        }
    }

    /// A role with the claims that its token carries. `more` is merged over the usual ones.
    pub fn with_claims(role: &str, user_id: Option<&str>, more: Map<String, Value>) -> Who {
        let mut claims = Map::new();
        if let Some(user_id) = user_id {
            claims.insert("sub".to_owned(), json!(user_id));
            claims.insert("aud".to_owned(), json!("authenticated"));
        }
        claims.insert("role".to_owned(), json!(role));
        claims.extend(more);
        Who {
            role: role.to_owned(),
            claims: Some(Value::Object(claims).to_string()),
        }
    }
}

/// One statement for an engine.
#[derive(Clone, Debug)]
pub struct Ask {
    /// For whom.
    pub who: Who,
    /// Exactly one statement, without its semicolon.
    pub sql: String,
}

/// What came of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded and has no rows to show.
    Done,
    /// Its rows, exactly as `psql -q --csv` prints them, header first.
    Rows(String),
    /// It failed.
    Failed(Failure),
}

/// An error, with the fields that cases look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// SQLSTATE.
    pub code: String,
    /// The one-line message.
    pub message: String,
    /// `DETAIL`.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// The constraint's name.
    pub constraint: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done => writeln!(f, "(done)"),
            Outcome::Rows(csv) => csv.lines().try_for_each(|line| writeln!(f, "= {line}")),
            Outcome::Failed(failure) => write!(f, "{failure}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}",
            format!("! {} {}", self.code, self.message).trim_end()
        )?;
        for (name, value) in [
            ("detail", &self.detail),
            ("hint", &self.hint),
            ("constraint", &self.constraint),
        ] {
            if let Some(value) = value {
                writeln!(f, "! {name}: {value}")?;
            }
        }
        Ok(())
    }
}

/// Rows as `psql --csv` prints them: null is nothing, and a field is quoted only when it must be.
pub fn csv<'a>(
    header: impl Iterator<Item = &'a str>,
    rows: impl Iterator<Item = &'a [Option<String>]>,
) -> String {
    let mut text = header.map(csv_field).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in rows {
        let fields = row
            .iter()
            .map(|field| csv_field(field.as_deref().unwrap_or("")));
        text.push_str(&fields.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

fn csv_field(field: &str) -> String {
    if field == "\\." || field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
