//! Requests as statements: select lists, order and pages.

use expect_test::expect;

use crate::show::read;

#[test]
fn everything_by_default() {
    expect![[r#"
        SELECT items.id, items.order_id, items.name FROM public.items AS items ORDER BY items.id NULLS LAST LIMIT 1000
        as id=0 order_id=1 name=2
    "#]].assert_eq(&read("items"));
}

#[test]
fn columns_keep_their_order_and_keys() {
    expect![[r#"
        SELECT clients.name, clients.id FROM public.clients AS clients ORDER BY clients.id NULLS LAST LIMIT 1000
        as name=0 who=1 id=1
    "#]].assert_eq(&read("clients?select=name,who:id,id"));
}

#[test]
fn casts_are_those_of_the_list() {
    expect![[r#"
        SELECT orders.total::text, orders.id::int8, orders.tags::text[] FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as total=0 n=1 tags=2
    "#]].assert_eq(&read("orders?select=total::text,n:id::bigint,tags::text[]"));
}

#[test]
fn json_paths_are_named_by_their_last_key() {
    expect![[r#"
        SELECT (orders.data -> 'a') ->> 'b', (orders.data -> 'c') -> 0, orders.data -> (- 1), to_jsonb(orders.tags) -> 0 FROM public.orders AS orders ORDER BY orders.id NULLS LAST LIMIT 1000
        as b=0 c=1 data=2 tags=3
    "#]].assert_eq(&read(
        "orders?select=data->a->>b,data->c->0,data->-1,tags->0",
    ));
}

#[test]
fn null_order_is_written_out() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders ORDER BY orders.total NULLS LAST, orders.client_id DESC NULLS FIRST, orders.id NULLS FIRST, orders.paid DESC NULLS LAST LIMIT 1000
        as id=0
    "#]].assert_eq(&read(
        "orders?select=id&order=total,client_id.desc,id.nullsfirst,paid.desc.nullslast",
    ));
}

#[test]
fn json_orders() {
    expect![[r#"
        SELECT orders.id FROM public.orders AS orders ORDER BY (orders.data -> 'a') ->> 'b' DESC NULLS FIRST LIMIT 1000
        as id=0
    "#]].assert_eq(&read("orders?select=id&order=data->a->>b.desc"));
}

#[test]
fn pages_stay_below_the_maximum() {
    expect![[r#"
        SELECT items.id FROM public.items AS items ORDER BY items.id NULLS LAST LIMIT 1000 OFFSET 20
        as id=0
    "#]]
    .assert_eq(&read("items?select=id&limit=5000&offset=20"));
}

#[test]
fn limit_zero_is_a_limit() {
    expect![[r#"
        SELECT items.id FROM public.items AS items ORDER BY items.id NULLS LAST LIMIT 0
        as id=0
    "#]]
    .assert_eq(&read("items?select=id&limit=0"));
}

#[test]
fn views_and_tables_without_key_have_no_order() {
    expect![[r#"
        SELECT log.line FROM public.log AS log LIMIT 1000
        as line=0
    "#]]
    .assert_eq(&read("log"));
}

#[test]
fn names_are_quoted_where_they_must_be() {
    expect![[r#"
        SELECT orders."placed at" FROM public.orders AS orders WHERE orders."placed at" >= $1 ORDER BY orders.id NULLS LAST LIMIT 1000
        with 2024-01-01
        as placed at=0
    "#]].assert_eq(&read("orders?select=placed at&placed at=gte.2024-01-01"));
}

#[test]
fn related_orders_are_subqueries() {
    expect![[r#"
        SELECT orders.id, orders.client_id FROM public.orders AS orders WHERE orders.paid IS TRUE ORDER BY (SELECT clients.name FROM public.clients AS clients WHERE (clients.id = orders.client_id) AND (clients.mood = $1)) DESC NULLS FIRST, orders.id NULLS LAST LIMIT 1000
        with sad
        as id=0 clients=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE (clients.id = $1) AND (clients.mood = $2)
            with sad
            as name=0
    "#]].assert_eq(&read("orders?select=id,clients(name)&order=clients(name).desc,id&clients.mood=eq.sad&paid=is.true"));
}

#[test]
fn related_orders_need_one_row() {
    expect![[r#"
        PGRST118 A related order on 'orders' is not possible
        details: 'clients' and 'orders' do not form a many-to-one or one-to-one relationship
    "#]]
    .assert_eq(&read("clients?select=id,orders(id)&order=orders(id)"));
}

#[test]
fn related_orders_need_the_embed() {
    expect![[r#"
        PGRST108 'clients' is not an embedded resource in this request
        hint: Verify that 'clients' is included in the 'select' query parameter.
    "#]]
    .assert_eq(&read("orders?select=id&order=clients(name)"));
}
