//! The engine as a library: what its callers rely on beyond the text cases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use plinth_embedded::{Durability, Engine, EngineError, Options, Tx};
use plinth_sql::catalog::AutoExpose;
use plinth_sql::session::{RowSet, Session};

/// An engine in a folder of its own, which goes when the test ends.
struct Scratch {
    engine: Engine,
    folder: PathBuf,
}

impl Scratch {
    fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("plinth-embedded-{}-{number}", std::process::id()));
        Scratch {
            engine: open(&folder).unwrap(),
            folder,
        }
    }

    fn reopen(&mut self) {
        self.engine.close();
        self.engine = open(&self.folder).unwrap();
    }

    /// Runs statements on the writer, one request.
    fn run(&self, session: Session, sql: &str) -> Result<RowSet, EngineError> {
        self.send(session, sql).recv().unwrap()
    }

    fn send(&self, session: Session, sql: &str) -> mpsc::Receiver<Result<RowSet, EngineError>> {
        let (reply, answer) = mpsc::channel();
        let sql = sql.to_owned();
        let work = move |tx: &mut Tx| {
            let mut last = RowSet::default();
            for statement in plinth_sql::parse::script(&sql)? {
                last = tx.execute(&statement.statement, &[])?;
            }
            Ok(last)
        };
        self.engine
            .submit(
                session,
                work,
                |error| error,
                move |result| reply.send(result).unwrap(),
            )
            .unwrap();
        answer
    }

    fn read(&self, session: &Session, sql: &str) -> Result<RowSet, EngineError> {
        self.engine
            .query(session, &plinth_sql::parse::statement(sql)?, &[])
    }

    fn value(&self, sql: &str) -> Option<String> {
        self.read(&Session::system(), sql).unwrap().rows[0][0].clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.engine.close();
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

fn open(folder: &std::path::Path) -> Result<Engine, EngineError> {
    Engine::open(Options {
        path: folder.join("plinth.db"),
        clock: Arc::new(|| 1_700_000_000_000_000),
        auto_expose: AutoExpose::Protected,
        durability: Durability::Synced,
    })
}

fn code(error: &EngineError) -> String {
    match error {
        EngineError::Sql(error) => error.code.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_failed_request_leaves_its_neighbours_alone() {
    let db = Scratch::new();
    db.run(Session::system(), "create table t (id int primary key)")
        .unwrap();
    let answers: Vec<_> = (0..50)
        .map(|number| {
            // Every third request writes a row and then fails.
            let sql = if number % 3 == 0 {
                format!("insert into t values ({number}); insert into t values ({number})")
            } else {
                format!("insert into t values ({number})")
            };
            (number, db.send(Session::system(), &sql))
        })
        .collect();
    for (number, answer) in answers {
        let result = answer.recv().unwrap();
        if number % 3 == 0 {
            assert_eq!(code(&result.unwrap_err()), "23505");
        } else {
            result.unwrap();
        }
    }
    assert_eq!(db.value("select count(*) from t").as_deref(), Some("33"));
}

#[test]
fn an_endless_statement_ends_at_its_deadline_and_costs_nobody_else() {
    let db = Scratch::new();
    db.run(Session::system(), "create table t (id int primary key)")
        .unwrap();
    let endless =
        "with recursive n(i) as (select 1 union all select i from n) select count(*) from n";
    let hasty = Session {
        timeout: Duration::from_millis(100),
        ..Session::system()
    };
    let write = format!("insert into t {endless}");
    let answers = [
        db.send(Session::system(), "insert into t values (1)"),
        db.send(hasty.clone(), &write),
        db.send(Session::system(), "insert into t values (2)"),
    ];
    let results: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.recv().unwrap())
        .collect();
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(
        matches!(results[1], Err(EngineError::Timeout)),
        "{results:?}"
    );
    assert!(matches!(
        db.read(&hasty, endless),
        Err(EngineError::Timeout)
    ));
    assert_eq!(db.value("select count(*) from t").as_deref(), Some("2"));
}

#[test]
fn schema_rows_and_sequences_survive_reopening() {
    let mut db = Scratch::new();
    db.run(
        Session::system(),
        "create type mood as enum ('sad', 'glad');
         create table t (id bigint generated always as identity primary key, m mood, n numeric(6,2) check (n > 0));
         create view v as select id, m from t where m > 'sad';
         insert into t (m, n) values ('glad', 1.5), ('sad', 2)",
    )
    .unwrap();
    db.reopen();
    assert_eq!(db.value("select m from v").as_deref(), Some("glad"));
    let inserted = db
        .run(
            Session::system(),
            "insert into t (m, n) values ('sad', 3) returning id",
        )
        .unwrap();
    assert_eq!(inserted.rows[0][0].as_deref(), Some("3"));
    let refused = db
        .run(Session::system(), "insert into t (n) values (-1)")
        .unwrap_err();
    assert_eq!(code(&refused), "23514");
}

#[test]
fn nothing_of_one_session_reaches_the_next() {
    let db = Scratch::new();
    let first = Session {
        claims: Some(plinth_sql::session::Claims::new(
            "{\"sub\":\"11111111-1111-1111-1111-111111111111\"}",
        )),
        ..Session::system()
    };
    let uid = "select auth.uid()";
    assert!(db.read(&first, uid).unwrap().rows[0][0].is_some());
    assert!(db.read(&Session::system(), uid).unwrap().rows[0][0].is_none());
    db.run(
        Session::system(),
        "select set_config('request.jwt.claims', '{\"role\":\"x\"}', false)",
    )
    .unwrap();
    let role = db.run(Session::system(), "select auth.role()").unwrap();
    assert_eq!(role.rows[0][0], None);
}

#[test]
fn a_rolled_back_schema_change_leaves_no_trace() {
    let db = Scratch::new();
    let failed = db
        .run(
            Session::system(),
            "create table t (id int); insert into t values (1); select 1/0",
        )
        .unwrap_err();
    assert_eq!(code(&failed), "22012");
    let missing = db.read(&Session::system(), "select * from t").unwrap_err();
    assert_eq!(code(&missing), "42P01");
    db.run(Session::system(), "create table t (id text)")
        .unwrap();
    db.run(Session::system(), "insert into t values ('a')")
        .unwrap();
}

#[test]
fn policies_that_read_whole_tables_are_found() {
    let db = Scratch::new();
    db.run(
        Session::system(),
        "create role authenticated;
         create table rooms (id int primary key, name text);
         create table members (room int, member uuid);
         create table notes (id int primary key, owner uuid);
         alter table rooms enable row level security;
         alter table notes enable row level security;
         create policy own on notes for select to authenticated using (owner = '00000000-0000-4000-8000-000000000000');
         create policy members on rooms for select to authenticated using (
             exists (select from members m where m.room = rooms.id and m.member = '00000000-0000-4000-8000-000000000000'));
         grant select on members, rooms, notes to authenticated;",
    )
    .unwrap();
    let found = db.engine.policy_scans().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].table.name, "rooms");
    assert_eq!(found[0].roles, ["authenticated"]);
    assert_eq!(found[0].scanned, "public.members");

    db.run(Session::system(), "create index on members (member, room)")
        .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), []);
}

#[test]
fn a_write_that_makes_room_for_others_takes_no_numbers() {
    // The engine runs a lone write in place only where functions may call each other to their full depth.
    let deep = std::thread::Builder::new().stack_size(32 * 1024 * 1024);
    deep.spawn(long_and_short_writes).unwrap().join().unwrap();
}

fn long_and_short_writes() {
    let db = Scratch::new();
    db.run(
        Session::system(),
        "create table t (id bigint generated always as identity primary key, n int)",
    )
    .unwrap();
    for _ in 0..30 {
        db.run(Session::system(), "insert into t (n) values (0)")
            .unwrap();
    }
    for _ in 0..3 {
        // Longer than a thread that others wait for has patience, so it begins anew on the writer's own.
        db.run(
            Session::system(),
            "insert into t (n) select n from generate_series(1, 20000) n",
        )
        .unwrap();
        db.run(Session::system(), "insert into t (n) values (0)")
            .unwrap();
    }
    assert_eq!(db.value("select max(id) from t"), Some("60033".to_owned()));
    assert_eq!(db.value("select count(*) from t"), Some("60033".to_owned()));
}
