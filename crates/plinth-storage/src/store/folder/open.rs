//! Opening the folder and files in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(unix)]
use super::together::SharedSync;
use super::{Folder, blocking};
use crate::error::StorageError;

/// What is in the folder.
const PARTS: [&str; 3] = ["objects", "incoming", "uploads"];

impl Folder {
    /// Makes or opens a folder and takes it for this process.
    pub(in crate::store) async fn open(root: PathBuf) -> Result<Arc<Folder>, StorageError> {
        let shown = root.display().to_string();
        let opened = blocking(move || Folder::make(root)).await?;
        opened.map(Arc::new).map_err(|error| cannot(&shown, &error))
    }

    /// Opens a folder that is there, beside the process that may have it.
    pub(in crate::store) async fn attach(root: PathBuf) -> Result<Arc<Folder>, StorageError> {
        let shown = root.display().to_string();
        let opened = blocking(move || Folder::assemble(root, None)).await?;
        opened.map(Arc::new).map_err(|error| cannot(&shown, &error))
    }

    fn make(root: PathBuf) -> io::Result<Folder> {
        make_private_folder(&root)?;
        let lock = open_or_make(&root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another process keeps its files there; use another folder, or an S3 store for several nodes",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for part in PARTS {
            let path = root.join(part);
            match refuse_link(&path) {
                Err(error) if super::is_gone(&error) => {}
                checked => checked?,
            }
            make_private_folder(&path)?;
        }
        super::sync_folder(&root)?;
        Folder::assemble(root, Some(lock))
    }

    fn assemble(root: PathBuf, lock: Option<File>) -> io::Result<Folder> {
        for part in PARTS {
            refuse_link(&root.join(part))?;
        }
        Ok(Folder {
            #[cfg(target_os = "linux")]
            handle: File::open(&root)?,
            #[cfg(unix)]
            incoming: SharedSync::new(File::open(root.join("incoming"))?),
            root,
            lock,
        })
    }
}

/// Makes a folder that only its owner may enter; one that exists is closed to others.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o777 != 0o700 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// A file that must not be there yet.
pub(super) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options).open(path)
}

/// A file to go on writing, made when it is not there.
pub(super) fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    regular(private(&mut options).open(path)?)
}

/// A file to read.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    regular(private(&mut options).open(path)?)
}

/// New files are for their owner alone, and links are not followed.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that lies where a file should be must not make us wait for somebody to write into it.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

/// A folder or a device where a file should be is somebody's mistake.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(
        "there is something else where a file should be",
    ))
}

/// Our own folders are folders: nobody gets to lead us elsewhere by a link.
fn refuse_link(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is a link or a file, not a folder",
        path.display()
    )))
}

fn cannot(folder: &str, error: &io::Error) -> StorageError {
    StorageError::StoreAway(format!("cannot open the folder {folder}: {error}"))
}
