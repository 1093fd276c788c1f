//! Views.

use expect_test::expect;

use super::{check, says};

#[test]
fn a_replacement_only_adds() {
    check(
        r#"
        create view v as select 1 as a, 2 as b;
        create view v as select 1 as a;
        create or replace view v as select 1 as a;
        create or replace view v as select 1 as a, 2 as c;
        create or replace view v as select 1 as a, 'x'::text as b;
        create or replace view v as select 1 as a, 2 as b, 3 as c;
        create view v3(x,y,z) as select 1, 2;
        create view v3(x) as select 1 as q,2 as r;
        create view v4 as select 1 as a, 2 as a;
        create view v7 as select 'x' as t;
        create table te(a int);
        create or replace view te as select 1 as a;
        "#,
        expect![[r#"
            ERROR:  42P07: relation "v" already exists
            ERROR:  42P16: cannot drop columns from view
            ERROR:  42P16: cannot change name of view column "b" to "c"
            HINT:  Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.
            ERROR:  42P16: cannot change data type of view column "b" from integer to text
            ERROR:  42601: CREATE VIEW specifies more column names than columns
            ERROR:  42701: column "a" specified more than once
            > create table te
            ERROR:  42809: "te" is not a view
            --
            table te
              a integer
            view v
              a integer
              b integer
              c integer
              as SELECT 1 AS a, 2 AS b, 3 AS c
            view v3
              x integer
              r integer
              as SELECT 1 AS x, 2 AS r
            view v7
              t text
              as SELECT 'x' AS t
        "#]],
    );
}

#[test]
fn options_of_views() {
    check(
        r#"
        create view a with (security_invoker) as select 1 as a;
        create view b with (security_invoker=on, security_barrier) as select 1 as a;
        create view c with (security_invoker=maybe) as select 1 as a;
        create view c with (nope=1) as select 1 as a;
        "#,
        expect![[r#"
            ERROR:  22023: invalid value for boolean option "security_invoker": maybe
            ERROR:  22023: unrecognized parameter "nope"
            --
            view a
              a integer
              as (invoker) SELECT 1 AS a
            view b
              a integer
              as (invoker) SELECT 1 AS a
        "#]],
    );
}

#[test]
fn views_that_are_not_done() {
    says(
        r#"
        create materialized view m as select 1 as a;
        create temporary view m as select 1 as a;
        create view m as select 1 as a with check option;
        "#,
        expect![[r#"
            ERROR:  0A000: CREATE MATERIALIZED VIEW is not supported
            HINT:  Use a view, or a table filled by a query.
            ERROR:  0A000: CREATE TEMPORARY VIEW is not supported
            HINT:  Use a WITH query.
            ERROR:  0A000: WITH CHECK OPTION is not supported
            HINT:  Use a policy or a CHECK constraint.
        "#]],
    );
}

#[test]
fn missing_and_wrong_views() {
    says(
        r#"
        create table t(a int);
        create view v as select nope from t;
        create view v as select 1 as a from nope;
        drop view nope;
        drop view if exists nope;
        drop view t;
        alter view nope rename to x;
        create view v as select a from t;
        alter view v rename to t;
        "#,
        expect![[r#"
            ERROR:  42703: column "nope" does not exist
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  42P01: view "nope" does not exist
            NOTICE:  00000: view "nope" does not exist, skipping
            ERROR:  42809: "t" is not a view
            HINT:  Use DROP TABLE to remove a table.
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  42P07: relation "t" already exists
        "#]],
    );
}

#[test]
fn a_view_cannot_read_itself() {
    check(
        r#"
        create view v as select 1 as a;
        create view w as select a from v;
        create or replace view v as select a from w;
        "#,
        expect![[r#"
            ERROR:  42P17: infinite recursion detected in rules for relation "v"
            --
            view v
              a integer
              as SELECT 1 AS a
            view w
              a integer
              as SELECT v.a FROM public.v
        "#]],
    );
}
