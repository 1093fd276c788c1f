//! Enums, schemas and comments.

use expect_test::expect;

use super::{check, says};

#[test]
fn enums_grow() {
    check(
        r#"
        create type e as enum ('a','b');
        create type e as enum ('a','b');
        alter type e add value 'c' before 'a';
        alter type e add value 'c';
        alter type e add value if not exists 'c';
        alter type e add value 'd' after 'zz';
        alter type e add value 'd' after 'a';
        alter type nope add value 'd';
        alter type e rename value 'zz' to 'y';
        alter type e rename value 'a' to 'b';
        alter type e set schema nope;
        "#,
        expect![[r#"
            ERROR:  42710: type "e" already exists
            ERROR:  42710: enum label "c" already exists
            NOTICE:  42710: enum label "c" already exists, skipping
            ERROR:  22023: "zz" is not an existing enum label
            ERROR:  42704: type "nope" does not exist
            ERROR:  22023: "zz" is not an existing enum label
            ERROR:  42710: enum label "b" already exists
            ERROR:  3F000: schema "nope" does not exist
            --
            enum e ["c", "a", "d", "b"]
        "#]],
    );
}

#[test]
fn schemas() {
    check(
        r#"
        create schema public;
        create schema if not exists public;
        create schema pg_foo;
        create schema s1 authorization nope;
        create role r1;
        create schema s1 authorization r1;
        alter schema s1 owner to postgres;
        alter schema nope rename to x;
        alter schema s1 rename to public;
        comment on schema s1 is 'x';
        comment on schema nope is 'x';
        "#,
        expect![[r#"
            ERROR:  42P06: schema "public" already exists
            NOTICE:  42P06: schema "public" already exists, skipping
            ERROR:  42939: unacceptable schema name "pg_foo"
            DETAIL:  The prefix "pg_" is reserved for system schemas.
            ERROR:  42704: role "nope" does not exist
            ERROR:  3F000: schema "nope" does not exist
            ERROR:  42P06: schema "public" already exists
            ERROR:  3F000: schema "nope" does not exist
            --
            schema s1 [postgres:UC]
            role r1 []
        "#]],
    );
}

#[test]
fn comments() {
    check(
        r#"
        create table t(a int);
        create view v as select a from t;
        create policy p9 on t using (true);
        comment on table t is 'about t';
        comment on column t.a is 'about a';
        comment on view v is 'about v';
        comment on column v.a is 'about v.a';
        comment on policy p9 on t is 'x';
        comment on table nope is 'x';
        comment on table nope.t is 'x';
        comment on column t.nope is 'x';
        comment on policy x on t is 'x';
        comment on constraint x on t is 'x';
        comment on role nope is 'x';
        comment on type nope is 'x';
        comment on index nope is 'x';
        comment on view t is 'x';
        comment on table v is 'x';
        comment on sequence t is 'x';
        comment on index t is 'x';
        comment on trigger x on t is 'x';
        comment on column v.a is null;
        "#,
        expect![[r#"
            > create table t
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  3F000: schema "nope" does not exist
            ERROR:  42703: column "nope" of relation "t" does not exist
            ERROR:  42704: policy "x" for table "t" does not exist
            ERROR:  42704: constraint "x" for table "t" does not exist
            ERROR:  42704: role "nope" does not exist
            ERROR:  42704: type "nope" does not exist
            ERROR:  42P01: relation "nope" does not exist
            ERROR:  42809: "t" is not a view
            ERROR:  42809: "v" is not a table
            ERROR:  42809: "t" is not a sequence
            ERROR:  42809: "t" is not an index
            ERROR:  42704: trigger "x" for table "t" does not exist
            --
            table t -- about t
              a integer -- about a
              policy p9 All ["public"] using TRUE
            view v -- about v
              a integer
              as SELECT t.a FROM public.t
        "#]],
    );
}

#[test]
fn unsupported_statements_are_named() {
    says(
        r#"
        do $$ begin end $$;
        create trigger tr before insert on t for each row execute function f();
        "#,
        expect![[r#"
            ERROR:  0A000: DO blocks in language plpgsql are not supported yet
            HINT:  Write the statements themselves.
            ERROR:  42P01: relation "t" does not exist
        "#]],
    );
}
