//! Filters as conditions.

use expect_test::expect;

use crate::show::read;

#[test]
fn comparisons() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (orders.id = $1) AND (orders.id <> $2) AND (orders.total > $3) AND (orders.total >= $4) AND (orders.total < $5) AND (orders.total <= $6) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | 2 | 3 | 4 | 5 | 6
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&id=eq.1&id=neq.2&total=gt.3&total=gte.4&total=lt.5&total=lte.6",
    ));
}

#[test]
fn negation_takes_the_predicates_own_form() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (NOT (orders.id = $1)) AND (orders.id NOT IN ($2, $3)) AND (orders.paid IS NOT NULL) AND (orders.paid IS NOT FALSE) AND (orders.total IS NOT DISTINCT FROM $4) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | 1 | 2 | 1
        as id=0
    "#]].assert_eq(&read("orders?select=id&id=not.eq.1&id=not.in.(1,2)&paid=not.is.null&paid=not.is.false&total=not.isdistinct.1"));
}

#[test]
fn patterns_take_stars() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE ((orders.data ->> 'name') ILIKE $1) AND ((orders.data ->> 'name') NOT LIKE $2) ORDER BY orders.id NULLS LAST LIMIT 1000
        with %x_%% | a%
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&data->>name=ilike.*x_%25*&data->>name=not.like.a*",
    ));
}

#[test]
fn regular_expressions() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE ((orders.data ->> 'name') ~ $1) AND ((orders.data ->> 'name') ~* $2) ORDER BY orders.id NULLS LAST LIMIT 1000
        with ^a | b$
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&data->>name=match.^a&data->>name=imatch.b$",
    ));
}

#[test]
fn is() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (orders.paid IS TRUE) AND (orders.paid IS UNKNOWN) AND (orders.total IS NOT NULL) ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&paid=is.true&paid=is.unknown&total=is.not_null",
    ));
}

#[test]
fn empty_lists_match_nothing() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE FALSE AND TRUE ORDER BY orders.id NULLS LAST LIMIT 1000
        as id=0
    "#]].assert_eq(&read("orders?select=id&id=in.()&id=not.in.()"));
}

#[test]
fn any_and_all() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE ((orders.id = $1) OR (orders.id = $2)) AND ((orders.total > $3) AND (orders.total > $4)) AND FALSE AND TRUE ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | 2 | 3 | 4
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&id=eq(any).{1,2}&total=gt(all).{3,4}&id=eq(any).{}&id=eq(all).{}",
    ));
}

#[test]
fn json_text_and_json_values() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE ((orders.data ->> 'a') = $1) AND ((orders.data -> 'a') = ($2::jsonb)) AND (((orders.data -> 'a') -> 'b') IN ($3::jsonb, $4::jsonb)) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | 1 | 1 | 2
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&data->>a=eq.1&data->a=eq.1&data->a->b=in.(1,2)",
    ));
}

#[test]
fn json_columns_compare_as_jsonb() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (((orders.raw::jsonb) -> 'a') = ($1::jsonb)) AND (((orders.raw::jsonb) ->> 'a') = $2) AND ((orders.raw::jsonb) @> $3) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | x | {"a":1}
        as id=0
    "#]].assert_eq(&read(
        r#"orders?select=id&raw->a=eq.1&raw->>a=eq.x&raw=cs.{"a":1}"#,
    ));
}

#[test]
fn array_containment_takes_both_notations() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (orders.tags @> $1) AND (orders.tags <@ $2) AND (orders.tags && $3) ORDER BY orders.id NULLS LAST LIMIT 1000
        with {a,b} | {a,"b c",NULL} | {}
        as id=0
    "#]].assert_eq(&read(
        r#"orders?select=id&tags=cs.{a,b}&tags=cd.["a","b c",null]&tags=ov.[]"#,
    ));
}

#[test]
fn jsonb_containment() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (orders.data @> $1) AND (orders.data <@ $2) ORDER BY orders.id NULLS LAST LIMIT 1000
        with {"a":[1]} | [1]
        as id=0
    "#]].assert_eq(&read(r#"orders?select=id&data=cs.{"a":[1]}&data=cd.[1]"#));
}

#[test]
fn trees() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE ((orders.id = $1) OR ((orders.total > $2) AND (orders.paid IS TRUE))) AND (NOT ((orders.id = $3) OR (orders.id = $4))) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1 | 2 | 3 | 4
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&or=(id.eq.1,and(total.gt.2,paid.is.true))&not.or=(id.eq.3,id.eq.4)",
    ));
}

#[test]
fn literals_are_never_sql() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders WHERE (orders.id = $1) AND (orders.tags = $2) ORDER BY orders.id NULLS LAST LIMIT 1000
        with 1;drop table orders-- | {'}
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&id=eq.1;drop table orders--&tags=eq.{'}",
    ));
}

#[test]
fn full_text_search_is_refused_by_name() {
    expect![[r#"
        0A000 full-text search operator plfts is not supported
    "#]]
    .assert_eq(&read("orders?select=id&data->>a=plfts.cat"));
}

#[test]
fn range_operators_do_not_exist() {
    expect![[r#"
        42883 operator does not exist: numeric << unknown
        hint: Range types are not offered.
    "#]]
    .assert_eq(&read("orders?select=id&total=sl.1"));
}

#[test]
fn unknown_columns_suggest_near_ones() {
    expect![[r#"
        42703 column orders.totl does not exist
        hint: Perhaps you meant to reference the column "orders.total".
    "#]]
    .assert_eq(&read("orders?select=id&totl=eq.1"));
}
