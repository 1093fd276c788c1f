//! A stand-in for Stripe: `localstripe` on a port of loopback behind a proxy of ours, for one owner.
//!
//! The proxy speaks the API as it is today and keeps the first answer for each `Idempotency-Key`, which `localstripe` does not. It can
//! also lose, delay, double and reorder what is said, both ways, by a seed ([`Chaos`]). The real provider is only another address.
//!
//! What a customer's browser does ([`Stripe::pay`], or a request with a publishable key) passes untouched.

mod api;
mod chaos;
mod hooks;
mod kept;
mod lists;
mod message;
mod peer;
mod server;
mod translate;

pub use chaos::Chaos;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use api::Api;
use chaos::Dice;
use hooks::Hooks;
use message::Message;
use peer::Process;

/// What a server asks with.
pub const SECRET_KEY: &str = "sk_test_plinth";
const PUBLISHABLE_KEY: &str = "pk_test_plinth";
/// What webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_of_the_proofs_alone";
/// It was replaced by the other.
const OLD_WEBHOOK_SECRET: &str = "whsec_of_the_proofs_before";
/// Threads that deliver webhooks, so that one that waits does not hold back the others.
const COURIERS: usize = 4;

/// The stand-in. Stopped when dropped.
#[derive(Debug)]
pub struct Stripe {
    api: Arc<Api>,
    address: SocketAddr,
    _peer: Process,
}

/// How a customer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// At once.
    Good,
    /// Not at all.
    Declined,
    /// After a bank's page was answered.
    AsksFirst,
    /// From an account; half a second later it is told.
    Debit,
    /// From an account that has nothing, which is found out half a second later.
    DebitFails,
}

/// Money that was taken from a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The payment intent's id.
    pub intent: String,
    /// How much, in the smallest unit of the currency.
    pub amount: i64,
    /// How much of it was given back.
    pub refunded: i64,
    /// In lower case.
    pub currency: String,
}

/// A Python that has `localstripe`: `PLINTH_LOCALSTRIPE`, or `python3` where it has the package.
pub fn find() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("PLINTH_LOCALSTRIPE") {
        return Some(PathBuf::from(python)).filter(|python| python.exists());
    }
    let found = Command::new("python3")
        .args(["-c", "import localstripe"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found
        .is_ok_and(|status| status.success())
        .then(|| PathBuf::from("python3"))
}

impl Stripe {
    /// Starts it. Until [`set_chaos`](Stripe::set_chaos) nothing goes wrong; what does then, the seed decides.
    ///
    /// Call it from a thread that lives as long: on Linux `localstripe` ends with the thread that started it.
    pub fn start(python: &Path, seed: u64) -> Result<Stripe> {
        let (process, peer) = Process::start(python)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        peer.send_webhooks(&format!("http://{address}{}", server::HOOK), WEBHOOK_SECRET)?;
        let hooks = Hooks::new(WEBHOOK_SECRET, OLD_WEBHOOK_SECRET);
        let api = Arc::new(Api::new(peer, Dice::new(seed), hooks));
        for _ in 0..COURIERS {
            let api = Arc::clone(&api);
            thread::spawn(move || api.hooks.deliver());
        }
        let shared = Arc::clone(&api);
        thread::spawn(move || server::serve(&listener, &shared));
        Ok(Stripe {
            api,
            address,
            _peer: process,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How Plinth is told to be paid through it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let url = self.url();
        [
            ("PLINTH_COMMERCE_PROVIDER", "stripe"),
            ("PLINTH_COMMERCE_STRIPE_API_URL", url.as_str()),
            ("PLINTH_COMMERCE_STRIPE_SECRET_KEY", SECRET_KEY),
            ("PLINTH_COMMERCE_STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec()
    }

    /// How a program is told that plays the customer's browser.
    pub fn environment_of_clients(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STRIPE_URL", self.url()),
            ("STRIPE_PUBLISHABLE_KEY", PUBLISHABLE_KEY.to_owned()),
        ]
    }

    /// Where webhooks go from now on; they wait while Plinth is nowhere.
    pub fn send_webhooks_to(&self, plinth: Option<SocketAddr>) {
        self.api.hooks.send_to(plinth);
    }

    /// A webhook about something, and its `Stripe-Signature`; nobody sends it.
    pub fn event(&self, kind: &str, object: &Value) -> (Vec<u8>, String) {
        self.api.hooks.event(kind, object, Duration::ZERO, false)
    }

    /// How much goes wrong from now on.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.api.dice.set(chaos);
    }

    /// From now on all that is asked is carried out, and of none of it an answer arrives; or no longer.
    pub fn lose_answers(&self, all: bool) {
        self.api.dice.lose_answers(all);
    }

    /// What has happened to messages so far, and how often.
    pub fn tally(&self) -> BTreeMap<&'static str, u64> {
        self.api.dice.tally()
    }

    /// Pays what the secret stands for, as a customer's browser does. Whether the money moved, or will.
    pub fn pay(&self, client_secret: &str, card: Card) -> Result<bool> {
        let (intent, _) = client_secret
            .split_once("_secret_")
            .context("that is no client_secret")?;
        let path = format!("/v1/payment_intents/{intent}");
        let said = self.as_browser(
            &format!("{path}/confirm"),
            &[
                ("client_secret", client_secret),
                ("payment_method", card.name()),
            ],
        );
        match said["status"].as_str() {
            Some("succeeded") => Ok(true),
            Some("processing") => Ok(card == Card::Debit),
            Some("requires_action") => {
                let form = [("client_secret", client_secret), ("success", "true")];
                let said = self.as_browser(&format!("{path}/authenticate"), &form);
                // It may have been cancelled meanwhile.
                Ok(said["status"] == "succeeded")
            }
            // It was cancelled, or paid before.
            _ => Ok(false),
        }
    }

    /// Pays what was made for a payment's row, by its id, whether or not Plinth has heard that it was made. Gives the intent whose money
    /// has moved.
    pub fn pay_marked(&self, payment: &str) -> Result<Option<String>> {
        for intent in self.api.marked(payment) {
            let found = self.api.peer().get("payment_intents", &intent).value();
            if self.pay(&text(&found["client_secret"]), Card::Good)? {
                return Ok(Some(intent));
            }
        }
        Ok(None)
    }

    /// All money that was taken, in the order in which it was.
    pub fn charges(&self) -> Vec<Charge> {
        let charges = self.api.peer().all("charges");
        charges.iter().filter_map(Charge::read).collect()
    }

    /// The money that was taken by one intent; none while there is none.
    pub fn charge_of(&self, intent: &str) -> Option<Charge> {
        let found = self.api.peer().get("payment_intents", intent).value();
        let charge = Charge::read(&found["latest_charge"])?;
        Some(Charge {
            intent: intent.to_owned(),
            ..charge
        })
    }

    /// What Plinth has asked that it never should, and webhooks that it has refused although they were right.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.api.wrong();
        let refused = self.api.hooks.refused();
        complaints.extend(refused.iter().map(|why| format!("a webhook: {why}")));
        complaints
    }

    fn as_browser(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("key", PUBLISHABLE_KEY);
        for (name, value) in form {
            text.append_pair(name, value);
        }
        let message = Message {
            method: "POST".to_owned(),
            target: path.to_owned(),
            headers: Vec::new(),
            body: text.finish().into_bytes(),
        };
        self.api.carry_out(&message).value()
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        self.api.hooks.end();
        // Wakes whoever waits for the next connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Charge {
    /// None for one that has failed.
    fn read(charge: &Value) -> Option<Charge> {
        (charge["status"] == "succeeded").then(|| Charge {
            intent: text(&charge["payment_intent"]),
            amount: charge["amount"].as_i64().unwrap_or(0),
            refunded: charge["amount_refunded"].as_i64().unwrap_or(0),
            currency: text(&charge["currency"]),
        })
    }
}

impl Card {
    /// What Stripe calls such a way to pay; the last two are names of the stand-in alone.
    fn name(self) -> &'static str {
        match self {
            Card::Good => "pm_card_visa",
            Card::Declined => "pm_card_chargeCustomerFail",
            Card::AsksFirst => "pm_card_authenticationRequired",
            Card::Debit => "pm_debit",
            Card::DebitFails => "pm_debit_fails",
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
