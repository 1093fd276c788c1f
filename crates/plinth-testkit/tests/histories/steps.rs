//! What may happen in a shop, made by chance.

use plinth_testkit::random::Random;
use plinth_testkit::stripe::Card;

/// Something that somebody does, or that happens. Orders are counted from the latest back; where there is none, nothing happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
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
    /// What is due is worked at for so long, and cut off wherever it is then.
    Work { micros: u64 },
}

/// So many steps.
pub(crate) fn day(random: &mut Random, count: u64) -> Vec<Step> {
    (0..count).map(|_| step(random)).collect()
}

fn step(random: &mut Random) -> Step {
    // Mostly the latest.
    let far = 1 + random.below(4);
    let order = usize::try_from(random.below(far)).unwrap();
    match random.below(40) {
        0..=9 => Step::Order {
            product: 1 + random.below(5),
            quantity: random.between(1, 12),
            by_hand: random.chance(40),
            code: random.chance(20).then(|| random.pick(&["TENTH", "FIVE"])),
        },
        10 | 11 => Step::Repeat,
        12..=17 => Step::Pay {
            order,
            card: card(random),
        },
        18..=20 => Step::Tell {
            order,
            kind: random.pick(&[
                "payment_intent.succeeded",
                "payment_intent.payment_failed",
                "payment_intent.canceled",
                "charge.refunded",
                "refund.updated",
            ]),
        },
        21 => Step::Forge { order },
        22..=24 => Step::Cancel {
            order,
            is_staff: random.chance(50),
        },
        25 | 26 => Step::Again { order },
        27..=29 => Step::ByHand { order },
        30 | 31 => Step::Fulfil { order },
        32..=34 => Step::Refund {
            order,
            amount: random.chance(60).then(|| random.between(1, 3_000)),
            restock: random.chance(30),
        },
        35 => Step::Expire { order },
        _ => Step::Work {
            micros: random.below(12_000),
        },
    }
}

fn card(random: &mut Random) -> Card {
    match random.below(10) {
        0..=6 => Card::Good,
        7 | 8 => Card::Declined,
        _ => Card::AsksFirst,
    }
}
