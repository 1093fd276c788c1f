//! `[storage]`: where files are, what pictures of them may cost, and who is asked before one becomes visible.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use plinth_storage::{
    CheckConfig, ImageConfig, RedirectConfig, S3Config, S3Credentials, StoreConfig,
};
use serde::Deserialize;

use super::Config;
use crate::project::DataFolder;

/// Longest wait for a check. What nobody has touched for an hour counts as left behind.
const LONGEST_CHECK_MS: u64 = 600_000;
/// Longest that an address in the store holds: seven days, as signature version 4 has it.
const LONGEST_REDIRECT_SECONDS: u32 = 7 * 24 * 3600;

/// `[storage]`. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    /// Where files are.
    pub store: Kind,
    /// The folder of files; empty means `media` beside the database.
    pub folder: String,
    /// The bucket of an S3-compatible store.
    pub s3_bucket: String,
    /// Where that store is; empty means Amazon's.
    pub s3_endpoint: String,
    /// Its region.
    pub s3_region: String,
    /// What every key there begins with.
    pub s3_prefix: String,
    /// Whether the bucket is in the path of addresses rather than in the host's name.
    pub s3_path_style: bool,
    /// Who asks there; empty means the role of the machine.
    pub s3_access_key_id: String,
    /// Better in the environment: `PLINTH_STORAGE_S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: String,
    /// How long addresses hold that downloads are sent to in the store itself; 0 sends the bytes through us.
    pub s3_redirect_seconds: u32,
    /// The buckets whose downloads these are, by id; `*` stands for all.
    pub s3_redirect_buckets: Vec<String>,
    /// What our own S3 endpoint calls its region.
    pub region: String,
    /// How long a resumable upload may take.
    pub resumable_seconds: u32,
    /// How long a signed upload URL holds.
    pub signed_upload_seconds: u32,
    /// Pictures in other sizes that are kept.
    pub image_cache_bytes: u64,
    /// Longest side of one.
    pub image_side_pixels: u16,
    /// Largest file that pictures are made of.
    pub image_source_bytes: u64,
    /// Most pixels of one.
    pub image_source_pixels: u64,
    /// An endpoint that is asked before an upload becomes visible; empty means none.
    pub check_url: String,
    /// A program that is asked; empty means none.
    pub check_command: Vec<String>,
    /// Longest wait for the answer.
    pub check_timeout_ms: u64,
    /// Whether the endpoint may have a private or loopback address.
    pub check_allow_private: bool,
    /// Whether the endpoint is sent the bytes, too.
    pub check_send_bytes: bool,
}

/// `storage.store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A folder.
    Folder,
    /// A bucket of an S3-compatible store.
    S3,
}

impl Default for Storage {
    fn default() -> Storage {
        let images = ImageConfig::in_folder(PathBuf::new());
        Storage {
            store: Kind::Folder,
            folder: String::new(),
            s3_bucket: String::new(),
            s3_endpoint: String::new(),
            s3_region: "us-east-1".to_owned(),
            s3_prefix: String::new(),
            s3_path_style: true,
            s3_access_key_id: String::new(),
            s3_secret_access_key: String::new(),
            s3_redirect_seconds: 0,
            s3_redirect_buckets: Vec::new(),
            region: "us-east-1".to_owned(),
            resumable_seconds: 24 * 3600,
            signed_upload_seconds: 2 * 3600,
            image_cache_bytes: images.cache_bytes,
            image_side_pixels: images.side_pixels,
            image_source_bytes: images.source_bytes,
            image_source_pixels: images.source_pixels,
            check_url: String::new(),
            check_command: Vec::new(),
            check_timeout_ms: 10_000,
            check_allow_private: false,
            check_send_bytes: false,
        }
    }
}

impl Storage {
    /// Refuses what cannot be meant.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        if self.store == Kind::S3 && self.s3_bucket.is_empty() {
            bail!("storage.store is \"s3\", so storage.s3_bucket must name a bucket");
        }
        if self.store == Kind::Folder && !self.s3_bucket.is_empty() {
            bail!("storage.s3_bucket is set, and storage.store is not \"s3\"");
        }
        if self.s3_access_key_id.is_empty() != self.s3_secret_access_key.is_empty() {
            bail!("storage.s3_access_key_id and storage.s3_secret_access_key belong together");
        }
        self.validate_redirect()?;
        if !self.check_url.is_empty() && !self.check_command.is_empty() {
            bail!("storage.check_url and storage.check_command exclude each other");
        }
        let positive = [
            ("resumable_seconds", u64::from(self.resumable_seconds)),
            (
                "signed_upload_seconds",
                u64::from(self.signed_upload_seconds),
            ),
            ("image_side_pixels", u64::from(self.image_side_pixels)),
            ("image_source_bytes", self.image_source_bytes),
            ("image_source_pixels", self.image_source_pixels),
            ("check_timeout_ms", self.check_timeout_ms),
        ];
        if self.check_timeout_ms > LONGEST_CHECK_MS {
            bail!("storage.check_timeout_ms must be at most {LONGEST_CHECK_MS}");
        }
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => bail!("storage.{key} must be at least 1"),
            None => Ok(()),
        }
    }

    fn validate_redirect(&self) -> anyhow::Result<()> {
        let (seconds, buckets) = (self.s3_redirect_seconds, &self.s3_redirect_buckets);
        if seconds > 0 && buckets.is_empty() {
            bail!(
                "storage.s3_redirect_seconds is set, so storage.s3_redirect_buckets must name the buckets whose downloads go to the store itself, or be [\"*\"] for all"
            );
        }
        if seconds == 0 && !buckets.is_empty() {
            bail!(
                "storage.s3_redirect_buckets names buckets, so storage.s3_redirect_seconds must say how long their addresses hold"
            );
        }
        if seconds > LONGEST_REDIRECT_SECONDS {
            bail!("storage.s3_redirect_seconds must be at most {LONGEST_REDIRECT_SECONDS}");
        }
        Ok(())
    }

    fn redirect(&self) -> Option<RedirectConfig> {
        (self.s3_redirect_seconds > 0).then(|| RedirectConfig {
            lifetime: Duration::from_secs(self.s3_redirect_seconds.into()),
            buckets: self.s3_redirect_buckets.clone(),
        })
    }

    /// Where files are: in the data folder unless something else is said.
    pub(crate) fn store(&self, data: &DataFolder) -> StoreConfig {
        if self.store == Kind::Folder {
            return StoreConfig::Folder(match self.folder.as_str() {
                "" => data.media(),
                folder => PathBuf::from(folder),
            });
        }
        let credentials = (!self.s3_access_key_id.is_empty()).then(|| S3Credentials {
            access_key_id: self.s3_access_key_id.clone(),
            secret_access_key: self.s3_secret_access_key.clone(),
            session_token: None,
        });
        StoreConfig::S3(S3Config {
            endpoint: Some(self.s3_endpoint.clone()).filter(|text| !text.is_empty()),
            region: self.s3_region.clone(),
            bucket: self.s3_bucket.clone(),
            prefix: self.s3_prefix.trim_matches('/').to_owned(),
            credentials,
            path_style: self.s3_path_style,
        })
    }
}

impl Config {
    /// What the storage service is told.
    pub(crate) fn storage_service(&self, data: &DataFolder) -> plinth_storage::Config {
        let storage = &self.storage;
        let images = ImageConfig {
            cache_bytes: storage.image_cache_bytes,
            side_pixels: storage.image_side_pixels,
            source_bytes: storage.image_source_bytes,
            source_pixels: storage.image_source_pixels,
            ..ImageConfig::in_folder(data.pictures())
        };
        let is_checked = !storage.check_url.is_empty() || !storage.check_command.is_empty();
        let check = is_checked.then(|| CheckConfig {
            url: Some(storage.check_url.clone()).filter(|url| !url.is_empty()),
            command: storage.check_command.clone(),
            timeout: Duration::from_millis(storage.check_timeout_ms),
            allow_private: storage.check_allow_private,
            send_bytes: storage.check_send_bytes,
            ..CheckConfig::in_folder(data.quarantine())
        });
        plinth_storage::Config {
            store: storage.store(data),
            images,
            check,
            upload_bytes: self.limits.upload_bytes,
            resumable_lifetime: Duration::from_secs(storage.resumable_seconds.into()),
            signed_upload_lifetime: Duration::from_secs(storage.signed_upload_seconds.into()),
            region: storage.region.clone(),
            public_url: (!self.server.public_url.is_empty()).then(|| self.public_url()),
            redirect: storage.redirect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_data_folder_or_where_it_is_said() {
        let data = DataFolder {
            path: PathBuf::from("data"),
        };
        let folder = |storage: &Storage| match storage.store(&data) {
            StoreConfig::Folder(path) => Some(path),
            StoreConfig::S3(_) => None,
        };
        let mut storage = Storage::default();
        assert_eq!(folder(&storage), Some(PathBuf::from("data/media")));
        storage.folder = "/mnt/files".to_owned();
        assert_eq!(folder(&storage), Some(PathBuf::from("/mnt/files")));
        storage.s3_bucket = "files".to_owned();
        assert!(storage.validate().is_err());
        storage.store = Kind::S3;
        assert!(storage.validate().is_ok());
        assert_eq!(folder(&storage), None);
        storage.s3_access_key_id = "half a key".to_owned();
        assert!(storage.validate().is_err());
    }

    #[test]
    fn downloads_go_to_the_store_from_the_buckets_that_are_named() {
        let with = |seconds, buckets: &[&str]| Storage {
            s3_redirect_seconds: seconds,
            s3_redirect_buckets: buckets.iter().map(|id| (*id).to_owned()).collect(),
            ..Storage::default()
        };
        let none = with(0, &[]);
        assert!(none.validate().is_ok() && none.redirect().is_none());
        let some = with(60, &["videos"]);
        assert!(some.validate().is_ok());
        let redirect = some.redirect().unwrap();
        assert_eq!(redirect.lifetime, Duration::from_mins(1));
        assert_eq!(redirect.buckets, ["videos"]);
        for (half, missing) in [
            (with(60, &[]), "s3_redirect_buckets"),
            (with(0, &["*"]), "s3_redirect_seconds"),
            (with(LONGEST_REDIRECT_SECONDS + 1, &["*"]), "604800"),
        ] {
            let error = half.validate().unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
    }

    #[test]
    fn what_clients_use_is_known_only_where_it_was_said() {
        let data = DataFolder {
            path: PathBuf::from("data"),
        };
        let mut config = Config::default();
        assert_eq!(config.storage_service(&data).public_url, None);
        config.server.public_url = "https://203.0.113.7/".to_owned();
        let said = config.storage_service(&data).public_url;
        assert_eq!(said.as_deref(), Some("https://203.0.113.7"));
    }
}
