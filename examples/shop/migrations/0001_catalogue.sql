-- What there is to buy. Anyone may look, also without an account; only staff changes it (0004_staff.sql).

create table categories (
  id bigint generated always as identity primary key,
  name text not null unique check (name <> '')
);

create table products (
  id bigint generated always as identity primary key,
  category_id bigint not null references categories (id),
  name text not null check (name <> ''),
  description text not null default '',
  -- Money is counted in whole cents: sums are exact, in SQL and in every client.
  price_cents integer not null check (price_cents >= 0),
  -- The check is the last word: whatever a function forgets, nothing is sold that is not there.
  stock integer not null default 0 check (stock >= 0),
  hidden boolean not null default false,
  created_at timestamptz not null default now()
);

create index on products (category_id);

alter table categories enable row level security;
alter table products enable row level security;

create policy "anyone sees the categories" on categories for select using (true);
create policy "anyone sees what is offered" on products for select using (not hidden);
