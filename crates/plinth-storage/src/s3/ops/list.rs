//! `ListObjects`, both versions: one walk through the names, with two ways of going on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object as ObjectShape, ObjectStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::auth::Principal;
use super::Answer;
use super::buckets::owner;
use super::shape::{self, Naming};
use crate::Storage;
use crate::model::list::{Entry, Page, Scope, page};
use crate::model::{Bucket, Object};

/// Most objects and common prefixes in one answer.
const MAX_KEYS: usize = 1000;
/// What both versions are asked.
struct Asked {
    bucket: String,
    prefix: String,
    naming: Naming,
    limit: usize,
}

pub(super) async fn v1(
    storage: &Storage,
    req: S3Request<ListObjectsInput>,
) -> Answer<ListObjectsOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let asked = Asked::read(
        input.bucket,
        input.prefix,
        input.delimiter,
        input.encoding_type,
        input.max_keys,
    )?;
    let marker = input.marker.unwrap_or_default();
    let page = asked.page(storage, &principal, Some(&marker)).await?;
    let next = page.next.clone();
    let (contents, common_prefixes) = asked.shapes(page, true);
    Ok(S3Response::new(ListObjectsOutput {
        prefix: Some(asked.naming.encoded(&asked.prefix)),
        marker: Some(asked.naming.encoded(&marker)),
        max_keys: Some(shape::count(asked.limit)),
        is_truncated: Some(next.is_some()),
        next_marker: next.map(|next| asked.naming.encoded(&next)),
        contents,
        common_prefixes,
        delimiter: asked
            .naming
            .delimiter
            .as_deref()
            .map(|text| asked.naming.encoded(text)),
        name: Some(asked.bucket),
        encoding_type: asked.naming.encoding,
        request_charged: None,
    }))
}

pub(super) async fn v2(
    storage: &Storage,
    req: S3Request<ListObjectsV2Input>,
) -> Answer<ListObjectsV2Output> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let asked = Asked::read(
        input.bucket,
        input.prefix,
        input.delimiter,
        input.encoding_type,
        input.max_keys,
    )?;
    // A token counts before where the list was to begin.
    let after = match &input.continuation_token {
        Some(token) => Some(read_token(token)?),
        None => input.start_after.clone(),
    };
    let page = asked.page(storage, &principal, after.as_deref()).await?;
    let (key_count, next) = (page.entries.len(), page.next.clone());
    let (contents, common_prefixes) = asked.shapes(page, input.fetch_owner == Some(true));
    Ok(S3Response::new(ListObjectsV2Output {
        prefix: Some(asked.naming.encoded(&asked.prefix)),
        max_keys: Some(shape::count(asked.limit)),
        key_count: Some(shape::count(key_count)),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next.map(|next| URL_SAFE_NO_PAD.encode(next)),
        contents,
        common_prefixes,
        delimiter: asked
            .naming
            .delimiter
            .as_deref()
            .map(|text| asked.naming.encoded(text)),
        start_after: input.start_after.map(|text| asked.naming.encoded(&text)),
        name: Some(asked.bucket),
        encoding_type: asked.naming.encoding,
        request_charged: None,
    }))
}

impl Asked {
    fn read(
        bucket: String,
        prefix: Option<String>,
        delimiter: Option<String>,
        encoding: Option<EncodingType>,
        max_keys: Option<i32>,
    ) -> S3Result<Asked> {
        Ok(Asked {
            bucket,
            prefix: prefix.unwrap_or_default(),
            naming: Naming::read(delimiter, encoding)?,
            limit: shape::limit(max_keys, MAX_KEYS, "max-keys")?,
        })
    }

    async fn page(
        &self,
        storage: &Storage,
        principal: &Principal,
        after: Option<&str>,
    ) -> S3Result<Page> {
        let scope = Scope {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            folder_bytes: self.naming.delimiter.as_ref().map(|_| self.prefix.len()),
            folds_case: false,
            descending: false,
            only_folders: false,
        };
        let after = after.filter(|after| !after.is_empty());
        let page = page(storage, &principal.who, scope, after, self.limit).await?;
        if page.entries.is_empty() {
            // Nothing to see may be no bucket at all.
            Bucket::find(storage, &self.bucket).await?;
        }
        Ok(page)
    }

    /// Objects and common prefixes; none of a kind is no list of it.
    fn shapes(
        &self,
        page: Page,
        with_owner: bool,
    ) -> (Option<Vec<ObjectShape>>, Option<Vec<CommonPrefix>>) {
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::Object(object) => objects.push(self.object(&object, with_owner)),
                Entry::Folder(path) => prefixes.push(CommonPrefix {
                    prefix: Some(self.naming.encoded(&path)),
                }),
            }
        }
        (
            Some(objects).filter(|objects| !objects.is_empty()),
            Some(prefixes).filter(|prefixes| !prefixes.is_empty()),
        )
    }

    fn object(&self, object: &Object, with_owner: bool) -> ObjectShape {
        ObjectShape {
            e_tag: Some(shape::etag(&object.etag)),
            key: Some(self.naming.encoded(&object.name)),
            last_modified: Some(shape::time(object.updated_at)),
            owner: with_owner.then(owner),
            size: Some(shape::size(object.size)),
            storage_class: Some(ObjectStorageClass::from_static(
                ObjectStorageClass::STANDARD,
            )),
            ..ObjectShape::default()
        }
    }
}

/// The name behind which a list goes on.
fn read_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| !text.is_empty()).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The continuation token provided is incorrect"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        delimiter: &str,
        encoding: Option<&str>,
        max_keys: Option<i32>,
    ) -> Result<Asked, String> {
        let encoding = encoding.map(|text| EncodingType::from(text.to_owned()));
        let delimiter = Some(delimiter.to_owned());
        Asked::read("b".to_owned(), None, delimiter, encoding, max_keys)
            .map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn what_is_asked_is_read() {
        assert_eq!(read("", None, None).map(|asked| asked.limit), Ok(1000));
        assert_eq!(
            read("/", None, Some(5000)).map(|asked| asked.limit),
            Ok(1000)
        );
        assert_eq!(read("/", None, Some(0)).map(|asked| asked.limit), Ok(0));
        assert_eq!(
            read("/", None, Some(-1)).map(|asked| asked.limit),
            Err("InvalidArgument".to_owned())
        );
        assert_eq!(
            read("-", None, None).map(|asked| asked.limit),
            Err("NotImplemented".to_owned())
        );
        assert_eq!(
            read("/", Some("latin"), None).map(|asked| asked.limit),
            Err("InvalidArgument".to_owned())
        );
    }

    #[test]
    fn names_are_encoded_where_that_was_asked() {
        let plain = read("/", None, None).unwrap();
        assert_eq!(plain.naming.encoded("a b/c+d&é"), "a b/c+d&é");
        let url = read("/", Some("url"), None).unwrap();
        assert_eq!(url.naming.encoded("a b/c+d&é"), "a%20b/c%2Bd%26%C3%A9");
    }

    #[test]
    fn a_token_is_one_of_ours() {
        assert_eq!(read_token(&URL_SAFE_NO_PAD.encode("a/b")).unwrap(), "a/b");
        for bad in ["", "!", &URL_SAFE_NO_PAD.encode([0xff, 0xfe])] {
            assert!(read_token(bad).is_err(), "{bad}");
        }
    }
}
