//! The check of uploads: somebody else's word before an object becomes visible.
//!
//! Asked when the bytes are written and no row names them yet: an HTTP endpoint, or a command with fixed arguments. No answer
//! counts as no, so that a scanner that is down lets nothing through. Bytes that were refused are kept for a while in a folder
//! of their own ([`quarantine`]), which is bounded, too: what was refused must not fill the disk.

mod addresses;
mod command;
mod endpoint;
mod quarantine;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::Serialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::error::StorageError;
use crate::model::NewObject;
use crate::store::{Store, Stored};
use command::Command;
use endpoint::Endpoint;
use quarantine::Quarantine;

/// Longest reason that is passed on to a client, in characters.
const REASON_CHARACTERS: usize = 200;
/// What a client reads when the check gives no reason.
const NO_REASON: &str = "The upload was rejected";

/// Who is asked before an upload becomes visible, and how.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// An endpoint that is sent a description of the upload. Either this or a command.
    pub url: Option<String>,
    /// A program and its arguments; what it checks it learns from the environment and from standard input.
    pub command: Vec<String>,
    /// Longest wait for the answer, with the wait for other checks.
    pub timeout: Duration,
    /// The endpoint may have a private or loopback address.
    pub allow_private: bool,
    /// The endpoint is sent the bytes, too.
    pub send_bytes: bool,
    /// Checks that run at a time.
    pub at_a_time: usize,
    /// Where refused bytes are kept. Nothing else may be in this folder.
    pub quarantine_folder: PathBuf,
    /// Refused bytes that are kept; the oldest go first.
    pub quarantine_bytes: u64,
    /// How long they are kept.
    pub quarantine_age: Duration,
}

impl CheckConfig {
    /// The defaults, with nobody to ask yet and refused bytes in this folder.
    pub fn in_folder(quarantine_folder: PathBuf) -> CheckConfig {
        CheckConfig {
            url: None,
            command: Vec::new(),
            timeout: Duration::from_secs(10),
            allow_private: false,
            send_bytes: false,
            at_a_time: 4,
            quarantine_folder,
            quarantine_bytes: 1 << 30,
            quarantine_age: Duration::from_hours(24 * 7),
        }
    }
}

/// Asks. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Check {
    shared: Arc<Shared>,
}

struct Shared {
    asked: Asked,
    timeout: Duration,
    slots: Semaphore,
    quarantine: Quarantine,
}

enum Asked {
    Endpoint(Endpoint),
    Command(Command),
}

/// What is said about an upload.
#[derive(Clone, Debug, Serialize)]
struct About<'a> {
    bucket: &'a str,
    name: &'a str,
    /// Bytes.
    size: u64,
    mimetype: &'a str,
    /// The uploader's claim `sub`.
    owner: Option<&'a str>,
    version: Uuid,
}

/// Where the bytes are.
enum Source {
    /// In a file that does not change.
    File(PathBuf),
    /// Elsewhere, from where they come.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// For this reason, as a client may read it.
    Rejected(String),
}

impl Check {
    /// Refuses a configuration that could not work: neither or both of the two ways, an address that may not be asked.
    pub(crate) fn open(config: &CheckConfig) -> Result<Check, String> {
        let asked = match (&config.url, &*config.command) {
            (Some(url), []) => Asked::Endpoint(Endpoint::open(
                url,
                config.allow_private,
                config.send_bytes,
            )?),
            (None, [program, arguments @ ..]) => Asked::Command(Command::new(program, arguments)),
            (None, []) => return Err("the check of uploads has neither url nor command".to_owned()),
            (Some(_), [_, ..]) => {
                return Err("the check of uploads has both url and command".to_owned());
            }
        };
        let quarantine = Quarantine::open(
            config.quarantine_folder.clone(),
            config.quarantine_bytes,
            config.quarantine_age,
        );
        Ok(Check {
            shared: Arc::new(Shared {
                asked,
                timeout: config.timeout,
                slots: Semaphore::new(config.at_a_time.clamp(1, Semaphore::MAX_PERMITS)),
                quarantine: quarantine.map_err(|error| {
                    format!("the quarantine of uploads cannot be used: {error}")
                })?,
            }),
        })
    }

    /// Asks whether stored bytes may become this object.
    ///
    /// # Errors
    /// [`StorageError::Rejected`] when not: the bytes are in quarantine then, and the caller lets go of its own.
    /// [`StorageError::CheckAway`] when there is no answer.
    pub(crate) async fn inspect(
        &self,
        store: &Store,
        owner: Option<&str>,
        object: &NewObject,
        stored: &Stored,
    ) -> Result<(), StorageError> {
        let about = About {
            bucket: &object.bucket,
            name: object.name.as_str(),
            size: stored.size,
            mimetype: &object.content_type,
            owner,
            version: stored.version,
        };
        let shared = &*self.shared;
        let asking = async {
            // Never closed.
            let _slot = shared.slots.acquire().await;
            let source = source(store, stored.version).await?;
            shared
                .asked
                .ask(&about, source)
                .await
                .map_err(StorageError::CheckAway)
        };
        let verdict = tokio::time::timeout(shared.timeout, asking)
            .await
            .map_err(|_| {
                let waited = shared.timeout.as_millis();
                StorageError::CheckAway(format!("no answer within {waited} ms"))
            })??;
        match verdict {
            Verdict::Accepted => Ok(()),
            Verdict::Rejected(reason) => {
                let kept = match source(store, stored.version).await {
                    Ok(source) => shared.quarantine.keep(&about, &reason, source).await,
                    Err(error) => Err(io::Error::other(error.to_string())),
                };
                if let Err(error) = kept {
                    tracing::warn!(%error, version = %stored.version, "a rejected upload could not be put into quarantine");
                }
                Err(StorageError::Rejected(reason))
            }
        }
    }
}

async fn source(store: &Store, version: Uuid) -> Result<Source, StorageError> {
    match store.local_path(version) {
        Some(path) => Ok(Source::File(path)),
        None => Ok(Source::Stream(store.read(version, None).await?.boxed())),
    }
}

impl Asked {
    /// The error says why there is no answer, for the log.
    async fn ask(&self, about: &About<'_>, source: Source) -> Result<Verdict, String> {
        match self {
            Asked::Endpoint(endpoint) => endpoint.ask(about, source).await,
            Asked::Command(command) => command.ask(about, source).await,
        }
    }
}

/// What a check says, as a client may read it: one line without control characters.
fn reason(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let printable = line.unwrap_or_default().chars().filter(|c| !c.is_control());
    let reason: String = printable.take(REASON_CHARACTERS).collect();
    if reason.is_empty() {
        NO_REASON.to_owned()
    } else {
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upload to ask about.
    pub(super) fn about() -> About<'static> {
        About {
            bucket: "photos",
            name: "a b/$(touch x).png",
            size: 5,
            mimetype: "image/png",
            owner: Some("me"),
            version: Uuid::now_v7(),
        }
    }

    /// A folder that is removed in the end.
    pub(super) struct Scratch(pub(super) PathBuf);

    impl Scratch {
        pub(super) fn new() -> Scratch {
            let folder = std::env::temp_dir().join(format!("plinth-check-{}", Uuid::now_v7()));
            std::fs::create_dir_all(&folder).unwrap();
            Scratch(folder)
        }

        pub(super) fn file(&self, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(Uuid::now_v7().to_string());
            std::fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _best_effort = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Bytes that come from elsewhere.
    pub(super) fn stream(bytes: &'static [u8]) -> Source {
        let chunks = bytes.chunks(2).map(|chunk| Ok(Bytes::from_static(chunk)));
        Source::Stream(futures_util::stream::iter(chunks).boxed())
    }

    #[test]
    fn exactly_one_way_of_asking() {
        let scratch = Scratch::new();
        let with = |url: Option<&str>, command: &[&str]| {
            let mut config = CheckConfig::in_folder(scratch.0.join("quarantine"));
            config.url = url.map(str::to_owned);
            config.command = command.iter().map(|part| (*part).to_owned()).collect();
            Check::open(&config).map(|_| ())
        };
        assert!(with(None, &["/bin/true"]).is_ok());
        assert!(with(Some("https://scanner.example/check"), &[]).is_ok());
        assert!(with(None, &[]).is_err());
        assert!(with(Some("https://scanner.example/check"), &["/bin/true"]).is_err());
        for bad in [
            "nonsense",
            "ftp://scanner.example",
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "http://0x7f.1/",
        ] {
            assert!(with(Some(bad), &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn reasons_are_one_printable_line() {
        assert_eq!(reason("\n  Eicar found\x1b[0m\r\nmore"), "Eicar found[0m");
        assert_eq!(reason(" \n"), NO_REASON);
        assert_eq!(
            reason(&"\u{e9}".repeat(1000)).chars().count(),
            REASON_CHARACTERS
        );
    }
}
