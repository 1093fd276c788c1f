-- What a shop has, what it sells, and to whom. Everybody reads by policies; what is about orders is written by the service alone.
-- Money is whole minor units (cents, yen, thousandths of a dinar) and a currency's code; rates are parts per million.

create schema commerce;
comment on schema commerce is 'Products, carts, orders, payments and their ledger. Orders are made and changed through /commerce/v1 alone.';
grant usage on schema commerce to anon, authenticated, service_role;

create table commerce.products (
  id uuid primary key default gen_random_uuid(),
  name text not null check (name <> ''),
  description text,
  tax_class text not null default 'standard',
  active boolean not null default true,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table commerce.products is 'What is sold.';
comment on column commerce.products.tax_class is 'Which of a region''s tax rates applies.';

create table commerce.prices (
  id uuid primary key default gen_random_uuid(),
  product_id uuid not null references commerce.products (id),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  amount bigint not null check (amount >= 0),
  active boolean not null default true,
  created_at timestamptz not null default now()
);
comment on table commerce.prices is 'What a product costs. Of several in one currency the newest counts, unless one is named.';
create index prices_product_id_idx on commerce.prices (product_id, currency);

create table commerce.inventory (
  product_id uuid primary key references commerce.products (id),
  on_hand bigint not null check (on_hand >= 0),
  reserved bigint not null default 0 check (reserved >= 0),
  constraint inventory_reserved_is_there check (reserved <= on_hand)
);
comment on table commerce.inventory is 'What is in the store. A product without a row is not counted and never sold out.';
comment on column commerce.inventory.reserved is 'How many of those on hand belong to orders that have not left yet.';

create table commerce.discounts (
  code text primary key check (code <> ''),
  kind text not null check (kind in ('percent', 'fixed')),
  ppm bigint check (ppm between 0 and 1000000),
  amount bigint check (amount >= 0),
  currency text check (currency ~ '^[A-Z]{3}$'),
  starts_at timestamptz,
  ends_at timestamptz,
  max_uses bigint check (max_uses >= 0),
  uses bigint not null default 0 check (uses >= 0),
  active boolean not null default true,
  constraint discounts_kind_has_its_value check (
    (kind = 'percent' and ppm is not null and amount is null and currency is null)
    or (kind = 'fixed' and ppm is null and amount is not null and currency is not null)
  ),
  constraint discounts_uses_are_allowed check (max_uses is null or uses <= max_uses)
);
comment on table commerce.discounts is 'Codes that make an order cheaper. An order that is never paid gives its use back.';

create table commerce.tax_rates (
  region text not null,
  tax_class text not null default 'standard',
  ppm bigint not null check (ppm between 0 and 10000000),
  included boolean not null default true,
  name text not null default '',
  primary key (region, tax_class)
);
comment on table commerce.tax_rates is 'What a region takes of a class of products. Where there is no row there is no tax.';
comment on column commerce.tax_rates.included is 'Whether prices hold the tax already.';

create table commerce.customers (
  id uuid primary key,
  user_id uuid unique references auth.users (id) on delete set null,
  email text,
  name text,
  created_at timestamptz not null default now()
);
comment on table commerce.customers is 'Who has ordered: users, and guests by what they said of themselves.';

create table commerce.carts (
  id uuid primary key,
  -- No foreign key, here and in orders: a token may name somebody whom another issuer knows, and what was sold stays sold.
  user_id uuid,
  secret_digest text,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  region text not null default '',
  codes text[] not null default '{}',
  state text not null default 'open' check (state in ('open', 'ordered')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz not null
);
comment on column commerce.carts.secret_digest is 'SHA-256, in hexadecimal, of what a guest shows to reach it.';
create index carts_user_id_idx on commerce.carts (user_id);
create index carts_expires_at_idx on commerce.carts (expires_at);

create table commerce.cart_lines (
  cart_id uuid not null references commerce.carts (id) on delete cascade,
  price_id uuid not null references commerce.prices (id),
  quantity bigint not null check (quantity > 0),
  primary key (cart_id, price_id)
);

create table commerce.orders (
  id uuid primary key,
  number bigint generated always as identity unique,
  customer_id uuid references commerce.customers (id),
  user_id uuid,
  secret_digest text,
  email text,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  region text not null default '',
  codes text[] not null default '{}',
  state text not null default 'pending',
  event text not null default 'place',
  version bigint not null default 1,
  subtotal bigint not null check (subtotal >= 0),
  discount bigint not null check (discount >= 0),
  tax bigint not null check (tax >= 0),
  total bigint not null check (total >= 0),
  captured bigint not null default 0 check (captured >= 0),
  refunded bigint not null default 0 check (refunded >= 0),
  refunding bigint not null default 0 check (refunding >= 0),
  owed bigint not null default 0 check (owed >= 0),
  provider text not null,
  metadata jsonb not null default '{}',
  placed_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  expires_at timestamptz,
  constraint orders_begin_pending check (
    version > 1 or (state = 'pending' and event = 'place' and captured = 0 and refunded = 0 and refunding = 0 and owed = 0)
  ),
  constraint orders_refunded_was_captured check (refunded <= captured),
  constraint orders_refunding_is_there check (refunding <= captured - refunded),
  constraint orders_owed_is_there check (owed <= captured - refunded)
);
comment on table commerce.orders is 'What was ordered. Amounts are of the order''s currency, as they were when it was placed.';
comment on column commerce.orders.codes is 'Discounts that were used, in order.';
comment on column commerce.orders.event is 'What brought it to this version; docs/orders.md lists states and events.';
comment on column commerce.orders.version is 'Counts changes: whoever decides on one version may only change that one.';
comment on column commerce.orders.refunding is 'Of what was captured: what has been asked to go back and has not gone.';
comment on column commerce.orders.owed is 'Of what was captured: what the order has not earned, or not any more.';
comment on column commerce.orders.expires_at is 'When a pending order gives its stock back.';
create index orders_user_id_idx on commerce.orders (user_id, id);
create index orders_customer_id_idx on commerce.orders (customer_id);
create index orders_expires_at_idx on commerce.orders (expires_at) where (state = 'pending');

create table commerce.order_lines (
  order_id uuid not null references commerce.orders (id),
  position integer not null,
  product_id uuid not null references commerce.products (id),
  price_id uuid not null references commerce.prices (id),
  name text not null,
  quantity bigint not null check (quantity > 0),
  unit_amount bigint not null check (unit_amount >= 0),
  discount bigint not null check (discount >= 0),
  tax_ppm bigint not null check (tax_ppm >= 0),
  tax_included boolean not null,
  tax bigint not null check (tax >= 0),
  total bigint not null check (total >= 0),
  primary key (order_id, position)
);
comment on table commerce.order_lines is 'Names and prices are copies: what is changed later does not change what was sold.';

create table commerce.order_events (
  id bigint generated always as identity primary key,
  order_id uuid not null references commerce.orders (id),
  event text not null,
  from_state text,
  to_state text not null,
  actor text not null,
  at timestamptz not null default now(),
  details jsonb not null default '{}'
);
comment on table commerce.order_events is 'All that happened to orders, and by whom.';
create index order_events_order_id_idx on commerce.order_events (order_id, id);

create table commerce.reservations (
  order_id uuid not null references commerce.orders (id),
  product_id uuid not null references commerce.products (id),
  quantity bigint not null check (quantity > 0),
  state text not null default 'held' check (state in ('held', 'released', 'consumed', 'restocked')),
  primary key (order_id, product_id)
);
comment on table commerce.reservations is 'What orders took of the inventory. Only products that were counted then have a row.';
create index reservations_product_id_idx on commerce.reservations (product_id) where (state = 'held');

create table commerce.payments (
  id uuid primary key,
  order_id uuid not null references commerce.orders (id),
  provider text not null,
  amount bigint not null check (amount >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  state text not null check (state in ('created', 'pending', 'action_required', 'captured', 'failed', 'cancelled')),
  provider_id text,
  client_secret text,
  failure text,
  idempotency_key text not null unique,
  attempts integer not null default 0,
  due_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint payments_provider_id_key unique (provider, provider_id)
);
comment on table commerce.payments is 'Attempts to be paid. The row is there before the provider is asked.';
comment on column commerce.payments.idempotency_key is 'What the provider is given, so that a repeated question is one payment.';
comment on column commerce.payments.due_at is 'When the provider is asked again; null where nothing is to be asked.';
create index payments_order_id_idx on commerce.payments (order_id);
create index payments_due_at_idx on commerce.payments (due_at) where (due_at is not null);

create table commerce.refunds (
  id uuid primary key,
  order_id uuid not null references commerce.orders (id),
  payment_id uuid not null references commerce.payments (id),
  amount bigint not null check (amount > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  reason text,
  restock boolean not null default false,
  state text not null check (state in ('created', 'pending', 'succeeded', 'failed')),
  provider_id text unique,
  failure text,
  idempotency_key text not null unique,
  attempts integer not null default 0,
  due_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table commerce.refunds is 'Money on its way back. The row is there before the provider is asked.';
create index refunds_order_id_idx on commerce.refunds (order_id);
create index refunds_payment_id_idx on commerce.refunds (payment_id);
create index refunds_due_at_idx on commerce.refunds (due_at) where (due_at is not null);

create table commerce.webhook_events (
  provider text not null,
  event_id text not null,
  type text not null,
  object_id text,
  body text not null,
  state text not null default 'stored' check (state in ('stored', 'handled', 'ignored', 'failed')),
  attempts integer not null default 0,
  due_at timestamptz,
  received_at timestamptz not null default now(),
  primary key (provider, event_id)
);
comment on table commerce.webhook_events is 'What providers sent, once each. Their bodies are kept for people; what is believed is read from the provider.';
create index webhook_events_due_at_idx on commerce.webhook_events (due_at) where (due_at is not null);

create table commerce.idempotency (
  scope text not null,
  key text not null,
  fingerprint text not null,
  holder uuid not null,
  state text not null default 'running' check (state in ('running', 'done')),
  status integer,
  answer jsonb,
  started_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (scope, key)
);
comment on table commerce.idempotency is 'Answers by Idempotency-Key. Some hold what is told once, so nobody but the service reads them.';
comment on column commerce.idempotency.holder is 'Whose turn it is. A request that was thought dead and was not can no longer write.';
create index idempotency_expires_at_idx on commerce.idempotency (expires_at);

alter table commerce.products enable row level security;
alter table commerce.prices enable row level security;
alter table commerce.inventory enable row level security;
alter table commerce.discounts enable row level security;
alter table commerce.tax_rates enable row level security;
alter table commerce.customers enable row level security;
alter table commerce.carts enable row level security;
alter table commerce.cart_lines enable row level security;
alter table commerce.orders enable row level security;
alter table commerce.order_lines enable row level security;
alter table commerce.order_events enable row level security;
alter table commerce.reservations enable row level security;
alter table commerce.payments enable row level security;
alter table commerce.refunds enable row level security;
alter table commerce.webhook_events enable row level security;
alter table commerce.idempotency enable row level security;

-- A Supabase stack may give new tables away by default privileges.
revoke all on all tables in schema commerce from anon, authenticated, service_role;

grant select on commerce.products, commerce.prices, commerce.tax_rates to anon, authenticated, service_role;
grant select on commerce.inventory, commerce.discounts, commerce.customers, commerce.carts, commerce.cart_lines, commerce.orders,
  commerce.order_lines, commerce.order_events, commerce.reservations, commerce.payments, commerce.refunds to authenticated, service_role;
grant select on commerce.webhook_events to service_role;
grant insert, update on commerce.products, commerce.prices, commerce.tax_rates to authenticated, service_role;
-- Not `uses`: that is counted.
grant insert (code, kind, ppm, amount, currency, starts_at, ends_at, max_uses, active),
  update (kind, ppm, amount, currency, starts_at, ends_at, max_uses, active) on commerce.discounts to authenticated, service_role;

-- What is for sale is for everybody.
create policy active_ones on commerce.products for select to anon, authenticated using (active);
create policy active_ones on commerce.prices for select to anon, authenticated using (active);
create policy everybody on commerce.tax_rates for select to anon, authenticated using (true);

-- Customers see what is theirs.
create policy own on commerce.customers for select to authenticated using (user_id = (select auth.uid()));
create policy own on commerce.carts for select to authenticated using (user_id = (select auth.uid()));
create policy own on commerce.cart_lines for select to authenticated
  using (cart_id in (select id from commerce.carts where user_id = (select auth.uid())));
create policy own on commerce.orders for select to authenticated using (user_id = (select auth.uid()));
create policy own on commerce.order_lines for select to authenticated
  using (order_id in (select id from commerce.orders where user_id = (select auth.uid())));
create policy own on commerce.order_events for select to authenticated
  using (order_id in (select id from commerce.orders where user_id = (select auth.uid())));
create policy own on commerce.payments for select to authenticated
  using (order_id in (select id from commerce.orders where user_id = (select auth.uid())));
create policy own on commerce.refunds for select to authenticated
  using (order_id in (select id from commerce.orders where user_id = (select auth.uid())));

-- Staff are made so by `app_metadata`, which users cannot change.
create policy staff on commerce.products for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.prices for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.inventory for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.discounts for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.customers for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.carts for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.cart_lines for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.orders for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.order_lines for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.order_events for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.reservations for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.payments for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff on commerce.refunds for select to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));

-- They also keep the catalogue. Stock is set through the API, which counts what is reserved.
create policy staff_add on commerce.products for insert to authenticated
  with check (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_change on commerce.products for update to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_add on commerce.prices for insert to authenticated
  with check (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_change on commerce.prices for update to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_add on commerce.discounts for insert to authenticated
  with check (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_change on commerce.discounts for update to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_add on commerce.tax_rates for insert to authenticated
  with check (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));
create policy staff_change on commerce.tax_rates for update to authenticated
  using (coalesce((select auth.jwt()) -> 'app_metadata' ->> 'commerce_role', '') in ('staff', 'admin'));

-- Where the service's role may not pass by policies (a managed server), these let it read.
create policy service_reads on commerce.inventory for select to service_role using (true);
create policy service_reads on commerce.customers for select to service_role using (true);
create policy service_reads on commerce.carts for select to service_role using (true);
create policy service_reads on commerce.cart_lines for select to service_role using (true);
create policy service_reads on commerce.orders for select to service_role using (true);
create policy service_reads on commerce.order_lines for select to service_role using (true);
create policy service_reads on commerce.order_events for select to service_role using (true);
create policy service_reads on commerce.reservations for select to service_role using (true);
create policy service_reads on commerce.payments for select to service_role using (true);
create policy service_reads on commerce.refunds for select to service_role using (true);
create policy service_reads on commerce.webhook_events for select to service_role using (true);
create policy service_keeps on commerce.products for all to service_role using (true) with check (true);
create policy service_keeps on commerce.prices for all to service_role using (true) with check (true);
create policy service_keeps on commerce.discounts for all to service_role using (true) with check (true);
create policy service_keeps on commerce.tax_rates for all to service_role using (true) with check (true);
