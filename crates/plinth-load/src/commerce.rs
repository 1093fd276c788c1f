//! Orders a second, with payment by hand, beside the same statements by hand on the same database: one product that everybody wants, and
//! a thousand.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::generator::{Pace, Plan, run};
use crate::process::Usage;
use crate::results::{Figure, millis};
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
        for round in 0..ROUNDS {
            let round = u64::try_from(round)?;
            ours.push(load(shop, Road::Commerce, goods, round, time)?);
            by_hand.push(load(shop, Road::ByHand, goods, round, time)?);
            if let Some(postgres) = postgres {
                let connections = crate::on_postgres::CONNECTIONS;
                let script = shop::script(goods);
                pgbench.push(postgres.pgbench("postgres", &script, connections, time)?);
            }
        }
        pgbench.sort_by(f64::total_cmp);
        let orders = Orders {
            engine,
            goods,
            ours: middle(ours),
            by_hand: middle(by_hand),
            pgbench: pgbench.get(ROUNDS / 2).copied(),
        };
        say(&orders.line());
        measured.push(orders);
    }
    Ok(())
}

/// Keeps all clients busy; any answer that is not good is an error.
fn load(shop: &Shop, road: Road, goods: Goods, round: u64, time: Duration) -> Result<Figure> {
    let plan = Plan {
        target: shop.address,
        clients: CLIENTS,
        pace: Pace::Closed,
        warm_up: WARM_UP,
        time,
    };
    let before = Usage::now(shop.process())?;
    let tally = run(&plan, shop.requests(road, goods, round))?;
    let used = Usage::now(shop.process())?.since(before);
    ensure!(
        tally.other == 0 && tally.broken == 0 && tally.refused.is_empty() && !tally.good.is_empty(),
        "{road:?}, {goods:?}: {} answers were not good, {} were refused, {} connections broke; the first: {}",
        tally.other,
        tally.refused.len(),
        tally.broken,
        tally.first_other.as_deref().unwrap_or("none")
    );
    Ok(Figure::of(&tally, used, WARM_UP + time))
}

/// The one in the middle, by rate.
fn middle(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    figures[figures.len() / 2]
}

impl Orders {
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
         same rows into the same tables, through `/rest/v1/rpc`, and on PostgreSQL once more by pgbench on {} connections; promised is {:.0} % of it. Medians of three, taken in turn.\n\n\
         | engine | goods | orders /s | p50 ms | p99 ms | CPU µs | by hand /s | p99 ms | of it | pgbench /s |\n|---|---|---|---|---|---|---|---|---|---|",
        crate::on_postgres::CONNECTIONS,
        100.0 * PROMISED,
    );
    for orders in measured {
        let pgbench = orders
            .pgbench
            .map_or(String::new(), |rate| format!("{rate:.0}"));
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} | {:.1} | {:.0} % | {pgbench} |",
            orders.engine,
            orders.goods.name(),
            orders.ours.rate,
            millis(orders.ours.p50),
            millis(orders.ours.p99),
            orders.ours.cpu,
            orders.by_hand.rate,
            millis(orders.by_hand.p99),
            orders.share(),
        );
    }
}
