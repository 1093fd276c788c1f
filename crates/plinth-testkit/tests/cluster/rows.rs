//! What is there in the end: every number that was acknowledged, once.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use plinth_testkit::http::Request;

use crate::cluster::Cluster;
use crate::stage::DATABASE;
use crate::writers::{WRITERS, Writers};

/// Rows in one answer; the server gives no more.
const PAGE: usize = 1000;

/// How rows differ from what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Acknowledged, and not there.
    pub(crate) lost: u64,
    /// There more than once.
    pub(crate) doubled: u64,
}

/// Reads the table itself, on the primary: all rows there ever were.
pub(crate) fn in_the_table(cluster: &Cluster, writers: &Writers) -> Result<Difference> {
    let count =
        "select worker, count(*), count(distinct number), max(number) from orders group by worker";
    let counted = cluster.psql(cluster.primary()?, DATABASE, count)?;
    let mut found = [(0, 0); WRITERS];
    for line in counted.lines() {
        let numbers = line.split('|').map(str::parse::<u64>);
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let &[writer, rows, different, last] = numbers.as_slice() else {
            bail!("psql printed {line}");
        };
        let writer = usize::try_from(writer)?;
        let next = *writers.next.get(writer).context("a row of nobody")?;
        ensure!(
            last < next,
            "number {last} of writer {writer} is there, and was never acknowledged"
        );
        found[writer] = (rows, different);
    }
    let mut difference = Difference::default();
    for (next, (rows, different)) in writers.next.iter().zip(found) {
        difference.lost += next - different;
        difference.doubled += rows - different;
    }
    Ok(difference)
}

/// Who misses which numbers in the table.
pub(crate) fn lost(cluster: &Cluster, writers: &Writers) -> Result<Vec<(usize, Vec<u64>)>> {
    let primary = cluster.primary()?;
    let missing = |(writer, next): (usize, &u64)| {
        let sql = format!(
            "select number from generate_series(0, {next}::bigint - 1) number
             except select number from orders where worker = {writer} order by 1"
        );
        let printed = cluster.psql(primary, DATABASE, &sql)?;
        let numbers = printed.lines().map(str::parse).collect::<Result<_, _>>()?;
        Ok((writer, numbers))
    };
    writers.next.iter().enumerate().map(missing).collect()
}

/// Reads through a node, page by page, what was written since these numbers.
pub(crate) fn through(
    node: SocketAddr,
    writers: &Writers,
    since: &[u64; WRITERS],
) -> Result<Difference> {
    let mut difference = Difference::default();
    for (writer, (&first, &next)) in since.iter().zip(&writers.next).enumerate() {
        let mut expected = first;
        loop {
            let numbers = page(node, &writers.key, writer, expected)?;
            for &number in &numbers {
                match number.checked_sub(expected) {
                    Some(missing) => {
                        difference.lost += missing;
                        expected = number + 1;
                    }
                    None => difference.doubled += 1,
                }
            }
            if numbers.len() < PAGE {
                break;
            }
        }
        ensure!(
            expected <= next,
            "number {} of writer {writer} is there, and was never acknowledged",
            expected - 1
        );
        difference.lost += next - expected;
    }
    Ok(difference)
}

/// A writer's numbers from this one on, in order.
fn page(node: SocketAddr, key: &str, writer: usize, from: u64) -> Result<Vec<u64>> {
    let target = format!(
        "/rest/v1/orders?select=number&worker=eq.{writer}&number=gte.{from}&order=number&limit={PAGE}"
    );
    let answer = Request::get(&target)
        .header("apikey", key)
        .try_send(node)
        .with_context(|| format!("no answer to GET {target}"))?;
    ensure!(
        answer.status == 200,
        "GET {target}: {} {}",
        answer.status,
        answer.text()
    );
    let rows = answer.json();
    let rows = rows.as_array().context("rows are an array")?;
    rows.iter()
        .map(|row| row["number"].as_u64().context("a row has its number"))
        .collect()
}
