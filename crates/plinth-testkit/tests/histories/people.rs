//! Everybody who deals with the shop from outside, and what they remember: what was ordered, the last request, the provider's last
//! message. With it a step, which says "the latest order", becomes something that can be done.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::Request;
use plinth_db::keys::Keys;
use plinth_testkit::stripe::{Card, Stripe};
use serde_json::{Value, json};

use crate::steps::{Act, Step};

/// What they remember.
#[derive(Default)]
pub(crate) struct People {
    orders: Vec<Placed>,
    last: Option<Ask>,
    told: Option<Message>,
    /// Makes idempotency keys.
    next: u64,
}

/// What is to be done, at a node where it is done at one.
pub(crate) enum Deed {
    Ask {
        node: usize,
        ask: Ask,
    },
    Tell {
        node: usize,
        message: Message,
    },
    Pay {
        client_secret: String,
        card: Card,
    },
    Expire {
        order: String,
    },
    /// Ordered, called off with this key, and paid.
    Unseen {
        node: usize,
        order: Ask,
        key: String,
    },
    Work {
        node: usize,
        wait: Duration,
        time: Duration,
    },
    Nothing,
}

/// A request that changes something.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) path: String,
    body: Value,
    key: String,
    /// A customer's; staff need none.
    secret: Option<String>,
    is_staff: bool,
}

/// A webhook: the provider's, or somebody's.
#[derive(Clone)]
pub(crate) struct Message {
    body: Vec<u8>,
    signature: String,
    pub(crate) is_genuine: bool,
}

/// An order that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    id: String,
    secret: String,
    /// The id of its payment.
    pub(crate) payment: String,
    client_secret: Option<String>,
}

impl People {
    /// What a step comes to, as things stand.
    pub(crate) fn ready(&mut self, step: &Step, stripe: &Stripe) -> Deed {
        let node = step.node;
        let deed = match &step.act {
            Act::Pay { order, card } => {
                let (secret, card) = (self.client_secret(*order), *card);
                secret.map(|client_secret| Deed::Pay {
                    client_secret,
                    card,
                })
            }
            Act::Tell { order, kind } => {
                let message = self.message(stripe, *order, kind);
                self.told = message.clone().or(self.told.take());
                message.map(|message| Deed::Tell { node, message })
            }
            Act::Resend => {
                let message = self.told.clone();
                message.map(|message| Deed::Tell { node, message })
            }
            Act::Forge { order } => {
                let message = self.forged(stripe, *order);
                message.map(|message| Deed::Tell { node, message })
            }
            Act::Expire { order } => {
                let order = self.order_at(*order);
                order.map(|order| Deed::Expire { order: order.id })
            }
            Act::Unseen { product, quantity } => Some(Deed::Unseen {
                node,
                order: self.order(*product, *quantity, false, None),
                key: self.key(),
            }),
            Act::Work {
                wait_micros,
                micros,
                dies: _,
            } => Some(Deed::Work {
                node,
                wait: Duration::from_micros(*wait_micros),
                time: Duration::from_micros(*micros),
            }),
            asking => {
                let ask = self.request(asking);
                // Before it is answered: who hears nothing asks again, and the next node, too.
                self.last = ask.clone().or(self.last.take());
                ask.map(|ask| Deed::Ask { node, ask })
            }
        };
        deed.unwrap_or(Deed::Nothing)
    }

    /// Remembers an order. A repeated request is answered with the order that there is.
    pub(crate) fn note(&mut self, placed: Placed) {
        match self.orders.iter_mut().find(|known| known.id == placed.id) {
            Some(known) => *known = placed,
            None => self.orders.push(placed),
        }
    }

    fn request(&mut self, act: &Act) -> Option<Ask> {
        let (order, what, body, is_staff) = match act {
            Act::Order {
                product,
                quantity,
                by_hand,
                code,
            } => return Some(self.order(*product, *quantity, *by_hand, *code)),
            Act::Repeat => return self.last.clone(),
            Act::Cancel { order, is_staff } => (*order, "cancel", json!({}), *is_staff),
            Act::Again { order } => (*order, "pay", json!({}), false),
            Act::ByHand { order } => (*order, "paid", json!({}), true),
            Act::Fulfil { order } => (*order, "fulfil", json!({}), true),
            Act::Refund {
                order,
                amount,
                restock,
            } => (*order, "refunds", new_refund(*amount, *restock), true),
            _ => return None,
        };
        let order = self.order_at(order)?;
        Some(Ask {
            path: format!("/orders/{}/{what}", order.id),
            body,
            key: self.key(),
            secret: Some(order.secret).filter(|_| !is_staff),
            is_staff,
        })
    }

    fn order(&mut self, product: u64, quantity: i64, by_hand: bool, code: Option<&str>) -> Ask {
        Ask {
            path: "/orders".to_owned(),
            body: new_order(product, quantity, by_hand, code),
            key: self.key(),
            secret: None,
            is_staff: by_hand,
        }
    }

    /// A webhook about an order's payment.
    fn message(&self, stripe: &Stripe, order: usize, kind: &str) -> Option<Message> {
        let secret = self.client_secret(order)?;
        let (intent, _) = secret.split_once("_secret_")?;
        Some(Message::about(stripe, intent, kind))
    }

    /// The same by somebody who has not the provider's key.
    fn forged(&self, stripe: &Stripe, order: usize) -> Option<Message> {
        let message = self.message(stripe, order, "payment_intent.succeeded")?;
        let (at, _) = message
            .signature
            .split_once(',')
            .expect("a signature of ours begins with its time");
        // Of the right length, by the wrong key.
        let signature = format!("{at},v1={}", "0".repeat(64));
        Some(Message {
            signature,
            is_genuine: false,
            ..message
        })
    }

    fn client_secret(&self, order: usize) -> Option<String> {
        self.order_at(order)?.client_secret
    }

    /// Counted from the latest back.
    fn order_at(&self, back: usize) -> Option<Placed> {
        let place = self.orders.len().checked_sub(1 + back)?;
        self.orders.get(place).cloned()
    }

    fn key(&mut self) -> String {
        self.next += 1;
        format!("a-key-of-this-day-{}", self.next)
    }
}

impl Ask {
    pub(crate) fn request(&self, keys: &Keys) -> Result<Request<Body>> {
        let key = match self.is_staff {
            true => keys.secret.expose(),
            false => keys.publishable.as_str(),
        };
        let mut request = Request::post(&self.path)
            .header("apikey", key)
            .header("content-type", "application/json")
            .header("idempotency-key", &self.key);
        if let Some(secret) = &self.secret {
            request = request.header("x-commerce-secret", secret);
        }
        Ok(request.body(Body::from(self.body.to_string()))?)
    }
}

impl Message {
    /// What the provider says about an intent.
    pub(crate) fn about(stripe: &Stripe, intent: &str, kind: &str) -> Message {
        let object = json!({ "id": intent, "object": "payment_intent", "payment_intent": intent });
        let (body, signature) = stripe.event(kind, &object);
        Message {
            body,
            signature,
            is_genuine: true,
        }
    }

    pub(crate) fn request(self) -> Result<Request<Body>> {
        let request = Request::post("/webhooks/stripe")
            .header("content-type", "application/json")
            .header("stripe-signature", self.signature);
        Ok(request.body(Body::from(self.body))?)
    }
}

impl Placed {
    /// From the answer to whoever ordered.
    pub(crate) fn of(said: &Value) -> Result<Placed> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Placed {
            id: text(&said["id"]).context("an order without an id")?,
            secret: text(&said["secret"]).context("an order without a secret")?,
            payment: text(&said["payment"]["id"]).context("an order without a payment")?,
            client_secret: text(&said["payment"]["client_secret"]),
        })
    }

    /// Calls it off.
    pub(crate) fn cancel(&self, key: String) -> Ask {
        Ask {
            path: format!("/orders/{}/cancel", self.id),
            body: json!({}),
            key,
            secret: Some(self.secret.clone()),
            is_staff: false,
        }
    }
}

fn new_order(product: u64, quantity: i64, by_hand: bool, code: Option<&str>) -> Value {
    let product = format!("00000000-0000-4000-8000-{product:012}");
    let mut body = json!({
        "lines": [{ "product_id": product, "quantity": quantity }],
        "currency": "EUR",
        "region": "DE",
    });
    if by_hand {
        body["provider"] = json!("manual");
    }
    if let Some(code) = code {
        body["codes"] = json!([code]);
    }
    body
}

fn new_refund(amount: Option<i64>, restock: bool) -> Value {
    let mut body = json!({ "restock": restock });
    if let Some(amount) = amount {
        body["amount"] = json!(amount);
    }
    body
}
