//! MD5 as S3 uses it: a fingerprint that clients compare, no protection against anybody.

use md5::Digest as _;
use md5::Md5;
use md5::digest::common::hazmat::{SerializableState, SerializedState};

/// The bytes so far. It can be written down and gone on with, so an upload in many requests has the same `ETag` as one in a
/// single request, without being read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Digest(Md5);

impl Digest {
    /// More bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 32 hexadecimal digits.
    pub(super) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }

    /// The state between two pieces.
    pub(super) fn save(&self) -> String {
        hex::encode(self.0.serialize())
    }

    /// Goes on from a saved state; `None` when the text is none.
    pub(super) fn resume(saved: &str) -> Option<Digest> {
        let bytes = hex::decode(saved).ok()?;
        let state = SerializedState::<Md5>::try_from(bytes.as_slice()).ok()?;
        Md5::deserialize(&state).ok().map(Digest)
    }
}

/// The `ETag` of an object that was joined from parts, unquoted: the MD5 of the parts' MD5s, and how many they were.
///
/// A store that encrypts gives parts `ETag`s that are no MD5; their texts are hashed then, so that the result is still of the
/// form that clients know means "not an MD5".
pub(crate) fn joined<'a>(etags: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = etags.len();
    let mut digest = Digest::default();
    for etag in etags {
        match hex::decode(etag) {
            Ok(md5) if md5.len() == 16 => digest.update(&md5),
            _ => digest.update(etag.as_bytes()),
        }
    }
    format!("{}-{count}", digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(bytes: &[u8]) -> String {
        let mut digest = Digest::default();
        digest.update(bytes);
        digest.finish()
    }

    #[test]
    fn the_md5_is_the_known_one() {
        assert_eq!(md5(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5(b"hello world"), "5eb63bbbe01eeed093cb22bb8f5acdc3");
    }

    #[test]
    fn a_digest_goes_on_from_where_it_was_saved() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for at in [0, 1, 63, 64, 65, 500, 1000] {
            let mut digest = Digest::default();
            digest.update(&bytes[..at]);
            let mut digest = Digest::resume(&digest.save()).unwrap();
            digest.update(&bytes[at..]);
            assert_eq!(digest.finish(), md5(&bytes), "saved at {at}");
        }
        assert!(Digest::resume("").is_none());
        assert!(Digest::resume("zz").is_none());
        assert!(Digest::resume(&"00".repeat(500)).is_none());
    }

    #[test]
    fn joined_parts_have_the_etag_that_s3_gives_them() {
        // What S3 answers for two parts, "hello " and "world".
        let (first, second) = (md5(b"hello "), md5(b"world"));
        let mut expected = Vec::new();
        expected.extend(hex::decode(&first).unwrap());
        expected.extend(hex::decode(&second).unwrap());
        let etag = joined([first.as_str(), second.as_str()].into_iter());
        assert_eq!(etag, format!("{}-2", md5(&expected)));
    }
}
