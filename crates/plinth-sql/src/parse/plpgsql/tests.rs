//! Text in, text out: what bodies become, and what PostgreSQL 15 says about those that are none.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod bodies;
mod bounds;
mod refused;
mod shape;

use expect_test::{Expect, expect};

use super::conditions;
use crate::ast::plpgsql::Condition;
use crate::parse::plpgsql;
use shape::shape;

/// One body a line.
fn check(bodies: &str, expected: &Expect) {
    let lines = bodies
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let shapes: String = lines
        .map(|body| match plpgsql(body) {
            Ok(body) => shape(&body),
            Err(error) => panic!("{body}: {error}"),
        })
        .collect();
    expected.assert_eq(&shapes);
}

#[test]
fn blocks_and_labels() {
    check(
        r#"
        begin end
        begin null; end;
        <<a>> begin <<b>> begin null; end b; end a
        #variable_conflict use_column #variable_conflict use_variable begin end
        begin exception when others then null; when unique_violation or sqlstate 'P0001' then null; null; end
        declare begin end
        begin declare x int; declare y int; begin end; end
        "#,
        &expect![[r#"
            block
            block
              null
            block a
              block b
                null
            UseVariable
            block
            block
            when others
              null
            when unique_violation or 'P0001'
              null
              null
            block
            block
              block
                let x int4
                let y int4
        "#]],
    );
}

#[test]
fn declarations() {
    check(
        r#"
        declare x int; y constant text not null := 'a' || 'b'; z numeric(10, 2)[] = '{}'; "W" timestamp with time zone default now(); begin end
        declare r record; s t%rowtype; u a.t%rowtype; v x%type; w a.t.c%type; q t.c%type[]; n text collate "C"; begin end
        declare a alias for $1; b alias for new; c alias for f.x; begin end
        declare c cursor for select 1; d no scroll cursor (a int, b text) is select a, b; e scroll cursor for values (1); f refcursor; begin end
        declare select int; row_count int := 1 from t; begin end
        "#,
        &expect![[r#"
            block
              let x int4
              let y text constant not null := 'a' || 'b'
              let z numeric(10, 2)[] := '{}'
              let W timestamptz := now()
            block
              let r record
              let s row of t
              let u row of a.t
              let v type of x
              let w type of a.t.c
              let q type of t.c[]
              let n text
            block
              let a alias $1
              let b alias new
              let c alias f.x
            block
              let c cursor() SELECT 1
              let d cursor(a int4, b text) SELECT a, b
              let e cursor() VALUES (1)
              let f refcursor
            block
              let select int4
              let row_count int4 := (SELECT 1 FROM t)
        "#]],
    );
}

#[test]
fn assignments() {
    check(
        r#"
        begin x := 1; x = 1; x = y = z; "X" := 1; l.x := 1; r.a.b := 1; a[1] := 2; r.a[i + 1][2] = 3; $1 := 4; x=-1; x:=-y; end
        begin x := count(*) from t where a = b; x := a from t order by b limit 1; x := distinct a from t; x := 1 ignored; x := ; x := 1, 2; end
        begin exception := 1; return := 2; open[1] = 3; raise.x := 4; x := (case when a then b end); x := case when a then b end; end
        "#,
        &expect![[r#"
            block
              x := 1
              x := 1
              x := y = z
              X := 1
              l.x := 1
              r.a.b := 1
              a[1] := 2
              r.a[i + 1][2] := 3
              $1 := 4
              x := - 1
              x := - y
            block
              x := (SELECT count(*) FROM t WHERE a = b)
              x := (SELECT a FROM t ORDER BY b LIMIT 1)
              x := (SELECT DISTINCT a FROM t)
              x := 1
              x := (SELECT)
              x := (SELECT 1, 2)
            block
              exception := 1
              return := 2
              open[1] := 3
              raise.x := 4
              x := CASE WHEN a THEN b END
              x := CASE WHEN a THEN b END
        "#]],
    );
}

#[test]
fn conditions_and_loops() {
    check(
        r#"
        begin if a then null; elsif b then elseif c in (select 1) then null; else null; end if; if (case when a then b end) then end if; end
        begin case x when 1, 2 then null; when y + 1 then else null; end case; case when a then null; else end case; case when b then end case; end
        begin <<l>> loop exit; exit l; exit when a; continue l when b; end loop l; while a or b loop end loop; end
        begin for i in 1..10 loop end loop; for i in reverse a+b .. -1 by 2 loop end loop; for i in 1...3 loop end loop; end
        begin for r in select 1 loop end loop; for a, b.c in (select 1, 2) loop end loop; for r in insert into t values (1) returning * loop end loop; end
        begin for r in execute 'a' || b loop end loop; for a, b in execute f(1, 2) using c, d + 1 loop end loop; end
        declare c cursor for select 1; d cursor (a int, b int) for select 1; begin for r in c loop for s in d(1, b := 2) loop end loop; end loop; end
        <<l>> declare c cursor for select 1; begin for r in l.c loop exit l; end loop; end
        begin foreach x in array a loop end loop; foreach x, y slice 2 in array array[[1], [2]] loop end loop; end
        "#,
        &expect![[r#"
            block
              if a
                null
              elsif b
              elsif c IN (SELECT 1)
                null
              else
                null
              if CASE WHEN a THEN b END
            block
              case x
              when 1, 2
                null
              when y + 1
              else
                null
              case -
              when a
                null
              else
              case -
              when b
            block
              loop  l
                exit - when -
                exit l when -
                exit - when a
                continue l when b
              loop while a OR b
            block
              loop i from 1 to 10 by -
              loop i from a + b down to - 1 by 2
              loop i from 1 to .3 by -
            block
              loop r over SELECT 1
              loop a, b.c over SELECT 1, 2
              loop r over INSERT INTO t VALUES (1) RETURNING *
            block
              loop r over execute 'a' || b using
              loop a, b over execute f(1, 2) using c, d + 1
            block
              let c cursor() SELECT 1
              let d cursor(a int4, b int4) SELECT 1
              loop r over cursor c()
                loop s over cursor d(1, b := 2)
            block l
              let c cursor() SELECT 1
              loop r over cursor c()
                exit l when -
            block
              loop x over slices 0 of a
              loop x, y over slices 2 of ARRAY[ARRAY[1], ARRAY[2]]
        "#]],
    );
}

#[test]
fn sql_and_into() {
    check(
        r#"
        begin select 1; select a into x from t; select into x a from t; select a from t into strict x, r.y; select a, b into strict l.x, $1 where c; end
        begin insert into t select 1 returning a into x; with w as (insert into t values (1) returning 1) select * into r from w; update t set a = 1 returning a into x; end
        begin select (select 1 into x); select a into x b from t; values (1); delete from t; create table t as select 1; comment on table t is 'x'; set a = 1; end
        begin execute 'a'; execute 'a' into x; execute 'a' using 1, b; execute a || b into strict x, y using c; execute 'a' using c into x; end
        begin perform f(x); perform distinct a from t where b order by c; perform; end
        begin call f(1); do 'x'; merge into t using u on a when matched then delete; savepoint a; end
        begin create function g() returns int language sql begin atomic select 1; select case when true then 2 end; end; null; end
        "#,
        &expect![[r#"
            block
              sql SELECT 1
              sql SELECT a FROM t => x
              sql SELECT a FROM t => x
              sql SELECT a FROM t => x, r.y strict
              sql SELECT a, b WHERE c => l.x, $1 strict
            block
              sql INSERT INTO t SELECT 1 RETURNING a => x
              sql WITH w AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM w => r
              sql UPDATE t SET a = 1 RETURNING a => x
            block
              sql SELECT (SELECT 1) => x
              sql SELECT a AS b FROM t => x
              sql VALUES (1)
              sql DELETE FROM t
              sql CREATE TABLE t AS SELECT 1
              sql COMMENT ON TABLE t IS 'x'
              sql SET a TO '1'
            block
              execute 'a' using
              execute 'a' => x using
              execute 'a' using 1, b
              execute a || b => x, y strict using c
              execute 'a' => x using c
            block
              perform SELECT f(x)
              perform SELECT DISTINCT a FROM t WHERE b ORDER BY c
              perform SELECT
            block
              sql /* CALL */
              sql DO LANGUAGE plpgsql $$x$$
              sql /* MERGE */
              sql SAVEPOINT a
            block
              sql CREATE FUNCTION g() RETURNS int4 LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN TRUE THEN 2 END; END
              null
        "#]],
    );
}

#[test]
fn returns_and_raises() {
    check(
        r#"
        begin return; return 1 + x; return case when a then 1 else 2 end; return (a, b); return next; return next x; return query select 1 union select 2; end
        begin return query execute 'a'; return query execute 'a' || b using c, d; return query insert into t values (1) returning a; end
        begin raise; raise 'a'; raise notice 'a % %%%', x, f(1, 2); raise exception 'x' using hint = 'a', detail := b || 'c'; raise using message = 'x'; end
        begin raise debug 'a'; raise log 'a'; raise info 'a'; raise warning 'a'; raise unique_violation; raise info "division_by_zero" using column = 'c'; end
        begin raise sqlstate '22012'; raise notice sqlstate 'AB123' using errcode = 'x', constraint = 'a', datatype = 'b', table = 'c', schema = 'd'; end
        begin assert a; assert a > b, 'x' || y; assert a, b, c; end
        begin get diagnostics x = row_count; get current diagnostics x := row_count, r.y = pg_context; get stacked diagnostics x = message_text, y = returned_sqlstate, z = pg_exception_hint; end
        "#,
        &expect![[r#"
            block
              return -
              return 1 + x
              return CASE WHEN a THEN 1 ELSE 2 END
              return ROW(a, b)
              return next -
              return next x
              return query SELECT 1 UNION SELECT 2
            block
              return query execute 'a' using
              return query execute 'a' || b using c, d
              return query INSERT INTO t VALUES (1) RETURNING a
            block
              raise exception
              raise exception "a" ()
              raise notice "a % %%%" (x, f(1, 2))
              raise exception "x" () hint='a' detail=b || 'c'
              raise exception message='x'
            block
              raise debug "a" ()
              raise log "a" ()
              raise info "a" ()
              raise warning "a" ()
              raise exception unique_violation
              raise info division_by_zero column='c'
            block
              raise exception '22012'
              raise notice 'AB123' errcode='x' constraint='a' datatype='b' table='c' schema='d'
            block
              assert a, -
              assert a > b, 'x' || y
              assert a, (SELECT b, c)
            block
              get current x = RowCount
              get current x = RowCount, r.y = Context
              get stacked x = Message, y = ReturnedState, z = Hint
        "#]],
    );
}

#[test]
fn cursors() {
    check(
        r#"
        declare c cursor (a int, b int) for select 1; begin open c(1, 2); open c(b := 1, a := f(2, 3)); end
        begin open c for select 1; open l.c no scroll for select 1; open c scroll for execute 'a' using 1, 2; close c; end
        begin fetch c into x, y; fetch next from c into r; fetch prior in c into x; fetch first from c into x; fetch last in c into x; fetch from c into x; end
        begin fetch absolute -1 from c into x; fetch relative n + 1 in c into x; fetch forward from c into x; fetch backward from c into x; end
        begin move c; move next from c; move 5 from c; move all from c; move forward 2 in c; move forward all in c; move backward n from c; move backward all in c; end
        "#,
        &expect![[r#"
            block
              let c cursor(a int4, b int4) SELECT 1
              open c(1, 2)
              open c(b := 1, a := f(2, 3))
            block
              open c() SELECT 1
              open l.c() SELECT 1
              open c() execute 'a' using 1, 2
              close c
            block
              fetch next c => x, y
              fetch next c => r
              fetch prior c => x
              fetch first c => x
              fetch last c => x
              fetch next c => x
            block
              fetch absolute - 1 c => x
              fetch relative n + 1 c => x
              fetch next c => x
              fetch prior c => x
            block
              fetch next c
              fetch next c
              fetch forward 5 c
              fetch forward - c
              fetch forward 2 c
              fetch forward - c
              fetch backward n c
              fetch backward - c
        "#]],
    );
}

#[test]
fn conditions_stand_for_states() {
    assert_eq!(conditions::states("unique_violation"), ["23505"]);
    assert_eq!(
        conditions::states("null_value_not_allowed"),
        ["22004", "39004"]
    );
    assert_eq!(conditions::states("Unique_violation"), [""; 0]);
    assert_eq!(conditions::states("others"), [""; 0]);
    assert_eq!(conditions::raised_state("unique_violation"), Some("23505"));
    assert_eq!(conditions::raised_state("PT404"), Some("PT404"));
    assert_eq!(conditions::raised_state("pt404"), None);

    let named = |name: &str| Condition::Named(name.to_owned());
    let state = |state: &str| Condition::State(state.to_owned());
    let table = [
        (named("unique_violation"), "23505", true),
        (named("unique_violation"), "23503", false),
        (named("integrity_constraint_violation"), "23503", true),
        (named("null_value_not_allowed"), "39004", true),
        (named("others"), "P0001", true),
        (named("others"), "57014", false),
        (named("others"), "P0004", false),
        (named("query_canceled"), "57014", true),
        (state("23000"), "23505", true),
        (state("23505"), "23000", false),
        (state("P0004"), "P0004", true),
    ];
    for (condition, state, caught) in table {
        assert_eq!(
            conditions::catches(&condition, state),
            caught,
            "{condition:?} {state}"
        );
    }
}

#[test]
fn statements_know_their_places() {
    let text = "begin if a then\n x := 1; end if; select 1 into y ; end";
    let body = plpgsql(text).unwrap().block.body;
    let at = |span: crate::ast::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(at(body[0].span), "if a then\n x := 1; end if");
    assert_eq!(at(body[1].span), "select 1 into y");
}
