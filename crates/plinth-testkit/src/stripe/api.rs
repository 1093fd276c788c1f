//! Stripe's API as it is today, carried out by `localstripe`, which knows an older and smaller one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::chaos::Dice;
use super::hooks::Hooks;
use super::kept::Kept;
use super::lists::{self, Made};
use super::message::{Message, Pairs, Reply, value};
use super::peer::{Body, Peer};
use super::translate;

/// How an error says that the request was wrong.
const INVALID: &str = "invalid_request_error";
/// Parameters that change nothing here, and that `localstripe` refuses.
const UNKNOWN_TO_PEER: [&str; 14] = [
    "automatic_payment_methods",
    "cancellation_reason",
    "confirmation_method",
    "description",
    "expand",
    "instructions_email",
    "payment_method_types",
    "reason",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// The API, and everything that it remembers.
#[derive(Debug)]
pub(super) struct Api {
    peer: Peer,
    pub(super) dice: Dice,
    pub(super) hooks: Hooks,
    kept: Kept,
    /// Intents in the order in which they were made.
    made: Mutex<Vec<Made>>,
    /// Held while several questions to the peer belong together.
    steps: Mutex<()>,
    /// Refunds that are under way until then.
    slow: Mutex<HashMap<String, Instant>>,
    /// What no client that is right would ask.
    wrong: Mutex<Vec<String>>,
}

impl Api {
    pub(super) fn new(peer: Peer, dice: Dice, hooks: Hooks) -> Api {
        Api {
            peer,
            dice,
            hooks,
            kept: Kept::default(),
            made: Mutex::default(),
            steps: Mutex::default(),
            slow: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Carries out a request; one with a key that was carried out before is not carried out again.
    pub(super) fn carry_out(&self, message: &Message) -> Reply {
        if !translate::has_key(message) {
            return Reply::error(401, INVALID, "", "You did not provide an API key.");
        }
        let key = message.header("idempotency-key");
        let Some(key) = key.filter(|_| message.method == "POST") else {
            return self.route(message);
        };
        let body = String::from_utf8_lossy(&message.body);
        let asked = format!("{} {body}", message.path());
        self.kept.once(key, &asked, || self.route(message))
    }

    /// One of the peer's webhooks has come.
    pub(super) fn take_hook(&self, message: &Message) {
        let signature = message.header("stripe-signature").unwrap_or_default();
        self.hooks.pass_on(&self.dice, &message.body, signature);
    }

    /// What no client that is right would ask.
    pub(super) fn wrong(&self) -> Vec<String> {
        locked(&self.wrong).clone()
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The intents that were made for a row of Plinth's.
    pub(super) fn marked(&self, payment: &str) -> Vec<String> {
        let query = format!("metadata['plinth_payment']:'{payment}'");
        lists::found(&locked(&self.made), &query).unwrap_or_default()
    }

    fn route(&self, message: &Message) -> Reply {
        let path = message.path().trim_start_matches("/v1/");
        let parts: Vec<&str> = path.split('/').collect();
        match (message.method.as_str(), parts.as_slice()) {
            ("POST", ["payment_intents"]) => self.create(message),
            ("GET", ["payment_intents"]) => self.list_intents(message),
            ("GET", ["payment_intents", "search"]) => self.search(message),
            ("GET", ["payment_intents", id]) => self.intent(id),
            ("POST", ["payment_intents", id]) => self.update(id, message),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm(id, message),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel(id),
            ("POST", ["payment_intents", id, "authenticate"]) => self.authenticate(id, message),
            ("POST", ["refunds"]) => self.refund(message),
            ("GET", ["refunds"]) => self.list_refunds(message),
            ("GET", ["refunds", id]) => self.one_refund(id),
            // Nobody disputes anything here.
            ("GET", ["disputes"]) => lists::page("/v1/disputes", Vec::new(), &message.query()),
            ("GET", ["charges", id]) => translate::failed(self.peer.get("charges", id)),
            ("POST", ["webhook_endpoints"]) => self.set_webhook(message),
            _ => Reply::error(404, INVALID, "", "Unrecognized request URL"),
        }
    }

    fn create(&self, message: &Message) -> Reply {
        if message.header("idempotency-key").is_none() {
            self.note_wrong("an intent without an Idempotency-Key".to_owned());
        }
        let form = known_to_peer(message.form());
        let path = "/v1/payment_intents";
        let reply = self.peer.ask("POST", path, &Body::Form(&form));
        if reply.is_good() {
            let made = Made::of(&reply.value());
            locked(&self.made).push(made);
        }
        translate::intent(reply)
    }

    fn intent(&self, id: &str) -> Reply {
        translate::intent(self.peer.get("payment_intents", id))
    }

    fn update(&self, id: &str, message: &Message) -> Reply {
        let _steps = locked(&self.steps);
        let form = known_to_peer(message.form());
        let path = format!("/v1/payment_intents/{id}");
        translate::intent(self.peer.ask("POST", &path, &Body::Form(&form)))
    }

    /// With a way to pay, as a customer's browser does it, or with the one that is known already.
    fn confirm(&self, id: &str, message: &Message) -> Reply {
        let _steps = locked(&self.steps);
        let found = self.peer.get("payment_intents", id);
        let old = found.value();
        if let Some(refused) = translate::refused_browser(message, &old) {
            return refused;
        }
        let form = message.form();
        let path = format!("/v1/payment_intents/{id}");
        let method = value(&form, "payment_method");
        if let Some(method) = method.filter(|_| old["status"] == "requires_payment_method") {
            let method = self.payment_method(method);
            // It takes no second try after a decline, unless it has forgotten the first.
            let change = json!({ "payment_method": method, "latest_charge": null });
            let changed = self.peer.ask("POST", &path, &Body::Json(&change));
            if !changed.is_good() {
                return translate::failed(changed);
            }
        }
        let path = format!("{path}/confirm");
        translate::intent(self.peer.ask("POST", &path, &Body::Nothing))
    }

    /// Cards that must be asked about and debits of accounts have to be made; the rest it knows by name.
    fn payment_method(&self, name: &str) -> String {
        let form: &[(&str, &str)] = match name {
            "pm_card_authenticationRequired" => &[
                ("type", "card"),
                ("card[number]", "4000002500003155"),
                ("card[exp_month]", "12"),
                ("card[exp_year]", "2040"),
                ("card[cvc]", "123"),
            ],
            "pm_debit" => &[
                ("type", "sepa_debit"),
                ("sepa_debit[iban]", "DE89370400440532013000"),
            ],
            "pm_debit_fails" => &[
                ("type", "sepa_debit"),
                ("sepa_debit[iban]", "DE62370400440532013001"),
            ],
            known => return known.to_owned(),
        };
        let form: Pairs = form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let made = self
            .peer
            .ask("POST", "/v1/payment_methods", &Body::Form(&form));
        made.value()["id"].as_str().unwrap_or_default().to_owned()
    }

    /// What a bank's page does for a customer.
    fn authenticate(&self, id: &str, message: &Message) -> Reply {
        let _steps = locked(&self.steps);
        let form: Pairs = message
            .form()
            .into_iter()
            .filter(|(name, _)| name == "client_secret" || name == "success")
            .collect();
        let path = format!("/v1/payment_intents/{id}/_authenticate");
        translate::intent(self.peer.ask("POST", &path, &Body::Form(&form)))
    }

    fn cancel(&self, id: &str) -> Reply {
        let _steps = locked(&self.steps);
        let path = format!("/v1/payment_intents/{id}/cancel");
        let reply = self.peer.ask("POST", &path, &Body::Nothing);
        if reply.status == 400 {
            let code = "payment_intent_unexpected_state";
            let why = "You cannot cancel this PaymentIntent because of its status.";
            return Reply::error(400, INVALID, code, why);
        }
        let reply = translate::intent(reply);
        if reply.is_good() {
            self.tell("payment_intent.canceled", &reply.value(), Duration::ZERO);
        }
        reply
    }

    fn refund(&self, message: &Message) -> Reply {
        let _steps = locked(&self.steps);
        if message.header("idempotency-key").is_none() {
            self.note_wrong("a refund without an Idempotency-Key".to_owned());
        }
        let form = message.form();
        let Some(intent) = value(&form, "payment_intent") else {
            return Reply::error(400, INVALID, "parameter_missing", "Which payment_intent?");
        };
        let found = self.peer.get("payment_intents", intent);
        if !found.is_good() {
            return translate::failed(found);
        }
        let charge = found.value()["latest_charge"].take();
        if let Some(why) = translate::no_refund(&charge, value(&form, "amount")) {
            self.note_wrong(format!("a refund of {intent}: {}", why.value()));
            return why;
        }
        let form = known_to_peer(form);
        let reply = self.peer.ask("POST", "/v1/refunds", &Body::Form(&form));
        if !reply.is_good() {
            return translate::failed(reply);
        }
        self.tell_refund(&reply.value(), &charge)
    }

    /// Most are done at once. Of the others it is told later that they are.
    fn tell_refund(&self, refund: &Value, charge: &Value) -> Reply {
        let done = translate::refund(refund, false);
        let Some(time) = self.dice.of_refund() else {
            self.tell("refund.created", &done, Duration::ZERO);
            self.tell("charge.refunded", charge, Duration::ZERO);
            return Reply::json(200, &done);
        };
        let id = done["id"].as_str().unwrap_or_default().to_owned();
        locked(&self.slow).insert(id, Instant::now() + time);
        let begun = translate::refund(refund, true);
        self.tell("refund.created", &begun, Duration::ZERO);
        self.tell("refund.updated", &done, time);
        Reply::json(200, &begun)
    }

    fn one_refund(&self, id: &str) -> Reply {
        let found = self.peer.get("refunds", id);
        if !found.is_good() {
            return translate::failed(found);
        }
        Reply::json(200, &self.as_it_is_now(&found.value()))
    }

    fn list_refunds(&self, message: &Message) -> Reply {
        let query = message.query();
        let mut refunds = match value(&query, "payment_intent") {
            // It fails where there is no charge.
            Some(intent)
                if self.peer.get("payment_intents", intent).value()["latest_charge"].is_null() =>
            {
                Vec::new()
            }
            Some(intent) => self.peer.refunds_of(intent),
            None => self.peer.all("refunds"),
        };
        refunds.reverse();
        let refunds = refunds.iter().map(|old| self.as_it_is_now(old)).collect();
        lists::page("/v1/refunds", refunds, &query)
    }

    fn as_it_is_now(&self, refund: &Value) -> Value {
        let id = refund["id"].as_str().unwrap_or_default();
        let until = locked(&self.slow).get(id).copied();
        translate::refund(refund, until.is_some_and(|until| until > Instant::now()))
    }

    fn list_intents(&self, message: &Message) -> Reply {
        let query = message.query();
        let wanted = match lists::wanted(&locked(&self.made), &query) {
            Ok(wanted) => wanted,
            Err(why) => return Reply::error(400, INVALID, "parameter_invalid_integer", why),
        };
        let more = wanted.has_more;
        let data: Vec<Value> = wanted
            .ids
            .iter()
            .map(|id| self.intent(id).value())
            .collect();
        let list = json!({ "object": "list", "url": "/v1/payment_intents", "data": data, "has_more": more });
        Reply::json(200, &list)
    }

    fn search(&self, message: &Message) -> Reply {
        let query = message.query();
        let text = value(&query, "query").unwrap_or_default();
        let ids = match lists::found(&locked(&self.made), text) {
            Ok(ids) => ids,
            Err(why) => return Reply::error(400, INVALID, "", why),
        };
        let data: Vec<Value> = ids.iter().map(|id| self.intent(id).value()).collect();
        let list = json!({ "object": "search_result", "url": "/v1/payment_intents/search", "data": data,
            "has_more": false, "next_page": null });
        Reply::json(200, &list)
    }

    fn set_webhook(&self, message: &Message) -> Reply {
        let form = message.form();
        let url = value(&form, "url").unwrap_or_default();
        let address = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next());
        let Some(address) = address.and_then(|address| address.parse::<SocketAddr>().ok()) else {
            return Reply::error(400, INVALID, "url_invalid", "Not a valid URL");
        };
        self.hooks.send_to(Some(address));
        Reply::json(
            200,
            &json!({ "id": "we_plinth", "object": "webhook_endpoint", "url": url }),
        )
    }

    fn tell(&self, kind: &str, object: &Value, earliest: Duration) {
        self.hooks.tell(&self.dice, kind, object, earliest);
    }

    fn note_wrong(&self, what: String) {
        locked(&self.wrong).push(what);
    }
}

/// Without what the peer does not know: `NAME` and `NAME[…]`.
fn known_to_peer(mut form: Pairs) -> Pairs {
    form.retain(|(name, _)| {
        let base = name.split('[').next().unwrap_or_default();
        !UNKNOWN_TO_PEER.contains(&base)
    });
    form
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
