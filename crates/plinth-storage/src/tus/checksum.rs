//! Checksums of chunks: `Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=`.
//!
//! They find what a bad connection changed. None of the algorithms has to withstand an attacker for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::error::TusError;
use super::headers::UPLOAD_CHECKSUM;

/// What can be asked for.
pub(crate) const ALGORITHMS: &str = "sha1,md5,sha256";

/// What a chunk's checksum is to be, and is so far.
pub(crate) struct Checksum {
    hasher: Hasher,
    wanted: Vec<u8>,
}

enum Hasher {
    Sha1(Sha1),
    Md5(Md5),
    Sha256(Sha256),
}

impl Checksum {
    /// Reads the header.
    pub(crate) fn parse(text: &str) -> Result<Checksum, TusError> {
        let malformed =
            || TusError::header(UPLOAD_CHECKSUM, "it must be an algorithm and base64 text");
        let (algorithm, wanted) = text.trim().split_once(' ').ok_or_else(malformed)?;
        let (hasher, bytes) = match algorithm.to_ascii_lowercase().as_str() {
            "sha1" => (Hasher::Sha1(Sha1::new()), 20),
            "md5" => (Hasher::Md5(Md5::new()), 16),
            "sha256" => (Hasher::Sha256(Sha256::new()), 32),
            _ => {
                return Err(TusError::header(
                    UPLOAD_CHECKSUM,
                    "the algorithm must be sha1, md5 or sha256",
                ));
            }
        };
        let wanted = STANDARD_PAD_INDIFFERENT
            .decode(wanted.trim())
            .map_err(|_| malformed())?;
        if wanted.len() != bytes {
            return Err(TusError::header(
                UPLOAD_CHECKSUM,
                "it does not have the length of its algorithm",
            ));
        }
        Ok(Checksum { hasher, wanted })
    }

    /// Takes further bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether the bytes are those that were meant.
    pub(crate) fn holds(self) -> bool {
        match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().as_slice() == self.wanted,
            Hasher::Md5(hasher) => hasher.finalize().as_slice() == self.wanted,
            Hasher::Sha256(hasher) => hasher.finalize().as_slice() == self.wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_algorithms_are_known() {
        for (header, holds) in [
            ("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", true),
            ("SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0", true),
            ("md5 XrY7u+Ae7tCTyyK7j1rNww==", true),
            ("sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=", true),
            ("md5 AAAAAAAAAAAAAAAAAAAAAA==", false),
        ] {
            let mut checksum = Checksum::parse(header).unwrap();
            checksum.update(b"hello ");
            checksum.update(b"world");
            assert_eq!(checksum.holds(), holds, "{header}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused() {
        for bad in [
            "",
            "sha1",
            "sha1 ",
            "sha1 !",
            "crc32 AAAAAA==",
            "md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert!(
                matches!(Checksum::parse(bad), Err(TusError::Header { .. })),
                "{bad}"
            );
        }
    }
}
