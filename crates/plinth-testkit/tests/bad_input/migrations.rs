//! Migrations that cannot be applied: nothing of them is, and the message names the place.

use plinth_testkit::temp::TempDir;

use plinth_testkit::process::run;
use plinth_testkit::server::write_migration;

const GOOD: &str = "create table kept (id integer primary key);\ninsert into kept values (1);\n";

/// A folder with one migration that has been applied.
fn migrated() -> TempDir {
    let folder = TempDir::new("bad-migration").unwrap();
    write_migration(folder.path(), "0001_kept.sql", GOOD);
    run(folder.path(), &["migrate", "."]).is(0, &["applied 1 migration"]);
    folder
}

#[test]
fn a_migration_that_fails_halfway_leaves_nothing_and_can_be_mended() {
    let folder = migrated();
    let path = folder.path();
    let bad = "create table half (id integer primary key);\ninsert into half values (1);\ninsert into kept values (2);\ninsert into nowhere values (1);\n";
    write_migration(path, "0002_half.sql", bad);
    let place = "migrations/0002_half.sql:4:13: relation \"nowhere\" does not exist (42P01)";
    run(path, &["migrate", "."]).is(1, &[place]);
    run(path, &["serve", ".", "--listen", "127.0.0.1:0"]).is(1, &[place]);
    run(path, &["migrate", ".", "--check"]).is(1, &["1 refused", place, "nothing was changed"]);
    run(path, &["migrate", ".", "--status"]).is(0, &["applied  0001", "pending  0002"]);
    run(path, &["sql", ".", "-c", "table half"]).is(3, &["relation \"half\" does not exist"]);
    run(path, &["sql", ".", "-c", "table kept"]).is(0, &["(1 row)"]);

    write_migration(
        path,
        "0002_half.sql",
        bad.replace("nowhere values (1)", "half values (2)"),
    );
    run(path, &["migrate", "."]).is(0, &["applied 1 migration"]);
    run(path, &["sql", ".", "-c", "table half"]).is(0, &["(2 rows)"]);
    run(path, &["sql", ".", "-c", "table kept"]).is(0, &["(2 rows)"]);
}

#[test]
fn a_migration_that_was_applied_cannot_be_edited() {
    let folder = migrated();
    write_migration(
        folder.path(),
        "0001_kept.sql",
        GOOD.replace("integer", "bigint"),
    );
    let message = "migrations/0001_kept.sql: this migration has been applied and was edited since";
    run(folder.path(), &["migrate", "."]).is(1, &[message]);
    run(folder.path(), &["serve", ".", "--listen", "127.0.0.1:0"]).is(1, &[message]);
    write_migration(folder.path(), "0001_kept.sql", GOOD);
    run(folder.path(), &["migrate", "."]).is(0, &["nothing to do"]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let cases: [(&str, &[u8], &str); 6] = [
        (
            "0002_latin1.sql",
            b"create table a (id int);\n-- caf\xe9\n",
            "UTF-8",
        ),
        ("0002_open.sql", b"create table a (\n", "0002_open.sql:"),
        (
            "0002_quote.sql",
            b"select 1;\nselect 'a;\n",
            "0002_quote.sql:2:",
        ),
        (
            "0002_zero.sql",
            b"select 1;\nselect '\x00';\n",
            "0002_zero.sql",
        ),
        (
            "0002_words.sql",
            b"please make a table\n",
            "0002_words.sql:1:1",
        ),
        (
            "0002_own_end.sql",
            b"create table a (id int);\nrollback;\n",
            "ROLLBACK is not allowed",
        ),
    ];
    for (name, sql, said) in cases {
        let folder = migrated();
        write_migration(folder.path(), name, sql);
        run(folder.path(), &["migrate", "."]).is(1, &[name, said]);
        run(folder.path(), &["sql", ".", "-c", "table a"])
            .is(3, &["relation \"a\" does not exist"]);
        run(folder.path(), &["sql", ".", "-c", "table kept"]).is(0, &["(1 row)"]);
    }
}

#[test]
fn deep_and_long_migrations_are_answered() {
    let deep = format!("select {}1{};\n", "(".repeat(100_000), ")".repeat(100_000));
    let long = format!("select {};\n", vec!["1"; 200_000].join(" + "));
    let negations = format!("select {}true;\n", "not ".repeat(100_000));
    for sql in [deep, long, negations] {
        let folder = migrated();
        write_migration(folder.path(), "0002_big.sql", sql);
        let ended = run(folder.path(), &["migrate", "."]);
        assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
        run(folder.path(), &["sql", ".", "-c", "table kept"]).is(0, &["(1 row)"]);
    }
}
