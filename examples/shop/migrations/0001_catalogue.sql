-- What there is to buy stands in the schema `commerce`, with prices and stock. The shop adds shelves, and one list of all of it that
-- anyone may read; only staff changes them (0004_staff.sql).

create table categories (
  id bigint generated always as identity primary key,
  name text not null unique check (name <> '')
);

create table shelves (
  product_id uuid primary key references commerce.products (id),
  category_id bigint not null references categories (id)
);

create index on shelves (category_id);

alter table categories enable row level security;
alter table shelves enable row level security;

create policy "anyone sees the categories" on categories for select using (true);
create policy "anyone sees the shelves" on shelves for select using (true);

-- Reads with its owner's rights: how many are left may be seen by anyone, the table that says so by staff alone.
create view catalogue as
select products.id,
       categories.name as category,
       products.name,
       products.description,
       prices.currency,
       -- Money is counted in whole minor units: sums are exact, in SQL and in every client.
       prices.amount,
       inventory.on_hand - inventory.reserved as available
  from commerce.products
  join commerce.prices on prices.product_id = products.id and prices.active
  join shelves on shelves.product_id = products.id
  join categories on categories.id = shelves.category_id
  left join commerce.inventory on inventory.product_id = products.id
 where products.active;
grant select on catalogue to anon, authenticated;
