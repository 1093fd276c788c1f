//! Policies that read whole tables: what makes every request of an application slow once it has many rows.
//!
//! Each table with row-level security is asked for one row by its key, as each role that policies name, and SQLite's own
//! program for that is searched for loops over everything a table or an index holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use plinth_sql::ast::Statement;
use plinth_sql::catalog::{Catalog, QName, Relation};
use plinth_sql::print::ident;

use crate::connection::Conn;
use crate::error::Result;
use crate::translate;

/// A table that is read from end to end whenever a policy decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyScan {
    /// The table that the policies protect.
    pub table: QName,
    /// Whose requests are slow.
    pub roles: Vec<String>,
    /// The table that is read whole, schema and name.
    pub scanned: String,
}

/// Looks at every table with policies.
pub(crate) fn of_policies(conn: &Conn, catalog: &Arc<Catalog>) -> Result<Vec<PolicyScan>> {
    let pages = tables_by_page(conn)?;
    let mut found = Vec::new();
    for relation in catalog.relations.values() {
        let Some(roles) = asked_as(catalog, relation) else {
            continue;
        };
        let mut scanned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for role in roles {
            for table in scanned_for_one_row(conn, catalog, relation, &role, &pages)? {
                scanned.entry(table).or_default().push(role.clone());
            }
        }
        found.extend(scanned.into_iter().map(|(scanned, roles)| PolicyScan {
            table: relation.name.clone(),
            roles,
            scanned,
        }));
    }
    Ok(found)
}

/// The roles whose requests meet policies of this table; none where it has no policies.
fn asked_as(catalog: &Catalog, relation: &Relation) -> Option<BTreeSet<String>> {
    let table = relation.table().filter(|table| table.row_security)?;
    let mut roles = BTreeSet::new();
    for policy in &table.policies {
        for role in &policy.roles {
            match role.as_str() {
                "public" => roles.extend(["anon", "authenticated"].map(str::to_owned)),
                role => _ = roles.insert(role.to_owned()),
            }
        }
    }
    roles.retain(|role| catalog.row_security_applies(role, relation));
    Some(roles)
}

/// What SQLite reads whole to find one row by its key, beside the table itself.
fn scanned_for_one_row(
    conn: &Conn,
    catalog: &Arc<Catalog>,
    relation: &Relation,
    role: &str,
    pages: &HashMap<i64, String>,
) -> Result<BTreeSet<String>> {
    let name = format!(
        "{}.{}",
        ident(&relation.name.schema),
        ident(&relation.name.name)
    );
    let key: Vec<String> = (relation.primary_key().iter().enumerate())
        .map(|(place, column)| format!("{} = ${}", ident(column), place + 1))
        .collect();
    let condition = match key.is_empty() {
        true => "true".to_owned(),
        false => key.join(" and "),
    };
    let sql = format!("select 1 from {name} where {condition}");
    let Statement::Query(query) = plinth_sql::parse::statement(&sql)? else {
        return Ok(BTreeSet::new());
    };
    let types = relation.primary_key().iter().filter_map(|column| {
        let column = relation.column(column)?;
        Some(column.ty.clone())
    });
    let path = translate::default_search_path();
    let Ok(plan) = translate::query(catalog, role, &path, types.collect(), &query, 0) else {
        // The role may not read the table, or the policy raises whatever is asked.
        return Ok(BTreeSet::new());
    };
    let sqlite = conn.sqlite();
    let mut program = sqlite.prepare(&format!("explain {}", plan.sql))?;
    let mut opened: HashMap<i64, i64> = HashMap::new();
    let mut scanned = BTreeSet::new();
    let mut rows = program.raw_query();
    while let Some(row) = rows.next()? {
        let (code, cursor): (String, i64) = (row.get("opcode")?, row.get("p1")?);
        match code.as_str() {
            "OpenRead" | "ReopenIdx" => _ = opened.insert(cursor, row.get("p2")?),
            // Both begin a loop over everything that the cursor can reach.
            "Rewind" | "Last" => {
                let page = opened.get(&cursor);
                scanned.extend(page.and_then(|page| pages.get(page)).cloned());
            }
            _ => {}
        }
    }
    scanned.remove(&crate::names::table(&relation.name));
    Ok(scanned)
}

/// Which table the pages belong to where tables and indexes begin.
fn tables_by_page(conn: &Conn) -> Result<HashMap<i64, String>> {
    let sqlite = conn.sqlite();
    let mut all =
        sqlite.prepare("select rootpage, tbl_name from sqlite_schema where rootpage > 0")?;
    let pages = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pages.collect::<Result<_, _>>()?)
}
