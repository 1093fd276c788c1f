//! The first answer for each `Idempotency-Key`, as Stripe keeps it and `localstripe` does not.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::message::Reply;

const KIND: &str = "idempotency_error";

/// Answers by key.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    /// What was asked: method, path and body.
    asked: String,
    /// None while it is carried out.
    reply: Option<Reply>,
}

impl Kept {
    /// Does the work, unless a request with this key has done it.
    pub(super) fn once(&self, key: &str, asked: &str, work: impl FnOnce() -> Reply) -> Reply {
        if let Some(reply) = self.begin(key, asked) {
            return reply;
        }
        let reply = work();
        let mut entries = self.entries();
        if is_kept(&reply) {
            let entry = Entry {
                asked: asked.to_owned(),
                reply: Some(reply.clone()),
            };
            entries.insert(key.to_owned(), entry);
        } else {
            entries.remove(key);
        }
        reply
    }

    fn begin(&self, key: &str, asked: &str) -> Option<Reply> {
        let mut entries = self.entries();
        match entries.get(key) {
            Some(entry) if entry.asked != asked => Some(Reply::error(
                400,
                KIND,
                "",
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            )),
            Some(Entry { reply: None, .. }) => Some(Reply::error(
                409,
                KIND,
                "idempotency_key_in_use",
                "There is currently another in-progress request using this key.",
            )),
            Some(Entry {
                reply: Some(reply), ..
            }) => Some(reply.clone().with("idempotent-replayed", "true")),
            None => {
                let entry = Entry {
                    asked: asked.to_owned(),
                    reply: None,
                };
                entries.insert(key.to_owned(), entry);
                None
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was refused before anything was done may be tried again.
fn is_kept(reply: &Reply) -> bool {
    !matches!(reply.status, 400 | 401 | 404 | 409 | 429)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16) -> Reply {
        Reply::json(status, &json!({ "status": status }))
    }

    #[test]
    fn work_is_done_once() {
        let kept = Kept::default();
        assert_eq!(kept.once("a", "x", || answer(200)), answer(200));
        let again = kept.once("a", "x", || panic!("it was done"));
        assert_eq!((again.status, again.headers.len()), (200, 2));
        assert_eq!(kept.once("a", "y", || answer(200)).status, 400);
    }

    #[test]
    fn a_repeat_while_it_is_done_is_refused() {
        let kept = Kept::default();
        kept.once("a", "x", || {
            assert_eq!(kept.once("a", "x", || answer(200)).status, 409);
            answer(200)
        });
    }

    #[test]
    fn what_was_refused_may_be_tried_again() {
        let kept = Kept::default();
        assert_eq!(kept.once("a", "x", || answer(404)).status, 404);
        assert_eq!(kept.once("a", "x", || answer(402)).status, 402);
        assert_eq!(kept.once("a", "x", || answer(200)).status, 402);
    }
}
