//! Functions.

use expect_test::expect;

use crate::show::call;

#[test]
fn by_post() {
    expect![[r#"
        Scalar, read only
        SELECT add.add FROM public.add(a => $1::int4, b => $2::int4) AS add
        with 1 | 2
        as add=0
    "#]]
    .assert_eq(&call("add", Some(r#"{"a":1,"b":2}"#)));
}

#[test]
fn by_get() {
    expect![[r#"
        Scalar, read only
        SELECT add.add FROM public.add(a => $1::int4, b => $2::int4) AS add
        with 1 | 2
        as add=0
    "#]]
    .assert_eq(&call("add?a=1&b=2", None));
}

#[test]
fn defaults_may_be_left_out() {
    expect![[r#"
        Scalar, read only
        SELECT add.add FROM public.add(a => $1::int4) AS add
        with 1
        as add=0
    "#]]
    .assert_eq(&call("add", Some(r#"{"a":1}"#)));
}

#[test]
fn sets_take_filters_order_and_embeds() {
    expect![[r#"
        Set, read only
        SELECT orders_of.id, orders_of.client_id FROM public.orders_of(client => $1::int4) AS orders_of WHERE orders_of.total > $2 ORDER BY orders_of.total DESC NULLS FIRST LIMIT 2
        with 3 | 5
        as id=0 clients=One[1]
            SELECT clients.name FROM public.clients AS clients WHERE clients.id = $1
            as name=0
    "#]].assert_eq(&call(
        "orders_of?client=3&total=gt.5&select=id,clients(name)&order=total.desc&limit=2",
        None,
    ));
}

#[test]
fn sets_keep_their_own_order() {
    expect![[r#"
        Set, read only
        SELECT orders_of.id FROM public.orders_of(client => $1::int4) AS orders_of LIMIT 1000
        with 3
        as id=0
    "#]]
    .assert_eq(&call("orders_of?select=id", Some(r#"{"client":3}"#)));
}

#[test]
fn rows() {
    expect![[r#"
        Row, read only
        SELECT one_order.id, one_order.client_id FROM public.one_order() AS one_order
        as id=0 client_id=1
    "#]]
    .assert_eq(&call("one_order?select=id,client_id", Some("{}")));
}

#[test]
fn tables() {
    expect![[r#"
        Set
        SELECT totals.day FROM public.totals() AS totals WHERE totals.sum > $1 LIMIT 1000
        with 1
        as day=0
    "#]]
    .assert_eq(&call("totals?select=day&sum=gt.1", Some("")));
}

#[test]
fn sets_of_scalars_and_array_arguments() {
    expect![[r#"
        SetOfScalars, read only
        SELECT words.words FROM public.words(ws => $1::text[]) AS words LIMIT 1000
        with {a,"b c"}
        as words=0
    "#]]
    .assert_eq(&call("words", Some(r#"{"ws":["a","b c"]}"#)));
}

#[test]
fn array_arguments_by_get() {
    expect![[r#"
        SetOfScalars, read only
        SELECT words.words FROM public.words(ws => $1::text[]) AS words LIMIT 1000
        with {a,b}
        as words=0
    "#]]
    .assert_eq(&call("words?ws={a,b}", None));
}

#[test]
fn repeated_arguments_are_an_array() {
    expect![[r#"
        SetOfScalars, read only
        SELECT words.words FROM public.words(ws => $1::text[]) AS words LIMIT 1000
        with {a,b}
        as words=0
    "#]]
    .assert_eq(&call("words?ws=a&ws=b", None));
}

#[test]
fn void() {
    expect![[r#"
        Void
        SELECT ping.ping FROM public.ping() AS ping
        as ping=0
    "#]]
    .assert_eq(&call("ping", Some("")));
}

#[test]
fn the_whole_body_is_an_unnamed_argument() {
    expect![[r#"
        Scalar
        SELECT hook.hook FROM public.hook($1::jsonb) AS hook
        with {"any":[1]}
        as hook=0
    "#]]
    .assert_eq(&call("hook", Some(r#"{"any":[1]}"#)));
}

#[test]
fn arrays_too() {
    expect![[r#"
        Scalar
        SELECT hook.hook FROM public.hook($1::jsonb) AS hook
        with [1,2]
        as hook=0
    "#]]
    .assert_eq(&call("hook", Some("[1,2]")));
}

#[test]
fn ambiguous() {
    expect![[r#"
        PGRST203 Could not choose the best candidate function between: public.twin(x => integer), public.twin(x => text)
        hint: Give the functions different names, or their parameters.
    "#]].assert_eq(&call("twin", Some(r#"{"x":1}"#)));
}

#[test]
fn wrong_arguments() {
    expect![[r#"
        PGRST202 Could not find the function public.add(a, c) in the schema cache
        details: Searched for the function public.add with parameters a, c, but no matches were found in the schema cache.
        hint: Perhaps you meant to call the function public.add(a, b)
    "#]].assert_eq(&call("add", Some(r#"{"a":1,"c":2}"#)));
}

#[test]
fn unknown_functions_suggest_near_ones() {
    expect![[r#"
        PGRST202 Could not find the function public.orders_off without parameters in the schema cache
        details: Searched for the function public.orders_off without parameters, but no matches were found in the schema cache.
        hint: Perhaps you meant to call the function public.orders_of(client)
    "#]].assert_eq(&call("orders_off", Some("{}")));
}
