//! The three copies of the table, examples, and histories at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

use super::books::{Balance, CUSTOMER_CREDIT, REVENUE, TAX_PAYABLE, clearing};
use super::*;

const STATES: [State; 6] = [
    State::Pending,
    State::Paid,
    State::Fulfilled,
    State::Cancelled,
    State::Expired,
    State::Refunded,
];

const EVENTS: [Event; 13] = [
    Event::Pay,
    Event::ActionRequired,
    Event::PaymentFailed,
    Event::Capture,
    Event::LateCapture,
    Event::Cancel,
    Event::Expire,
    Event::Fulfil,
    Event::AskRefund,
    Event::Refund,
    Event::RefundInFull,
    Event::RefundFailed,
    Event::RefundReturned,
];

const PROVIDER: &str = "stripe";

#[test]
fn the_document_has_the_table() {
    let document = include_str!("../../../../docs/orders.md");
    let (_, part) = document.split_once("\n## The table\n").unwrap();
    let (part, _) = part.split_once("\n## ").unwrap();
    let lines: Vec<&str> = part
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    let rows: Vec<String> = TABLE.iter().copied().map(document_line).collect();
    assert_eq!(lines, rows);
}

#[test]
fn the_document_explains_every_event() {
    let document = include_str!("../../../../docs/orders.md");
    let (_, part) = document.split_once("\n## Events\n").unwrap();
    let (part, _) = part.split_once("\n## ").unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| "));
    let explained: BTreeSet<&str> = rows
        .filter_map(|row| row.split_once(" |"))
        .flat_map(|(names, _)| names.split(", "))
        .collect();
    // Besides these, orders are placed and disputed.
    let besides = [
        "event",
        "place",
        "dispute_created",
        "dispute_funds_withdrawn",
        "dispute_funds_reinstated",
        "dispute_closed",
    ];
    let known = EVENTS.map(Event::as_str).into_iter().chain(besides);
    let known: BTreeSet<&str> = known.collect();
    assert_eq!(explained, known);
}

fn document_line(row: Transition) -> String {
    let books = match row.books {
        Books::None => "–",
        Books::Sale => "sale",
        Books::Credit => "credit",
        Books::Reversal => "reversal",
        Books::Return => "return",
    };
    let stock = match row.stock {
        Stock::None => "–",
        stock => stock.as_str(),
    };
    let Transition {
        state, event, to, ..
    } = row;
    format!("| {state} | {event} | {to} | {stock} | {books} |")
}

#[test]
fn the_database_has_the_table() {
    let migration = include_str!("../../migrations/0003_orders.sql");
    let (_, rows) = migration
        .split_once("insert into commerce.transitions (state, event, to_state) values")
        .unwrap();
    let (rows, _) = rows.split_once(';').unwrap();
    let rows: Vec<String> = rows
        .lines()
        .map(|line| line.trim().trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let ours: Vec<String> = TABLE
        .iter()
        .map(|row| format!("('{}', '{}', '{}')", row.state, row.event, row.to))
        .collect();
    assert_eq!(rows, ours);
}

#[test]
fn a_state_and_an_event_lead_to_one_state() {
    let pairs: BTreeSet<(&str, &str)> = TABLE
        .iter()
        .map(|row| (row.state.as_str(), row.event.as_str()))
        .collect();
    assert_eq!(pairs.len(), TABLE.len());
}

#[test]
fn words_are_read_as_they_are_written() {
    for state in STATES {
        assert_eq!(state.as_str().parse::<State>(), Ok(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    for event in EVENTS {
        assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
    }
    let unknown: Result<State, UnknownState> = "Paid".parse();
    assert_eq!(unknown, Err(UnknownState("Paid".to_owned())));
}

/// An order, its goods, and all that has been booked for it.
#[derive(Clone, Debug)]
struct World {
    state: State,
    amounts: Amounts,
    books: BTreeMap<String, i64>,
    /// Whether its goods are held.
    holds: bool,
}

impl World {
    fn new(total: i64, tax: i64) -> World {
        World {
            state: State::Pending,
            amounts: Amounts {
                total,
                tax,
                ..Amounts::default()
            },
            books: BTreeMap::new(),
            holds: true,
        }
    }

    fn take(&mut self, event: Event, moved: i64) -> Result<Step, Illegal> {
        self.take_with(event, moved, false)
    }

    /// Takes a step and sees to it that all is well after it.
    fn take_with(&mut self, event: Event, moved: i64, restock: bool) -> Result<Step, Illegal> {
        let amounts = Amounts {
            moved,
            ..self.amounts
        };
        let step = step(self.state, event, PROVIDER, amounts, restock)?;
        assert_eq!(step.from, self.state);
        self.state = step.to;
        self.amounts = Amounts {
            captured: step.captured,
            refunded: step.refunded,
            refunding: step.refunding,
            owed: step.owed,
            moved: 0,
            ..amounts
        };
        self.book(&step);
        self.move_goods(&step);
        self.check();
        Ok(step)
    }

    fn book(&mut self, step: &Step) {
        let sum: i128 = step.postings.iter().map(|one| i128::from(one.amount)).sum();
        assert_eq!(sum, 0, "{step:?}");
        assert_ne!(step.postings.len(), 1);
        for posting in &step.postings {
            assert_ne!(posting.amount, 0, "{step:?}");
            *self.books.entry(posting.account.clone()).or_default() += posting.amount;
        }
    }

    fn move_goods(&mut self, step: &Step) {
        match step.stock {
            Stock::None => {}
            Stock::Release | Stock::Consume => {
                assert!(self.holds, "{step:?}");
                self.holds = false;
            }
            Stock::Restock => assert_eq!(step.from, State::Fulfilled),
        }
    }

    fn check(&self) {
        let Amounts {
            total,
            captured,
            refunded,
            refunding,
            owed,
            ..
        } = self.amounts;
        assert!(refunded >= 0 && refunding >= 0 && owed >= 0, "{self:?}");
        assert!(refunded <= captured, "{self:?}");
        assert!(refunding <= captured - refunded, "{self:?}");
        assert!(owed <= captured - refunded, "{self:?}");
        assert_eq!(
            self.holds,
            matches!(self.state, State::Pending | State::Paid)
        );
        // The books say what the order says.
        let Balance {
            held,
            revenue,
            tax,
            owed: credit,
        } = self.amounts.balance(self.state);
        assert_eq!(self.booked(&clearing(PROVIDER)), held, "{self:?}");
        assert_eq!(self.booked(REVENUE), -revenue, "{self:?}");
        assert_eq!(self.booked(TAX_PAYABLE), -tax, "{self:?}");
        assert_eq!(self.booked(CUSTOMER_CREDIT), -credit, "{self:?}");
        assert!(held >= 0 && revenue >= 0 && tax >= 0 && credit >= 0);
        assert_eq!(held, captured - refunded);
        assert_eq!(credit, owed);
        assert!(revenue + tax <= total);
        match self.state {
            State::Pending => assert_eq!(captured, 0),
            State::Paid | State::Fulfilled => {}
            // Never both called off and paid.
            State::Cancelled | State::Expired | State::Refunded => {
                assert_eq!((revenue, tax), (0, 0), "{self:?}");
            }
        }
    }

    fn booked(&self, account: &str) -> i64 {
        self.books.get(account).copied().unwrap_or_default()
    }

    /// Gives everything back.
    fn drain(&mut self) {
        let left = self.amounts.left();
        if left > 0 {
            self.take(Event::AskRefund, left).unwrap();
        }
        let all = self.amounts.refunding;
        if all > 0 {
            self.take(Event::Refund, all).unwrap();
        }
        assert_eq!(self.amounts.refunded, self.amounts.captured);
        assert!(self.books.values().all(|amount| *amount == 0), "{self:?}");
    }
}

fn paid(total: i64, tax: i64) -> World {
    let mut world = World::new(total, tax);
    world.take(Event::Capture, total).unwrap();
    world
}

#[test]
fn an_order_is_paid_sent_and_refunded() {
    let mut world = paid(11_900, 1_900);
    assert_eq!(world.booked(REVENUE), -10_000);
    assert_eq!(world.booked(TAX_PAYABLE), -1_900);
    world.take(Event::Fulfil, 0).unwrap();
    world.take_with(Event::AskRefund, 11_900, true).unwrap();
    let step = world.take_with(Event::Refund, 11_900, true).unwrap();
    assert_eq!(
        (step.event, step.to, step.stock),
        (Event::RefundInFull, State::Refunded, Stock::Restock)
    );
    world.drain();
}

#[test]
fn the_example_of_the_document() {
    let mut world = paid(11_900, 1_900);
    world.take(Event::AskRefund, 5_000).unwrap();
    let step = world.take(Event::Refund, 5_000).unwrap();
    let amount = |account: &str, step: &Step| {
        let posting = step.postings.iter().find(|one| one.account == account);
        posting.map_or(0, |posting| posting.amount)
    };
    assert_eq!(step.to, State::Paid);
    assert_eq!(amount(REVENUE, &step), 4_202);
    assert_eq!(amount(TAX_PAYABLE, &step), 798);
    let step = world.take(Event::Cancel, 0).unwrap();
    assert_eq!(amount(REVENUE, &step), 5_798);
    assert_eq!(amount(TAX_PAYABLE, &step), 1_102);
    assert_eq!((step.refund_due, step.stock), (6_900, Stock::Release));
    let step = world.take(Event::Refund, 6_900).unwrap();
    assert_eq!(step.to, State::Cancelled);
    world.drain();
}

#[test]
fn money_that_comes_too_late_goes_back() {
    for end in [Event::Cancel, Event::Expire] {
        let mut world = World::new(500, 80);
        world.take(end, 0).unwrap();
        let step = world.take(Event::Capture, 500).unwrap();
        assert_eq!(
            (step.event, step.refund_due, step.owed),
            (Event::LateCapture, 500, 500)
        );
        assert_eq!(world.booked(REVENUE), 0);
        world.take(Event::Refund, 500).unwrap();
        world.drain();
    }
}

#[test]
fn an_order_that_is_paid_twice_gives_one_of_them_back() {
    let mut world = paid(500, 80);
    let step = world.take(Event::Capture, 500).unwrap();
    assert_eq!((step.to, step.refund_due), (State::Paid, 500));
    let step = world.take(Event::Refund, 500).unwrap();
    assert_eq!((step.event, step.to), (Event::Refund, State::Paid));
    assert_eq!(world.booked(REVENUE), -420);
    world.take(Event::Fulfil, 0).unwrap();
}

#[test]
fn goods_do_not_go_out_when_the_money_goes_back() {
    let mut world = paid(500, 80);
    world.take(Event::AskRefund, 500).unwrap();
    assert_eq!(world.take(Event::Fulfil, 0), Err(Illegal::BeingRefunded));
    world.take(Event::RefundFailed, 500).unwrap();
    world.take(Event::Fulfil, 0).unwrap();
}

#[test]
fn no_more_is_refunded_than_has_come() {
    let mut world = paid(500, 80);
    world.take(Event::AskRefund, 300).unwrap();
    let too_much = Illegal::TooMuch {
        moved: 201,
        left: 200,
    };
    assert_eq!(world.take(Event::AskRefund, 201), Err(too_much));
    let not_asked = Illegal::NotAsked {
        moved: 301,
        refunding: 300,
    };
    assert_eq!(world.take(Event::Refund, 301), Err(not_asked));
    for moved in [0, -1, i64::MIN] {
        let event = Event::AskRefund;
        let error = Illegal::Amount { event, moved };
        assert_eq!(world.take(event, moved), Err(error));
    }
    let in_part = Illegal::RestockInPart { left: 200 };
    let asked = world.take_with(Event::AskRefund, 100, true);
    assert_eq!(asked, Err(in_part));
}

#[test]
fn a_refund_that_comes_back_may_be_made_again() {
    let mut world = paid(500, 80);
    world.take(Event::AskRefund, 500).unwrap();
    world.take(Event::Refund, 500).unwrap();
    let step = world.take(Event::RefundReturned, 500).unwrap();
    assert_eq!((step.to, step.owed), (State::Refunded, 500));
    world.drain();
}

#[test]
fn an_order_that_costs_nothing_moves_nothing() {
    let mut world = World::new(0, 0);
    let step = world.take(Event::Capture, 0).unwrap();
    assert_eq!((step.to, step.postings.len()), (State::Paid, 0));
    let mut other = world.clone();
    world.take(Event::Fulfil, 0).unwrap();
    let step = other.take(Event::Cancel, 0).unwrap();
    assert_eq!((step.refund_due, step.postings.len()), (0, 0));
}

#[test]
fn another_amount_than_the_total_is_no_capture() {
    let mut world = World::new(500, 80);
    let (event, moved) = (Event::Capture, 499);
    assert_eq!(
        world.take(event, moved),
        Err(Illegal::Amount { event, moved })
    );
}

#[test]
fn sums_that_cannot_be_are_refused() {
    let good = paid(500, 80).amounts;
    let refused = |amounts: Amounts| step(State::Paid, Event::Pay, PROVIDER, amounts, false);
    let event = Event::Pay;
    let state = State::Paid;
    assert_eq!(refused(good), Err(Illegal::Never { state, event }));
    for bad in [
        Amounts { tax: 501, ..good },
        Amounts { total: -1, ..good },
        Amounts {
            refunded: 501,
            ..good
        },
        Amounts {
            refunding: 501,
            ..good
        },
        Amounts { owed: 1, ..good },
        Amounts {
            captured: i64::MIN,
            ..good
        },
    ] {
        assert_eq!(refused(bad), Err(Illegal::Sums), "{bad:?}");
    }
    let mut full = paid(i64::MAX, 0);
    assert_eq!(full.take(Event::Capture, 1), Err(Illegal::Overflow));
}

/// The same cases every time, so that a failure is everybody's.
fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_240_229),
        failure_persistence: None,
        ..Config::default()
    }
}

/// (total, tax)
fn any_price() -> impl Strategy<Value = (i64, i64)> {
    let total = prop_oneof![0..5_i64, 0..100_000_i64, Just(i64::MAX / 4)];
    total.prop_flat_map(|total| (Just(total), 0..=total))
}

/// What a message says it moves.
#[derive(Clone, Copy, Debug)]
enum Moves {
    Total,
    Left,
    Refunding,
    Something(i64),
}

fn any_moves() -> impl Strategy<Value = Moves> {
    prop_oneof![
        3 => Just(Moves::Total),
        2 => Just(Moves::Left),
        3 => Just(Moves::Refunding),
        3 => (1..2_000_i64).prop_map(Moves::Something),
        1 => any::<i64>().prop_map(Moves::Something),
    ]
}

fn any_history() -> impl Strategy<Value = Vec<(Event, Moves, bool)>> {
    let event = prop::sample::select(EVENTS.to_vec());
    prop::collection::vec((event, any_moves(), any::<bool>()), 0..60)
}

proptest! {
    #![proptest_config(config(10_000))]

    /// Whatever comes, in whatever order, what [`World::check`] says holds after each step; in the end all of it can go back.
    #[test]
    fn no_history_breaks_the_books(
        (total, tax) in any_price(),
        is_paid in any::<bool>(),
        history in any_history(),
    ) {
        let mut world = if is_paid { paid(total, tax) } else { World::new(total, tax) };
        for (event, moves, restock) in history {
            let moved = match moves {
                Moves::Total => total,
                Moves::Left => world.amounts.left(),
                Moves::Refunding => world.amounts.refunding,
                Moves::Something(moved) => moved,
            };
            let before = world.clone();
            if world.take_with(event, moved, restock).is_err() {
                prop_assert_eq!(before.amounts, world.amounts);
            }
        }
        world.drain();
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn refunds_in_any_pieces_give_back_exactly_what_came(
        (total, tax) in any_price(),
        pieces in prop::collection::vec(1..30_000_i64, 0..40),
    ) {
        let mut world = paid(total, tax);
        for piece in pieces {
            let moved = piece.min(world.amounts.left());
            if moved == 0 {
                break;
            }
            world.take(Event::AskRefund, moved).unwrap();
            let step = world.take(Event::Refund, moved).unwrap();
            // Each on its own side, and no more of it than was moved.
            for posting in &step.postings {
                let is_outside = posting.account == clearing(PROVIDER);
                prop_assert_eq!(posting.amount < 0, is_outside);
                prop_assert!(posting.amount <= moved);
            }
        }
        world.drain();
    }

    #[test]
    fn the_order_of_messages_changes_no_books(
        (total, tax) in any_price(),
        part in 1..100_000_i64,
    ) {
        prop_assume!(total > 1);
        let part = part.min(total - 1);
        let mut one = paid(total, tax);
        one.take(Event::AskRefund, part).unwrap();
        let mut other = one.clone();
        one.take(Event::Refund, part).unwrap();
        one.take(Event::Capture, total).unwrap();
        other.take(Event::Capture, total).unwrap();
        other.take(Event::Refund, part).unwrap();
        prop_assert_eq!(one.amounts, other.amounts);
        let books = |world: &World| -> Vec<(String, i64)> {
            let filled = world.books.iter().filter(|(_, amount)| **amount != 0);
            filled.map(|(account, amount)| (account.clone(), *amount)).collect()
        };
        prop_assert_eq!(books(&one), books(&other));
    }

    #[test]
    fn no_amounts_panic(
        sums in prop::array::uniform7(any::<i64>()),
        state in prop::sample::select(STATES.to_vec()),
        event in prop::sample::select(EVENTS.to_vec()),
        restock in any::<bool>(),
    ) {
        let [total, tax, captured, refunded, refunding, owed, moved] = sums;
        let amounts = Amounts { total, tax, captured, refunded, refunding, owed, moved };
        let _ = step(state, event, PROVIDER, amounts, restock);
    }
}
