//! Query strings as requests.

use expect_test::expect;

use crate::show::parsed;

#[test]
fn columns_have_aliases_casts_and_paths() {
    expect![[r#"
        id
        name::text as "full"
        data->"a"->>"b"
        data->0->-1 as "first"
        *
    "#]]
    .assert_eq(&parsed(
        "select=id,full:name::text,data->a->>b,first:data->0->-1,*",
    ));
}

#[test]
fn names_may_be_quoted_or_hold_blanks_and_dashes() {
    expect![[r#"
        a,b
        two words
        a-b
        été
        $x
    "#]]
    .assert_eq(&parsed(r#"select="a,b",two words,a-b,été,$x"#));
}

#[test]
fn embeds_nest_and_take_hints_in_any_order() {
    expect![[r#"
        id
        kids: children by fk inner
            id
            ...toys: toys by fk2
                name
        empty: empty
    "#]]
    .assert_eq(&parsed(
        "select=id,kids:children!inner!fk(id,...toys!fk2!left(name)),empty()",
    ));
}

#[test]
fn blanks_around_marks_are_tolerated() {
    expect![[r#"
        id
        kids: kids
            id
            name
        x
        where and[a Compare(Eq, "1 "); b Compare(Eq, "2 ")]
    "#]]
    .assert_eq(&parsed(
        "select=id , kids ( id , name ) ,x&and=( a.eq.1 , b.eq.2 )",
    ));
}

#[test]
fn aggregates_are_recognised() {
    expect![[r#"
        count()
        sum()
        avg()
    "#]]
    .assert_eq(&parsed(
        "select=count(),total.sum(),n:total::int.avg()::text",
    ));
}

#[test]
fn an_empty_select_is_allowed() {
    expect![[""]].assert_eq(&parsed("select="));
}

#[test]
fn operators_are_read() {
    expect![[r#"
        where a Compare(Eq, "1")
        where not a Compare(Gte, "2")
        where b Compare(Like, "x*")
        where c Is(NotNull)
        where not d Is(True)
        where e IsDistinct("")
        where f Compare(Contains, "{a,b}")
        where g FullText("wfts")
    "#]].assert_eq(&parsed("a=eq.1&a=not.gte.2&b=like.x*&c=is.NOT_NULL&d=not.is.true&e=isdistinct.&f=cs.{a,b}&g=wfts(english).cat"));
}

#[test]
fn values_are_taken_as_they_are() {
    expect![[r#"
        where a Compare(Eq, "\"x\",(y)")
        where b Compare(Eq, "a+b c&=")
        where c Compare(Eq, "")
    "#]]
    .assert_eq(&parsed(r#"a=eq."x",(y)&b=eq.a%2Bb+c%26%3D&c=eq."#));
}

#[test]
fn in_lists_hold_quoted_and_bare_elements() {
    expect![[r#"
        where a In(["1", "b,\"c", "d e", "\"x\"y"])
        where b In([])
        where not c In([""])
    "#]]
    .assert_eq(&parsed(
        r#"a=in.(1,"b,\"c",d e,"x"y)&b=in.()&c=not.in.("")"#,
    ));
}

#[test]
fn any_and_all_take_array_literals() {
    expect![[r#"
        where a Quantified { op: Eq, all: false, values: [Some("1"), None, Some("x,\"y")] }
        where not b Quantified { op: Like, all: true, values: [] }
    "#]]
    .assert_eq(&parsed(r#"a=eq(any).{1,NULL,"x,\"y"}&b=not.like(all).{}"#));
}

#[test]
fn logic_trees_nest() {
    expect![[r#"
        where or[a Compare(Eq, "1"); not and[b Compare(Gt, "2"); c Is(Null)]; not d In(["1", "2"])]
        where not and[a Compare(Eq, "1"); or[b Compare(Eq, "2"); c Compare(Eq, "3")]]
    "#]]
    .assert_eq(&parsed(
        "or=(a.eq.1,not.and(b.gt.2,c.is.null),d.not.in.(1,2))&not.and=(a.eq.1,or(b.eq.2,c.eq.3))",
    ));
}

#[test]
fn values_in_logic_trees_may_be_quoted_or_bracketed() {
    expect![[r#"
        where or[a Compare(Eq, "x,y)"); b Compare(Contains, "{\"k\":[1,2]}"); c Compare(Eq, "{open"); d Compare(Contains, "{a,b}")]
    "#]].assert_eq(&parsed(
        r#"or=(a.eq."x,y)",b.cs.{"k":[1,2]},c.eq.{open,d.cs.{a,b})"#,
    ));
}

#[test]
fn names_that_start_like_and_are_names() {
    expect![[r#"
        where or[android Compare(Eq, "1"); order Compare(Eq, "2"); not Compare(Eq, "3")]
    "#]]
    .assert_eq(&parsed("or=(android.eq.1,order.eq.2,not.eq.3)"));
}

#[test]
fn embeds_are_addressed_by_alias_then_name() {
    expect![[r#"
        kids: children
            id
            toys: toys
                id
                where or[a Compare(Eq, "1"); b Compare(Eq, "2")]
                where not or[a Compare(Eq, "3")]
                offset 3
            where id Compare(Eq, "1")
            order id desc
            limit 2
        children: pets
            id
            where id Compare(Eq, "2")
    "#]].assert_eq(&parsed("select=kids:children(id,toys(id)),children:pets(id)&kids.id=eq.1&children.id=eq.2&kids.toys.or=(a.eq.1,b.eq.2)&kids.toys.not.or=(a.eq.3)&kids.order=id.desc&kids.limit=2&kids.toys.offset=3"));
}

#[test]
fn orders_have_directions_and_nulls() {
    expect![[r#"
        order a
        order b desc
        order c nulls first
        order data->>"x" desc nulls last
        order client.name desc
    "#]]
    .assert_eq(&parsed(
        "order=a,b.desc,c.asc.nullsfirst,data->>x.desc.nullslast,client(name).desc",
    ));
}

#[test]
fn repeated_orders_append_and_empty_limits_are_none() {
    expect![[r#"
        order a
        order b desc
        offset 7
    "#]]
    .assert_eq(&parsed("order=a&order=b.desc&limit=&offset=7"));
}

#[test]
fn negative_limits_are_read() {
    expect![[r#"
        limit -1
        offset -2
    "#]]
    .assert_eq(&parsed("limit=-1&offset=-2"));
}

#[test]
fn quoted_reserved_words_are_columns() {
    expect![[r#"
        where order Compare(Eq, "1")
        where a.b Compare(Eq, "2")
        where data->>"limit" Compare(Eq, "3")
    "#]]
    .assert_eq(&parsed(r#""order"=eq.1&"a.b"=eq.2&data->>limit=eq.3"#));
}

#[test]
fn columns_and_on_conflict_are_lists_of_names() {
    expect![[r#"
        columns ["a", "b c"]
        on_conflict ["x", "y"]
    "#]]
    .assert_eq(&parsed(r#"columns="a","b c",a&on_conflict=x,y"#));
}

#[test]
fn parameters_without_value_are_ignored() {
    expect![[r#"
        where a Compare(Eq, "1")
    "#]]
    .assert_eq(&parsed("flag&a=eq.1&&"));
}

#[test]
fn unknown_operators_are_refused() {
    expect![[r#"
        PGRST100 "failed to parse filter (noop.1)" (line 1, column 1)
        details: unexpected "n" expecting "not" or operator (eq, gt, ...)
    "#]]
    .assert_eq(&parsed("a=noop.1"));
}

#[test]
fn missing_operators_are_refused() {
    expect![[r#"
        PGRST100 "failed to parse filter (1)" (line 1, column 1)
        details: unexpected "1" expecting "not" or operator (eq, gt, ...)
    "#]]
    .assert_eq(&parsed("a=1"));
}

#[test]
fn unclosed_lists_are_refused() {
    expect![[r#"
        PGRST100 "failed to parse filter (in.(1,2)" (line 1, column 8)
        details: unexpected end of input expecting "," or ")"
    "#]]
    .assert_eq(&parsed("a=in.(1,2"));
}

#[test]
fn unclosed_logic_is_refused() {
    expect![[r#"
        PGRST100 "failed to parse logic tree ((a.eq.1)" (line 1, column 8)
        details: unexpected end of input expecting "," or ")"
    "#]]
    .assert_eq(&parsed("or=(a.eq.1"));
}

#[test]
fn text_after_logic_is_refused() {
    expect![[r#"
        PGRST100 "failed to parse logic tree ((a.eq.1)x)" (line 1, column 9)
        details: unexpected "x" expecting the end after ")"
    "#]]
    .assert_eq(&parsed("or=(a.eq.1)x"));
}

#[test]
fn unclosed_selects_are_refused() {
    expect![[r#"
        PGRST100 "failed to parse select parameter (a,b()" (line 1, column 5)
        details: unexpected end of input expecting field name (* or [a..z0..9_$])
    "#]]
    .assert_eq(&parsed("select=a,b("));
}

#[test]
fn is_knows_five_words() {
    expect![[r#"
        PGRST100 "failed to parse filter (is.maybe)" (line 1, column 4)
        details: unexpected "m" expecting null, not_null, true, false or unknown
    "#]]
    .assert_eq(&parsed("a=is.maybe"));
}

#[test]
fn any_needs_an_array() {
    expect![[r#"
        PGRST100 "failed to parse filter (eq(any).1)" (line 1, column 9)
        details: unexpected "1" expecting an array literal ({a,b})
    "#]]
    .assert_eq(&parsed("a=eq(any).1"));
}

#[test]
fn trailing_commas_are_refused() {
    expect![[r#"
        PGRST100 "failed to parse select parameter (a,)" (line 1, column 3)
        details: unexpected end of input expecting field name (* or [a..z0..9_$])
    "#]]
    .assert_eq(&parsed("select=a,"));
}

#[test]
fn limits_are_integers() {
    expect![[r#"
        PGRST100 "failed to parse limit (ten)" (line 1, column 1)
        details: unexpected "t" expecting an integer
    "#]]
    .assert_eq(&parsed("limit=ten"));
}

#[test]
fn an_embed_not_selected_is_refused() {
    expect![[r#"
        PGRST108 'kids' is not an embedded resource in this request
        hint: Verify that 'kids' is included in the 'select' query parameter.
    "#]]
    .assert_eq(&parsed("select=id&kids.id=eq.1"));
}

#[test]
fn invalid_utf8_is_refused() {
    expect![[r#"
        PGRST100 the query string is not valid UTF-8
    "#]]
    .assert_eq(&parsed("a=eq.%ff"));
}

#[test]
fn nul_is_refused() {
    expect![[r#"
        22021 invalid byte sequence for encoding "UTF8": 0x00
    "#]]
    .assert_eq(&parsed("a=eq.%00"));
}
