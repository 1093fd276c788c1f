//! Who may call what: every route has a line here, or this test fails.

use anyhow::Result;
use plinth_testkit::embedded::Template;
use plinth_testkit::outcome::{Ask, Outcome, Who};
use plinth_testkit::rest::{Answer, Client};
use serde_json::Map;

/// What the routes are tried on. `anon` may do nothing with the table.
const SCHEMA: [&str; 6] = [
    "create table items (id integer primary key, label text)",
    "alter table items enable row level security",
    "create policy everything on items for all to authenticated using (true) with check (true)",
    "grant select, insert, update, delete on items to authenticated, service_role",
    "insert into storage.buckets (id, name) values ('b', 'b')",
    "create function hello() returns text language sql stable as $$ select 'hello' $$",
];

const CALLERS: [&str; 5] = ["nobody", "wrong key", "anon", "signed in", "service key"];

/// Method, route, what is asked of it, body, and the status for each of [`CALLERS`]. `$n` is another number each time.
type Line = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    [u16; 5],
);

const LINES: &[Line] = &[
    ("GET", "/", "", "", [200, 200, 200, 200, 200]),
    ("GET", "/health", "", "", [200, 200, 200, 200, 200]),
    ("GET", "/health/live", "", "", [200, 200, 200, 200, 200]),
    ("GET", "/rest/v1/", "", "", [401, 401, 200, 200, 200]),
    ("HEAD", "/rest/v1/", "", "", [401, 401, 200, 200, 200]),
    ("OPTIONS", "/rest/v1/", "", "", [401, 401, 200, 200, 200]),
    (
        "GET",
        "/rest/v1/{relation}",
        "",
        "",
        [401, 401, 401, 200, 200],
    ),
    (
        "HEAD",
        "/rest/v1/{relation}",
        "",
        "",
        [401, 401, 401, 200, 200],
    ),
    (
        "POST",
        "/rest/v1/{relation}",
        "",
        r#"{"id": $n}"#,
        [401, 401, 401, 201, 201],
    ),
    (
        "PATCH",
        "/rest/v1/{relation}",
        "?id=eq.0",
        r#"{"label": "x"}"#,
        [401, 401, 401, 204, 204],
    ),
    (
        "PUT",
        "/rest/v1/{relation}",
        "?id=eq.$n",
        r#"{"id": $n, "label": "x"}"#,
        [401, 401, 401, 204, 204],
    ),
    (
        "DELETE",
        "/rest/v1/{relation}",
        "?id=eq.0",
        "",
        [401, 401, 401, 204, 204],
    ),
    (
        "OPTIONS",
        "/rest/v1/{relation}",
        "",
        "",
        [401, 401, 200, 200, 200],
    ),
    (
        "GET",
        "/rest/v1/rpc/{function}",
        "",
        "",
        [401, 401, 200, 200, 200],
    ),
    (
        "HEAD",
        "/rest/v1/rpc/{function}",
        "",
        "",
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/rest/v1/rpc/{function}",
        "",
        "{}",
        [401, 401, 200, 200, 200],
    ),
    (
        "OPTIONS",
        "/rest/v1/rpc/{function}",
        "",
        "",
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/signup",
        "",
        r#"{"email": "new$n@example.com", "password": "long enough"}"#,
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/token",
        "?grant_type=password",
        r#"{"email": "nobody@example.com", "password": "wrong"}"#,
        [401, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/auth/v1/otp",
        "",
        r#"{"email": "otp$n@example.com"}"#,
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/magiclink",
        "",
        r#"{"email": "magiclink$n@example.com"}"#,
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/recover",
        "",
        r#"{"email": "recover$n@example.com"}"#,
        [401, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/resend",
        "",
        r#"{"type": "signup", "email": "resend$n@example.com"}"#,
        [401, 401, 200, 200, 200],
    ),
    (
        "GET",
        "/auth/v1/reauthenticate",
        "",
        "",
        [401, 401, 401, 200, 401],
    ),
    // A link is followed by a browser, which has no key; it is led back to the application whatever comes of it.
    (
        "GET",
        "/auth/v1/verify",
        "?token=none&type=signup",
        "",
        [303, 303, 303, 303, 303],
    ),
    (
        "POST",
        "/auth/v1/verify",
        "",
        r#"{"type": "signup", "token_hash": "none"}"#,
        [401, 401, 403, 403, 403],
    ),
    ("GET", "/auth/v1/user", "", "", [401, 401, 401, 200, 401]),
    (
        "PUT",
        "/auth/v1/user",
        "",
        r#"{"data": {"a": 1}}"#,
        [401, 401, 401, 200, 401],
    ),
    ("POST", "/auth/v1/logout", "", "", [401, 401, 401, 204, 401]),
    (
        "GET",
        "/auth/v1/settings",
        "",
        "",
        [401, 401, 200, 200, 200],
    ),
    ("GET", "/auth/v1/health", "", "", [401, 401, 200, 200, 200]),
    (
        "GET",
        "/auth/v1/.well-known/jwks.json",
        "",
        "",
        [200, 200, 200, 200, 200],
    ),
    (
        "POST",
        "/auth/v1/invite",
        "",
        r#"{"email": "invited$n@example.com"}"#,
        [401, 401, 401, 403, 200],
    ),
    (
        "POST",
        "/auth/v1/admin/generate_link",
        "",
        r#"{"type": "magiclink", "email": "linked$n@example.com"}"#,
        [401, 401, 401, 403, 200],
    ),
    (
        "GET",
        "/auth/v1/admin/users",
        "",
        "",
        [401, 401, 401, 403, 200],
    ),
    (
        "POST",
        "/auth/v1/admin/users",
        "",
        r#"{"email": "made$n@example.com"}"#,
        [401, 401, 401, 403, 200],
    ),
    // A key alone is no token (401); a token of someone else is not enough (403). Let in is who learns that there
    // is no such account (404).
    (
        "GET",
        "/auth/v1/admin/users/{id}",
        "",
        "",
        [401, 401, 401, 403, 404],
    ),
    (
        "PUT",
        "/auth/v1/admin/users/{id}",
        "",
        "{}",
        [401, 401, 401, 403, 404],
    ),
    (
        "DELETE",
        "/auth/v1/admin/users/{id}",
        "",
        "",
        [401, 401, 401, 403, 404],
    ),
    // Nothing here has a policy: the service key is let in, and others learn that there is nothing, or that they may not. Nearly
    // all errors of this service have the status 400 outside and another inside.
    (
        "GET",
        "/storage/v1/bucket",
        "",
        "",
        [400, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/storage/v1/bucket",
        "",
        r#"{"name": "bucket$n"}"#,
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/bucket/{id}",
        "",
        "",
        [400, 401, 400, 400, 400],
    ),
    (
        "PUT",
        "/storage/v1/bucket/{id}",
        "",
        r#"{"public": true}"#,
        [400, 401, 400, 400, 400],
    ),
    (
        "DELETE",
        "/storage/v1/bucket/{id}",
        "",
        "",
        [400, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/storage/v1/bucket/{id}/empty",
        "",
        "",
        [400, 401, 403, 403, 400],
    ),
    (
        "POST",
        "/storage/v1/object/upload/sign/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "PUT",
        "/storage/v1/object/upload/sign/{bucket}/{*path}",
        "",
        "x",
        [400, 400, 400, 400, 400],
    ),
    (
        "POST",
        "/storage/v1/object/{bucket}/{*path}",
        "",
        "x",
        [400, 401, 400, 400, 200],
    ),
    (
        "PUT",
        "/storage/v1/object/{bucket}/{*path}",
        "",
        "x",
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/authenticated/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/public/{bucket}/{*path}",
        "",
        "",
        [400, 400, 400, 400, 400],
    ),
    (
        "GET",
        "/storage/v1/object/info/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/info/authenticated/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/info/public/{bucket}/{*path}",
        "",
        "",
        [400, 400, 400, 400, 400],
    ),
    (
        "POST",
        "/storage/v1/object/move",
        "",
        r#"{"bucketId": "b", "sourceKey": "none", "destinationKey": "x"}"#,
        [400, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/storage/v1/object/copy",
        "",
        r#"{"bucketId": "b", "sourceKey": "none", "destinationKey": "x"}"#,
        [400, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/storage/v1/object/list/{bucket}",
        "",
        r#"{"prefix": ""}"#,
        [400, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/storage/v1/object/list-v2/{bucket}",
        "",
        r#"{"prefix": ""}"#,
        [400, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/storage/v1/object/sign/{bucket}",
        "",
        r#"{"expiresIn": 60, "paths": ["a.txt"]}"#,
        [400, 401, 200, 200, 200],
    ),
    (
        "POST",
        "/storage/v1/object/sign/{bucket}/{*path}",
        "",
        r#"{"expiresIn": 60}"#,
        [400, 401, 400, 400, 200],
    ),
    (
        "GET",
        "/storage/v1/object/sign/{bucket}/{*path}",
        "",
        "",
        [400, 400, 400, 400, 400],
    ),
    (
        "GET",
        "/storage/v1/render/image/authenticated/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 400],
    ),
    (
        "GET",
        "/storage/v1/render/image/public/{bucket}/{*path}",
        "",
        "",
        [400, 400, 400, 400, 400],
    ),
    (
        "GET",
        "/storage/v1/render/image/sign/{bucket}/{*path}",
        "",
        "",
        [400, 400, 400, 400, 400],
    ),
    (
        "DELETE",
        "/storage/v1/object/{bucket}",
        "",
        r#"{"prefixes": ["none"]}"#,
        [400, 401, 200, 200, 200],
    ),
    (
        "DELETE",
        "/storage/v1/object/{bucket}/{*path}",
        "",
        "",
        [400, 401, 400, 400, 200],
    ),
    (
        "OPTIONS",
        "/storage/v1/upload/resumable",
        "",
        "",
        [204, 204, 204, 204, 204],
    ),
    (
        "POST",
        "/storage/v1/upload/resumable",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "OPTIONS",
        "/storage/v1/upload/resumable/{id}",
        "",
        "",
        [204, 204, 204, 204, 204],
    ),
    (
        "HEAD",
        "/storage/v1/upload/resumable/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "PATCH",
        "/storage/v1/upload/resumable/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "DELETE",
        "/storage/v1/upload/resumable/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "OPTIONS",
        "/storage/v1/upload/resumable/sign",
        "",
        "",
        [204, 204, 204, 204, 204],
    ),
    (
        "POST",
        "/storage/v1/upload/resumable/sign",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "OPTIONS",
        "/storage/v1/upload/resumable/sign/{id}",
        "",
        "",
        [204, 204, 204, 204, 204],
    ),
    (
        "HEAD",
        "/storage/v1/upload/resumable/sign/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "PATCH",
        "/storage/v1/upload/resumable/sign/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    (
        "DELETE",
        "/storage/v1/upload/resumable/sign/{id}",
        "",
        "",
        [412, 412, 412, 412, 412],
    ),
    ("GET", "/storage/v1/s3", "", "", [403, 403, 403, 400, 403]),
    (
        "GET",
        "/storage/v1/s3/{*path}",
        "",
        "",
        [403, 403, 403, 400, 403],
    ),
    (
        "PUT",
        "/storage/v1/s3/{*path}",
        "",
        "",
        [403, 403, 403, 400, 403],
    ),
    (
        "POST",
        "/storage/v1/s3/{*path}",
        "",
        "",
        [403, 403, 403, 400, 403],
    ),
    (
        "DELETE",
        "/storage/v1/s3/{*path}",
        "",
        "",
        [403, 403, 403, 400, 403],
    ),
    (
        "DELETE",
        "/storage/v1/cdn/{bucket}",
        "",
        "",
        [400, 401, 403, 403, 200],
    ),
    (
        "DELETE",
        "/storage/v1/cdn/{bucket}/{*path}",
        "",
        "",
        [400, 401, 403, 403, 200],
    ),
    (
        "GET",
        "/storage/v1/status",
        "",
        "",
        [200, 200, 200, 200, 200],
    ),
    (
        "GET",
        "/storage/v1/version",
        "",
        "",
        [200, 200, 200, 200, 200],
    ),
    (
        "GET",
        "/storage/v1/health",
        "",
        "",
        [200, 200, 200, 200, 200],
    ),
    // A caller who may write is told that the request has no key by which it happens once (400).
    (
        "POST",
        "/commerce/v1/carts",
        "",
        r#"{"currency": "EUR"}"#,
        [401, 401, 400, 400, 400],
    ),
    (
        "GET",
        "/commerce/v1/carts/{id}",
        "",
        "",
        [401, 401, 404, 404, 404],
    ),
    (
        "PATCH",
        "/commerce/v1/carts/{id}",
        "",
        r#"{"region": "DE"}"#,
        [401, 401, 400, 400, 400],
    ),
    (
        "DELETE",
        "/commerce/v1/carts/{id}",
        "",
        "",
        [401, 401, 400, 400, 400],
    ),
    (
        "PUT",
        "/commerce/v1/carts/{id}/lines",
        "",
        r#"{"lines": []}"#,
        [401, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/commerce/v1/orders",
        "",
        r#"{"lines": [], "currency": "EUR"}"#,
        [401, 401, 400, 400, 400],
    ),
    (
        "GET",
        "/commerce/v1/orders",
        "",
        "",
        [401, 401, 401, 200, 200],
    ),
    (
        "GET",
        "/commerce/v1/orders/{id}",
        "",
        "",
        [401, 401, 404, 404, 404],
    ),
    (
        "POST",
        "/commerce/v1/orders/{id}/pay",
        "",
        "",
        [401, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/commerce/v1/orders/{id}/cancel",
        "",
        "",
        [401, 401, 400, 400, 400],
    ),
    (
        "POST",
        "/commerce/v1/orders/{id}/fulfil",
        "",
        "",
        [401, 401, 401, 403, 400],
    ),
    (
        "POST",
        "/commerce/v1/orders/{id}/paid",
        "",
        "",
        [401, 401, 401, 403, 400],
    ),
    (
        "POST",
        "/commerce/v1/orders/{id}/refunds",
        "",
        "",
        [401, 401, 401, 403, 400],
    ),
    (
        "GET",
        "/commerce/v1/orders/{id}/refunds",
        "",
        "",
        [401, 401, 401, 403, 404],
    ),
    (
        "PUT",
        "/commerce/v1/products/{id}/stock",
        "",
        r#"{"on_hand": 1}"#,
        [401, 401, 401, 403, 400],
    ),
    // A signature counts here, and no key: `manual` has neither.
    (
        "POST",
        "/commerce/v1/webhooks/{provider}",
        "",
        "{}",
        [404, 404, 404, 404, 404],
    ),
    (
        "GET",
        "/commerce/v1/openapi.json",
        "",
        "",
        [200, 200, 200, 200, 200],
    ),
];

#[test]
fn every_route_has_a_line_for_each_caller() {
    let lines: Vec<_> = LINES
        .iter()
        .map(|(method, route, ..)| (*method, *route))
        .collect();
    for route in plinth_server::routes() {
        assert!(
            lines.contains(route),
            "{route:?} has no line: say who may call it"
        );
    }
    for line in &lines {
        assert!(
            plinth_server::routes().contains(line),
            "{line:?} is not a route"
        );
    }
}

#[test]
fn every_caller_gets_the_status_that_the_table_says() -> Result<()> {
    let template = Template::new(&plinth_server::modules())?;
    let database = template.database()?;
    let asks = SCHEMA.map(|sql| Ask {
        who: Who::postgres(),
        sql: sql.to_owned(),
    });
    for (ask, outcome) in asks.iter().zip(database.run(&asks)?) {
        assert_eq!(outcome, Outcome::Done, "{}", ask.sql);
    }
    let client = template
        .runtime()
        .block_on(Client::new(database.db.clone()))?;
    let mut wrong = Vec::new();
    let mut number = 0;
    for (method, route, query, body, expected) in LINES {
        for (caller, expected) in CALLERS.iter().zip(expected) {
            number += 1;
            let fill = |text: &str| text.replace("$n", &number.to_string());
            let path = route
                .replace("{relation}", "items")
                .replace("{function}", "hello")
                .replace("{bucket}", "b")
                .replace("{provider}", "manual")
                .replace("{*path}", "a.txt")
                .replace("{id}", "7f1c3c7e-0000-4000-8000-000000000001")
                + &fill(query);
            let answer = template.runtime().block_on(async {
                let mut headers = headers(&client, caller, number).await?;
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                client.call(method, &path, &headers, Some(fill(body))).await
            })?;
            if answer.status.as_u16() != *expected {
                wrong.push(format!(
                    "{method} {path} as {caller}: {}, expected {expected}\n  {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn headers(client: &Client, caller: &str, number: u32) -> Result<Vec<(String, String)>> {
    let by_key = |role: &str| client.credentials(&Who::with_claims(role, None, Map::new()));
    Ok(match caller {
        "nobody" => Vec::new(),
        "wrong key" => vec![(
            "apikey".to_owned(),
            "sb_secret_AAAAAAAAAAAAAAAAAAAAAA_AAAAAAAA".to_owned(),
        )],
        "anon" => by_key("anon"),
        "service key" => by_key("service_role"),
        // A real session of a person of its own, because some routes end it.
        _ => {
            let mut headers = by_key("anon");
            let body =
                format!(r#"{{"email": "caller{number}@example.com", "password": "long enough"}}"#);
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            let answer: Answer = client
                .call("POST", "/auth/v1/signup", &headers, Some(body))
                .await?;
            let token = answer.json()["access_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                !token.is_empty(),
                "signing up gave no token: {}",
                answer.text()
            );
            vec![
                headers[0].clone(),
                ("authorization".to_owned(), format!("Bearer {token}")),
            ]
        }
    })
}
