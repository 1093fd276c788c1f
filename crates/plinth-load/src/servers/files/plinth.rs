//! Plinth with one bucket and one user, whose folder is theirs by a policy.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::super::{Places, free_address, json as ask, plinth, text_at};
use super::{Running, form};
use crate::http::Request;
use crate::workload::PASSWORD;

const MIGRATION: &str = "\
insert into storage.buckets (id, name) values ('files', 'files');
create policy own_folder on storage.objects for all to authenticated
  using (bucket_id = 'files' and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (bucket_id = 'files' and (storage.foldername(name))[1] = (select auth.uid())::text);
";
/// Room for the largest file that is measured.
const SETTINGS: &str = "[limits]\nupload_bytes = 2147483648\n";

/// It runs until this is dropped.
pub(crate) struct Plinth {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    process: Running,
    owner: String,
    token: String,
    key: String,
}

impl Plinth {
    /// Starts it in an empty folder.
    pub(crate) fn start(places: &Places) -> Result<Plinth> {
        let folder = places.scratch.join("Plinth-files");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("migrations"))?;
        fs::write(
            folder.join("migrations/20260101000000_files.sql"),
            MIGRATION,
        )?;
        fs::write(folder.join("plinth.toml"), SETTINGS)?;
        let address = free_address()?;
        let (child, _) = plinth::launch(&places.plinth, &folder, address, None)?;
        let process = Running(child);
        let key = plinth::key(&places.plinth, &folder, "PUBLISHABLE_KEY")?;
        let admin = plinth::key(&places.plinth, &folder, "SECRET_KEY")?;
        let email = "owner@example.com";
        let account = json!({ "email": email, "password": PASSWORD, "email_confirm": true });
        let admin = [("apikey", admin.as_str())];
        let made = ask(address, "POST", "/auth/v1/admin/users", &admin, &account)?;
        let session = ask(
            address,
            "POST",
            "/auth/v1/token?grant_type=password",
            &[("apikey", &key)],
            &json!({ "email": email, "password": PASSWORD }),
        )?;
        Ok(Plinth {
            address,
            folder,
            process,
            owner: text_at(&made, "/id")?,
            token: text_at(&session, "/access_token")?,
            key,
        })
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.process.0.id()
    }

    /// An upload as `supabase-js` sends a `Blob`.
    pub(crate) fn upload(&self, name: &str, kind: &str, content: &[u8]) -> Request {
        let (form_type, body) = form(&[("cacheControl", "3600")], "", kind, content);
        self.request(
            "POST",
            &self.object(name),
            &[("content-type", form_type)],
            &body,
        )
    }

    /// The beginning of an upload whose bytes somebody else sends.
    pub(crate) fn upload_of(&self, name: &str, length: usize) -> Vec<u8> {
        let length = length.to_string();
        let headers = [
            ("content-type", "application/octet-stream"),
            ("content-length", length.as_str()),
        ];
        let request = self.request("PUT", &self.object(name), &headers, b"");
        // A request that says nothing else of its length.
        let text = String::from_utf8_lossy(request.bytes()).replace("content-length: 0\r\n", "");
        text.into_bytes()
    }

    /// A download that policies must allow.
    pub(crate) fn download(&self, name: &str) -> Request {
        self.request("GET", &self.object(name), &[], b"")
    }

    /// A picture made small, of the kind that it is.
    pub(crate) fn thumbnail(&self, name: &str, width: usize) -> Request {
        let owner = &self.owner;
        let target = format!(
            "/storage/v1/render/image/authenticated/files/{owner}/{name}?width={width}&quality=80&format=origin"
        );
        self.request("GET", &target, &[], b"")
    }

    /// The folder with the files, and those in it of one length.
    pub(crate) fn stored(&self, length: u64) -> Result<(PathBuf, Vec<String>)> {
        let root = self.folder.join("data/media/objects").canonicalize()?;
        let mut found = Vec::new();
        for folder in fs::read_dir(&root)? {
            for file in fs::read_dir(folder?.path())? {
                let file = file?;
                if file.metadata()?.len() == length {
                    found.push(below(&root, &file.path())?);
                }
            }
        }
        Ok((root, found))
    }

    fn object(&self, name: &str) -> String {
        format!("/storage/v1/object/files/{}/{name}", self.owner)
    }

    fn request(&self, method: &str, target: &str, more: &[(&str, &str)], body: &[u8]) -> Request {
        let bearer = format!("Bearer {}", self.token);
        let common = [
            ("apikey", self.key.as_str()),
            ("authorization", bearer.as_str()),
            ("x-client-info", "supabase-js-node/2.109.0"),
        ];
        Request::new(method, target, &[&common[..], more].concat(), body)
    }
}

fn below(root: &Path, path: &Path) -> Result<String> {
    let path = path.strip_prefix(root)?;
    Ok(path.to_str().context("a name that is no text")?.to_owned())
}
