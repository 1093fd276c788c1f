//! `parse(print(tree)) == tree`, and the text itself where it is not obvious.

use crate::{parse, print};

/// The text survives a round trip: what is printed parses to the same tree.
fn same(sql: &str) {
    let tree = parse::statement(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = print::statement(&tree);
    let again = parse::statement(&text)
        .unwrap_or_else(|error| panic!("{sql}\n printed as {text}: {error}"));
    assert_eq!(tree, again, "{sql}\n printed as {text}");
}

fn same_expr(sql: &str) {
    let tree = parse::expression(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = print::expr(&tree);
    let again = parse::expression(&text)
        .unwrap_or_else(|error| panic!("{sql}\n printed as {text}: {error}"));
    assert_eq!(tree, again, "{sql}\n printed as {text}");
}

fn prints(sql: &str, expected: &str) {
    assert_eq!(print::expr(&parse::expression(sql).unwrap()), expected);
}

#[test]
fn expressions_survive() {
    for sql in [
        "null",
        "true",
        "1.50",
        "1e10",
        "'it''s'",
        "'a\\b'",
        "$3",
        "a",
        "t.a",
        "s.t.a",
        "\"User\"",
        "\"select\"",
        "- 1",
        "- - 1",
        "+ a",
        "~ b",
        "@ c",
        "-a::int",
        "(-a)::int",
        "a::numeric(10,2)::text",
        "cast(a as varchar(3)[])",
        "a::timestamp with time zone",
        "a::timestamp(3)",
        "a::interval",
        "a::double precision",
        "a::char(3)",
        "a::auth.level[]",
        "a and b and c or not d",
        "a and (b or c)",
        "a and (b and c)",
        "a - (b - c) - d",
        "a || b || c",
        "a || (b || c)",
        "a + b * c",
        "(a + b) * c",
        "a = b",
        "(a = b) = c",
        "a <> b",
        "a != b",
        "a ->> 'x' = 'y'",
        "a -> 'x' -> 'y' ->> 0",
        "a #>> '{x,y}'",
        "a @> b",
        "a ~* 'x'",
        "a is null",
        "a + 1 is not null",
        "a isnull",
        "a is not true",
        "a is unknown",
        "a is distinct from b",
        "a is not distinct from b + 1",
        "a like 'x%'",
        "a not ilike 'x' || '%' escape '!'",
        "a similar to 'x'",
        "a between 1 and 2",
        "a not between symmetric b + 1 and c",
        "a in (1, 2)",
        "a not in (1)",
        "a in (select 1)",
        "(a, b) in (select 1, 2)",
        "(a, b) = (1, 2)",
        "a = any ('{1,2}'::int[])",
        "a <> all ($1)",
        "a like any (array['x', 'y'])",
        "a = any (select b from c)",
        "a > all (select b from c)",
        "exists (select 1 from t where t.a = u.a)",
        "(select max(a) from t)",
        "array(select a from t order by a)",
        "array[1, 2]",
        "array[array[1], array[2]]",
        "array[]::int[]",
        "row(1)",
        "row()",
        "row(1, 'a')",
        "case when a then 1 else 2 end",
        "case a when 1 then 'x' when 2 then 'y' end",
        "count(*)",
        "count(distinct a)",
        "array_agg(a order by b desc nulls last, c)",
        "sum(a) filter (where b > 0)",
        "percentile_cont(0.5) within group (order by a)",
        "row_number() over (partition by a order by b)",
        "sum(a) over w",
        "sum(a) over (w rows between 1 preceding and current row)",
        "sum(a) over (order by b range unbounded preceding exclude ties) + 1",
        "coalesce(a, b, 'c')",
        "nullif(a, 0)",
        "greatest(a, b)",
        "least(a, b)",
        "current_date",
        "current_timestamp",
        "current_user",
        "session_user",
        "localtime",
        "extract(year from a)",
        "extract(epoch from a - b)",
        "position('a' in b)",
        "substring(a from 1 for 2)",
        "trim(both 'x' from a)",
        "trim(a)",
        "overlay(a placing b from 1 for 2)",
        "left(a, 1)",
        "right(a, 1)",
        "auth.uid()",
        "f(x => 1, y => 'a')",
        "f(variadic array[1, 2])",
        "a[1]",
        "a[1][2]",
        "a[1:2]",
        "a[:2]",
        "a[1:]",
        "a[:]",
        "(f(a))[1]",
        "(string_to_array(a, ','))[2]",
        "(t.a).b",
        "(f(x)).y",
        "a collate \"C\"",
        "a at time zone 'UTC'",
        "(a at time zone 'UTC')::date",
        "interval '1 day'",
        "date '2024-01-01'",
        "now() - interval '1 day' * 3",
        "not exists (select 1)",
        "not a = b",
        "(not a) = b",
        "count(t.*)",
        "a = b and c < d or e is null and not f in (1, 2)",
    ] {
        same_expr(sql);
    }
}

#[test]
fn operands_that_are_not_single_stand_in_parentheses() {
    prints("a + b * c", "a + (b * c)");
    prints("a and b and c or d", "(a AND b AND c) OR d");
    prints("-a::int", "- (a::int4)");
    prints("extract(year from x) = 2024", "extract(year FROM x) = 2024");
    prints("CURRENT_DATE - 1", "current_date - 1");
    prints("\"Name\" || 'x'", "\"Name\" || 'x'");
}

#[test]
fn a_long_chain_does_not_nest_deeply() {
    for op in [" and ", " or ", " || "] {
        for terms in [2, 16, 100] {
            same_expr(&vec!["a"; terms].join(op));
        }
    }
    // The parser balances what is longer still, so the parentheses stay shallow.
    let sql = vec!["a"; 5000].join(" and ");
    same_expr(&sql);
    let text = print::expr(&parse::expression(&sql).unwrap());
    assert!(!text.contains("((((((((((((((((("));
}

#[test]
fn queries_survive() {
    for sql in [
        "select 1",
        "select",
        "select a, b as c, t.*, * from t",
        "select distinct a from t",
        "select distinct on (a, b) a, c from t order by a, b, c desc nulls first limit 10 offset 5",
        "select * from a, b as x, s.c as y (p, q)",
        "select * from a join b on a.x = b.x left join c using (y, z) cross join d natural join e",
        "select * from a left join (b join c on b.x = c.x) on a.y = b.y",
        "select * from a full outer join b on true right join c on false",
        "select * from (select 1 as a) as t, lateral (select t.a) as u",
        "select * from generate_series(1, 3) with ordinality as g (v, n)",
        "select * from json_to_record('{}') as x (a int, b text)",
        "select * from unnest($1::int[]) as u",
        "select a, count(*) from t where b group by a having count(*) > 1",
        "select a from t group by rollup (a, b), cube (c), grouping sets ((), a)",
        "select sum(a) over w from t window w as (partition by b order by c)",
        "values (1, 'a'), (2, default)",
        "select 1 union select 2 union all select 3",
        "select 1 union (select 2 union all select 3)",
        "select 1 union select 2 intersect select 3",
        "(select 1 union select 2) intersect select 3",
        "select 1 except all select 2 order by 1 limit 3",
        "(select 1 order by 1 limit 1) union all (select 2 order by 1 limit 1)",
        "with a as (select 1), b (x) as materialized (select 2) select * from a, b",
        "with recursive t (n) as (values (1) union all select n + 1 from t where n < 5) select * from t",
        "with d as (delete from t where a returning *) insert into u select * from d",
        "select * from t for update",
        "select a in (select b from c where c.d = t.e) from t",
    ] {
        same(sql);
    }
}

#[test]
fn row_changes_survive() {
    for sql in [
        "insert into t default values",
        "insert into s.t as x (a, b) values (1, default), (2, 'b') returning *, x.a as c",
        "insert into t (a) overriding system value select a from u",
        "insert into t (a, b) values (1, 2) on conflict do nothing",
        "insert into t (a) values (1) on conflict (a, lower(b)) where c do update set a = excluded.a, b = default \
         where t.a > 1 returning a",
        "insert into t (a) values (1) on conflict on constraint k do nothing",
        "update t set a = 1, b = b + 1 where c returning a",
        "update t as x set (a, b) = (1, 2), (c) = (select 3) from u where u.id = x.id",
        "delete from t",
        "delete from t as x using u, v where u.id = x.id returning x.*",
        "truncate a, b restart identity cascade",
    ] {
        same(sql);
    }
}

#[test]
fn schema_changes_survive() {
    for sql in [
        "create table t ()",
        "create table if not exists s.t (id bigint generated always as identity primary key, a text not null \
         default 'x' || 'y' check (a <> ''), b int constraint u unique, c uuid references auth.users (id) on delete \
         cascade on update set null deferrable initially deferred, d int generated always as (b * 2) stored, \
         e text collate \"C\", f serial, g numeric(10,2) default -1, constraint k check (b > 0), unique (a, b), \
         foreign key (a, b) references o (x, y) match full on delete set default, primary key (id))",
        "create temporary table t as select 1 as a",
        "alter table if exists t add column if not exists a int not null default 0, drop column b cascade, \
         alter column c set default now(), alter column d drop default, alter column e set not null, \
         alter column f drop not null, alter column g type bigint using g::bigint, add constraint k unique (a), \
         drop constraint if exists m, enable row level security, force row level security",
        "alter table t rename to u",
        "alter table t rename column a to b",
        "alter table t rename constraint a to b",
        "alter table t owner to postgres",
        "alter table t set schema s",
        "alter table t add foreign key (a) references u (b) not valid",
        "alter table t validate constraint k",
        "alter table t alter column a add generated by default as identity (start with 5 increment by 2)",
        "alter table t alter column a add generated always as identity (sequence name s.t_a_seq start with 1 cache 1)",
        "alter view v set (security_invoker = true)",
        "create unique index if not exists i on s.t using btree (a desc nulls last, lower(b), (c + 1)) where d is null",
        "create index on t (a text_pattern_ops)",
        "create or replace view v (a, b) with (security_invoker = true) as select 1, 2",
        "create sequence if not exists s as bigint increment by -1 minvalue -10 no maxvalue start with -1 cache 2 no \
         cycle owned by t.a",
        "alter sequence s restart with 10",
        "create schema if not exists s authorization postgres",
        "create type mood as enum ('sad', 'it''s ok')",
        "alter type mood add value if not exists 'happy' after 'sad'",
        "alter type mood rename value 'a' to 'b'",
        "drop table if exists a, s.b cascade",
        "drop function f(int, text), g",
        "drop policy if exists p on t",
        "drop trigger p on t",
        "comment on table t is 'it''s'",
        "comment on column s.t.a is null",
        "comment on policy p on t is 'x'",
    ] {
        same(sql);
    }
}

#[test]
fn functions_policies_and_privileges_survive() {
    for sql in [
        "create or replace function s.f(a int, b text default 'x', variadic c int[]) returns setof t language sql \
         stable strict security definer set search_path = '' as $$ select 1 $$",
        "create function f(out a int, out b int) language sql as 'select 1, $1'",
        "create function f() returns table (a int, b text) language plpgsql as $$ begin return; end $$",
        "create function f() returns int language sql return 1",
        "create trigger g after insert or update of a, b on t for each row when (old.a is distinct from new.a) \
         execute function f('x', 'y')",
        "create policy \"Own rows\" on t as restrictive for update to authenticated, anon using (auth.uid() = owner) \
         with check (true)",
        "create policy p on t using ((select auth.uid()) = owner)",
        "alter policy p on t rename to q",
        "alter policy p on t to public using (a)",
        "create role r nologin noinherit bypassrls in role a, b",
        "grant select, insert (a, b) on t, u to anon, authenticated with grant option",
        "grant all on all tables in schema public to service_role",
        "grant usage on schema public to anon",
        "grant execute on function f(int), g to public",
        "revoke all on t from public cascade",
        "grant anon to authenticator",
        "alter default privileges for role postgres in schema public grant all on tables to anon",
        "begin",
        "commit",
        "rollback to savepoint a",
        "set local search_path to public, extensions",
        "set role anon",
        "set request.jwt.claims to '{}'",
        "reset role",
        "reset all",
        "show search_path",
        "do $$ begin null; end $$",
    ] {
        same(sql);
    }
}
