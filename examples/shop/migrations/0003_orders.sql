-- Orders are read by those who placed them, and written by functions alone.

create type order_status as enum ('placed', 'paid', 'shipped', 'cancelled');

create table orders (
  id bigint generated always as identity primary key,
  customer_id uuid not null references profiles (id),
  status order_status not null default 'placed',
  total_cents bigint not null default 0 check (total_cents >= 0),
  placed_at timestamptz not null default now()
);

create table order_lines (
  order_id bigint not null references orders (id) on delete cascade,
  product_id bigint not null references products (id),
  quantity integer not null check (quantity > 0),
  -- The price of that day: what a product costs tomorrow does not change what was agreed.
  price_cents integer not null,
  primary key (order_id, product_id)
);

create table order_events (
  id bigint generated always as identity primary key,
  order_id bigint not null references orders (id) on delete cascade,
  status order_status not null,
  -- Who did it; nobody, when it was the shop itself.
  by_user uuid,
  at timestamptz not null default now()
);

create index on orders (customer_id, placed_at desc);
create index on order_lines (product_id);
create index on order_events (order_id);

alter table orders enable row level security;
alter table order_lines enable row level security;
alter table order_events enable row level security;

-- The subselects are asked once a statement, not once a row.
create policy "one's own orders" on orders for select to authenticated
  using (customer_id = (select auth.uid()));
-- Whoever sees the order sees what belongs to it.
create policy "lines of orders one sees" on order_lines for select to authenticated
  using (exists (select 1 from orders where orders.id = order_id));
create policy "events of orders one sees" on order_events for select to authenticated
  using (exists (select 1 from orders where orders.id = order_id));

-- No policy lets anybody write, and no privilege either.
revoke insert, update, delete, truncate on orders, order_lines, order_events from anon, authenticated;

-- Every change of an order's status is written down, and only sensible ones happen.
create function note_status() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' then
    if not ((old.status = 'placed' and new.status in ('paid', 'cancelled'))
         or (old.status = 'paid' and new.status in ('shipped', 'cancelled'))) then
      raise exception 'an order that is % cannot become %', old.status, new.status using errcode = 'check_violation';
    end if;
    if new.status = 'cancelled' then
      update public.products set stock = stock + order_lines.quantity
        from public.order_lines
       where order_lines.order_id = new.id and products.id = order_lines.product_id;
    end if;
  end if;
  insert into public.order_events (order_id, status, by_user) values (new.id, new.status, auth.uid());
  return null;
end;
$$;

create trigger note_first_status after insert on orders for each row execute function note_status();
create trigger note_status after update of status on orders
  for each row when (old.status is distinct from new.status) execute function note_status();

-- Places an order: takes the stock, writes the order and its lines, all of it or nothing.
--
--   place_order('[{"product_id": 1, "quantity": 2}]')
create function place_order(items jsonb) returns orders
  language plpgsql security definer set search_path = ''
as $$
declare
  customer uuid := auth.uid();
  item record;
  product public.products;
  placed public.orders;
begin
  if customer is null then
    raise exception 'sign in to order' using errcode = 'insufficient_privilege';
  end if;
  if items is null or jsonb_typeof(items) <> 'array' or jsonb_array_length(items) = 0 then
    raise exception 'the basket is empty' using errcode = 'invalid_parameter_value',
      hint = 'Give a list such as [{"product_id": 1, "quantity": 2}].';
  end if;
  if jsonb_array_length(items) > 100 then
    raise exception 'a basket holds 100 lines at most' using errcode = 'invalid_parameter_value';
  end if;

  insert into public.orders (customer_id) values (customer) returning * into placed;

  -- In the order of the products, so that two orders at a time never wait for each other; a product that is there
  -- twice is one line.
  for item in
    select (entry ->> 'product_id')::bigint as product_id,
           sum((entry ->> 'quantity')::integer) as quantity,
           min((entry ->> 'quantity')::integer) as least
      from jsonb_array_elements(items) as entry
     group by 1
     order by 1
  loop
    if item.least is null or item.least < 1 then
      raise exception 'the quantity of product % must be 1 or more', item.product_id
        using errcode = 'invalid_parameter_value';
    end if;

    -- Looking and taking is one statement: of two customers at once, one finds too little.
    update public.products set stock = stock - item.quantity
     where id = item.product_id and not hidden and stock >= item.quantity
    returning * into product;

    if not found then
      select * into product from public.products where id = item.product_id and not hidden;
      if not found then
        raise exception 'there is no product %', item.product_id using errcode = 'no_data_found';
      end if;
      raise exception 'only % of "%" left', product.stock, product.name
        using errcode = 'P0001',
              detail = jsonb_build_object('product_id', product.id, 'left', product.stock, 'wanted', item.quantity)::text,
              hint = 'Order fewer, or come back later.';
    end if;

    insert into public.order_lines (order_id, product_id, quantity, price_cents)
    values (placed.id, product.id, item.quantity, product.price_cents);
    placed.total_cents := placed.total_cents + item.quantity * product.price_cents;
  end loop;

  update public.orders set total_cents = placed.total_cents where id = placed.id;
  return placed;
end;
$$;

-- Cancels one's own order while nobody has packed it. The trigger above gives the stock back.
create function cancel_order(order_id bigint) returns orders
  language plpgsql security definer set search_path = ''
as $$
declare
  cancelled public.orders;
begin
  update public.orders set status = 'cancelled'
   where id = cancel_order.order_id and customer_id = auth.uid() and status in ('placed', 'paid')
  returning * into cancelled;
  if not found then
    -- The same words for somebody else's order as for one that does not exist.
    raise exception 'you have no open order %', cancel_order.order_id using errcode = 'no_data_found';
  end if;
  return cancelled;
end;
$$;

revoke execute on function place_order(jsonb), cancel_order(bigint) from public, anon;
grant execute on function place_order(jsonb), cancel_order(bigint) to authenticated;
