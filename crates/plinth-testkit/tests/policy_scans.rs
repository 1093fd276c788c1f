//! Policies that read whole tables: what ships has none, which indexes are missed, and how `plinth migrate` tells of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use plinth_db::migrations::{MigrationFile, apply, find};
use plinth_db::{Error, MissingIndex, PolicyScan, Session};
use plinth_testkit::embedded::{Database, Template};
use plinth_testkit::process::run;
use plinth_testkit::server::write_migration;
use plinth_testkit::temp::TempDir;
use serde_json::{Value, json};

/// What the policies of these tests are about. `author` and `team` begin no index; `owner` does in a file, for its foreign key.
const TABLES: &str = "
create table teams (id bigint primary key, name text);
create table members (team bigint, person uuid, primary key (person, team));
create table items (
  id bigint generated always as identity primary key,
  author uuid,
  team bigint,
  owner uuid references auth.users (id),
  code text unique,
  state text
);
create index on items (state, author);
create function my_team() returns bigint language sql stable security definer set search_path = ''
  as $$ select team from public.members where person = auth.uid() $$;
create function my_teams() returns setof bigint language sql stable security definer set search_path = ''
  as $$ select team from public.members where person = auth.uid() $$;
create function next_team() returns bigint language sql volatile as $$ select 7::bigint $$;
alter table items enable row level security;
";

fn from_root(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(path).components().collect()
}

fn template() -> Template {
    Template::new(&plinth_server::modules()).unwrap()
}

fn scans(template: &Template, database: &Database<'_>) -> Vec<PolicyScan> {
    let runtime = template.runtime();
    runtime.block_on(database.db.policy_scans()).unwrap()
}

fn migrate(template: &Template, database: &Database<'_>, files: &[MigrationFile]) {
    let applied = template
        .runtime()
        .block_on(apply(&database.db, files, |_| {}))
        .unwrap();
    assert_eq!(applied.versions.len(), files.len());
}

#[test]
fn the_system_s_own_tables_have_none() {
    let template = template();
    let database = template.database().unwrap();
    let catalog = database.db.catalog();
    for schema in ["auth", "storage", "commerce"] {
        let mut names = catalog.relations.keys();
        assert!(names.any(|name| name.schema == schema), "{schema}");
    }
    assert_eq!(scans(&template, &database), []);
}

#[test]
fn the_examples_have_none() {
    let template = template();
    for example in ["shop", "notes", "accounts"] {
        let files = find(&from_root("examples").join(example)).unwrap();
        assert!(!files.is_empty(), "{example} has migrations");
        let database = template.database().unwrap();
        migrate(&template, &database, &files);
        assert_eq!(scans(&template, &database), [], "{example}");
    }
}

#[test]
fn the_benchmark_has_none() {
    let path = from_root("crates/plinth-load/src/servers/chat.sql");
    let file = MigrationFile {
        version: "20260101000000".to_owned(),
        name: "chat".to_owned(),
        sql: std::fs::read_to_string(&path).unwrap(),
        path,
    };
    let template = template();
    let database = template.database().unwrap();
    migrate(&template, &database, &[file]);
    assert_eq!(scans(&template, &database), []);
}

/// The columns of `items` that want an index for these policies, each with the policy that is named.
fn wanted(template: &Template, policies: &str) -> Vec<(String, String)> {
    let database = template.database().unwrap();
    let script = format!("{TABLES}{policies}");
    let session = Session::system();
    let work = database
        .db
        .transaction(&session, move |tx| tx.script(&script));
    let done: Result<_, Error> = template.runtime().block_on(work);
    done.unwrap_or_else(|error| panic!("{policies}: {error}"));
    let found = scans(template, &database);
    let missing = found.into_iter().map(|scan| match scan {
        PolicyScan::ForAList(MissingIndex {
            table,
            policy,
            column,
        }) if table.name == "items" => (column, policy),
        other => panic!("{policies}: {other:?}"),
    });
    missing.collect()
}

#[test]
fn an_index_is_missed_where_it_is_all_that_is_missing() {
    let cases: [(&str, &[(&str, &str)]); 12] = [
        (
            "create policy a on items using (author = auth.uid());",
            &[("author", "a")],
        ),
        (
            "create policy a on items for select to authenticated using ((select auth.uid()) = author);",
            &[("author", "a")],
        ),
        (
            "create policy a on items using (team = my_team());",
            &[("team", "a")],
        ),
        (
            "create policy a on items using (team in (select my_teams()));",
            &[("team", "a")],
        ),
        (
            "create policy a on items using (team in (select m.team from members m where m.person = auth.uid()));
             grant select on members to anon, authenticated;",
            &[("team", "a")],
        ),
        (
            "create policy a on items using (author = current_setting('app.author', true)::uuid);",
            &[("author", "a")],
        ),
        // One of several conditions is enough.
        (
            "create policy a on items using (state <> 'hidden' and author = auth.uid());",
            &[("author", "a")],
        ),
        (
            "create policy open on items using (true);
             create policy held on items as restrictive using (team = my_team());",
            &[("team", "held")],
        ),
        // Each that shows rows has to find them.
        (
            "create policy a on items using (author = auth.uid());
             create policy b on items for select using (team = my_team());",
            &[("author", "a"), ("team", "b")],
        ),
        (
            "create policy a on items using (author = auth.uid() or team = my_team() or code = auth.email());",
            &[("author", "a"), ("team", "a")],
        ),
        // Told once, for whichever policy comes first.
        (
            "create policy a on items for select to anon using (author = auth.uid());
             create policy b on items for select to authenticated using (author = auth.uid());",
            &[("author", "a")],
        ),
        (
            "create policy a on items for select using (author = auth.uid());
             create policy b on items for update using (team = my_team());",
            &[("author", "a")],
        ),
    ];
    let template = template();
    for (policies, columns) in cases {
        let columns: Vec<_> = columns
            .iter()
            .map(|(column, policy)| ((*column).to_owned(), (*policy).to_owned()))
            .collect();
        assert_eq!(wanted(&template, policies), columns, "{policies}");
    }
}

#[test]
fn no_index_is_missed_where_there_is_one_or_none_would_do() {
    let cases = [
        // There is one: of a key, of a constraint, of a foreign key, with a condition.
        "create policy a on items using (id = my_team());",
        "create policy a on items using (code = auth.email());",
        "create policy a on items using (owner = auth.uid());",
        "create policy a on items using (author = auth.uid());
         create index on items (author) where author is not null;",
        "create policy a on items using (state = 'open' and author = auth.uid());",
        // Other policies of the role look at every row.
        "create policy a on items using (author = auth.uid());
         create policy b on items for select using (state <> 'hidden');",
        "create policy a on items using (author = auth.uid() or (select my_team()) = 7);",
        "create policy a on items using (author = auth.uid());
         create policy b on items for select using (
           exists (select from members m where m.team = items.team and m.person = auth.uid()));
         grant select on members to anon, authenticated;",
        // The value is another for every row, or the same for every caller.
        "create policy a on items using (author = owner);",
        "create policy a on items using (team = (select m.team from members m where m.person = items.author limit 1));
         grant select on members to anon, authenticated;",
        "create policy a on items using (team = next_team());",
        "create policy a on items using (team = 7);",
        // Nobody lists: no row is shown, nobody may read, nothing is policed.
        "create policy a on items using (author = auth.uid() and false);
         create policy b on items for insert with check (author = auth.uid());",
        "create policy a on items to authenticated using (author = auth.uid());
         grant insert on items to authenticated;",
        "create policy a on items using (author = auth.uid());
         alter table items disable row level security;",
    ];
    let template = template();
    for policies in cases {
        assert_eq!(wanted(&template, policies), [], "{policies}");
    }
}

#[test]
fn migrate_warns_and_tells_programs() {
    let folder = TempDir::new("policy-scans").unwrap();
    let tables = "create table rooms (id bigint primary key, host uuid);
         create table guests (room bigint, person uuid);
         alter table rooms enable row level security;
         create policy hosts on rooms to authenticated using (host = auth.uid());
         create policy \"guests write\" on rooms for insert to authenticated with check (
           exists (select from guests g where g.room = rooms.id and g.person = auth.uid()));
         grant select on guests to authenticated;";
    write_migration(folder.path(), "0001_rooms.sql", tables);
    let for_a_row = "whenever authenticated adds a row of rooms, its policies read all of guests; \
                     an index on the columns that they compare there helps";
    let for_a_list = "lists of rooms read every row, because policy \"hosts\" compares host and no index begins with it; \
                      create index on rooms (host)";
    let warnings = |said: &str| -> Vec<String> {
        let lines = said.lines();
        lines
            .filter_map(|line| line.strip_prefix("warning: ").map(str::to_owned))
            .collect()
    };

    let ended = run(folder.path(), &["migrate", "."]);
    ended.is(0, &["applied 1 migration"]);
    assert_eq!(warnings(&ended.stderr), [for_a_row, for_a_list]);

    write_migration(
        folder.path(),
        "0002_guests.sql",
        "create index on guests (room, person);",
    );
    let ended = run(folder.path(), &["migrate", ".", "--json"]);
    ended.is(0, &[]);
    assert_eq!(warnings(&ended.stderr), [for_a_list]);
    assert_eq!(
        serde_json::from_str::<Value>(&ended.stdout).unwrap(),
        json!({
            "applied": ["0002"],
            "policy_scans": [{
                "table": "public.rooms",
                "message": for_a_list,
                "statement": "create index on rooms (host)",
            }],
        })
    );

    write_migration(
        folder.path(),
        "0003_rooms.sql",
        "create index on rooms (host);",
    );
    let ended = run(folder.path(), &["migrate", ".", "--json"]);
    ended.is(0, &[]);
    assert_eq!(warnings(&ended.stderr), [""; 0]);
    assert_eq!(
        serde_json::from_str::<Value>(&ended.stdout).unwrap(),
        json!({ "applied": ["0003"], "policy_scans": [] })
    );
}
