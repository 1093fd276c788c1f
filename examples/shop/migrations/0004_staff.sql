-- Staff is who has the role in app_metadata. Nobody can give that to themselves: users write their user_metadata, and
-- only the service key writes app_metadata (auth.admin.createUser, auth.admin.updateUserById).

create function is_staff() returns boolean
  language sql stable set search_path = ''
as $$
  select coalesce(auth.jwt() -> 'app_metadata' ->> 'role' = 'staff', false)
$$;

create policy "staff keeps the categories" on categories for all to authenticated
  using ((select is_staff())) with check ((select is_staff()));
create policy "staff keeps the products" on products for all to authenticated
  using ((select is_staff())) with check ((select is_staff()));
create policy "staff sees all profiles" on profiles for select to authenticated
  using ((select is_staff()));
create policy "staff sees all orders" on orders for select to authenticated
  using ((select is_staff()));

-- Of an order, staff changes the status and nothing else.
create policy "staff moves orders on" on orders for update to authenticated
  using ((select is_staff())) with check ((select is_staff()));
grant update (status) on orders to authenticated;

-- What was sold. With security_invoker it shows what the caller may see: all of it to staff, their own to customers.
create view sales with (security_invoker = true) as
select products.id as product_id,
       products.name,
       sum(order_lines.quantity) as sold,
       sum(order_lines.quantity * order_lines.price_cents) as revenue_cents
  from order_lines
  join orders on orders.id = order_lines.order_id and orders.status <> 'cancelled'
  join products on products.id = order_lines.product_id
 group by products.id, products.name;
grant select on sales to authenticated;
