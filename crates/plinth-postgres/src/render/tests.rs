//! A fetch in, SQL out. Each statement here was run on PostgreSQL 15, most of them by a role that may read a few columns only.

use expect_test::expect;
use plinth_sql::ast::Statement;
use plinth_sql::parse;
use plinth_sql::shape::{Argument, BodyFormat, Count, Embed, EmbedShape, Fetch, Field, FieldValue};

use super::Rendered;

#[test]
fn rows_become_objects_in_the_order_of_the_statement() {
    let clients = rows(
        "SELECT clients.id, clients.name FROM public.clients AS clients WHERE clients.id > $1 ORDER BY clients.id NULLS LAST LIMIT 10",
        &["1"],
        vec![column("id", 0), column("name", 1)],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id, clients.name FROM public.clients AS clients WHERE clients.id > $1 ORDER BY clients.id NULLS LAST LIMIT 10) AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, plinth_0."1" AS name) AS object
        with 1
    "#]].assert_eq(&json(&clients));
}

#[test]
fn keys_may_be_anything_and_met_twice() {
    let clients = rows(
        "SELECT clients.id, clients.name FROM public.clients AS clients",
        &[],
        vec![
            column("Id", 0),
            column("object", 1),
            column("order", 0),
            column("Id", 1),
            column("a\"b'c", 1),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id, clients.name FROM public.clients AS clients) AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS "Id", plinth_0."1" AS object, plinth_0."0" AS "order", plinth_0."1" AS "Id", plinth_0."1" AS "a""b'c") AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn keys_that_no_column_can_have_are_spelled_out() {
    let orders = || "SELECT orders.id FROM public.orders AS orders WHERE orders.client_id = $1";
    let clients = rows(
        "SELECT clients.id FROM public.clients AS clients",
        &[],
        vec![
            column("", 0),
            embed(
                &"k".repeat(64),
                EmbedShape::Many,
                &[0],
                rows(orders(), &[], vec![column("it's", 0)]),
            ),
            embed(
                "orders",
                EmbedShape::SpreadMany,
                &[0],
                rows(orders(), &[], vec![column("ids", 0)]),
            ),
        ],
    );
    expect![[r#"
        SELECT ('{"":' || coalesce(pg_catalog.to_json(plinth_0."0")::text, 'null') || ',"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk":' || coalesce(('[' || pg_catalog.array_to_string(ARRAY(SELECT ('{"it''s":' || coalesce(pg_catalog.to_json(plinth_1."0")::text, 'null') || '}') FROM (SELECT orders.id FROM public.orders AS orders WHERE orders.client_id = plinth_0."0") AS plinth_1("0")), ',') || ']'), 'null') || ',"ids":' || coalesce(pg_catalog.to_json(plinth_3."0")::text, 'null') || '}')::text FROM (SELECT clients.id FROM public.clients AS clients) AS plinth_0("0") CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.array_to_json(pg_catalog.array_agg(pg_catalog.to_json(plinth_2."0"))), '[]') FROM (SELECT orders.id FROM public.orders AS orders WHERE orders.client_id = plinth_0."0") AS plinth_2("0")) AS plinth_3("0")
    "#]].assert_eq(&json(&clients));
}

#[test]
fn without_fields_objects_are_empty() {
    let clients = rows("SELECT NULL FROM public.clients AS clients", &[], vec![]);
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT NULL FROM public.clients AS clients) AS plinth_0 CROSS JOIN LATERAL (SELECT ) AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn columns_that_no_field_names_are_not_shown() {
    let clients = rows(
        "SELECT clients.id, clients.name FROM public.clients AS clients",
        &[],
        vec![column("name", 1)],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id, clients.name FROM public.clients AS clients) AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."1" AS name) AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn embeds_are_bound_to_their_parents_and_share_one_list_of_parameters() {
    let items = rows(
        "SELECT items.name FROM public.items AS items WHERE (items.order_id = $1) AND (items.name <> $2)",
        &["x"],
        vec![column("name", 0)],
    );
    let orders = rows(
        "SELECT orders.id FROM public.orders AS orders WHERE (orders.client_id = $1) AND (orders.total > $2) ORDER BY orders.id NULLS LAST LIMIT 3",
        &["5"],
        vec![
            column("id", 0),
            embed("items", EmbedShape::Many, &[0], items),
        ],
    );
    let clients = rows(
        "SELECT clients.name, clients.id FROM public.clients AS clients WHERE clients.name = $1",
        &["Ann"],
        vec![
            column("name", 0),
            embed("orders", EmbedShape::Many, &[1], orders),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.name, clients.id FROM public.clients AS clients WHERE clients.name = $1) AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS name, pg_catalog.array_to_json(ARRAY(SELECT pg_catalog.row_to_json(object.*) FROM (SELECT orders.id FROM public.orders AS orders WHERE (orders.client_id = plinth_0."1") AND (orders.total > $2) ORDER BY orders.id NULLS LAST LIMIT 3) AS plinth_1("0") CROSS JOIN LATERAL (SELECT plinth_1."0" AS id, pg_catalog.array_to_json(ARRAY(SELECT pg_catalog.row_to_json(object.*) FROM (SELECT items.name FROM public.items AS items WHERE (items.order_id = plinth_1."0") AND (items.name <> $3)) AS plinth_2("0") CROSS JOIN LATERAL (SELECT plinth_2."0" AS name) AS object)) AS items) AS object)) AS orders) AS object
        with Ann | 5 | x
    "#]].assert_eq(&json(&clients));
}

#[test]
fn to_one_is_the_first_row_or_null() {
    let orders = rows(
        "SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST",
        &[],
        vec![
            column("id", 0),
            embed("clients", EmbedShape::One, &[1], client()),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT orders.id, orders.client_id FROM public.orders AS orders ORDER BY orders.id NULLS LAST) AS plinth_0("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, (SELECT pg_catalog.row_to_json(object.*) FROM (SELECT clients.name FROM public.clients AS clients WHERE clients.id = plinth_0."1" LIMIT 1) AS plinth_1("0") CROSS JOIN LATERAL (SELECT plinth_1."0" AS name) AS object) AS clients) AS object
    "#]].assert_eq(&json(&orders));
}

#[test]
fn to_one_keeps_a_limit_of_its_own() {
    let latest = rows(
        "SELECT orders.id FROM public.orders AS orders WHERE orders.client_id = $1 ORDER BY orders.id DESC LIMIT 5",
        &[],
        vec![column("id", 0)],
    );
    let clients = rows(
        "SELECT clients.id FROM public.clients AS clients",
        &[],
        vec![embed("latest", EmbedShape::One, &[0], latest)],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id FROM public.clients AS clients) AS plinth_0("0") CROSS JOIN LATERAL (SELECT (SELECT pg_catalog.row_to_json(object.*) FROM (SELECT * FROM (SELECT orders.id FROM public.orders AS orders WHERE orders.client_id = plinth_0."0" ORDER BY orders.id DESC LIMIT 5) AS found LIMIT 1) AS plinth_1("0") CROSS JOIN LATERAL (SELECT plinth_1."0" AS id) AS object) AS latest) AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn a_parameter_used_twice_is_one_and_an_unused_one_is_none() {
    let clients = rows(
        "SELECT clients.id FROM public.clients AS clients WHERE (clients.id > $3) AND (clients.id < $1) AND (clients.id <> $3)",
        &["9", "unused", "1"],
        vec![column("id", 0)],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id FROM public.clients AS clients WHERE (clients.id > $1) AND (clients.id < $2) AND (clients.id <> $1)) AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
        with 1 | 9
    "#]].assert_eq(&json(&clients));
}

#[test]
fn slots_stay_slots() {
    let mut clients = rows(
        "SELECT clients.id FROM public.clients AS clients WHERE (clients.id = $1) OR (clients.id = $2)",
        &["1", "2"],
        vec![column("id", 0)],
    );
    clients.params = vec![Argument::Slot(4), Argument::Given(None)];
    let rendered = super::fetch(&clients, BodyFormat::Json, None).unwrap();
    assert_eq!(rendered.params, clients.params);
}

#[test]
fn spreads_of_a_to_one_are_joined() {
    let siblings = rows(
        "SELECT items.id FROM public.items AS items WHERE (items.order_id = $1) AND (items.n > $2) ORDER BY items.id NULLS LAST",
        &["0"],
        vec![column("id", 0)],
    );
    let mut client = client();
    client.fields = vec![column("client", 0)];
    let order = rows(
        "SELECT orders.id, orders.client_id FROM public.orders AS orders WHERE orders.id = $1",
        &[],
        vec![
            column("order", 0),
            embed("clients", EmbedShape::SpreadOne, &[1], client),
            embed("siblings", EmbedShape::Many, &[0], siblings),
        ],
    );
    let items = rows(
        "SELECT items.name, items.order_id FROM public.items AS items ORDER BY items.id NULLS LAST",
        &[],
        vec![
            column("item", 0),
            embed("orders", EmbedShape::SpreadOne, &[1], order),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT items.name, items.order_id FROM public.items AS items ORDER BY items.id NULLS LAST) AS plinth_0("0", "1") LEFT JOIN LATERAL (SELECT orders.id, orders.client_id FROM public.orders AS orders WHERE orders.id = plinth_0."1" LIMIT 1) AS plinth_1("0", "1") ON TRUE LEFT JOIN LATERAL (SELECT clients.name FROM public.clients AS clients WHERE clients.id = plinth_1."1" LIMIT 1) AS plinth_2("0") ON TRUE CROSS JOIN LATERAL (SELECT plinth_0."0" AS item, plinth_1."0" AS "order", plinth_2."0" AS client, pg_catalog.array_to_json(ARRAY(SELECT pg_catalog.row_to_json(object.*) FROM (SELECT items.id FROM public.items AS items WHERE (items.order_id = plinth_1."0") AND (items.n > $1) ORDER BY items.id NULLS LAST) AS plinth_3("0") CROSS JOIN LATERAL (SELECT plinth_3."0" AS id) AS object)) AS siblings) AS object
        with 0
    "#]].assert_eq(&json(&items));
}

#[test]
fn spreads_of_a_to_many_are_arrays() {
    let orders = rows(
        "SELECT orders.id, orders.tags FROM public.orders AS orders WHERE orders.client_id = $1 ORDER BY orders.id NULLS LAST",
        &[],
        vec![column("tags", 1), column("orders", 0)],
    );
    let clients = rows(
        "SELECT clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST",
        &[],
        vec![
            column("id", 0),
            embed("orders", EmbedShape::SpreadMany, &[0], orders),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST) AS plinth_0("0") CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.array_to_json(pg_catalog.array_agg(pg_catalog.to_json(plinth_1."1"))), '[]'), coalesce(pg_catalog.array_to_json(pg_catalog.array_agg(pg_catalog.to_json(plinth_1."0"))), '[]') FROM (SELECT orders.id, orders.tags FROM public.orders AS orders WHERE orders.client_id = plinth_0."0" ORDER BY orders.id NULLS LAST) AS plinth_1("0", "1")) AS plinth_2("0", "1") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id, plinth_2."0" AS tags, plinth_2."1" AS orders) AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn an_empty_spread_is_left_out_with_its_parameters() {
    let orders = rows(
        "SELECT NULL FROM public.orders AS orders WHERE (orders.client_id = $1) AND (orders.total > $2)",
        &["5"],
        vec![],
    );
    let clients = rows(
        "SELECT clients.id FROM public.clients AS clients",
        &[],
        vec![
            column("id", 0),
            embed("orders", EmbedShape::SpreadMany, &[0], orders),
        ],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (SELECT clients.id FROM public.clients AS clients) AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
    "#]].assert_eq(&json(&clients));
}

#[test]
fn null_entries_are_left_out_at_every_depth() {
    let client = rows(
        "SELECT clients.name, clients.note FROM public.clients AS clients WHERE clients.id = $1",
        &[],
        vec![column("name", 0), column("note", 1)],
    );
    let items = rows(
        "SELECT NULL FROM public.items AS items WHERE items.order_id = $1",
        &[],
        vec![],
    );
    let orders = rows(
        "SELECT orders.id, orders.client_id FROM public.orders AS orders",
        &[],
        vec![
            column("id", 0),
            embed("clients", EmbedShape::One, &[1], client),
            embed("items", EmbedShape::Many, &[0], items),
        ],
    );
    expect![[r#"
        SELECT ('{' || pg_catalog.concat_ws(',', '"id":' || pg_catalog.to_json(plinth_0."0")::text, '"clients":' || (SELECT ('{' || pg_catalog.concat_ws(',', '"name":' || pg_catalog.to_json(plinth_1."0")::text, '"note":' || pg_catalog.to_json(plinth_1."1")::text) || '}') FROM (SELECT clients.name, clients.note FROM public.clients AS clients WHERE clients.id = plinth_0."1" LIMIT 1) AS plinth_1("0", "1")), '"items":' || ('[' || pg_catalog.array_to_string(ARRAY(SELECT ('{' || '' || '}') FROM (SELECT NULL FROM public.items AS items WHERE items.order_id = plinth_0."0") AS plinth_2), ',') || ']')) || '}')::text FROM (SELECT orders.id, orders.client_id FROM public.orders AS orders) AS plinth_0("0", "1")
    "#]].assert_eq(&show(&orders, BodyFormat::JsonNullsStripped));
}

#[test]
fn many_entries_are_written_in_groups() {
    let fields = (0..200).map(|place| column(&place.to_string(), place));
    let wide = rows("SELECT * FROM public.wide", &[], fields.collect());
    let sql = show(&wide, BodyFormat::JsonNullsStripped);
    assert_eq!(
        sql.matches("nullif(pg_catalog.concat_ws(',', ").count(),
        3,
        "{sql}"
    );
}

#[test]
fn scalars_are_bare() {
    let add = rows(
        "SELECT add.add FROM public.add(a => $1::int4, b => $2::int4) AS add",
        &["1", "2"],
        vec![column("add", 0)],
    );
    expect![[r#"
        SELECT coalesce(pg_catalog.to_json(plinth_0."0")::text, 'null') FROM (SELECT add.add FROM public.add(a => $1::int4, b => $2::int4) AS add) AS plinth_0("0")
        with 1 | 2
    "#]].assert_eq(&show(&add, BodyFormat::JsonScalars));
}

#[test]
fn csv_quotes_what_must_be() {
    let items = rows(
        "SELECT items.n, items.name FROM public.items AS items ORDER BY items.id NULLS LAST",
        &[],
        vec![column("n", 0), column("a,\"b\"", 1)],
    );
    expect![[r#"
        SELECT CASE WHEN line."0" ~ '[,"\n\r]' THEN '"' || pg_catalog.replace(line."0", '"', '""') || '"' ELSE line."0" END || ',' || CASE WHEN line."1" ~ '[,"\n\r]' THEN '"' || pg_catalog.replace(line."1", '"', '""') || '"' ELSE line."1" END FROM (SELECT pg_catalog.concat(plinth_0."0") COLLATE "C", pg_catalog.concat(plinth_0."1") COLLATE "C" FROM (SELECT items.n, items.name FROM public.items AS items ORDER BY items.id NULLS LAST) AS plinth_0("0", "1") OFFSET 0) AS line("0", "1")
        header n,"a,""b"""
    "#]].assert_eq(&show(&items, BodyFormat::Csv));
}

#[test]
fn without_a_body_the_statement_is_left_as_it_is() {
    let touch = rows(
        "SELECT touch.touch FROM public.touch(a => $1::int4) AS touch",
        &["1"],
        vec![column("touch", 0)],
    );
    expect![[r#"
        SELECT touch.touch FROM public.touch(a => $1::int4) AS touch
        with 1
        no body
    "#]]
    .assert_eq(&show(&touch, BodyFormat::None));
    let update = rows(
        "UPDATE public.orders SET total = $1 WHERE orders.id = $2",
        &["3", "1"],
        vec![],
    );
    expect![[r#"
        UPDATE public.orders SET total = $1 WHERE orders.id = $2
        with 3 | 1
        no body
    "#]]
    .assert_eq(&show(&update, BodyFormat::None));
}

#[test]
fn queries_in_a_with_stay_where_they_are() {
    let some = rows(
        "WITH some_clients AS (SELECT 1 AS id) SELECT some_clients.id FROM some_clients",
        &[],
        vec![column("id", 0)],
    );
    expect![[r#"
        SELECT pg_catalog.row_to_json(object.*)::text FROM (WITH some_clients AS (SELECT 1 AS id) SELECT some_clients.id FROM some_clients) AS plinth_0("0") CROSS JOIN LATERAL (SELECT plinth_0."0" AS id) AS object
    "#]].assert_eq(&json(&some));
}

#[test]
fn what_is_no_document_is_refused() {
    let orders = |shape, fetch| {
        rows(
            "SELECT orders.client_id FROM public.orders AS orders",
            &[],
            vec![embed("clients", shape, &[0], fetch)],
        )
    };
    let in_csv = orders(EmbedShape::One, client());
    assert_eq!(code(&in_csv, BodyFormat::Csv), "0A000");

    let mut nested = client();
    nested.fields = vec![embed("again", EmbedShape::One, &[0], client())];
    let in_a_spread = orders(EmbedShape::SpreadMany, nested);
    assert_eq!(code(&in_a_spread, BodyFormat::Json), "PGRST127");

    let no_query = orders(
        EmbedShape::Many,
        rows("DELETE FROM public.items", &[], vec![]),
    );
    assert_eq!(code(&no_query, BodyFormat::Json), "XX000");

    let without_value = rows("SELECT $1", &[], vec![column("a", 0)]);
    assert_eq!(code(&without_value, BodyFormat::Json), "42P02");
}

#[test]
fn counts_are_left_as_they_are() {
    let Statement::Query(query) =
        statement("SELECT count(*) FROM public.clients AS clients WHERE clients.id > $1")
    else {
        panic!("a query");
    };
    let count = super::count(
        &Count {
            query: *query,
            params: vec![Argument::Slot(0)],
            id: None,
        },
        None,
    )
    .unwrap();
    expect![[r#"
        SELECT count(*) FROM public.clients AS clients WHERE clients.id > $1
        with slot 0
    "#]]
    .assert_eq(&text(&count));
}

/// What most embeds here embed.
pub(super) fn client() -> Fetch {
    rows(
        "SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1",
        &[],
        vec![column("name", 0)],
    )
}

pub(super) fn rows(sql: &str, params: &[&str], fields: Vec<Field>) -> Fetch {
    let given = |text: &&str| Argument::Given(Some((*text).to_owned()));
    Fetch {
        statement: statement(sql),
        params: params.iter().map(given).collect(),
        fields,
        id: None,
    }
}

fn statement(sql: &str) -> Statement {
    parse::statement(sql).unwrap()
}

pub(super) fn column(key: &str, place: usize) -> Field {
    Field {
        key: key.to_owned(),
        value: FieldValue::Column(place),
    }
}

pub(super) fn embed(key: &str, shape: EmbedShape, bind: &[usize], fetch: Fetch) -> Field {
    Field {
        key: key.to_owned(),
        value: FieldValue::Embed(Box::new(Embed {
            shape,
            bind: bind.to_vec(),
            fetch,
        })),
    }
}

pub(super) fn json(fetch: &Fetch) -> String {
    show(fetch, BodyFormat::Json)
}

pub(super) fn show(fetch: &Fetch, format: BodyFormat) -> String {
    text(&super::fetch(fetch, format, None).unwrap())
}

pub(super) fn code(fetch: &Fetch, format: BodyFormat) -> String {
    super::fetch(fetch, format, None).unwrap_err().code
}

fn text(rendered: &Rendered) -> String {
    let argument = |argument: &Argument| match argument {
        Argument::Given(text) => text.clone().unwrap_or_else(|| "null".to_owned()),
        Argument::Slot(place) => format!("slot {place}"),
    };
    let params: Vec<String> = rendered.params.iter().map(argument).collect();
    let mut lines = vec![rendered.sql.clone()];
    if !params.is_empty() {
        lines.push(format!("with {}", params.join(" | ")));
    }
    lines.extend(
        rendered
            .header
            .iter()
            .map(|header| format!("header {header}")),
    );
    if !rendered.returns_rows {
        lines.push("no body".to_owned());
    }
    if rendered.tells_inserted {
        lines.push("tells inserted".to_owned());
    }
    lines.join("\n") + "\n"
}
