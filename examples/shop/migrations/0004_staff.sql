-- Staff is who has the role in app_metadata, which `/commerce/v1` reads as well. Nobody can give that to themselves: users write their
-- user_metadata, and only the service key writes app_metadata (auth.admin.createUser, auth.admin.updateUserById).

create function is_staff() returns boolean
  language sql stable set search_path = ''
as $$
  select coalesce(auth.jwt() -> 'app_metadata' ->> 'commerce_role' in ('staff', 'admin'), false)
$$;

create policy "staff keeps the categories" on categories for all to authenticated
  using ((select is_staff())) with check ((select is_staff()));
create policy "staff keeps the shelves" on shelves for all to authenticated
  using ((select is_staff())) with check ((select is_staff()));
create policy "staff sees all profiles" on profiles for select to authenticated
  using ((select is_staff()));

-- What was sold. With security_invoker it shows what the caller may see: all of it to staff, their own to customers.
create view sales with (security_invoker = true) as
select lines.product_id,
       bought.currency,
       sum(lines.quantity) as sold,
       sum(lines.total) as revenue
  from commerce.order_lines as lines
  join commerce.orders as bought on bought.id = lines.order_id and bought.state in ('paid', 'fulfilled')
 group by lines.product_id, bought.currency;
grant select on sales to authenticated;
