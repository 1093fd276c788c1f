//! Plinth: `plinth serve` with a migration, its users made through the administrator's API.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Kind, Server, User, free_address, json, start, text_at};
use crate::http::Request;
use crate::workload::{self, Chance, PASSWORD, Work};

const MIGRATION: &str = include_str!("chat.sql");

/// Rows a request while filling.
const CHUNK: usize = 1000;

pub(super) fn prepare(program: &Path, folder: &Path, database_url: Option<&str>) -> Result<Server> {
    if let Some(url) = database_url {
        let connections = crate::on_postgres::CONNECTIONS;
        let settings = format!("[database]\nurl = {url:?}\nconnections = {connections}\n");
        std::fs::write(folder.join("plinth.toml"), settings)?;
    }
    let migrations = folder.join("migrations");
    std::fs::create_dir(&migrations)?;
    std::fs::write(migrations.join("20260101000000_chat.sql"), MIGRATION)?;
    let address = free_address()?;
    let (child, started_in) = launch(program, folder, address, None)?;
    let mut server = Server {
        kind: Kind::Plinth,
        address,
        child,
        started_in,
        users: Vec::new(),
        key: String::new(),
    };
    server.key = key(program, folder, "PUBLISHABLE_KEY")?;
    fill(&mut server, &key(program, folder, "SECRET_KEY")?)?;
    Ok(server)
}

/// A key of the application, by the name that `plinth status` gives it.
pub(super) fn key(program: &Path, folder: &Path, name: &str) -> Result<String> {
    let said = Command::new(program)
        .arg("status")
        .arg(folder)
        .args(["-o", "env"])
        .output()?;
    let said = String::from_utf8(said.stdout)?;
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.map(|value| value.trim_matches('"').to_owned())
        .with_context(|| format!("plinth status names no {name}"))
}

/// Starts the program in a folder, on one core alone when one is named.
pub(super) fn launch(
    program: &Path,
    folder: &Path,
    address: SocketAddr,
    core: Option<usize>,
) -> Result<(Child, Duration)> {
    let mut command = match core {
        None => Command::new(program),
        Some(core) => {
            // It replaces itself by the program, whose process it is from then on.
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
    };
    command
        .arg("serve")
        .arg(folder)
        .args(["--listen", &address.to_string()]);
    start(&mut command, address, "/health", &folder.join("log"))
}

fn fill(server: &mut Server, secret: &str) -> Result<()> {
    let address = server.address;
    let admin = [("apikey", secret), ("prefer", "return=minimal")];
    let anybody = server.key.clone();
    for user in 0..workload::USERS {
        let email = workload::email(user);
        let account = json!({ "email": email, "password": PASSWORD, "email_confirm": true });
        let made = json(address, "POST", "/auth/v1/admin/users", &admin, &account)?;
        let session = json(
            address,
            "POST",
            "/auth/v1/token?grant_type=password",
            &[("apikey", &anybody)],
            &json!({ "email": email, "password": PASSWORD }),
        )?;
        server.users.push(User {
            id: text_at(&made, "/id")?,
            token: text_at(&session, "/access_token")?,
        });
    }
    let post = |table: &str, rows: Vec<Value>| -> Result<()> {
        for chunk in rows.chunks(CHUNK) {
            let path = format!("/rest/v1/{table}");
            json(address, "POST", &path, &admin, &Value::from(chunk))?;
        }
        Ok(())
    };
    let id = |user: usize| server.users[user].id.as_str();
    let rooms = 0..workload::ROOMS;
    post(
        "rooms",
        rooms
            .map(|room| json!({ "id": room + 1, "name": format!("room {room}") }))
            .collect(),
    )?;
    let memberships = (0..workload::USERS).flat_map(|user| {
        workload::rooms_of(user).map(move |room| json!({ "room": room + 1, "member": id(user) }))
    });
    post("memberships", memberships.collect())?;
    let messages = (0..workload::MESSAGES).map(|message| {
        json!({
            "room": workload::room_of(message) + 1,
            "owner": id(workload::owner_of(message)),
            "body": workload::text_of(message),
            "created": format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + message / 86_400,
                message / 3600 % 24, message / 60 % 60, message % 60),
        })
    });
    post("messages", messages.collect())?;
    ensure!(
        server.users.len() == workload::USERS,
        "some users are missing"
    );
    Ok(())
}

/// A request as `supabase-js` sends it.
pub(super) fn request(server: &Server, work: Work, chance: &mut Chance) -> Request {
    let user = chance.below(workload::USERS);
    let nobody = User {
        id: "00000000-0000-4000-8000-000000000000".to_owned(),
        token: "t".repeat(420),
    };
    let caller = server.users.get(user).unwrap_or(&nobody);
    let bearer = format!("Bearer {}", caller.token);
    let common = [
        ("accept", "application/json"),
        ("apikey", server.key.as_str()),
        ("authorization", bearer.as_str()),
        ("x-client-info", "supabase-js-node/2.89.0"),
        ("accept-profile", "public"),
    ];
    let room = workload::rooms_of(user)
        .nth(chance.below(workload::ROOMS_A_USER))
        .unwrap_or_default();
    let list = |columns: &str| {
        format!(
            "/rest/v1/messages?select={columns}&room=eq.{}&order=created.desc&limit=30",
            room + 1
        )
    };
    match work {
        Work::Read => {
            // A message of one of the user's rooms.
            let message =
                room + workload::ROOMS * chance.below(workload::MESSAGES / workload::ROOMS);
            let target = format!("/rest/v1/messages?select=*&id=eq.{}", message + 1);
            let mut headers = common;
            headers[0].1 = "application/vnd.pgrst.object+json";
            Request::new("GET", &target, &headers, b"")
        }
        Work::List => Request::new("GET", &list("*"), &common, b""),
        Work::ListRelated => Request::new("GET", &list("*,rooms(*)"), &common, b""),
        Work::ListTotal => {
            let headers = [&common[..], &[("prefer", "count=exact")]].concat();
            Request::new("GET", &list("*"), &headers, b"")
        }
        Work::Insert => {
            let body = json!({
                "room": room + 1,
                "owner": caller.id,
                "body": workload::text_of(chance.below(workload::MESSAGES)),
            });
            let mut headers = common.to_vec();
            headers[4] = ("content-profile", "public");
            headers.push(("content-type", "application/json"));
            Request::new(
                "POST",
                "/rest/v1/messages",
                &headers,
                body.to_string().as_bytes(),
            )
        }
        Work::SignIn => {
            let body = json!({ "email": workload::email(user), "password": PASSWORD });
            let headers = [
                ("apikey", server.key.as_str()),
                ("content-type", "application/json"),
            ];
            Request::new(
                "POST",
                "/auth/v1/token?grant_type=password",
                &headers,
                body.to_string().as_bytes(),
            )
        }
    }
}
