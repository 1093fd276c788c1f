//! The files of an application in a backup, beside its database.
//!
//! Files never change once they are written, and the server removes none while a backup holds the folder. So those that the
//! copy of the database names are all there, however long the packing takes. What is packed beside them (an upload under way,
//! a version that was replaced since) the next start puts in order, as it does after a crash.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::archive;
use crate::project::make_private_folder;

/// What the members of files begin with.
pub(super) const PREFIX: &str = "media/";
/// The folders that are packed, in this order: files only ever move from the first to the last.
const FOLDERS: [&str; 3] = ["incoming", "uploads", "objects"];
/// Folders below the root.
const DEPTH: usize = 3;

/// The files of an archive, as its manifest counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Files {
    /// How many.
    pub files: u64,
    /// How many bytes in all.
    pub bytes: u64,
}

/// Packs a folder of files. One that is not there has none.
pub(super) fn pack<W: Write>(
    archive: &mut tar::Builder<W>,
    root: &Path,
    mut on: impl FnMut(u64),
) -> anyhow::Result<Files> {
    let mut packed = Files::default();
    for folder in FOLDERS {
        let mut found = Vec::new();
        walk(&root.join(folder), DEPTH, &mut found)?;
        for path in found {
            let Some(file) = open(&path)? else {
                continue;
            };
            let bytes = file.metadata()?.len();
            let name = path.strip_prefix(root)?;
            let name = format!("{PREFIX}{}", name.display());
            // An upload under way may grow, or be cut back to what counts of it.
            let whole = file.chain(io::repeat(0)).take(bytes);
            archive
                .append_data(&mut archive::header(bytes), &name, whole)
                .with_context(|| format!("cannot pack {}", path.display()))?;
            packed.files += 1;
            packed.bytes += bytes;
            on(packed.bytes);
        }
    }
    Ok(packed)
}

/// Unpacks one member into a folder beside the right one.
pub(super) fn unpack(member: &mut impl Read, name: &str, root: &Path) -> anyhow::Result<u64> {
    let path = root.join(safe(name)?);
    let folder = path.parent().unwrap_or(root);
    make_private_folder(folder)?;
    let mut file = archive::create_private(&path)?;
    let bytes =
        io::copy(member, &mut file).with_context(|| format!("cannot write {}", path.display()))?;
    file.sync_all()?;
    Ok(bytes)
}

/// Puts unpacked files into their place. Those that are there already are the same: a version never has other bytes.
pub(super) fn place(unpacked: &Path, root: &Path) -> anyhow::Result<()> {
    for folder in FOLDERS {
        make_private_folder(&root.join(folder))?;
    }
    let mut found = Vec::new();
    walk(unpacked, DEPTH + 1, &mut found)?;
    for path in found {
        let target = root.join(path.strip_prefix(unpacked)?);
        if target.exists() {
            continue;
        }
        let folder = target.parent().unwrap_or(root);
        make_private_folder(folder)?;
        fs::rename(&path, &target)
            .with_context(|| format!("cannot put {} into its place", target.display()))?;
        File::open(folder)?.sync_all()?;
    }
    fs::remove_dir_all(unpacked)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
        .with_context(|| format!("cannot remove {}", unpacked.display()))
}

/// Regular files below a folder. Links are nobody's: we make none.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 1 {
            walk(&entry.path(), depth - 1, found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// None when it has moved on: it is met again where it went.
fn open(path: &Path) -> anyhow::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A path below the root, made of nothing but plain names.
fn safe(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name.strip_prefix(PREFIX).unwrap_or(name));
    let is_plain = |component: Component<'_>| match component {
        Component::Normal(name) => name.to_str().is_some_and(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }),
        _ => false,
    };
    let components = path.components().count();
    ensure!(
        (2..=DEPTH + 1).contains(&components) && path.components().all(is_plain),
        "the backup holds {name:?}, which is no name of a file of ours"
    );
    let first = path.components().next();
    if !FOLDERS
        .iter()
        .any(|folder| first == Some(Component::Normal(folder.as_ref())))
    {
        bail!("the backup holds {name:?}, which this version of plinth does not know");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_where_they_were() {
        let base = std::env::temp_dir().join(format!("plinth-media-{}", std::process::id()));
        let (from, unpacked, to) = (base.join("from"), base.join("unpacked"), base.join("to"));
        let files = [
            ("objects/ab/0191-ab", "one"),
            ("incoming/0192-cd", "two"),
            ("uploads/0193/bytes", "three"),
        ];
        for (name, text) in files {
            let path = from.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(from.join("lock"), "").unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let packed = pack(&mut builder, &from, |_| {}).unwrap();
        assert_eq!(
            packed,
            Files {
                files: 3,
                bytes: 11
            }
        );
        let bytes = builder.into_inner().unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        for member in archive.entries().unwrap() {
            let mut member = member.unwrap();
            let name = member.path().unwrap().to_string_lossy().into_owned();
            unpack(&mut member, &name, &unpacked).unwrap();
        }
        place(&unpacked, &to).unwrap();
        for (name, text) in files {
            assert_eq!(fs::read_to_string(to.join(name)).unwrap(), text);
        }
        assert!(!unpacked.exists());
        fs::remove_dir_all(&base).unwrap();
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in [
            "media/../plinth.db",
            "media/objects/../../x",
            "media//etc/passwd",
            "media/objects",
            "media/other/a",
            "media/objects/a/b/c/d",
            "media/objects/a b",
        ] {
            assert!(safe(bad).is_err(), "{bad}");
        }
        assert!(safe("media/objects/ab/0191-ab").is_ok());
    }
}
