//! Inserts, upserts, updates and deletes.

use expect_test::expect;

use crate::show::write;

#[test]
fn insert_one() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2)
        with 1 | a
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"{"id":1,"name":"a"}"#));
}

#[test]
fn insert_returns_what_is_selected() {
    expect![[r#"
        INSERT INTO public.orders (id, client_id) VALUES ($1, $2) RETURNING orders.id, orders.client_id
        with 1 | 2
        as id=0 clients=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
        applied: return=representation
    "#]].assert_eq(&write(
        "POST",
        "orders?select=id,clients(name)",
        "return=representation",
        r#"[{"id":1,"client_id":2}]"#,
    ));
}

#[test]
fn insert_several() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2), ($3, $4)
        with 1 | a | 2 | NULL
        applied: return=minimal
    "#]]
    .assert_eq(&write(
        "POST",
        "clients",
        "return=minimal",
        r#"[{"id":1,"name":"a"},{"name":null,"id":2}]"#,
    ));
}

#[test]
fn columns_choose_and_missing_is_null() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2), ($3, $4)
        with 1 | NULL | NULL | b
        applied: missing=null
    "#]]
    .assert_eq(&write(
        "POST",
        r#"clients?columns="id","name""#,
        "missing=null",
        r#"[{"id":1,"x":3},{"name":"b"}]"#,
    ));
}

#[test]
fn missing_may_be_the_default() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, DEFAULT), (DEFAULT, $2)
        with 1 | b
        applied: missing=default
    "#]]
    .assert_eq(&write(
        "POST",
        "clients?columns=id,name",
        "missing=default",
        r#"[{"id":1},{"name":"b"}]"#,
    ));
}

#[test]
fn an_empty_object_is_a_row_of_defaults() {
    expect![[r#"
        INSERT INTO public.clients DEFAULT VALUES
    "#]]
    .assert_eq(&write("POST", "clients", "", "{}"));
}

#[test]
fn empty_objects_are_rows_of_defaults() {
    expect![[r#"
        INSERT INTO public.clients (id) VALUES (DEFAULT), (DEFAULT)
    "#]]
    .assert_eq(&write("POST", "clients", "", "[{},{}]"));
}

#[test]
fn an_empty_array_is_nothing() {
    expect![[r#"
        nothing to do
        applied: return=representation
    "#]]
    .assert_eq(&write("POST", "clients", "return=representation", "[]"));
}

#[test]
fn headers_only_returns_the_key() {
    expect![[r#"
        INSERT INTO public.order_labels (order_id, label_id) VALUES ($1, $2) RETURNING order_labels.order_id, order_labels.label_id
        with 1 | 2
        as order_id=0 label_id=1
        applied: return=headers-only
    "#]].assert_eq(&write(
        "POST",
        "order_labels",
        "return=headers-only",
        r#"{"order_id":1,"label_id":2}"#,
    ));
}

#[test]
fn values_follow_their_columns() {
    expect![[r#"
        INSERT INTO public.orders (total, tags, data, raw, paid, "placed at") VALUES ($1, $2, $3, $4, $5, $6)
        with 1234567890123456789012.500 | {a,"b,c",NULL,"q\"\\"} | {"a":1.10} | "x" | true | 2024-01-01
    "#]].assert_eq(&write("POST", "orders", "", r#"{"total":1234567890123456789012.500,"tags":["a","b,c",null,"q\"\\"],"data":{"a":1.10},"raw":"x","paid":true,"placed at":"2024-01-01"}"#));
}

#[test]
fn numbers_and_objects_become_text() {
    expect![[r#"
        INSERT INTO public.clients (name, id, notes) VALUES ($1, $2, $3)
        with {"a":1} | 7 | 1.0
    "#]]
    .assert_eq(&write(
        "POST",
        "clients",
        "",
        r#"{"name":{"a":1},"id":"7","notes":1.0}"#,
    ));
}

#[test]
fn merge_updates_what_was_sent() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = excluded.name
        with 1 | a
        applied: resolution=merge-duplicates, return=minimal
    "#]].assert_eq(&write(
        "POST",
        "clients",
        "resolution=merge-duplicates,return=minimal",
        r#"{"id":1,"name":"a"}"#,
    ));
}

#[test]
fn ignore_does_nothing() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
        with 1 | a
        applied: resolution=ignore-duplicates
    "#]]
    .assert_eq(&write(
        "POST",
        "clients?on_conflict=name",
        "resolution=ignore-duplicates",
        r#"{"id":1,"name":"a"}"#,
    ));
}

#[test]
fn without_a_key_an_upsert_is_an_insert() {
    expect![[r#"
        INSERT INTO public.log (line) VALUES ($1)
        with a
    "#]]
    .assert_eq(&write(
        "POST",
        "log",
        "resolution=merge-duplicates",
        r#"{"line":"a"}"#,
    ));
}

#[test]
fn update() {
    expect![[r#"
        UPDATE public.clients SET name = $1 WHERE (clients.id = $2) AND ((clients.name = $3) OR (clients.name IS NULL)) RETURNING clients.id, clients.name, clients.mood, clients.notes
        with b | 1 | a
        as id=0 name=1 mood=2 notes=3
        applied: return=representation
    "#]].assert_eq(&write(
        "PATCH",
        "clients?id=eq.1&or=(name.eq.a,name.is.null)",
        "return=representation",
        r#"{"name":"b"}"#,
    ));
}

#[test]
fn update_of_nothing() {
    expect![[r#"
        nothing to do
    "#]]
    .assert_eq(&write("PATCH", "clients?id=eq.1", "", "{}"));
}

#[test]
fn update_ignores_pages() {
    expect![[r#"
        UPDATE public.clients SET name = $1 WHERE clients.id > $2
        with b | 1
    "#]]
    .assert_eq(&write(
        "PATCH",
        "clients?id=gt.1&limit=1&order=id",
        "",
        r#"{"name":"b"}"#,
    ));
}

#[test]
fn update_with_defaults() {
    expect![[r#"
        UPDATE public.clients SET name = $1, mood = DEFAULT
        with b
        applied: missing=default
    "#]]
    .assert_eq(&write(
        "PATCH",
        "clients?columns=name,mood",
        "missing=default",
        r#"{"name":"b"}"#,
    ));
}

#[test]
fn delete() {
    expect![[r#"
        DELETE FROM public.orders WHERE orders.client_id IN ($1, $2) RETURNING orders.id
        with 1 | 2
        as id=0
        applied: return=representation, count=exact
    "#]]
    .assert_eq(&write(
        "DELETE",
        "orders?select=id&client_id=in.(1,2)",
        "return=representation,count=exact",
        "",
    ));
}

#[test]
fn delete_everything() {
    expect![[r#"
        DELETE FROM public.orders
        applied: handling=strict, max-affected=5
    "#]]
    .assert_eq(&write(
        "DELETE",
        "orders",
        "handling=strict,max-affected=5",
        "",
    ));
}

#[test]
fn put() {
    expect![[r#"
        INSERT INTO public.clients (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET id = excluded.id, name = excluded.name RETURNING clients.id, clients.name, clients.mood, clients.notes
        with 1 | a
        as id=0 name=1 mood=2 notes=3
        applied: return=representation
    "#]].assert_eq(&write(
        "PUT",
        "clients?id=eq.1",
        "return=representation",
        r#"{"id":1,"name":"a"}"#,
    ));
}

#[test]
fn put_needs_the_whole_key() {
    expect![[r#"
        PGRST105 Filters must include all and only primary key columns with 'eq' operators
    "#]]
    .assert_eq(&write(
        "PUT",
        "order_labels?order_id=eq.1",
        "",
        r#"{"order_id":1,"label_id":2}"#,
    ));
}

#[test]
fn put_takes_no_page() {
    expect![[r#"
        PGRST114 limit/offset querystring parameters are not allowed for PUT
    "#]]
    .assert_eq(&write("PUT", "clients?id=eq.1&limit=1", "", r#"{"id":1}"#));
}

#[test]
fn put_needs_the_same_key() {
    expect![[r#"
        PGRST115 Payload values do not match URL in primary key column(s)
    "#]]
    .assert_eq(&write("PUT", "clients?id=eq.1", "", r#"{"id":2}"#));
}

#[test]
fn unknown_keys_suggest_near_columns() {
    expect![[r#"
        PGRST204 Could not find the 'nme' column of 'clients' in the schema cache
        hint: Perhaps you meant the column 'name'
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"{"nme":"a"}"#));
}

#[test]
fn suggestions_are_what_the_role_sees() {
    expect![[r#"
        PGRST204 Could not find the 'note' column of 'clients' in the schema cache
        hint: Perhaps you meant the column 'name'
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"{"note":"a"}"#));
}

#[test]
fn unknown_conflict_columns() {
    expect![[r#"
        42703 column clients.nme does not exist
        hint: Perhaps you meant to reference the column "clients.name".
    "#]]
    .assert_eq(&write(
        "POST",
        "clients?on_conflict=nme",
        "resolution=merge-duplicates",
        r#"{"id":1}"#,
    ));
}

#[test]
fn objects_must_have_the_same_keys() {
    expect![[r#"
        PGRST102 All object keys must match
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"[{"id":1},{"name":"b"}]"#));
}

#[test]
fn bodies_must_be_json() {
    expect![[r#"
        PGRST102 Empty or invalid json
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"{"id":1"#));
}

#[test]
fn rows_must_be_objects() {
    expect![[r#"
        PGRST102 Empty or invalid json
    "#]]
    .assert_eq(&write("POST", "clients", "", "[1]"));
}

#[test]
fn nul_in_text_is_refused() {
    expect![[r#"
        22P05 unsupported Unicode escape sequence
        details: \u0000 cannot be converted to text.
    "#]]
    .assert_eq(&write("POST", "clients", "", r#"{"name":"a\u0000"}"#));
}
