//! Tables and their keys to one another.

use plinth_sql::print::{ident, literal};

use super::choice::{count, maybe, one, place, weighted};
use super::rows::fill;
use super::values::Ty;
use super::world::{Entry, Part};
use crate::random::Random;

/// Names of tables, and what keys that point to them are called.
const NAMES: [(&str, &str); 4] = [
    ("teams", "team"),
    ("notes", "note"),
    ("items", "item"),
    ("Order Lines", "line"),
];
/// Types of columns that are no keys. Text is the likeliest.
const TYPES: [Ty; 12] = [
    Ty::Int,
    Ty::Bigint,
    Ty::Text,
    Ty::Text,
    Ty::Bool,
    Ty::Numeric,
    Ty::Timestamptz,
    Ty::Date,
    Ty::Jsonb,
    Ty::Texts,
    Ty::Level,
    Ty::Uuid,
];
/// The name of a key to the table itself.
const PARENT: &str = "parent";

/// A table under construction.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// What keys that point to it are called.
    single: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) primary: Vec<String>,
    pub(super) keys: Vec<Key>,
    /// Values by column; none for null and where the database makes them.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Row-level security is on.
    pub(super) protected: bool,
    /// Everybody may read it, and its policies ask no other table.
    pub(super) plain: bool,
}

/// A column of a table or view.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) ty: Ty,
    pub(super) nullable: bool,
    pub(super) unique: bool,
    pub(super) default: Option<String>,
    check: Option<Check>,
    /// Of which expression it is made.
    pub(super) generated: Option<String>,
    pub(super) identity: Option<Identity>,
    /// The number of the foreign key it belongs to.
    pub(super) key: Option<usize>,
}

/// How an identity is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Always,
    ByDefault,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The constraint.
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The table it points to.
    pub(super) target: usize,
    pub(super) target_columns: Vec<String>,
    pub(super) unique: bool,
    action: &'static str,
}

/// A check, and what of the pool does not pass it.
#[derive(Clone, Copy, Debug)]
struct Check {
    sql: &'static str,
    forbidden: &'static [&'static str],
}

impl Table {
    fn new(name: &str, single: &'static str) -> Table {
        Table {
            name: name.to_owned(),
            single,
            columns: Vec::new(),
            primary: Vec::new(),
            keys: Vec::new(),
            rows: Vec::new(),
            protected: false,
            plain: false,
        }
    }

    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.place(column).is_some()
    }

    pub(super) fn is_primary(&self, column: &str) -> bool {
        self.primary.iter().any(|key| key == column)
    }

    /// The value of a row's column; none for null and for what the table does not have.
    pub(super) fn value<'a>(&self, row: &'a [Option<String>], column: &str) -> Option<&'a str> {
        row.get(self.place(column)?)?.as_deref()
    }

    /// The type of the one column of its key, if it is one.
    pub(super) fn single_key(&self) -> Option<Ty> {
        match self.primary.as_slice() {
            [only] => self.column(only).map(|column| column.ty),
            _ => None,
        }
    }

    /// Its name as a part of other names.
    pub(super) fn word(&self) -> &str {
        if self.name.contains(' ') {
            "lines"
        } else {
            &self.name
        }
    }

    fn add(&mut self, column: Column) {
        self.columns.push(column);
    }
}

impl Column {
    pub(super) fn new(name: impl Into<String>, ty: Ty) -> Column {
        Column {
            name: name.into(),
            ty,
            nullable: true,
            unique: false,
            default: None,
            check: None,
            generated: None,
            identity: None,
            key: None,
        }
    }

    fn required(name: impl Into<String>, ty: Ty) -> Column {
        Column {
            nullable: false,
            ..Column::new(name, ty)
        }
    }

    /// Whether a first row may not hold this value.
    pub(super) fn avoids(&self, value: &str) -> bool {
        // Equal numbers that look different are no different keys.
        let doubled = self.unique && ["1.5", "-0.0"].contains(&value);
        doubled || self.forbids(value)
    }

    fn forbids(&self, value: &str) -> bool {
        self.check
            .is_some_and(|check| check.forbidden.contains(&value))
    }
}

/// The tables of a world, with their rows.
pub(super) fn tables(random: &mut Random) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let number = count(random, 2, 3);
    let start = place(random, NAMES.len());
    for place in start..start + number {
        let table = table(random, NAMES[place % NAMES.len()], &tables);
        tables.push(table);
    }
    if random.chance(45) {
        let table = junction(random, &tables);
        tables.push(table);
    }
    for place in 0..tables.len() {
        let (earlier, later) = tables.split_at_mut(place);
        fill(random, earlier, &mut later[0]);
    }
    tables
}

fn table(random: &mut Random, (name, single): (&str, &'static str), others: &[Table]) -> Table {
    let mut table = Table::new(name, single);
    primary_key(random, &mut table);
    if random.chance(75) {
        let nullable = random.chance(60);
        let default = random.chance(40).then(|| "auth.uid()".to_owned());
        table.add(Column {
            nullable,
            default,
            ..Column::new("owner", Ty::Uuid)
        });
    }
    for _ in 0..count(random, 2, 6) {
        ordinary(random, &mut table);
    }
    if !others.is_empty() && random.chance(85) {
        let target = place(random, others.len());
        if random.chance(25) {
            reference(random, &mut table, Target::of(others, target), "from_");
            reference(random, &mut table, Target::of(others, target), "to_");
        } else {
            reference(random, &mut table, Target::of(others, target), "");
        }
        if others.len() > 1 && random.chance(35) {
            let other = (target + 1) % others.len();
            reference(random, &mut table, Target::of(others, other), "");
        }
    }
    if table.primary.len() == 1 && random.chance(22) {
        let itself = Target::new(&table, others.len());
        reference(random, &mut table, itself, PARENT);
    }
    generated(random, &mut table);
    table
}

fn primary_key(random: &mut Random, table: &mut Table) {
    match random.below(20) {
        0..7 => {
            let ty = if random.chance(30) {
                Ty::Bigint
            } else {
                Ty::Int
            };
            let identity = if random.chance(30) {
                Identity::Always
            } else {
                Identity::ByDefault
            };
            table.add(Column {
                identity: Some(identity),
                ..Column::required("id", ty)
            });
        }
        7..12 => table.add(Column::required("id", Ty::Int)),
        12..17 => table.add(Column::required("id", Ty::Uuid)),
        _ => {
            table.add(Column::required("part", Ty::Int));
            table.add(Column::required("code", Ty::Text));
        }
    }
    table.primary = table
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
}

fn column_names(ty: Ty) -> &'static [&'static str] {
    match ty {
        Ty::Int => &["num", "size"],
        Ty::Bigint => &["points"],
        Ty::Text => &["name", "title", "Full Name"],
        Ty::Bool => &["open", "done"],
        Ty::Uuid => &["ref"],
        Ty::Numeric => &["price", "größe"],
        Ty::Timestamptz => &["at"],
        Ty::Date => &["day"],
        Ty::Jsonb => &["data", "more"],
        Ty::Texts => &["tags"],
        Ty::Level => &["level"],
    }
}

fn check(ty: Ty) -> Option<Check> {
    let (sql, forbidden): (&str, &[&str]) = match ty {
        Ty::Int => ("{} >= 0", &["-1", "-2147483648"]),
        Ty::Bigint => ("{} < 1000", &["9007199254740993", "9223372036854775807"]),
        Ty::Text => ("{} <> ''", &[""]),
        Ty::Level => ("{} <= 'mid'", &["high"]),
        _ => return None,
    };
    Some(Check { sql, forbidden })
}

/// A column that is no key. Nothing when the table has one of that name.
fn ordinary(random: &mut Random, table: &mut Table) {
    let ty = *one(random, &TYPES);
    let mut column = Column::new(random.pick(column_names(ty)), ty);
    column.nullable = random.chance(72);
    column.unique = random.chance(8) && !matches!(ty, Ty::Bool | Ty::Jsonb | Ty::Texts | Ty::Level);
    let default = random.chance(15).then(|| random.pick(ty.pool()));
    if random.chance(15) {
        column.check = check(ty);
    }
    column.default = default.filter(|value| !column.forbids(value)).map(literal);
    if !table.has(&column.name) {
        table.add(column);
    }
}

/// A column made of another, where one fits.
fn generated(random: &mut Random, table: &mut Table) {
    if !random.chance(30) {
        return;
    }
    let made = table.columns.iter().find_map(|column| {
        let name = ident(&column.name);
        if column.identity.is_some() || column.key.is_some() {
            return None;
        }
        match column.ty {
            Ty::Text if !table.is_primary(&column.name) => {
                Some(("slug", Ty::Text, format!("lower({name})")))
            }
            Ty::Int => Some(("twice", Ty::Bigint, format!("{name}::bigint * 2"))),
            Ty::Jsonb => Some(("first", Ty::Text, format!("{name} ->> 'a'"))),
            _ => None,
        }
    });
    if let Some((name, ty, expression)) = made {
        table.add(Column {
            generated: Some(expression),
            ..Column::new(name, ty)
        });
    }
}

/// What a key points to.
struct Target {
    place: usize,
    single: &'static str,
    primary: Vec<(String, Ty)>,
}

impl Target {
    fn of(tables: &[Table], place: usize) -> Target {
        Target::new(&tables[place], place)
    }

    fn new(table: &Table, place: usize) -> Target {
        let primary = table
            .columns
            .iter()
            .filter(|column| table.is_primary(&column.name));
        Target {
            place,
            single: table.single,
            primary: primary
                .map(|column| (column.name.clone(), column.ty))
                .collect(),
        }
    }
}

/// A foreign key and its columns. Nothing when the table has a column of such a name.
fn reference(random: &mut Random, table: &mut Table, target: Target, prefix: &'static str) {
    let unique = random.chance(8);
    let nullable = prefix == PARENT || random.chance(70);
    let composite = target.primary.len() > 1;
    let single = target.single;
    let name = |key: &str| match prefix {
        PARENT => PARENT.to_owned(),
        _ if composite => format!("{prefix}{single}_{key}"),
        "" => format!("{single}_id"),
        _ => format!("{prefix}{single}"),
    };
    let columns: Vec<String> = target.primary.iter().map(|(key, _)| name(key)).collect();
    if columns.iter().any(|column| table.has(column)) {
        return;
    }
    let set_null = if nullable { " on delete set null" } else { "" };
    let action = weighted(
        random,
        &[
            (8, ""),
            (6, " on delete cascade"),
            (4, set_null),
            (2, " on delete restrict"),
            (2, " on update cascade"),
            (2, " on delete cascade on update cascade"),
        ],
    );
    add_key(table, target, columns, (nullable, unique), action);
}

fn add_key(
    table: &mut Table,
    target: Target,
    columns: Vec<String>,
    (nullable, unique): (bool, bool),
    action: &'static str,
) {
    for (name, (_, ty)) in columns.iter().zip(&target.primary) {
        table.add(Column {
            nullable,
            key: Some(table.keys.len()),
            ..Column::new(name, *ty)
        });
    }
    table.keys.push(Key {
        name: format!("{}_{}_fkey", table.name, columns.join("_")),
        columns,
        target: target.place,
        target_columns: target.primary.into_iter().map(|(name, _)| name).collect(),
        unique,
        action,
    });
}

/// A table whose key is made of keys to two others.
fn junction(random: &mut Random, tables: &[Table]) -> Table {
    let first = place(random, tables.len());
    let second = (first + 1 + place(random, tables.len() - 1)) % tables.len();
    let mut table = Table::new("links", "link");
    for end in [first, second] {
        let target = Target::of(tables, end);
        let columns: Vec<String> = target
            .primary
            .iter()
            .map(|(key, _)| format!("{}_{key}", target.single))
            .collect();
        let action = maybe(random, 60, " on delete cascade");
        table.primary.extend(columns.iter().cloned());
        add_key(&mut table, target, columns, (false, false), action);
    }
    if random.chance(50) {
        table.add(Column::new("role", Ty::Text));
    }
    if random.chance(40) {
        let default = random.chance(50).then(|| "auth.uid()".to_owned());
        table.add(Column {
            default,
            ..Column::new("owner", Ty::Uuid)
        });
    }
    table
}

/// The statement that makes a table.
pub(super) fn create(table: &Table, tables: &[Table]) -> Part {
    let constraint = |sql: String| Entry { column: None, sql };
    let mut entries: Vec<Entry> = table
        .columns
        .iter()
        .map(|column| Entry {
            column: Some(column.name.clone()),
            sql: definition(column, table.is_primary(&column.name)),
        })
        .collect();
    entries.push(constraint(format!(
        "primary key ({})",
        listed(&table.primary)
    )));
    for key in &table.keys {
        let columns = listed(&key.columns);
        entries.push(constraint(format!(
            "foreign key ({columns}) references {} ({}){}",
            ident(&tables[key.target].name),
            listed(&key.target_columns),
            key.action
        )));
        if key.unique {
            entries.push(constraint(format!("unique ({columns})")));
        }
    }
    Part::Table {
        name: table.name.clone(),
        key: table.primary.clone(),
        entries,
    }
}

/// Names with commas between.
pub(super) fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| ident(name)).collect();
    names.join(", ")
}

fn definition(column: &Column, primary: bool) -> String {
    let name = ident(&column.name);
    let mut sql = format!("{name} {}", column.ty.sql());
    if let Some(expression) = &column.generated {
        sql += &format!(" generated always as ({expression}) stored");
    }
    match column.identity {
        Some(Identity::Always) => sql += " generated always as identity",
        Some(Identity::ByDefault) => sql += " generated by default as identity",
        None => {}
    }
    if !column.nullable && !primary {
        sql += " not null";
    }
    if column.unique {
        sql += " unique";
    }
    if let Some(default) = &column.default {
        sql += &format!(" default {default}");
    }
    if let Some(check) = column.check {
        sql += &format!(" check ({})", check.sql.replace("{}", &name));
    }
    sql
}
