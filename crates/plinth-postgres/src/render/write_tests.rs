//! Writes in, SQL out.

use expect_test::expect;
use plinth_sql::shape::{Argument, BodyFormat, EmbedShape};

use super::tests::{client, code, column, embed, json, rows, show};

#[test]
fn a_write_that_returns_nothing_has_an_empty_array() {
    let delete = rows(
        "DELETE FROM public.items WHERE items.id = $1",
        &["1"],
        vec![],
    );
    expect![[r#"
        DELETE FROM public.items WHERE items.id = $1
        with 1
    "#]]
    .assert_eq(&json(&delete));
}

#[test]
fn writes_stand_in_a_with() {
    let insert = rows(
        "INSERT INTO public.orders (client_id, total) VALUES ($1, $2), ($3, DEFAULT) RETURNING orders.id, orders.client_id",
        &["1", "2.50", "2"],
        vec![
            column("id", 0),
            embed("clients", EmbedShape::One, &[1], client()),
        ],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.orders (client_id, total) VALUES ($1, $2), ($3, DEFAULT) RETURNING orders.id, orders.client_id) SELECT pg_catalog.row_to_json(object.*)::text FROM plinth_written AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, (SELECT pg_catalog.row_to_json(object.*) FROM (SELECT clients.name FROM public.clients AS clients WHERE clients.id = plinth_0."1" LIMIT 1) AS plinth_1("0") CROSS JOIN LATERAL (SELECT plinth_1."0" AS name) AS object) AS clients) AS object
        with 1 | 2.50 | 2
    "#]].assert_eq(&json(&insert));
    let update = rows(
        "UPDATE public.orders SET total = $1 WHERE orders.id = $2 RETURNING orders.total",
        &["3", "1"],
        vec![column("total", 0)],
    );
    expect![[r#"
        WITH plinth_written AS (UPDATE public.orders SET total = $1 WHERE orders.id = $2 RETURNING orders.total) SELECT ('{' || pg_catalog.concat_ws(',', '"total":' || pg_catalog.to_json(plinth_0."0")::text) || '}')::text FROM plinth_written AS plinth_0("0")
        with 3 | 1
    "#]].assert_eq(&show(&update, BodyFormat::JsonNullsStripped));
}

#[test]
fn an_upsert_tells_what_it_inserted() {
    let upsert = rows(
        "INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = excluded.name RETURNING clients.id, clients.name",
        &["1", "A"],
        vec![column("id", 0), column("name", 1)],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = excluded.name WHERE pg_catalog.set_config('plinth.updated', 't', TRUE) = 't' RETURNING clients.id, clients.name, CASE pg_catalog.current_setting('plinth.updated', TRUE) WHEN 't' THEN (pg_catalog.set_config('plinth.updated', '', TRUE) <> '') ELSE TRUE END AS plinth_inserted) SELECT pg_catalog.row_to_json(object.*)::text, plinth_0.plinth_inserted FROM plinth_written AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, plinth_0."1" AS name) AS object
        with 1 | A
        tells inserted
    "#]].assert_eq(&json(&upsert));
}

#[test]
fn an_upsert_without_a_body_tells_it_too() {
    let upsert = rows(
        "INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        &["1", "A"],
        vec![],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE pg_catalog.set_config('plinth.updated', 't', TRUE) = 't' RETURNING CASE pg_catalog.current_setting('plinth.updated', TRUE) WHEN 't' THEN (pg_catalog.set_config('plinth.updated', '', TRUE) <> '') ELSE TRUE END AS plinth_inserted) SELECT NULL::text, plinth_inserted FROM plinth_written
        with 1 | A
        no body
        tells inserted
    "#]].assert_eq(&show(&upsert, BodyFormat::None));
}

#[test]
fn an_upsert_in_csv_tells_it_too() {
    let upsert = rows(
        "INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING clients.name",
        &["1", "A"],
        vec![column("name", 0)],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE pg_catalog.set_config('plinth.updated', 't', TRUE) = 't' RETURNING clients.name, CASE pg_catalog.current_setting('plinth.updated', TRUE) WHEN 't' THEN (pg_catalog.set_config('plinth.updated', '', TRUE) <> '') ELSE TRUE END AS plinth_inserted) SELECT CASE WHEN line."0" ~ '[,"\n\r]' THEN '"' || pg_catalog.replace(line."0", '"', '""') || '"' ELSE line."0" END, line.plinth_inserted FROM (SELECT pg_catalog.concat(plinth_0."0") COLLATE "C", plinth_0.plinth_inserted FROM plinth_written AS plinth_0("0") OFFSET 0) AS line("0")
        with 1 | A
        header name
        tells inserted
    "#]].assert_eq(&show(&upsert, BodyFormat::Csv));
}

#[test]
fn a_condition_of_an_upsert_comes_first() {
    let upsert = rows(
        "INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE excluded.name <> 'no'",
        &["1", "A"],
        vec![],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE CASE WHEN (excluded.name <> 'no') THEN (pg_catalog.set_config('plinth.updated', 't', TRUE) = 't') END RETURNING CASE pg_catalog.current_setting('plinth.updated', TRUE) WHEN 't' THEN (pg_catalog.set_config('plinth.updated', '', TRUE) <> '') ELSE TRUE END AS plinth_inserted) SELECT NULL::text, plinth_inserted FROM plinth_written
        with 1 | A
        no body
        tells inserted
    "#]].assert_eq(&show(&upsert, BodyFormat::None));
}

#[test]
fn what_ignores_conflicts_only_inserts() {
    let insert = rows(
        "INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING clients.id",
        &["1", "A"],
        vec![column("id", 0)],
    );
    expect![[r#"
        WITH plinth_written AS (INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING clients.id) SELECT pg_catalog.row_to_json(object.*)::text FROM plinth_written AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
        with 1 | A
    "#]].assert_eq(&json(&insert));
}

#[test]
fn writes_in_a_with_are_moved_to_the_top() {
    let gone = rows(
        "WITH gone (id) AS (DELETE FROM public.items RETURNING items.id) SELECT gone.id FROM gone",
        &[],
        vec![column("id", 0)],
    );
    expect![[r#"
        WITH gone(id) AS (DELETE FROM public.items RETURNING items.id) SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT gone.id FROM gone) AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
    "#]].assert_eq(&json(&gone));
    let archive = rows(
        "WITH gone AS (DELETE FROM public.items RETURNING items.id), numbers AS MATERIALIZED (SELECT 1) INSERT INTO public.archive SELECT gone.id FROM gone RETURNING archive.id",
        &[],
        vec![column("id", 0)],
    );
    expect![[r#"
        WITH gone AS (DELETE FROM public.items RETURNING items.id), numbers AS MATERIALIZED (SELECT 1), plinth_written AS (INSERT INTO public.archive SELECT gone.id FROM gone RETURNING archive.id) SELECT pg_catalog.row_to_json(object.*)::text FROM plinth_written AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
    "#]].assert_eq(&json(&archive));
}

#[test]
fn more_values_than_a_statement_takes_are_written_out() {
    let count = 32_769;
    let places: Vec<String> = (1..=count).map(|number| format!("(${number})")).collect();
    let sql = format!("INSERT INTO public.t (a) VALUES {}", places.join(", "));
    let mut insert = rows(&sql, &vec!["it's"; count], vec![]);
    insert.params[count - 1] = Argument::Given(None);
    let rendered = super::fetch(&insert, BodyFormat::None, None).unwrap();
    assert_eq!(rendered.params.len(), 32_767);
    assert!(
        rendered
            .sql
            .ends_with("($32766), ($32767), ('it''s'), (NULL)")
    );

    insert.params[count - 1] = Argument::Given(Some("\0".to_owned()));
    assert_eq!(code(&insert, BodyFormat::None), "22021");
}
