-- How orders come to be and change. Each function is one turn: it takes one document, does all of it or nothing, and gives one document.
-- What is decided is decided by the service; these only see to it that it was decided on what is still true.
--
-- Those that the service calls run as their owner with an empty search path; those that only they call run within that.
--
-- Rows are locked in one order everywhere: cart, order, discounts by code, inventory by product. So nobody waits for somebody who waits for him.

create table commerce.transitions (
  state text not null,
  event text not null,
  to_state text not null,
  primary key (state, event)
);
comment on table commerce.transitions is 'What may follow what: the table of docs/orders.md, which the program has, too.';
alter table commerce.transitions enable row level security;
revoke all on commerce.transitions from anon, authenticated, service_role;

insert into commerce.transitions (state, event, to_state) values
  ('pending', 'pay', 'pending'),
  ('pending', 'action_required', 'pending'),
  ('pending', 'payment_failed', 'pending'),
  ('pending', 'capture', 'paid'),
  ('pending', 'cancel', 'cancelled'),
  ('pending', 'expire', 'expired'),
  ('paid', 'late_capture', 'paid'),
  ('paid', 'fulfil', 'fulfilled'),
  ('paid', 'cancel', 'cancelled'),
  ('paid', 'ask_refund', 'paid'),
  ('paid', 'refund', 'paid'),
  ('paid', 'refund_in_full', 'refunded'),
  ('paid', 'refund_failed', 'paid'),
  ('paid', 'refund_returned', 'paid'),
  ('fulfilled', 'late_capture', 'fulfilled'),
  ('fulfilled', 'ask_refund', 'fulfilled'),
  ('fulfilled', 'refund', 'fulfilled'),
  ('fulfilled', 'refund_in_full', 'refunded'),
  ('fulfilled', 'refund_failed', 'fulfilled'),
  ('fulfilled', 'refund_returned', 'fulfilled'),
  ('cancelled', 'late_capture', 'cancelled'),
  ('cancelled', 'ask_refund', 'cancelled'),
  ('cancelled', 'refund', 'cancelled'),
  ('cancelled', 'refund_failed', 'cancelled'),
  ('cancelled', 'refund_returned', 'cancelled'),
  ('expired', 'late_capture', 'expired'),
  ('expired', 'ask_refund', 'expired'),
  ('expired', 'refund', 'expired'),
  ('expired', 'refund_failed', 'expired'),
  ('expired', 'refund_returned', 'expired'),
  ('refunded', 'late_capture', 'refunded'),
  ('refunded', 'ask_refund', 'refunded'),
  ('refunded', 'refund', 'refunded'),
  ('refunded', 'refund_failed', 'refunded'),
  ('refunded', 'refund_returned', 'refunded');

-- An order cannot be made or changed but along the table, one version at a time, and never in what it costs.
create function commerce.guard_order() returns trigger
  language plpgsql
  as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'an order begins with version 1' using errcode = '23514';
  end if;
  if new.id <> old.id or new.currency <> old.currency or new.subtotal <> old.subtotal or new.discount <> old.discount
    or new.tax <> old.tax or new.total <> old.total then
    raise exception 'what order % costs cannot change', old.id using errcode = '23514';
  end if;
  if new.version = old.version then
    if new.state <> old.state or new.event <> old.event or new.captured <> old.captured
      or new.refunded <> old.refunded or new.refunding <> old.refunding or new.owed <> old.owed then
      raise exception 'order % cannot change without a version', old.id using errcode = '23514';
    end if;
    return new;
  end if;
  if new.version <> old.version + 1 then
    raise exception 'order % cannot skip a version', old.id using errcode = '23514';
  end if;
  if not exists (select 1 from commerce.transitions
                 where state = old.state and event = new.event and to_state = new.state) then
    raise exception 'order % cannot go from % to % by %', old.id, old.state, new.state, new.event using errcode = '23514';
  end if;
  return new;
end
$$;

create trigger guard_beginning before insert on commerce.orders
  for each row when (new.version <> 1) execute function commerce.guard_order();
create trigger guard_order before update on commerce.orders
  for each row execute function commerce.guard_order();
create trigger only_added_to before delete or truncate on commerce.orders
  execute function commerce.refuse_change();

-- Keeps the answer to a request in the transaction that did what it says. False when the request has lost its turn.
create function commerce.keep(kept jsonb) returns boolean
  language plpgsql
  as $$
begin
  update commerce.idempotency
    set state = 'done', status = (kept ->> 'status')::integer, answer = kept -> 'answer'
    where scope = kept ->> 'scope' and key = kept ->> 'key' and holder = (kept ->> 'holder')::uuid;
  return found;
end
$$;

-- A payment's row as it becomes. What is captured stays so, whoever heard something older.
create function commerce.save_payment(payment jsonb) returns boolean
  language plpgsql
  as $$
begin
  update commerce.payments
    set state = payment ->> 'state', provider_id = coalesce(payment ->> 'provider_id', provider_id),
        client_secret = coalesce(payment ->> 'client_secret', client_secret), failure = payment ->> 'failure',
        attempts = (payment ->> 'attempts')::integer, due_at = (payment ->> 'due_at')::timestamptz, updated_at = now()
    where id = (payment ->> 'id')::uuid and (state <> 'captured' or payment ->> 'state' = 'captured')
      -- Whoever does not know the provider's id of it does not end what has got one meanwhile.
      and (provider_id is null or payment ->> 'provider_id' is not null or payment ->> 'state' not in ('cancelled', 'failed'));
  return found;
end
$$;

-- Places an order: {order: {…, lines}, cart, payment, kept}. Gives {number, customer_id, placed_at}, or {refused, …}.
create function commerce.place(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  placed jsonb := doc -> 'order';
  payment jsonb := doc -> 'payment';
  made uuid := (doc -> 'order' ->> 'id')::uuid;
  whose uuid := (doc -> 'order' ->> 'user_id')::uuid;
  customer uuid;
  its_number bigint;
  cart_state text;
  its_code text;
  -- In order, by which they are locked, here and when they are given back.
  its_codes text[] := array(select distinct jsonb_array_elements_text(doc -> 'order' -> 'codes') order by 1);
  line record;
begin
  -- What is sold out is said before anything is written: in a rush most requests end here.
  for line in
    select wanted.product_id, wanted.quantity, stock.on_hand - stock.reserved as available
      from jsonb_to_recordset(doc -> 'stock') as wanted(product_id uuid, quantity bigint)
      join commerce.inventory stock on stock.product_id = wanted.product_id
      where stock.on_hand - stock.reserved < wanted.quantity
      order by wanted.product_id limit 1
  loop
    return jsonb_build_object('refused', 'out_of_stock', 'product', line.product_id, 'wanted', line.quantity,
                              'available', line.available);
  end loop;
  if doc ->> 'cart' is not null then
    select state into cart_state from commerce.carts where id = (doc ->> 'cart')::uuid for update;
    if cart_state is distinct from 'open' then
      return jsonb_build_object('refused', 'cart_gone');
    end if;
    update commerce.carts set state = 'ordered', updated_at = now() where id = (doc ->> 'cart')::uuid;
  end if;

  if whose is not null then
    select id into customer from commerce.customers where user_id = whose;
    if customer is null then
      insert into commerce.customers (id, user_id, email)
        select (doc ->> 'customer_id')::uuid, known.id, placed ->> 'email' from auth.users known where known.id = whose
        on conflict (user_id) do nothing;
      select id into customer from commerce.customers where user_id = whose;
    end if;
  elsif placed ->> 'email' is not null then
    customer := (doc ->> 'customer_id')::uuid;
    insert into commerce.customers (id, email) values (customer, placed ->> 'email');
  end if;

  insert into commerce.orders (id, customer_id, user_id, secret_digest, email, currency, region, codes, subtotal, discount, tax, total,
                               provider, metadata, expires_at)
    values (made, customer, whose, placed ->> 'secret_digest', placed ->> 'email', placed ->> 'currency', placed ->> 'region',
            its_codes, (placed ->> 'subtotal')::bigint,
            (placed ->> 'discount')::bigint, (placed ->> 'tax')::bigint, (placed ->> 'total')::bigint,
            placed ->> 'provider', placed -> 'metadata', (placed ->> 'expires_at')::timestamptz)
    returning number into its_number;
  insert into commerce.order_lines (order_id, position, product_id, price_id, name, quantity, unit_amount, discount, tax_ppm,
                                    tax_included, tax, total)
    select made, sold.position, sold.product_id, sold.price_id, sold.name, sold.quantity, sold.unit_amount, sold.discount,
           sold.tax_ppm, sold.tax_included, sold.tax, sold.total
      from jsonb_to_recordset(placed -> 'lines') as sold(position integer, product_id uuid, price_id uuid, name text,
        quantity bigint, unit_amount bigint, discount bigint, tax_ppm bigint, tax_included boolean, tax bigint, total bigint);
  insert into commerce.order_events (order_id, event, to_state, actor) values (made, 'place', 'pending', doc ->> 'actor');
  insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, client_secret, failure,
                                 idempotency_key, attempts, due_at)
    values ((payment ->> 'id')::uuid, (payment ->> 'order_id')::uuid, payment ->> 'provider', (payment ->> 'amount')::bigint,
            payment ->> 'currency', payment ->> 'state', payment ->> 'provider_id', payment ->> 'client_secret',
            payment ->> 'failure', payment ->> 'idempotency_key', (payment ->> 'attempts')::integer,
            (payment ->> 'due_at')::timestamptz);
  if doc ->> 'kept' is not null and not commerce.keep(doc -> 'kept') then
    raise exception 'the request has lost its turn' using errcode = 'PL001';
  end if;

  foreach its_code in array its_codes loop
    update commerce.discounts d set uses = d.uses + 1
      where d.code = its_code and d.active and (d.max_uses is null or d.uses < d.max_uses);
    if not found then
      raise exception 'the code % is used up', its_code using errcode = 'PL002', detail = its_code;
    end if;
  end loop;
  -- Last, so that a product that everybody wants is locked for as short as can be.
  for line in
    select wanted.product_id, wanted.quantity
      from jsonb_to_recordset(doc -> 'stock') as wanted(product_id uuid, quantity bigint) order by wanted.product_id
  loop
    update commerce.inventory set reserved = reserved + line.quantity
      where product_id = line.product_id and on_hand - reserved >= line.quantity;
    if found then
      insert into commerce.reservations (order_id, product_id, quantity) values (made, line.product_id, line.quantity);
    elsif exists (select 1 from commerce.inventory where product_id = line.product_id) then
      raise exception 'not enough is left' using errcode = 'PL003', detail = jsonb_build_object(
        'product', line.product_id, 'wanted', line.quantity,
        'available', (select on_hand - reserved from commerce.inventory where product_id = line.product_id))::text;
    end if;
  end loop;
  return jsonb_build_object('number', its_number, 'customer_id', customer, 'placed_at', now());
end
$$;

-- What an order's stock does.
create function commerce.move_stock(whose uuid, movement text) returns void
  language plpgsql
  as $$
declare
  line record;
begin
  for line in
    select product_id, quantity from commerce.reservations
      where order_id = whose and state = case movement when 'restock' then 'consumed' else 'held' end
      order by product_id
  loop
    update commerce.inventory
      set on_hand = on_hand + case movement when 'consume' then -line.quantity when 'restock' then line.quantity else 0 end,
          reserved = reserved - case movement when 'restock' then 0 else line.quantity end
      where product_id = line.product_id;
    update commerce.reservations
      set state = case movement when 'consume' then 'consumed' when 'restock' then 'restocked' else 'released' end
      where order_id = whose and product_id = line.product_id;
  end loop;
end
$$;

-- One step: {order_id, version, event, to_state, captured, refunded, refunding, owed, stock, transaction, payment, refund, actor, details, kept}.
-- Gives {version, updated_at}, or {gone}, {conflict}, {repeated} when nothing was done.
create function commerce.advance(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  whose uuid := (doc ->> 'order_id')::uuid;
  booking jsonb := doc -> 'transaction';
  payment jsonb := doc -> 'payment';
  there record;
  its_code text;
  refusal text;
begin
  select version, state, codes into there from commerce.orders where id = whose for update;
  if not found then
    return jsonb_build_object('gone', true);
  end if;
  if booking ->> 'reference' is not null
    and exists (select 1 from commerce.ledger_transactions where reference = booking ->> 'reference') then
    if doc ->> 'kept' is not null and not commerce.keep(doc -> 'kept') then
      raise exception 'the request has lost its turn' using errcode = 'PL001';
    end if;
    return jsonb_build_object('repeated', true);
  end if;
  if there.version <> (doc ->> 'version')::bigint then
    return jsonb_build_object('conflict', true);
  end if;

  update commerce.orders
    set state = doc ->> 'to_state', event = doc ->> 'event', version = version + 1, captured = (doc ->> 'captured')::bigint,
        refunded = (doc ->> 'refunded')::bigint, refunding = (doc ->> 'refunding')::bigint, owed = (doc ->> 'owed')::bigint,
        updated_at = now()
    where id = whose;
  insert into commerce.order_events (order_id, event, from_state, to_state, actor, details)
    values (whose, doc ->> 'event', there.state, doc ->> 'to_state', doc ->> 'actor', doc -> 'details');
  if payment ->> 'id' is not null and not exists (select 1 from commerce.payments where id = (payment ->> 'id')::uuid) then
    if exists (select 1 from commerce.payments
               where order_id = whose and state in ('created', 'pending', 'action_required')) then
      raise exception 'a payment of order % is under way', whose using errcode = 'PL005';
    end if;
    insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, client_secret, failure,
                                   idempotency_key, attempts, due_at)
      values ((payment ->> 'id')::uuid, (payment ->> 'order_id')::uuid, payment ->> 'provider', (payment ->> 'amount')::bigint,
              payment ->> 'currency', payment ->> 'state', payment ->> 'provider_id', payment ->> 'client_secret',
              payment ->> 'failure', payment ->> 'idempotency_key', (payment ->> 'attempts')::integer,
              (payment ->> 'due_at')::timestamptz);
  elsif payment ->> 'id' is not null then
    perform commerce.save_payment(payment);
  end if;
  if doc ->> 'refund' is not null then
    refusal := commerce.save_refund(doc -> 'refund');
    if refusal is not null then
      raise exception 'the refund cannot be: %', refusal using errcode = 'PL004', detail = refusal;
    end if;
  end if;
  if booking ->> 'reference' is not null then
    perform commerce.book(whose, booking);
  end if;
  if doc ->> 'kept' is not null and not commerce.keep(doc -> 'kept') then
    raise exception 'the request has lost its turn' using errcode = 'PL001';
  end if;

  -- An order that was never paid has not used its discounts.
  if there.state = 'pending' and doc ->> 'to_state' in ('cancelled', 'expired') then
    foreach its_code in array there.codes loop
      update commerce.discounts d set uses = d.uses - 1 where d.code = its_code and d.uses > 0;
    end loop;
  end if;
  if doc ->> 'stock' <> 'none' then
    perform commerce.move_stock(whose, doc ->> 'stock');
  end if;
  return jsonb_build_object('version', there.version + 1, 'updated_at', now());
end
$$;

-- Books {id, kind, reference, currency, postings: [{account, amount}]}.
create function commerce.book(whose uuid, booking jsonb) returns void
  language plpgsql
  as $$
declare
  its_id uuid := (booking ->> 'id')::uuid;
  its_size integer := jsonb_array_length(booking -> 'postings');
begin
  insert into commerce.ledger_postings (transaction_id, position, size, account, currency, amount)
    select its_id, posting.place, its_size, posting.value ->> 'account', booking ->> 'currency',
           (posting.value ->> 'amount')::bigint
      from jsonb_array_elements(booking -> 'postings') with ordinality as posting(value, place);
  insert into commerce.ledger_transactions (id, order_id, kind, reference, size)
    values (its_id, whose, booking ->> 'kind', booking ->> 'reference', its_size);
end
$$;

-- A refund's row as a step makes it; a new one only within what its payment brought. The order is locked by whoever calls.
-- Gives why not: no_payment, not_captured, currency, too_much.
create function commerce.save_refund(refund jsonb) returns text
  language plpgsql
  as $$
declare
  paid record;
  given bigint;
begin
  update commerce.refunds
    set state = refund ->> 'state', provider_id = coalesce(refund ->> 'provider_id', provider_id), failure = refund ->> 'failure',
        attempts = (refund ->> 'attempts')::integer, due_at = (refund ->> 'due_at')::timestamptz, updated_at = now()
    where id = (refund ->> 'id')::uuid;
  if found then
    return null;
  end if;
  select amount, currency, state into paid from commerce.payments
    where id = (refund ->> 'payment_id')::uuid and order_id = (refund ->> 'order_id')::uuid;
  if not found then
    return 'no_payment';
  end if;
  if paid.state <> 'captured' then
    return 'not_captured';
  end if;
  if paid.currency <> refund ->> 'currency' then
    return 'currency';
  end if;
  select coalesce(sum(amount), 0) into given from commerce.refunds
    where payment_id = (refund ->> 'payment_id')::uuid and state <> 'failed';
  if (refund ->> 'amount')::bigint > paid.amount - given then
    return 'too_much';
  end if;
  insert into commerce.refunds (id, order_id, payment_id, amount, currency, reason, restock, state, provider_id, failure,
                                idempotency_key, attempts, due_at)
    values ((refund ->> 'id')::uuid, (refund ->> 'order_id')::uuid, (refund ->> 'payment_id')::uuid,
            (refund ->> 'amount')::bigint, refund ->> 'currency', refund ->> 'reason', (refund ->> 'restock')::boolean,
            refund ->> 'state', refund ->> 'provider_id', refund ->> 'failure', refund ->> 'idempotency_key',
            (refund ->> 'attempts')::integer, (refund ->> 'due_at')::timestamptz);
  return null;
end
$$;

-- What became of a refund outside of any step. What is final stays so.
create function commerce.note_refund(refund jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  update commerce.refunds
    set state = refund ->> 'state', provider_id = coalesce(refund ->> 'provider_id', provider_id), failure = refund ->> 'failure',
        attempts = (refund ->> 'attempts')::integer, due_at = (refund ->> 'due_at')::timestamptz, updated_at = now()
    where id = (refund ->> 'id')::uuid and (state in ('created', 'pending') or state = refund ->> 'state');
  return found;
end
$$;

-- Work that is due, {now, until, limit}: whoever takes it has it to himself until then.
create function commerce.take_payments(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  taken jsonb := '[]';
  one record;
begin
  for one in
    select p.id, to_jsonb(p) as row from commerce.payments p where p.due_at <= (doc ->> 'now')::timestamptz
      order by p.due_at limit (doc ->> 'limit')::bigint for update skip locked
  loop
    update commerce.payments set due_at = (doc ->> 'until')::timestamptz where id = one.id;
    taken := taken || jsonb_build_array(one.row);
  end loop;
  return taken;
end
$$;

create function commerce.take_refunds(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  taken jsonb := '[]';
  one record;
begin
  for one in
    select r.id, to_jsonb(r) as row from commerce.refunds r where r.due_at <= (doc ->> 'now')::timestamptz
      order by r.due_at limit (doc ->> 'limit')::bigint for update skip locked
  loop
    update commerce.refunds set due_at = (doc ->> 'until')::timestamptz where id = one.id;
    taken := taken || jsonb_build_array(one.row);
  end loop;
  return taken;
end
$$;

create function commerce.take_events(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  taken jsonb := '[]';
  one record;
begin
  for one in
    select e.provider, e.event_id, to_jsonb(e) - 'body' as row from commerce.webhook_events e
      where e.due_at <= (doc ->> 'now')::timestamptz
      order by e.due_at limit (doc ->> 'limit')::bigint for update skip locked
  loop
    update commerce.webhook_events set due_at = (doc ->> 'until')::timestamptz
      where provider = one.provider and event_id = one.event_id;
    taken := taken || jsonb_build_array(one.row);
  end loop;
  return taken;
end
$$;

-- Begins a request with an Idempotency-Key: {scope, key, fingerprint, holder, lease_seconds, kept_seconds}.
-- Gives {fresh}, {running}, {other_body}, or {kept, status, answer}.
create function commerce.begin_request(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  there record;
begin
  insert into commerce.idempotency (scope, key, fingerprint, holder, expires_at)
    values (doc ->> 'scope', doc ->> 'key', doc ->> 'fingerprint', (doc ->> 'holder')::uuid,
            now() + make_interval(secs => (doc ->> 'kept_seconds')::integer))
    on conflict (scope, key) do nothing;
  if found then
    return jsonb_build_object('fresh', true);
  end if;
  select * into there from commerce.idempotency where scope = doc ->> 'scope' and key = doc ->> 'key' for update;
  if not found then
    -- It was forgotten this very moment; the client comes again.
    return jsonb_build_object('running', true);
  end if;
  if there.expires_at > now() then
    if there.fingerprint <> doc ->> 'fingerprint' then
      return jsonb_build_object('other_body', true);
    end if;
    if there.state = 'done' then
      return jsonb_build_object('kept', true, 'status', there.status, 'answer', there.answer);
    end if;
    if there.started_at > now() - make_interval(secs => (doc ->> 'lease_seconds')::integer) then
      return jsonb_build_object('running', true);
    end if;
  end if;
  -- Nobody answers any more: the turn passes on, and who had it can no longer write.
  update commerce.idempotency
    set fingerprint = doc ->> 'fingerprint', holder = (doc ->> 'holder')::uuid, state = 'running', status = null, answer = null,
        started_at = now(), expires_at = now() + make_interval(secs => (doc ->> 'kept_seconds')::integer)
    where scope = doc ->> 'scope' and key = doc ->> 'key';
  return jsonb_build_object('fresh', true);
end
$$;

-- A new cart: {id, user_id, secret_digest, currency, region, codes, expires_at, lines}.
create function commerce.create_cart(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  insert into commerce.carts (id, user_id, secret_digest, currency, region, codes, expires_at)
    values ((doc ->> 'id')::uuid, (doc ->> 'user_id')::uuid, doc ->> 'secret_digest', doc ->> 'currency', doc ->> 'region',
            array(select jsonb_array_elements_text(doc -> 'codes')), (doc ->> 'expires_at')::timestamptz);
  insert into commerce.cart_lines (cart_id, price_id, quantity)
    select (doc ->> 'id')::uuid, line.price_id, line.quantity
      from jsonb_to_recordset(doc -> 'lines') as line(price_id uuid, quantity bigint);
  return true;
end
$$;

-- What a cart becomes: {id, region, codes, expires_at, lines: [{price_id, quantity}]}; what is null stays. False when it is not there or ordered.
create function commerce.change_cart(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  perform 1 from commerce.carts where id = (doc ->> 'id')::uuid and state = 'open' and expires_at > now() for update;
  if not found then
    return false;
  end if;
  update commerce.carts
    set region = coalesce(doc ->> 'region', region), updated_at = now(),
        expires_at = coalesce((doc ->> 'expires_at')::timestamptz, expires_at)
    where id = (doc ->> 'id')::uuid;
  if doc ->> 'codes' is not null then
    update commerce.carts set codes = array(select jsonb_array_elements_text(doc -> 'codes')) where id = (doc ->> 'id')::uuid;
  end if;
  if doc ->> 'lines' is not null then
    delete from commerce.cart_lines where cart_id = (doc ->> 'id')::uuid;
    insert into commerce.cart_lines (cart_id, price_id, quantity)
      select (doc ->> 'id')::uuid, line.price_id, line.quantity
        from jsonb_to_recordset(doc -> 'lines') as line(price_id uuid, quantity bigint);
  end if;
  return true;
end
$$;

revoke execute on all functions in schema commerce from public, anon, authenticated, service_role;
