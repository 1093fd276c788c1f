//! Case files: text that says what is asked and what must be answered.
//!
//! ```text
//! A numeric keeps every digit it was given.           one sentence
//! only: embedded, because REASON                      when one engine cannot run it
//! unpooled: REASON                                    when a server behind a pooler answers it differently
//!
//! create table t (n numeric);                         must succeed
//!
//! select n from t;
//! = n                                                 what `psql -q --csv` prints, header first
//!
//! as authenticated 11111111-1111-1111-1111-111111111111 {"app_metadata": {"admin": true}}
//! select 1/0;
//! ! 22012 division by zero                            SQLSTATE and message
//! ! detail: …    ! hint: …    ! constraint: …         compared where written
//!
//! PATCH /rest/v1/t?n=eq.1                             a request, as the same caller
//! prefer: return=representation                       its headers
//! {"n": 2}                                            its body
//! 200 [{"n": 2}]                                      status and JSON
//! content-range: 0-0/*                                headers that the answer must have
//! ```
//!
//! Expectations begin in the first column and belong to the statement before them. In an expected JSON body the
//! string `"..."` stands for any value, the entry `"...": "..."` for any further entries, and `"$name"` keeps the
//! value that is there: later requests may say `$name` in address, headers and body.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::outcome::{Failure, Who};

/// A parsed case file.
#[derive(Clone, Debug)]
pub struct Case {
    /// The first line: the fact that this case pins down.
    pub sentence: String,
    /// The only engine that runs it, and why.
    pub only: Option<Only>,
    /// Why a server behind a pooler answers differently.
    pub unpooled: Option<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// An engine and the reason why it is the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// `embedded` or `postgres`.
    pub engine: String,
    /// Why the other cannot run the case.
    pub reason: String,
}

/// One statement or request.
#[derive(Clone, Debug)]
pub struct Step {
    /// For whom.
    pub who: Who,
    /// The line it ends on, from 0.
    pub line: usize,
    /// What is done.
    pub act: Act,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Runs one statement.
    Sql(SqlStep),
    /// Makes one request.
    Request(RequestStep),
}

/// A statement and what it must answer.
#[derive(Clone, Debug)]
pub struct SqlStep {
    /// Without its semicolon.
    pub sql: String,
    /// `None`: it must succeed, with whatever rows.
    pub expect: Option<Expect>,
    /// The lines of the expectation, from 0.
    pub expect_lines: Range<usize>,
}

/// What a statement must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// These rows, as CSV.
    Rows(String),
    /// This error. An empty message and absent parts are not compared.
    Error(Failure),
}

/// A request and what it must answer.
#[derive(Clone, Debug, Default)]
pub struct RequestStep {
    /// `GET`, `POST`, …
    pub method: String,
    /// With its query.
    pub path: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// As written, JSON or not.
    pub body: Option<String>,
    /// The status.
    pub status: u16,
    /// The JSON body, where one is written.
    pub json: Option<Value>,
    /// The body as text, from `= ` lines.
    pub text: Option<String>,
    /// Headers that the answer must have.
    pub expect_headers: Vec<(String, String)>,
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

/// Parses a case file. Errors name the line.
pub fn parse(text: &str) -> Result<Case> {
    let mut reader = Reader {
        lines: text.lines().collect(),
        at: 0,
    };
    let sentence = reader.next().unwrap_or_default().trim().to_owned();
    ensure!(
        sentence.ends_with('.'),
        "line 1: a case begins with one sentence that says its fact"
    );
    let only = reader.only()?;
    let unpooled = reader.unpooled();
    let mut case = Case {
        sentence,
        only,
        unpooled,
        steps: Vec::new(),
    };
    let mut who = Who::postgres();
    let mut pending = String::new();
    while let Some(line) = reader.peek() {
        let number = reader.at + 1;
        let between = pending.trim().is_empty() || ends_statement(&pending);
        if is_expectation(line) {
            take_statements(&mut case, &who, &mut pending, reader.at);
            let expect_lines = reader.at..reader.end_of_expectation();
            let expect = expectation(&reader.lines[expect_lines.clone()])
                .with_context(|| format!("line {number}"))?;
            match case.steps.last_mut().map(|step| &mut step.act) {
                Some(Act::Sql(step)) if step.expect.is_none() => {
                    step.expect = Some(expect);
                    step.expect_lines = expect_lines.clone();
                }
                _ => bail!("line {number}: no statement stands before this expectation"),
            }
            reader.at = expect_lines.end;
        } else if between
            && let Some(next) = caller(line).with_context(|| format!("line {number}"))?
        {
            take_statements(&mut case, &who, &mut pending, reader.at);
            who = next;
            reader.at += 1;
        } else if between && is_request(line) {
            take_statements(&mut case, &who, &mut pending, reader.at);
            let request = reader.request().with_context(|| format!("line {number}"))?;
            case.steps.push(Step {
                who: who.clone(),
                line: reader.at,
                act: Act::Request(request),
            });
        } else {
            pending.push_str(line);
            pending.push('\n');
            reader.at += 1;
        }
    }
    take_statements(&mut case, &who, &mut pending, reader.at);
    ensure!(!case.steps.is_empty(), "the case does nothing");
    Ok(case)
}

/// Turns the SQL gathered so far into steps. `end` is the line after its last one.
fn take_statements(case: &mut Case, who: &Who, pending: &mut String, end: usize) {
    let text = std::mem::take(pending);
    let first_line = end - text.lines().count();
    for range in plinth_sql::parse::split(&text) {
        let line = first_line + text[..range.end].matches('\n').count();
        let act = Act::Sql(SqlStep {
            sql: text[range].trim().to_owned(),
            expect: None,
            expect_lines: 0..0,
        });
        case.steps.push(Step {
            who: who.clone(),
            line,
            act,
        });
    }
}

/// True when the text so far ends with a whole statement, so that a new kind of line may follow.
fn ends_statement(text: &str) -> bool {
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    last.starts_with("--")
        || last
            .split(" --")
            .next()
            .unwrap_or_default()
            .trim_end()
            .ends_with(';')
}

fn is_expectation(line: &str) -> bool {
    line == "=" || line.starts_with("= ") || line.starts_with("! ")
}

fn is_request(line: &str) -> bool {
    line.split_once(' ')
        .is_some_and(|(method, path)| METHODS.contains(&method) && path.starts_with('/'))
}

fn expectation(lines: &[&str]) -> Result<Expect> {
    if lines[0].starts_with('=') {
        return Ok(Expect::Rows(rows_text(lines)));
    }
    let (code, message) = lines[0][2..]
        .split_once(' ')
        .unwrap_or((&lines[0][2..], ""));
    ensure!(
        code.len() == 5,
        "an error begins with a SQLSTATE of five characters"
    );
    let mut failure = Failure {
        code: code.to_owned(),
        message: message.trim().to_owned(),
        ..Failure::default()
    };
    for line in &lines[1..] {
        let (name, value) = line[2..]
            .split_once(':')
            .context("expected `! name: value`")?;
        let value = Some(value.trim().to_owned());
        match name.trim() {
            "detail" => failure.detail = value,
            "hint" => failure.hint = value,
            "constraint" => failure.constraint = value,
            other => bail!("`{other}` is not a part of an error that cases look at"),
        }
    }
    Ok(Expect::Error(failure))
}

fn rows_text(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |text, line| {
        text + line.get(2..).unwrap_or("") + "\n"
    })
}

/// `as anon`, `as authenticated UUID {claims}`, `as role NAME [UUID] [{claims}]`, `as postgres`.
fn caller(line: &str) -> Result<Option<Who>> {
    let Some(rest) = line.strip_prefix("as ") else {
        return Ok(None);
    };
    let mut words = rest.trim().splitn(2, ' ');
    let mut role = words.next().unwrap_or_default();
    let mut rest = words.next().unwrap_or_default().trim();
    match role {
        "postgres" if rest.is_empty() => return Ok(Some(Who::postgres())),
        "anon" | "authenticated" | "service_role" => {}
        "role" => (role, rest) = rest.split_once(' ').unwrap_or((rest, "")),
        _ => return Ok(None),
    }
    let (user_id, claims) = match rest.find('{') {
        Some(brace) => (rest[..brace].trim(), &rest[brace..]),
        None => (rest.trim(), "{}"),
    };
    let claims: Map<String, Value> =
        serde_json::from_str(claims).context("claims must be a JSON object")?;
    let user_id = (!user_id.is_empty()).then_some(user_id);
    Ok(Some(Who::with_claims(role, user_id, claims)))
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek();
        self.at += usize::from(line.is_some());
        line
    }

    fn only(&mut self) -> Result<Option<Only>> {
        let Some(rest) = self.peek().and_then(|line| line.strip_prefix("only:")) else {
            return Ok(None);
        };
        self.at += 1;
        let (engine, reason) = rest
            .split_once(", because ")
            .context("line 2: expected `only: ENGINE, because REASON`")?;
        let engine = engine.trim().to_owned();
        ensure!(
            ["embedded", "postgres"].contains(&engine.as_str()),
            "line 2: no engine is called {engine}"
        );
        Ok(Some(Only {
            engine,
            reason: reason.trim().to_owned(),
        }))
    }

    fn unpooled(&mut self) -> Option<String> {
        let reason = self.peek()?.strip_prefix("unpooled:")?;
        self.at += 1;
        Some(reason.trim().to_owned())
    }

    fn end_of_expectation(&self) -> usize {
        let sign = self.lines[self.at].as_bytes()[0];
        let same = |line: &&&str| is_expectation(line) && line.as_bytes()[0] == sign;
        self.at + self.lines[self.at..].iter().take_while(same).count()
    }

    /// A request block: it ends at an empty line.
    fn request(&mut self) -> Result<RequestStep> {
        let (method, path) = self
            .next()
            .and_then(|line| line.split_once(' '))
            .context("expected a request")?;
        let mut request = RequestStep {
            method: method.to_owned(),
            path: path.trim().to_owned(),
            ..RequestStep::default()
        };
        let mut expected_json = String::new();
        while let Some(line) = self.next().filter(|line| !line.trim().is_empty()) {
            if request.status == 0 {
                match status(line)? {
                    Some((status, json)) => {
                        request.status = status;
                        expected_json.push_str(json);
                    }
                    None if request.body.is_none() && header(line).is_some() => {
                        request.headers.extend(header(line));
                    }
                    None => {
                        let body = request.body.get_or_insert_default();
                        body.push_str(if body.is_empty() { "" } else { "\n" });
                        body.push_str(line);
                    }
                }
            } else if is_expectation(line) {
                request
                    .text
                    .get_or_insert_default()
                    .push_str(&rows_text(&[line]));
            } else if let Some(header) = header(line) {
                request.expect_headers.push(header);
            } else {
                expected_json.push_str(line);
            }
        }
        ensure!(request.status != 0, "the request has no expected status");
        if !expected_json.trim().is_empty() {
            let json =
                serde_json::from_str(&expected_json).context("the expected body is not JSON")?;
            request.json = Some(json);
        }
        Ok(request)
    }
}

/// `200 [{"id": 1}]`.
fn status(line: &str) -> Result<Option<(u16, &str)>> {
    let (digits, rest) = line.split_once(' ').unwrap_or((line, ""));
    if digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some((digits.parse()?, rest)));
    }
    Ok(None)
}

/// `prefer: return=minimal`. Names are lower case, so that JSON is never taken for one.
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit());
    is_name.then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "A fact.\n\ncreate table t (n int); insert into t values (1);\n\nselect n\n\nfrom t;\n= n\n= 1\n\nas authenticated 11111111-1111-1111-1111-111111111111 {\"a\": 1}\nselect 1/0;\n! 22012 division by zero\n! hint: none\n\ncreate function f() returns int language sql\nas $$ select 1; $$;\n\nGET /rest/v1/t\nprefer: count=exact\n200 [{\"n\": 1}]\ncontent-range: 0-0/1\n";

    #[test]
    fn a_case_is_statements_with_their_expectations() {
        let case = parse(TEXT).unwrap();
        assert_eq!(case.sentence, "A fact.");
        assert_eq!(case.steps.len(), 6);
        let Act::Sql(select) = &case.steps[2].act else {
            panic!("not a statement")
        };
        assert_eq!(select.expect, Some(Expect::Rows("n\n1\n".to_owned())));
        assert_eq!(select.expect_lines, 7..9);
        assert_eq!(case.steps[3].who.role, "authenticated");
        let Act::Request(request) = &case.steps[5].act else {
            panic!("not a request")
        };
        assert_eq!(
            (
                request.status,
                request.headers.len(),
                request.expect_headers.len()
            ),
            (200, 1, 1)
        );
    }

    #[test]
    fn an_expectation_without_a_statement_is_refused() {
        assert!(parse("A fact.\n\n= 1\n").is_err());
        assert!(parse("no full stop\n\nselect 1;\n").is_err());
    }
}
