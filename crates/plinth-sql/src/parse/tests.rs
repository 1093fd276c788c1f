//! Text in, text out: what statements become, what is said about those that are none, and that nothing panics.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod bounds;
mod shape;
mod statements;

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::{Parsed, expression, is_keyword_reserved, script, split, statement, type_name};
use crate::SqlError;
use crate::ast::Expr;
use shape::{shape, type_shape};

#[test]
fn operators_bind_as_in_postgres() {
    let table = "
        a or b and not c
        not a = b
        a = b is null
        a + b * c ^ d - e
        - a ^ 2
        -1::int
        a || b || c = d
        a -> 'b' ->> 'c' = 'd'
        @ a + b
        a between 1 and 2 and b
        a not between b = c and d + 1
        a is distinct from b or c
        a at time zone 'utc' + b
        a || b collate \"C\"
        a in (1) = b
        a is null is null
        a = any(b) = c
        not not a
        a operator(pg_catalog.+) b * c
        a like b || c escape '!'
        a <> all (select 1)
        a not ilike any (array['x'])
        (a, b) in ((1, 2))
        1 - -1
        a*-1
        a !~~* b
        a::text::varchar(3)
        x != y
    ";
    check_expressions(
        table,
        &expect![[r#"
            (a or (b and (not c)))
            (not (a = b))
            ((a = b) is null)
            ((a + (b * (c ^ d))) - e)
            ((-a) ^ 2)
            (-(1::int4))
            (((a || b) || c) = d)
            (((a -> 'b') ->> 'c') = 'd')
            (@(a + b))
            ((a between 1 and 2) and b)
            (a not between (b = c) and (d + 1))
            ((a is distinct from b) or c)
            ((a at time zone 'utc') + b)
            (a || (b collate C))
            ((a in (1)) = b)
            ((a is null) is null)
            ((a = any b) = c)
            (not (not a))
            (a + (b * c))
            (a like (b || c) escape '!')
            (a <> all (query))
            (a NOT ILIKE any array['x'])
            (row(a, b) in (row(1, 2)))
            (1 - (-1))
            (a * (-1))
            (a !~~* b)
            ((a::text)::varchar[3])
            (x <> y)
        "#]],
    );
}

#[test]
fn constants_and_columns() {
    let table = r"
        'it''s'
        E'a\n\t\\\'\x41\101\u00e9'
        E'\xc3\xa9'
        $$a$$
        $x$ a $$ b $x$
        N'a'
        1.5
        .5
        1e10
        $1
        A.B.C
        Ünï.x
        t.*
        (t).x.y
        a.b[1][2:3].c
        a[:]
        date '2024-01-01'
        timestamp(3) with time zone 'x'
        double precision '1'
        numeric(10, 2) '1.5'
        char 'abc'
        interval '1' day
        interval '1-2' year to month
        interval '1:30' minute to second
        interval '1 day'
        pg_catalog.int4 '5'
        time
        values
        null
        true
        default
    ";
    check_expressions(
        table,
        &expect![[r#"
            'it's'
            'a
            	\'AAé'
            'é'
            'a'
            ' a $$ b '
            ('a'::bpchar)
            1.5
            .5
            1e10
            $1
            a.b.c
            Ünï.x
            t.*
            t.x.y
            a.b[1][2:3].c
            a[:]
            ('2024-01-01'::date)
            ('x'::timestamptz[3])
            ('1'::float8)
            ('1.5'::numeric[10, 2])
            ('abc'::bpchar)
            ('1 day'::interval)
            ('1-2'::interval)
            ('00:1:30'::interval)
            ('1 day'::interval)
            ('5'::int4)
            time
            values
            null
            true
            default
        "#]],
    );
}

#[test]
fn adjacent_strings_on_two_lines_are_one() {
    assert_eq!(
        expression("'a' -- comment\n  'b'"),
        Ok(Expr::String("ab".to_owned()))
    );
    assert_eq!(
        expression("'a' 'b'").map_err(|error| error.message),
        Err("syntax error at or near \"'b'\"".to_owned())
    );
}

#[test]
fn calls_and_their_own_syntaxes() {
    let table = "
        count(*)
        count(distinct a order by b desc nulls last)
        sum(a) filter (where b) over (partition by c order by d rows between 1 preceding and current row)
        sum(a) over w
        percentile_cont(0.5) within group (order by a)
        f(a => 1, b := 2)
        f(variadic array[1])
        auth.uid()
        left('abc', 1)
        extract(year from a)
        extract('epoch' from a)
        position('a' in b)
        substring(a from 2 for 3)
        substring(a for 3)
        substring(a, 2)
        trim(a)
        trim(leading 'x' from a)
        trim(both from a)
        overlay(a placing b from 1 for 2)
        coalesce(a, b)
        current_date
        current_timestamp(3)
        user
        exists (select 1)
        array(select 1)
        array[[1], [2]]
        array[]::int[]
        row()
        case a when 1 then 2 else 3 end
        case when a then b end
        (a, b) overlaps (c, d)
        ((select 1) union select 2)
        ((a) + 1) * 2
        (select a)[1]
    ";
    check_expressions(
        table,
        &expect![[r#"
            count(*)
            count(distinct a order by b desc nulls last)
            sum(a) filter b over ( partition c order by d Some(Frame { units: Rows, start: Preceding(Number("1")), end: Some(CurrentRow), exclude: None }))
            sum(a) over w
            percentile_cont(0.5) within group (order by a)
            f(a => 1, b => 2)
            f(variadic array[1])
            auth.uid()
            left('abc', 1)
            extract('year', a)
            extract('epoch', a)
            position('a', b)
            substring(a, 2, 3)
            substring(a, 1, 3)
            substring(a, 2)
            btrim(a)
            ltrim(a, 'x')
            btrim(a)
            overlay(a, b, 1, 2)
            coalesce(a, b)
            current_date()
            current_timestamp(3)
            current_user()
            exists (query)
            array(query)
            array[array[1], array[2]]
            (array[]::int4[])
            row()
            case a when 1 then 2 else 3 end
            case when a then b end
            overlaps(a, b, c, d)
            (query)
            ((a + 1) * 2)
            (query)[1]
        "#]],
    );
}

#[test]
fn type_names_are_canonical() {
    let table = "
        int
        integer[]
        bigint array[3]
        text[3][]
        decimal(10, 2)
        double precision
        float(24)
        float(25)
        real
        boolean
        char
        character(3)
        character varying(10)
        national character varying(10)
        timestamp
        timestamp(3) with time zone
        timestamp without time zone
        time with time zone
        interval(3)
        bit varying(3)
        serial
        \"char\"
        pg_catalog.int4
        extensions.citext
        \"MyType\"
        t.a%type
        s.t.a%type
    ";
    check(
        table,
        |text| type_name(text).map(|ty| type_shape(&ty)),
        &expect![[r#"
        int4
        int4[]
        int8[]
        text[][]
        numeric[10, 2]
        float8
        float4
        float8
        float4
        bool
        bpchar[1]
        bpchar[3]
        varchar[10]
        varchar[10]
        timestamp
        timestamptz[3]
        timestamp
        timetz
        interval[3]
        varbit[3]
        serial
        char
        int4
        extensions.citext
        MyType
        t.a%type
        s.t.a%type
    "#]],
    );
}

#[test]
fn errors_are_in_the_words_of_postgres() {
    let table = r#"
        selec 1
        SELECT a b c
        select 1 +
        select (1
        select 1)
        select a from
        select 1 = 2 = 3
        select a < b < c
        select a between 1 and 2 between 3 and 4
        select 'abc
        select "abc
        select ""
        select $$abc
        select $x$ $y$
        select /* a /* b */
        select 1a
        select 0x1f
        select $1a
        select 1 \ 2
        select E'\u00'
        select E'\xff'
        select E'\ud800'
        select B'101'
        select U&'\0041'
        select f(a b)
        select left
        select between(1)
        select numeric(3)
        select array[1, 2][1]
        select f(x)[1]
        select a.b.c.d
        select a.b.c.d.e
        select * from (select 1)
        select * from (values (1))
        select * from (a)
        select 1 limit 1, 2
        select a is json
        select (a).*
        select 1 into t
        select * from a tablesample system (1)
        select * from rows from (f())
        select * from a join b using (x) as y
        (select 1 limit 2) limit 1
        with a as (select 1) search depth first by x set y select 1
        insert into t values (1) on conflict do update set a = 1
        insert into t (a[1]) values (1)
        update t set (a, b) = (1, 2, 3)
        update t set (a, b) = 1
        delete from t where current of c
        create table t (a int,)
        create table t (a int deferrable)
        create table t (a int references b not deferrable initially deferred)
        create table t (a int default now() at time zone 'utc')
        create function f() returns int as 'x'
        create function f() returns int language sql
        create policy p on t as strict
        create policy p on t using true
        create role r with foo
        create role none
        create sequence s start 1.5
        grant foo on t to a
        set x
        begin foo
        drop column a
        foo bar
        'a'
    "#;
    let describe = |text: &str| {
        let error = statement(text).expect_err(text);
        let place = error.span.map_or_else(String::new, |span| {
            format!(" [{}..{}]", span.start, span.end)
        });
        let hint = error
            .hint
            .map_or_else(String::new, |hint| format!("; {hint}"));
        Ok(format!("{} {}{place}{hint}", error.code, error.message))
    };
    check(
        table,
        describe,
        &expect![[r#"
        42601 syntax error at or near "selec" [0..5]
        42601 syntax error at or near "c" [11..12]
        42601 syntax error at end of input [10..10]
        42601 syntax error at end of input [9..9]
        42601 syntax error at or near ")" [8..9]
        42601 syntax error at end of input [13..13]
        42601 syntax error at or near "=" [13..14]
        42601 syntax error at or near "<" [13..14]
        42601 syntax error at or near "between" [25..32]
        42601 unterminated quoted string at or near "'abc" [7..11]
        42601 unterminated quoted identifier at or near ""abc" [7..11]
        42601 zero-length delimited identifier at or near """" [7..9]
        42601 unterminated dollar-quoted string at or near "$$abc" [7..12]
        42601 unterminated dollar-quoted string at or near "$x$ $y$" [7..14]
        42601 unterminated /* comment at or near "/* a /* b */" [7..19]
        42601 trailing junk after numeric literal at or near "1a" [7..9]
        42601 trailing junk after numeric literal at or near "0x1f" [7..11]
        42601 trailing junk after parameter at or near "$1a" [7..10]
        42601 syntax error at or near "\" [9..10]
        22025 invalid Unicode escape [7..14]; Unicode escapes must be \uXXXX or \UXXXXXXXX.
        22021 invalid byte sequence for encoding "UTF8": 0xff [7..14]
        42601 invalid Unicode surrogate pair [7..16]
        0A000 a bit string constant is not supported [7..13]
        0A000 a string constant with U& is not supported [7..16]
        42601 syntax error at or near "b" [11..12]
        42601 syntax error at end of input [11..11]
        42601 syntax error at or near "(" [14..15]
        42601 syntax error at end of input [17..17]
        42601 syntax error at or near "[" [18..19]
        42601 syntax error at or near "[" [11..12]
        0A000 cross-database references are not implemented: a.b.c.d [7..14]
        42601 improper qualified name (too many dotted names): a.b.c.d.e [7..16]
        42601 subquery in FROM must have an alias [14..24]; For example, FROM (SELECT ...) [AS] foo.
        42601 VALUES in FROM must have an alias [14..26]; For example, FROM (VALUES ...) [AS] foo.
        42601 syntax error at or near ")" [16..17]
        42601 LIMIT #,# syntax is not supported [9..16]; Use separate LIMIT and OFFSET clauses.
        0A000 IS JSON is not supported [9..11]
        0A000 expanding a row value with .* is not supported [10..12]
        0A000 SELECT INTO is not supported [9..13]; Use CREATE TABLE … AS SELECT …, or a common table expression.
        0A000 TABLESAMPLE is not supported [16..27]
        0A000 ROWS FROM is not supported [14..18]
        0A000 an alias for JOIN USING is not supported [33..35]
        42601 multiple LIMIT clauses not allowed [19..24]
        0A000 SEARCH in WITH is not supported [21..27]
        42601 ON CONFLICT DO UPDATE requires inference specification or constraint name [37..39]; For example, ON CONFLICT (column_name).
        0A000 assigning to an element of an array is not supported [15..16]
        42601 number of columns does not match number of values [13..31]
        0A000 source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression [13..23]
        0A000 WHERE CURRENT OF is not supported [20..27]
        42601 syntax error at or near ")" [22..23]
        42601 misplaced DEFERRABLE clause [22..32]
        42601 constraint declared INITIALLY DEFERRED must be DEFERRABLE [35..68]
        42601 syntax error at or near "at" [36..38]
        42P13 no language specified [7..38]
        42P13 no function body specified [7..44]
        42601 unrecognized row security option "strict" [24..30]; Only PERMISSIVE or RESTRICTIVE policies are supported currently.
        42601 syntax error at or near "true" [27..31]
        42601 unrecognized role option "foo" [19..22]
        42939 role name "none" is reserved [12..16]
        22P02 invalid input syntax for type bigint: "1.5" [24..27]
        42601 unrecognized privilege type "foo" [6..9]
        42601 syntax error at end of input [5..5]
        42601 syntax error at or near "foo" [6..9]
        42601 syntax error at or near "column" [5..11]
        42601 syntax error at or near "foo" [0..3]
        42601 syntax error at or near "'a'" [0..3]
    "#]],
    );
}

#[test]
fn keywords_are_names_where_postgres_lets_them() {
    let accepted = "
        select name, value, type, role, key, status, order_id, time, position from t
        select a b, c \"D\", 1 as select, 2 left, 3 as over
        select t.select, t.from from t
        create table t (name text, key text, value int, year int, exclude int, temporary bool, action text)
        select * from t left join user_data x on true
        update t set set = 1
        update t x set a = 1
        create function left(name text, cube int) returns int language sql as ''
        with recursive as (select 1) select 1
        with recursive (a) as (select 1), b as (select 2) select 1
        create schema if
        create table if (a int)
        savepoint savepoint
        rollback to savepoint
        release savepoint
        release savepoint savepoint
        drop type tablesample, s.t cascade
        comment on type left is null
    ";
    let refused = "
        select user.name from user
        create table user (a int)
        create table t (select int)
        select 1 over
        select 1 year
        select * from left
        select count(*) filter from t
        create schema if not
        drop type a b
        rollback to
    ";
    for text in lines(accepted) {
        assert_eq!(statement(text).err(), None, "{text}");
    }
    for text in lines(refused) {
        assert_eq!(statement(text).expect_err(text).code, "42601");
    }
    assert!(
        ["select", "left", "time", "user"]
            .into_iter()
            .all(is_keyword_reserved)
    );
    assert!(
        !["name", "value", "orders"]
            .into_iter()
            .any(is_keyword_reserved)
    );
}

#[test]
fn a_word_that_could_be_an_operator_names_the_column_that_ends_behind_it() {
    let accepted = "
        select 1 is
        select a and, b or, c in from t
        select a or b and c or where d
        select a like b and order by 1
        select (select a between), -b similar
        select a + b ilike from t
        select a collate union select b at limit 1
        insert into t values (1) returning a is, b not
    ";
    // An operand has no name; and some words are none without `AS`.
    let refused = "
        select not a is
        select a or b and
        select a + b collate
        select a like b between
        select 1 overlaps
        select (a is)
        select a from t where b and
    ";
    for text in lines(accepted) {
        assert_eq!(statement(text).err(), None, "{text}");
    }
    for text in lines(refused) {
        let code = statement(text).err().map(|error| error.code);
        assert_eq!(code.as_deref(), Some("42601"), "{text}");
    }
}

#[test]
fn what_later_versions_or_nobody_needs_is_refused_by_name() {
    let refused = "
        drop type a[]
        drop type numeric(3) cascade
        drop type level array
        select f(a) 'text'
        select f(1, lower(b)) 'text'
        create table t (a int, b int generated always as (a * 2))
        create table t (a int, b int generated always as (a * 2) virtual)
        alter table t add b int generated always as (a * 2), add c int
        create table t (a text storage plain)
    ";
    for text in lines(refused) {
        let error = statement(text).expect_err(text);
        assert_eq!(error.code, "0A000", "{text}");
        assert!(error.span.is_some(), "{text}");
    }
    let no_constants = "
        select f() 'text'
        select f(*) 'text'
        select f(distinct 1) 'text'
        select f(a => 1) 'text'
        select f(1) over w 'text'
    ";
    for text in lines(no_constants) {
        assert_eq!(statement(text).expect_err(text).code, "42601", "{text}");
    }
}

#[test]
fn begin_opens_a_block_before_atomic_only() {
    let text = "create function f() returns int set a to b, begin return 1; end";
    assert_eq!(split(text).len(), 2);
    assert_eq!(script(text).map(|all| all.len()), Ok(2));
    let text = "create function f() returns int begin atomic select 1; select 2; end; end";
    assert_eq!(split(text).len(), 2);
}

#[test]
fn zero_bytes_are_in_no_constant_and_in_no_name() {
    for text in [
        "select 'a\0'",
        "select $$a\0$$",
        "select $x$\0$x$",
        "select 1 \"a\0\"",
    ] {
        let error = statement(text).expect_err(text);
        assert_eq!(error.code, "22021", "{text}");
        assert!(error.span.is_some(), "{text}");
    }
}

#[test]
fn a_script_is_cut_at_its_top_level_semicolons() {
    let text = r"-- first
select ';' ; ;
/* ; */ create rule r as on insert to t do (select 1; select 2);
create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end;
do $$ begin; end $$; copy t from stdin;
1;2
\.
select bad syntax from ; select 'open";
    let parts: Vec<&str> = split(text).into_iter().map(|range| &text[range]).collect();
    expect![[r#"
        [
            "-- first\nselect ';'",
            "/* ; */ create rule r as on insert to t do (select 1; select 2)",
            "create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end",
            "do $$ begin; end $$",
            "copy t from stdin",
            "select bad syntax from",
            "select 'open",
        ]
    "#]].assert_debug_eq(&parts);
}

#[test]
fn a_script_gives_every_statement_with_its_place() {
    let text = " select 1;\n\ninsert into t values (2) ;";
    let found = script(text).unwrap();
    let place = |parsed: &Parsed| &text[parsed.span.start as usize..parsed.span.end as usize];
    assert_eq!(
        found.iter().map(place).collect::<Vec<_>>(),
        ["select 1", "insert into t values (2)"]
    );
    assert_eq!(statement("select 1; select 2").unwrap_err().code, "42601");
    assert_eq!(
        statement("").unwrap_err().message,
        "syntax error at end of input"
    );
    assert_eq!(
        script("select 1;; select 2 +;").unwrap_err().message,
        "syntax error at or near \";\""
    );
}

fn check_expressions(table: &str, expected: &Expect) {
    check(
        table,
        |text| expression(text).map(|expr| shape(&expr)),
        expected,
    );
}

/// One line of result for each line of the table.
fn check(table: &str, read: impl Fn(&str) -> Result<String, SqlError>, expected: &Expect) {
    let mut actual = String::new();
    for line in lines(table) {
        match read(line) {
            Ok(result) => writeln!(actual, "{result}"),
            Err(error) => writeln!(actual, "{line}: {error}"),
        }
        .unwrap();
    }
    expected.assert_eq(&actual);
}

fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().map(str::trim).filter(|line| !line.is_empty())
}
