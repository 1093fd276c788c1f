//! `PocketBase` with one collection of files, which only their owner may see.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::{Places, free_address, json as ask, start, text_at};
use super::{Running, form};
use crate::http::{Request, send};
use crate::workload::PASSWORD;

const ADMIN: &str = "admin@example.com";
const OWNER: &str = "owner@example.com";

/// It runs until this is dropped.
pub(crate) struct PocketBase {
    pub(crate) address: SocketAddr,
    _process: Running,
    owner: String,
    token: String,
    file_token: String,
}

impl PocketBase {
    /// Starts it in an empty folder.
    pub(crate) fn start(places: &Places) -> Result<PocketBase> {
        let folder = places.scratch.join("PocketBase-files");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let address = free_address()?;
        let process = launch(&places.pocketbase, &folder, address)?;
        let admin = token(address, "_superusers", ADMIN)?;
        let admin = [("authorization", admin.as_str())];
        // A file's address holds longer than the benchmark takes.
        let users = "/api/collections/users";
        ask(
            address,
            "PATCH",
            users,
            &admin,
            &json!({ "fileToken": { "duration": 86400 } }),
        )?;
        let own = "owner = @request.auth.id";
        ask(
            address,
            "POST",
            "/api/collections",
            &admin,
            &json!({
                "name": "files", "type": "base", "viewRule": own, "createRule": own,
                "fields": [
                    { "name": "owner", "type": "text", "required": true },
                    { "name": "file", "type": "file", "maxSelect": 1, "maxSize": 10_000_000, "protected": true },
                ],
            }),
        )?;
        let account = json!({ "email": OWNER, "password": PASSWORD, "passwordConfirm": PASSWORD, "verified": true });
        let made = ask(
            address,
            "POST",
            &format!("{users}/records"),
            &admin,
            &account,
        )?;
        let token = token(address, "users", OWNER)?;
        let headers = [("authorization", token.as_str())];
        let file_token = ask(address, "POST", "/api/files/token", &headers, &Value::Null)?;
        Ok(PocketBase {
            address,
            _process: process,
            owner: text_at(&made, "/id")?,
            token,
            file_token: text_at(&file_token, "/token")?,
        })
    }

    /// An upload as its own client sends it.
    pub(crate) fn upload(&self, kind: &str, content: &[u8]) -> Request {
        let (form_type, body) = form(&[("owner", &self.owner)], "file", kind, content);
        let headers = [
            ("authorization", self.token.as_str()),
            ("content-type", form_type),
        ];
        Request::new("POST", "/api/collections/files/records", &headers, &body)
    }

    /// Uploads a file; the download of it, which its rule must allow.
    pub(crate) fn put(&self, kind: &str, content: &[u8]) -> Result<Request> {
        let answer = send(self.address, &self.upload(kind, content))?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status == 200, "{}: {text}", answer.status);
        let made: Value = serde_json::from_slice(&answer.body)?;
        let (id, file) = (text_at(&made, "/id")?, text_at(&made, "/file")?);
        let target = format!("/api/files/files/{id}/{file}?token={}", self.file_token);
        Ok(Request::new("GET", &target, &[], b""))
    }
}

fn launch(program: &Path, folder: &Path, address: SocketAddr) -> Result<Running> {
    let dir = format!("--dir={}", folder.join("data").display());
    let made = Command::new(program)
        .args(["superuser", "upsert", ADMIN, PASSWORD, &dir])
        .output()?;
    ensure!(
        made.status.success(),
        "pocketbase superuser: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut command = Command::new(program);
    command.args(["serve", &format!("--http={address}"), &dir]);
    let (child, _) = start(&mut command, address, "/api/health", &folder.join("log"))?;
    Ok(Running(child))
}

fn token(address: SocketAddr, collection: &str, email: &str) -> Result<String> {
    let path = format!("/api/collections/{collection}/auth-with-password");
    let login = json!({ "identity": email, "password": PASSWORD });
    text_at(&ask(address, "POST", &path, &[], &login)?, "/token")
}
