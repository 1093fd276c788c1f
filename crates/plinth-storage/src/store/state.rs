//! What callers keep of uploads in several requests.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use crate::error::StorageError;

/// How far an upload in several requests has come. The caller keeps it in the upload's row, so that any node can go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadState {
    /// Bytes that are safe.
    #[serde(default)]
    pub(super) offset: u64,
    /// The digest of those bytes, as [`Digest::save`] writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) digest: String,
    /// The multipart upload in the S3 store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<String>,
    /// What the S3 store calls the parts it has, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<String>,
    /// Bytes behind the last part, too few for a part of their own: they lie in an object beside it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) tail: u64,
}

/// A part of a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// From 1; their order is that of the bytes.
    pub number: u16,
    /// How many bytes.
    pub size: u64,
    /// Their fingerprint, without quotes.
    pub etag: String,
}

impl UploadState {
    /// Bytes that are safe.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The digest of the bytes that are safe.
    pub(super) fn digest(&self) -> Result<Digest, StorageError> {
        if self.digest.is_empty() {
            return Ok(Digest::default());
        }
        Digest::resume(&self.digest).ok_or_else(|| {
            StorageError::Internal("an upload's state holds a digest that is none".to_owned())
        })
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_state_is_an_empty_object() {
        let state = UploadState::default();
        assert_eq!(serde_json::to_string(&state).unwrap(), r#"{"offset":0}"#);
        assert_eq!(serde_json::from_str::<UploadState>("{}").unwrap(), state);
    }
}
