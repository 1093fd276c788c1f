//! Names of buckets and objects, checked once.
//!
//! A name is never a path on a disk or a key in a store: bytes are kept under their version. The rules here keep names
//! printable, unambiguous in URLs and the same for every client.

use std::fmt;

use crate::error::StorageError;

/// Longest name of a bucket, in bytes.
const BUCKET_BYTES: usize = 100;
/// Longest name of an object, in bytes. S3 has the same bound.
const OBJECT_BYTES: usize = 1024;
/// What dashboards make so that an empty folder can be seen. It holds no bytes and passes every rule about types.
const FOLDER_PLACEHOLDER: &str = ".emptyFolderPlaceholder";

/// The name of an object that may be made: `a/b/c.png`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName(String);

/// The name of a bucket that may be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BucketName(String);

impl ObjectName {
    /// Refuses characters that storage names do not have, and segments that are empty, `.` or `..`.
    pub(crate) fn parse(text: &str) -> Result<ObjectName, StorageError> {
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        let good = text.len() <= OBJECT_BYTES
            && text.bytes().all(|byte| byte == b'/' || is_allowed(byte))
            && text.split('/').all(is_segment);
        if good {
            Ok(ObjectName(text.to_owned()))
        } else {
            Err(StorageError::InvalidKey(shown(text)))
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this only makes a folder appear.
    pub(crate) fn is_folder_placeholder(&self) -> bool {
        self.0.ends_with(FOLDER_PLACEHOLDER)
    }
}

impl BucketName {
    /// Refuses what a bucket cannot be called.
    pub(crate) fn parse(text: &str) -> Result<BucketName, StorageError> {
        let good = !text.is_empty()
            && text.len() <= BUCKET_BYTES
            && text.bytes().all(is_allowed)
            && text.trim() == text
            && !matches!(text, "." | "..");
        if good {
            Ok(BucketName(text.to_owned()))
        } else {
            Err(StorageError::InvalidBucketName)
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters, digits and the signs that S3 calls safe. ASCII only, so nothing looks like something else.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_!.*'() &$=@;:+,?-".contains(&byte)
}

/// A bad name as an error may repeat it: short, and without what terminals and logs stumble over.
fn shown(text: &str) -> String {
    const CHARACTERS: usize = 100;
    let clean = text.chars().take(CHARACTERS);
    clean
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects() {
        for good in [
            "a",
            "a/b/c.png",
            "folder/it's (1) & more!.txt",
            "...",
            "a/..b",
            ".hidden",
            "user@example.com/photo+1.jpg",
        ] {
            assert!(ObjectName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/.",
            "a\0b",
            "a\nb",
            "a\\b",
            "caf\u{e9}",
            "a%2e",
            "\u{ff0e}\u{ff0e}/a",
            "a\u{202e}b",
            "[a]",
            "a#b",
        ] {
            assert!(
                matches!(ObjectName::parse(bad), Err(StorageError::InvalidKey(_))),
                "{bad:?}"
            );
        }
        assert!(ObjectName::parse(&"a".repeat(1024)).is_ok());
        assert!(ObjectName::parse(&"a".repeat(1025)).is_err());
    }

    #[test]
    fn names_of_buckets() {
        for good in ["avatars", "My bucket", "a.b-c_d"] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a/b",
            "..",
            "a\n",
            "\u{e9}",
            &"a".repeat(101),
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_name_is_shown_short_and_clean() {
        let Err(StorageError::InvalidKey(text)) =
            ObjectName::parse(&format!("\u{1b}{}", "/".repeat(5000)))
        else {
            panic!("it was taken");
        };
        assert!(text.len() < 110 && !text.contains('\u{1b}'));
    }
}
