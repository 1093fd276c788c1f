//! What an order may do: one table of states and events, and what each step does to money, stock and books.
//!
//! Pure. [`step`] decides, the model stores what it decided in one statement, and nothing else ever changes an order's
//! state or sums. The table stands three times, and a test compares: [`TABLE`], docs/orders.md, and the rows of
//! `commerce.transitions` (`migrations/0003_orders.sql`), by which the database refuses what is not in it.
//!
//! An order has four sums, columns of its row with these rules as checks, and every step says their new values:
//!
//! - `captured` and `refunded`: all money that has come, and all that has gone back.
//! - `refunding`: refunds that are written down and neither made nor failed. Always `refunded + refunding <= captured`.
//! - `owed`: money that is here and has not been earned, because it came too late, came twice, or its order was called off. Always
//!   `owed <= captured - refunded`.
//!
//! The books are a function of the state and these sums (`books`), and a step posts the difference between before and after. So
//! whatever order messages come in, the same sums end in the same books, and all refunds together give back exactly what came in,
//! tax included.

mod books;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub(crate) use books::Posting;

use books::Books;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Placed; its goods are held and its money has not come.
    Pending,
    /// All of its money has come.
    Paid,
    /// Its goods have gone out.
    Fulfilled,
    /// Called off, before its money came or after.
    Cancelled,
    /// Its money did not come in time.
    Expired,
    /// All that it had earned has gone back.
    Refunded,
}

/// What happens to an order.
///
/// Callers say [`Event::Capture`] and [`Event::Refund`] for all money in and out; [`step`] finds out whether that is a late
/// capture or a refund in full, and [`Step::event`] has what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// A further attempt to pay begins.
    Pay,
    /// The provider wants something of the customer before it pays.
    ActionRequired,
    /// An attempt to pay has failed; another may follow.
    PaymentFailed,
    /// The money has come; `moved` is the total.
    Capture,
    /// Money has come that the order does not want, or not any more. It is to be given back at once.
    LateCapture,
    /// The customer or the shop calls it off.
    Cancel,
    /// Its time to be paid is over.
    Expire,
    /// The goods go out.
    Fulfil,
    /// A refund of `moved` is written down, before the provider hears of it.
    AskRefund,
    /// A refund of `moved` has been made.
    Refund,
    /// The same, and now nothing is left of what the order had earned.
    RefundInFull,
    /// A refund of `moved` that had been asked for will not be made.
    RefundFailed,
    /// A refund that had been made has come back, since the customer's bank did not take it.
    RefundReturned,
}

/// What a step does to the goods of an order's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stock {
    /// Nothing.
    None,
    /// What was held is free again.
    Release,
    /// What was held has left the house.
    Consume,
    /// What had left is back. In [`TABLE`]: when the refund asks for it.
    Restock,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    /// From here.
    pub(crate) state: State,
    /// By this.
    pub(crate) event: Event,
    /// To here.
    pub(crate) to: State,
    /// With these goods.
    pub(crate) stock: Stock,
    /// With this kind of entry in the books.
    pub(crate) books: Books,
}

/// The money of an order before a step, in minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// What the customer owes for the order, tax included.
    pub(crate) total: i64,
    /// The tax in it.
    pub(crate) tax: i64,
    /// All money that has come.
    pub(crate) captured: i64,
    /// All money that has gone back.
    pub(crate) refunded: i64,
    /// Of what is here: what is on its way back. A refund that this event is about is in it, once it has been asked for.
    pub(crate) refunding: i64,
    /// Of what is here: what was never, or is no longer, earned.
    pub(crate) owed: i64,
    /// The money of this event: of this capture, or this refund. Other events do not look at it.
    pub(crate) moved: i64,
}

/// A step that is legal, and all that it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What happened; see [`Event`] for how it may differ from what was said.
    pub(crate) event: Event,
    /// The state it was decided in.
    pub(crate) from: State,
    /// The state it leads to.
    pub(crate) to: State,
    /// What it does to goods.
    pub(crate) stock: Stock,
    /// The entry in the books, in the order's currency; none when no money changes its place. Sums to zero.
    pub(crate) postings: Vec<Posting>,
    /// New sum of the order.
    pub(crate) captured: i64,
    /// New sum of the order.
    pub(crate) refunded: i64,
    /// New sum of the order. `refund_due` is in it.
    pub(crate) refunding: i64,
    /// New sum of the order.
    pub(crate) owed: i64,
    /// What must be given back because of this step: when it is not zero, the change that stores the step brings new
    /// refunds of this amount with it.
    pub(crate) refund_due: i64,
}

/// Why there is no such step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Illegal {
    /// Not in [`TABLE`].
    #[error("an order that is {state} knows no event {event}")]
    Never {
        /// Where it stands.
        state: State,
        /// What was to happen.
        event: Event,
    },
    /// Zero, negative, or not the total.
    #[error("{moved} is no amount for the event {event}")]
    Amount {
        /// What was to happen.
        event: Event,
        /// By how much.
        moved: i64,
    },
    /// More than has come in, or than is not on its way back already.
    #[error("{moved} cannot be refunded: {left} is all that can")]
    TooMuch {
        /// What was asked for.
        moved: i64,
        /// What may be.
        left: i64,
    },
    /// Not one that was asked for: [`Event::AskRefund`] comes first, also for what somebody did at the provider's own site.
    #[error("a refund of {moved} is not under way: refunds of {refunding} are")]
    NotAsked {
        /// What the refund moves.
        moved: i64,
        /// What is under way.
        refunding: i64,
    },
    /// The goods stay here.
    #[error("all of its money is on its way back to the customer")]
    BeingRefunded,
    /// A part of the money says nothing of which goods come back.
    #[error("goods come back only with a refund of all that is left: {left}")]
    RestockInPart {
        /// What may be refunded.
        left: i64,
    },
    /// Larger than an amount can be.
    #[error("the order's sums would be larger than an amount can be")]
    Overflow,
    /// Sums that no sequence of steps leads to.
    #[error("the order's sums contradict each other")]
    Sums,
}

/// Takes the step that `event` is in this `state`, or says why there is none.
///
/// `provider` is the one that the money of this event went through. `restock` is what the refund that this event is about
/// says; other events do not look at it.
pub(crate) fn step(
    state: State,
    event: Event,
    provider: &str,
    amounts: Amounts,
    restock: bool,
) -> Result<Step, Illegal> {
    amounts.check(state)?;
    let event = what_it_is(state, event, amounts);
    let row = TABLE
        .iter()
        .find(|row| row.state == state && row.event == event)
        .ok_or(Illegal::Never { state, event })?;
    permit(event, amounts, restock)?;
    let refund_due = match event {
        Event::Cancel => amounts.left(),
        Event::LateCapture => amounts.moved,
        _ => 0,
    };
    let after = sums_after(event, amounts)?;
    let (was, is) = (amounts.balance(state), after.balance(row.to));
    Ok(Step {
        event,
        from: state,
        to: row.to,
        stock: match row.stock {
            Stock::Restock if !restock => Stock::None,
            stock => stock,
        },
        postings: match row.books {
            Books::None => Vec::new(),
            Books::Sale | Books::Credit | Books::Reversal | Books::Return => {
                books::difference(provider, was, is)
            }
        },
        captured: after.captured,
        refunded: after.refunded,
        refunding: after.refunding + refund_due,
        owed: is.owed,
        refund_due,
    })
}

/// Captures and refunds are told apart here, so that nobody outside has to know what the order thinks of them.
fn what_it_is(state: State, event: Event, amounts: Amounts) -> Event {
    match event {
        Event::Capture if state != State::Pending => Event::LateCapture,
        Event::Refund | Event::RefundInFull => {
            let was_sold = matches!(state, State::Paid | State::Fulfilled) && amounts.total > 0;
            match was_sold && amounts.moved == amounts.held() {
                true => Event::RefundInFull,
                false => Event::Refund,
            }
        }
        event => event,
    }
}

/// What an event demands of the amounts.
fn permit(event: Event, amounts: Amounts, restock: bool) -> Result<(), Illegal> {
    let moved = amounts.moved;
    let amount = Illegal::Amount { event, moved };
    let left = amounts.left();
    match event {
        Event::Pay | Event::ActionRequired | Event::PaymentFailed => Ok(()),
        Event::Cancel | Event::Expire => Ok(()),
        Event::Capture if moved != amounts.total => Err(amount),
        Event::Capture => Ok(()),
        Event::Fulfil if amounts.total > 0 && left == 0 => Err(Illegal::BeingRefunded),
        Event::Fulfil => Ok(()),
        // From here on, all are about some money.
        _ if moved <= 0 => Err(amount),
        Event::LateCapture => Ok(()),
        Event::AskRefund if moved > left => Err(Illegal::TooMuch { moved, left }),
        Event::AskRefund if restock && moved < left => Err(Illegal::RestockInPart { left }),
        Event::AskRefund => Ok(()),
        Event::Refund | Event::RefundInFull | Event::RefundFailed if moved > amounts.refunding => {
            let refunding = amounts.refunding;
            Err(Illegal::NotAsked { moved, refunding })
        }
        Event::Refund | Event::RefundInFull | Event::RefundFailed => Ok(()),
        Event::RefundReturned if moved > amounts.refunded => {
            let left = amounts.refunded;
            Err(Illegal::TooMuch { moved, left })
        }
        Event::RefundReturned => Ok(()),
    }
}

/// What has come, has gone back and is on its way back, when the event has happened. [`permit`] and [`Amounts::check`] have seen
/// to it that only what comes can be too much.
fn sums_after(event: Event, amounts: Amounts) -> Result<Amounts, Illegal> {
    let mut after = amounts;
    match event {
        Event::Capture | Event::LateCapture => {
            let captured = amounts.captured.checked_add(amounts.moved);
            after.captured = captured.ok_or(Illegal::Overflow)?;
        }
        Event::AskRefund => after.refunding += amounts.moved,
        Event::RefundFailed => after.refunding -= amounts.moved,
        Event::Refund | Event::RefundInFull => {
            after.refunding -= amounts.moved;
            after.refunded += amounts.moved;
        }
        Event::RefundReturned => after.refunded -= amounts.moved,
        Event::Pay | Event::ActionRequired | Event::PaymentFailed => {}
        Event::Cancel | Event::Expire | Event::Fulfil => {}
    }
    Ok(after)
}

impl Amounts {
    /// What is here.
    pub(crate) fn held(self) -> i64 {
        self.captured - self.refunded
    }

    /// What may still be asked back.
    pub(crate) fn left(self) -> i64 {
        self.held() - self.refunding
    }

    /// Sums that steps lead to, and no others: what follows may then count on them.
    fn check(self, state: State) -> Result<(), Illegal> {
        let Amounts {
            total,
            tax,
            captured,
            refunded,
            refunding,
            owed,
            moved: _,
        } = self;
        let none_negative = [total, tax, captured, refunded, refunding, owed]
            .iter()
            .all(|amount| *amount >= 0);
        // In this order: what is not negative does not overflow when it is taken off.
        let fits = none_negative
            && tax <= total
            && refunded <= captured
            && refunding <= self.held()
            && owed == self.balance(state).owed;
        match fits && (state != State::Pending || captured == 0) {
            true => Ok(()),
            false => Err(Illegal::Sums),
        }
    }
}

const fn row(state: State, event: Event, to: State, stock: Stock, books: Books) -> Transition {
    Transition {
        state,
        event,
        to,
        stock,
        books,
    }
}

/// Every step there is. What is not here cannot happen.
pub(crate) const TABLE: &[Transition] = {
    use Books::{Credit, Return, Reversal, Sale};
    use Event::{
        ActionRequired, AskRefund, Cancel, Capture, Expire, Fulfil, LateCapture, Pay,
        PaymentFailed, Refund, RefundFailed, RefundInFull, RefundReturned,
    };
    use State::{Cancelled, Expired, Fulfilled, Paid, Pending, Refunded};
    &[
        row(Pending, Pay, Pending, Stock::None, Books::None),
        row(Pending, ActionRequired, Pending, Stock::None, Books::None),
        row(Pending, PaymentFailed, Pending, Stock::None, Books::None),
        row(Pending, Capture, Paid, Stock::None, Sale),
        row(Pending, Cancel, Cancelled, Stock::Release, Books::None),
        row(Pending, Expire, Expired, Stock::Release, Books::None),
        row(Paid, LateCapture, Paid, Stock::None, Credit),
        row(Paid, Fulfil, Fulfilled, Stock::Consume, Books::None),
        row(Paid, Cancel, Cancelled, Stock::Release, Reversal),
        row(Paid, AskRefund, Paid, Stock::None, Books::None),
        row(Paid, Refund, Paid, Stock::None, Return),
        row(Paid, RefundInFull, Refunded, Stock::Release, Return),
        row(Paid, RefundFailed, Paid, Stock::None, Books::None),
        row(Paid, RefundReturned, Paid, Stock::None, Credit),
        row(Fulfilled, LateCapture, Fulfilled, Stock::None, Credit),
        row(Fulfilled, AskRefund, Fulfilled, Stock::None, Books::None),
        row(Fulfilled, Refund, Fulfilled, Stock::Restock, Return),
        row(Fulfilled, RefundInFull, Refunded, Stock::Restock, Return),
        row(Fulfilled, RefundFailed, Fulfilled, Stock::None, Books::None),
        row(Fulfilled, RefundReturned, Fulfilled, Stock::None, Credit),
        row(Cancelled, LateCapture, Cancelled, Stock::None, Credit),
        row(Cancelled, AskRefund, Cancelled, Stock::None, Books::None),
        row(Cancelled, Refund, Cancelled, Stock::None, Return),
        row(Cancelled, RefundFailed, Cancelled, Stock::None, Books::None),
        row(Cancelled, RefundReturned, Cancelled, Stock::None, Credit),
        row(Expired, LateCapture, Expired, Stock::None, Credit),
        row(Expired, AskRefund, Expired, Stock::None, Books::None),
        row(Expired, Refund, Expired, Stock::None, Return),
        row(Expired, RefundFailed, Expired, Stock::None, Books::None),
        row(Expired, RefundReturned, Expired, Stock::None, Credit),
        row(Refunded, LateCapture, Refunded, Stock::None, Credit),
        row(Refunded, AskRefund, Refunded, Stock::None, Books::None),
        row(Refunded, Refund, Refunded, Stock::None, Return),
        row(Refunded, RefundFailed, Refunded, Stock::None, Books::None),
        row(Refunded, RefundReturned, Refunded, Stock::None, Credit),
    ]
};

impl State {
    /// As rows and answers have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Paid => "paid",
            State::Fulfilled => "fulfilled",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
            State::Refunded => "refunded",
        }
    }
}

impl Event {
    /// As rows and answers have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Event::Pay => "pay",
            Event::ActionRequired => "action_required",
            Event::PaymentFailed => "payment_failed",
            Event::Capture => "capture",
            Event::LateCapture => "late_capture",
            Event::Cancel => "cancel",
            Event::Expire => "expire",
            Event::Fulfil => "fulfil",
            Event::AskRefund => "ask_refund",
            Event::Refund => "refund",
            Event::RefundInFull => "refund_in_full",
            Event::RefundFailed => "refund_failed",
            Event::RefundReturned => "refund_returned",
        }
    }
}

impl Stock {
    /// As the functions of the schema read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Stock::None => "none",
            Stock::Release => "release",
            Stock::Consume => "consume",
            Stock::Restock => "restock",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no state of an order")]
pub(crate) struct UnknownState(pub(crate) String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<State, UnknownState> {
        match text {
            "pending" => Ok(State::Pending),
            "paid" => Ok(State::Paid),
            "fulfilled" => Ok(State::Fulfilled),
            "cancelled" => Ok(State::Cancelled),
            "expired" => Ok(State::Expired),
            "refunded" => Ok(State::Refunded),
            _ => Err(UnknownState(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
