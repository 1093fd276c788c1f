//! Aggregates of numbers and intervals: `sum`, `avg`, variance and standard deviation.
//!
//! All work as window functions: what a row added can be taken away again.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use plinth_sql::SqlError;
use plinth_sql::types::float;
use plinth_sql::types::interval::Interval;
use plinth_sql::types::numeric::Numeric;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::ValueRef;

use super::call::{Args, Out, PURE};
use super::raise;

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    add(connection, "sum_n", |state: &Sum| Ok(state.total()?.into()))?;
    add(connection, "avg_n", |state: &Sum| {
        Ok(state
            .total()?
            .map(|total| total.div(&Numeric::from(state.count)))
            .transpose()?
            .into())
    })?;
    add(connection, "sum_iv", |state: &IntervalSum| {
        Ok((state.count > 0).then_some(state.total).into())
    })?;
    add(connection, "avg_iv", |state: &IntervalSum| {
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let divisor = state.count as f64;
        if state.count == 0 {
            Ok(Out::Null)
        } else {
            Ok(state.total.div(divisor)?.into())
        }
    })?;
    add(connection, "var_samp_n", |state: &Squares| {
        Ok(state.variance(true)?.into())
    })?;
    add(connection, "var_pop_n", |state: &Squares| {
        Ok(state.variance(false)?.into())
    })?;
    add(connection, "stddev_samp_n", |state: &Squares| {
        Ok(state.deviation(true)?.into())
    })?;
    add(connection, "stddev_pop_n", |state: &Squares| {
        Ok(state.deviation(false)?.into())
    })?;
    add(connection, "var_samp_f", |state: &Floats| {
        Ok(state.variance(1.0).into())
    })?;
    add(connection, "var_pop_f", |state: &Floats| {
        Ok(state.variance(0.0).into())
    })?;
    add(connection, "stddev_samp_f", |state: &Floats| {
        Ok(state.variance(1.0).map(f64::sqrt).into())
    })?;
    add(connection, "stddev_pop_f", |state: &Floats| {
        Ok(state.variance(0.0).map(f64::sqrt).into())
    })
}

fn add<S: Running>(
    connection: &Connection,
    name: &str,
    result: fn(&S) -> Result<Out, SqlError>,
) -> rusqlite::Result<()> {
    connection.create_window_function(
        name,
        1,
        PURE,
        Statistic {
            result,
            state: PhantomData,
        },
    )
}

/// What rows add up to.
trait Running: Default + Send + UnwindSafe + RefUnwindSafe + 'static {
    /// Takes a value in (`sign` 1) or out (-1). It is not NULL.
    fn change(&mut self, args: &Args<'_>, sign: i64) -> Result<(), SqlError>;
}

struct Statistic<S> {
    result: fn(&S) -> Result<Out, SqlError>,
    state: PhantomData<S>,
}

impl<S: Running> Statistic<S> {
    fn change(context: &Context<'_>, state: &mut S, sign: i64) -> rusqlite::Result<()> {
        let args = Args::of(context);
        if args.is_null(0) {
            Ok(())
        } else {
            state.change(&args, sign).map_err(raise)
        }
    }
}

impl<S: Running> Aggregate<S, Out> for Statistic<S> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<S> {
        Ok(S::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut S) -> rusqlite::Result<()> {
        Self::change(context, state, 1)
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<S>) -> rusqlite::Result<Out> {
        state
            .map_or(Ok(Out::Null), |state| (self.result)(&state))
            .map_err(raise)
    }
}

impl<S: Running> WindowAggregate<S, Out> for Statistic<S> {
    fn value(&self, state: Option<&mut S>) -> rusqlite::Result<Out> {
        state
            .map_or(Ok(Out::Null), |state| (self.result)(state))
            .map_err(raise)
    }

    fn inverse(&self, context: &mut Context<'_>, state: &mut S) -> rusqlite::Result<()> {
        Self::change(context, state, -1)
    }
}

/// A sum of numerics. Short ones are added as integers, apart for each scale, so that most rows allocate nothing and a scale
/// goes away with its last row.
#[derive(Default)]
struct Sum {
    count: i64,
    /// By scale: rows, and their sum without the point.
    short: BTreeMap<u32, (i64, i128)>,
    /// By scale: rows, and their sum.
    long: BTreeMap<u32, (i64, Numeric)>,
    /// Rows that are not-a-number, infinity, minus infinity.
    special: [i64; 3],
}

impl Running for Sum {
    fn change(&mut self, args: &Args<'_>, sign: i64) -> Result<(), SqlError> {
        self.count += sign;
        let short = match args.value(0) {
            ValueRef::Integer(value) => Some((i128::from(value), 0)),
            _ => short_numeric(args.text(0)?),
        };
        if let Some((value, scale)) = short {
            let (rows, sum) = self.short.entry(scale).or_default();
            *rows += sign;
            *sum += value * i128::from(sign);
            return Ok(());
        }
        let value = args.numeric(0)?;
        if !value.is_finite() {
            let place = if value.is_nan() {
                0
            } else {
                1 + usize::from(value.is_negative())
            };
            self.special[place] += sign;
            return Ok(());
        }
        let (rows, sum) = self
            .long
            .entry(value.scale())
            .or_insert_with(|| (0, Numeric::zero()));
        *rows += sign;
        *sum = if sign > 0 {
            sum.add(&value)?
        } else {
            sum.sub(&value)?
        };
        Ok(())
    }
}

impl Sum {
    fn total(&self) -> Result<Option<Numeric>, SqlError> {
        if self.count == 0 {
            return Ok(None);
        }
        match self.special {
            [0, 0, 0] => {}
            [0, _, 0] => return Ok(Some(Numeric::infinity(false))),
            [0, 0, _] => return Ok(Some(Numeric::infinity(true))),
            _ => return Ok(Some(Numeric::nan())),
        }
        let mut total = Numeric::zero();
        for (scale, (rows, sum)) in &self.short {
            if *rows > 0 {
                total = total.add(&Numeric::from_scaled(*sum, *scale))?;
            }
        }
        for (rows, sum) in self.long.values() {
            if *rows > 0 {
                total = total.add(sum)?;
            }
        }
        Ok(Some(total))
    }
}

/// Digits that a short numeric has at most: 10^20 of them fit into 128 bits.
const SHORT_DIGITS: usize = 18;

fn short_numeric(text: &str) -> Option<(i128, u32)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.len() > SHORT_DIGITS + 1 {
        return None;
    }
    let mut value = 0i64;
    let mut scale = None;
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                scale = scale.map(|scale: u32| scale + 1);
            }
            b'.' if scale.is_none() => scale = Some(0),
            _ => return None,
        }
    }
    Some((
        i128::from(if negative { -value } else { value }),
        scale.unwrap_or(0),
    ))
}

/// Sums of values and of their squares.
#[derive(Default)]
struct Squares {
    sum: Sum,
    squares: Option<Numeric>,
}

impl Running for Squares {
    fn change(&mut self, args: &Args<'_>, sign: i64) -> Result<(), SqlError> {
        self.sum.change(args, sign)?;
        let value = args.numeric(0)?;
        if !value.is_finite() {
            return Ok(());
        }
        let square = value.mul(&value)?;
        let squares = self.squares.take().unwrap_or_else(Numeric::zero);
        self.squares = Some(if sign > 0 {
            squares.add(&square)?
        } else {
            squares.sub(&square)?
        });
        Ok(())
    }
}

impl Squares {
    fn variance(&self, sample: bool) -> Result<Option<Numeric>, SqlError> {
        let count = self.sum.count;
        let Some(sum) = self.sum.total()?.filter(|_| count > i64::from(sample)) else {
            return Ok(None);
        };
        if !sum.is_finite() {
            return Ok(Some(Numeric::nan()));
        }
        let squares = self.squares.clone().unwrap_or_else(Numeric::zero);
        let rows = Numeric::from(count);
        let difference = rows.mul(&squares)?.sub(&sum.mul(&sum)?)?;
        if difference.is_zero() || difference.is_negative() {
            return Ok(Some(Numeric::zero()));
        }
        let divisor = rows.mul(&Numeric::from(count - i64::from(sample)))?;
        difference.div(&divisor).map(Some)
    }

    fn deviation(&self, sample: bool) -> Result<Option<Numeric>, SqlError> {
        let Some(variance) = self.variance(sample)? else {
            return Ok(None);
        };
        Ok(Some(variance.sqrt()?.round(i64::from(variance.scale()))))
    }
}

#[derive(Default)]
struct IntervalSum {
    count: i64,
    total: Interval,
}

impl Running for IntervalSum {
    fn change(&mut self, args: &Args<'_>, sign: i64) -> Result<(), SqlError> {
        let value = args.interval(0)?;
        self.total = if sign > 0 {
            self.total.add(&value)?
        } else {
            self.total.sub(&value)?
        };
        self.count += sign;
        Ok(())
    }
}

/// Youngs and Cramer's running sums, as Postgres keeps them.
#[derive(Default)]
struct Floats {
    count: f64,
    sum: f64,
    /// The sum of squared distances from the mean.
    spread: f64,
}

impl Running for Floats {
    fn change(&mut self, args: &Args<'_>, sign: i64) -> Result<(), SqlError> {
        let value = args.real(0)?;
        if sign > 0 {
            let before = self.count;
            self.count += 1.0;
            let sum = self.sum + value;
            if before > 0.0 {
                let distance = value * self.count - sum;
                let spread = self.spread + distance * distance / (self.count * before);
                self.spread = float::checked(spread, self.sum.is_finite() && value.is_finite())?;
            }
            self.sum = float::checked(sum, self.sum.is_finite() && value.is_finite())?;
            return Ok(());
        }
        let after = self.count - 1.0;
        if after < 1.0 {
            *self = Floats::default();
            return Ok(());
        }
        let distance = value * self.count - self.sum;
        self.spread = (self.spread - distance * distance / (self.count * after)).max(0.0);
        self.sum -= value;
        self.count = after;
        Ok(())
    }
}

impl Floats {
    /// The variance with `count - less` as divisor; none when that is not positive.
    fn variance(&self, less: f64) -> Option<f64> {
        let divisor = self.count - less;
        (divisor > 0.0).then(|| self.spread / divisor)
    }
}
