-- A shop as 0001 to 0003 and the program of that time left it: who caused an event stands in it by name, and what pays a payment beside it.

insert into auth.users (id, email) values ('aaaa0000-0000-4000-8000-000000000001', 'ann@example.com');
insert into commerce.products (id, name) values ('11110000-0000-4000-8000-000000000001', 'A teapot');
insert into commerce.prices (id, product_id, currency, amount) values
  ('11110000-0000-4000-8000-0000000000aa', '11110000-0000-4000-8000-000000000001', 'EUR', 2000);

-- One was paid by hand and has gone out, one waits for its payment, a guest's was not paid in time.
insert into commerce.orders (id, user_id, secret_digest, currency, subtotal, discount, tax, total, provider) values
  ('0e000000-0000-4000-8000-000000000001', 'aaaa0000-0000-4000-8000-000000000001', null, 'EUR', 2000, 0, 0, 2000, 'manual'),
  ('0e000000-0000-4000-8000-000000000002', 'aaaa0000-0000-4000-8000-000000000001', null, 'EUR', 2000, 0, 0, 2000, 'stripe'),
  ('0e000000-0000-4000-8000-000000000003', null, 'a digest', 'EUR', 2000, 0, 0, 2000, 'stripe');
insert into commerce.order_lines (order_id, position, product_id, price_id, name, quantity, unit_amount, discount, tax_ppm, tax_included, tax, total)
  select id, 1, '11110000-0000-4000-8000-000000000001', '11110000-0000-4000-8000-0000000000aa', 'A teapot', 1, 2000, 0, 0, false, 0, 2000
  from commerce.orders;
insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, client_secret, idempotency_key) values
  ('0f000000-0000-4000-8000-000000000001', '0e000000-0000-4000-8000-000000000001', 'manual', 2000, 'EUR', 'captured',
   '0f000000-0000-4000-8000-000000000001', null, 'payment-1'),
  ('0f000000-0000-4000-8000-000000000002', '0e000000-0000-4000-8000-000000000002', 'stripe', 2000, 'EUR', 'action_required',
   'pi_2', 'pi_2_secret_2', 'payment-2'),
  ('0f000000-0000-4000-8000-000000000003', '0e000000-0000-4000-8000-000000000003', 'stripe', 2000, 'EUR', 'cancelled',
   'pi_3', 'pi_3_secret_3', 'payment-3');

update commerce.orders set version = 2, event = 'capture', state = 'paid', captured = 2000 where id = '0e000000-0000-4000-8000-000000000001';
update commerce.orders set version = 3, event = 'fulfil', state = 'fulfilled' where id = '0e000000-0000-4000-8000-000000000001';
update commerce.orders set version = 2, event = 'pay' where id = '0e000000-0000-4000-8000-000000000002';
update commerce.orders set version = 3, event = 'action_required' where id = '0e000000-0000-4000-8000-000000000002';
update commerce.orders set version = 2, event = 'expire', state = 'expired' where id = '0e000000-0000-4000-8000-000000000003';

insert into commerce.order_events (order_id, event, from_state, to_state, actor) values
  ('0e000000-0000-4000-8000-000000000001', 'place', null, 'pending', 'user:aaaa0000-0000-4000-8000-000000000001'),
  ('0e000000-0000-4000-8000-000000000001', 'capture', 'pending', 'paid', 'service'),
  ('0e000000-0000-4000-8000-000000000001', 'fulfil', 'paid', 'fulfilled', 'staff:cccc0000-0000-4000-8000-000000000001'),
  ('0e000000-0000-4000-8000-000000000002', 'place', null, 'pending', 'user:aaaa0000-0000-4000-8000-000000000001'),
  ('0e000000-0000-4000-8000-000000000002', 'pay', 'pending', 'pending', 'aaaa0000-0000-4000-8000-000000000001'),
  ('0e000000-0000-4000-8000-000000000002', 'action_required', 'pending', 'pending', 'provider:stripe'),
  ('0e000000-0000-4000-8000-000000000003', 'place', null, 'pending', 'guest'),
  ('0e000000-0000-4000-8000-000000000003', 'expire', 'pending', 'expired', 'worker');

insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount) values
  ('99990000-0000-4000-8000-000000000001', 1, 2, 'clearing:manual', 'EUR', 2000),
  ('99990000-0000-4000-8000-000000000001', 2, 2, 'revenue', 'EUR', -2000);
insert into commerce.ledger_transactions (id, order_id, kind, reference, size) values
  ('99990000-0000-4000-8000-000000000001', '0e000000-0000-4000-8000-000000000001', 'capture',
   'capture:0f000000-0000-4000-8000-000000000001', 2);
