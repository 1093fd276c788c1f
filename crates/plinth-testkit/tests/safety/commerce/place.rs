//! A shop and where its data is: in its folder or on a database server, with the stand-in for Stripe beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::process::{Ended, POLL, run_with};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::shop;
use plinth_testkit::stripe::Stripe;
use plinth_testkit::temp::TempDir;
use serde_json::Value;

/// How long the shop and Stripe may take to agree once nothing goes wrong any more.
const SETTLED: Duration = Duration::from_mins(1);

/// A shop.
pub(super) struct Place {
    /// By whom orders are paid.
    pub(super) stripe: Stripe,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    _postgres: Option<Guarded>,
}

impl Place {
    /// Everything in the shop's own folder.
    pub(super) fn folder(python: &Path, seed: u64) -> Place {
        Place::new(python, None, seed)
    }

    /// Rows on a database server.
    pub(super) fn postgres(python: &Path, bin: &Path, seed: u64) -> Place {
        let postgres = Guarded::start(bin).unwrap();
        Place::new(python, Some(postgres), seed)
    }

    fn new(python: &Path, postgres: Option<Guarded>, seed: u64) -> Place {
        let folder = TempDir::new("shop").unwrap();
        write_migration(folder.path(), "0001_catalogue.sql", shop::CATALOGUE);
        let stripe = Stripe::start(python, seed).unwrap();
        let mut environment = stripe.environment();
        if let Some(server) = &postgres {
            let url = server.url(&server.database().unwrap());
            environment.push(("PLINTH_DATABASE_URL", url));
        }
        Place {
            stripe,
            folder,
            environment,
            _postgres: postgres,
        }
    }

    /// Opens the shop; from now on Stripe reaches it.
    pub(super) fn start(&self) -> Process {
        let server = Process::start_with("dev", self.folder.path(), &[], &self.environment());
        self.stripe.send_webhooks_to(Some(server.address));
        server
    }

    /// `kill -9`.
    pub(super) fn kill(&self, server: Process) {
        server.kill();
        // Somebody else may get its port.
        self.stripe.send_webhooks_to(None);
    }

    /// Fails when a query finds something, or when the books are not what orders and payments say.
    pub(super) fn check(&self, when: &str, faults: &str) {
        let found = self.sql(faults);
        assert_eq!(found.lines().count(), 1, "{when}: {found}");
        let ended = self.run(&["ledger", "check", ".", "--dev"]);
        assert_eq!(ended.code, Some(0), "{when}: {ended:?}");
    }

    /// Brings the time forward at which the keys of requests that were killed are free again.
    pub(super) fn let_go(&self) {
        self.sql("update commerce.idempotency set started_at = started_at - interval '5 minutes' where state = 'running'");
    }

    /// Brings the time forward at which orders that nobody has paid expire.
    pub(super) fn expire_orders(&self) {
        self.sql("update commerce.orders set expires_at = now() - interval '1 second' where state = 'pending'");
    }

    /// Brings the time forward at which the provider is asked again, and at which stored messages are read again.
    fn hurry(&self) {
        for table in ["payments", "refunds", "webhook_events"] {
            self.sql(&format!(
                "update commerce.{table} set due_at = now() where due_at > now()"
            ));
        }
    }

    /// Waits until the shop says of all money what Stripe says, and until nothing is under way any more.
    pub(super) fn settle(&self, server: &Process) {
        let began = Instant::now();
        loop {
            self.hurry();
            // Those that could not be ended at their time have another one.
            self.expire_orders();
            // What no message tells is asked for.
            let differences = self.reconcile();
            let (ours, theirs) = (self.money(), self.charges());
            let under_way = self.sql(shop::IN_THE_END);
            let is_right = ours == theirs && under_way.lines().count() == 1;
            if is_right && differences.is_empty() && self.clearing() == self.held_by_stripe() {
                return;
            }
            let only_ours: Vec<_> = ours.difference(&theirs).collect();
            let only_theirs: Vec<_> = theirs.difference(&ours).collect();
            assert!(
                began.elapsed() < SETTLED,
                "only here {only_ours:?}, only there {only_theirs:?}, differences {differences:?}, clearing {:?} and there {:?}, {under_way}\n{}",
                self.clearing(),
                self.held_by_stripe(),
                server.log()
            );
            std::thread::sleep(POLL);
        }
    }

    /// Fails unless there are these orders and no others.
    pub(super) fn check_orders(&self, acknowledged: &BTreeSet<String>) {
        let found = self.sql("select id from commerce.orders");
        let found: BTreeSet<String> = found.lines().skip(1).map(str::to_owned).collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        let doubled: Vec<_> = found.difference(acknowledged).collect();
        assert!(
            lost.is_empty() && doubled.is_empty(),
            "lost {lost:?}, never acknowledged {doubled:?}"
        );
    }

    /// What the shop and Stripe do not agree about, and what could not be mended.
    fn reconcile(&self) -> Vec<String> {
        let ended = self.run(&["orders", "reconcile", ".", "--dev", "--json"]);
        let mut said: Vec<Value> = ended
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let sum = said.pop().unwrap_or_default();
        assert!(sum["problems"].is_u64(), "no report: {ended:?}");
        said.retain(|difference| difference["mended"] != true);
        said.iter().map(Value::to_string).collect()
    }

    /// As Stripe says it: one charge a line.
    fn charges(&self) -> BTreeSet<String> {
        let charges = self.stripe.charges();
        let lines: BTreeSet<String> = charges
            .iter()
            .map(|one| {
                format!(
                    "{},{},{},{}",
                    one.intent, one.amount, one.currency, one.refunded
                )
            })
            .collect();
        // An intent that was charged twice would be two lines, or one too few.
        assert_eq!(lines.len(), charges.len(), "charged twice: {charges:?}");
        lines
    }

    /// As the shop says it.
    fn money(&self) -> BTreeSet<String> {
        let said = self.sql(shop::MONEY);
        said.lines().skip(1).map(str::to_owned).collect()
    }

    fn clearing(&self) -> BTreeMap<String, i64> {
        let said = self.sql(shop::CLEARING);
        said.lines()
            .skip(1)
            .filter_map(|line| line.split_once(','))
            .map(|(currency, amount)| (currency.to_owned(), amount.parse().unwrap()))
            .collect()
    }

    fn held_by_stripe(&self) -> BTreeMap<String, i64> {
        let mut held: BTreeMap<String, i64> = BTreeMap::new();
        for charge in self.stripe.charges() {
            *held.entry(charge.currency).or_default() += charge.amount - charge.refunded;
        }
        held.retain(|_, amount| *amount != 0);
        held
    }

    fn sql(&self, sql: &str) -> String {
        let ended = self.run(&["sql", ".", "--dev", "--format", "csv", "-c", sql]);
        ended.is(0, &[]);
        ended.stdout
    }

    fn run(&self, args: &[&str]) -> Ended {
        run_with(self.folder.path(), args, &self.environment())
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }
}
