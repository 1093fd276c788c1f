//! A shop for tests: what it sells, and what must be true of its tables, as queries that must find nothing.

/// What there is to buy: a thing that soon is sold out, two that never are, one that costs next to nothing, one that nobody counts.
pub const CATALOGUE: &str = "
insert into commerce.products (id, name) values
  ('00000000-0000-4000-8000-000000000001', 'Lamp'),
  ('00000000-0000-4000-8000-000000000002', 'Kettle'),
  ('00000000-0000-4000-8000-000000000003', 'Spoon'),
  ('00000000-0000-4000-8000-000000000004', 'Pin'),
  ('00000000-0000-4000-8000-000000000005', 'Advice');
insert into commerce.prices (product_id, currency, amount)
  select id, 'EUR', case name when 'Lamp' then 12345 when 'Kettle' then 1999 when 'Spoon' then 350 when 'Pin' then 51 else 5000 end
  from commerce.products;
insert into commerce.prices (product_id, currency, amount)
  select id, 'JPY', case name when 'Lamp' then 20000 when 'Kettle' then 3300 when 'Spoon' then 570 when 'Pin' then 83 else 8100 end
  from commerce.products;
insert into commerce.inventory (product_id, on_hand)
  select id, case name when 'Lamp' then 60 else 100000 end from commerce.products where name <> 'Advice';
insert into commerce.tax_rates (region, ppm, included, name) values ('DE', 190000, true, 'MwSt.'), ('US', 82500, false, 'Sales tax');
insert into commerce.discounts (code, kind, ppm) values ('TENTH', 'percent', 100000);
insert into commerce.discounts (code, kind, amount, currency, max_uses) values ('FIVE', 'fixed', 500, 'EUR', 9);
create table first_stock (product_id uuid primary key, on_hand bigint not null);
insert into first_stock select product_id, on_hand from commerce.inventory;
";

/// At every moment, whatever was under way when the server was killed.
pub const ALWAYS: &str = "
select 'stock below nothing' as fault, product_id::text as what from commerce.inventory
  where on_hand < 0 or reserved < 0 or reserved > on_hand
union all select 'stock held without a reservation', i.product_id::text from commerce.inventory i
  where i.reserved <> (select coalesce(sum(r.quantity), 0) from commerce.reservations r
    where r.product_id = i.product_id and r.state = 'held')
union all select 'stock that went nowhere', i.product_id::text from commerce.inventory i
  join first_stock f on f.product_id = i.product_id
  where f.on_hand - i.on_hand <> (select coalesce(sum(r.quantity), 0) from commerce.reservations r
    where r.product_id = i.product_id and r.state = 'consumed')
union all select 'books out of balance', p.transaction_id::text from commerce.ledger_postings p
  group by p.transaction_id, p.currency having sum(p.amount) <> 0
union all select 'charged more than it cost', o.id::text from commerce.orders o where o.captured - o.refunded - o.owed > o.total
union all select 'given back more than came', o.id::text from commerce.orders o where o.refunded + o.refunding > o.captured
union all select 'captured without a payment', o.id::text from commerce.orders o
  where o.captured <> (select coalesce(sum(p.amount), 0) from commerce.payments p
    where p.order_id = o.id and p.state = 'captured')
union all select 'given back without a refund', o.id::text from commerce.orders o
  where o.refunded <> (select coalesce(sum(r.amount), 0) from commerce.refunds r
    where r.order_id = o.id and r.state = 'succeeded')
union all select 'called off and kept', o.id::text from commerce.orders o
  where o.state in ('cancelled', 'expired') and o.captured - o.refunded <> o.owed
union all select 'a code used too often', d.code from commerce.discounts d where d.uses > d.max_uses
union all select 'a code that its orders do not count', d.code from commerce.discounts d
  where d.uses <> (select count(*) from commerce.orders o where d.code = any(o.codes)
    and not exists (select 1 from commerce.order_events e
      where e.order_id = o.id and e.from_state = 'pending' and e.to_state in ('cancelled', 'expired')))
union all select 'a step taken twice, or not written down', o.id::text from commerce.orders o
  where o.version <> (select count(*) from commerce.order_events e where e.order_id = o.id and e.event not like 'dispute%')
union all select 'an order without lines', o.id::text from commerce.orders o
  where not exists (select 1 from commerce.order_lines l where l.order_id = o.id)
union all select 'an order without a payment', o.id::text from commerce.orders o
  where not exists (select 1 from commerce.payments p where p.order_id = o.id)";

/// Besides, when everybody has gone home.
pub const IN_THE_END: &str = "
select 'an order that waits' as fault, o.id::text as what from commerce.orders o where o.state = 'pending'
union all select 'money that is owed', o.id::text from commerce.orders o where o.owed <> 0 or o.refunding <> 0
union all select 'a payment under way', p.id::text from commerce.payments p
  where p.state in ('created', 'pending', 'action_required')
union all select 'a refund under way', r.id::text from commerce.refunds r where r.state in ('created', 'pending')
union all select 'a refund that failed', r.id::text from commerce.refunds r where r.state = 'failed'
union all select 'a message nobody has read', e.event_id from commerce.webhook_events e
  where e.state not in ('handled', 'ignored')
union all select 'stock of an order that has ended', r.order_id::text from commerce.reservations r
  join commerce.orders o on o.id = r.order_id
  where r.state = 'held' and o.state in ('cancelled', 'expired')";

/// What was taken by Stripe and what of it was given back, one payment a row.
pub const MONEY: &str = "
select p.provider_id as intent, p.amount, lower(p.currency) as currency,
    (select coalesce(sum(r.amount), 0) from commerce.refunds r where r.payment_id = p.id and r.state = 'succeeded') as refunded
  from commerce.payments p where p.provider = 'stripe' and p.state = 'captured' order by p.provider_id";

/// What the books say that Stripe has for us, one currency a row.
pub const CLEARING: &str = "
select lower(currency) as currency, sum(amount) as amount from commerce.ledger_postings
  where account = 'clearing:stripe' group by currency having sum(amount) <> 0 order by 1";
