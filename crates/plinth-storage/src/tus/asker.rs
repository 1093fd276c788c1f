//! Who asks: somebody with a key or token, or the holder of a signed URL.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use plinth_http::{Caller, request_settings};

use super::error::TusError;
use super::headers::{self, X_SIGNATURE};
use super::location::UploadId;
use super::upload::Owner;
use crate::error::StorageError;
use crate::model::Who;
use crate::sign;
use crate::{PREFIX, Storage};

/// What lets a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// An API key or a token, as everywhere.
    Key,
    /// The token of a signed upload URL, in `x-signature`. A key beside it is not looked at.
    Signature,
}

/// A request without its body.
pub(super) struct Asked {
    pub(super) storage: Storage,
    pub(super) way: Way,
    pub(super) parts: Arc<Parts>,
}

/// Who asks.
pub(super) struct Asker {
    /// Whose rights count.
    pub(super) who: Who,
    /// Whose uploads these are.
    pub(super) owner: Owner,
    /// What a signed URL grants. Without one the client says whether an object may be replaced.
    pub(super) granted: Option<sign::Upload>,
}

impl Asked {
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The upload that the path names. What is no name of one is like one that is not there.
    pub(super) fn upload_id(&self) -> Result<UploadId, TusError> {
        let last = self.parts.uri.path().rsplit('/').next();
        let id = last.and_then(UploadId::parse);
        Ok(id.ok_or(StorageError::NoSuchUpload)?)
    }

    /// Who asks about `bucket/path`. A signed URL is for one object only.
    pub(super) fn asker(&self, url: &str) -> Result<Asker, TusError> {
        match self.way {
            Way::Key => self.by_key(),
            Way::Signature => self.by_signature(url),
        }
    }

    fn by_key(&self) -> Result<Asker, TusError> {
        let caller = Caller::of(&self.storage.app, self.headers()).map_err(StorageError::from)?;
        let settings = request_settings(Arc::clone(&self.parts), PREFIX);
        let who = Who::caller(&self.storage, &caller, settings);
        Ok(Asker {
            owner: Owner {
                role: caller.role,
                id: who.owner.clone().unwrap_or_default(),
                is_signed: false,
            },
            who,
            granted: None,
        })
    }

    fn by_signature(&self, url: &str) -> Result<Asker, TusError> {
        let token = headers::text(self.headers(), X_SIGNATURE)?;
        let token = token.ok_or(StorageError::MissingParameter(X_SIGNATURE))?;
        let granted = self.storage.signer.verify_upload(token, url)?;
        Ok(Asker {
            owner: Owner {
                role: String::new(),
                id: granted.owner.clone().unwrap_or_default(),
                is_signed: true,
            },
            // Whoever made the token has been asked already.
            who: Who::system(granted.owner.clone()),
            granted: Some(granted),
        })
    }
}
