//! The master key: 32 bytes outside the database that seal what is inside.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hex::FromHex as _;

use super::KeyError;

/// The master key. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(pub(super) [u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// From the text of `PLINTH_MASTER_KEY` when it is set, else from the file; none when that is absent.
    pub fn find(
        from_environment: Option<&str>,
        file: &Path,
    ) -> Result<Option<MasterKey>, KeyError> {
        if let Some(text) = from_environment {
            return match parse(text) {
                Some(bytes) => Ok(Some(MasterKey(bytes))),
                None => Err(KeyError::MalformedMasterKey),
            };
        }
        match fs::read_to_string(file) {
            Ok(text) => match parse(&text) {
                Some(bytes) => Ok(Some(MasterKey(bytes))),
                None => Err(KeyError::MalformedFile {
                    path: file.to_owned(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(file, error)),
        }
    }

    /// A new one, in a new file (mode 0600).
    pub fn create(file: &Path) -> Result<MasterKey, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
        write_new(file, &STANDARD.encode(bytes)).map_err(|error| failed(file, error))?;
        Ok(MasterKey(bytes))
    }
}

fn failed(file: &Path, cause: io::Error) -> KeyError {
    KeyError::File {
        path: file.to_owned(),
        cause,
    }
}

/// Base64 of either alphabet, with or without padding, or hex.
fn parse(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if let Ok(bytes) = <[u8; 32]>::from_hex(text) {
        return Some(bytes);
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok()?.try_into().ok())
}

/// On the disk before it is used: keys sealed by a master key that was lost are lost too.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_hex_name_the_same_key() {
        let bytes = [0xfb; 32];
        let hex = "fb".repeat(32);
        for text in [
            STANDARD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            hex,
            format!("{}\n", STANDARD.encode(bytes)),
        ] {
            assert_eq!(parse(&text), Some(bytes), "{text}");
        }
        for text in ["", "short", &"zz".repeat(32), &STANDARD.encode([1; 31])] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_file_is_made_once_and_kept() {
        let path = std::env::temp_dir().join(format!("plinth-master-{}", std::process::id()));
        let _absent = fs::remove_file(&path);
        assert!(MasterKey::find(None, &path).unwrap().is_none());
        let first = MasterKey::create(&path).unwrap();
        let second = MasterKey::find(None, &path).unwrap().unwrap();
        assert_eq!(first.0, second.0);
        assert!(MasterKey::create(&path).is_err());
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions())
                & 0o777,
            0o600
        );
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_malformed_variable_is_an_error_not_a_new_key() {
        let path = std::env::temp_dir().join("plinth-master-never-made");
        assert!(matches!(
            MasterKey::find(Some("nonsense"), &path),
            Err(KeyError::MalformedMasterKey)
        ));
        assert!(!path.exists());
    }
}
