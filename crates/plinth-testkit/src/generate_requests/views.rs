//! Views: of one table or of two, with the caller's rights or their owner's.

use plinth_sql::print::ident;

use super::choice::{count, maybe, one, place};
use super::condition::{Scene, condition};
use super::schema::{Column, Key, Table};
use super::values::Ty;
use crate::random::Random;

const NAMES: [&str; 2] = ["shown", "listed"];

/// A view. It shows the key of one table, and more of it.
pub(super) struct View {
    pub(super) name: &'static str,
    /// The table whose rows it shows.
    pub(super) table: usize,
    pub(super) columns: Vec<Column>,
}

/// The views of a world.
pub(super) fn views(
    random: &mut Random,
    scene: &Scene<'_>,
    statements: &mut Vec<String>,
) -> Vec<View> {
    let mut views = Vec::new();
    let number = count(random, 0, NAMES.len());
    for name in NAMES.into_iter().take(number) {
        let of = place(random, scene.tables.len());
        let table = &scene.tables[of];
        let invoker = random.chance(60);
        let mut columns = Vec::new();
        for column in &table.columns {
            if table.is_primary(&column.name) || random.chance(60) {
                columns.push(column.clone());
            }
        }
        let keys: Vec<&Key> = table.keys.iter().filter(|key| key.target != of).collect();
        let body = if !keys.is_empty() && random.chance(30) {
            let key = random.pick(&keys);
            joined(
                random,
                table,
                (key, &scene.tables[key.target]),
                &mut columns,
            )
        } else {
            filtered(random, scene, of, &mut columns)
        };
        let options = if invoker {
            " with (security_invoker = true)"
        } else {
            maybe(random, 40, " with (security_invoker = false)")
        };
        statements.push(format!("create view {name}{options} as\n  {body}"));
        if (!invoker && random.chance(80)) || random.chance(20) {
            let whom = random.pick(&["anon, authenticated", "authenticated"]);
            let left_out = random.chance(40);
            let service = if left_out { "" } else { ", service_role" };
            statements.push(format!("grant select on {name} to {whom}{service}"));
        }
        views.push(View {
            name,
            table: of,
            columns,
        });
    }
    views
}

/// Some columns of a table, and one of what a key of it points to.
fn joined(
    random: &mut Random,
    table: &Table,
    (key, parent): (&Key, &Table),
    columns: &mut Vec<Column>,
) -> String {
    let on: Vec<String> = key
        .columns
        .iter()
        .zip(&key.target_columns)
        .map(|(here, there)| format!("a.{} = b.{}", ident(here), ident(there)))
        .collect();
    let more = one(random, &parent.columns);
    let mut list: Vec<String> = columns
        .iter()
        .map(|column| format!("a.{}", ident(&column.name)))
        .collect();
    list.push(format!("b.{} as other", ident(&more.name)));
    columns.push(Column::new("other", more.ty));
    let join = random.pick(&["join", "left join"]);
    format!(
        "select {} from {} a {join} {} b on {}",
        list.join(", "),
        ident(&table.name),
        ident(&parent.name),
        on.join(" and ")
    )
}

/// Some columns of some rows of a table.
fn filtered(
    random: &mut Random,
    scene: &Scene<'_>,
    of: usize,
    columns: &mut Vec<Column>,
) -> String {
    let mut list: Vec<String> = columns.iter().map(|column| ident(&column.name)).collect();
    let text = columns.iter().find(|column| column.ty == Ty::Text);
    if let Some(text) = text.map(|column| ident(&column.name))
        && random.chance(30)
    {
        list.push(format!("upper({text}) as loud"));
        columns.push(Column::new("loud", Ty::Text));
    }
    let list = list.join(", ");
    let name = ident(&scene.tables[of].name);
    if random.chance(45) {
        let condition = condition(random, scene, of, 0);
        return format!("select {list} from {name} where {condition}");
    }
    format!("select {list} from {name}")
}
