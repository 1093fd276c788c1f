//! `DROP`, and what goes with it.

use expect_test::expect;

use super::{check, says};

#[test]
fn what_depends_is_named() {
    check(
        r#"
        create table p(a int primary key, b text unique, c int, d int, unique(c,d));
        create table c(pa int references p, pb text references p(b), x int, y int, foreign key (x,y) references p(c,d));
        create view v as select * from c;
        create view v2 as select pa from v;
        drop table p;
        drop table p cascade;
        drop table p;
        drop table if exists p;
        drop view c;
        drop sequence c;
        drop table v;
        drop table c;
        drop table c cascade;
        drop table x.y;
        drop table if exists x.y;
        "#,
        expect![[r#"
            > create table p
            > create table c
            ERROR:  2BP01: cannot drop table p because other objects depend on it
            DETAIL:  constraint c_pa_fkey on table c depends on table p
            constraint c_pb_fkey on table c depends on table p
            constraint c_x_y_fkey on table c depends on table p
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to 3 other objects
            DETAIL:  drop cascades to constraint c_pa_fkey on table c
            drop cascades to constraint c_pb_fkey on table c
            drop cascades to constraint c_x_y_fkey on table c
            > drop table p
            ERROR:  42P01: table "p" does not exist
            NOTICE:  00000: table "p" does not exist, skipping
            ERROR:  42809: "c" is not a view
            HINT:  Use DROP TABLE to remove a table.
            ERROR:  42809: "c" is not a sequence
            HINT:  Use DROP TABLE to remove a table.
            ERROR:  42809: "v" is not a table
            HINT:  Use DROP VIEW to remove a view.
            ERROR:  2BP01: cannot drop table c because other objects depend on it
            DETAIL:  view v depends on table c
            view v2 depends on view v
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to 2 other objects
            DETAIL:  drop cascades to view v
            drop cascades to view v2
            > drop table c
            ERROR:  3F000: schema "x" does not exist
            NOTICE:  00000: schema "x" does not exist, skipping
            --
        "#]],
    );
}

#[test]
fn a_column_takes_its_own_with_it() {
    check(
        r#"
        create table p(a int primary key, b text unique, c int check (c>0), d serial);
        create index pi on p(lower(b), c);
        create table q(pa int references p);
        create view v as select a, b from p;
        create view v2 as select a from v;
        alter table p drop column a;
        alter table p drop column b;
        alter table p drop column a cascade;
        alter table p drop column c, drop column d;
        alter table p drop column b;
        "#,
        expect![[r#"
            > create sequence p_d_seq
            > create table p
            > create index pi on p
            > create table q
            ERROR:  2BP01: cannot drop column a of table p because other objects depend on it
            DETAIL:  constraint q_pa_fkey on table q depends on column a of table p
            view v depends on column a of table p
            view v2 depends on view v
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            ERROR:  2BP01: cannot drop column b of table p because other objects depend on it
            DETAIL:  view v depends on column b of table p
            view v2 depends on view v
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to 3 other objects
            DETAIL:  drop cascades to constraint q_pa_fkey on table q
            drop cascades to view v
            drop cascades to view v2
            > drop index p_pkey on p
            > drop column p.a
            > drop index pi on p
            > drop column p.c
            > drop sequence p_d_seq
            > drop column p.d
            > drop index p_b_key on p
            > drop column p.b
            --
            table p
            table q
              pa integer
        "#]],
    );
}

#[test]
fn policies_hold_what_they_read() {
    check(
        r#"
        create table q(a int);
        create table p(f int, g int);
        create policy pp on p using (f > 1);
        create policy pq on p using (exists (select 1 from q where q.a = g));
        alter table p drop column f;
        drop table q;
        drop table q cascade;
        drop table p;
        "#,
        expect![[r#"
            > create table q
            > create table p
            ERROR:  2BP01: cannot drop column f of table p because other objects depend on it
            DETAIL:  policy pp on table p depends on column f of table p
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            ERROR:  2BP01: cannot drop table q because other objects depend on it
            DETAIL:  policy pq on table p depends on table q
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to policy pq on table p
            > drop table q
            > drop table p
            --
        "#]],
    );
}

#[test]
fn sequences_hold_defaults() {
    check(
        r#"
        create sequence s;
        create table ts(a int default nextval('s'), b serial);
        create table other(a int default nextval('ts_b_seq'));
        drop sequence s;
        drop sequence s cascade;
        drop sequence ts_b_seq;
        drop table ts;
        drop table ts cascade;
        drop sequence nope;
        drop sequence if exists nope;
        "#,
        expect![[r#"
            > create sequence s
            > create sequence ts_b_seq
            > create table ts
            > create table other
            ERROR:  2BP01: cannot drop sequence s because other objects depend on it
            DETAIL:  default value for column a of table ts depends on sequence s
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to default value for column a of table ts
            > drop sequence s
            ERROR:  2BP01: cannot drop sequence ts_b_seq because other objects depend on it
            DETAIL:  default value for column b of table ts depends on sequence ts_b_seq
            default value for column a of table other depends on sequence ts_b_seq
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            ERROR:  2BP01: cannot drop table ts because other objects depend on it
            DETAIL:  default value for column a of table other depends on sequence ts_b_seq
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to default value for column a of table other
            > drop sequence ts_b_seq
            > drop table ts
            ERROR:  42P01: sequence "nope" does not exist
            NOTICE:  00000: sequence "nope" does not exist, skipping
            --
            table other
              a integer
        "#]],
    );
}

#[test]
fn functions_hold_policies_and_defaults() {
    check(
        r#"
        create table t(a int, b int);
        create function f(int) returns int immutable language sql as 'select 1';
        create function f(int, text) returns int language sql as 'select 1';
        create policy p on t using (f(a) = 1);
        create index fi on t(f(a));
        create view fv as select f(1) as x;
        create table ft(a int default f(1), check (f(a)>1));
        create table ftg(a int, b int generated always as (f(a)) stored);
        drop function f;
        drop function f(text);
        drop function if exists f(text);
        drop function nope;
        drop function if exists nope;
        drop function nope(nope);
        drop function if exists nope(nope);
        drop function f(int, text);
        drop function f(int) cascade;
        "#,
        expect![[r#"
            > create table t
            > create index fi on t
            > create table ft
            > create table ftg
            ERROR:  42725: function name "f" is not unique
            HINT:  Specify the argument list to select the function unambiguously.
            ERROR:  42883: function f(text) does not exist
            NOTICE:  00000: function f(text) does not exist, skipping
            ERROR:  42883: could not find a function named "nope"
            NOTICE:  00000: function nope() does not exist, skipping
            ERROR:  42704: type "nope" does not exist
            NOTICE:  00000: type "nope" does not exist, skipping
            NOTICE:  00000: drop cascades to 6 other objects
            DETAIL:  drop cascades to index fi
            drop cascades to policy p on table t
            drop cascades to view fv
            drop cascades to default value for column a of table ft
            drop cascades to constraint ft_a_check on table ft
            drop cascades to column b of table ftg
            > drop column ftg.b
            > drop index fi on t
            --
            table ft
              a integer
            table ftg
              a integer
            table t
              a integer
              b integer
        "#]],
    );
}

#[test]
fn types_hold_columns() {
    check(
        r#"
        create type e as enum ('a','b');
        create table te(x e default 'a', z int, constraint cc check (x <> 'b'));
        create view ve as select x from te;
        create function fe(e) returns e language sql as 'select $1';
        drop type e;
        drop type e cascade;
        drop type nope;
        drop type if exists nope;
        drop type te;
        drop type int4;
        "#,
        expect![[r#"
            > create table te
            ERROR:  2BP01: cannot drop type e because other objects depend on it
            DETAIL:  column x of table te depends on type e
            view ve depends on column x of table te
            function fe(e) depends on type e
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to 3 other objects
            DETAIL:  drop cascades to column x of table te
            drop cascades to view ve
            drop cascades to function fe(e)
            > drop column te.x
            ERROR:  42704: type "nope" does not exist
            NOTICE:  00000: type "nope" does not exist, skipping
            ERROR:  2BP01: cannot drop type te because table te requires it
            HINT:  You can drop table te instead.
            ERROR:  2BP01: cannot drop type integer because it is required by the database system
            --
            table te
              z integer
        "#]],
    );
}

#[test]
fn schemas_hold_everything_in_them() {
    check(
        r#"
        create schema s1;
        create table s1.t(a int);
        create view vs1 as select * from s1.t;
        create type s1.e as enum ('x');
        drop schema s1;
        drop schema s1 cascade;
        drop schema s1;
        drop schema if exists s1;
        drop schema pg_catalog;
        "#,
        expect![[r#"
            > create table s1.t
            ERROR:  2BP01: cannot drop schema s1 because other objects depend on it
            DETAIL:  table s1.t depends on schema s1
            view vs1 depends on table s1.t
            type s1.e depends on schema s1
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to 3 other objects
            DETAIL:  drop cascades to table s1.t
            drop cascades to view vs1
            drop cascades to type s1.e
            > drop table s1.t
            ERROR:  3F000: schema "s1" does not exist
            NOTICE:  00000: schema "s1" does not exist, skipping
            ERROR:  2BP01: cannot drop schema pg_catalog because it is required by the database system
            --
        "#]],
    );
}

#[test]
fn indexes_of_constraints_stay() {
    check(
        r#"
        create table k(a int primary key, b int);
        create index ii on k(a);
        drop index k_pkey;
        drop index ii, nope;
        drop index if exists nope, ii;
        drop index k;
        "#,
        expect![[r#"
            > create table k
            > create index ii on k
            ERROR:  2BP01: cannot drop index k_pkey because constraint k_pkey on table k requires it
            HINT:  You can drop constraint k_pkey on table k instead.
            ERROR:  42704: index "nope" does not exist
            NOTICE:  00000: index "nope" does not exist, skipping
            > drop index ii on k
            ERROR:  42809: "k" is not an index
            HINT:  Use DROP TABLE to remove a table.
            --
            table k
              a integer not null
              b integer
              k_pkey primary key ["a"]
        "#]],
    );
}

#[test]
fn several_at_once() {
    check(
        r#"
        create table a(x int primary key);
        create table b(x int references a);
        create view v as select x from b;
        drop table a, b;
        drop table a, b cascade;
        "#,
        expect![[r#"
            > create table a
            > create table b
            ERROR:  2BP01: cannot drop desired object(s) because other objects depend on them
            DETAIL:  view v depends on table b
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            NOTICE:  00000: drop cascades to view v
            > drop table a
            > drop table b
            --
        "#]],
    );
}

#[test]
fn policies_and_triggers_that_are_not_there() {
    says(
        r#"
        create table p(a int);
        create view v as select a from p;
        drop policy zz on p;
        drop policy if exists zz on p;
        drop policy if exists zz on nope;
        drop policy zz on nope;
        drop trigger zz on p;
        drop trigger if exists zz on p;
        drop function if exists f(int);
        "#,
        expect![[r#"
            ERROR:  42704: policy "zz" for table "p" does not exist
            NOTICE:  00000: policy "zz" for relation "p" does not exist, skipping
            NOTICE:  00000: relation "nope" does not exist, skipping
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  42704: trigger "zz" for table "p" does not exist
            NOTICE:  00000: trigger "zz" for relation "p" does not exist, skipping
            NOTICE:  00000: function f(integer) does not exist, skipping
        "#]],
    );
}
