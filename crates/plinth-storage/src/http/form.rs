//! Uploads as `multipart/form-data`: a few fields, then the file.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use multer::{Field, Multipart};

use super::request::{file, text};
use super::upload::METADATA_BYTES;
use crate::error::StorageError;

/// How much longer than its file a form may be: custom metadata, other fields, boundaries.
pub(crate) const FRAMING_BYTES: u64 = METADATA_BYTES as u64 + (64 << 10);
/// Fields before the file.
const MAX_FIELDS: usize = 16;
/// What a chunk of the body counts at least while a boundary is looked for: with each one the reader looks through all that it
/// has swallowed, so a million of one byte would cost a core a minute.
const LEAST_CHUNK_BYTES: u64 = 256;

/// What stands between the parts, when the body is a form.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(text(headers, CONTENT_TYPE.as_str())?).ok()
}

/// A form as it arrives.
pub(crate) struct Form {
    parts: Multipart<'static>,
    file: Option<Field<'static>>,
    /// Bytes that came in since something came out.
    unread: Arc<AtomicU64>,
}

/// What was said about the file.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) cache_control: Option<String>,
    /// JSON text.
    pub(crate) metadata: Option<String>,
    pub(crate) content_type: Option<String>,
    /// Bytes of all values, also of fields that mean nothing here.
    pub(crate) bytes: u64,
}

impl Form {
    pub(crate) fn new(body: Body, boundary: &str) -> Form {
        let unread = Arc::new(AtomicU64::new(0));
        let stream = OneByOne {
            stream: file(body),
            rests: false,
            unread: Arc::clone(&unread),
        };
        Form {
            parts: Multipart::new(stream, boundary),
            file: None,
            unread,
        }
    }

    /// The fields up to the file. A form without a file is no upload.
    pub(crate) async fn fields(&mut self) -> Result<Fields, StorageError> {
        let mut fields = Fields::default();
        let mut room = METADATA_BYTES;
        for _ in 0..MAX_FIELDS {
            let Some(field) = self.parts.next_field().await.map_err(form_error)? else {
                break;
            };
            self.unread.store(0, Ordering::Relaxed);
            if is_file(&field) {
                if fields.content_type.is_none() {
                    let own = field.content_type();
                    fields.content_type = own.map(ToString::to_string);
                }
                self.file = Some(field);
                return Ok(fields);
            }
            let name = field.name().unwrap_or_default().to_owned();
            let value = self.small_text(field, room).await?;
            room -= value.len();
            fields.bytes += value.len() as u64;
            match &*name {
                "cacheControl" => fields.cache_control = Some(value),
                "metadata" | "userMetadata" => fields.metadata = Some(value),
                "contentType" => fields.content_type = Some(value),
                // Of other clients, and of no meaning here.
                _ => {}
            }
        }
        Err(StorageError::InvalidRequest(
            "The form has no file".to_owned(),
        ))
    }

    /// The file's bytes. They end well only if the form does: one that broke off is not an upload. What has ended may be asked
    /// again.
    pub(crate) fn file(self) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + Unpin {
        let chunks = stream::unfold(Some(self), |form| async move {
            let mut form = form?;
            match form.chunk().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(form))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Box::pin(chunks.fuse())
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, StorageError> {
        if let Some(field) = &mut self.file {
            if let Some(bytes) = field.chunk().await.map_err(form_error)? {
                self.unread.store(0, Ordering::Relaxed);
                return Ok(Some(bytes));
            }
            self.file = None;
        }
        // Up to the last boundary. What follows the file means nothing, and is not much.
        for _ in 0..MAX_FIELDS {
            match self.parts.next_field().await.map_err(form_error)? {
                Some(field) => drop(self.small_text(field, METADATA_BYTES).await?),
                None => return Ok(None),
            }
        }
        Err(StorageError::InvalidRequest(
            "The form has more fields than an upload needs".to_owned(),
        ))
    }

    async fn small_text(&self, mut field: Field<'_>, room: usize) -> Result<String, StorageError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(form_error)? {
            self.unread.store(0, Ordering::Relaxed);
            if bytes.len() + chunk.len() > room {
                return Err(StorageError::InvalidRequest(
                    "The fields of the form are too large".to_owned(),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes)
            .map_err(|_| StorageError::InvalidRequest("A field of the form is no text".to_owned()))
    }
}

/// Reads and throws away, up to a bound, so that the client comes to hear why.
pub(crate) async fn discard(mut file: impl Stream<Item = Result<Bytes, StorageError>> + Unpin) {
    const BYTES: u64 = 64 << 20;
    const TIME: Duration = Duration::from_secs(5);
    const SILENCE: Duration = Duration::from_millis(500);
    let discarding = async {
        let mut bytes = 0;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, file.next()).await {
            bytes += chunk.len() as u64;
            if bytes > BYTES {
                return;
            }
        }
    };
    // Whether the rest comes or not changes nothing.
    let _best_effort = tokio::time::timeout(TIME, discarding).await;
}

fn is_file(field: &Field<'_>) -> bool {
    field.file_name().is_some() || matches!(field.name(), None | Some("" | "file"))
}

fn form_error(error: multer::Error) -> StorageError {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<StorageError>() {
            Ok(error) => *error,
            Err(_) => StorageError::Incomplete,
        },
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => StorageError::Incomplete,
        error => StorageError::InvalidRequest(format!("The form cannot be read: {error}")),
    }
}

/// A stream that hands over one chunk and then waits to be asked again. The reader of forms takes all that it can get at
/// once; from a client faster than the disk it would collect the whole file in memory. And it looks for a boundary as long as
/// anything comes: what it has swallowed without giving anything back is counted, and ends it.
struct OneByOne<S> {
    stream: S,
    rests: bool,
    unread: Arc<AtomicU64>,
}

impl<S> Stream for OneByOne<S>
where
    S: Stream<Item = Result<Bytes, StorageError>> + Unpin,
{
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.stream.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.rests = true;
            let weight = (bytes.len() as u64).max(LEAST_CHUNK_BYTES);
            let unread = self.unread.fetch_add(weight, Ordering::Relaxed) + weight;
            // One chunk may be larger than that by itself, when all of it is in memory already.
            if unread > FRAMING_BYTES && unread > weight {
                return Poll::Ready(Some(Err(StorageError::InvalidRequest(
                    "The form has no boundary where one must be".to_owned(),
                ))));
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::new(Body::from(text.replace('\n', "\r\n")), "B")
    }

    async fn read(form: Form) -> Result<Vec<u8>, StorageError> {
        let (mut file, mut all) = (form.file(), Vec::new());
        while let Some(chunk) = file.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all)
    }

    const FIELDS: &str = "--B\nContent-Disposition: form-data; name=\"cacheControl\"\n\n3600\n\
                          --B\nContent-Disposition: form-data; name=\"\"; filename=\"a.txt\"\nContent-Type: text/plain\n\n";

    #[tokio::test]
    async fn fields_then_the_file() {
        let mut form = form(&format!("{FIELDS}hello\n--B--\n"));
        let fields = form.fields().await.unwrap();
        assert_eq!(fields.cache_control.as_deref(), Some("3600"));
        assert_eq!(fields.content_type.as_deref(), Some("text/plain"));
        assert_eq!(fields.bytes, 4);
        assert_eq!(read(form).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_form_without_boundaries_ends_early() {
        use std::sync::atomic::AtomicUsize;
        for opening in ["", "--B\r\nX: "] {
            let sent = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&sent);
            let endless = stream::iter(0..4096).map(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'a'; 4096]))
            });
            let opening = stream::once(async move { Ok(Bytes::from_static(opening.as_bytes())) });
            let mut form = Form::new(Body::from_stream(opening.chain(endless)), "B");
            assert!(form.fields().await.is_err());
            assert!(sent.load(Ordering::Relaxed) < 300);
        }
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_no_upload() {
        for cut in ["hello", "hello\n--B"] {
            let mut form = form(&format!("{FIELDS}{cut}"));
            form.fields().await.unwrap();
            assert!(
                matches!(read(form).await, Err(StorageError::Incomplete)),
                "{cut}"
            );
        }
        let mut empty = form("--B--\n");
        assert!(empty.fields().await.is_err());
    }
}
