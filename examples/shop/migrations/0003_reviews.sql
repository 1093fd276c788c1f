-- Orders are not the shop's to write: `/commerce/v1` does that. But its policies may ask them: who has bought something may say how it was.

create table reviews (
  product_id uuid not null references commerce.products (id),
  customer_id uuid not null default auth.uid() references profiles (id) on delete cascade,
  stars integer not null check (stars between 1 and 5),
  words text not null default '',
  written_at timestamptz not null default now(),
  primary key (product_id, customer_id)
);

alter table reviews enable row level security;

create policy "anyone reads reviews" on reviews for select using (true);
-- The subselect sees what the customer sees, which is his own orders.
create policy "who has bought it may say how it was" on reviews for insert to authenticated
  with check (
    customer_id = (select auth.uid())
    and exists (
      select 1
        from commerce.order_lines as lines
        join commerce.orders as bought on bought.id = lines.order_id
       where lines.product_id = reviews.product_id
         and bought.user_id = (select auth.uid())
         and bought.state in ('paid', 'fulfilled')
    )
  );
create policy "one's own review goes" on reviews for delete to authenticated using (customer_id = (select auth.uid()));
