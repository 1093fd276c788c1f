//! Which files there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::MigrationError;

/// One migration as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationFile {
    /// The leading digits of the file's name.
    pub version: String,
    /// What follows them, without the underscore and `.sql`.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it says.
    pub sql: String,
}

impl MigrationFile {
    /// Whether its first line takes it out of a transaction.
    pub fn without_transaction(&self) -> bool {
        self.sql
            .lines()
            .next()
            .is_some_and(|line| line.trim() == "-- plinth: no-transaction")
    }

    /// The file's name without its folder.
    pub fn file_name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

/// The folder that holds an application's migrations: `migrations/`, else `supabase/migrations/`.
pub fn folder(dir: &Path) -> Option<PathBuf> {
    let candidates = [
        dir.join("migrations"),
        dir.join("supabase").join("migrations"),
    ];
    let has_sql = |folder: &&PathBuf| sql_files(folder).is_ok_and(|files| !files.is_empty());
    candidates
        .iter()
        .find(has_sql)
        .or_else(|| candidates.iter().find(|folder| folder.is_dir()))
        .cloned()
}

/// The migrations of an application's folder, in name order. No folder means no migrations.
pub fn find(dir: &Path) -> Result<Vec<MigrationFile>, MigrationError> {
    let Some(folder) = folder(dir) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    let mut versions: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in sql_files(&folder)? {
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(MigrationError::NoVersion { path });
        }
        let (version, name) = stem.split_at(digits);
        if let Some(first) = versions.insert(version.to_owned(), path.clone()) {
            return Err(MigrationError::DuplicateVersion {
                version: version.to_owned(),
                first,
                second: path,
            });
        }
        let sql = fs::read_to_string(&path).map_err(|cause| MigrationError::Unreadable {
            path: path.clone(),
            cause,
        })?;
        let name = name.trim_start_matches(['_', '-', '.', ' ']).to_owned();
        files.push(MigrationFile {
            version: version.to_owned(),
            name,
            path,
            sql,
        });
    }
    Ok(files)
}

/// Hidden files are left by editors and are no migrations.
fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, MigrationError> {
    let unreadable = |cause| MigrationError::Unreadable {
        path: folder.to_owned(),
        cause,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() && path.extension().is_some_and(|extension| extension == "sql")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[(&str, &str)]) -> Folder {
            let root =
                std::env::temp_dir().join(format!("plinth-find-{name}-{}", std::process::id()));
            let _absent = fs::remove_dir_all(&root);
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Folder(root)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_come_in_name_order_with_version_and_name() {
        let folder = Folder::with(
            "order",
            &[
                ("migrations/0002_b.sql", "select 2;"),
                ("migrations/0001_a.sql", ""),
                ("migrations/notes.txt", ""),
            ],
        );
        let found = find(&folder.0).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|file| (file.version.as_str(), file.name.as_str()))
            .collect();
        assert_eq!(names, [("0001", "a"), ("0002", "b")]);
    }

    #[test]
    fn supabase_folder_is_found_when_ours_is_empty() {
        let folder = Folder::with(
            "supabase",
            &[
                ("migrations/.keep", ""),
                ("supabase/migrations/20250101_x.sql", ""),
            ],
        );
        assert_eq!(find(&folder.0).unwrap()[0].version, "20250101");
    }

    #[test]
    fn a_file_without_version_is_named() {
        let folder = Folder::with("noversion", &[("migrations/tables.sql", "")]);
        assert!(
            find(&folder.0)
                .unwrap_err()
                .to_string()
                .contains("tables.sql")
        );
    }

    #[test]
    fn two_files_of_one_version_are_named() {
        let folder = Folder::with(
            "twice",
            &[("migrations/1_a.sql", ""), ("migrations/1_b.sql", "")],
        );
        let message = find(&folder.0).unwrap_err().to_string();
        assert!(
            message.contains("1_a.sql") && message.contains("1_b.sql"),
            "{message}"
        );
    }

    #[test]
    fn no_folder_means_no_migrations() {
        let folder = Folder::with("none", &[("plinth.toml", "")]);
        assert!(find(&folder.0).unwrap().is_empty());
    }

    #[test]
    fn first_line_takes_a_file_out_of_its_transaction() {
        let file = |sql: &str| MigrationFile {
            version: "1".into(),
            name: "a".into(),
            path: "1_a.sql".into(),
            sql: sql.into(),
        };
        assert!(file("-- plinth: no-transaction\nselect 1;").without_transaction());
        assert!(!file("select 1;\n-- plinth: no-transaction").without_transaction());
    }
}
