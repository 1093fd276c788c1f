//! Functions.

use expect_test::expect;

use super::{check, says};

#[test]
fn overloads_and_replacements() {
    check(
        r#"
        create function f(int) returns int language sql as 'select 1';
        create function f(int) returns int language sql as 'select 2';
        create or replace function f(int) returns text language sql as 'select 2';
        create or replace function f(int) returns int language sql as 'select 3';
        create or replace function f(x int) returns int language sql as 'select 3';
        create or replace function f(y int) returns int language sql as 'select 3';
        create or replace function f(x int default 3) returns int language sql as 'select 3';
        create or replace function f(x int) returns int language sql as 'select 3';
        create function f(int, text) returns int language sql as 'select 1';
        comment on function nope(int) is 'x';
        "#,
        expect![[r#"
            ERROR:  42723: function "f" already exists with same argument types
            ERROR:  42P13: cannot change return type of existing function
            HINT:  Use DROP FUNCTION f(integer) first.
            ERROR:  42P13: cannot change name of input parameter "x"
            HINT:  Use DROP FUNCTION f(integer) first.
            ERROR:  42P13: cannot remove parameter defaults from existing function
            HINT:  Use DROP FUNCTION f(integer) first.
            ERROR:  42883: could not find a function named "nope"
            --
            function f(x integer) integer [postgres:X public:X]
            function f(- integer, - text) integer [postgres:X public:X]
        "#]],
    );
}

#[test]
fn results() {
    check(
        r#"
        create table t(a int);
        create function h() returns table(a int, b text) language sql as $$ select 1, 'x' $$;
        create function g(out a int, out b int) language sql as 'select 1, 2';
        create or replace function g(out a int, out c int) language sql as 'select 1, 2';
        create function g2() returns setof int language sql as 'select 1';
        create or replace function g2() returns int language sql as 'select 1';
        create function g3(inout a int) language sql as 'select 1';
        create function g4() returns setof t language sql as 'select * from t';
        create function g5() returns void language sql as 'select 1';
        create function g6() returns int language sql return 1;
        drop table t;
        "#,
        expect![[r#"
            > create table t
            ERROR:  42P13: cannot change return type of existing function
            DETAIL:  Row type defined by OUT parameters is different.
            HINT:  Use DROP FUNCTION g() first.
            ERROR:  42P13: cannot change return type of existing function
            HINT:  Use DROP FUNCTION g2() first.
            ERROR:  2BP01: cannot drop table t because other objects depend on it
            DETAIL:  function g4() depends on type t
            HINT:  Use DROP ... CASCADE to drop the dependent objects too.
            --
            table t
              a integer
            function g() record [postgres:X public:X]
            function g2() setof integer [postgres:X public:X]
            function g3(a integer) integer [postgres:X public:X]
            function g4() setof t [postgres:X public:X]
            function g5() void [postgres:X public:X]
            function g6() integer [postgres:X public:X]
            function h() setof record [postgres:X public:X]
        "#]],
    );
}

#[test]
fn arguments_are_checked() {
    says(
        r#"
        create function g(a int, a int) returns int language sql as 'select 1';
        create function g(a int default 1, b int) returns int language sql as 'select 1';
        create function g(a nope) returns int language sql as 'select 1';
        create function g() returns nope language sql as 'select 1';
        create function g() returns int language nope as 'select 1';
        create function g() language sql as 'select 1';
        create function g(out a int) returns text language sql as 'select 1';
        create function g() returns trigger language sql as 'select 1';
        create function g(variadic a int) returns int language sql as 'select 1';
        create function g(variadic a int[], b int) returns int language sql as 'select 1';
        create function no.f() returns int language sql as 'select 1';
        create function g(a record) returns int language sql as 'select 1';
        create function g(a int default (select 1)) returns int language sql as 'select 1';
        create function bad() returns int language sql as 'selec 1';
        "#,
        expect![[r#"
            ERROR:  42P13: parameter name "a" used more than once
            ERROR:  42P13: input parameters after one with a default value must also have defaults
            ERROR:  42704: type nope does not exist
            ERROR:  42704: type "nope" does not exist
            ERROR:  42704: language "nope" does not exist
            ERROR:  42P13: function result type must be specified
            ERROR:  42P13: function result type must be integer because of OUT parameters
            ERROR:  42P13: SQL functions cannot return type trigger
            ERROR:  42P13: VARIADIC parameter must be an array
            ERROR:  42P13: VARIADIC parameter must be the last input parameter
            ERROR:  3F000: schema "no" does not exist
            ERROR:  42P13: SQL functions cannot have arguments of type record
            ERROR:  0A000: cannot use subquery in DEFAULT expression
            ERROR:  42601: syntax error at or near "selec"
        "#]],
    );
}

#[test]
fn other_languages_are_refused_by_name() {
    says(
        r#"
        create function g() returns trigger language plpgsql as $$ begin return new; end $$;
        create procedure p() language sql as 'select 1';
        "#,
        expect![[r#"
            ERROR:  0A000: procedures ("p") are not supported yet
            HINT:  Write an SQL function.
        "#]],
    );
}

#[test]
fn functions_are_altered() {
    check(
        r#"
        create role r1;
        create schema s;
        create function f(int) returns int language sql as 'select 1';
        create view v as select f(1) as x;
        alter function f(int) rename to g;
        alter function g(int) set schema s;
        alter function s.g(int) owner to r1;
        alter function nope(int) owner to r1;
        "#,
        expect![[r#"
            ERROR:  42883: could not find a function named "nope"
            --
            schema s [postgres:UC]
            view v
              x integer
              as SELECT s.g(1) AS x
            function s.g(- integer) integer [public:X r1:X]
            role r1 []
        "#]],
    );
}
