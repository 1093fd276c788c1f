//! Sending a download to the store itself, by an address that opens one version for a while.
//!
//! Only from buckets that allow it: whoever was let in once can read until the address ends, whatever the policies say by then.
//! What the store is to say of the bytes stands in the address: their type, their disposition and how long they may be kept. It
//! has nothing to say `nosniff` or a sandbox with, and its CORS headers are its own; what needs a sandbox is not sent there.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::{answer, until};
use crate::Storage;
use crate::error::StorageError;
use crate::model::Object;
use crate::sign::End;
use crate::store::SaidByStore;

/// Downloads that are sent to the store itself. A folder has no addresses to send them to.
#[derive(Clone, Debug)]
pub struct RedirectConfig {
    /// How long such an address holds.
    pub lifetime: Duration,
    /// The ids of the buckets whose downloads these are; `*` stands for all.
    pub buckets: Vec<String>,
}

impl RedirectConfig {
    fn covers(&self, bucket: &str) -> bool {
        self.buckets
            .iter()
            .any(|listed| listed == "*" || listed == bucket)
    }
}

/// The answer that sends a client to the store, where the object's bucket allows that. A client repeats its range there.
///
/// `headers` are those of our own answer, and `end` is that of the URL that led here: the address holds no longer.
pub(super) async fn redirect(
    storage: &Storage,
    object: &Object,
    headers: &HeaderMap,
    end: Option<End>,
) -> Result<Option<Response>, StorageError> {
    let Some(config) = &storage.config.redirect else {
        return Ok(None);
    };
    if !config.covers(&object.bucket_id) {
        return Ok(None);
    }
    let left = end.map(|end| Duration::from_secs(end.seconds_left));
    let lifetime = left.map_or(config.lifetime, |left| left.min(config.lifetime));
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let cache_control = text(&CACHE_CONTROL).unwrap_or("no-cache");
    // To caches it is a URL that ends, like our own signed ones.
    let cache_control = until(cache_control, lifetime.as_secs());
    let said = SaidByStore {
        content_type: text(&CONTENT_TYPE).unwrap_or_default(),
        cache_control: &cache_control,
        disposition: text(&CONTENT_DISPOSITION),
    };
    let address = storage.store.redirect(object.version, lifetime, said);
    let Some(address) = address.await? else {
        return Ok(None);
    };
    let address = HeaderValue::try_from(address)
        .map_err(|error| StorageError::Internal(format!("the store's address: {error}")))?;
    let headers = HeaderMap::from_iter([
        (LOCATION, address),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]);
    Ok(Some(answer(StatusCode::FOUND, headers, Body::empty())))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use axum::http::header::RANGE;
    use jiff::Timestamp;
    use plinth_db::keys::Keys;
    use plinth_db::migrations::apply_system;
    use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions};
    use plinth_http::{App, Gate, GateKeys, Limits, Mode};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::delivery::{Delivery, deliver, headers};
    use crate::{Config, ImageConfig, S3Config, S3Credentials, StoreConfig};

    /// A service whose files are in a store that cannot be reached. Addresses are signed without it.
    struct Stage {
        folder: PathBuf,
        storage: Storage,
    }

    impl Stage {
        async fn new(buckets: &[&str]) -> Stage {
            let folder = std::env::temp_dir().join(format!("plinth-redirect-{}", Uuid::now_v7()));
            let clock = Clock::fixed(now());
            let db = Db::open(OpenOptions {
                path: folder.join("plinth.db"),
                clock: clock.clone(),
                auto_expose: AutoExpose::Protected,
                durability: Durability::Unsynced,
            })
            .unwrap();
            apply_system(&db, &[plinth_db::base_module(), crate::module()])
                .await
                .unwrap();
            let keys = Keys::local();
            let app = App {
                db,
                gate: Arc::new(Gate::new(&GateKeys::from(&keys), clock)),
                limits: Arc::new(Limits::default()),
                mode: Mode::Dev,
                public_url: "http://127.0.0.1:54321".into(),
            };
            let config = config(&folder, buckets);
            Stage {
                storage: Storage::open(app, config, &keys).await.unwrap(),
                folder,
            }
        }

        async fn ask(&self, object: &Object, asked: &HeaderMap, how: &Delivery) -> Option<String> {
            let answer = deliver(&self.storage, object, asked, how).await.unwrap();
            let location = answer.headers().get(LOCATION)?;
            assert_eq!(answer.status(), StatusCode::FOUND);
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
            Some(location.to_str().unwrap().to_owned())
        }
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            let _best_effort = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn config(folder: &Path, buckets: &[&str]) -> Config {
        Config {
            store: StoreConfig::S3(S3Config {
                endpoint: Some("http://127.0.0.1:9".to_owned()),
                region: "us-east-1".to_owned(),
                bucket: "files".to_owned(),
                prefix: String::new(),
                credentials: Some(S3Credentials {
                    access_key_id: "key".to_owned(),
                    secret_access_key: "secret".to_owned(),
                    session_token: None,
                }),
                path_style: true,
            }),
            images: ImageConfig::in_folder(folder.join("images")),
            check: None,
            upload_bytes: 1 << 20,
            resumable_lifetime: Duration::from_hours(1),
            signed_upload_lifetime: Duration::from_mins(1),
            region: "us-east-1".to_owned(),
            public_url: None,
            redirect: Some(RedirectConfig {
                lifetime: Duration::from_mins(10),
                buckets: buckets.iter().map(|id| (*id).to_owned()).collect(),
            }),
        }
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn object(bucket: &str, content_type: &str) -> Object {
        Object {
            id: Uuid::from_u128(1),
            bucket_id: bucket.to_owned(),
            name: "a/b.mp4".to_owned(),
            owner_id: None,
            version: Uuid::from_u128(7),
            size: 10,
            etag: "\"tag\"".to_owned(),
            content_type: content_type.to_owned(),
            cache_control: "public, max-age=3600".to_owned(),
            created_at: now(),
            updated_at: now(),
            last_accessed_at: now(),
            metadata: json!({}),
            user_metadata: None,
        }
    }

    #[tokio::test]
    async fn only_listed_buckets_are_read_from_the_store_itself() {
        let stage = Stage::new(&["videos", "sounds"]).await;
        let plain = Delivery::default();
        let listed = object("videos", "video/mp4");
        let address = stage.ask(&listed, &HeaderMap::new(), &plain).await;
        let address = address.unwrap();
        let version = listed.version;
        assert!(
            address.starts_with(&format!(
                "http://127.0.0.1:9/files/objects/{version}?response-content-type=video%2Fmp4&\
                 response-cache-control=max-age%3D600&"
            )),
            "{address}"
        );
        assert!(address.contains("X-Amz-Expires=600&"), "{address}");
        assert!(!address.contains("disposition"), "{address}");

        let other = object("video", "video/mp4");
        let answer = redirect(&stage.storage, &other, &headers(&other, &plain), None).await;
        assert!(answer.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_address_says_what_we_would_and_holds_no_longer_than_the_url_before_it() {
        let stage = Stage::new(&["*"]).await;
        let how = Delivery {
            download: Some("a b.mp4".to_owned()),
            end: Some(End {
                at: now(),
                seconds_left: 60,
            }),
            ..Delivery::default()
        };
        let object = object("any", "text/html");
        let address = stage.ask(&object, &HeaderMap::new(), &how).await.unwrap();
        for part in [
            "response-content-type=text%2Fplain&",
            "response-cache-control=max-age%3D60&",
            "response-content-disposition=attachment%3B%20filename%3Da%2520b.mp4%3B",
            "X-Amz-Expires=60&",
        ] {
            assert!(address.contains(part), "{part}: {address}");
        }
    }

    #[tokio::test]
    async fn what_the_store_cannot_answer_as_we_do_stays_here() {
        let stage = Stage::new(&["*"]).await;
        let looked_at = Delivery {
            head: true,
            ..Delivery::default()
        };
        let video = object("videos", "video/mp4");
        let asked = HeaderMap::new();
        assert_eq!(stage.ask(&video, &asked, &looked_at).await, None);
        // The others are answered from here, for which the store would have to be there.
        let plain = Delivery::default();
        let picture = object("videos", "image/svg+xml");
        let sandboxed = deliver(&stage.storage, &picture, &asked, &plain).await;
        assert!(matches!(sandboxed, Err(StorageError::StoreAway(_))));
        let two = HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-1,4-5"))]);
        let several = deliver(&stage.storage, &video, &two, &plain).await;
        assert!(matches!(several, Err(StorageError::StoreAway(_))));
    }
}
