//! Broken and random input for the parsers, with PostgreSQL's grammar as judge: `cargo xtask fuzz SECONDS`.
//!
//! What must hold of any text:
//! - no parser panics, overflows its stack or takes long;
//! - SQL that PostgreSQL's grammar accepts is parsed, or refused by name (`0A000`), never called a syntax error;
//! - SQL that is parsed prints as SQL that parses to the same tree.
//!
//! The input being tried is written to a file first, so that even an abort names its cause.

#[cfg(feature = "judge")]
mod judge;
mod mutate;
mod seeds;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::Mutator;

/// A text that takes longer has a parser that is not linear.
const SLOW: Duration = Duration::from_millis(500);
/// Findings of one kind that are shown.
const SHOWN: usize = 12;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().and_then(|text| text.parse().ok()).unwrap_or(60);
    let seed = args.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let current = std::env::temp_dir().join(format!("plinth-fuzz-{}.txt", std::process::id()));
    println!(
        "{seconds} s from seed {seed}; the input being tried is in {}",
        current.display()
    );

    let seeds = seeds::collect();
    assert!(
        !seeds.sql.is_empty(),
        "no case files were found beside this package"
    );
    let mut fuzzer = Fuzzer {
        current,
        findings: BTreeMap::new(),
        tried: 0,
        accepted: 0,
    };
    // Parsers must not panic; a message for each would hide which.
    std::panic::set_hook(Box::new(|_| {}));
    for sql in &seeds.sql {
        fuzzer.sql(sql);
    }
    for (table, query) in &seeds.queries {
        fuzzer.query(table, query);
    }
    let mut mutator = Mutator::new(seed, &seeds);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        if mutator.chance(75) {
            fuzzer.sql(&mutator.sql());
        } else {
            let (table, query) = mutator.query();
            fuzzer.query(&table, &query);
        }
    }
    fuzzer.report()
}

struct Fuzzer {
    current: PathBuf,
    /// Inputs by what is wrong with them.
    findings: BTreeMap<String, Vec<String>>,
    tried: u64,
    accepted: u64,
}

impl Fuzzer {
    fn sql(&mut self, text: &str) {
        let parsed = self.guarded("the SQL parser", text, || {
            plinth_sql::parse::split(text);
            plinth_sql::parse::script(text)
        });
        match parsed {
            None => {}
            Some(Err(error))
                if error.code == "42601" && !is_said_behind_the_grammar(&error.message) =>
            {
                if postgres_accepts(text) == Some(true) {
                    self.finding("PostgreSQL accepts it, we call it a syntax error", text);
                }
            }
            // Refused by name.
            Some(Err(_)) => {}
            Some(Ok(statements)) => {
                self.accepted += 1;
                for parsed in &statements {
                    let printed = plinth_sql::print::statement(&parsed.statement);
                    // What is known by name only prints as a comment, and is refused when it runs.
                    if printed.contains("/*") {
                        continue;
                    }
                    match plinth_sql::parse::statement(&printed) {
                        Ok(again) if plinth_sql::print::statement(&again) == printed => {}
                        Ok(_) => self.finding(
                            "it prints as another statement",
                            &format!("{text}\n  -> {printed}"),
                        ),
                        Err(error) => self.finding(
                            "it prints as what cannot be parsed",
                            &format!("{text}\n  -> {printed}\n  {error}"),
                        ),
                    }
                }
            }
        }
    }

    fn query(&mut self, table: &str, query: &str) {
        let text = format!("{table}?{query}");
        self.guarded("the query-string parser", &text, || {
            drop(plinth_query::request::parse(table, query));
            drop(plinth_query::request::parse_call(table, query));
        });
    }

    /// `None` when it panicked.
    fn guarded<T>(&mut self, who: &str, text: &str, work: impl FnOnce() -> T) -> Option<T> {
        self.tried += 1;
        drop(std::fs::write(&self.current, text));
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(work));
        if began.elapsed() > SLOW {
            self.finding(&format!("{who} took {:?}", began.elapsed()), text);
        }
        if result.is_err() {
            self.finding(&format!("{who} panicked"), text);
        }
        result.ok()
    }

    fn finding(&mut self, kind: &str, text: &str) {
        self.findings
            .entry(kind.to_owned())
            .or_default()
            .push(text.to_owned());
    }

    fn report(mut self) -> ExitCode {
        drop(std::fs::remove_file(&self.current));
        println!(
            "{} inputs tried, {} of them parsed as SQL",
            self.tried, self.accepted
        );
        for (kind, texts) in &mut self.findings {
            // The shortest say it best.
            texts.sort_by_key(String::len);
            texts.dedup();
            println!("\n{kind}: {}", texts.len());
            for text in texts.iter().take(SHOWN) {
                println!("--\n{}", text.chars().take(600).collect::<String>());
            }
        }
        if self.findings.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Syntax errors that PostgreSQL 15 itself reports of what its grammar, or that of the judge, lets through.
fn is_said_behind_the_grammar(message: &str) -> bool {
    const MESSAGES: &[&str] = &[
        "column name must be qualified",
        "conflicting or redundant options",
        "invalid OWNED BY option",
        "misplaced DEFERRABLE clause",
        "no inline code specified",
        "number of columns does not match number of values",
        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
        "subquery in FROM must have an alias",
        "type modifiers must be simple constants or identifiers",
        "VALUES in FROM must have an alias",
    ];
    const BEGINNINGS: &[&str] = &[
        "improper qualified name (too many dotted names)",
        "unrecognized privilege type \"",
    ];
    MESSAGES.contains(&message)
        || BEGINNINGS
            .iter()
            .any(|beginning| message.starts_with(beginning))
}

#[cfg(feature = "judge")]
fn postgres_accepts(text: &str) -> Option<bool> {
    // A zero byte would end the text early for a parser in C.
    (!text.contains('\0')).then(|| judge::accepts(text))
}

#[cfg(not(feature = "judge"))]
fn postgres_accepts(_text: &str) -> Option<bool> {
    None
}
