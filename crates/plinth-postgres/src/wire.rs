//! The bytes of a connection, moved by whoever waits for an answer.
//!
//! The client library has two halves: one asks, the other reads and writes, and wants to be polled. In a task of its own
//! the second half would be woken for each question, and wake the asker for each answer, often on another thread. So the
//! asker polls both.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use plinth_sql::SqlError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Connection, Socket};

use crate::error;

/// The code that the warning gets which comes with a commit that is on this server alone, although it should be on a standby,
/// because the wait for that was cancelled.
const NOT_ON_A_STANDBY: &str = "01P91";
/// Notices kept of one statement. A loop can raise any number.
const NOTICES: usize = 1000;

/// What a statement said beside its result.
pub(crate) type Notices = Arc<Mutex<Vec<SqlError>>>;

/// Whether a commit was reported, with these notices, although a standby that should have it has not.
pub(crate) fn is_on_this_server_alone(said: &[SqlError]) -> bool {
    said.iter().any(|notice| notice.code == NOT_ON_A_STANDBY)
}

/// The half of a connection that reads and writes.
pub(crate) struct Wire {
    /// None when it has ended.
    next: Mutex<Option<Next>>,
    heard: Notices,
}

type Message = Option<Result<AsyncMessage, tokio_postgres::Error>>;
type Next = Box<dyn FnMut(&mut Context<'_>) -> Poll<Message> + Send>;

impl Wire {
    /// Of a connection, with a place for what the server says beside results.
    pub(crate) fn new<T>(mut connection: Connection<Socket, T>, heard: Notices) -> Wire
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Wire {
            next: Mutex::new(Some(Box::new(move |cx| connection.poll_message(cx)))),
            heard,
        }
    }

    /// Does work that asks the other half, and moves its bytes meanwhile.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            self.move_bytes(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Moves bytes until the connection ends.
    pub(crate) async fn carry(self) {
        std::future::poll_fn(|cx| match self.move_bytes(cx) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }

    /// Whether the server is still there, as far as it has said.
    pub(crate) fn is_open(&self) -> bool {
        self.move_bytes(&mut Context::from_waker(Waker::noop()))
    }

    /// Reads and writes what can be without waiting. False when the connection has ended.
    fn move_bytes(&self, cx: &mut Context<'_>) -> bool {
        let mut next = self.next.lock();
        while let Some(poll) = next.as_mut() {
            match poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(message))) => self.hear(message),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a connection to the database broke");
                    *next = None;
                }
                Poll::Ready(None) => *next = None,
            }
        }
        false
    }

    fn hear(&self, message: AsyncMessage) {
        let AsyncMessage::Notice(notice) = message else {
            return;
        };
        let mut heard = self.heard.lock();
        let mut said = error::sql_error(&notice);
        // The words depend on the server's language, the place in its code does not.
        if notice.routine() == Some("SyncRepWaitForLSN") {
            NOT_ON_A_STANDBY.clone_into(&mut said.code);
            heard.clear();
        }
        if heard.len() < NOTICES {
            heard.push(said);
        }
    }
}
