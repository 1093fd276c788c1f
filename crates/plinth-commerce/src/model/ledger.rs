//! The books against everything else: each account, order, payment, refund and shelf, in one statement and so in one snapshot.
//! An account may come out right while two orders are wrong, and the other way round, so both are looked at.
//!
//! The database refuses what does not balance, so nothing should ever be found. What is looked for is what a fault of ours, or
//! somebody with the owner's rights, could still have made.

use std::time::Duration;

use plinth_db::{Db, Error, Session};
use serde::Serialize;

/// How long a look through all books may take.
const TIMEOUT: Duration = Duration::from_mins(30);

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule: `account_balance`, `order_captured`, …
    pub rule: String,
    /// What it is about: an account and its currency, the id of an order, a payment, a product.
    pub subject: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Looks through all books. Nothing is changed, and a running server is not in the way.
///
/// # Errors
/// Those of the database.
pub async fn check_ledger(db: &Db) -> Result<Vec<Finding>, Error> {
    let mut session = Session::system();
    session.timeout = TIMEOUT;
    let sql = format!(
        "with sold as ({SOLD}) {} order by 1, 2",
        RULES.join(" union all ")
    );
    let rows = db.query(&session, &sql, Vec::new()).await?;
    let finding = |row: plinth_db::Row<'_>| {
        Ok(Finding {
            rule: row.text("rule")?,
            subject: row.text("subject")?,
            expected: row.text("expected")?,
            found: row.text("found")?,
        })
    };
    rows.iter().map(finding).collect()
}

/// Of each order, how its state and sums divide what is held: earned, and of that tax; what is not earned is the customer's. As
/// `machine::books` has it, found out anew. Numeric, since the product of two amounts may be more than a bigint holds.
const SOLD: &str = "
    select o.id, o.currency, o.held, o.earned,
           case when o.total = 0 then 0::bigint
                else div(2 * o.earned::numeric * o.tax + o.total, 2 * o.total::numeric)::bigint end as tax
      from (select id, currency, total, tax, captured - refunded as held,
                   case when state in ('paid', 'fulfilled') then least(captured - refunded, total) else 0::bigint end as earned
              from commerce.orders) as o";

/// Each gives rule, subject, expected and found, as texts.
const RULES: &[&str] = &[
    "select 'transaction_unbalanced' as rule, p.transaction_id::text as subject, '0 ' || p.currency as expected,
            sum(p.amount)::text || ' ' || p.currency as found
       from commerce.ledger_postings p group by p.transaction_id, p.currency having sum(p.amount) <> 0",
    "select 'transaction_incomplete', t.id::text, t.size::text || ' postings', count(p.position)::text || ' postings'
       from commerce.ledger_transactions t left join commerce.ledger_postings p on p.transaction_id = t.id
       group by t.id, t.size having count(p.position) <> t.size",
    "select 'posting_without_transaction', p.transaction_id::text, 'a transaction', 'none'
       from commerce.ledger_postings p left join commerce.ledger_transactions t on t.id = p.transaction_id where t.id is null",
    "select 'posting_in_other_currency', t.id::text, o.currency, p.currency
       from commerce.ledger_postings p join commerce.ledger_transactions t on t.id = p.transaction_id
       join commerce.orders o on o.id = t.order_id where p.currency <> o.currency",
    // The sums of orders: all that came, all that went back, what belongs to the customer, what was earned.
    "select 'order_captured', o.id::text, coalesce(sum(p.amount), 0)::text, o.captured::text
       from commerce.orders o
       left join commerce.ledger_transactions t on t.order_id = o.id and t.kind in ('capture', 'late_capture')
       left join commerce.ledger_postings p on p.transaction_id = t.id and p.account like 'clearing:%'
       group by o.id, o.captured having coalesce(sum(p.amount), 0) <> o.captured",
    "select 'order_refunded', o.id::text, coalesce(-sum(p.amount), 0)::text, o.refunded::text
       from commerce.orders o
       left join commerce.ledger_transactions t on t.order_id = o.id and t.kind in ('refund', 'refund_in_full', 'refund_returned')
       left join commerce.ledger_postings p on p.transaction_id = t.id and p.account like 'clearing:%'
       group by o.id, o.refunded having coalesce(-sum(p.amount), 0) <> o.refunded",
    "select 'order_owed', o.id::text, coalesce(-sum(p.amount), 0)::text, o.owed::text
       from commerce.orders o left join commerce.ledger_transactions t on t.order_id = o.id
       left join commerce.ledger_postings p on p.transaction_id = t.id and p.account = 'customer_credit'
       group by o.id, o.owed having coalesce(-sum(p.amount), 0) <> o.owed",
    "select 'order_tax', s.id::text, (-s.tax)::text, coalesce(sum(p.amount), 0)::text
       from sold s left join commerce.ledger_transactions t on t.order_id = s.id
       left join commerce.ledger_postings p on p.transaction_id = t.id and p.account = 'tax_payable'
       group by s.id, s.tax having coalesce(sum(p.amount), 0) <> -s.tax",
    "select 'order_refunding', o.id::text, coalesce(sum(r.amount), 0)::text, o.refunding::text
       from commerce.orders o left join commerce.refunds r on r.order_id = o.id and r.state in ('created', 'pending')
       group by o.id, o.refunding having coalesce(sum(r.amount), 0) <> o.refunding",
    "select 'order_total', o.id::text, sum(l.total)::text, o.total::text
       from commerce.orders o join commerce.order_lines l on l.order_id = o.id
       group by o.id, o.total having sum(l.total) <> o.total",
    // Money that moved is booked once, and what is booked has moved.
    "select 'payment_not_booked', p.id::text, 'capture:' || p.id::text, 'no transaction'
       from commerce.payments p left join commerce.ledger_transactions t on t.reference = 'capture:' || p.id::text
       where p.state = 'captured' and p.amount > 0 and t.id is null",
    "select 'payment_not_captured', t.reference, 'captured', coalesce(p.state, 'no payment')
       from commerce.ledger_transactions t
       left join commerce.payments p on p.order_id = t.order_id and t.reference = 'capture:' || p.id::text
       where t.kind in ('capture', 'late_capture') and p.state is distinct from 'captured'",
    "select 'payment_amount', p.id::text, p.amount::text || ' ' || p.currency || ' clearing:' || p.provider,
            b.amount::text || ' ' || b.currency || ' ' || b.account
       from commerce.payments p join commerce.ledger_transactions t on t.reference = 'capture:' || p.id::text
       join commerce.ledger_postings b on b.transaction_id = t.id and b.account like 'clearing:%'
       where b.amount <> p.amount or b.currency <> p.currency or b.account <> 'clearing:' || p.provider",
    "select 'refund_not_booked', r.id::text, 'refund:' || r.id::text, 'no transaction'
       from commerce.refunds r left join commerce.ledger_transactions t on t.reference = 'refund:' || r.id::text
       where r.state = 'succeeded' and t.id is null",
    "select 'refund_not_made', t.reference, 'succeeded', coalesce(r.state, 'no refund')
       from commerce.ledger_transactions t
       left join commerce.refunds r on r.order_id = t.order_id and t.reference = 'refund:' || r.id::text
       where t.kind in ('refund', 'refund_in_full') and r.state is distinct from 'succeeded'
         and not exists (select 1 from commerce.ledger_transactions b where b.reference = 'returned:' || r.id::text)",
    "select 'refund_amount', r.id::text, r.amount::text || ' ' || r.currency, (-b.amount)::text || ' ' || b.currency
       from commerce.refunds r join commerce.ledger_transactions t on t.reference = 'refund:' || r.id::text
       join commerce.ledger_postings b on b.transaction_id = t.id and b.account like 'clearing:%'
       where -b.amount <> r.amount or b.currency <> r.currency",
    // No order is both called off and paid: what came for it is owed or has gone back.
    "select 'ended_order_keeps_money', o.id::text, '0', (o.captured - o.refunded - o.owed)::text
       from commerce.orders o where o.state in ('cancelled', 'expired', 'refunded') and o.captured - o.refunded - o.owed <> 0",
    // Shelves.
    "select 'inventory_reserved', i.product_id::text, coalesce(sum(r.quantity), 0)::text, i.reserved::text
       from commerce.inventory i left join commerce.reservations r on r.product_id = i.product_id and r.state = 'held'
       group by i.product_id, i.reserved having coalesce(sum(r.quantity), 0) <> i.reserved",
    "select 'inventory_below_zero', i.product_id::text, '0 or more', (i.on_hand - i.reserved)::text
       from commerce.inventory i where i.on_hand < i.reserved or i.reserved < 0",
    "select 'reservation_of_ended_order', r.order_id::text, 'none held', r.quantity::text || ' of ' || r.product_id::text
       from commerce.reservations r join commerce.orders o on o.id = r.order_id
       where r.state = 'held' and o.state not in ('pending', 'paid')",
    // Each account by currency. Money at providers is what payments brought and refunds took; the rest is as orders say.
    "select 'account_balance', side.account || ' ' || side.currency, sum(side.said)::text, sum(side.booked)::text
       from (
         select 'clearing:' || p.provider as account, p.currency, p.amount as said, 0::bigint as booked
           from commerce.payments p where p.state = 'captured'
         union all
         select 'clearing:' || p.provider, r.currency, -r.amount, 0::bigint
           from commerce.refunds r join commerce.payments p on p.id = r.payment_id where r.state = 'succeeded'
         union all
         select 'revenue', s.currency, s.tax - s.earned, 0::bigint from sold s
         union all
         select 'tax_payable', s.currency, -s.tax, 0::bigint from sold s
         union all
         select 'customer_credit', s.currency, s.earned - s.held, 0::bigint from sold s
         union all
         select b.account, b.currency, 0::bigint, b.amount from commerce.ledger_postings b
       ) as side
       group by side.account, side.currency having sum(side.said) <> sum(side.booked)",
];
