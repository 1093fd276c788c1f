//! What SQLite is given: a statement in, its text out. No database.

use expect_test::{Expect, expect};
use plinth_sql::ast::Statement;
use plinth_sql::catalog::Catalog;
use plinth_sql::catalog::apply::{self, Context};
use plinth_sql::types::Type;

use super::{default_search_path, query};
use crate::exec::Inference;

const SCHEMA: &str = "
    create role anon; create role authenticated; create role service_role bypassrls;
    create table rooms (id int primary key, name text not null, price numeric(10,2));
    create table notes (id bigint primary key, owner uuid not null, room int references rooms, title text, data jsonb, tags text[], at timestamptz);
    alter table notes enable row level security;
    create policy own on notes to authenticated using (owner = '11111111-1111-1111-1111-111111111111');
    create policy hidden on notes as restrictive for select to authenticated using (title is not null);
    grant select on notes, rooms to authenticated;
    create view titles as select id, title from notes;
    create view mine with (security_invoker) as select id, title from notes;
    grant select on titles, mine to authenticated;
    create function twice(n int) returns int language sql immutable as 'select n * 2';
";

fn catalog() -> Catalog {
    let mut catalog = Catalog::bootstrap();
    let path = default_search_path();
    let infer = Inference { role: "postgres".into() };
    for parsed in plinth_sql::parse::script(SCHEMA).unwrap() {
        let context = Context { role: "postgres", search_path: &path, infer: &infer };
        catalog = apply::apply(&catalog, &parsed.statement, &context).unwrap().unwrap().catalog;
    }
    catalog
}

fn translated(role: &str, sql: &str) -> String {
    let Statement::Query(parsed) = plinth_sql::parse::statement(sql).unwrap() else { panic!("not a query") };
    let params = vec![Type::Unknown.into(); sql.matches('$').count()];
    match query(&catalog(), role, &default_search_path(), params, &parsed) {
        Ok(plan) => plan.sql,
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

fn check(sql: &str, expected: &Expect) {
    expected.assert_eq(&translated("postgres", sql));
}

fn check_as_user(sql: &str, expected: &Expect) {
    expected.assert_eq(&translated("authenticated", sql));
}

#[test]
fn constants_take_the_type_of_their_context() {
    check("select id from rooms where price = '1.50'", &expect![[""]]);
    check("select id from notes where owner = $1 and at > '2024-01-01'", &expect![[""]]);
    check("select id from rooms where id = 'x'", &expect![[""]]);
}

#[test]
fn nulls_are_ordered_as_in_postgres() {
    check("select name from rooms order by price desc, id", &expect![[""]]);
    check("select name from rooms order by price asc nulls first limit 3 offset 1", &expect![[""]]);
}

#[test]
fn a_policy_stands_beside_conditions_that_cannot_raise() {
    check_as_user("select title from notes where id = $1", &expect![[""]]);
}

#[test]
fn a_policy_is_a_barrier_for_conditions_that_can_raise() {
    check_as_user("select title from notes where id = $1 and 1 / length(title) > 0", &expect![[""]]);
    check_as_user("select title from notes where data->>'a' = 'b'", &expect![[""]]);
}

#[test]
fn views_have_the_rights_of_their_owner_or_of_the_caller() {
    check_as_user("select title from titles", &expect![[""]]);
    check_as_user("select title from mine", &expect![[""]]);
}

#[test]
fn privileges_are_asked_for() {
    expect!["42501 permission denied for table notes"].assert_eq(&translated("anon", "select id from notes"));
}

#[test]
fn grouping_is_strict() {
    check("select name, count(*) from rooms group by id", &expect![[""]]);
    check("select name, count(*) from rooms group by price", &expect![[""]]);
    check("select price, sum(id) from rooms group by 1 having count(*) > 1", &expect![[""]]);
}

#[test]
fn functions_are_put_in_place() {
    check("select twice(id) from rooms", &expect![[""]]);
    check("select twice(id + 1) from rooms", &expect![[""]]);
}

#[test]
fn names_are_looked_up_as_in_postgres() {
    check("select nope from rooms", &expect![[""]]);
    check("select id from rooms, notes", &expect![[""]]);
    check("select x.id from rooms", &expect![[""]]);
    check("select * from nowhere", &expect![[""]]);
}

#[test]
fn joins_merge_columns() {
    check("select * from rooms r join (select 1 as id, 2 as x) s using (id)", &expect![[""]]);
    check("select r.name, n.title from rooms r left join notes n on n.room = r.id", &expect![[""]]);
}
