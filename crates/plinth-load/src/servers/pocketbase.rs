//! `PocketBase`: its shipped binary, collections and users made through its API, rows through its batch API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Kind, Server, User, free_address, json, start, text_at};
use crate::http::Request;
use crate::workload::{self, Chance, PASSWORD, Work};

const ADMIN: &str = "admin@example.com";
/// Requests in one batch while filling.
const CHUNK: usize = 1000;

pub(super) fn prepare(program: &Path, folder: &Path) -> Result<Server> {
    let made = Command::new(program)
        .args(["superuser", "upsert", ADMIN, PASSWORD, &data_of(folder)])
        .output()?;
    ensure!(
        made.status.success(),
        "pocketbase superuser: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let address = free_address()?;
    let (child, started_in) = launch(program, folder, address)?;
    let mut server = Server {
        kind: Kind::PocketBase,
        address,
        child,
        started_in,
        users: Vec::new(),
        key: String::new(),
    };
    fill(&mut server)?;
    Ok(server)
}

/// Starts the program in a folder.
pub(super) fn launch(
    program: &Path,
    folder: &Path,
    address: SocketAddr,
) -> Result<(Child, Duration)> {
    let mut command = Command::new(program);
    command.args(["serve", &format!("--http={address}"), &data_of(folder)]);
    start(&mut command, address, "/api/health", &folder.join("log"))
}

fn data_of(folder: &Path) -> String {
    format!("--dir={}", folder.join("data").display())
}

/// Fifteen characters, as `PocketBase` has them.
fn id(kind: char, number: usize) -> String {
    format!("{kind}{number:014}")
}

fn fill(server: &mut Server) -> Result<()> {
    let address = server.address;
    let login = json!({ "identity": ADMIN, "password": PASSWORD });
    let path = "/api/collections/_superusers/auth-with-password";
    let admin = text_at(&json(address, "POST", path, &[], &login)?, "/token")?;
    let admin = [("authorization", admin.as_str())];
    let post = |path: &str, body: &Value| json(address, "POST", path, &admin, body);
    json(
        address,
        "PATCH",
        "/api/settings",
        &admin,
        &json!({ "batch": { "enabled": true, "maxRequests": CHUNK, "timeout": 60, "maxBodySize": 0 } }),
    )?;
    let users = json(
        address,
        "GET",
        "/api/collections/users",
        &admin,
        &Value::Null,
    )?;
    let users = text_at(&users, "/id")?;
    let signed_in = "@request.auth.id != ''";
    let rooms = post(
        "/api/collections",
        &json!({
            "name": "rooms", "type": "base", "listRule": signed_in, "viewRule": signed_in,
            "fields": [{ "name": "name", "type": "text", "required": true }],
        }),
    )?;
    let rooms = text_at(&rooms, "/id")?;
    let relation = |name: &str, collection: &str| json!({ "name": name, "type": "relation", "required": true, "maxSelect": 1, "collectionId": collection });
    post(
        "/api/collections",
        &json!({
            "name": "memberships", "type": "base",
            "listRule": "member = @request.auth.id", "viewRule": "member = @request.auth.id",
            "fields": [relation("room", &rooms), relation("member", &users)],
            "indexes": ["create unique index memberships_room_member on memberships (room, member)"],
        }),
    )?;
    let is_member = "room.memberships_via_room.member ?= @request.auth.id";
    post(
        "/api/collections",
        &json!({
            "name": "messages", "type": "base", "listRule": is_member, "viewRule": is_member,
            "createRule": format!("owner = @request.auth.id && {is_member}"),
            "fields": [
                relation("room", &rooms),
                relation("owner", &users),
                { "name": "body", "type": "text", "required": true },
                { "name": "created", "type": "autodate", "onCreate": true },
            ],
            "indexes": ["create index messages_room_created on messages (room, created)"],
        }),
    )?;
    let batch = |collection: &str, rows: Vec<Value>| -> Result<()> {
        let url = format!("/api/collections/{collection}/records");
        for chunk in rows.chunks(CHUNK) {
            let requests: Vec<Value> = chunk
                .iter()
                .map(|row| json!({ "method": "POST", "url": url, "body": row }))
                .collect();
            post("/api/batch", &json!({ "requests": requests }))?;
        }
        Ok(())
    };
    for user in 0..workload::USERS {
        let email = workload::email(user);
        post(
            "/api/collections/users/records",
            &json!({ "id": id('u', user), "email": email, "password": PASSWORD,
                "passwordConfirm": PASSWORD, "verified": true }),
        )?;
        let session = json(
            address,
            "POST",
            "/api/collections/users/auth-with-password",
            &[],
            &json!({ "identity": email, "password": PASSWORD }),
        )?;
        server.users.push(User {
            id: id('u', user),
            token: text_at(&session, "/token")?,
        });
    }
    batch(
        "rooms",
        (0..workload::ROOMS)
            .map(|room| json!({ "id": id('r', room), "name": format!("room {room}") }))
            .collect(),
    )?;
    let memberships = (0..workload::USERS).flat_map(|user| {
        workload::rooms_of(user)
            .map(move |room| json!({ "room": id('r', room), "member": id('u', user) }))
    });
    batch("memberships", memberships.collect())?;
    let messages = (0..workload::MESSAGES).map(|message| {
        json!({
            "id": id('m', message),
            "room": id('r', workload::room_of(message)),
            "owner": id('u', workload::owner_of(message)),
            "body": workload::text_of(message),
        })
    });
    batch("messages", messages.collect())
}

/// A request as `PocketBase`'s own client sends it.
pub(super) fn request(server: &Server, work: Work, chance: &mut Chance) -> Request {
    let user = chance.below(workload::USERS);
    let caller = &server.users[user];
    let headers = [
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("authorization", caller.token.as_str()),
        ("accept-language", "en-US"),
    ];
    let room = workload::rooms_of(user)
        .nth(chance.below(workload::ROOMS_A_USER))
        .unwrap_or_default();
    let list = |rest: &str| {
        format!(
            "/api/collections/messages/records?page=1&perPage=30&sort=-created&filter=room%3D%22{}%22{rest}",
            id('r', room)
        )
    };
    let get = |target: String| Request::new("GET", &target, &headers, b"");
    match work {
        Work::Read => {
            let message =
                room + workload::ROOMS * chance.below(workload::MESSAGES / workload::ROOMS);
            get(format!(
                "/api/collections/messages/records/{}",
                id('m', message)
            ))
        }
        Work::List => get(list("&skipTotal=1")),
        Work::ListRelated => get(list("&skipTotal=1&expand=room")),
        Work::ListTotal => get(list("")),
        Work::Insert => {
            let body = json!({
                "room": id('r', room),
                "owner": caller.id,
                "body": workload::text_of(chance.below(workload::MESSAGES)),
            });
            Request::new(
                "POST",
                "/api/collections/messages/records",
                &headers,
                body.to_string().as_bytes(),
            )
        }
        Work::SignIn => {
            let body = json!({ "identity": workload::email(user), "password": PASSWORD });
            Request::new(
                "POST",
                "/api/collections/users/auth-with-password",
                &headers[..2],
                body.to_string().as_bytes(),
            )
        }
    }
}
