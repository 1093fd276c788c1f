//! The file of a backup: members, checksums, manifest.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::media::{self, Files};
use super::{OnStep, Step};
use crate::project::Stage;

/// The member that is the database.
pub(super) const DATABASE: &str = "plinth.db";
/// The member that tells what all others must be.
const MANIFEST: &str = "manifest.json";
/// The version of this layout.
const FORMAT: u32 = 1;
/// A manifest is a few lines; more is not ours.
const MANIFEST_BYTES: u64 = 1 << 20;
/// What went wrong when it cannot be unpacked.
const DAMAGED: &str = "the backup is damaged or cut off";
/// How every Zstandard frame begins.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Fast, and already a third to a fifth of a database's size.
const COMPRESSION: i32 = 3;

/// What a backup says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of the archive's layout.
    pub format: u32,
    /// The version of the program that made it.
    pub plinth: String,
    /// When the database stood like this, in UTC.
    pub taken_at: String,
    /// Whose data it is.
    pub stage: Stage,
    /// Every other member but those of files.
    pub files: Vec<FileEntry>,
    /// The application's files; none where they are elsewhere, or were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Files>,
}

/// A member of the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// Its name.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// The one field of a manifest that keeps its place in every version.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// Packs a database, and a folder of files where there is one, into `out`.
pub(super) fn write(
    database: &Path,
    files: Option<&Path>,
    stage: Stage,
    taken_at: String,
    out: impl Write,
    on: OnStep<'_>,
) -> anyhow::Result<Manifest> {
    let mut encoder = zstd::Encoder::new(out, COMPRESSION)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    let file =
        File::open(database).with_context(|| format!("cannot read {}", database.display()))?;
    let bytes = file.metadata()?.len();
    let mut reader = Watched::new(BufReader::new(file), |done| {
        on(Step {
            doing: "packing",
            done,
            total: bytes,
        });
    });
    archive.append_data(&mut header(bytes), DATABASE, &mut reader)?;
    let (read, sha256) = reader.sum();
    ensure!(
        read == bytes,
        "{} changed while it was packed",
        database.display()
    );
    let media = match files {
        None => None,
        Some(folder) => Some(media::pack(&mut archive, folder, |done| {
            on(Step {
                doing: "packing files",
                done,
                total: 0,
            });
        })?),
    };
    let manifest = Manifest {
        format: FORMAT,
        plinth: crate::cli::VERSION.to_owned(),
        taken_at,
        stage,
        files: vec![FileEntry {
            path: DATABASE.to_owned(),
            bytes,
            sha256,
        }],
        media,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    archive.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    archive.into_inner()?.finish()?.flush()?;
    Ok(manifest)
}

/// Unpacks a backup's database into the new file `database` and its files into the new folder `files`, and holds them to the
/// manifest.
pub(super) fn read(
    input: impl Read,
    database: &Path,
    files: &Path,
    on: OnStep<'_>,
) -> anyhow::Result<Manifest> {
    let mut input = BufReader::new(input);
    ensure!(
        input.fill_buf()?.starts_with(&ZSTD_MAGIC),
        "this is no backup: plinth backup makes .tar.zst files"
    );
    let mut archive = tar::Archive::new(zstd::Decoder::with_buffer(input)?);
    let (mut found, mut manifest) = (None, None);
    let mut unpacked = Files::default();
    for member in archive.entries()? {
        let mut member = member.context(DAMAGED)?;
        let name = member.path()?.to_string_lossy().into_owned();
        ensure!(
            member.header().entry_type().is_file(),
            "the backup holds {name:?}, which is no file; it was not made by plinth"
        );
        match name.as_str() {
            DATABASE if found.is_none() => found = Some(unpack(&mut member, database, on)?),
            MANIFEST if manifest.is_none() => manifest = Some(parse(&mut member)?),
            file if file.starts_with(media::PREFIX) => {
                unpacked.bytes += media::unpack(&mut member, file, files).context(DAMAGED)?;
                unpacked.files += 1;
                on(Step {
                    doing: "unpacking files",
                    done: unpacked.bytes,
                    total: 0,
                });
            }
            other => bail!(
                "the backup holds {other:?}, which this version of plinth does not know; use a newer plinth"
            ),
        }
    }
    let manifest = manifest.context("the backup is cut off: its manifest is missing")?;
    let (bytes, sha256) = found.context("the backup holds no database")?;
    for file in &manifest.files {
        ensure!(
            file.path == DATABASE,
            "the backup should hold {:?}, but does not",
            file.path
        );
        ensure!(
            file.bytes == bytes && file.sha256 == sha256,
            "the backup is damaged: {} has {bytes} bytes and SHA-256 {sha256}, its manifest says {} and {}",
            file.path,
            file.bytes,
            file.sha256
        );
    }
    let promised = manifest.media.unwrap_or_default();
    ensure!(
        promised == unpacked,
        "the backup is damaged: it holds {} files of {} bytes, its manifest says {} and {}",
        unpacked.files,
        unpacked.bytes,
        promised.files,
        promised.bytes
    );
    ensure!(
        !manifest.files.is_empty(),
        "the backup's manifest names no files"
    );
    Ok(manifest)
}

/// A new file that only its owner may read.
pub(super) fn create_private(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

fn unpack(
    member: &mut impl Read,
    database: &Path,
    on: OnStep<'_>,
) -> anyhow::Result<(u64, String)> {
    let mut file = create_private(database)?;
    let mut reader = Watched::new(member, |done| {
        on(Step {
            doing: "unpacking",
            done,
            total: 0,
        });
    });
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = reader.read(&mut buffer).context(DAMAGED)?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])
            .with_context(|| format!("cannot write {}", database.display()))?;
    }
    file.sync_all()?;
    Ok(reader.sum())
}

fn parse(member: &mut impl Read) -> anyhow::Result<Manifest> {
    let mut text = Vec::new();
    member.take(MANIFEST_BYTES).read_to_end(&mut text)?;
    let malformed = "the backup's manifest cannot be read";
    let version: Version = serde_json::from_slice(&text).context(malformed)?;
    ensure!(
        version.format == FORMAT,
        "the backup has format {}, this version of plinth knows format {FORMAT}; use a newer plinth",
        version.format
    );
    serde_json::from_slice(&text).context(malformed)
}

pub(super) fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// A reader that counts and hashes what passes, and says so.
struct Watched<R, F> {
    inner: R,
    hash: Sha256,
    bytes: u64,
    on: F,
}

impl<R: Read, F: FnMut(u64)> Watched<R, F> {
    fn new(inner: R, on: F) -> Watched<R, F> {
        Watched {
            inner,
            hash: Sha256::new(),
            bytes: 0,
            on,
        }
    }

    fn sum(self) -> (u64, String) {
        (self.bytes, hex::encode(self.hash.finalize()))
    }
}

impl<R: Read, F: FnMut(u64)> Read for Watched<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        (self.on)(self.bytes);
        Ok(count)
    }
}
