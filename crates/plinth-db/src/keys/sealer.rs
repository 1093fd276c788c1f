//! Secrets of other modules that the database keeps and must give back, such as those that S3 clients sign with.

use sha2::{Digest, Sha256};

use super::sealed;
use super::{DEMO_JWT_SECRET, KeyError, MasterKey, Secret};

/// Seals secrets under the project's master key, and opens them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealer(MasterKey);

impl Sealer {
    pub(super) fn new(master: MasterKey) -> Sealer {
        Sealer(master)
    }

    /// That of local development, where every secret is the one that everybody knows. What it seals is no secret.
    pub(super) fn local() -> Sealer {
        Sealer(MasterKey(Sha256::digest(DEMO_JWT_SECRET).into()))
    }

    /// A text that only [`open`](Sealer::open) reads. `purpose` parts one use of the master key from another; `id` is
    /// bound in, so that a row's secret cannot be moved to another row.
    pub fn seal(&self, purpose: &str, id: &str, plain: &str) -> Result<String, KeyError> {
        sealed::seal(&self.0, purpose, id, plain)
    }

    /// What [`seal`](Sealer::seal) was given, for the same purpose and id.
    pub fn open(&self, purpose: &str, id: &str, sealed: &str) -> Result<Secret, KeyError> {
        Ok(Secret::new(sealed::open(&self.0, purpose, id, sealed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_opens_what_it_sealed_and_no_other_does() {
        let (one, other) = (Sealer::new(MasterKey([7; 32])), Sealer::local());
        let sealed = one.seal("s3", "row", "hush").unwrap();
        assert_eq!(one.open("s3", "row", &sealed).unwrap().expose(), "hush");
        assert!(other.open("s3", "row", &sealed).is_err());
        assert!(one.open("s3", "another row", &sealed).is_err());
        assert!(one.open("webhooks", "row", &sealed).is_err());
    }
}
