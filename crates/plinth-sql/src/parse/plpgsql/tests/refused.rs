//! Bodies that are none.

use std::fmt::Write as _;

use expect_test::{expect, expect_file};

use crate::parse::plpgsql;

/// A body a line, and below it, indented, what is said about it and at what text.
///
/// PostgreSQL 15 says the same at the same place of a function `f(p int, q text)`; where it names no place (`RAISE`
/// with too few arguments, unknown conditions), ours is one more. An error at the end
/// of the body or of a statement has no text.
const SAID_AS_BY_POSTGRES: &str = include_str!("refused.txt");

#[test]
fn errors_are_those_of_postgres() {
    let bodies = SAID_AS_BY_POSTGRES
        .lines()
        .filter(|line| !line.starts_with("    "));
    expect_file!["refused.txt"].assert_eq(&bodies.map(said).collect::<String>());
}

#[test]
fn what_postgres_takes_is_refused_by_name() {
    let bodies = "
        begin commit; end
        begin rollback and no chain; end
        begin a[1:2] := '{}'; end
        begin a[:] := '{}'; end
        begin a[1].f := 1; end
        #option dump begin end
        #print_strict_params on begin end
        declare c cursor for insert into t values (1) returning a; begin end
        declare x text collate \"de_DE\"; begin end
        begin perform 1 into p; end
        begin for r in select 1 into p loop end loop; end
    ";
    let lines = bodies
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    expect![[r#"
        begin commit; end
            0A000 COMMIT in a function is not supported @ commit
        begin rollback and no chain; end
            0A000 ROLLBACK in a function is not supported @ rollback and no chain
        begin a[1:2] := '{}'; end
            0A000 assigning to a slice of an array is not supported @ [1
        begin a[:] := '{}'; end
            0A000 assigning to a slice of an array is not supported @ [
        begin a[1].f := 1; end
            0A000 assigning to a field of an array's element is not supported @ a[1]
        #option dump begin end
            0A000 #option in PL/pgSQL is not supported @ #option
        #print_strict_params on begin end
            0A000 #print_strict_params in PL/pgSQL is not supported @ #print_strict_params
        declare c cursor for insert into t values (1) returning a; begin end
            42P11 cannot open INSERT query as cursor @ insert into t values (1) returning a
        declare x text collate "de_DE"; begin end
            0A000 the collation "de_DE" is not supported @ "de_DE"
        begin perform 1 into p; end
            0A000 SELECT INTO is not supported @ into
        begin for r in select 1 into p loop end loop; end
            0A000 SELECT INTO is not supported @ into
    "#]]
    .assert_eq(&lines.map(said).collect::<String>());
}

fn said(body: &str) -> String {
    let mut text = format!("{body}\n");
    match plpgsql(body) {
        Ok(_) => text.push_str("    nothing\n"),
        Err(error) => {
            let span = error.span.unwrap();
            let near = &body[span.start as usize..span.end as usize];
            write!(text, "    {} {}", error.code, error.message).unwrap();
            text.push_str(if near.is_empty() { "" } else { " @ " });
            writeln!(text, "{near}").unwrap();
        }
    }
    text
}
