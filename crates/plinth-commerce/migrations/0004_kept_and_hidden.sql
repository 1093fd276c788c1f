-- Answers about stock and carts are kept in the turn that does what they tell. What pays an order, and who of the staff it was that did something,
-- leaves the rows that others may read. What a provider tells of disputes is written down with the order. What was found when the shop was
-- compared with its providers is kept.
--
-- Nodes of the version before are to be stopped first: they name actors in words that are refused from here on, so none of their orders gets on.

-- Customers read the events of their orders, and learn no more of the staff than that it was staff. Events are locked here before payments, as
-- those who order and pay lock them.
create table commerce.order_event_staff (
  event_id bigint primary key references commerce.order_events (id),
  user_id uuid not null
);
comment on table commerce.order_event_staff is 'Who of the staff it was. An event of staff without a row was asked for with the service key.';
comment on column commerce.order_events.actor is 'customer, staff, provider or system.';
alter table commerce.order_event_staff enable row level security;
revoke all on commerce.order_event_staff from anon, authenticated, service_role;
grant select on commerce.order_event_staff to authenticated, service_role;
create policy staff on commerce.order_event_staff for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy service_reads on commerce.order_event_staff for select to service_role using (true);
insert into commerce.order_event_staff (event_id, user_id)
  select id, split_part(actor, ':', 2)::uuid from commerce.order_events where actor like 'staff:%';
create trigger only_added_to before update or delete or truncate on commerce.order_event_staff
  execute function commerce.refuse_change();

alter table commerce.order_events disable trigger only_added_to;
update commerce.order_events
  set actor = case when actor like 'staff:%' or actor = 'service' then 'staff' when actor like 'provider:%' then 'provider'
                   when actor = 'worker' then 'system' else 'customer' end;
alter table commerce.order_events enable trigger only_added_to;
alter table commerce.order_events add constraint order_events_actor_is_a_kind
  check (actor in ('customer', 'staff', 'provider', 'system'));

-- What the customer's browser goes on with. /commerce/v1 tells it to whoever may pay; no other road leads here.
create table commerce.payment_secrets (
  payment_id uuid primary key references commerce.payments (id),
  client_secret text not null
);
comment on table commerce.payment_secrets is 'With what a payment under way can be finished by whoever has it. Nobody but the service reads them.';
alter table commerce.payment_secrets enable row level security;
revoke all on commerce.payment_secrets from anon, authenticated, service_role;
insert into commerce.payment_secrets (payment_id, client_secret)
  select id, client_secret from commerce.payments
    where client_secret is not null and state in ('created', 'pending', 'action_required');
update commerce.payments set client_secret = null where client_secret is not null;
-- Views of applications may name the column, so it stays, and nothing comes into it.
alter table commerce.payments add constraint payments_client_secret_is_elsewhere check (client_secret is null);
comment on column commerce.payments.client_secret is 'Always null: see payment_secrets. Nothing reads or writes it any more.';

-- How far the shop has been compared with each provider, and when it is again.
create table commerce.comparisons (
  provider text primary key,
  continues_after text,
  attempts integer not null default 0,
  due_at timestamptz not null
);
comment on column commerce.comparisons.continues_after is 'The last of the provider''s objects that was looked at; null where the next look begins anew.';
alter table commerce.comparisons enable row level security;
revoke all on commerce.comparisons from anon, authenticated, service_role;

create table commerce.differences (
  id bigint generated always as identity primary key,
  what text not null,
  subject_id uuid not null,
  order_id uuid not null,
  provider text not null,
  ours text not null,
  theirs text not null,
  mended boolean not null,
  found_at timestamptz not null default now(),
  constraint differences_are_kept_once unique (what, subject_id, provider, theirs)
);
comment on table commerce.differences is 'What a provider knew otherwise when the server compared by itself. plinth orders reconcile shows it, too.';
comment on column commerce.differences.subject_id is 'The payment or refund.';
create index differences_found_at_idx on commerce.differences (found_at);
alter table commerce.differences enable row level security;
revoke all on commerce.differences from anon, authenticated, service_role;
grant select on commerce.differences to authenticated, service_role;
create policy staff on commerce.differences for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy service_reads on commerce.differences for select to service_role using (true);

-- The turn to compare the shop with a provider, {provider, now, until}: whoever takes it has it to himself until then.
-- Gives {taken, continues_after, attempts}.
create function commerce.take_comparison(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  turn jsonb;
begin
  insert into commerce.comparisons (provider, due_at) values (doc ->> 'provider', (doc ->> 'now')::timestamptz)
    on conflict (provider) do nothing;
  update commerce.comparisons set due_at = (doc ->> 'until')::timestamptz
    where provider = doc ->> 'provider' and due_at <= (doc ->> 'now')::timestamptz
    returning jsonb_build_object('taken', true, 'continues_after', continues_after, 'attempts', attempts) into turn;
  return coalesce(turn, jsonb_build_object('taken', false));
end
$$;

-- Keeps an answer, or undoes what was done when the request has lost its turn. Where there is no answer to keep, nothing happens.
create function commerce.keep_or_undo(kept jsonb) returns void
  language plpgsql
  as $$
begin
  if jsonb_typeof(kept) = 'object' and not commerce.keep(kept) then
    raise exception 'the request has lost its turn' using errcode = 'PL001';
  end if;
end
$$;

-- How many of a product there are: {product_id, on_hand, kept}. Gives {product_id, on_hand, reserved}, which is also the body that is kept.
create function commerce.set_stock(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  stock jsonb;
begin
  insert into commerce.inventory (product_id, on_hand) values ((doc ->> 'product_id')::uuid, (doc ->> 'on_hand')::bigint)
    on conflict (product_id) do update set on_hand = excluded.on_hand
    returning jsonb_build_object('product_id', product_id, 'on_hand', on_hand, 'reserved', reserved) into stock;
  if doc ->> 'kept' is not null then
    perform commerce.keep_or_undo((doc -> 'kept') || jsonb_build_object('answer', jsonb_build_object('body', stock)));
  end if;
  return stock;
end
$$;

-- A new cart: {id, user_id, secret_digest, currency, region, codes, expires_at, lines, kept}.
create or replace function commerce.create_cart(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  insert into commerce.carts (id, user_id, secret_digest, currency, region, codes, expires_at)
    values ((doc ->> 'id')::uuid, (doc ->> 'user_id')::uuid, doc ->> 'secret_digest', doc ->> 'currency', doc ->> 'region',
            array(select jsonb_array_elements_text(doc -> 'codes')), (doc ->> 'expires_at')::timestamptz);
  insert into commerce.cart_lines (cart_id, price_id, quantity)
    select (doc ->> 'id')::uuid, line.price_id, line.quantity
      from jsonb_to_recordset(doc -> 'lines') as line(price_id uuid, quantity bigint);
  perform commerce.keep_or_undo(doc -> 'kept');
  return true;
end
$$;

-- What a cart becomes: {id, region, codes, expires_at, lines: [{price_id, quantity}], kept}; what is null stays. False when it is not there or
-- ordered.
create or replace function commerce.change_cart(doc jsonb) returns boolean
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
  perform commerce.keep_or_undo(doc -> 'kept');
  return true;
end
$$;

-- Removes a cart: {id, kept}. False when it is not there or ordered.
create function commerce.remove_cart(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  delete from commerce.carts where id = (doc ->> 'id')::uuid and state = 'open';
  if not found then
    return false;
  end if;
  perform commerce.keep_or_undo(doc -> 'kept');
  return true;
end
$$;

-- What a provider told of a dispute: {order_id, event, details}; details names the message. The order stays as it is, its version too: an order has
-- as many versions as events, those of disputes (dispute_…) left out. False when the order is not there, or the message was written down before.
create function commerce.note_dispute(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
declare
  its_state text;
begin
  -- Locked, so that a message that two handle at once is written down once.
  select state into its_state from commerce.orders where id = (doc ->> 'order_id')::uuid for update;
  if not found then
    return false;
  end if;
  if exists (select 1 from commerce.order_events
             where order_id = (doc ->> 'order_id')::uuid and details ->> 'message' = doc -> 'details' ->> 'message') then
    return false;
  end if;
  insert into commerce.order_events (order_id, event, from_state, to_state, actor, details)
    values ((doc ->> 'order_id')::uuid, doc ->> 'event', its_state, its_state, 'provider', doc -> 'details');
  return true;
end
$$;

-- A payment's row as it becomes. What is captured stays so, whoever heard something older. False when nothing was written.
create or replace function commerce.save_payment(payment jsonb) returns boolean
  language plpgsql
  as $$
declare
  is_saved boolean;
begin
  update commerce.payments
    set state = payment ->> 'state', provider_id = coalesce(payment ->> 'provider_id', provider_id), failure = payment ->> 'failure',
        attempts = (payment ->> 'attempts')::integer, due_at = (payment ->> 'due_at')::timestamptz, updated_at = now()
    where id = (payment ->> 'id')::uuid and (state <> 'captured' or payment ->> 'state' = 'captured')
      -- Whoever does not know the provider's id of it does not end what has got one meanwhile.
      and (provider_id is null or payment ->> 'provider_id' is not null or payment ->> 'state' not in ('cancelled', 'failed'))
      -- What has ended goes on only by news: money, or an id at the provider that nobody here knew. An answer that was long on its way is none.
      and (state in ('created', 'pending', 'action_required') or payment ->> 'state' = state or payment ->> 'state' = 'captured'
           or (payment ->> 'provider_id' is not null and provider_id is distinct from payment ->> 'provider_id'));
  is_saved := found;
  if is_saved and payment ->> 'state' not in ('created', 'pending', 'action_required') then
    -- Nobody has to finish it any more.
    delete from commerce.payment_secrets where payment_id = (payment ->> 'id')::uuid;
  elsif is_saved and payment ->> 'client_secret' is not null then
    insert into commerce.payment_secrets as known (payment_id, client_secret)
      values ((payment ->> 'id')::uuid, payment ->> 'client_secret')
      on conflict (payment_id) do update set client_secret = excluded.client_secret
        where known.client_secret <> excluded.client_secret;
  end if;
  return is_saved;
end
$$;

-- Places an order: {order: {…, lines}, cart, payment, actor, staff, kept}. Gives {number, customer_id, placed_at}, or {refused, …}.
create or replace function commerce.place(doc jsonb) returns jsonb
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
  if doc ->> 'staff' is not null then
    insert into commerce.order_event_staff (event_id, user_id)
      select id, (doc ->> 'staff')::uuid from commerce.order_events where order_id = made;
  end if;
  insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, failure, idempotency_key, attempts, due_at)
    values ((payment ->> 'id')::uuid, (payment ->> 'order_id')::uuid, payment ->> 'provider', (payment ->> 'amount')::bigint,
            payment ->> 'currency', payment ->> 'state', payment ->> 'provider_id', payment ->> 'failure',
            payment ->> 'idempotency_key', (payment ->> 'attempts')::integer, (payment ->> 'due_at')::timestamptz);
  perform commerce.keep_or_undo(doc -> 'kept');

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

-- One step: {order_id, version, event, to_state, captured, refunded, refunding, owed, stock, transaction, payment, refund, actor, staff,
-- details, kept}.
-- Gives {version, updated_at}, or {gone}, {conflict}, {repeated} when nothing was done.
create or replace function commerce.advance(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  whose uuid := (doc ->> 'order_id')::uuid;
  booking jsonb := doc -> 'transaction';
  payment jsonb := doc -> 'payment';
  there record;
  its_event bigint;
  its_code text;
  refusal text;
begin
  select version, state, codes into there from commerce.orders where id = whose for update;
  if not found then
    return jsonb_build_object('gone', true);
  end if;
  if booking ->> 'reference' is not null
    and exists (select 1 from commerce.ledger_transactions where reference = booking ->> 'reference') then
    perform commerce.keep_or_undo(doc -> 'kept');
    return jsonb_build_object('repeated', true);
  end if;
  if there.version <> (doc ->> 'version')::bigint then
    return jsonb_build_object('conflict', true);
  end if;
  -- Somebody began to pay once more after all payments had been ended: they are to be ended first.
  if there.state = 'pending' and doc ->> 'to_state' in ('cancelled', 'expired')
    and exists (select 1 from commerce.payments
                where order_id = whose and state in ('created', 'pending', 'action_required')) then
    return jsonb_build_object('conflict', true);
  end if;
  -- The refund was refused to whoever asks, and somebody else has heard that it was made.
  if doc -> 'refund' ->> 'state' = 'failed'
    and exists (select 1 from commerce.refunds
                where id = (doc -> 'refund' ->> 'id')::uuid and provider_id is not null
                  and provider_id is distinct from doc -> 'refund' ->> 'provider_id') then
    return jsonb_build_object('conflict', true);
  end if;
  if payment ->> 'id' is not null and exists (select 1 from commerce.payments where id = (payment ->> 'id')::uuid) then
    -- Before anything else is written: somebody may have heard more of it than whoever decided this.
    if not commerce.save_payment(payment) then
      return jsonb_build_object('conflict', true);
    end if;
  elsif payment ->> 'id' is not null then
    if exists (select 1 from commerce.payments
               where order_id = whose and state in ('created', 'pending', 'action_required')) then
      raise exception 'a payment of order % is under way', whose using errcode = 'PL005';
    end if;
    insert into commerce.payments (id, order_id, provider, amount, currency, state, provider_id, failure, idempotency_key, attempts, due_at)
      values ((payment ->> 'id')::uuid, (payment ->> 'order_id')::uuid, payment ->> 'provider', (payment ->> 'amount')::bigint,
              payment ->> 'currency', payment ->> 'state', payment ->> 'provider_id', payment ->> 'failure',
              payment ->> 'idempotency_key', (payment ->> 'attempts')::integer, (payment ->> 'due_at')::timestamptz);
  end if;

  update commerce.orders
    set state = doc ->> 'to_state', event = doc ->> 'event', version = version + 1, captured = (doc ->> 'captured')::bigint,
        refunded = (doc ->> 'refunded')::bigint, refunding = (doc ->> 'refunding')::bigint, owed = (doc ->> 'owed')::bigint,
        updated_at = now()
    where id = whose;
  insert into commerce.order_events (order_id, event, from_state, to_state, actor, details)
    values (whose, doc ->> 'event', there.state, doc ->> 'to_state', doc ->> 'actor', doc -> 'details')
    returning id into its_event;
  if doc ->> 'staff' is not null then
    insert into commerce.order_event_staff (event_id, user_id) values (its_event, (doc ->> 'staff')::uuid);
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
  perform commerce.keep_or_undo(doc -> 'kept');

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

-- Each by its name: an application may have functions of its own here.
revoke execute on function commerce.keep_or_undo(jsonb), commerce.set_stock(jsonb), commerce.create_cart(jsonb), commerce.change_cart(jsonb),
  commerce.remove_cart(jsonb), commerce.note_dispute(jsonb), commerce.save_payment(jsonb), commerce.place(jsonb), commerce.advance(jsonb),
  commerce.take_comparison(jsonb)
  from public, anon, authenticated, service_role;
