//! Rows: what buckets and objects are called, who may do what with them, and which version is the object.

mod array;
pub(crate) use array::literal as array_literal;
pub(crate) mod bucket;
pub(crate) mod list;
pub(crate) mod object;

use plinth_db::Session;
use plinth_http::Caller;

use crate::Storage;

pub(crate) use bucket::Bucket;
pub(crate) use object::{NewObject, Object};

/// Under whose rights something is done.
#[derive(Clone)]
pub(crate) struct Who {
    /// What policies read.
    pub(crate) session: Session,
    /// The claim `sub`: who owns what is made.
    pub(crate) owner: Option<String>,
}

impl Who {
    /// A caller, with what SQL may know of the request.
    pub(crate) fn caller(storage: &Storage, caller: &Caller, settings: plinth_db::Ambient) -> Who {
        let owner = caller.claims.get("sub").and_then(serde_json::Value::as_str);
        Who {
            session: caller.session(&storage.app.limits, settings),
            owner: owner.map(str::to_owned),
        }
    }

    /// The service itself: where a signed URL or a public bucket has already said yes.
    pub(crate) fn system(owner: Option<String>) -> Who {
        Who {
            session: Session::system(),
            owner,
        }
    }
}
