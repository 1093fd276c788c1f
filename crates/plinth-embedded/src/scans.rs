//! Policies that read whole tables: what makes every request of an application slow once it has many rows.
//!
//! For each table with row-level security, each role that its policies name and each command, the conditions are asked about one
//! row whose values are given, and SQLite's own program for that is searched for loops over everything a table or an index
//! holds. SQL functions stand in that program with all that they read; what runs by itself, as PL/pgSQL does, is not seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use plinth_sql::ast::PolicyCommand;
use plinth_sql::catalog::{Catalog, Privilege, QName, Relation};

use crate::connection::Conn;
use crate::error::Result;
use crate::exec::bound_row;
use crate::names;
use crate::translate::{Translator, default_search_path};

/// Each command, the privilege without which nobody gives it, and which conditions it asks: those on rows that are there
/// (`true`), those on rows as they would become (`false`).
const ASKED: [(PolicyCommand, Privilege, &[bool]); 4] = [
    (PolicyCommand::Select, Privilege::Select, &[true]),
    (PolicyCommand::Insert, Privilege::Insert, &[false]),
    (PolicyCommand::Update, Privilege::Update, &[true, false]),
    (PolicyCommand::Delete, Privilege::Delete, &[true]),
];

/// A table that is read from end to end whenever policies decide about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowScan {
    /// The table that the policies protect.
    pub table: QName,
    /// What is slow there, each command by itself.
    pub commands: Vec<PolicyCommand>,
    /// Whose requests are slow.
    pub roles: Vec<String>,
    /// The table that is read whole.
    pub scanned: QName,
}

/// Looks at every table with policies.
pub(crate) fn of_policies(conn: &Conn, catalog: &Arc<Catalog>) -> Result<Vec<RowScan>> {
    let pages = tables_by_page(conn, catalog)?;
    let mut found = Vec::new();
    for relation in catalog.relations.values() {
        let mut scanned: BTreeMap<(QName, &str), Vec<PolicyCommand>> = BTreeMap::new();
        for role in catalog.held_by_policies(relation) {
            for (command, privilege, conditions) in ASKED {
                let Some(sql) = decision(catalog, relation, role, command, privilege, conditions)
                else {
                    continue;
                };
                for table in read_whole(conn, &sql, &pages) {
                    scanned.entry((table, role)).or_default().push(command);
                }
            }
        }
        gather(relation, scanned, &mut found);
    }
    Ok(found)
}

/// Roles for whom the same is slow are told of together.
fn gather(
    relation: &Relation,
    scanned: BTreeMap<(QName, &str), Vec<PolicyCommand>>,
    found: &mut Vec<RowScan>,
) {
    for ((scanned, role), commands) in scanned {
        let known = found.iter_mut().find(|known| {
            known.table == relation.name && known.scanned == scanned && known.commands == commands
        });
        match known {
            Some(known) => known.roles.push(role.to_owned()),
            None => found.push(RowScan {
                table: relation.name.clone(),
                commands,
                roles: vec![role.to_owned()],
                scanned,
            }),
        }
    }
}

/// What SQLite is asked when policies decide about one row; none where the role may not give the command, or where the policies
/// raise whatever is asked.
fn decision(
    catalog: &Catalog,
    relation: &Arc<Relation>,
    role: &str,
    command: PolicyCommand,
    privilege: Privilege,
    conditions: &[bool],
) -> Option<String> {
    let mut translator = Translator::new(catalog, role, &default_search_path(), Vec::new());
    translator.require(relation, privilege, std::iter::empty());
    translator.check_now().ok()?;
    // A row of values and not one of the table: what is read of the table then is read by a query inside a policy.
    let row = bound_row(&mut translator, relation, 0);
    let mut texts = Vec::new();
    for using in conditions {
        let checks = translator
            .row_checks(relation, command, *using, &row)
            .ok()?;
        texts.extend(checks.into_iter().map(|check| check.sql));
    }
    let sql = format!("SELECT {}", texts.join(", "));
    Some(translator.finish(sql, Vec::new()).ok()?.sql)
}

/// The tables that a statement reads from end to end. A statement that SQLite refuses reads none: whoever gives it is told, and
/// migrations have been applied whatever is found here.
fn read_whole(conn: &Conn, sql: &str, pages: &HashMap<i64, QName>) -> BTreeSet<QName> {
    loops(conn, sql, pages).unwrap_or_default()
}

fn loops(conn: &Conn, sql: &str, pages: &HashMap<i64, QName>) -> Result<BTreeSet<QName>> {
    let steps = program(conn, sql)?;
    let mut opened: HashMap<i64, i64> = HashMap::new();
    let mut scanned = BTreeSet::new();
    for (place, step) in steps.iter().enumerate() {
        let reads_all = step.begins_a_loop() || step.code == "Count";
        if matches!(step.code.as_str(), "OpenRead" | "ReopenIdx") {
            opened.insert(step.cursor, step.operand);
        } else if reads_all && !is_skipped(&steps, place) {
            let page = opened.get(&step.cursor);
            scanned.extend(page.and_then(|page| pages.get(page)).cloned());
        }
    }
    Ok(scanned)
}

/// A step of SQLite's program.
struct Step {
    code: String,
    /// What it works on.
    cursor: i64,
    /// The page that it opens, or the step to go on with when there is nothing to do.
    operand: i64,
}

impl Step {
    /// Whether a loop begins here over everything that the cursor can reach.
    fn begins_a_loop(&self) -> bool {
        matches!(self.code.as_str(), "Rewind" | "Last")
    }
}

fn program(conn: &Conn, sql: &str) -> Result<Vec<Step>> {
    let sqlite = conn.sqlite();
    let mut explained = sqlite.prepare(&format!("explain {sql}"))?;
    let mut rows = explained.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next()? {
        steps.push(Step {
            code: row.get("opcode")?,
            cursor: row.get("p1")?,
            operand: row.get("p2")?,
        });
    }
    Ok(steps)
}

/// Whether a step never runs. Where a condition is never true, as on a table that is closed to the role, the program goes straight
/// to where its loop would end.
fn is_skipped(steps: &[Step], place: usize) -> bool {
    steps[..place].iter().enumerate().any(|(from, step)| {
        let to = usize::try_from(step.operand).unwrap_or_default();
        step.code == "Goto"
            && to > place
            && steps[from..]
                .iter()
                .take(to - from)
                .any(|over| over.begins_a_loop() && over.operand == step.operand)
    })
}

/// Which table the pages belong to where tables and indexes begin.
fn tables_by_page(conn: &Conn, catalog: &Catalog) -> Result<HashMap<i64, QName>> {
    let relations = catalog.relations.keys();
    let by_name: HashMap<String, &QName> =
        relations.map(|name| (names::table(name), name)).collect();
    let sqlite = conn.sqlite();
    let mut all =
        sqlite.prepare("select rootpage, tbl_name from sqlite_schema where rootpage > 0")?;
    let mut rows = all.query([])?;
    let mut pages = HashMap::new();
    while let Some(row) = rows.next()? {
        let (page, table): (i64, String) = (row.get(0)?, row.get(1)?);
        if let Some(name) = by_name.get(&table) {
            pages.insert(page, QName::clone(name));
        }
    }
    Ok(pages)
}
