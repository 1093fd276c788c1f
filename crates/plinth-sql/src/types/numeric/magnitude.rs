//! Natural numbers of any size in base 10^9, least significant limb first: the digits under [`Numeric`](super::Numeric).
//!
//! A decimal base makes text in and out and shifts by powers of ten cheap; those are what a database does most.

use std::cmp::Ordering;

const BASE: u64 = 1_000_000_000;
const LIMB_DIGITS: usize = 9;

/// A natural number. No leading zero limbs, so zero is the empty vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Magnitude(Vec<u32>);

#[expect(
    clippy::cast_possible_truncation,
    reason = "limbs are reduced modulo the base before they are cut"
)]
impl Magnitude {
    pub(super) fn from_u128(mut value: u128) -> Magnitude {
        let mut limbs = Vec::new();
        while value > 0 {
            limbs.push((value % u128::from(BASE)) as u32);
            value /= u128::from(BASE);
        }
        Magnitude(limbs)
    }

    /// From ASCII digits, most significant first; other bytes must not occur.
    pub(super) fn from_digits(digits: &[u8]) -> Magnitude {
        let limb = |chunk: &[u8]| {
            chunk
                .iter()
                .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        };
        Magnitude(digits.rchunks(LIMB_DIGITS).map(limb).collect()).trimmed()
    }

    /// Appends the ASCII digits, most significant first, padded with zeros to at least `width`.
    pub(super) fn write_digits(&self, width: usize, out: &mut Vec<u8>) {
        let count = self.digit_count();
        out.resize(out.len() + width.saturating_sub(count), b'0');
        let end = out.len() + count;
        out.resize(end, b'0');
        let mut at = end;
        let start = end - count;
        for limb in &self.0 {
            let mut limb = *limb;
            for _ in 0..LIMB_DIGITS {
                if at == start {
                    break;
                }
                at -= 1;
                out[at] = b'0' + (limb % 10) as u8;
                limb /= 10;
            }
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_odd(&self) -> bool {
        self.0.first().is_some_and(|limb| limb % 2 == 1)
    }

    /// How many decimal digits; 0 for zero.
    pub(super) fn digit_count(&self) -> usize {
        match self.0.last() {
            None => 0,
            Some(top) => (self.0.len() - 1) * LIMB_DIGITS + top.ilog10() as usize + 1,
        }
    }

    /// The leading `count` digits as a number (fewer if there are fewer).
    pub(super) fn leading(&self, count: usize) -> u64 {
        self.shr10(self.digit_count().saturating_sub(count))
            .0
            .iter()
            .rev()
            .fold(0, |sum, limb| sum * BASE + u64::from(*limb))
    }

    /// How many zeros it ends in; 0 for zero.
    pub(super) fn trailing_zeros(&self) -> usize {
        let Some(limb) = self.0.iter().position(|limb| *limb != 0) else {
            return 0;
        };
        let mut value = self.0[limb];
        let mut zeros = limb * LIMB_DIGITS;
        while value.is_multiple_of(10) {
            value /= 10;
            zeros += 1;
        }
        zeros
    }

    /// Exact when it fits.
    pub(super) fn to_u128(&self) -> Option<u128> {
        self.0.iter().rev().try_fold(0u128, |sum, limb| {
            sum.checked_mul(u128::from(BASE))?
                .checked_add(u128::from(*limb))
        })
    }

    pub(super) fn add(&self, other: &Magnitude) -> Magnitude {
        let (long, short) = if self.0.len() >= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut out = Vec::with_capacity(long.0.len() + 1);
        let mut carry = 0u64;
        for (i, limb) in long.0.iter().enumerate() {
            let sum = u64::from(*limb) + u64::from(short.0.get(i).copied().unwrap_or(0)) + carry;
            out.push((sum % BASE) as u32);
            carry = sum / BASE;
        }
        if carry > 0 {
            out.push(carry as u32);
        }
        Magnitude(out)
    }

    /// `self - other`, which must not be larger.
    pub(super) fn sub(&self, other: &Magnitude) -> Magnitude {
        let mut out = Vec::with_capacity(self.0.len());
        let mut borrow = 0u64;
        for (i, limb) in self.0.iter().enumerate() {
            let take = u64::from(other.0.get(i).copied().unwrap_or(0)) + borrow;
            let limb = u64::from(*limb);
            borrow = u64::from(limb < take);
            out.push((limb + borrow * BASE - take) as u32);
        }
        Magnitude(out).trimmed()
    }

    pub(super) fn mul(&self, other: &Magnitude) -> Magnitude {
        let mut out = vec![0u32; self.0.len() + other.0.len()];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (j, b) in other.0.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(out[i + j]) + carry;
                out[i + j] = (sum % BASE) as u32;
                carry = sum / BASE;
            }
            out[i + other.0.len()] = carry as u32;
        }
        Magnitude(out).trimmed()
    }

    /// `self * 10^count`.
    pub(super) fn shl10(&self, count: usize) -> Magnitude {
        if self.is_zero() || count == 0 {
            return self.clone();
        }
        let mut out = vec![0; count / LIMB_DIGITS];
        out.extend_from_slice(&self.mul_small(10u32.pow((count % LIMB_DIGITS) as u32)).0);
        Magnitude(out)
    }

    /// `self / 10^count`, cut.
    pub(super) fn shr10(&self, count: usize) -> Magnitude {
        let limbs = count / LIMB_DIGITS;
        if limbs >= self.0.len() {
            return Magnitude::default();
        }
        let rest = count % LIMB_DIGITS;
        let kept = Magnitude(self.0[limbs..].to_vec());
        if rest == 0 {
            kept
        } else {
            kept.div_small(10u32.pow(rest as u32)).0
        }
    }

    /// `self / 10^count`, halves rounded up.
    pub(super) fn shr10_half_up(&self, count: usize) -> Magnitude {
        if count == 0 {
            return self.clone();
        }
        let with_one_more = self.shr10(count - 1);
        let (quotient, last) = with_one_more.div_small(10);
        if last >= 5 {
            quotient.add(&Magnitude(vec![1]))
        } else {
            quotient
        }
    }

    /// Quotient and remainder; the divisor must not be zero.
    pub(super) fn div_rem(&self, divisor: &Magnitude) -> (Magnitude, Magnitude) {
        match divisor.0.as_slice() {
            [] => (Magnitude::default(), Magnitude::default()),
            [small] => {
                let (quotient, rest) = self.div_small(*small);
                (quotient, Magnitude::from_u128(u128::from(rest)))
            }
            _ if (*self).cmp(divisor) == Ordering::Less => (Magnitude::default(), self.clone()),
            _ => self.div_long(divisor),
        }
    }

    /// The whole part of the square root.
    pub(super) fn isqrt(&self) -> Magnitude {
        if self.is_zero() {
            return Magnitude::default();
        }
        // Newton from above: the first guess is no smaller than the root, so the sequence falls until it is there.
        let mut guess = Magnitude(vec![1]).shl10(self.digit_count().div_ceil(2));
        loop {
            let next = guess.add(&self.div_rem(&guess).0).div_small(2).0;
            if next.cmp(&guess) != Ordering::Less {
                return guess;
            }
            guess = next;
        }
    }

    fn mul_small(&self, factor: u32) -> Magnitude {
        let mut carry = 0u64;
        let mut out = Vec::with_capacity(self.0.len() + 1);
        for limb in &self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            out.push((product % BASE) as u32);
            carry = product / BASE;
        }
        if carry > 0 {
            out.push(carry as u32);
        }
        Magnitude(out).trimmed()
    }

    fn div_small(&self, divisor: u32) -> (Magnitude, u32) {
        let mut rest = 0u64;
        let mut out = vec![0; self.0.len()];
        for (i, limb) in self.0.iter().enumerate().rev() {
            let value = rest * BASE + u64::from(*limb);
            out[i] = (value / u64::from(divisor)) as u32;
            rest = value % u64::from(divisor);
        }
        (Magnitude(out).trimmed(), rest as u32)
    }

    /// Schoolbook long division (Knuth, volume 2, algorithm D) for divisors of two limbs and more.
    fn div_long(&self, divisor: &Magnitude) -> (Magnitude, Magnitude) {
        let size = divisor.0.len();
        // With a leading limb of at least half the base, each guessed limb is at most two too large.
        let scale = (BASE / (u64::from(divisor.0[size - 1]) + 1)) as u32;
        let v = divisor.mul_small(scale).0;
        let mut u = self.mul_small(scale).0;
        u.resize(self.0.len() + 1, 0);
        let (v1, v2) = (u64::from(v[size - 1]), u64::from(v[size - 2]));
        let mut quotient = vec![0; u.len() - size];
        for j in (0..quotient.len()).rev() {
            let top = u64::from(u[j + size]) * BASE + u64::from(u[j + size - 1]);
            let (mut guess, mut rest) = (top / v1, top % v1);
            while guess >= BASE || guess * v2 > rest * BASE + u64::from(u[j + size - 2]) {
                guess -= 1;
                rest += v1;
                if rest >= BASE {
                    break;
                }
            }
            if subtract_product(&mut u[j..=j + size], &v, guess) {
                guess -= 1;
                add_back(&mut u[j..=j + size], &v);
            }
            quotient[j] = guess as u32;
        }
        u.truncate(size);
        (
            Magnitude(quotient).trimmed(),
            Magnitude(u).trimmed().div_small(scale).0,
        )
    }

    fn trimmed(mut self) -> Magnitude {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
}

/// `u -= v * factor`; true when that went below zero.
#[expect(clippy::cast_possible_truncation, reason = "reduced modulo the base")]
fn subtract_product(u: &mut [u32], v: &[u32], factor: u64) -> bool {
    let mut carry = 0u64;
    let mut borrow = 0u64;
    for (i, limb) in u.iter_mut().enumerate() {
        let product = v.get(i).map_or(0, |v| u64::from(*v) * factor) + carry;
        carry = product / BASE;
        let take = product % BASE + borrow;
        let have = u64::from(*limb);
        borrow = u64::from(have < take);
        *limb = (have + borrow * BASE - take) as u32;
    }
    borrow > 0
}

fn add_back(u: &mut [u32], v: &[u32]) {
    let mut carry = 0u64;
    for (i, limb) in u.iter_mut().enumerate() {
        let sum = u64::from(*limb) + v.get(i).copied().map_or(0, u64::from) + carry;
        *limb = (sum % BASE) as u32;
        carry = sum / BASE;
    }
}

impl PartialOrd for Magnitude {
    fn partial_cmp(&self, other: &Magnitude) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Magnitude {
    fn cmp(&self, other: &Magnitude) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}
