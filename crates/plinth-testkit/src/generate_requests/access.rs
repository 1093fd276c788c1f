//! Row-level security, policies and grants.

use plinth_sql::print::ident;

use super::choice::weighted;
use super::condition::{Scene, condition};
use super::schema::{Table, listed};
use crate::random::Random;

/// What holds on a table.
pub(super) struct Rules {
    /// Row-level security is on.
    pub(super) protected: bool,
    /// The statements.
    pub(super) statements: Vec<String>,
}

/// The policies of the table at this place.
pub(super) fn policies(random: &mut Random, scene: &Scene<'_>, place: usize) -> Rules {
    let table = &scene.tables[place];
    let name = ident(&table.name);
    let key = &table.primary[0];
    let protected = random.chance(88);
    let mut statements = Vec::new();
    if protected {
        statements.push(format!("alter table {name} enable row level security"));
    }
    // Without it policies mean nothing, which is worth a look.
    if (protected || random.chance(20)) && random.chance(94) {
        let mut number = 0;
        let mut add = |random: &mut Random, command: &str, restrictive: bool| {
            number += 1;
            let sql = policy(random, scene, place, (number, command, restrictive));
            statements.push(sql);
        };
        if random.chance(35) {
            add(random, "all", false);
        } else {
            add(random, "select", false);
            for command in ["insert", "update", "delete"] {
                if random.chance(75) {
                    add(random, command, false);
                }
            }
        }
        if random.chance(30) {
            add(random, "select", false);
        }
        if random.chance(16) {
            let command = random.pick(&["select", "insert", "update", "delete", "all"]);
            add(random, command, true);
        }
        // A door that keeps most requests worth something.
        if random.chance(70) {
            let everything = match random.chance(50) {
                true => "true".to_owned(),
                false => format!("{key} is not null"),
            };
            statements.push(format!(
                "create policy open on {name}\n  using ({everything})"
            ));
        }
    }
    Rules {
        protected,
        statements,
    }
}

fn policy(
    random: &mut Random,
    scene: &Scene<'_>,
    place: usize,
    (number, command, restrictive): (u32, &str, bool),
) -> String {
    let table = &scene.tables[place];
    let mut to = weighted(
        random,
        &[
            (5, ""),
            (4, " to authenticated"),
            (2, " to anon"),
            (2, " to anon, authenticated"),
            (1, " to public"),
        ],
    );
    let mut sql = format!("create policy p{number} on {}", ident(&table.name));
    if restrictive {
        to = weighted(
            random,
            &[(3, ""), (3, " to authenticated"), (1, " to anon")],
        );
        sql += " as restrictive";
    }
    if command != "all" || random.chance(30) {
        sql += &format!(" for {command}");
    }
    sql += to;
    if command == "insert" && random.chance(35) {
        return sql + &format!("\n  with check ({} is not null)", table.primary[0]);
    }
    let changes = matches!(command, "update" | "all");
    let checks = command == "insert" || (changes && random.chance(35));
    if command != "insert" {
        sql += &format!("\n  using ({})", condition(random, scene, place, 2));
    }
    if checks {
        sql += &format!("\n  with check ({})", condition(random, scene, place, 2));
    }
    sql
}

/// What a table's grants are about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grants {
    /// None: `auto_expose` decides.
    None,
    Reading,
    Writing,
    Columns,
    Revoked,
}

/// Grants on a table, mostly none.
pub(super) fn grants(random: &mut Random, table: &Table) -> Vec<String> {
    let name = ident(&table.name);
    let mut kind = weighted(
        random,
        &[
            (13, Grants::None),
            (3, Grants::Reading),
            (3, Grants::Writing),
            (2, Grants::Columns),
            (2, Grants::Revoked),
        ],
    );
    let closed = !table.protected && matches!(kind, Grants::None | Grants::Revoked);
    if closed && random.chance(75) {
        kind = Grants::Writing;
    }
    let mut statements = Vec::new();
    match kind {
        Grants::None => return statements,
        Grants::Reading => {
            statements.push(format!("grant select on {name} to anon, authenticated"));
        }
        Grants::Writing => {
            statements.push(format!(
                "grant select, insert, update, delete on {name} to authenticated"
            ));
            if random.chance(60) {
                statements.push(format!("grant select on {name} to anon"));
            }
        }
        Grants::Columns => columns(random, table, &mut statements),
        Grants::Revoked => {
            let what = random.pick(&["select", "insert", "update", "delete", "insert, update"]);
            let whom = random.pick(&["anon", "authenticated", "anon, authenticated"]);
            return vec![format!("revoke {what} on {name} from {whom}")];
        }
    }
    if random.chance(60) {
        statements.push(format!("grant all on {name} to service_role"));
    }
    statements
}

fn columns(random: &mut Random, table: &Table, statements: &mut Vec<String>) {
    let name = ident(&table.name);
    let mut chosen = Vec::new();
    for column in &table.columns {
        if table.is_primary(&column.name) || random.chance(65) {
            chosen.push(column.name.clone());
        }
    }
    statements.push(format!(
        "grant select ({}) on {name} to anon, authenticated",
        listed(&chosen)
    ));
    if random.chance(60) {
        statements.push(format!("grant insert on {name} to authenticated"));
    }
    if random.chance(60) {
        let mut chosen = Vec::new();
        for column in &table.columns {
            if column.generated.is_none() && column.identity.is_none() && random.chance(60) {
                chosen.push(column.name.clone());
            }
        }
        if !chosen.is_empty() {
            let chosen = listed(&chosen);
            statements.push(format!(
                "grant update ({chosen}) on {name} to authenticated"
            ));
        }
    }
    if random.chance(40) {
        statements.push(format!("grant delete on {name} to authenticated"));
    }
}
