//! Somebody who orders, pays and changes his mind until the server is gone; and staff, who know his orders. What was not answered
//! is asked again with the same key, as every client should.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plinth_db::keys::Keys;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::POLL;
use plinth_testkit::random::Random;
use plinth_testkit::stripe::{Card, Stripe};
use serde_json::{Value, json};

/// How long it may take until everything is answered that was asked.
const ANSWERED: Duration = Duration::from_mins(1);
/// Orders that somebody still has in mind.
const IN_MIND: usize = 8;

/// One of several at once.
pub(super) struct Customer {
    random: Random,
    orders: Vec<Placed>,
    /// What was asked and never answered.
    unanswered: Vec<Ask>,
    was_killed: bool,
}

/// An order that was acknowledged.
#[derive(Clone, Debug)]
struct Placed {
    id: String,
    secret: String,
    client_secret: Option<String>,
}

/// A request that changes something.
#[derive(Debug)]
struct Ask {
    path: String,
    body: Value,
    key: String,
    /// That of the order; a new one has none.
    secret: Option<String>,
    is_of_staff: bool,
}

/// The server was killed before it answered.
struct Killed;

impl Customer {
    pub(super) fn new(seed: u64) -> Customer {
        Customer {
            random: Random::new(seed),
            orders: Vec::new(),
            unanswered: Vec::new(),
            was_killed: false,
        }
    }

    /// Goes shopping until the server is gone.
    pub(super) fn shop(&mut self, at: SocketAddr, stripe: &Stripe, stop: &AtomicBool) {
        self.was_killed = false;
        while !stop.load(Ordering::SeqCst) {
            if self.act(at, stripe).is_err() {
                self.was_killed = true;
                return;
            }
        }
    }

    /// Asks until everything is answered.
    pub(super) fn finish(&mut self, at: SocketAddr) {
        let began = Instant::now();
        while let Some(ask) = self.unanswered.pop() {
            let about = format!("{ask:?}");
            let is_open = self.ask(at, ask).is_err();
            assert!(!is_open, "the server is gone: {about}");
            assert!(began.elapsed() < ANSWERED, "never answered: {about}");
        }
    }

    /// Pays some of what was never paid.
    pub(super) fn pay_late(&mut self, at: SocketAddr, stripe: &Stripe) {
        for _ in 0..IN_MIND {
            assert!(self.pay(at, stripe).is_ok(), "the server is gone");
        }
    }

    /// Whether something was under way when the server was killed.
    pub(super) fn was_killed(&self) -> bool {
        self.was_killed
    }

    /// The ids of all orders that were acknowledged.
    pub(super) fn orders(&self) -> impl Iterator<Item = String> {
        self.orders.iter().map(|order| order.id.clone())
    }

    fn act(&mut self, at: SocketAddr, stripe: &Stripe) -> Result<(), Killed> {
        if !self.unanswered.is_empty() && self.random.chance(50) {
            let ask = self.unanswered.swap_remove(0);
            return self.ask(at, ask);
        }
        let ask = match self.random.below(20) {
            0..=5 => Some(self.order()),
            6..=11 => return self.pay(at, stripe),
            12 | 13 => self.about_order("cancel", json!({}), false),
            14..=16 => self.refund(),
            17 => self.about_order("fulfil", json!({}), true),
            18 => self.about_order("pay", json!({}), false),
            _ => self.about_order("paid", json!({}), true),
        };
        match ask {
            Some(ask) => self.ask(at, ask),
            None => Ok(()),
        }
    }

    fn ask(&mut self, at: SocketAddr, ask: Ask) -> Result<(), Killed> {
        let Some(answer) = ask.send(at) else {
            self.unanswered.push(ask);
            return Err(Killed);
        };
        let said = answer.json();
        let is_running = said["code"] == "commerce_idempotency_key_running";
        if is_running || matches!(answer.status, 429 | 502..=504) {
            self.unanswered.push(ask);
            thread::sleep(POLL);
            return Ok(());
        }
        // What is refused is refused for good, and says why; anything else is a fault of ours.
        let is_refused = matches!(answer.status, 401 | 404 | 409 | 422);
        let is_good = matches!(answer.status, 200 | 201);
        assert!(
            is_good
                || (is_refused
                    && said["code"]
                        .as_str()
                        .is_some_and(|code| code.starts_with("commerce_"))),
            "{} to {ask:?}: {}",
            answer.status,
            answer.text()
        );
        if is_good && ask.path == "/commerce/v1/orders" {
            self.orders.push(Placed::of(&said));
        } else if ask.secret.is_some() {
            assert_ne!(answer.status, 404, "lost: {ask:?}");
        }
        Ok(())
    }

    fn order(&mut self) -> Ask {
        let mut lines = vec![self.line(1, 2)];
        if self.random.chance(40) {
            lines.push(self.line(3, 3));
        }
        let currency = if self.random.chance(80) { "EUR" } else { "JPY" };
        let region = self.random.pick(&["DE", "US", ""]);
        let mut body = json!({ "lines": lines, "currency": currency, "region": region, "email": "ann@example.com" });
        if currency == "EUR" && self.random.chance(30) {
            let code = self.random.pick(&["TENTH", "FIVE"]);
            body["codes"] = json!([code]);
        }
        // What is paid by hand is ordered through the shop's own people.
        let is_of_staff = self.random.chance(15);
        if is_of_staff {
            body["provider"] = json!("manual");
        }
        Ask {
            path: "/commerce/v1/orders".to_owned(),
            body,
            key: self.key(),
            secret: None,
            is_of_staff,
        }
    }

    /// One of so many products, from this number on.
    fn line(&mut self, first: u64, of: u64) -> Value {
        let number = first + self.random.below(of);
        let product = format!("00000000-0000-4000-8000-{number:012}");
        json!({ "product_id": product, "quantity": self.random.between(1, 3) })
    }

    fn refund(&mut self) -> Option<Ask> {
        let body = match self.random.chance(50) {
            true => {
                json!({ "amount": self.random.between(1, 2_000), "reason": "some of it was broken" })
            }
            false => json!({ "restock": false }),
        };
        self.about_order("refunds", body, true)
    }

    fn about_order(&mut self, what: &str, body: Value, is_of_staff: bool) -> Option<Ask> {
        let place = self.in_mind()?;
        let order = self.orders[place].clone();
        Some(Ask {
            path: format!("/commerce/v1/orders/{}/{what}", order.id),
            body,
            key: self.key(),
            secret: Some(order.secret),
            is_of_staff,
        })
    }

    /// Pays as a browser does, with what the order said.
    fn pay(&mut self, at: SocketAddr, stripe: &Stripe) -> Result<(), Killed> {
        let Some(place) = self.in_mind() else {
            return Ok(());
        };
        if self.orders[place].client_secret.is_none() {
            // The provider had not answered when the order was placed.
            self.orders[place].client_secret = self.orders[place].look(at)?;
        }
        let card = match self.random.below(20) {
            0..=11 => Card::Good,
            12..=14 => Card::Declined,
            15 | 16 => Card::AsksFirst,
            17 | 18 => Card::Debit,
            _ => Card::DebitFails,
        };
        if let Some(secret) = &self.orders[place].client_secret {
            stripe.pay(secret, card).unwrap();
        }
        Ok(())
    }

    /// One of the latest orders.
    fn in_mind(&mut self) -> Option<usize> {
        let count = self.orders.len().min(IN_MIND);
        if count == 0 {
            return None;
        }
        let back = usize::try_from(self.random.below(count as u64)).unwrap();
        Some(self.orders.len() - 1 - back)
    }

    fn key(&mut self) -> String {
        format!("{:016x}{:016x}", self.random.bits(), self.random.bits())
    }
}

impl Placed {
    fn of(said: &Value) -> Placed {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (id, secret) = text(&said["id"]).zip(text(&said["secret"])).unwrap();
        Placed {
            id,
            secret,
            client_secret: text(&said["payment"]["client_secret"]),
        }
    }

    /// Reads it: with what it is paid, if that is known by now.
    fn look(&self, at: SocketAddr) -> Result<Option<String>, Killed> {
        let answer = Request::get(&format!("/commerce/v1/orders/{}", self.id))
            .header("apikey", Keys::local().publishable.as_str())
            .header("x-commerce-secret", self.secret.as_str())
            .try_send(at)
            .ok_or(Killed)?;
        if answer.status == 503 {
            return Ok(None);
        }
        assert_eq!(answer.status, 200, "lost: {self:?}: {}", answer.text());
        let secret = &answer.json()["payment"]["client_secret"];
        Ok(secret.as_str().map(str::to_owned))
    }
}

impl Ask {
    /// None when the server is gone.
    fn send(&self, to: SocketAddr) -> Option<Answer> {
        let keys = Keys::local();
        let request = Request::post(&self.path, self.body.to_string())
            .header("idempotency-key", self.key.as_str());
        let request = if self.is_of_staff {
            let key = keys.service_role_jwt.expose();
            request
                .header("apikey", key)
                .header("authorization", format!("Bearer {key}"))
        } else {
            request.header("apikey", keys.publishable.as_str())
        };
        let request = match &self.secret {
            Some(secret) if !self.is_of_staff => {
                request.header("x-commerce-secret", secret.as_str())
            }
            _ => request,
        };
        request.try_send(to)
    }
}
