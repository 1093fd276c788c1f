//! Refused uploads, kept for a while so that somebody can look at them.
//!
//! `FOLDER/VERSION` has the bytes and `FOLDER/VERSION.json` says what they were to become and why they did not. Neither is
//! ever served. Both the age and the bytes of all of them are bounded; an upload that is too large for the bound leaves only
//! its description.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::{About, Source};

/// What a file counts at least: names take room, too.
const LEAST_WEIGHT: u64 = 4096;
/// How often old ones are looked for while uploads are refused.
const ROUND: Duration = Duration::from_mins(10);

/// Where refused uploads are.
pub(super) struct Quarantine {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    bound_bytes: u64,
    age: Duration,
    /// What is there, as far as is known, and when that was last looked at.
    known: Mutex<Known>,
}

struct Known {
    bytes: u64,
    looked: Instant,
}

impl Quarantine {
    /// Removes what is too old. Blocks for a moment.
    pub(super) fn open(folder: PathBuf, bound_bytes: u64, age: Duration) -> io::Result<Quarantine> {
        make_private_folder(&folder)?;
        let shared = Shared {
            folder,
            bound_bytes,
            age,
            known: Mutex::new(Known {
                bytes: 0,
                looked: Instant::now(),
            }),
        };
        shared.tidy(0)?;
        Ok(Quarantine {
            shared: Arc::new(shared),
        })
    }

    /// Keeps a refused upload.
    pub(super) async fn keep(
        &self,
        about: &About<'_>,
        reason: &str,
        source: Source,
    ) -> io::Result<()> {
        let weight = LEAST_WEIGHT + about.size.max(LEAST_WEIGHT);
        let fits = weight <= self.shared.bound_bytes;
        let room = if fits { weight } else { LEAST_WEIGHT };
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.make_room(room)).await?;

        let path = self.shared.folder.join(about.version.to_string());
        if fits {
            match source {
                Source::File(file) => {
                    let to = path.clone();
                    blocking(move || link_or_copy(&file, &to)).await?;
                }
                Source::Stream(_) => write(&path, source).await?,
            }
        }
        let description = json!({
            "object": about,
            "reason": reason,
            "rejected_at": rfc3339(SystemTime::now()),
            "bytes_kept": fits,
        });
        let text = format!("{description:#}\n");
        tokio::fs::write(path.with_extension("json"), text).await
    }
}

impl Shared {
    /// Forgets old ones until there is so much room. Looks at the folder only when that may be necessary.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        {
            let mut known = self.known.lock();
            let after = known.bytes.saturating_add(bytes);
            if after <= self.bound_bytes && known.looked.elapsed() < ROUND {
                known.bytes = after;
                return Ok(());
            }
        }
        self.tidy(bytes)
    }

    /// Removes what is too old, and then the oldest until there is so much room.
    fn tidy(&self, room: u64) -> io::Result<()> {
        let mut known = self.known.lock();
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Somebody else may remove some of them at the same time.
            let Ok(about) = entry.metadata() else {
                continue;
            };
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((modified, about.len().max(LEAST_WEIGHT), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, weight, _)| weight).sum();
        for (modified, weight, path) in files {
            let old = modified.elapsed().is_ok_and(|age| age > self.age);
            if !old && bytes.saturating_add(room) <= self.bound_bytes {
                break;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => bytes -= weight,
            }
        }
        known.bytes = bytes.saturating_add(room);
        known.looked = Instant::now();
        Ok(())
    }
}

/// Another name for the same file, which never changes; a copy where the disk cannot do that.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => fs::copy(from, to).map(|_| ()),
    }
}

/// What comes as a stream. Half of it is not kept.
async fn write(path: &Path, source: Source) -> io::Result<()> {
    let Source::Stream(mut bytes) = source else {
        return Ok(());
    };
    let mut file = tokio::fs::File::create(path).await?;
    let written = async {
        while let Some(chunk) = bytes.next().await {
            file.write_all(&chunk?).await?;
        }
        file.flush().await
    };
    let written = written.await;
    if written.is_err() {
        let _best_effort = tokio::fs::remove_file(path).await;
    }
    written
}

fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

/// A folder that only its owner may enter.
fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, about, stream};
    use super::*;

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn bytes_and_reason_are_kept() {
        let scratch = Scratch::new();
        let folder = scratch.0.join("quarantine");
        let quarantine = Quarantine::open(folder.clone(), 1 << 20, Duration::from_mins(1)).unwrap();
        let source = [stream(b"hello"), Source::File(scratch.file(b"hello"))];
        for source in source {
            let about = about();
            quarantine.keep(&about, "a virus", source).await.unwrap();
            let path = folder.join(about.version.to_string());
            assert_eq!(fs::read(&path).unwrap(), b"hello");
            let text = fs::read_to_string(path.with_extension("json")).unwrap();
            let description: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(description["reason"], "a virus");
            assert_eq!(description["object"]["name"], about.name);
        }
    }

    #[tokio::test]
    async fn it_is_bounded() {
        let scratch = Scratch::new();
        let folder = scratch.0.join("quarantine");
        // Room for two.
        let bound = 4 * LEAST_WEIGHT;
        let quarantine = Quarantine::open(folder.clone(), bound, Duration::from_mins(1)).unwrap();
        for _ in 0..5 {
            quarantine
                .keep(&about(), "no", stream(b"hello"))
                .await
                .unwrap();
            assert!(names(&folder) <= 4);
        }
        // Too large: its description alone.
        let giant = About {
            size: 1 << 40,
            ..about()
        };
        quarantine
            .keep(&giant, "no", stream(b"hello"))
            .await
            .unwrap();
        assert!(!folder.join(giant.version.to_string()).exists());
        assert!(folder.join(format!("{}.json", giant.version)).exists());
        // What is too old goes at the start.
        drop(quarantine);
        std::thread::sleep(Duration::from_millis(20));
        Quarantine::open(folder.clone(), bound, Duration::from_millis(5)).unwrap();
        assert_eq!(names(&folder), 0);
    }
}
