//! Policies that read whole tables, as commands tell of them.

use plinth_db::{MissingIndex, PolicyScan, RowScan};
use plinth_sql::ast::PolicyCommand;

use super::PolicyScanReport;

/// A line for people.
pub(super) fn text(scan: &PolicyScan) -> String {
    match scan {
        PolicyScan::ForARow(RowScan {
            table,
            commands,
            roles,
            scanned,
        }) => {
            let verbs: Vec<&str> = commands.iter().copied().map(verb).collect();
            let verbs = match verbs.as_slice() {
                [before @ .., last] if !before.is_empty() => {
                    format!("{} or {last}", before.join(", "))
                }
                few => few.concat(),
            };
            format!(
                "whenever {} {verbs} a row of {}, its policies read all of {}; an index on the columns that they compare there helps",
                roles.join(" or "),
                table.display(),
                scanned.display()
            )
        }
        PolicyScan::ForAList(missing) => {
            let MissingIndex {
                table,
                policy,
                column,
            } = missing;
            format!(
                "lists of {} read every row, because policy \"{policy}\" compares {column} and no index begins with it; {}",
                table.display(),
                missing.statement()
            )
        }
    }
}

/// The same for programs.
pub(super) fn report(scan: &PolicyScan) -> PolicyScanReport {
    let (table, statement) = match scan {
        PolicyScan::ForARow(scan) => (&scan.table, None),
        PolicyScan::ForAList(missing) => (&missing.table, Some(missing.statement())),
    };
    PolicyScanReport {
        table: format!("{}.{}", table.schema, table.name),
        message: text(scan),
        statement,
    }
}

/// What somebody does with a row.
fn verb(command: PolicyCommand) -> &'static str {
    match command {
        PolicyCommand::All => "uses",
        PolicyCommand::Select => "asks for",
        PolicyCommand::Insert => "adds",
        PolicyCommand::Update => "changes",
        PolicyCommand::Delete => "deletes",
    }
}

#[cfg(test)]
mod tests {
    use plinth_sql::catalog::QName;

    use super::*;

    fn for_a_row(commands: &[PolicyCommand], roles: &[&str]) -> String {
        text(&PolicyScan::ForARow(RowScan {
            table: QName::new("public", "rooms"),
            commands: commands.to_vec(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            scanned: QName::new("private", "members"),
        }))
    }

    #[test]
    fn a_warning_says_who_waits_for_what() {
        assert_eq!(
            for_a_row(&[PolicyCommand::Select], &["authenticated"]),
            "whenever authenticated asks for a row of rooms, its policies read all of private.members; \
             an index on the columns that they compare there helps"
        );
        let two = for_a_row(
            &[PolicyCommand::Insert, PolicyCommand::Update],
            &["anon", "authenticated"],
        );
        assert!(two.starts_with("whenever anon or authenticated adds or changes a row of rooms, "));
        let three = for_a_row(
            &[
                PolicyCommand::Select,
                PolicyCommand::Update,
                PolicyCommand::Delete,
            ],
            &["anon"],
        );
        assert!(three.starts_with("whenever anon asks for, changes or deletes a row of rooms, "));
    }

    #[test]
    fn a_missing_index_comes_with_its_statement() {
        let missing = |schema, name| {
            PolicyScan::ForAList(MissingIndex {
                table: QName::new(schema, name),
                policy: "one's own".to_owned(),
                column: "ownerId".to_owned(),
            })
        };
        assert_eq!(
            text(&missing("public", "notes")),
            "lists of notes read every row, because policy \"one's own\" compares ownerId and no index begins with it; \
             create index on notes (\"ownerId\")"
        );
        assert_eq!(
            report(&missing("private", "notes")),
            PolicyScanReport {
                table: "private.notes".to_owned(),
                message: text(&missing("private", "notes")),
                statement: Some("create index on private.notes (\"ownerId\")".to_owned()),
            }
        );
    }
}
