//! What becomes of a message on its way, by chance that can be repeated.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::random::Random;

/// Of a hundred refunds, how many are not done at once; and how long they take at least, at the longest.
const SLOW_REFUNDS: u64 = 30;
const SLOW_MS: u64 = 100;

/// How much goes wrong, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// Of a hundred requests to the provider, how many do not simply pass.
    pub requests: u64,
    /// The same of the provider's webhooks.
    pub webhooks: u64,
    /// How many milliseconds a message may be late, so that others overtake it.
    pub late_ms: u64,
    /// How many milliseconds pass before a connection is closed on which nobody answers.
    pub silent_ms: u64,
}

impl Chaos {
    /// Every message arrives once and at once.
    pub const NONE: Chaos = Chaos {
        requests: 0,
        webhooks: 0,
        late_ms: 0,
        silent_ms: 0,
    };
    /// The worst day of a network and of a provider.
    pub const WORST: Chaos = Chaos {
        requests: 45,
        webhooks: 70,
        late_ms: 700,
        silent_ms: 2_000,
    };
    /// The same in a hurry.
    pub const WORST_IN_SHORT: Chaos = Chaos {
        late_ms: 4,
        silent_ms: 10,
        ..Chaos::WORST
    };
}

/// What becomes of a request to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    /// It does not arrive, and the connection breaks.
    Lost,
    /// It arrives after others that were sent later.
    Late(Duration),
    /// It is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// It is carried out, and the answer comes after others.
    AnswerLate(Duration),
    /// It is carried out, and nobody says so until the connection is closed.
    Silent(Duration),
    /// It is carried out twice; the second answer arrives.
    Twice,
    /// The provider answers without looking at it.
    Refused(Refusal),
}

/// What a provider says that has troubles of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 500.
    Broken,
    /// 429.
    Busy,
    /// 200 with something that is no JSON.
    Nonsense,
    /// 200 with an object that has nothing in it.
    Empty,
}

/// Chance, and what it has done so far.
#[derive(Debug)]
pub(super) struct Dice(Mutex<State>);

#[derive(Debug)]
struct State {
    chaos: Chaos,
    /// Whether no answer arrives at all.
    are_answers_lost: bool,
    random: Random,
    tally: BTreeMap<&'static str, u64>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(Mutex::new(State {
            chaos: Chaos::NONE,
            are_answers_lost: false,
            random: Random::new(seed),
            tally: BTreeMap::new(),
        }))
    }

    pub(super) fn set(&self, chaos: Chaos) {
        self.state().chaos = chaos;
    }

    pub(super) fn lose_answers(&self, all: bool) {
        self.state().are_answers_lost = all;
    }

    /// How often what has happened.
    pub(super) fn tally(&self) -> BTreeMap<&'static str, u64> {
        self.state().tally.clone()
    }

    pub(super) fn of_request(&self) -> Fate {
        let mut state = self.state();
        let chaos = state.chaos;
        let fate = match state.are_answers_lost {
            true => Fate::AnswerLost,
            false => Fate::of_request(chaos, &mut state.random),
        };
        state.count(fate.name());
        fate
    }

    /// After what times a webhook is delivered: never, once or twice.
    pub(super) fn of_webhook(&self) -> Vec<Duration> {
        let mut state = self.state();
        let chaos = state.chaos;
        let deliveries = deliveries(chaos, &mut state.random);
        state.count(match deliveries.len() {
            0 => "webhook lost",
            1 if deliveries[0].is_zero() => "webhook passed",
            1 => "webhook late",
            _ => "webhook twice",
        });
        deliveries
    }

    /// How long a refund stays under way; most are done at once.
    pub(super) fn of_refund(&self) -> Option<Duration> {
        let mut state = self.state();
        let longest = SLOW_MS + 2 * state.chaos.late_ms;
        let slow = state.chaos != Chaos::NONE && state.random.chance(SLOW_REFUNDS);
        let time = slow.then(|| Duration::from_millis(state.random.below(longest)));
        if time.is_some() {
            state.count("refund under way");
        }
        time
    }

    /// Whether a signature carries one of an older secret beside it.
    pub(super) fn of_signature(&self) -> bool {
        let mut state = self.state();
        state.random.chance(50)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}

impl Fate {
    fn of_request(chaos: Chaos, random: &mut Random) -> Fate {
        if !random.chance(chaos.requests) {
            return Fate::Passes;
        }
        let late = Duration::from_millis(random.below(chaos.late_ms.max(1)));
        match random.below(20) {
            0..=2 => Fate::Lost,
            3..=5 => Fate::AnswerLost,
            6 => Fate::Silent(Duration::from_millis(chaos.silent_ms)),
            7..=9 => Fate::Late(late),
            10..=12 => Fate::AnswerLate(late),
            13..=15 => Fate::Twice,
            16 => Fate::Refused(Refusal::Busy),
            17 => Fate::Refused(Refusal::Nonsense),
            18 => Fate::Refused(Refusal::Empty),
            _ => Fate::Refused(Refusal::Broken),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Fate::Passes => "request passed",
            Fate::Lost => "request lost",
            Fate::Late(_) => "request late",
            Fate::AnswerLost => "answer lost",
            Fate::AnswerLate(_) => "answer late",
            Fate::Silent(_) => "no answer",
            Fate::Twice => "request twice",
            Fate::Refused(Refusal::Broken) => "500",
            Fate::Refused(Refusal::Busy) => "429",
            Fate::Refused(Refusal::Nonsense | Refusal::Empty) => "nonsense",
        }
    }
}

fn deliveries(chaos: Chaos, random: &mut Random) -> Vec<Duration> {
    if !random.chance(chaos.webhooks) {
        return vec![Duration::ZERO];
    }
    let times = match random.below(4) {
        0 => 0,
        1 | 2 => 1,
        _ => 2,
    };
    (0..times)
        .map(|_| Duration::from_millis(1 + random.below(2 * chaos.late_ms.max(1))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_day() {
        let day = |seed| {
            let mut random = Random::new(seed);
            (0..100)
                .map(|_| Fate::of_request(Chaos::WORST, &mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(day(1), day(1));
        assert_ne!(day(1), day(2));
    }

    #[test]
    fn without_chaos_everything_passes() {
        let dice = Dice::new(3);
        for _ in 0..100 {
            assert_eq!(dice.of_request(), Fate::Passes);
            assert_eq!(dice.of_webhook(), [Duration::ZERO]);
            assert_eq!(dice.of_refund(), None);
        }
    }

    #[test]
    fn answers_are_lost_as_long_as_it_is_wanted() {
        let dice = Dice::new(3);
        dice.lose_answers(true);
        assert_eq!(dice.of_request(), Fate::AnswerLost);
        dice.lose_answers(false);
        assert_eq!(dice.of_request(), Fate::Passes);
    }

    #[test]
    fn everything_happens_on_the_worst_day() {
        let dice = Dice::new(4);
        dice.set(Chaos::WORST);
        for _ in 0..1_000 {
            dice.of_request();
            dice.of_webhook();
            dice.of_refund();
        }
        assert_eq!(dice.tally().len(), 15, "{:?}", dice.tally());
    }
}
