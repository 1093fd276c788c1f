//! Query strings, addresses and headers that cannot be read or name what is not there.

use serde_json::json;

use crate::refusals::{Refused, check};
use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::Request;

fn refused(query: &str, status: u16, code: &'static str) -> Refused {
    (Request::get(&format!("{NOTES}?{query}")), status, code)
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    let queries = [
        "title=a",
        "title=",
        "title=eq",
        "=eq.1",
        "id=not.not.eq.1",
        "done=is.maybe",
        "rank=in.1,2",
        "rank=in.(1,2",
        "id=eq(some).{1}",
        "title=like(all.x",
        "or=()",
        "or=(id.eq.1",
        "or=(id.eq.1))",
        "and=(or(id.eq.1,id.eq.2)",
        "and=(or(id.eq.1,)",
        "not.and=id.eq.1",
        "select=id,title,",
        "select=a:b:c:d",
        "select=(",
        "select=id)",
        "select=parent(",
        "select=data->",
        "select=data->>->a",
        "select=..parent(id)",
        "select=*id",
        "order=",
        "order=,",
        "order=id.desc.desc",
        "order=id.nullslast.asc",
        "limit=x",
        "limit=1.5",
        "limit=1e3",
        "limit=0x10",
        "limit=99999999999999999999999",
        "offset=99999999999999999999999",
        "offset=x",
        "columns=(",
        "on_conflict=(",
        "title=%ff",
        "%ff=eq.1",
        "select=%ff",
        "select=%c0%80",
        "title=eq.%ed%a0%80",
    ];
    with_server(|server| check(server, queries.map(|query| refused(query, 400, "PGRST100"))));
}

#[test]
fn unknown_names_are_refused_with_a_near_one() {
    let cases = [
        (
            "/rest/v1/nots",
            404,
            "PGRST205",
            "Perhaps you meant the table 'public.notes'",
        ),
        (
            "/rest/v1/NOTES",
            404,
            "PGRST205",
            "Perhaps you meant the table 'public.notes'",
        ),
        ("/rest/v1/notes?tite=eq.a", 400, "42703", "notes.title"),
        ("/rest/v1/notes?select=tite", 400, "42703", "notes.title"),
        ("/rest/v1/notes?order=tite", 400, "42703", "notes.title"),
        (
            "/rest/v1/notes?or=(tite.eq.a,id.eq.1)",
            400,
            "42703",
            "notes.title",
        ),
        ("/rest/v1/notes?select=peple(*)", 400, "PGRST200", "people"),
        ("/rest/v1/rpc/add_upp?a=1&b=2", 404, "PGRST202", "add_up"),
        (
            "/rest/v1/rpc/add_up?a=1&c=2",
            404,
            "PGRST202",
            "add_up(a, b)",
        ),
    ];
    with_server(|server| {
        for (target, status, code, near) in cases {
            let answer = server.ask(&Request::get(target));
            let (is, body) = (answer.status, answer.json());
            assert_eq!((is, &body["code"]), (status, &json!(code)), "{target}");
            let hint = body["hint"].as_str().unwrap_or_default();
            assert!(hint.contains(near), "{target}: {hint}");
        }
    });
}

#[test]
fn other_names_that_are_not_there_are_refused() {
    with_server(|server| {
        let at = |target: &str, status, code| (Request::get(target), status, code);
        check(
            server,
            [
                at("/rest/v1/users", 404, "PGRST205"),
                at("/rest/v1/auth.users", 404, "PGRST205"),
                at("/rest/v1/plinth_catalog", 404, "PGRST205"),
                at("/rest/v1/sqlite_master", 404, "PGRST205"),
                at("/rest/v1/%00", 404, "PGRST205"),
                at("/rest/v1/%ff", 404, "PGRST125"),
                at("/rest/v1/rpc/%ff", 404, "PGRST125"),
                at("/rest/v1/../../etc/passwd", 404, "PGRST125"),
                at("/rest/v1/notes/1", 404, "PGRST125"),
                at("/nowhere", 404, "not_found"),
                refused("select=%00", 400, "22021"),
                refused("order=%00", 400, "22021"),
                refused("select=title::nosuch", 400, "42704"),
                refused("select=title->a", 404, "42883"),
                refused("select=count()", 400, "PGRST123"),
                refused("title=fts.a", 400, "0A000"),
                refused("people.name=eq.Ann", 400, "PGRST108"),
                refused(
                    "select=notes(people(id))&order=notes(title)",
                    400,
                    "PGRST118",
                ),
            ],
        );
    });
}

#[test]
fn limits_and_offsets_out_of_range_have_an_answer() {
    with_server(|server| {
        check(
            server,
            [
                refused("limit=-1", 416, "PGRST103"),
                refused("offset=-1", 416, "PGRST103"),
                refused("limit=-9223372036854775808", 416, "PGRST103"),
            ],
        );
        let ids = |query: &str| {
            rows(
                server,
                &Request::get(&format!("{NOTES}?select=id&order=id&{query}")),
            )
        };
        assert_eq!(ids("limit=9223372036854775807"), [1, 2, 3]);
        assert_eq!(ids("limit=0"), [0; 0]);
        assert_eq!(ids("offset=9223372036854775807"), [0; 0]);
        assert_eq!(ids("limit=9223372036854775807&offset=2"), [3]);
    });
}

/// A `Range` that cannot be read is ignored, as HTTP has it; one that can be read and makes no sense is refused.
#[test]
fn bad_ranges_are_ignored_or_refused() {
    with_server(|server| {
        let with =
            |range: &[u8]| Request::get("/rest/v1/notes?select=id&order=id").header("range", range);
        for range in [
            "",
            "-",
            "-1",
            "a-b",
            "1-1-1",
            "0-99999999999999999999",
            "99999999999999999999-",
            "bytes=1-1",
        ] {
            assert_eq!(rows(server, &with(range.as_bytes())), [1, 2, 3], "{range}");
        }
        assert_eq!(rows(server, &with(b"\xff-\xfe")), [1, 2, 3]);
        check(server, [(with(b"5-2"), 416, "PGRST103")]);
        let counted =
            with(b"9223372036854775806-9223372036854775807").header("prefer", "count=exact");
        check(server, [(counted, 416, "PGRST103")]);
    });
}

#[test]
fn schemas_that_are_not_exposed_are_refused() {
    let schemas: [&[u8]; 9] = [
        b"nope",
        b"auth",
        b"pg_catalog",
        b"information_schema",
        b"",
        b"PUBLIC",
        b"public,auth",
        b"public; drop schema public",
        b"\xff\xfe",
    ];
    with_server(|server| {
        check(
            server,
            schemas.map(|schema| {
                (
                    Request::get(NOTES).header("accept-profile", schema),
                    406,
                    "PGRST106",
                )
            }),
        );
        let insert = Request::post(NOTES, "{\"title\": \"a\"}");
        check(
            server,
            schemas.map(|schema| {
                (
                    insert.clone().header("content-profile", schema),
                    406,
                    "PGRST106",
                )
            }),
        );
    });
}

#[test]
fn media_types_and_preferences_are_refused_by_name() {
    with_server(|server| {
        let accept = |media: &str| (Request::get(NOTES).header("accept", media), 406, "PGRST107");
        check(
            server,
            ["text/xml", "x", "application/geo+json", "image/*"].map(accept),
        );
        let strict = |words: &str| {
            let request = Request::post(NOTES, "{\"title\": \"a\"}");
            (
                request.header("prefer", format!("handling=strict, {words}")),
                400,
                "PGRST122",
            )
        };
        check(
            server,
            [
                "garbage",
                "return=nothing",
                "count=many",
                "max-affected=-1",
                "max-affected=x",
                "resolution='; --",
            ]
            .map(strict),
        );
    });
}

#[test]
fn unknown_methods_are_refused() {
    let methods = ["BREW", "TRACE", "CONNECT", "LINK", "get", "PROPFIND"];
    with_server(|server| {
        check(
            server,
            methods.map(|method| (Request::new(method, NOTES), 405, "PGRST117")),
        );
        check(
            server,
            ["/", "/health"].map(|path| (Request::new("BREW", path), 405, "method_not_allowed")),
        );
    });
}

#[test]
fn upserts_name_columns_that_are_there_and_unique() {
    with_server(|server| {
        let upsert = |target: &str| {
            let request = Request::post(
                &format!("{NOTES}?on_conflict={target}"),
                "{\"title\": \"a\"}",
            );
            request.header("prefer", "resolution=merge-duplicates")
        };
        check(
            server,
            [
                (upsert("nope"), 400, "42703"),
                (upsert("title"), 400, "42P10"),
                (upsert("id,title"), 400, "42P10"),
                (
                    Request::new("PUT", "/rest/v1/notes?id=eq.7")
                        .body("{\"id\": 8, \"title\": \"a\"}"),
                    400,
                    "PGRST115",
                ),
                (
                    Request::new("PUT", "/rest/v1/notes?title=eq.a")
                        .body("{\"id\": 8, \"title\": \"a\"}"),
                    405,
                    "PGRST105",
                ),
            ],
        );
    });
}

fn rows(server: &Server, request: &Request) -> Vec<i64> {
    let answer = server.ask(request);
    assert_eq!(answer.status, 200, "{request}: {}", answer.text());
    let rows = answer.json();
    let rows = rows.as_array().expect("rows come in an array");
    rows.iter().filter_map(|row| row["id"].as_i64()).collect()
}
