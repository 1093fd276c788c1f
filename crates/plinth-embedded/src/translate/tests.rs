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
    let infer = Inference {
        role: "postgres".into(),
    };
    for parsed in plinth_sql::parse::script(SCHEMA).unwrap() {
        let context = Context {
            role: "postgres",
            search_path: &path,
            infer: &infer,
        };
        catalog = apply::apply(&catalog, &parsed.statement, &context)
            .unwrap()
            .unwrap()
            .catalog;
    }
    catalog
}

fn translated(role: &str, sql: &str) -> String {
    let Statement::Query(parsed) = plinth_sql::parse::statement(sql).unwrap() else {
        panic!("not a query")
    };
    let params = vec![Type::Unknown.into(); sql.matches('$').count()];
    match query(&catalog(), role, &default_search_path(), params, &parsed, 0) {
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
    check(
        "select id from rooms where price = '1.50'",
        &expect![[
            r#"SELECT t1."id" AS c1 FROM "public.rooms" AS t1 WHERE (t1."price" = '1.50' COLLATE "num")"#
        ]],
    );
    check(
        "select id from notes where owner = $1 and at > '2024-01-01'",
        &expect![[
            r#"SELECT t1."id" AS c1 FROM "public.notes" AS t1 WHERE ((t1."owner" = ?1) AND (t1."at" > 757382400000000))"#
        ]],
    );
    check(
        "select id from rooms where id = 'x'",
        &expect![[r#"22P02 invalid input syntax for type integer: "x""#]],
    );
}

#[test]
fn nulls_are_ordered_as_in_postgres() {
    check(
        "select name from rooms order by price desc, id",
        &expect![[
            r#"SELECT t1."name" AS c1 FROM "public.rooms" AS t1 ORDER BY t1."price" COLLATE "num" DESC NULLS FIRST, t1."id""#
        ]],
    );
    check(
        "select name from rooms order by price asc nulls first limit 3 offset 1",
        &expect![[
            r#"SELECT t1."name" AS c1 FROM "public.rooms" AS t1 ORDER BY t1."price" COLLATE "num" NULLS FIRST LIMIT 3 OFFSET 1"#
        ]],
    );
}

#[test]
fn a_policy_stands_beside_conditions_that_cannot_raise() {
    check_as_user(
        "select title from notes where id = $1",
        &expect![[
            r#"SELECT t1."title" AS c1 FROM "public.notes" AS t1 WHERE ((t1."owner" = X'11111111111111111111111111111111')) AND (t1."title" IS NOT NULL) AND (t1."id" = ?1)"#
        ]],
    );
}

#[test]
fn a_policy_is_a_barrier_for_conditions_that_can_raise() {
    check_as_user(
        "select title from notes where id = $1 and 1 / length(title) > 0",
        &expect![[
            r#"SELECT t1."title" AS c1 FROM (SELECT p2.rowid AS "rowid", p2."id", p2."owner", p2."room", p2."title", p2."data", p2."tags", p2."at" FROM "public.notes" AS p2 WHERE ((p2."owner" = X'11111111111111111111111111111111')) AND (p2."title" IS NOT NULL) AND (p2."id" = ?1) LIMIT -1 OFFSET 0) AS t1 WHERE ((t1."id" = ?1) AND (i4_div(1,length(t1."title")) > 0))"#
        ]],
    );
    check_as_user(
        "select title from notes where data->>'a' = 'b'",
        &expect![[
            r#"SELECT t1."title" AS c1 FROM (SELECT p2.rowid AS "rowid", p2."id", p2."owner", p2."room", p2."title", p2."data", p2."tags", p2."at" FROM "public.notes" AS p2 WHERE ((p2."owner" = X'11111111111111111111111111111111')) AND (p2."title" IS NOT NULL) LIMIT -1 OFFSET 0) AS t1 WHERE (jsonb_key_text(t1."data",'a') = 'b')"#
        ]],
    );
}

#[test]
fn views_have_the_rights_of_their_owner_or_of_the_caller() {
    check_as_user(
        "select title from titles",
        &expect![[
            r#"SELECT v2.c2 AS c1 FROM (SELECT t1."id" AS c1, t1."title" AS c2 FROM "public.notes" AS t1) AS v2"#
        ]],
    );
    check_as_user(
        "select title from mine",
        &expect![[
            r#"SELECT v2.c2 AS c1 FROM (SELECT t1."id" AS c1, t1."title" AS c2 FROM "public.notes" AS t1 WHERE ((t1."owner" = X'11111111111111111111111111111111')) AND (t1."title" IS NOT NULL)) AS v2"#
        ]],
    );
}

#[test]
fn privileges_are_asked_for() {
    expect!["42501 permission denied for table notes"]
        .assert_eq(&translated("anon", "select id from notes"));
}

#[test]
fn grouping_is_strict() {
    check(
        "select name, count(*) from rooms group by id",
        &expect![[
            r#"SELECT t1."name" AS c1, count(*) AS c2 FROM "public.rooms" AS t1 GROUP BY t1."id""#
        ]],
    );
    check(
        "select name, count(*) from rooms group by price",
        &expect![[
            r#"42803 column "rooms.name" must appear in the GROUP BY clause or be used in an aggregate function"#
        ]],
    );
    check(
        "select price, sum(id) from rooms group by 1 having count(*) > 1",
        &expect![[
            r#"SELECT t1."price" AS c1, sum(t1."id") AS c2 FROM "public.rooms" AS t1 GROUP BY t1."price" COLLATE "num" HAVING (count(*) > 1)"#
        ]],
    );
}

#[test]
fn functions_are_put_in_place() {
    check(
        "select twice(id) from rooms",
        &expect![[r#"SELECT (SELECT i4_mul(t1."id",2) AS c1) AS c1 FROM "public.rooms" AS t1"#]],
    );
    check(
        "select twice(id + 1) from rooms",
        &expect![[
            r#"SELECT (SELECT (SELECT i4_mul(g2.a1,2) AS c1) FROM (SELECT i4_add(t1."id",1) AS a1) AS g2) AS c1 FROM "public.rooms" AS t1"#
        ]],
    );
}

#[test]
fn names_are_looked_up_as_in_postgres() {
    check(
        "select nope from rooms",
        &expect![[r#"42703 column "nope" does not exist"#]],
    );
    check(
        "select id from rooms, notes",
        &expect![[r#"42702 column reference "id" is ambiguous"#]],
    );
    check(
        "select x.id from rooms",
        &expect![[r#"42P01 missing FROM-clause entry for table "x""#]],
    );
    check(
        "select * from nowhere",
        &expect![[r#"42P01 relation "nowhere" does not exist"#]],
    );
}

#[test]
fn joins_merge_columns() {
    check(
        "select * from rooms r join (select 1 as id, 2 as x) s using (id)",
        &expect![[
            r#"SELECT t1."id" AS c1, t1."name" AS c2, t1."price" AS c3, s3.c2 AS c4 FROM "public.rooms" AS t1 JOIN (SELECT 1 AS c1, 2 AS c2) AS s3 ON (t1."id" = s3.c1)"#
        ]],
    );
    check(
        "select r.name, n.title from rooms r left join notes n on n.room = r.id",
        &expect![[
            r#"SELECT t1."name" AS c1, t3."title" AS c2 FROM "public.rooms" AS t1 LEFT JOIN "public.notes" AS t3 ON (t3."room" = t1."id")"#
        ]],
    );
}
