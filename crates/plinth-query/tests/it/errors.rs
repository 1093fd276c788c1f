//! What clients are told.

use expect_test::expect;

use crate::show::read;

#[test]
fn unknown_tables_suggest_near_ones() {
    expect![[r#"
        PGRST205 Could not find the table 'public.order' in the schema cache
        hint: Perhaps you meant the table 'public.orders'
    "#]]
    .assert_eq(&read("order"));
}

#[test]
fn suggestions_name_only_what_the_role_sees() {
    expect![[r#"
        PGRST205 Could not find the table 'public.secret' in the schema cache
    "#]]
    .assert_eq(&read("secret"));
}

#[test]
fn unknown_columns_suggest_only_what_the_role_sees() {
    expect![[r#"
        42703 column clients.note does not exist
        hint: Perhaps you meant to reference the column "clients.name".
    "#]]
    .assert_eq(&read("clients?select=note"));
}

#[test]
fn unknown_columns_far_from_all() {
    expect![[r#"
        42703 column clients.zzzzzz does not exist
    "#]]
    .assert_eq(&read("clients?select=zzzzzz"));
}

#[test]
fn unknown_columns_in_order() {
    expect![[r#"
        42703 column clients.nme does not exist
        hint: Perhaps you meant to reference the column "clients.name".
    "#]]
    .assert_eq(&read("clients?order=nme"));
}

#[test]
fn casts_outside_of_the_list() {
    expect![[r#"
        42704 type "regclass" does not exist
        hint: A cast may name one of: text, int, int4, int8, integer, bigint, smallint, int2, float, float4, float8, real, numeric, bool, boolean, date, timestamp, timestamptz, uuid, json, jsonb, varchar
    "#]].assert_eq(&read("clients?select=id::regclass"));
}

#[test]
fn aggregates() {
    expect![[r#"
        PGRST123 Use of aggregate functions is not allowed
    "#]]
    .assert_eq(&read("clients?select=count()"));
}

#[test]
fn negative_limits() {
    expect![[r#"
        PGRST103 Requested range not satisfiable
        details: Limit should be greater than or equal to zero.
    "#]]
    .assert_eq(&read("clients?limit=-1"));
}

#[test]
fn negative_limits_of_embeds() {
    expect![[r#"
        PGRST103 Requested range not satisfiable
        details: Limit should be greater than or equal to zero.
    "#]]
    .assert_eq(&read("clients?select=orders(id)&orders.limit=-1"));
}

#[test]
fn long_names_are_shortened() {
    let long = "x".repeat(1_000_000);
    let shown = crate::show::write("POST", "clients", "", &format!("{{\"{long}\":1}}"));
    assert!(shown.len() < 500);
    let shown = crate::show::call("add", Some(&format!("{{\"{long}\":1}}")));
    assert!(shown.len() < 1_000);
}
