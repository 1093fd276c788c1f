//! Roles, privileges and policies.

use expect_test::expect;

use super::{check, play, says};
use crate::catalog::{AutoExpose, Privilege};

#[test]
fn tables_and_columns() {
    check(
        r#"
        create role r1;
        create table t(a int, b int);
        grant select on t to r1;
        grant update(b), insert(a) on t to r1;
        grant all on t to public;
        revoke all on t from public;
        revoke insert(a) on t from r1;
        revoke select on t from r1;
        "#,
        expect![[r#"
            > create table t
            --
            table t [postgres:rawdDxt]
              a integer
              b integer [r1:w]
            role r1 []
        "#]],
    );
}

#[test]
fn a_revoke_from_the_whole_reaches_columns() {
    check(
        r#"
        create role r1;
        create table t(a int, b int);
        grant select(a), update(b) on t to r1;
        revoke select on t from r1;
        revoke all on t from postgres;
        "#,
        expect![[r#"
            > create table t
            --
            table t [postgres:]
              a integer
              b integer [r1:w]
            role r1 []
        "#]],
    );
}

#[test]
fn grants_say_what_is_wrong() {
    says(
        r#"
        create role r1;
        create table t(a int, b int);
        grant all on t to nope;
        grant all on nope to r1;
        grant usage on t to r1;
        grant foo on t to r1;
        grant select(a,zz) on t to r1;
        grant delete(a) on t to r1;
        grant all on schema nope to r1;
        grant select on schema public to r1;
        grant execute on function nope() to r1;
        grant execute on function nope to r1;
        grant select on all tables in schema nope to r1;
        grant usage on sequence t to r1;
        grant usage on type nope to r1;
        grant select on sequence nope to r1;
        grant select on t to public with grant option;
        revoke all on t from nope;
        create sequence sq;
        grant create on sequence sq to r1;
        drop role r1;
        grant select on t to r1;
        "#,
        expect![[r#"
            ERROR:  42704: role "nope" does not exist
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  0LP01: invalid privilege type USAGE for table
            ERROR:  42601: unrecognized privilege type "foo"
            ERROR:  42703: column "zz" of relation "t" does not exist
            ERROR:  0LP01: invalid privilege type DELETE for column
            ERROR:  3F000: schema "nope" does not exist
            ERROR:  0LP01: invalid privilege type SELECT for schema
            ERROR:  42883: function nope() does not exist
            ERROR:  42883: could not find a function named "nope"
            ERROR:  3F000: schema "nope" does not exist
            ERROR:  42809: "t" is not a sequence
            ERROR:  42704: type "nope" does not exist
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  0LP01: grant options can only be granted to roles
            ERROR:  42704: role "nope" does not exist
            ERROR:  0LP01: invalid privilege type CREATE for sequence
            ERROR:  42704: role "r1" does not exist
        "#]],
    );
}

#[test]
fn everything_in_a_schema() {
    check(
        r#"
        create role r1;
        create table t(a serial);
        create view v as select a from t;
        create function f() returns int language sql as 'select 1';
        create schema s1;
        grant select on all tables in schema public to r1;
        grant usage on all sequences in schema public to r1;
        grant execute on all functions in schema public to r1;
        revoke execute on function f from public;
        grant usage, create on schema s1 to r1;
        "#,
        expect![[r#"
            > create sequence t_a_seq
            > create table t
            --
            schema s1 [postgres:UC r1:UC]
            table t [postgres:rawdDxt r1:r]
              a integer not null default nextval('public.t_a_seq'::regclass)
            view v [postgres:rawdDxt r1:r]
              a integer
              as SELECT t.a FROM public.t
            sequence t_a_seq of t.a [postgres:rwU r1:U]
            function f() integer [postgres:X r1:X]
            role r1 []
        "#]],
    );
}

#[test]
fn membership() {
    check(
        r#"
        create role r1;
        create role r1;
        create role r2 in role nope;
        create role r2 in role r1;
        create role public;
        create role pg_x;
        grant r1 to nope;
        grant nope to r1;
        grant r1 to r2;
        grant r2 to r1;
        grant r1 to r1;
        revoke r1 from r2;
        revoke r1 from r2;
        grant r1 to public;
        "#,
        expect![[r#"
            ERROR:  42710: role "r1" already exists
            ERROR:  42704: role "nope" does not exist
            ERROR:  42939: role name "public" is reserved
            ERROR:  42939: role name "pg_x" is reserved
            DETAIL:  Role names starting with "pg_" are reserved.
            ERROR:  42704: role "nope" does not exist
            ERROR:  42704: role "nope" does not exist
            NOTICE:  00000: role "r2" is already a member of role "r1"
            ERROR:  0LP01: role "r2" is a member of role "r1"
            ERROR:  0LP01: role "r1" is a member of role "r1"
            WARNING:  01000: role "r2" is not a member of role "r1"
            ERROR:  42704: role "public" does not exist
            --
            role r1 []
            role r2 []
        "#]],
    );
}

#[test]
fn roles_in_use_stay() {
    says(
        r#"
        create role r1;
        create role r2;
        create table t(a int);
        grant select on t to r1;
        create policy p on t to r2 using (true);
        alter default privileges in schema public grant select on tables to r1;
        drop role r1;
        drop role r2;
        drop role nope;
        drop role if exists nope;
        drop role postgres;
        "#,
        expect![[r#"
            ERROR:  2BP01: role "r1" cannot be dropped because some objects depend on it
            DETAIL:  privileges for table t
            privileges for default privileges on new relations belonging to role postgres in schema public
            ERROR:  2BP01: role "r2" cannot be dropped because some objects depend on it
            DETAIL:  target of policy p on table t
            ERROR:  42704: role "nope" does not exist
            NOTICE:  00000: role "nope" does not exist, skipping
            ERROR:  55006: current user cannot be dropped
        "#]],
    );
}

#[test]
fn only_owners_change_things() {
    says(
        r#"
        create role r1;
        create role r2;
        create table t(a int);
        create sequence sq;
        create function f(int) returns int language sql as 'select 1';
        create index fi on t(a);
        set role r1;
        create table zz(a int);
        create schema zz;
        alter table t add column c int;
        drop table t;
        create index on t(a);
        create policy x on t;
        grant select on t to r2;
        revoke select on t from r2;
        comment on table t is 'x';
        create view vt as select 1 as a;
        drop schema public;
        alter schema public rename to x;
        drop function f(int);
        drop sequence sq;
        create role r9;
        drop role r2;
        alter table t owner to r2;
        drop index fi;
        alter sequence sq restart;
        create type ty as enum();
        grant r1 to r2;
        alter default privileges for role postgres grant select on tables to r2;
        "#,
        expect![[r#"
            ERROR:  42501: permission denied for schema public
            ERROR:  42501: permission denied for database postgres
            ERROR:  42501: must be owner of table t
            ERROR:  42501: must be owner of table t
            ERROR:  42501: must be owner of table t
            ERROR:  42501: must be owner of table t
            ERROR:  42501: permission denied for table t
            ERROR:  42501: permission denied for table t
            ERROR:  42501: must be owner of table t
            ERROR:  42501: permission denied for schema public
            ERROR:  42501: must be owner of schema public
            ERROR:  42501: must be owner of schema public
            ERROR:  42501: must be owner of function f
            ERROR:  42501: must be owner of sequence sq
            ERROR:  42501: permission denied to create role
            ERROR:  42501: permission denied to drop role
            ERROR:  42501: must be owner of table t
            ERROR:  42501: must be owner of index fi
            ERROR:  42501: must be owner of sequence sq
            ERROR:  42501: permission denied for schema public
            ERROR:  42501: must have admin option on role "r1"
            ERROR:  42501: must be member of role "postgres"
        "#]],
    );
}

#[test]
fn default_privileges() {
    check(
        r#"
        create role r1;
        create role r2;
        alter default privileges revoke execute on functions from public;
        alter default privileges in schema public grant select on tables to r2;
        alter default privileges grant insert on tables to r2;
        create table dp(a serial);
        create function dpf() returns int language sql as 'select 1';
        alter default privileges for role nope grant select on tables to r1;
        alter default privileges in schema nope grant select on tables to r1;
        alter default privileges grant usage on tables to r1;
        alter default privileges in schema public grant usage on schemas to r1;
        alter default privileges grant execute on functions to public;
        alter default privileges in schema public revoke select on tables from r2;
        "#,
        expect![[r#"
            > create sequence dp_a_seq
            > create table dp
            ERROR:  42704: role "nope" does not exist
            ERROR:  3F000: schema "nope" does not exist
            ERROR:  0LP01: invalid privilege type USAGE for relation
            ERROR:  0LP01: cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS
            --
            table dp [postgres:rawdDxt r2:ra]
              a integer not null default nextval('public.dp_a_seq'::regclass)
            sequence dp_a_seq of dp.a
            function dpf() integer [postgres:X]
            role r1 []
            role r2 []
            default postgres - tables [postgres:rawdDxt r2:a]
        "#]],
    );
}

#[test]
fn policies() {
    check(
        r#"
        create role r1;
        create table p(f int);
        create view vv as select f from p;
        create policy pp on p using (f>1);
        create policy pp on p using (f>1);
        create policy pp2 on p for select with check (f>1);
        create policy pp2 on p for insert using (f>1);
        create policy pp2 on p for delete with check (f>1);
        create policy pp2 on p to nope;
        create policy pp2 on nope;
        create policy pp2 on vv;
        create policy pp2 on p using (f);
        create policy pp2 on p using (nope=1);
        create policy pp2 on p as restrictive for select to r1 using (exists(select 1 from p x));
        create policy pp3 on p to public, r1;
        create policy pp4 on p for insert to current_user with check (f > 1);
        alter policy zz on p using (true);
        alter policy pp on p rename to pp2;
        alter policy pp2 on p with check (true);
        alter policy pp4 on p using (true);
        alter policy pp2 on p to public using (f > 9);
        alter policy pp2 on p rename to pp9;
        "#,
        expect![[r#"
            > create table p
            ERROR:  42710: policy "pp" for table "p" already exists
            ERROR:  42601: WITH CHECK cannot be applied to SELECT or DELETE
            ERROR:  42601: only WITH CHECK expression allowed for INSERT
            ERROR:  42601: WITH CHECK cannot be applied to SELECT or DELETE
            ERROR:  42704: role "nope" does not exist
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  42809: "vv" is not a table
            ERROR:  42804: argument of POLICY must be type boolean, not type integer
            ERROR:  42703: column "nope" does not exist
            WARNING:  01000: ignoring specified roles other than PUBLIC
            HINT:  All roles are members of the PUBLIC role.
            ERROR:  42704: policy "zz" for table "p" does not exist
            ERROR:  42710: policy "pp2" for table "p" already exists
            ERROR:  42601: only USING expression allowed for SELECT, DELETE
            ERROR:  42601: only WITH CHECK expression allowed for INSERT
            --
            table p
              f integer
              policy pp All ["public"] using f > 1
              policy pp9 Select ["public"] using f > 9
              policy pp3 All ["public"]
              policy pp4 Insert ["postgres"] check f > 1
            view vv
              f integer
              as SELECT p.f FROM public.p
            role r1 []
        "#]],
    );
}

#[test]
fn role_attributes() {
    says(
        r#"
        create role cr createrole;
        set role cr;
        create role r6 superuser;
        create role r6 bypassrls;
        create role r6;
        drop role r6;
        drop role cr;
        drop role postgres;
        create role r4 login;
        alter role r4 superuser;
        alter role r4 nologin;
        alter role postgres login;
        set role r4;
        alter role r4 login;
        "#,
        expect![[r#"
            ERROR:  42501: must be superuser to create superusers
            ERROR:  42501: must be superuser to create bypassrls users
            ERROR:  55006: current user cannot be dropped
            ERROR:  42501: must be superuser to drop superusers
            ERROR:  42501: must be superuser to alter superuser roles or change superuser attribute
            ERROR:  42501: must be superuser to alter superuser roles or change superuser attribute
            ERROR:  42501: permission denied
        "#]],
    );
}

/// Who may read each table of the script, and use its sequence, under each setting.
fn reads(script: &str, table: &str) -> [String; 3] {
    let roles = "create role anon; create role authenticated; create role service_role bypassrls; create role other;";
    let (mut catalog, said) = play(&format!("{roles} {script}"), false);
    assert_eq!(said, "");
    [AutoExpose::Protected, AutoExpose::All, AutoExpose::None].map(|auto_expose| {
        catalog.auto_expose = auto_expose;
        let relation = catalog
            .relations
            .values()
            .find(|relation| relation.name.name == table)
            .unwrap();
        let readers = catalog
            .roles
            .keys()
            .filter(|role| catalog.may(role, relation, Privilege::Select));
        readers
            .filter(|role| *role != "postgres")
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    })
}

#[test]
fn a_table_without_policies_is_closed() {
    assert_eq!(
        reads("create table t(a int);", "t"),
        [
            "service_role",
            "anon authenticated service_role",
            "service_role"
        ]
    );
}

#[test]
fn row_level_security_opens_a_table_that_nobody_spoke_of() {
    let script = "create table t(a serial); alter table t enable row level security;";
    let open = "anon authenticated service_role";
    assert_eq!(reads(script, "t"), [open, open, "service_role"]);
    let (catalog, _) = play(&format!("create role anon; {script}"), false);
    let sequence = catalog.sequences.values().next().unwrap();
    assert!(catalog.may_sequence("anon", sequence, Privilege::Usage));
}

#[test]
fn a_grant_says_who_is_meant() {
    let script = "create table t(a int, b int); alter table t enable row level security; grant select on t to anon;";
    assert_eq!(reads(script, "t")[0], "anon service_role");
    let script = "create table t(a int, b int); alter table t enable row level security; grant select(a) on t to anon;";
    assert_eq!(reads(script, "t")[0], "service_role");
}

#[test]
fn a_revoke_takes_from_what_is_there() {
    let script = "create table t(a int); alter table t enable row level security; revoke all on t from anon;";
    assert_eq!(reads(script, "t")[0], "authenticated service_role");
    let script = "create table t(a int); revoke all on t from anon; alter table t enable row level security;";
    assert_eq!(reads(script, "t")[0], "service_role");
}

#[test]
fn views_are_open_when_their_reader_s_rights_count() {
    let table = "create table t(a int);";
    assert_eq!(
        reads(&format!("{table} create view v as select a from t;"), "v")[0],
        "service_role"
    );
    let invoker = "create view v with (security_invoker) as select a from t;";
    assert_eq!(
        reads(&format!("{table} {invoker}"), "v")[0],
        "anon authenticated service_role"
    );
}

#[test]
fn other_schemas_and_default_privileges_are_left_alone() {
    let script =
        "create schema s; create table s.t(a int); alter table s.t enable row level security;";
    assert_eq!(reads(script, "t")[0], "");
    let script = "alter default privileges in schema public grant select on tables to other;
                  create table t(a int); alter table t enable row level security;";
    assert_eq!(reads(script, "t")[0], "other");
}
