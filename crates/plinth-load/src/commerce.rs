//! Orders a second, with payment by hand, beside the same statements by hand on the same database: one product that everybody wants, and
//! a thousand.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calm::undisturbed;
use crate::generator::{Pace, Plan, run};
use crate::process::Disturbance;
use crate::results::{Aim, Figure, middle, millis};
use crate::servers::shop::{self, Goods, Road, Shop};
use crate::servers::{Places, Postgres, WARM_UP};

const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
/// What share of the statements by hand an order through the API is to be.
const PROMISED: f64 = 0.5;

/// One kind of goods on one engine.
pub(crate) struct Orders {
    engine: &'static str,
    goods: Goods,
    ours: Figure,
    by_hand: Figure,
    /// By `pgbench`, without HTTP.
    pgbench: Option<f64>,
    /// The most of all that stands in the line.
    disturbance: Disturbance,
}

/// Measures on both engines.
pub(crate) fn measure(
    places: &Places,
    time: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Orders>> {
    let mut measured = Vec::new();
    let shop = Shop::start(places, None)?;
    on(&shop, "embedded", None, time, say, &mut measured)?;
    drop(shop);
    let postgres = Postgres::start(&places.scratch)?;
    let shop = Shop::start(places, Some(&postgres.url()))?;
    let server = Some(&postgres);
    on(&shop, "PostgreSQL", server, time, say, &mut measured)?;
    drop(shop);
    std::fs::remove_dir_all(places.scratch.join("Plinth-shop"))?;
    Ok(measured)
}

fn on(
    shop: &Shop,
    engine: &'static str,
    postgres: Option<&Postgres>,
    time: Duration,
    say: &mut dyn FnMut(&str),
    measured: &mut Vec<Orders>,
) -> Result<()> {
    for road in [Road::Commerce, Road::ByHand] {
        shop.check(road)?;
    }
    for goods in [Goods::Hot, Goods::Any] {
        let (mut ours, mut by_hand, mut pgbench) = (Vec::new(), Vec::new(), Vec::new());
        let mut runs = 0;
        for _ in 0..ROUNDS {
            ours.push(load(shop, Road::Commerce, goods, &mut runs, time)?);
            by_hand.push(load(shop, Road::ByHand, goods, &mut runs, time)?);
            if let Some(postgres) = postgres {
                let connections = crate::on_postgres::CONNECTIONS;
                let script = shop::script(goods);
                let (rate, used) = undisturbed(std::process::id(), |_| {
                    postgres.pgbench("postgres", &script, connections, time)
                })?;
                pgbench.push((rate, used.disturbance()));
            }
        }
        let by_rate = |figure: &Figure| figure.rate;
        let ours = middle(ours, by_rate).context("nothing was measured")?;
        let by_hand = middle(by_hand, by_rate).context("nothing was measured")?;
        let pgbench = middle(pgbench, |run| run.0);
        let others = pgbench.map_or_else(Disturbance::default, |run| run.1);
        let orders = Orders {
            engine,
            goods,
            ours,
            by_hand,
            pgbench: pgbench.map(|run| run.0),
            disturbance: ours.disturbance.worst(by_hand.disturbance).worst(others),
        };
        say(&orders.line());
        measured.push(orders);
    }
    Ok(())
}

/// Keeps all clients busy; any answer that is not good is an error. `runs` is how many there were, each with keys of its own.
fn load(shop: &Shop, road: Road, goods: Goods, runs: &mut u64, time: Duration) -> Result<Figure> {
    let plan = Plan {
        target: shop.address,
        clients: CLIENTS,
        pace: Pace::Closed,
        warm_up: WARM_UP,
        time,
    };
    let (tally, used) = undisturbed(shop.process(), |_| {
        *runs += 1;
        let tally = run(&plan, shop.requests(road, goods, *runs))?.all_good();
        tally.with_context(|| format!("{road:?}, {goods:?}"))
    })?;
    Ok(Figure::of(&tally, used))
}

impl Orders {
    /// What was aimed at.
    pub(crate) fn aim(&self) -> Aim {
        let what = format!("orders, {}, {}", self.engine, self.goods.name());
        let rival = "the statements by hand";
        Aim::beside(&what, self.ours.rate, self.by_hand.rate, PROMISED, rival)
    }

    fn share(&self) -> f64 {
        100.0 * self.ours.rate / self.by_hand.rate
    }

    fn line(&self) -> String {
        let pgbench = self
            .pgbench
            .map_or(String::new(), |rate| format!(", by pgbench {rate:.0}"));
        format!(
            "orders on {}, {}: {:.0} a second, p99 {:.1} ms; by hand {:.0}, p99 {:.1} ms ({:.0} % of it, {:.0} % promised){pgbench}",
            self.engine,
            self.goods.name(),
            self.ours.rate,
            millis(self.ours.p99),
            self.by_hand.rate,
            millis(self.by_hand.p99),
            self.share(),
            100.0 * PROMISED,
        )
    }
}

/// As a chapter of the report.
pub(crate) fn write(measured: &[Orders], out: &mut String) {
    if measured.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Orders\n\n`POST /commerce/v1/orders` with the provider `manual`, {CLIENTS} clients, every order on the disk before its answer. By hand: one function that writes the \
         same rows into the same tables, through `/rest/v1/rpc`, and on PostgreSQL once more by pgbench on {} connections; promised is {:.0} % of it. Each figure is the middle one of {ROUNDS} runs, taken in turn; \
         of others the most of the runs in a line.\n\n\
         | engine | goods | orders /s | p50 ms | p99 ms | CPU µs | by hand /s | p99 ms | of it | pgbench /s | others / stolen |\n|---|---|---|---|---|---|---|---|---|---|---|",
        crate::on_postgres::CONNECTIONS,
        100.0 * PROMISED,
    );
    for orders in measured {
        let pgbench = orders
            .pgbench
            .map_or(String::new(), |rate| format!("{rate:.0}"));
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} | {:.0} % | {pgbench} | {} |",
            orders.engine,
            orders.goods.name(),
            orders.ours.rate,
            millis(orders.ours.p50),
            millis(orders.ours.p99),
            orders.ours.cpu,
            orders.by_hand.rate,
            millis(orders.by_hand.p99),
            orders.share(),
            orders.disturbance.text(),
        );
    }
}
