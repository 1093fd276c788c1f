-- An order in one turn: its key is taken, the prices it was reckoned with are looked at again, and it is placed. What was three messages to the database
-- is one, and one commit.

-- Takes a key, or says what is under it: {scope, key, fingerprint, holder, lease_seconds, kept_seconds}. Gives {fresh}, {running}, {other_body} or
-- {kept, status, answer}. Whoever comes while another transaction has just written the key waits half a second for it at most, and fails with 55P03
-- then: that key is held.
create function commerce.take_key(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  there record;
  patience text;
  half_a_second text;
  is_taken boolean;
begin
  -- Twice: whoever waited for another finds the other's row then.
  for attempt in 1..2 loop
    -- A look that waits for nobody: whoever keeps his answer has the row locked for as long as others keep him waiting, and is under way.
    select * into there from commerce.idempotency where scope = doc ->> 'scope' and key = doc ->> 'key';
    exit when found;
    select current_setting('lock_timeout'), set_config('lock_timeout', '500ms', true) into patience, half_a_second;
    insert into commerce.idempotency (scope, key, fingerprint, holder, expires_at)
      values (doc ->> 'scope', doc ->> 'key', doc ->> 'fingerprint', (doc ->> 'holder')::uuid,
              now() + make_interval(secs => (doc ->> 'kept_seconds')::integer))
      on conflict (scope, key) do nothing;
    is_taken := found;
    perform set_config('lock_timeout', patience, true);
    if is_taken then
      return jsonb_build_object('fresh', true);
    end if;
  end loop;
  if there.holder is null then
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
  -- Still as it was seen, or somebody is at work on it after all.
  perform 1 from commerce.idempotency
    where scope = doc ->> 'scope' and key = doc ->> 'key' and holder = there.holder and state = there.state
    for update skip locked;
  if not found then
    return jsonb_build_object('running', true);
  end if;
  -- Nobody answers any more: the turn passes on, and who had it can no longer write.
  update commerce.idempotency
    set fingerprint = doc ->> 'fingerprint', holder = (doc ->> 'holder')::uuid, state = 'running', status = null, answer = null,
        started_at = now(), expires_at = now() + make_interval(secs => (doc ->> 'kept_seconds')::integer)
    where scope = doc ->> 'scope' and key = doc ->> 'key';
  return jsonb_build_object('fresh', true);
end
$$;

-- The same in a turn of its own. That a key is taken is written before what it is taken for, so it is on the disk when that is; without that it is
-- worth nothing, and nobody waits for the disk to hear of it.
create or replace function commerce.begin_request(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  return commerce.take_key(doc);
end
$$;

-- Whether things still cost what an order was reckoned with: {order: {currency, region}, offers: [{price_id, product_id, amount, name, ppm, included,
-- newest}]}. `newest` says that the product was asked for, which costs what its newest price says.
create function commerce.still_offered(doc jsonb) returns boolean
  language plpgsql security definer set search_path = ''
  as $$
begin
  -- A look by its key for each: how few there are is not known to the planner of PostgreSQL, which would rather read whole tables.
  return (
    select coalesce(bool_and((
      select true
        from commerce.prices price
        join commerce.products product on product.id = price.product_id
        left join commerce.tax_rates rate on rate.region = doc -> 'order' ->> 'region' and rate.tax_class = product.tax_class
        where price.id = seen.price_id and price.product_id = seen.product_id and price.currency = doc -> 'order' ->> 'currency'
          and price.amount = seen.amount and price.active and product.active and product.name = seen.name
          and rate.ppm is not distinct from seen.ppm and coalesce(rate.included, false) = seen.included
          and (not seen.newest or not exists (
            select 1 from commerce.prices newer
              where newer.product_id = seen.product_id and newer.currency = price.currency and newer.active
                and (newer.created_at > price.created_at or (newer.created_at = price.created_at and newer.id > price.id))
          ))
    ) is not null), false)
    from jsonb_to_recordset(doc -> 'offers') as seen(price_id uuid, product_id uuid, amount bigint, name text, ppm bigint,
      included boolean, newest boolean)
  );
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
  its_codes text[] := '{}';
  line record;
begin
  if doc -> 'order' -> 'codes' <> '[]'::jsonb then
    -- In order, by which they are locked, here and when they are given back.
    its_codes := array(select distinct jsonb_array_elements_text(doc -> 'order' -> 'codes') order by 1);
  end if;
  -- What is sold out is said before anything is written: in a rush most requests end here.
  select wanted.product_id, wanted.quantity, wanted.still_there into line
    from (
      select asked.product_id, asked.quantity,
             (select on_hand - reserved from commerce.inventory where product_id = asked.product_id) as still_there
        from jsonb_to_recordset(doc -> 'stock') as asked(product_id uuid, quantity bigint)
    ) wanted
    where wanted.still_there < wanted.quantity
    order by wanted.product_id limit 1;
  if found then
    return jsonb_build_object('refused', 'out_of_stock', 'product', line.product_id, 'wanted', line.quantity,
                              'available', line.still_there);
  end if;
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

-- Takes the key of a request and places its order: {begin, offers} and all that `place` reads. Gives {begun}, what `take_key` gave, where that is not
-- fresh; {begun, stale} where something costs something else by now; and else {begun, placed}, what `place` gave.
create function commerce.place_at_once(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  begun jsonb := commerce.take_key(doc -> 'begin');
begin
  if begun -> 'fresh' is null then
    return jsonb_build_object('begun', begun);
  end if;
  if not commerce.still_offered(doc) then
    return jsonb_build_object('begun', begun, 'stale', true);
  end if;
  return jsonb_build_object('begun', begun, 'placed', commerce.place(doc));
end
$$;

-- Each by its name: an application may have functions of its own here.
revoke execute on function commerce.take_key(jsonb), commerce.still_offered(jsonb), commerce.place_at_once(jsonb)
  from public, anon, authenticated, service_role;
