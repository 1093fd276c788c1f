//! Overload: how long a request has waited for us, and who is turned away.
//!
//! When more is asked than can be done, everybody waits longer and longer, and most are answered after they have given
//! up. So a request that has waited too long before we even looked at it is refused at once, before anything is read, with
//! the word when to come back. What is left is answered in time.
//!
//! How long it waited is noted where the wait begins: the [stream](Punctual) of a connection hears from the system that
//! something has come, and the connection's task is told to run, behind all the others that were told before.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use metrics::counter;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest a request may have waited. More than a burst of a thousand takes (with 25 ms its second half was refused, and the
/// server then had nothing to do), and less than anybody notices.
const LONGEST_WAIT: Duration = Duration::from_millis(60);
/// Counter of requests that were refused for that reason. They are in no other figure.
pub const REFUSED: &str = "plinth_http_refused_total";

/// The body of a refusal. It is the same for all and costs as little as can be, or refusing would take the time of those
/// who can still be answered.
const BODY: &str = r#"{"code":"overloaded","details":null,"hint":"Try again after the time in the header Retry-After, and wait longer each time.","message":"The server has more to do than it can do in time"}"#;

/// Whether a request has waited so long that it is refused. Whoever asks how we are is always told.
pub(crate) fn is_too_late(waited: Duration, path: &str) -> bool {
    waited > LONGEST_WAIT && path != crate::HEALTH
}

/// The answer to a request that came too late.
pub(crate) fn refusal() -> Response {
    counter!(REFUSED).increment(1);
    let mut response = Response::new(Body::from(BODY));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// A stream that notes when something came to be read. Cheap to share with who asks how long that took.
pub(crate) struct Punctual<S> {
    stream: S,
    bell: Arc<Bell>,
    /// The bell as a waker.
    waker: Waker,
}

/// Rings for a task, and keeps when it rang first since it was last listened to.
#[derive(Default)]
struct Bell {
    /// Microseconds since [`began`](now_us), and 1; 0 when it has not rung.
    rang_us: AtomicU64,
    /// The same for the request that is being worked on.
    waited_us: AtomicU64,
    task: Mutex<Option<Waker>>,
}

/// Tells how long what was read last had waited.
#[derive(Clone)]
pub(crate) struct Waiting(Arc<Bell>);

impl Waiting {
    /// So long. Every wait is told once: what comes along with an earlier request has waited for nobody but that.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_micros(self.0.waited_us.swap(0, Ordering::Relaxed))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The first ring counts.
        let _rang =
            self.rang_us
                .compare_exchange(0, now_us() + 1, Ordering::Relaxed, Ordering::Relaxed);
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }
}

impl<S> Punctual<S> {
    pub(crate) fn new(stream: S) -> Punctual<S> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        Punctual {
            stream,
            bell,
            waker,
        }
    }

    pub(crate) fn waiting(&self) -> Waiting {
        Waiting(Arc::clone(&self.bell))
    }
}

impl Bell {
    /// Rings for this task from now on, and forgets that it rang.
    fn answer_to(&self, task: &Waker) {
        let mut known = self.task.lock();
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
        drop(known);
        let rang = self.rang_us.swap(0, Ordering::Relaxed);
        if rang > 0 {
            let waited = now_us().saturating_sub(rang - 1);
            self.waited_us.store(waited, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Punctual<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Punctual {
            stream,
            bell,
            waker,
        } = &mut *self;
        bell.answer_to(context.waker());
        Pin::new(stream).poll_read(&mut Context::from_waker(waker), buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Punctual<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Microseconds since this process first asked.
fn now_us() -> u64 {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn whoever_waited_too_long_is_refused() {
        let too_late = |waited_ms, path| is_too_late(Duration::from_millis(waited_ms), path);
        assert!(!too_late(60, "/rest/v1/t"));
        assert!(too_late(61, "/rest/v1/t"));
        assert!(!too_late(60_000, "/health"));
        let refusal = refusal();
        assert_eq!(refusal.status(), 503);
        assert_eq!(refusal.headers()[RETRY_AFTER], "1");
        let body: serde_json::Value = serde_json::from_str(BODY).unwrap();
        assert_eq!(body["code"], "overloaded");
    }

    #[tokio::test]
    async fn a_wait_begins_when_something_comes_and_is_told_once() {
        const BUSY: Duration = Duration::from_millis(30);
        let (stream, mut client) = tokio::io::duplex(64);
        let mut stream = Punctual::new(stream);
        let waiting = stream.waiting();
        let read = async {
            let mut piece = [0; 4];
            stream.read_exact(&mut piece).await.unwrap();
            waiting.take()
        };
        let send = async {
            client.write_all(b"ping").await.unwrap();
            // Nothing else runs on this thread meanwhile.
            std::thread::sleep(BUSY);
        };
        let (waited, ()) = tokio::join!(read, send);
        assert!(waited >= BUSY, "{waited:?}");
        assert_eq!(waiting.take(), Duration::ZERO);
    }
}
