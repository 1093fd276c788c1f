//! `kill -9` in the middle of orders, while the provider of payments loses, delays, doubles and reorders what is said: every order that
//! was acknowledged is there once, money moved once, stock and books are right at every stop, and in the end the provider and
//! the books say the same. Beside it: what the commands say that compare, a request that is repeated while it waits, and a shop of an
//! earlier version.

mod customer;
mod findings;
mod place;
mod turns;
mod upgrade;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plinth_testkit::postgres;
use plinth_testkit::random::Random;
use plinth_testkit::shop;
use plinth_testkit::stripe::{self, Chaos};

use customer::Customer;
use place::Place;

/// Kills on the embedded engine, and on PostgreSQL; fewer where time is short.
const ROUNDS: u64 = 20;
const ROUNDS_IN_SHORT: u64 = 8;
const ROUNDS_ON_POSTGRES: u64 = 12;
const ROUNDS_ON_POSTGRES_IN_SHORT: u64 = 4;
const CUSTOMERS: u64 = 6;
/// Long enough for some dozen orders, short enough that starts are hit, too.
const LONGEST_MS: u64 = 1_800;

#[test]
fn orders_and_money_survive_kill_9() {
    let Some(python) = localstripe() else { return };
    let place = Place::folder(&python, 0x0c0f_fee1);
    survive(&place, rounds(ROUNDS, ROUNDS_IN_SHORT), 0x0c0f_fee2);
}

#[test]
fn orders_and_money_survive_kill_9_on_postgres() {
    let Some(python) = localstripe() else { return };
    let Some(bin) = postgres_programs() else {
        return;
    };
    let place = Place::postgres(&python, &bin, 0x0c0f_fee3);
    let rounds = rounds(ROUNDS_ON_POSTGRES, ROUNDS_ON_POSTGRES_IN_SHORT);
    survive(&place, rounds, 0x0c0f_fee4);
}

fn survive(place: &Place, rounds: u64, seed: u64) {
    let mut random = Random::new(seed);
    let mut customers: Vec<Customer> = (0..CUSTOMERS)
        .map(|_| Customer::new(random.bits()))
        .collect();
    let mut killed_within = 0;
    place.stripe.set_chaos(Chaos::WORST);
    for round in 0..rounds {
        let server = place.start();
        let stop = AtomicBool::new(false);
        let pause = Duration::from_millis(random.below(LONGEST_MS));
        thread::scope(|scope| {
            for customer in &mut customers {
                let (address, stop) = (server.address, &stop);
                scope.spawn(move || customer.shop(address, &place.stripe, stop));
            }
            thread::sleep(pause);
            place.kill(server);
            stop.store(true, Ordering::SeqCst);
        });
        killed_within += customers.iter().filter(|one| one.was_killed()).count();
        place.check(&format!("round {round}"), shop::ALWAYS);
        place.let_go();
    }
    let server = place.start();
    thread::scope(|scope| {
        for customer in &mut customers {
            let address = server.address;
            scope.spawn(move || customer.finish(address));
        }
    });
    // Some pay in the very moment in which their orders expire.
    place.expire_orders();
    for customer in &mut customers {
        customer.pay_late(server.address, &place.stripe);
    }
    place.stripe.set_chaos(Chaos::NONE);
    place.settle(&server);
    place.check("in the end", shop::IN_THE_END);
    place.check_orders(&acknowledged(&customers));
    assert!(!server.log().contains("panicked"), "{}", server.log());
    place.kill(server);
    place.check("with nobody serving", shop::ALWAYS);
    proves_something(place, &customers, killed_within, rounds);
}

/// The ids of all orders that were acknowledged; no two of them are one.
fn acknowledged(customers: &[Customer]) -> BTreeSet<String> {
    let ids: Vec<String> = customers.iter().flat_map(Customer::orders).collect();
    let different: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(different.len(), ids.len(), "two requests, one order");
    different
}

fn proves_something(place: &Place, customers: &[Customer], killed_within: usize, rounds: u64) {
    let orders = acknowledged(customers).len();
    let charges = place.stripe.charges();
    let given_back = charges.iter().filter(|charge| charge.refunded > 0).count();
    eprintln!(
        "{orders} orders, {} charges, {given_back} of them given back at least in part, {killed_within} requests under way at a kill; {:?}",
        charges.len(),
        place.stripe.tally()
    );
    let complaints = place.stripe.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let rounds = usize::try_from(rounds).unwrap();
    assert!(orders > 4 * rounds, "that proves little");
    assert!(charges.len() > rounds, "hardly anybody has paid");
    assert!(given_back > 0, "no money was given back");
    assert!(killed_within >= rounds, "hardly any request was under way");
}

fn rounds(all: u64, in_short: u64) -> u64 {
    match std::env::var_os("PLINTH_ALL_ROUNDS") {
        Some(_) => all,
        None => in_short,
    }
}

fn localstripe() -> Option<PathBuf> {
    let found = stripe::find();
    if found.is_none() {
        assert!(!must_be_there(), "localstripe was not found");
        eprintln!("localstripe was not found: orders are not tested.");
    }
    found
}

fn postgres_programs() -> Option<PathBuf> {
    let found = postgres::find();
    if found.is_none() {
        assert!(!must_be_there(), "PostgreSQL was not found");
        eprintln!("PostgreSQL was not found: orders on it are not tested.");
    }
    found
}

fn must_be_there() -> bool {
    std::env::var_os("PLINTH_REQUIRE_SERVICES").is_some()
}
