//! What is stored follows what is renamed.

use expect_test::expect;

use super::check;

#[test]
fn views_follow_a_renamed_table_and_column() {
    check(
        r#"
        create table rr(a int, b int);
        create view rv as select * from rr;
        create view rv2 as select a+1 as k, count(*) from rr join (select b as z from rr) q on q.z=rr.a group by 1 order by k;
        alter table rr rename a to aaa;
        alter table rr rename to rrr;
        create view rv3 as select a from rv;
        alter view rv rename to rv_new;
        alter view rv_new rename column a to c;
        "#,
        expect![[r#"
            > create table rr
            > rename column rr.a to aaa
            > rename table rr to rrr
            --
            table rrr
              aaa integer
              b integer
            view rv2
              k integer
              count bigint
              as SELECT rr.aaa + 1 AS k, count(*) FROM public.rrr AS rr JOIN (SELECT rr.b AS z FROM public.rrr AS rr) AS q ON q.z = rr.aaa GROUP BY 1 ORDER BY k
            view rv3
              a integer
              as SELECT rv.c AS a FROM public.rv_new AS rv
            view rv_new
              c integer
              b integer
              as SELECT rr.aaa AS c, rr.b FROM public.rrr AS rr
        "#]],
    );
}

#[test]
fn policies_follow() {
    check(
        r#"
        create table rrr(aaa int, b int);
        create table rr2(x int);
        create policy pol on rrr using (exists (select 1 from rr2 where x = aaa and rr2.x = rrr.b));
        alter table rrr rename to r5;
        alter table rr2 rename x to y;
        alter table rr2 rename to rr3;
        alter table r5 rename b to bb;
        "#,
        expect![[r#"
            > create table rrr
            > create table rr2
            > rename table rrr to r5
            > rename column rr2.x to y
            > rename table rr2 to rr3
            > rename column r5.b to bb
            --
            table r5
              aaa integer
              bb integer
              policy pol All ["public"] using EXISTS (SELECT 1 FROM public.rr3 AS rr2 WHERE (rr2.y = r5.aaa) AND (rr2.y = r5.bb))
            table rr3
              y integer
        "#]],
    );
}

#[test]
fn tables_follow() {
    check(
        r#"
        create table t(a int check (t.a > 0), b text, g int generated always as (a+1) stored, unique (a,b), s serial);
        create index on t(lower(b)) where a > 1;
        create table u(x int, y text, foreign key (x,y) references t(a,b));
        alter table t rename a to aa;
        alter table t rename to tt;
        alter table tt rename s to ss;
        "#,
        expect![[r#"
            > create sequence t_s_seq
            > create table t
            > create index t_lower_idx on t
            > create table u
            > rename column t.a to aa
            > rename table t to tt
            > rename column tt.s to ss
            --
            table tt
              aa integer
              b text
              g integer generated aa + 1
              ss integer not null default nextval('public.t_s_seq'::regclass)
              t_a_check check aa > 0
              t_a_b_key unique ["aa", "b"]
              index t_lower_idx (lower(b)) where aa > 1
            table u
              x integer
              y text
              u_x_y_fkey foreign key ["x", "y"] tt ["aa", "b"]
            sequence t_s_seq of tt.ss
        "#]],
    );
}

#[test]
fn a_new_schema_takes_sequences_along() {
    check(
        r#"
        create schema s2;
        create table t(a serial primary key, b int references t);
        create view v as select t.a from t where exists (select from t x where x.a = t.b);
        alter table t set schema s2;
        "#,
        expect![[r#"
            > create sequence t_a_seq
            > create table t
            > rename table t to s2.t
            > rename sequence t_a_seq to s2.t_a_seq
            --
            schema s2 [postgres:UC]
            view v
              a integer
              as SELECT t.a FROM s2.t WHERE EXISTS (SELECT FROM s2.t AS x WHERE x.a = t.b)
            table s2.t
              a integer not null default nextval('s2.t_a_seq'::regclass)
              b integer
              t_pkey primary key ["a"]
              t_b_fkey foreign key ["b"] s2.t ["a"]
            sequence s2.t_a_seq of s2.t.a
        "#]],
    );
}

#[test]
fn a_schema_is_renamed() {
    check(
        r#"
        create schema s1;
        create type s1.e as enum ('x','y');
        create table s1.t(a serial, e s1.e default 'x'::s1.e);
        create function s1.f(s1.e) returns int language sql as 'select 1';
        create view v as select s1.f(e) as f from s1.t;
        alter schema s1 rename to s9;
        "#,
        expect![[r#"
            > create sequence s1.t_a_seq
            > create table s1.t
            > rename table s1.t to s9.t
            > rename sequence s1.t_a_seq to s9.t_a_seq
            --
            schema s9 [postgres:UC]
            enum s9.e ["x", "y"]
            view v
              f integer
              as SELECT s9.f(t.e) AS f FROM s9.t
            table s9.t
              a integer not null default nextval('s9.t_a_seq'::regclass)
              e s9.e default 'x'::s9.e
            sequence s9.t_a_seq of s9.t.a
            function s9.f(- s9.e) integer [postgres:X public:X]
        "#]],
    );
}

#[test]
fn enums_are_renamed() {
    check(
        r#"
        create type e as enum ('a','b');
        create table t(e e default 'a'::e, es e[]);
        create view v as select 'a'::e as x from t;
        alter type e rename to e2;
        alter type e2 rename value 'a' to 'z';
        alter type e2 rename to t;
        "#,
        expect![[r#"
            > create table t
            > rename label a to z of e2
            ERROR:  42710: type "t" already exists
            --
            enum e2 ["z", "b"]
            table t
              e e2 default 'a'::public.e2
              es e2[]
            view v
              x e2
              as SELECT 'a'::public.e2 AS x FROM public.t
        "#]],
    );
}

#[test]
fn a_merged_column_keeps_its_name_in_a_join() {
    check(
        r#"
        create table a(id int, x int);
        create table b(id int, y int);
        create view v as select * from a join b using (id);
        create view n as select id, x, y from a natural join b;
        alter table a rename id to aid;
        alter table b add column x int;
        "#,
        expect![[r#"
            > create table a
            > create table b
            > rename column a.id to aid
            > add column b.x
            --
            table a
              aid integer
              x integer
            table b
              id integer
              y integer
              x integer
            view n
              id integer
              x integer
              y integer
              as SELECT id, a.x, b.y FROM public.a AS a (id, x) JOIN public.b USING (id)
            view v
              id integer
              x integer
              y integer
              as SELECT id, a.x, b.y FROM public.a AS a (id, x) JOIN public.b USING (id)
        "#]],
    );
}

#[test]
fn stored_stars_do_not_grow() {
    check(
        r#"
        create table t(a int, b int);
        create view v as select * from t;
        create view w as select q.*, t.a as z from t, (select * from t) q;
        create view x as select t.* from t where a in (select b from t);
        create view y as with cte as (select * from t) select * from cte order by a;
        alter table t add column c int;
        alter table t rename a to aa;
        "#,
        expect![[r#"
            > create table t
            > add column t.c
            > rename column t.a to aa
            --
            table t
              aa integer
              b integer
              c integer
            view v
              a integer
              b integer
              as SELECT t.aa AS a, t.b FROM public.t
            view w
              a integer
              b integer
              z integer
              as SELECT q.a, q.b, t.aa AS z FROM public.t, (SELECT t.aa AS a, t.b FROM public.t) AS q
            view x
              a integer
              b integer
              as SELECT t.aa AS a, t.b FROM public.t WHERE t.aa IN (SELECT t.b FROM public.t)
            view y
              a text
              b text
              as WITH cte AS (SELECT t.aa AS a, t.b FROM public.t) SELECT cte.a, cte.b FROM cte ORDER BY a
        "#]],
    );
}

#[test]
fn aliases_stay_where_they_are() {
    check(
        r#"
        create table t(a int, b int, c int);
        create view v as select q.y from t as q(x, y);
        alter table t rename b to bb;
        alter table t drop column a;
        "#,
        expect![[r#"
            > create table t
            > rename column t.b to bb
            > drop column t.a
            --
            table t
              bb integer
              c integer
            view v
              y text
              as SELECT q.y FROM public.t AS q (y)
        "#]],
    );
}

#[test]
fn sequences_are_renamed() {
    check(
        r#"
        create sequence s;
        create table t(a int default nextval('s'), b serial, i int generated always as identity);
        alter sequence s rename to s2;
        alter sequence t_b_seq rename to "Odd name";
        alter sequence t_i_seq rename to ti;
        "#,
        expect![[r#"
            > create sequence s
            > create sequence t_b_seq
            > create sequence t_i_seq
            > create table t
            > rename sequence s to s2
            > rename sequence t_b_seq to Odd name
            > rename sequence t_i_seq to ti
            --
            table t
              a integer default nextval('public.s2'::regclass)
              b integer not null default nextval('public."Odd name"'::regclass)
              i integer not null identity always ti
            sequence Odd name of t.b
            sequence s2
            sequence ti of t.i
        "#]],
    );
}
