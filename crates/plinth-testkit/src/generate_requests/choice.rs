//! Choosing: what [`Random`] does not do by itself.

use crate::random::Random;

/// A place in a list of so many, which must not be empty.
pub(super) fn place(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.below(count as u64)).unwrap_or(0)
}

/// One of these, which must not be none.
pub(super) fn one<'a, T>(random: &mut Random, choices: &'a [T]) -> &'a T {
    &choices[place(random, choices.len())]
}

/// A number of things, from `first` to `last`, both included.
pub(super) fn count(random: &mut Random, first: usize, last: usize) -> usize {
    first + place(random, last - first + 1)
}

/// One of these, each as likely as its weight is great. Not all weights may be 0.
pub(super) fn weighted<T: Clone>(random: &mut Random, choices: &[(u64, T)]) -> T {
    let mut left = random.below(choices.iter().map(|(weight, _)| weight).sum());
    for (weight, choice) in choices {
        if left < *weight {
            return choice.clone();
        }
        left -= weight;
    }
    choices[0].1.clone()
}

/// The text so many times out of a hundred, else nothing.
pub(super) fn maybe(random: &mut Random, percent: u64, text: &'static str) -> &'static str {
    if random.chance(percent) { text } else { "" }
}
