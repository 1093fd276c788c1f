//! Keeping a folder's files where they are for a while: a backup copies the database first and the files after it, and none
//! that the copy names may go in between.
//!
//! A hold is a file in the folder with the number of the process that wants it. One whose process is gone holds nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the names of holds begin with.
const PREFIX: &str = "hold-";

/// No file of the folder is removed while it lives.
#[derive(Debug)]
pub struct Hold(PathBuf);

/// Holds a folder of files, also one that a server has open.
///
/// # Errors
/// When the folder cannot be written.
pub fn hold(folder: &Path) -> io::Result<Hold> {
    let path = folder.join(format!("{PREFIX}{}", std::process::id()));
    fs::write(&path, b"")?;
    Ok(Hold(path))
}

impl Drop for Hold {
    fn drop(&mut self) {
        // What stays behind holds nothing once this process is gone.
        let _best_effort = fs::remove_file(&self.0);
    }
}

/// Whether a process that lives holds the folder.
pub(super) fn is_held(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        process.is_some_and(|process| process.parse::<u32>().is_ok() && lives(process))
    })
}

/// Where nobody can say, it lives.
fn lives(process: &str) -> bool {
    let all = Path::new("/proc");
    !all.join("self").exists() || all.join(process).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_with_its_owner() {
        let folder = std::env::temp_dir().join(format!("plinth-hold-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(!is_held(&folder));
        let held = hold(&folder).unwrap();
        assert!(is_held(&folder));
        drop(held);
        assert!(!is_held(&folder));
        // No process has this number.
        fs::write(folder.join("hold-4294967295"), "").unwrap();
        assert!(!is_held(&folder));
        fs::remove_dir_all(&folder).unwrap();
    }
}
