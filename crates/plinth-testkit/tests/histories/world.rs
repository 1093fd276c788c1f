//! A shop on a fresh database: takes steps, and looks after each whether stock and books are right.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use plinth_commerce::{Commerce, StripeConfig};
use plinth_db::keys::{Keys, Secret};
use plinth_db::{Db, Rows, ScriptOptions, Session};
use plinth_http::{App, Gate, GateKeys, Limits, Mode};
use plinth_testkit::shop;
use plinth_testkit::stripe::{Chaos, SECRET_KEY, Stripe, WEBHOOK_SECRET};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::steps::Step;

/// How long the shop and the provider may take to agree at the end of a day.
const SETTLED: Duration = Duration::from_secs(20);
/// How long is worked at what is due, then.
const WORK: Duration = Duration::from_millis(60);

pub(crate) struct World<'a> {
    db: Db,
    commerce: Commerce,
    router: Router,
    keys: Keys,
    stripe: &'a Stripe,
    /// Charges of earlier days.
    before: usize,
    orders: Vec<Placed>,
    last: Option<Ask>,
    /// Makes idempotency keys.
    next: u64,
}

/// An order that was acknowledged.
#[derive(Clone, Debug)]
struct Placed {
    id: String,
    secret: String,
    client_secret: Option<String>,
}

/// A request that changes something.
#[derive(Clone, Debug)]
struct Ask {
    path: String,
    body: Value,
    key: String,
    /// A customer's; staff need none.
    secret: Option<String>,
    is_staff: bool,
}

impl<'a> World<'a> {
    pub(crate) async fn open(db: Db, stripe: &'a Stripe) -> Result<World<'a>> {
        let keys = Keys::local();
        let app = App {
            db: db.clone(),
            gate: Arc::new(Gate::new(&GateKeys::from(&keys), db.clock().clone())),
            limits: Arc::new(Limits::default()),
            mode: Mode::Dev,
            public_url: "http://127.0.0.1:54321".into(),
        };
        let config = plinth_commerce::Config {
            provider: "stripe".to_owned(),
            stripe: Some(StripeConfig {
                secret_key: Secret::new(SECRET_KEY),
                webhook_secrets: vec![Secret::new(WEBHOOK_SECRET)],
                api_url: stripe.url(),
                live: false,
            }),
            ..plinth_commerce::Config::default()
        };
        let commerce = Commerce::open(app, config, &keys)?;
        let world = World {
            router: plinth_commerce::router(commerce.clone()),
            commerce,
            db,
            keys,
            stripe,
            before: stripe.charges().len(),
            orders: Vec::new(),
            last: None,
            next: 0,
        };
        world.script(shop::CATALOGUE).await?;
        stripe.set_chaos(Chaos::WORST_IN_SHORT);
        Ok(world)
    }

    /// Takes a step. An error is a fault of the shop.
    pub(crate) async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Order {
                product,
                quantity,
                by_hand,
                code,
            } => self.order(*product, *quantity, *by_hand, *code).await?,
            Step::Repeat => {
                if let Some(ask) = self.last.clone() {
                    self.ask(ask).await?;
                }
            }
            Step::Pay { order, card } => {
                let secret = self.order_at(*order).and_then(|order| order.client_secret);
                if let Some(secret) = secret {
                    self.stripe.pay(&secret, *card)?;
                }
            }
            Step::Tell { order, kind } => self.tell(*order, kind, true).await?,
            Step::Forge { order } => self.tell(*order, "payment_intent.succeeded", false).await?,
            Step::Cancel { order, is_staff } => {
                self.about(*order, "cancel", json!({}), *is_staff).await?;
            }
            Step::Again { order } => self.about(*order, "pay", json!({}), false).await?,
            Step::ByHand { order } => self.about(*order, "paid", json!({}), true).await?,
            Step::Fulfil { order } => self.about(*order, "fulfil", json!({}), true).await?,
            Step::Refund {
                order,
                amount,
                restock,
            } => {
                let mut body = json!({ "restock": restock });
                if let Some(amount) = amount {
                    body["amount"] = json!(amount);
                }
                self.about(*order, "refunds", body, true).await?;
            }
            Step::Expire { order } => {
                if let Some(order) = self.order_at(*order) {
                    self.script(&format!(
                        "update commerce.orders set expires_at = now() - interval '1 second' where id = '{}'",
                        order.id
                    ))
                    .await?;
                }
            }
            Step::Work { micros } => self.work(Duration::from_micros(*micros)).await?,
        }
        self.finds_nothing(shop::ALWAYS).await
    }

    /// Nothing goes wrong any more, and nobody pays: the provider and the books must come to say the same.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.stripe.set_chaos(Chaos::NONE);
        let began = Instant::now();
        loop {
            // Those that could not be ended at their time have another one.
            self.script("update commerce.orders set expires_at = now() - interval '1 second' where state = 'pending'")
                .await?;
            self.work(WORK).await?;
            let report = plinth_commerce::reconcile(&self.commerce, |_| {}).await?;
            let under_way = self.finds_nothing(shop::IN_THE_END).await;
            let (ours, theirs) = (self.money().await?, self.charges()?);
            if under_way.is_ok() && ours == theirs && report.problems() == 0 {
                break;
            }
            ensure!(
                began.elapsed() < SETTLED,
                "in the end: {under_way:?}; here {ours:?}, there {theirs:?}; {:?}",
                report.differences
            );
        }
        self.finds_nothing(shop::ALWAYS).await?;
        let findings = plinth_commerce::check_ledger(&self.db).await?;
        ensure!(findings.is_empty(), "the books: {findings:?}");
        Ok(())
    }

    async fn order(
        &mut self,
        product: u64,
        quantity: i64,
        by_hand: bool,
        code: Option<&str>,
    ) -> Result<()> {
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
        let ask = Ask {
            path: "/orders".to_owned(),
            body,
            key: self.key(),
            secret: None,
            is_staff: by_hand,
        };
        self.ask(ask).await
    }

    async fn about(&mut self, order: usize, what: &str, body: Value, is_staff: bool) -> Result<()> {
        let Some(order) = self.order_at(order) else {
            return Ok(());
        };
        let ask = Ask {
            path: format!("/orders/{}/{what}", order.id),
            body,
            key: self.key(),
            secret: Some(order.secret).filter(|_| !is_staff),
            is_staff,
        };
        self.ask(ask).await
    }

    /// Sends a request and notes what it made.
    async fn ask(&mut self, ask: Ask) -> Result<()> {
        let key = match ask.is_staff {
            true => self.keys.secret.expose(),
            false => self.keys.publishable.as_str(),
        };
        let mut request = Request::post(&ask.path)
            .header("apikey", key)
            .header("content-type", "application/json")
            .header("idempotency-key", &ask.key);
        if let Some(secret) = &ask.secret {
            request = request.header("x-commerce-secret", secret);
        }
        let request = request.body(Body::from(ask.body.to_string()))?;
        let (status, said) = self.send(request).await?;
        let is_good = matches!(status, 200 | 201);
        // Guests may not do all that staff may (401); nothing here is a fault of the request's form.
        let is_refused = matches!(status, 401 | 409 | 422 | 503) && said["code"].is_string();
        ensure!(is_good || is_refused, "{status} to {ask:?}: {said}");
        if is_good && ask.path == "/orders" {
            self.note(&said)?;
        }
        self.last = Some(ask);
        Ok(())
    }

    /// A repeated request is answered with the order that there is.
    fn note(&mut self, said: &Value) -> Result<()> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let placed = Placed {
            id: text(&said["id"]).context("an order without an id")?,
            secret: text(&said["secret"]).context("an order without a secret")?,
            client_secret: text(&said["payment"]["client_secret"]),
        };
        match self.orders.iter_mut().find(|known| known.id == placed.id) {
            Some(known) => *known = placed,
            None => self.orders.push(placed),
        }
        Ok(())
    }

    /// A webhook about an order's payment: the provider's, or somebody's.
    async fn tell(&mut self, order: usize, kind: &str, is_genuine: bool) -> Result<()> {
        let secret = self.order_at(order).and_then(|order| order.client_secret);
        let Some((intent, _)) = secret
            .as_deref()
            .and_then(|text| text.split_once("_secret_"))
        else {
            return Ok(());
        };
        let object = json!({ "id": intent, "object": "payment_intent", "payment_intent": intent });
        let (body, mut signature) = self.stripe.event(kind, &object);
        if !is_genuine {
            // Of the right length, by the wrong key.
            let (at, _) = signature.split_once(',').context("a signature of ours")?;
            signature = format!("{at},v1={}", "0".repeat(64));
        }
        let request = Request::post("/webhooks/stripe")
            .header("content-type", "application/json")
            .header("stripe-signature", signature)
            .body(Body::from(body))?;
        let (status, said) = self.send(request).await?;
        let expected = if is_genuine { 200 } else { 400 };
        ensure!(status == expected, "a webhook: {status}: {said}");
        Ok(())
    }

    async fn send(&self, request: Request<Body>) -> Result<(u16, Value)> {
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// Works at what is due, whenever that is, and stops in the middle of it.
    async fn work(&self, time: Duration) -> Result<()> {
        for table in ["payments", "refunds", "webhook_events"] {
            let due = format!("update commerce.{table} set due_at = now() where due_at > now()");
            self.script(&due).await?;
        }
        let _cut_off =
            tokio::time::timeout(time, Box::pin(self.commerce.clone().run_worker())).await;
        Ok(())
    }

    /// Fails when a query finds something.
    async fn finds_nothing(&self, faults: &str) -> Result<()> {
        let found = self.query(faults).await?;
        if let Some(row) = found.first() {
            bail!("{}: {}", row.text("fault")?, row.text("what")?);
        }
        Ok(())
    }

    /// What was taken and given back, as the shop says it.
    async fn money(&self) -> Result<BTreeSet<String>> {
        let found = self.query(shop::MONEY).await?;
        let line = |row: plinth_db::Row<'_>| -> Result<String> {
            let of = |name: &str| row.text(name);
            Ok(format!(
                "{},{},{}",
                of("intent")?,
                of("amount")?,
                of("refunded")?
            ))
        };
        found.iter().map(line).collect()
    }

    /// As the provider says it, since this morning.
    fn charges(&self) -> Result<BTreeSet<String>> {
        let charges = self.stripe.charges();
        let today = charges.get(self.before..).context("charges are gone")?;
        let lines: BTreeSet<String> = today
            .iter()
            .map(|one| format!("{},{},{}", one.intent, one.amount, one.refunded))
            .collect();
        ensure!(lines.len() == today.len(), "charged twice: {today:?}");
        Ok(lines)
    }

    async fn query(&self, sql: &str) -> Result<Rows> {
        Ok(self.db.query(&Session::system(), sql, Vec::new()).await?)
    }

    async fn script(&self, sql: &str) -> Result<()> {
        let session = Session::system();
        let options = ScriptOptions {
            stop_on_error: true,
            ..ScriptOptions::default()
        };
        let (tell, hear) = std::sync::mpsc::channel();
        let script = self
            .db
            .script(&session, sql.to_owned(), options, move |outcome| {
                if let Err(error) = outcome.result {
                    drop(tell.send(error));
                }
            });
        script.await?;
        match hear.try_recv() {
            Ok(error) => bail!("{sql}: {}", error.message),
            Err(_) => Ok(()),
        }
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
