//! Webhooks on their way to Plinth: late, twice or never, and sent again until they are taken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::chaos::Dice;
use crate::http::Request;

/// Where Plinth takes them.
pub(super) const ROUTE: &str = "/commerce/v1/webhooks/stripe";
/// After this time one that was not taken is sent again, and after a little more each time.
const AGAIN: Duration = Duration::from_millis(300);
const LAST_AGAIN: u32 = 5;
/// Nothing is due; whoever changes that wakes us.
const IDLE: Duration = Duration::from_mins(1);

/// What waits to be sent.
#[derive(Debug)]
pub(super) struct Hooks {
    secret: String,
    /// One that was replaced; some signatures are made with both.
    old_secret: String,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// By the time at which they are due; the number tells apart those of one moment.
    waiting: BTreeMap<(Instant, u64), Hook>,
    next: u64,
    /// Where Plinth is, while it runs.
    to: Option<SocketAddr>,
    has_ended: bool,
    refused: Vec<String>,
}

#[derive(Clone, Debug)]
struct Hook {
    body: Vec<u8>,
    signature: String,
    tries: u32,
}

impl Hooks {
    pub(super) fn new(secret: &str, old_secret: &str) -> Hooks {
        Hooks {
            secret: secret.to_owned(),
            old_secret: old_secret.to_owned(),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// From now on Plinth is there, or nowhere.
    pub(super) fn send_to(&self, plinth: Option<SocketAddr>) {
        self.queue().to = plinth;
        self.changed.notify_all();
    }

    /// Nothing is sent any more.
    pub(super) fn end(&self) {
        self.queue().has_ended = true;
        self.changed.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.queue().has_ended
    }

    /// Those that Plinth has called wrong, although they were right.
    pub(super) fn refused(&self) -> Vec<String> {
        self.queue().refused.clone()
    }

    /// Passes one on as it was made and signed.
    pub(super) fn pass_on(&self, dice: &Dice, body: &[u8], signature: &str) {
        for delay in dice.of_webhook() {
            let hook = Hook {
                body: body.to_vec(),
                signature: signature.to_owned(),
                tries: 0,
            };
            self.put(delay, hook);
        }
    }

    /// Makes one of our own, which is told after some time at the earliest.
    pub(super) fn tell(&self, dice: &Dice, kind: &str, object: &Value, earliest: Duration) {
        let (body, signature) = self.event(kind, object, earliest, dice.of_signature());
        for delay in dice.of_webhook() {
            let hook = Hook {
                body: body.clone(),
                signature: signature.clone(),
                tries: 0,
            };
            self.put(earliest + delay, hook);
        }
    }

    /// One of our own, and its signature; if it is to be so, with one of an older secret beside it.
    pub(super) fn event(
        &self,
        kind: &str,
        object: &Value,
        earliest: Duration,
        with_old: bool,
    ) -> (Vec<u8>, String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = (now.unwrap_or_default() + earliest).as_secs();
        let number = {
            let mut queue = self.queue();
            queue.next += 1;
            queue.next
        };
        let event = json!({
            "id": format!("evt_plinth{number}"), "object": "event", "type": kind, "livemode": false,
            "api_version": "2025-09-30.clover", "created": at, "data": { "object": object },
        });
        let body = event.to_string().into_bytes();
        let mut signature = format!("t={at}");
        if with_old {
            let old = sign(&self.old_secret, at, &body);
            signature += &format!(",v1={old}");
        }
        let new = sign(&self.secret, at, &body);
        signature += &format!(",v1={new}");
        (body, signature)
    }

    /// Sends what is due until the end. Several threads may.
    pub(super) fn deliver(&self) {
        while let Some((to, mut hook)) = self.next() {
            let request = Request::post(ROUTE, hook.body.clone())
                .header("content-type", "application/json; charset=utf-8")
                .header("stripe-signature", hook.signature.as_str());
            let answer = request.try_send(to);
            let status = answer.as_ref().map_or(0, |answer| answer.status);
            if (200..300).contains(&status) {
                continue;
            }
            if let Some(answer) = answer.filter(|_| (400..500).contains(&status) && status != 429) {
                let said = format!("{status}: {}", answer.text());
                self.queue().refused.push(said);
            }
            hook.tries += 1;
            self.put(AGAIN * hook.tries.min(LAST_AGAIN), hook);
        }
    }

    fn put(&self, delay: Duration, hook: Hook) {
        let mut queue = self.queue();
        queue.next += 1;
        let key = (Instant::now() + delay, queue.next);
        queue.waiting.insert(key, hook);
        self.changed.notify_one();
    }

    fn next(&self) -> Option<(SocketAddr, Hook)> {
        let mut queue = self.queue();
        while !queue.has_ended {
            let now = Instant::now();
            let first = queue.waiting.keys().next().copied();
            let wait = match queue.to.zip(first) {
                Some((to, (due, _))) if due <= now => {
                    if let Some((_, hook)) = queue.waiting.pop_first() {
                        return Some((to, hook));
                    }
                    Duration::ZERO
                }
                Some((_, (due, _))) => due.duration_since(now),
                None => IDLE,
            };
            queue = self
                .changed
                .wait_timeout(queue, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        None
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// HMAC-SHA-256 over the time, a dot and the body, in hexadecimal digits.
fn sign(secret: &str, at: u64, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_localstripe() {
        // As `hmac.new(b'whsec_x', b'1796010989.{}', hashlib.sha256).hexdigest()` says.
        let expected = "7b035cb26475d0fb6c02cbac86b067fe9d7e8feba7cc6da84a4e523477c6db88";
        assert_eq!(sign("whsec_x", 1_796_010_989, b"{}"), expected);
    }
}
