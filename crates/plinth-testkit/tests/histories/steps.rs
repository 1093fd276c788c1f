//! What may happen in a shop that two nodes serve, made by chance.

use plinth_testkit::random::Random;
use plinth_testkit::stripe::Card;

/// Of a hundred steps, how many come in the same moment as the one before, where that is at the other node.
const AT_ONCE: u64 = 30;
/// Of a hundred turns of a worker, how many go with one of the other node's.
const BOTH_WORK: u64 = 60;
/// Of a hundred messages of the provider, how many arrive at both nodes at once.
const BOTH_HEAR: u64 = 40;
/// Of a hundred requests, how many are sent to both nodes at once.
const BOTH_ARE_ASKED: u64 = 10;
/// Of a hundred nodes that were cut off, how many have lost what they had in memory. Not all: the next start takes a while.
const DIE: u64 = 30;

/// Something that happens, and where.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The node that is asked or that works: 0 or 1.
    pub(crate) node: usize,
    /// Whether it happens in the same moment as the step before, should that be at the other node.
    pub(crate) at_once: bool,
    pub(crate) act: Act,
}

/// Something that somebody does, or that happens. Orders are counted from the latest back; where there is none, nothing happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A customer orders, or staff for one who pays by hand.
    Order {
        product: u64,
        quantity: i64,
        by_hand: bool,
        code: Option<&'static str>,
    },
    /// The last request comes once more.
    Repeat,
    /// A customer pays.
    Pay { order: usize, card: Card },
    /// The provider says what it is about; also when nothing has happened.
    Tell { order: usize, kind: &'static str },
    /// The provider's last message comes once more.
    Resend,
    /// Somebody says it in the provider's name.
    Forge { order: usize },
    /// A customer, or staff, calls it off.
    Cancel { order: usize, is_staff: bool },
    /// A customer wants to try again to pay.
    Again { order: usize },
    /// Staff say that the money has come.
    ByHand { order: usize },
    /// The goods go out.
    Fulfil { order: usize },
    /// Some of the money goes back, or all that is left.
    Refund {
        order: usize,
        amount: Option<i64>,
        restock: bool,
    },
    /// Its time to be paid is over.
    Expire { order: usize },
    /// A customer orders and calls it off while of all that the provider is asked no answer arrives, and then somebody pays what it has made.
    Unseen { product: u64, quantity: i64 },
    /// After a while the node works at what is due, for so long, and is cut off wherever it is then; when it dies, it starts anew.
    Work {
        wait_micros: u64,
        micros: u64,
        dies: bool,
    },
}

/// So many steps, and what goes with them at the other node.
pub(crate) fn day(random: &mut Random, count: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..count {
        let step = Step {
            node: usize::try_from(random.below(2)).unwrap(),
            at_once: random.chance(AT_ONCE),
            act: act(random),
        };
        let companion = companion(random, &step);
        steps.push(step);
        steps.extend(companion);
    }
    steps
}

/// Steps by the moment in which they happen: one, or one at each node.
///
/// Steps say so themselves, so what is left of a history that is made shorter is a history, too.
pub(crate) fn moments(steps: &[Step]) -> Vec<&[Step]> {
    let mut moments = Vec::new();
    let mut rest = steps;
    while let [first, later @ ..] = rest {
        let next = later.first();
        let are_two = next.is_some_and(|next| next.at_once && next.node != first.node);
        let (moment, others) = rest.split_at(1 + usize::from(are_two));
        moments.push(moment);
        rest = others;
    }
    moments
}

fn act(random: &mut Random) -> Act {
    // Mostly the latest.
    let far = 1 + random.below(4);
    let order = usize::try_from(random.below(far)).unwrap();
    match random.below(43) {
        0..=9 => Act::Order {
            product: 1 + random.below(5),
            quantity: random.between(1, 12),
            by_hand: random.chance(40),
            code: random.chance(20).then(|| random.pick(&["TENTH", "FIVE"])),
        },
        10 | 11 => Act::Repeat,
        12..=17 => Act::Pay {
            order,
            card: card(random),
        },
        18..=20 => Act::Tell {
            order,
            kind: random.pick(&[
                "payment_intent.succeeded",
                "payment_intent.payment_failed",
                "payment_intent.canceled",
                "charge.refunded",
                "refund.updated",
            ]),
        },
        21 => Act::Forge { order },
        22..=24 => Act::Cancel {
            order,
            is_staff: random.chance(50),
        },
        25 | 26 => Act::Again { order },
        27..=29 => Act::ByHand { order },
        30 | 31 => Act::Fulfil { order },
        32..=34 => Act::Refund {
            order,
            amount: random.chance(60).then(|| random.between(1, 3_000)),
            restock: random.chance(30),
        },
        35 => Act::Expire { order },
        36 => Act::Resend,
        37 => Act::Unseen {
            product: 1 + random.below(5),
            quantity: random.between(1, 12),
        },
        _ => work(random, 0),
    }
}

/// What often happens at the other node in the same moment, and seldom would by chance alone.
fn companion(random: &mut Random, step: &Step) -> Option<Step> {
    let act = match step.act {
        // It begins later, and in the middle of what the first one has at hand.
        Act::Work { .. } if random.chance(BOTH_WORK) => {
            let wait_micros = random.below(6_000);
            work(random, wait_micros)
        }
        Act::Tell { .. } if random.chance(BOTH_HEAR) => Act::Resend,
        Act::Order { .. } | Act::Cancel { .. } | Act::Refund { .. }
            if random.chance(BOTH_ARE_ASKED) =>
        {
            Act::Repeat
        }
        _ => return None,
    };
    Some(Step {
        node: 1 - step.node,
        at_once: true,
        act,
    })
}

fn work(random: &mut Random, wait_micros: u64) -> Act {
    Act::Work {
        wait_micros,
        micros: random.below(12_000),
        dies: random.chance(DIE),
    }
}

fn card(random: &mut Random) -> Card {
    match random.below(10) {
        0..=6 => Card::Good,
        7 | 8 => Card::Declined,
        _ => Card::AsksFirst,
    }
}
