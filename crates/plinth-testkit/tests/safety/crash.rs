//! `kill -9` at random moments while many write: what was acknowledged is there, nothing is half there, and what a
//! trigger does is there with its cause.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use plinth_db::keys::Keys;
use plinth_testkit::http::Request;
use plinth_testkit::process::run;
use plinth_testkit::random::Random;
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;

use crate::orders::{HALVES, SCHEMA};

const ROUNDS: u64 = 50;
const WRITERS: u64 = 4;
/// Long enough for some hundred writes, short enough that starts, first writes and checkpoints are hit, too.
const LONGEST_MS: u64 = 250;

#[test]
fn acknowledged_writes_survive_kill_9() {
    let folder = TempDir::new("crash").unwrap();
    write_migration(folder.path(), "0001_orders.sql", SCHEMA);
    let mut random = Random::new(0x0b5e_55ed);
    let next = AtomicU64::new(1);
    let acknowledged = Mutex::new(Vec::new());
    let mut killed_within_a_write = 0;
    for round in 0..ROUNDS {
        let server = Process::start("dev", folder.path());
        let stop = AtomicBool::new(false);
        let pause = Duration::from_millis(random.below(LONGEST_MS));
        let unanswered = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (next, acknowledged, stop) = (&next, &acknowledged, &stop);
                    let address = server.address;
                    scope.spawn(move || write(address, writer, next, acknowledged, stop))
                })
                .collect();
            thread::sleep(pause);
            server.kill();
            stop.store(true, Ordering::SeqCst);
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .sum::<u64>()
        });
        killed_within_a_write += unanswered;
        check(folder.path(), round, &acknowledged.lock().unwrap());
    }
    let count = acknowledged.lock().unwrap().len();
    assert!(
        count > 500,
        "only {count} writes in {ROUNDS} rounds prove little"
    );
    assert!(
        killed_within_a_write >= ROUNDS / 2,
        "only {killed_within_a_write} writes were under way when a server was killed"
    );
    eprintln!("{count} writes acknowledged, {killed_within_a_write} under way at a kill");
}

/// Writes until the server is gone; how many requests got no answer.
fn write(
    address: SocketAddr,
    writer: u64,
    next: &AtomicU64,
    acknowledged: &Mutex<Vec<u64>>,
    stop: &AtomicBool,
) -> u64 {
    let key = Keys::local();
    let key = key.service_role_jwt.expose();
    while !stop.load(Ordering::SeqCst) {
        let id = next.fetch_add(1, Ordering::SeqCst);
        let answer = Request::post(
            "/rest/v1/rpc/place_order",
            format!(r#"{{"id":{id},"writer":{writer}}}"#),
        )
        .header("apikey", key)
        .header("authorization", format!("Bearer {key}"))
        .try_send(address);
        match answer {
            Some(answer) if answer.status == 200 => acknowledged.lock().unwrap().push(id),
            Some(answer) => panic!("{}: {}", answer.status, answer.text()),
            None => return 1,
        }
    }
    0
}

/// Looks with the command alone: nobody serves.
fn check(folder: &Path, round: u64, acknowledged: &[u64]) {
    let ask = |sql: &str| {
        let ended = run(folder, &["sql", ".", "--dev", "--format", "csv", "-c", sql]);
        ended.is(0, &[]);
        ended.stdout
    };
    let halves = ask(HALVES);
    assert_eq!(halves.lines().count(), 1, "round {round}: {halves}");
    let orders = ask("select id from orders");
    let orders: std::collections::HashSet<u64> = orders
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !orders.contains(id))
        .collect();
    assert!(lost.is_empty(), "round {round} lost {lost:?}");
    // The check of every page is part of a backup.
    if round % 10 == 9 {
        let file = format!("round-{round}.tar.zst");
        run(folder, &["backup", ".", &file, "--dev"]).is(0, &[]);
    }
}
