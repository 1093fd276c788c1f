//! Functions that never end, never stop calling, or fail deep inside: PostgreSQL's codes, within the caller's time, and
//! the server serves on.

use std::time::{Duration, Instant};

use plinth_db::keys::Keys;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;

const FUNCTIONS: &str = "
create table kept (n integer);
create function spin() returns integer language plpgsql as $$
declare i integer := 0; begin insert into kept values (1); loop i := i + 1; end loop; end $$;
create function spin_reading() returns integer language plpgsql stable as $$
declare i integer := 0; begin while true loop i := i + 1; end loop; return i; end $$;
create function swallow_everything() returns integer language plpgsql as $$
begin loop begin perform 1 / 0; exception when others then null; end; end loop; end $$;
create function call_oneself(n integer) returns integer language plpgsql as $$
begin return call_oneself(n + 1); end $$;
create function fail_deep_inside(n integer) returns integer language plpgsql as $$
begin
  begin
    insert into kept values (n);
    if n = 0 then return 1 / 0; end if;
    return fail_deep_inside(n - 1);
  exception when division_by_zero then raise;
  end;
end $$;
create function fail_in_a_handler() returns integer language plpgsql as $$
begin return 1 / 0; exception when division_by_zero then return 'x'::integer; end $$;
create function count_kept() returns bigint language sql security definer as $$ select count(*) from kept $$;
grant insert on kept to anon;
";

/// Time that anonymous callers have.
const LIMIT: Duration = Duration::from_millis(500);

#[test]
fn functions_that_run_wild_are_stopped() {
    let folder = TempDir::new("wild-functions").unwrap();
    write_migration(folder.path(), "0001_functions.sql", FUNCTIONS);
    let settings = format!(
        "[limits]\nanonymous_statement_timeout_ms = {}\n",
        LIMIT.as_millis()
    );
    std::fs::write(folder.path().join("plinth.toml"), settings).unwrap();
    let server = Process::start("dev", folder.path());
    let keys = Keys::local();
    let call = |method: &str, function: &str, body: &str| -> Answer {
        let request = Request::new(method, &format!("/rest/v1/rpc/{function}"));
        let request = if method == "POST" {
            request.body(body)
        } else {
            request
        };
        request
            .header("apikey", keys.publishable.as_str())
            .send(server.address)
    };
    for (method, function, body, status, code) in [
        ("POST", "spin", "{}", 500, "57014"),
        ("GET", "spin_reading", "", 500, "57014"),
        ("POST", "swallow_everything", "{}", 500, "57014"),
        ("POST", "call_oneself", r#"{"n":1}"#, 500, "54001"),
        ("POST", "fail_deep_inside", r#"{"n":20}"#, 400, "22012"),
        ("POST", "fail_deep_inside", r#"{"n":100000}"#, 500, "54001"),
        ("POST", "fail_in_a_handler", "{}", 400, "22P02"),
        ("POST", "fail_deep_inside", r#"{"n":"x"}"#, 400, "22P02"),
        ("POST", "fail_deep_inside", r#"{"m":1}"#, 404, "PGRST202"),
        ("POST", "fail_deep_inside", "[1", 400, "PGRST102"),
        ("GET", "spin", "", 405, "25006"),
    ] {
        let began = Instant::now();
        let answer = call(method, function, body);
        assert_eq!(
            answer.status,
            status,
            "{function} {body}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["code"], code, "{function}: {}", answer.text());
        assert!(
            began.elapsed() < LIMIT * 6,
            "{function} took {:?}",
            began.elapsed()
        );
        let next = call("POST", "count_kept", "{}");
        assert_eq!(next.text(), "0", "{function} left something behind");
    }
}
