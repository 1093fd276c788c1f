//! The engine as a library: what its callers rely on beyond the text cases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use plinth_embedded::{Durability, Engine, EngineError, Options, RowScan, Tx};
use plinth_sql::ast::PolicyCommand;
use plinth_sql::catalog::{AutoExpose, QName};
use plinth_sql::session::{RowSet, Session};

/// An engine in a folder of its own, which goes when the test ends.
struct Scratch {
    engine: Engine,
    folder: PathBuf,
    durability: Durability,
}

impl Scratch {
    fn new() -> Scratch {
        Scratch::with(Durability::Synced)
    }

    fn with(durability: Durability) -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("plinth-embedded-{}-{number}", std::process::id()));
        Scratch {
            engine: open(&folder, durability).unwrap(),
            folder,
            durability,
        }
    }

    fn reopen(&mut self) {
        self.engine.close();
        self.engine = open(&self.folder, self.durability).unwrap();
    }

    /// Runs statements on the writer, one request.
    fn run(&self, session: Session, sql: &str) -> Result<RowSet, EngineError> {
        self.send(session, sql).recv().unwrap()
    }

    fn send(&self, session: Session, sql: &str) -> mpsc::Receiver<Result<RowSet, EngineError>> {
        let sql = sql.to_owned();
        let work = move |tx: &mut Tx| {
            let mut last = RowSet::default();
            for statement in plinth_sql::parse::script(&sql)? {
                last = tx.execute(&Arc::new(statement.statement), &[])?;
            }
            Ok(last)
        };
        self.submit(session, work)
    }

    fn submit<T: Send + 'static>(
        &self,
        session: Session,
        work: impl Fn(&mut Tx) -> Result<T, EngineError> + Send + 'static,
    ) -> mpsc::Receiver<Result<T, EngineError>> {
        let (reply, answer) = mpsc::channel();
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

    /// Writes a row and gives the thread on which that was done.
    fn write_somewhere(&self) -> ThreadId {
        let insert = Arc::new(plinth_sql::parse::statement("insert into t values (0)").unwrap());
        let work = move |tx: &mut Tx| -> Result<ThreadId, EngineError> {
            tx.execute(&insert, &[])?;
            Ok(thread::current().id())
        };
        let answer = self.submit(Session::system(), work);
        answer.recv().unwrap().unwrap()
    }

    /// Commits in the write-ahead log: of their frames the last one says how large the file is after it. Behind them may be frames of an
    /// older log, which have another salt.
    fn commits(&self) -> usize {
        let log = std::fs::read(self.folder.join("plinth.db-wal")).unwrap();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        let page_bytes = usize::try_from(number(8)).unwrap();
        (32..)
            .step_by(24 + page_bytes)
            .take_while(|at| at + 24 <= log.len())
            .filter(|at| log[at + 8..at + 16] == log[16..24] && number(at + 4) > 0)
            .count()
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

fn open(folder: &std::path::Path, durability: Durability) -> Result<Engine, EngineError> {
    Engine::open(Options {
        path: folder.join("plinth.db"),
        clock: Arc::new(|| 1_700_000_000_000_000),
        auto_expose: AutoExpose::Protected,
        durability,
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
    let scan = RowScan {
        table: QName::new("public", "rooms"),
        commands: vec![PolicyCommand::Select],
        roles: vec!["authenticated".to_owned()],
        scanned: QName::new("public", "members"),
    };
    assert_eq!(db.engine.policy_scans().unwrap(), [scan]);

    db.run(Session::system(), "create index on members (member, room)")
        .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), []);
}

/// What is slow about a table `rooms` with this policy for `authenticated`, and for which commands. Nothing may be slow once
/// there is an index on `members (room)`.
fn slow_commands(policy: &str) -> Vec<PolicyCommand> {
    let db = Scratch::new();
    let tables = "create role authenticated;
         create table rooms (id int primary key, name text);
         create table members (room int, member uuid);
         alter table rooms enable row level security;
         grant select, insert, update, delete on rooms, members to authenticated;";
    db.run(Session::system(), tables).unwrap();
    db.run(Session::system(), policy).unwrap();
    let found = db.engine.policy_scans().unwrap();
    db.run(Session::system(), "create index on members (room)")
        .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), [], "{policy}");
    let read = |scan: &RowScan| (scan.table.name.clone(), scan.scanned.name.clone());
    let pairs: Vec<_> = found.iter().map(read).collect();
    assert_eq!(
        pairs,
        [("rooms".to_owned(), "members".to_owned())],
        "{policy}"
    );
    found.into_iter().flat_map(|scan| scan.commands).collect()
}

#[test]
fn every_command_that_a_policy_makes_slow_is_told() {
    use PolicyCommand::{Delete, Insert, Select, Update};
    let asks = "(exists (select from members m where m.room = rooms.id))";
    let cases = [
        (
            format!("for select to authenticated using {asks}"),
            vec![Select],
        ),
        (
            format!("for insert to authenticated with check {asks}"),
            vec![Insert],
        ),
        (
            format!("for update to authenticated using {asks}"),
            vec![Update],
        ),
        (
            format!("for update to authenticated using (true) with check {asks}"),
            vec![Update],
        ),
        (
            format!("for delete to authenticated using {asks}"),
            vec![Delete],
        ),
        (
            format!("to authenticated using {asks}"),
            vec![Select, Insert, Update, Delete],
        ),
        (
            format!("to authenticated using (true) with check {asks}"),
            vec![Insert, Update],
        ),
    ];
    for (policy, slow) in cases {
        let policy = format!("create policy p on rooms {policy}");
        assert_eq!(slow_commands(&policy), slow, "{policy}");
    }
}

#[test]
fn what_a_function_reads_for_a_policy_counts() {
    let one_room = "create function has_members(which int) returns boolean
           language sql stable security definer set search_path = ''
           as $$ select exists (select from public.members m where m.room = which) $$;
         create policy p on rooms for select to authenticated using (has_members(id))";
    assert_eq!(slow_commands(one_room), [PolicyCommand::Select]);
    let count = "create function busy(which int) returns boolean
           language sql stable security definer set search_path = ''
           as $$ select (select count(*) from public.members m where m.room = which) > 3 $$;
         create policy p on rooms for delete to authenticated using (busy(id))";
    assert_eq!(slow_commands(count), [PolicyCommand::Delete]);
}

#[test]
fn a_table_that_its_own_policy_reads_whole_is_found() {
    let db = Scratch::new();
    db.run(
        Session::system(),
        "create role authenticated;
         create table members (room int, person uuid, primary key (room, person));
         alter table members enable row level security;
         grant select on members to authenticated;
         create function my_rooms() returns setof int
           language sql stable security definer set search_path = ''
           as $$ select room from public.members where person = '00000000-0000-4000-8000-000000000000' $$;
         create policy together on members for select to authenticated using (room in (select my_rooms()));",
    )
    .unwrap();
    let found = db.engine.policy_scans().unwrap();
    let members = QName::new("public", "members");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].table, &found[0].scanned), (&members, &members));

    db.run(Session::system(), "create index on members (person)")
        .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), []);
}

/// Runs a test where the engine may run a lone write in place: functions may call each other to their full depth.
fn on_a_deep_stack(test: fn()) {
    let deep = thread::Builder::new().stack_size(32 * 1024 * 1024);
    deep.spawn(test).unwrap().join().unwrap();
}

#[test]
fn writes_that_wait_together_are_committed_together() {
    const WRITES: usize = 1_000;
    let db = Scratch::new();
    db.run(Session::system(), "create table t (id int primary key)")
        .unwrap();
    // One that does not end before all the others wait behind it.
    let (begin, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let work = move |_: &mut Tx| -> Result<(), EngineError> {
        begin.send(()).unwrap();
        may_go_on.recv().unwrap();
        Ok(())
    };
    let held = db.submit(Session::system(), work);
    begun.recv().unwrap();
    let before = db.commits();
    let answers: Vec<_> = (0..WRITES)
        .map(|id| db.send(Session::system(), &format!("insert into t values ({id})")))
        .collect();
    assert_eq!(db.engine.waiting_writes(), WRITES);
    go_on.send(()).unwrap();
    held.recv().unwrap().unwrap();
    for answer in answers {
        answer.recv().unwrap().unwrap();
    }
    let commits = db.commits() - before;
    assert!((1..=WRITES / 100).contains(&commits), "{commits} commits");
    assert_eq!(db.value("select count(*) from t"), Some(WRITES.to_string()));
}

#[test]
fn a_lone_write_runs_on_its_callers_thread() {
    on_a_deep_stack(|| {
        // A disk that is slow would be reason enough to leave the write to the writer.
        let db = Scratch::with(Durability::Unsynced);
        db.run(Session::system(), "create table t (n int)").unwrap();
        let here = thread::current().id();
        // Until some have met nobody, a write goes where it would meet others.
        assert_ne!(db.write_somewhere(), here);
        // One or another of them may seem slow, because of something else that this machine does.
        assert!((0..1_000).any(|_| db.write_somewhere() == here));
    });
}

#[test]
fn a_table_that_is_closed_to_a_role_is_not_read_by_it() {
    let db = Scratch::new();
    db.run(
        Session::system(),
        "create role anon;
         create role authenticated;
         create table rooms (id int primary key, name text);
         create table members (room int, person uuid);
         create index on members (person);
         alter table rooms enable row level security;
         alter table members enable row level security;
         grant select on rooms, members to anon, authenticated;
         create policy own on members for select to authenticated using (person = '00000000-0000-4000-8000-000000000000');
         create policy together on rooms for select using (id in (select room from members));",
    )
    .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), []);

    db.run(
        Session::system(),
        "alter policy own on members to anon, authenticated",
    )
    .unwrap();
    db.run(Session::system(), "drop index members_person_idx")
        .unwrap();
    let found = db.engine.policy_scans().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].roles, ["anon", "authenticated"]);
}

#[test]
fn no_policy_is_blamed_for_rows_that_nobody_asked_for_by_key() {
    let db = Scratch::new();
    db.run(
        Session::system(),
        "create role authenticated;
         create table notes (owner uuid, body text, archived boolean);
         alter table notes enable row level security;
         grant select, insert, update, delete on notes to authenticated;
         create policy own on notes to authenticated using (owner = '00000000-0000-4000-8000-000000000000');
         create policy never on notes for select to authenticated using (false);
         create policy kept on notes as restrictive for delete to authenticated using (not archived);",
    )
    .unwrap();
    assert_eq!(db.engine.policy_scans().unwrap(), []);
}

#[test]
fn a_write_that_makes_room_for_others_takes_no_numbers() {
    on_a_deep_stack(long_and_short_writes);
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
