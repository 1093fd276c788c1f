//! SQL where values and names go: it is a value, or no name at all, and never SQL.

use serde_json::json;

use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::{Request, value};

const ATTACKS: [&str; 12] = [
    "'; drop table notes; --",
    "\"; drop table notes; --",
    "' or '1'='1",
    "1 or 1=1",
    "1; delete from notes",
    "x') union select id, encrypted_password from auth.users --",
    "id) from notes; drop table people; --",
    "$$; drop table notes; $$",
    "/**/; truncate notes; /*",
    "\\'; drop table notes; --",
    "${jndi:x} {{7*7}} %s %n",
    "public.notes\"; commit; drop table notes; begin; --",
];

/// The answer is one of ours: no fault, no silence.
fn is_answered(server: &Server, request: &Request) {
    let answer = server.ask(request);
    assert!(
        (200..500).contains(&answer.status),
        "{request}: {} {}",
        answer.status,
        answer.text()
    );
}

fn is_refused(server: &Server, request: &Request) {
    let answer = server.ask(request);
    assert!(
        (400..500).contains(&answer.status),
        "{request}: {} {}",
        answer.status,
        answer.text()
    );
    assert!(
        !answer.json()["code"].is_null(),
        "{request}: {}",
        answer.text()
    );
}

#[test]
fn where_names_go_it_is_refused() {
    with_server(|server| {
        for attack in ATTACKS {
            let it = value(attack);
            for query in [
                format!("select={it}"),
                format!("select=id,{it}"),
                format!("select=people({it})"),
                format!("select={it}(id)"),
                format!("select=people!{it}(id)"),
                format!("select=title::{it}"),
                format!("{it}=eq.1"),
                format!("people.{it}=eq.1"),
                format!("title={it}"),
                format!("title={it}.x"),
                format!("title=eq(any){it}"),
                format!("title=is.{it}"),
                format!("or=({it}.eq.1)"),
                format!("or={it}"),
                format!("order={it}"),
                format!("order=id.{it}"),
                format!("order=people({it})"),
                format!("limit={it}"),
                format!("offset={it}"),
                format!("id=eq.{it}"),
                format!("id=in.({it})"),
                format!("owner=eq.{it}"),
                format!("seen=gt.{it}"),
            ] {
                is_refused(server, &Request::get(&format!("{NOTES}?{query}")));
            }
            let row = json!({ "id": 95, "title": "a" }).to_string();
            is_refused(server, &Request::get(&format!("/rest/v1/{it}")));
            is_refused(
                server,
                &Request::new("DELETE", &format!("/rest/v1/{it}?id=eq.1")),
            );
            is_refused(server, &Request::post(&format!("/rest/v1/rpc/{it}"), "{}"));
            is_refused(
                server,
                &Request::get(&format!("/rest/v1/rpc/add_up?a=1&{it}=2")),
            );
            is_refused(
                server,
                &Request::post(
                    "/rest/v1/rpc/add_up",
                    json!({ "a": 1, attack: 2 }).to_string(),
                ),
            );
            is_refused(
                server,
                &Request::post(&format!("{NOTES}?columns={it}"), row.as_str()),
            );
            is_refused(
                server,
                &Request::post(NOTES, json!({ attack: 1, "title": "a" }).to_string()),
            );
            is_refused(
                server,
                &Request::new("PATCH", NOTES).body(json!({ attack: 1 }).to_string()),
            );
            for profile in ["accept-profile", "content-profile"] {
                let method = if profile == "accept-profile" {
                    "GET"
                } else {
                    "DELETE"
                };
                is_refused(server, &Request::new(method, NOTES).header(profile, attack));
            }
            let upsert = Request::post(&format!("{NOTES}?on_conflict={it}"), row.as_str());
            is_refused(
                server,
                &upsert.header("prefer", "resolution=merge-duplicates"),
            );
        }
    });
}

#[test]
fn where_values_go_it_is_a_value() {
    with_server(|server| {
        for attack in ATTACKS {
            let it = value(attack);
            let quoted = value(&format!(
                "\"{}\"",
                attack.replace('\\', "\\\\").replace('"', "\\\"")
            ));
            for filter in [
                format!("title=eq.{it}"),
                format!("title=neq.{it}&id=eq.0"),
                format!("title=like.{it}"),
                format!("title=in.({quoted})"),
                format!("and=(title.eq.{quoted})"),
                format!("data->>{quoted}=eq.{it}"),
                format!("data->>a=eq.{it}"),
            ] {
                for method in ["GET", "DELETE"] {
                    let request = Request::new(method, &format!("{NOTES}?{filter}"));
                    is_answered(server, &request);
                }
            }
            let match_all = format!("{NOTES}?select=id&title=eq.{it}");
            assert_eq!(server.read(&match_all), json!([]), "{attack}");
            let arguments = json!({ "a": attack, "b": 1 }).to_string();
            is_refused(server, &Request::post("/rest/v1/rpc/add_up", arguments));
        }
    });
}

#[test]
fn stored_sql_comes_back_as_it_was() {
    with_server(|server| {
        for attack in ATTACKS {
            let row =
                json!({ "id": 96, "title": attack, "data": { attack: attack }, "tags": [attack] });
            let insert = Request::post("/rest/v1/notes?select=id,title,data,tags", row.to_string());
            let inserted = server.ask(&insert.header("prefer", "return=representation"));
            assert_eq!(inserted.json(), json!([row]), "{}", inserted.text());
            let found = server.read(&format!("{NOTES}?select=id&title=eq.{}", value(attack)));
            assert_eq!(found, json!([{ "id": 96 }]));
            server.ask(&Request::new(
                "DELETE",
                &format!("{NOTES}?title=eq.{}", value(attack)),
            ));
        }
    });
}

#[test]
fn in_headers_it_means_nothing() {
    with_server(|server| {
        for attack in ATTACKS {
            for name in [
                "range",
                "range-unit",
                "prefer",
                "accept",
                "x-client-info",
                "user-agent",
                "cookie",
                "if-match",
                "x-request-id",
            ] {
                let none = "/rest/v1/notes?id=eq.0";
                is_answered(server, &Request::get(NOTES).header(name, attack));
                is_answered(
                    server,
                    &Request::new("PATCH", none)
                        .body("{\"title\": \"a\"}")
                        .header(name, attack),
                );
                is_answered(server, &Request::new("DELETE", none).header(name, attack));
            }
        }
    });
}

#[test]
fn accounts_take_it_for_a_value_too() {
    with_server(|server| {
        for attack in ATTACKS {
            let credentials =
                json!({ "email": attack, "password": attack, "data": { attack: attack } })
                    .to_string();
            is_refused(
                server,
                &Request::post("/auth/v1/signup", credentials.as_str()),
            );
            is_refused(
                server,
                &Request::post("/auth/v1/token?grant_type=password", credentials.as_str()),
            );
            is_refused(
                server,
                &Request::post(
                    &format!("/auth/v1/token?grant_type={}", value(attack)),
                    credentials.as_str(),
                ),
            );
            let refresh = json!({ "refresh_token": attack }).to_string();
            is_refused(
                server,
                &Request::post("/auth/v1/token?grant_type=refresh_token", refresh),
            );
            let listed = server.ask_as_admin(&Request::get(&format!(
                "/auth/v1/admin/users?filter={}",
                value(attack)
            )));
            assert_eq!(listed.json()["users"], json!([]), "{}", listed.text());
        }
    });
}
