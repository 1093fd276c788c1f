//! A shop on a fresh database that two nodes serve: takes what happens in a moment, and looks after each whether stock and books are right,
//! and whether all money that is booked is at the provider.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use plinth_db::keys::Keys;
use plinth_db::{Db, Rows, ScriptOptions, Session};
use plinth_testkit::shop;
use plinth_testkit::stripe::{Chaos, Stripe};
use tokio::sync::Mutex;

use crate::counts::{Counts, MESSAGE_TWICE, REQUEST_TWICE};
use crate::node::Node;
use crate::people::{Ask, Deed, Message, People, Placed};
use crate::steps::{Act, Step};

/// How long the shop and the provider may take to agree at the end of a day.
const SETTLED: Duration = Duration::from_secs(20);
/// How long is worked at what is due, then.
const WORK: Duration = Duration::from_millis(60);

pub(crate) struct World {
    /// The first node's. What is true is asked here alone; each node sees what the other has committed.
    db: Db,
    nodes: [Node; 2],
    people: People,
    keys: Keys,
    stripe: Arc<Stripe>,
    /// Charges of earlier days.
    before: usize,
    /// What was taken and given back, as far as the provider has said the same.
    compared: BTreeSet<Taken>,
    /// What came twice.
    twice: Counts,
    /// Held while work is made due.
    making_due: Mutex<()>,
}

/// Money of one payment at the provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    intent: String,
    amount: i64,
    refunded: i64,
}

impl World {
    pub(crate) async fn open(dbs: [Db; 2], stripe: &Arc<Stripe>) -> Result<World> {
        let keys = Keys::local();
        let [first, second] = dbs;
        let world = World {
            db: first.clone(),
            nodes: [
                Node::start(first, &keys, stripe)?,
                Node::start(second, &keys, stripe)?,
            ],
            people: People::default(),
            keys,
            before: stripe.charges().len(),
            stripe: Arc::clone(stripe),
            compared: BTreeSet::new(),
            twice: Counts::default(),
            making_due: Mutex::default(),
        };
        world.script(shop::CATALOGUE).await?;
        stripe.set_chaos(Chaos::WORST_IN_SHORT);
        Ok(world)
    }

    /// Takes the steps of a moment, two at the same time. An error is a fault of the shop.
    pub(crate) async fn take(&mut self, moment: &[Step]) -> Result<()> {
        let mut deeds = [Deed::Nothing, Deed::Nothing];
        for (deed, step) in deeds.iter_mut().zip(moment) {
            *deed = self.people.ready(step, &self.stripe);
            match (&step.act, &*deed) {
                (Act::Repeat, Deed::Ask { .. }) => self.twice.add(REQUEST_TWICE, 1),
                (Act::Resend, Deed::Tell { .. }) => self.twice.add(MESSAGE_TWICE, 1),
                _ => {}
            }
        }
        let [first, second] = deeds;
        // One task does both, so what one waits for is the other's turn.
        let (first, second) = tokio::join!(
            Box::pin(self.carry_out(first)),
            Box::pin(self.carry_out(second)),
        );
        for placed in [first?, second?].into_iter().flatten() {
            self.people.note(placed);
        }
        for step in moment {
            if matches!(step.act, Act::Work { dies: true, .. }) {
                self.start_anew(step.node)?;
            }
        }
        self.finds_nothing(shop::ALWAYS).await?;
        self.money_is_there().await
    }

    /// Nothing goes wrong any more, and nobody pays: the provider and the books must come to say the same.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.stripe.set_chaos(Chaos::NONE);
        let [one, other] = &self.nodes;
        let began = Instant::now();
        loop {
            // Those that could not be ended at their time have another one.
            self.query("update commerce.orders set expires_at = now() - interval '1 second' where state = 'pending'")
                .await?;
            let worked = tokio::join!(
                self.work(one, Duration::ZERO, WORK),
                self.work(other, Duration::ZERO, WORK),
            );
            worked.0.and(worked.1)?;
            let reports = tokio::join!(one.reconcile(), other.reconcile());
            let reports = [reports.0?, reports.1?];
            let are_same = reports.iter().all(|report| report.problems() == 0);
            let under_way = self.finds_nothing(shop::IN_THE_END).await;
            let (ours, theirs) = (self.money().await?, self.charges()?);
            if under_way.is_ok() && ours == theirs && are_same {
                break;
            }
            ensure!(
                began.elapsed() < SETTLED,
                "in the end: {under_way:?}; here {ours:?}, there {theirs:?}; {reports:?}"
            );
        }
        self.finds_nothing(shop::ALWAYS).await?;
        let findings = plinth_commerce::check_ledger(&self.db).await?;
        ensure!(findings.is_empty(), "the books: {findings:?}");
        Ok(())
    }

    /// How often what has happened.
    pub(crate) async fn happened(&self) -> Result<Counts> {
        let mut happened = self.twice.clone();
        let events = "select event, count(*) as times from commerce.order_events group by event";
        for row in self.query(events).await?.iter() {
            let times = u64::try_from(row.int("times")?)?;
            happened.add(&row.text("event")?, times);
        }
        Ok(happened)
    }

    /// Gives the order that was made, if one was.
    async fn carry_out(&self, deed: Deed) -> Result<Option<Placed>> {
        match deed {
            Deed::Ask { node, ask } => return self.ask(&self.nodes[node], &ask).await,
            Deed::Tell { node, message } => self.tell(&self.nodes[node], message).await?,
            Deed::Pay {
                client_secret,
                card,
            } => {
                let stripe = Arc::clone(&self.stripe);
                // It blocks, and what happens in the same moment must not wait for it.
                tokio::task::spawn_blocking(move || stripe.pay(&client_secret, card)).await??;
            }
            Deed::Expire { order } => {
                self.query(&format!(
                    "update commerce.orders set expires_at = now() - interval '1 second' where id = '{order}'"
                ))
                .await?;
            }
            Deed::Unseen { node, order, key } => {
                return self.pay_unseen(&self.nodes[node], &order, key).await;
            }
            Deed::Work { node, wait, time } => self.work(&self.nodes[node], wait, time).await?,
            Deed::Nothing => {}
        }
        Ok(None)
    }

    async fn ask(&self, node: &Node, ask: &Ask) -> Result<Option<Placed>> {
        let (status, said) = node.send(ask.request(&self.keys)?).await?;
        let is_good = matches!(status, 200 | 201);
        // Guests may not do all that staff may (401); nothing here is a fault of the request's form.
        let is_refused = matches!(status, 401 | 409 | 422 | 503) && said["code"].is_string();
        ensure!(is_good || is_refused, "{status} to {ask:?}: {said}");
        let is_placed = is_good && ask.path == "/orders";
        is_placed.then(|| Placed::of(&said)).transpose()
    }

    /// What the provider has made for an order it cannot tell, the order is called off, and somebody pays it all the same.
    async fn pay_unseen(&self, node: &Node, order: &Ask, key: String) -> Result<Option<Placed>> {
        self.stripe.lose_answers(true);
        let called_off = self.call_off(node, order, key).await;
        self.stripe.lose_answers(false);
        let Some(placed) = called_off? else {
            return Ok(None);
        };
        let (stripe, payment) = (Arc::clone(&self.stripe), placed.payment.clone());
        // It blocks, as above.
        let paid = tokio::task::spawn_blocking(move || stripe.pay_marked(&payment)).await??;
        if let Some(intent) = paid {
            // The provider says so until somebody has heard it.
            let message = Message::about(&self.stripe, &intent, "payment_intent.succeeded");
            self.tell(node, message).await?;
        }
        Ok(Some(placed))
    }

    async fn call_off(&self, node: &Node, order: &Ask, key: String) -> Result<Option<Placed>> {
        let placed = self.ask(node, order).await?;
        if let Some(placed) = &placed {
            self.ask(node, &placed.cancel(key)).await?;
        }
        Ok(placed)
    }

    async fn tell(&self, node: &Node, message: Message) -> Result<()> {
        let expected = if message.is_genuine { 200 } else { 400 };
        let (status, said) = node.send(message.request()?).await?;
        ensure!(status == expected, "a webhook: {status}: {said}");
        Ok(())
    }

    /// After a while, has a node work at what is due, whenever that is, and stops it in the middle of it.
    async fn work(&self, node: &Node, wait: Duration, time: Duration) -> Result<()> {
        tokio::time::sleep(wait).await;
        self.make_due().await?;
        node.work(time).await;
        Ok(())
    }

    /// What has been taken is due as well, as if it took longer than it is lent for: it may be in the hands of the other node.
    async fn make_due(&self) -> Result<()> {
        // Two of these lock many rows, each in an order of its own, and would wait for each other. Nothing of the shop's does that.
        let _one_at_a_time = self.making_due.lock().await;
        for table in ["payments", "refunds", "webhook_events"] {
            let due = format!("update commerce.{table} set due_at = now() where due_at > now()");
            self.query(&due).await?;
        }
        Ok(())
    }

    /// A node that died comes back. Its connections to the database stay: what comes of losing those, other tests say.
    fn start_anew(&mut self, node: usize) -> Result<()> {
        let db = self.nodes[node].db.clone();
        self.nodes[node] = Node::start(db, &self.keys, &self.stripe)?;
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

    /// What is captured here was charged at the provider, and what has gone back from here has gone back there. The other way round it takes a
    /// while until it is known.
    async fn money_is_there(&mut self) -> Result<()> {
        for ours in self.money().await? {
            if self.compared.contains(&ours) {
                continue;
            }
            let theirs = self.stripe.charge_of(&ours.intent);
            let is_there = theirs.as_ref().is_some_and(|charge| {
                charge.amount == ours.amount && charge.refunded >= ours.refunded
            });
            ensure!(is_there, "booked {ours:?}, and at the provider {theirs:?}");
            self.compared.insert(ours);
        }
        Ok(())
    }

    /// What was taken and given back, as the shop says it.
    async fn money(&self) -> Result<BTreeSet<Taken>> {
        let found = self.query(shop::MONEY).await?;
        let taken = |row: plinth_db::Row<'_>| -> Result<Taken> {
            Ok(Taken {
                intent: row.text("intent")?,
                amount: row.int("amount")?,
                refunded: row.int("refunded")?,
            })
        };
        found.iter().map(taken).collect()
    }

    /// As the provider says it, since this morning.
    fn charges(&self) -> Result<BTreeSet<Taken>> {
        let charges = self.stripe.charges();
        let today = charges.get(self.before..).context("charges are gone")?;
        let taken = today.iter().map(|one| Taken {
            intent: one.intent.clone(),
            amount: one.amount,
            refunded: one.refunded,
        });
        let taken: BTreeSet<Taken> = taken.collect();
        ensure!(taken.len() == today.len(), "charged twice: {today:?}");
        Ok(taken)
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
}
