//! Uploads in one request: raw bytes or a form, new or in the place of another, with a key or a signed URL.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use plinth_http::discard_body;
use serde_json::{Value, json};

use super::form::{self, Fields, Form, discard};
use super::request::{Parameters, Place, file, is_true, text};
use crate::Storage;
use crate::error::StorageError;
use crate::model::object::{self, OCTETS, Upsert};
use crate::model::{Bucket, NewObject, Object, Who};
use crate::names::ObjectName;

/// What may be sent for a placeholder, of which nothing is kept.
const PLACEHOLDER_BYTES: usize = 64 << 10;
/// Longest `cache-control` that is kept.
const CACHE_CONTROL_BYTES: usize = 256;
/// Longest content type that is kept.
const TYPE_BYTES: usize = 256;
/// Largest custom metadata, as text.
pub(crate) const METADATA_BYTES: usize = 1 << 20;

/// `POST /object/{bucket}/{path}`: a new object, or another in its place with `x-upsert`.
pub(crate) async fn create(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, StorageError> {
    let upsert = is_true(&headers, "x-upsert").into();
    let object = receive(&storage, &who, &place, upsert, &headers, body).await?;
    Ok(made(&object))
}

/// `PUT /object/{bucket}/{path}`: whatever was there.
pub(crate) async fn replace(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, StorageError> {
    let object = receive(&storage, &who, &place, Upsert::Anything, &headers, body).await?;
    Ok(made(&object))
}

/// `PUT /object/upload/sign/{bucket}/{path}?token=`: whoever made the token has been asked already.
pub(crate) async fn signed(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, StorageError> {
    let token = query.get("token").unwrap_or_default();
    let granted = storage.signer.verify_upload(token, &place.url())?;
    let upsert = object::may_replace(&storage, &granted, &place.bucket, &place.name).await?;
    let who = Who::system(granted.owner);
    let object = receive(&storage, &who, &place, upsert, &headers, body).await?;
    Ok(axum::Json(json!({ "Key": key(&object) })).into_response())
}

fn made(object: &Object) -> Response {
    axum::Json(json!({ "Id": object.id, "Key": key(object) })).into_response()
}

/// `bucket/path`.
pub(crate) fn key(object: &Object) -> String {
    format!("{}/{}", object.bucket_id, object.name)
}

async fn receive(
    storage: &Storage,
    who: &Who,
    place: &Place,
    upsert: Upsert,
    headers: &HeaderMap,
    body: Body,
) -> Result<Object, StorageError> {
    let length = text(headers, CONTENT_LENGTH.as_str()).and_then(|text| text.trim().parse().ok());
    let asked = Asked {
        storage,
        who,
        place,
        upsert,
        length,
    };
    match asked.bucket(headers).await {
        Err(error) => {
            // A client that is still sending would only see its connection end.
            discard_body(body).await;
            Err(error)
        }
        Ok(bucket) => match form::boundary(headers) {
            Some(boundary) => asked.form(&bucket, Form::new(body, &boundary)).await,
            None => asked.raw(&bucket, headers, body).await,
        },
    }
}

/// One upload, on its way.
struct Asked<'a> {
    storage: &'a Storage,
    who: &'a Who,
    place: &'a Place,
    upsert: Upsert,
    /// Of the whole body.
    length: Option<u64>,
}

impl Asked<'_> {
    /// The bucket, once everything that needs neither the body nor the policies is as it should be.
    async fn bucket(&self, headers: &HeaderMap) -> Result<Bucket, StorageError> {
        let name = ObjectName::parse(&self.place.name)?;
        let bucket = Bucket::find(self.storage, &self.place.bucket).await?;
        // A form is longer than its file, by a kibibyte or so; the file itself is counted as it comes.
        let framing = match form::boundary(headers) {
            Some(_) => form::FRAMING_BYTES,
            None => 0,
        };
        let limit = bucket.limit(self.storage).saturating_add(framing);
        if !name.is_folder_placeholder() && self.length.is_some_and(|length| length > limit) {
            return Err(StorageError::TooLarge);
        }
        Ok(bucket)
    }

    async fn raw(
        &self,
        bucket: &Bucket,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Object, StorageError> {
        let about = || -> Result<NewObject, StorageError> {
            let content_type = text(headers, CONTENT_TYPE.as_str());
            let cache_control = text(headers, CACHE_CONTROL.as_str());
            let metadata = text(headers, "x-metadata")
                .map(metadata_header)
                .transpose()?;
            self.object(content_type, cache_control, metadata.flatten(), self.length)
        };
        match self.admit(bucket, about()).await {
            Ok(object) => self.store(bucket, object, file(body)).await,
            Err(error) => {
                discard_body(body).await;
                Err(error)
            }
        }
    }

    async fn form(&self, bucket: &Bucket, mut form: Form) -> Result<Object, StorageError> {
        let fields = form.fields().await?;
        let about = || -> Result<NewObject, StorageError> {
            let metadata = fields.metadata.as_deref().map(metadata_text).transpose()?;
            let seconds = fields
                .cache_control
                .as_deref()
                .filter(|text| is_number(text));
            let cache_control = seconds.map(|seconds| format!("max-age={seconds}"));
            let content_type = fields.content_type.as_deref();
            self.object(
                content_type,
                cache_control.as_deref(),
                metadata.flatten(),
                longest_file(self.length, &fields),
            )
        };
        match self.admit(bucket, about()).await {
            Ok(object) => self.store(bucket, object, form.file()).await,
            Err(error) => {
                discard(form.file()).await;
                Err(error)
            }
        }
    }

    /// What is to be made, from what the client said about it.
    fn object(
        &self,
        content_type: Option<&str>,
        cache_control: Option<&str>,
        user_metadata: Option<Value>,
        length: Option<u64>,
    ) -> Result<NewObject, StorageError> {
        let content_type = content_type.and_then(kept_type);
        let cache_control = cache_control.and_then(kept_cache_control);
        Ok(NewObject {
            bucket: self.place.bucket.clone(),
            name: ObjectName::parse(&self.place.name)?,
            upsert: self.upsert,
            content_type: content_type.unwrap_or(OCTETS).to_owned(),
            cache_control: cache_control.unwrap_or("no-cache").to_owned(),
            user_metadata,
            declared_length: length,
        })
    }

    /// Asks the bucket's rules and the policies.
    async fn admit(
        &self,
        bucket: &Bucket,
        object: Result<NewObject, StorageError>,
    ) -> Result<NewObject, StorageError> {
        let mut object = object?;
        if object.name.is_folder_placeholder() {
            object.declared_length = Some(0);
        } else {
            bucket.check_type(&object.content_type)?;
        }
        object::may_put(self.storage, self.who, &object).await?;
        Ok(object)
    }

    async fn store(
        &self,
        bucket: &Bucket,
        object: NewObject,
        mut bytes: impl Stream<Item = Result<Bytes, StorageError>> + Send + Unpin,
    ) -> Result<Object, StorageError> {
        let storage = self.storage;
        let stored = if object.name.is_folder_placeholder() {
            let mut ignored = 0;
            while let Some(chunk) = bytes.next().await {
                ignored += chunk?.len();
                if ignored > PLACEHOLDER_BYTES {
                    return Err(StorageError::TooLarge);
                }
            }
            let nothing = stream::empty::<Result<Bytes, StorageError>>();
            storage.store.receive(&storage.app.db, nothing, 0).await?
        } else {
            let limit = bucket.limit(storage);
            let received = storage.store.receive(&storage.app.db, &mut bytes, limit);
            match received.await {
                Ok(stored) => stored,
                Err(error) => {
                    // A client that is still sending would only see its connection end.
                    discard(bytes).await;
                    return Err(error);
                }
            }
        };
        object::put(storage, self.who, &object, stored).await
    }
}

/// How long the file of a form can be, when the whole body says how long it is: longer than it will be by the form's own lines, a
/// kibibyte at most as clients write them. Policies that bound the size want to know before the file comes, and are asked again
/// when its length is known.
fn longest_file(body: Option<u64>, fields: &Fields) -> Option<u64> {
    body.map(|bytes| bytes.saturating_sub(fields.bytes))
}

/// A type that can be sent as it is, of bounded length.
pub(crate) fn kept_type(text: &str) -> Option<&str> {
    let text = text.trim();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_token = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    let is_type = essence
        .split_once('/')
        .is_some_and(|(family, kind)| is_token(family) && is_token(kind));
    (is_type && text.len() <= TYPE_BYTES && HeaderValue::from_str(text).is_ok()).then_some(text)
}

/// The same for how long it may be kept.
pub(crate) fn kept_cache_control(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= CACHE_CONTROL_BYTES;
    (fits && HeaderValue::from_str(text).is_ok()).then_some(text)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `x-metadata`: an object in base64.
pub(crate) fn metadata_header(value: &str) -> Result<Option<Value>, StorageError> {
    let bad = || StorageError::InvalidParameter("x-metadata".to_owned());
    let value = value.trim();
    let bytes = STANDARD
        .decode(value)
        .or_else(|_| URL_SAFE.decode(value))
        .map_err(|_| bad())?;
    metadata_text(std::str::from_utf8(&bytes).map_err(|_| bad())?)
}

/// Custom metadata as JSON text.
pub(crate) fn metadata_text(text: &str) -> Result<Option<Value>, StorageError> {
    let bad = || StorageError::InvalidParameter("metadata".to_owned());
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.len() > METADATA_BYTES {
        return Err(bad());
    }
    match serde_json::from_str(text).map_err(|_| bad())? {
        Value::Null => Ok(None),
        object @ Value::Object(_) if !holds_nul(&object) => Ok(Some(object)),
        _ => Err(bad()),
    }
}

/// Postgres has no NUL in texts. How deep a document nests was bounded when it was parsed.
pub(crate) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(object) => object
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_form_is_no_longer_than_the_rest_of_it() {
        let fields = Fields {
            bytes: 100,
            ..Fields::default()
        };
        assert_eq!(longest_file(Some(1100), &fields), Some(1000));
        assert_eq!(longest_file(Some(7), &fields), Some(0));
        assert_eq!(longest_file(None, &fields), None);
    }

    #[test]
    fn custom_metadata_is_an_object() {
        assert_eq!(metadata_text(r#"{"a":1}"#).unwrap(), Some(json!({"a": 1})));
        assert_eq!(metadata_text("null").unwrap(), None);
        assert_eq!(metadata_text("").unwrap(), None);
        for bad in ["[]", "1", "{", r#""text""#, r#"{"a":"\u0000"}"#] {
            assert!(metadata_text(bad).is_err(), "{bad}");
        }
        assert_eq!(
            metadata_header("eyJhIjoxfQ==").unwrap(),
            Some(json!({"a": 1}))
        );
        assert!(metadata_header("%%%").is_err());
    }
}
