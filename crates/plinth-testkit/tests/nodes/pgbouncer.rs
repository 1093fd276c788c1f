//! A node behind `PgBouncer` in transaction pooling: nothing is prepared, nothing is left on a connection, and what one caller
//! is another one never is, although all of them share one connection to the server.

use std::thread;
use std::time::Duration;

use plinth_testkit::http::{Answer, Request, value};
use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::postgres::pgbouncer::{PgBouncer, Settings};
use serde_json::{Value, json};

use crate::Servers;
use crate::node::{Application, NOTES, Node, eventually, good, is_away};

/// Longest wait for service, once the server is back. The pooler looks for it once a second.
const BACK: Duration = Duration::from_secs(10);

/// A shop with what requests can do to it.
const SHOP: (&str, &str) = (
    "0002_shop.sql",
    r#"create table makers (id integer primary key, name text not null unique);
     create table things (
       id integer primary key, maker integer references makers, name text, tags text[], details jsonb, made timestamptz, price numeric
     );
     alter table makers enable row level security;
     alter table things enable row level security;
     create policy open on makers for all to anon using (true) with check (true);
     create policy open on things for all to anon using (true) with check (name is distinct from 'refused');
     insert into makers values (1, 'it''s \ "ours"'), (2, 'ünïcödé 💚');
     insert into things values (1, 1, 'a', '{x,"y\\z"}', '{"k\\": "v''"}', '2025-05-05 12:00+02', 1.50);
     create function echo(said text) returns text language sql immutable as 'select said';
     create function twice(amount integer) returns setof integer language sql as 'select amount from generate_series(1, 2)';
     -- Found only where names are looked for in the schemas that Plinth says.
     create function extensions.hidden() returns text language sql as $$ select 'found'::text $$;
     grant usage on schema extensions to anon;
     create function calls_hidden() returns text language plpgsql as $$ begin return hidden(); end $$;
     create function clock() returns text language sql stable as
       $$ select current_setting('TimeZone') || ' ' || current_setting('DateStyle') || ' ' || timestamptz '2025-05-05 12:00Z' $$;"#,
);
/// The same way as `psql` would run it.
const FREE: (&str, &str) = (
    "0003_free.sql",
    "-- plinth: no-transaction
     create index concurrently things_by_name on things (name);
     create table made_freely (at timestamptz default now());",
);

/// What tells who is asked for, and what leaves as much as it can on the connection.
const WHO: (&str, &str) = (
    "0004_who.sql",
    "create function who() returns jsonb language sql stable as $$
       select jsonb_build_object('role', current_user, 'sub', auth.uid(), 'claims', nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'email',
         'path', current_setting('search_path'), 'method', current_setting('request.method', true)) $$;
     create function leave() returns void language plpgsql as $$ begin
       perform set_config('request.jwt.claims', '{\"sub\": \"00000000-0000-0000-0000-000000000001\", \"role\": \"service_role\"}', false);
       perform set_config('role', 'service_role', false);
       perform set_config('search_path', 'nowhere', false);
       perform set_config('standard_conforming_strings', 'off', false);
       perform set_config('TimeZone', 'Asia/Tokyo', false);
     end $$;
     create function fail() returns void language plpgsql as $$ begin
       perform set_config('role', 'service_role', true);
       raise exception 'failed';
     end $$;",
);

fn settings(server: &Guarded) -> Settings {
    let (user, password) = server.superuser();
    let lines = [
        "auth_type = scram-sha-256",
        "auth_query = select usename, passwd from pg_shadow where usename = $1",
        "max_client_conn = 500",
        "server_login_retry = 1",
    ];
    let mut lines = lines.map(str::to_owned).to_vec();
    lines.push(format!("auth_user = {user}"));
    Settings {
        server: format!("host=127.0.0.1 port={}", server.port()),
        users: vec![(user.to_owned(), password.to_owned())],
        lines,
        user_lines: Vec::new(),
    }
}

/// Before a server; none where it is not installed.
fn pooler(server: &Guarded) -> PgBouncer {
    let program = plinth_testkit::postgres::pgbouncer::find();
    PgBouncer::start(&program.expect("it is installed"), &settings(server)).unwrap()
}

/// The URL of a database through the pooler.
fn through(pooler: &PgBouncer, url: &str, server: &Guarded) -> String {
    let direct = format!(":{}/", server.port());
    url.replace(&direct, &format!(":{}/", pooler.port())) + "?pgbouncer=true"
}

/// Texts that would like to be SQL.
const NAMES: [&str; 13] = [
    "plain",
    "it's",
    r"back\slash",
    r"\'; drop table things; --",
    r"\\'; drop table things; --",
    "'; drop table things; --",
    "$$; drop table things; $$",
    "$1 $2",
    "/* */ -- \n\r\t",
    "\"double\" `back` 💚 ünïcödé \u{2028} \u{feff}",
    "E'\\x27'",
    "null",
    "",
];

/// What must be answered alike, with a pooler or without. The order counts: later ones see what earlier ones did.
fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    let insert = |id: usize, name: &str| {
        let row = json!({ "id": id, "maker": 1, "name": name, "tags": [name, "b"], "details": { name: name },
            "made": "2025-05-05T12:00:00+02:00", "price": "1.10" });
        Request::post("/rest/v1/things", row.to_string())
    };
    for (place, name) in NAMES.iter().enumerate() {
        let insert = insert(100 + place, name).header("prefer", "return=representation");
        all.push(insert);
        all.push(Request::get(&format!(
            "/rest/v1/things?select=*,makers(name)&name=eq.{}",
            value(name)
        )));
        let json_path = format!(
            "/rest/v1/things?select=id,details->>{}&order=id&limit=3",
            value(name)
        );
        all.push(Request::get(&json_path));
        let listed = format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
        all.push(Request::get(&format!(
            "/rest/v1/things?select=id&name=in.({})",
            value(&listed)
        )));
        all.push(Request::post(
            "/rest/v1/rpc/echo",
            json!({ "said": name }).to_string(),
        ));
        all.push(
            Request::new("PATCH", &format!("/rest/v1/things?id=eq.{}", 100 + place))
                .body(json!({ "name": format!("{name}{name}") }).to_string())
                .header("prefer", "return=representation"),
        );
    }
    let upsert = r#"[{"id": 100, "name": "again"}, {"id": 200, "name": "new"}]"#;
    let upsert = Request::post("/rest/v1/things", upsert).header(
        "prefer",
        "resolution=merge-duplicates,return=representation,count=exact",
    );
    let many: Vec<Value> = (300..400)
        .map(|id| json!({ "id": id, "name": id.to_string() }))
        .collect();
    all.extend([
        // A zero byte is no text.
        insert(150, "nul \0 byte"),
        Request::get("/rest/v1/things?name=eq.%00"),
        upsert,
        Request::post("/rest/v1/things", json!(many).to_string()),
        insert(500, "refused"),
        Request::post("/rest/v1/things", r#"{"id": 300}"#),
        Request::post("/rest/v1/things", r#"{"id": "no number"}"#),
        Request::get("/rest/v1/things?select=id&order=id&limit=2&offset=1")
            .header("prefer", "count=exact"),
        Request::get("/rest/v1/things?select=id,name&id=lt.105").header("accept", "text/csv"),
        Request::get("/rest/v1/things?id=eq.1")
            .header("accept", "application/vnd.pgrst.object+json"),
        Request::get("/rest/v1/things?id=lt.200")
            .header("accept", "application/vnd.pgrst.object+json"),
        Request::get("/rest/v1/things?tags=cs.{x}&details->>k=is.null"),
        Request::get("/rest/v1/rpc/twice?amount=4"),
        Request::post("/rest/v1/rpc/calls_hidden", "{}"),
        Request::post("/rest/v1/rpc/clock", "{}"),
        Request::new("DELETE", "/rest/v1/things?id=gte.390")
            .header("prefer", "return=representation"),
        Request::new("DELETE", "/rest/v1/things?id=gte.300")
            .header("prefer", "max-affected=5,handling=strict"),
        Request::get("/rest/v1/things?select=id,name,made,price&order=id"),
        Request::get("/rest/v1/nowhere"),
        Request::get("/rest/v1/made_freely"),
    ]);
    all
}

pub(crate) fn it_answers_as_without_it(servers: &Servers) {
    let server = &servers.shared;
    let pooler = pooler(server);
    let migrations = [NOTES, SHOP, FREE];
    let start = |pooled: bool| {
        let url = server.url(&server.database().unwrap());
        let url = match pooled {
            true => through(&pooler, &url, server),
            false => url,
        };
        Application::new(&url, &migrations).start()
    };
    let (direct, behind) = (start(false), start(true));
    for request in requests() {
        let (expected, answer) = (direct.ask(&request), behind.ask(&request));
        assert_eq!(
            (answer.status, answer.text(), content_range(&answer)),
            (expected.status, expected.text(), content_range(&expected)),
            "{request}"
        );
        assert_ne!(expected.status, 500, "{request}: {}", expected.text());
    }
    let inserted = behind.read("/rest/v1/things?select=id&id=gte.100&id=lt.150");
    assert_eq!(inserted.as_array().map(Vec::len), Some(NAMES.len()));
    assert_eq!(behind.read("/rest/v1/rpc/calls_hidden"), json!("found"));

    for email in ["o'brien@example.com", r"back\\slash'@example.com"] {
        let statuses = [&direct, &behind].map(|node| account(node, email));
        assert_eq!(statuses[0], statuses[1], "{email}");
    }
    // A second start finds all in place.
    behind.kill().start().read("/rest/v1/things?limit=1");
}

fn content_range(answer: &Answer) -> Option<String> {
    let line = answer
        .head
        .lines()
        .find(|line| line.starts_with("content-range"));
    line.map(str::to_owned)
}

/// Signs up with data that would like to be SQL, signs in, reads the account back; the statuses.
fn account(node: &Node, email: &str) -> Vec<u16> {
    let data = json!({ r"\'; drop table auth.users; --": r"\'; select pg_sleep(9); --", "nested": { "it's": ["\\", "💚"] } });
    let body = json!({ "email": email, "password": crate::node::PASSWORD, "data": data });
    let sign_up = node.ask(&Request::post("/auth/v1/signup", body.to_string()));
    let mut statuses = vec![sign_up.status];
    if sign_up.status != 200 {
        return statuses;
    }
    let session = sign_up.json();
    assert_eq!(session["user"]["user_metadata"]["nested"], data["nested"]);
    let sign_in = crate::node::credentials("/auth/v1/token?grant_type=password", email);
    let refreshed = node.refresh(&session["refresh_token"]);
    let token = session["access_token"].as_str().unwrap();
    let user = node.ask_as(token, &Request::get("/auth/v1/user"));
    statuses.extend([node.ask(&sign_in).status, refreshed.status, user.status]);
    let found = user.json()["user_metadata"].clone();
    assert_eq!(found["nested"], data["nested"]);
    assert_eq!(
        found.get(r"\'; drop table auth.users; --"),
        data.get(r"\'; drop table auth.users; --")
    );
    statuses
}

/// Everything through one connection to the server, on which functions leave what they can.
pub(crate) fn callers_never_meet_on_one_connection(servers: &Servers) {
    const ROUNDS: usize = 40;
    let server = &servers.shared;
    let mut pooler = pooler(server);
    let database = server.database().unwrap();
    let url = through(&pooler, &server.url(&database), server);
    let node = Application::new(&url, &[NOTES, WHO]).start();
    let login = format!("plinth_authenticator_{database}");
    let hash = server.sql(
        "postgres",
        &format!("select rolpassword from pg_authid where rolname = '{login}'"),
    );
    let mut narrow = settings(server);
    narrow
        .users
        .push((login.clone(), hash.unwrap().trim().to_owned()));
    narrow
        .user_lines
        .push(format!("{login} = max_user_connections=1"));
    pooler.start_anew(&narrow).unwrap();
    eventually(
        BACK,
        || node.ask(&Request::get("/rest/v1/notes")).status,
        |status| *status == 200,
    );

    let people: Vec<(String, String)> = ["ada", "bob", "cyd", "dan"]
        .map(|name| {
            let session = node.sign_up(&format!("{name}@example.com"));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&session["access_token"]), text(&session["user"]["id"]))
        })
        .to_vec();
    thread::scope(|scope| {
        for (token, id) in &people {
            let (node, email_at) = (&node, id);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let who = good(
                        "who",
                        &node.ask_as(token, &Request::post("/rest/v1/rpc/who", "{}")),
                    );
                    assert_eq!(
                        (&who["role"], &who["sub"]),
                        (&json!("authenticated"), &json!(email_at)),
                        "{who}"
                    );
                    assert_eq!(who["path"], "public,extensions", "{who}");
                    let written = json!({ "body": format!(r"{round} \'; drop table notes; --") });
                    good(
                        "a note",
                        &node.ask_as(token, &Request::post("/rest/v1/notes", written.to_string())),
                    );
                    let notes = node.read_as(token, "/rest/v1/notes?select=owner,body");
                    let notes = notes.as_array().unwrap();
                    assert_eq!(notes.len(), round + 1);
                    assert!(notes.iter().all(|note| note["owner"] == json!(id)));
                    match round % 4 {
                        0 => _ = node.ask_as(token, &Request::post("/rest/v1/rpc/leave", "{}")),
                        1 => {
                            let failed =
                                node.ask_as(token, &Request::post("/rest/v1/rpc/fail", "{}"));
                            assert_eq!(failed.status, 400, "{}", failed.text());
                        }
                        _ => {}
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let who = good("who", &node.ask(&Request::get("/rest/v1/rpc/who")));
                assert_eq!(
                    (&who["role"], &who["sub"]),
                    (&json!("anon"), &Value::Null),
                    "{who}"
                );
                assert_eq!(who["method"], "GET", "{who}");
                assert_eq!(node.read("/rest/v1/notes?select=id"), json!([{ "id": 1 }]));
                let who = good(
                    "who",
                    &node.ask_as_admin(&Request::post("/rest/v1/rpc/who", "{}")),
                );
                assert_eq!(who["role"], "service_role", "{who}");
            }
        });
    });
    let used = format!("select count(*) from pg_stat_activity where usename = '{login}'");
    assert_eq!(server.sql("postgres", &used).unwrap(), "1\n");
    let count = "select count(*) from notes where body like '%drop table%'";
    let all = format!("{}\n", people.len() * ROUNDS);
    assert_eq!(server.sql(&database, count).unwrap(), all);
}

/// Scripts have a connection only as long as a transaction.
pub(crate) fn scripts_leave_nothing_behind(servers: &Servers) {
    let server = &servers.shared;
    let pooler = pooler(server);
    let database = server.database().unwrap();
    // As somebody else may have set up the user of the URL.
    let scripts_set = "-- plinth: no-transaction
        select set_config('role', 'anon', false);
        select set_config('search_path', '', false);";
    let migrations = [
        NOTES,
        (
            "0002_set.sql",
            "set search_path = ''; set standard_conforming_strings = off; select 1;",
        ),
        ("0003_free.sql", scripts_set),
        (
            "0004_after.sql",
            "create table after_all (id integer primary key);",
        ),
    ];
    let url = through(&pooler, &server.url(&database), server);
    let node = Application::new(&url, &migrations).start();
    node.read_as_admin("/rest/v1/after_all");
    let sql = |script: &str| node.application.run(&["sql", ".", "-c", script]);
    sql("select current_user, current_setting('search_path'), current_setting('TimeZone')")
        .is(0, &["postgres", "public,extensions", "UTC"]);
    sql("begin; set local role anon; select current_user as me; commit; select current_user as i_am")
        .is(0, &["anon", "postgres"]);
    sql("begin; set role anon; commit; select 'i am ' || current_user").is(0, &["i am postgres"]);
    sql("set role anon; select 1").is(
        3,
        &["SET outside of a transaction behind a pooler", "SET LOCAL"],
    );
    sql("vacuum notes").is(0, &[]);
    sql("select 1 +; select 'went on'").is(3, &["syntax error", "went on"]);
    sql("create table begun (id integer); begin; insert into begun values (1); rollback; select 'rows ' || count(*) from begun")
        .is(0, &["rows 0"]);
    node.application
        .run(&[
            "sql",
            ".",
            "--role",
            "anon",
            "-c",
            "select current_user; select id from notes",
        ])
        .is(0, &["anon"]);
    node.sign_up("after@example.com");
}

/// What the pooler says of a server that is away is no fault of a request's.
pub(crate) fn a_server_that_is_away_behind_it_is_503(servers: &Servers) {
    let server = servers.untouched();
    let mut settings = settings(&server);
    settings.lines.push("query_wait_timeout = 2".to_owned());
    let program = plinth_testkit::postgres::pgbouncer::find();
    let pooler = PgBouncer::start(&program.expect("it is installed"), &settings).unwrap();
    let url = through(&pooler, &server.url(&server.database().unwrap()), &server);
    let node = Application::new(&url, &[NOTES]).start();
    let read = Request::get("/rest/v1/notes?select=id");
    assert_eq!(node.ask(&read).json(), json!([{ "id": 1 }]));
    server.stop().unwrap();
    is_away(&node.ask(&read));
    let sign_in = crate::node::credentials("/auth/v1/token?grant_type=password", "a@example.com");
    is_away(&node.ask(&sign_in));
    server.restart().unwrap();
    eventually(BACK, || node.ask(&read).status, |status| *status == 200);
    node.sign_up("back@example.com");
    let (user, _) = server.superuser();
    let wrong = through(
        &pooler,
        &server.url_as(user, "wrong word", "postgres"),
        &server,
    );
    Application::new(&wrong, &[]).is_refused(&["refuses `postgres`", "`[database] url`"]);
    // Somebody who forgot to say that it is there.
    let plain = url.replace("?pgbouncer=true", "");
    Application::new(&plain, &[]).is_refused(&["`pgbouncer=true`"]);
}
