-- Functions as applications have them. PostgreSQL 15 takes this file as it is.

create table profiles (id uuid primary key, email text, full_name text, avatar_url text, role text default 'user', updated_at timestamptz);
create table products (id bigint primary key, name text not null, stock int not null, price numeric(10, 2) not null, tags text[]);
create table orders (id bigint primary key, customer uuid, status text, total numeric(10, 2), created_at timestamptz default now());
create table order_items (order_id bigint, product_id bigint, quantity int, price numeric(10, 2));
create table audit_log (id bigint, table_name text, op text, old_row jsonb, new_row jsonb, changed_by text, at timestamptz);
create table accounts (id int primary key, owner text, balance numeric not null check (balance >= 0));
create table categories (id int primary key, parent_id int, name text, path text);
create table counters (name text primary key, value bigint not null default 0);
create table messages (id bigint, room text, body text, created_at timestamptz);
create type order_line as (product_id bigint, quantity int);

create function handle_new_user() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into public.profiles (id, email, full_name, avatar_url)
  values (new.id, new.email, new.raw_user_meta_data->>'full_name', new.raw_user_meta_data->>'avatar_url');
  return new;
end;
$$;

create function moddatetime() returns trigger as $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END;
$$ language plpgsql;

create function audit() returns trigger language plpgsql as $$
declare
  who text := coalesce(current_setting('request.jwt.claims', true)::json->>'sub', current_user);
begin
  if tg_op = 'INSERT' then
    insert into audit_log (table_name, op, new_row, changed_by, at)
    values (tg_table_name, tg_op, to_jsonb(new), who, now());
    return new;
  elsif tg_op = 'UPDATE' then
    insert into audit_log (table_name, op, old_row, new_row, changed_by, at)
    values (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new), who, now());
    return new;
  elsif (TG_OP = 'DELETE') then
    insert into audit_log (table_name, op, old_row, changed_by, at)
    values (TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 'D', row_to_json(OLD)::jsonb, who, now());
    return old;
  end if;
  return null; -- after triggers may say anything
end
$$;

create function place_order(customer_id uuid, lines jsonb) returns bigint language plpgsql as $$
declare
  new_order bigint;
  line jsonb;
  product products%rowtype;
  total numeric(10, 2) := 0;
begin
  insert into orders (customer, status) values (customer_id, 'open') returning id into new_order;
  for line in select * from jsonb_array_elements(lines) loop
    select * into strict product from products where id = (line->>'product_id')::bigint for update;
    if product.stock < (line->>'quantity')::int then
      raise exception 'not enough of "%": % left', product.name, product.stock
        using errcode = 'P0001', hint = 'Order less.', detail = format('product %s', product.id);
    end if;
    update products set stock = stock - (line->>'quantity')::int where id = product.id;
    insert into order_items values (new_order, product.id, (line->>'quantity')::int, product.price);
    total := total + product.price * (line->>'quantity')::int;
  end loop;
  update orders set total = place_order.total where id = new_order;
  return new_order;
exception
  when no_data_found then
    raise exception 'no such product' using errcode = '22023';
  when check_violation or not_null_violation then
    raise;
end;
$$;

create function cancel_order(which bigint) returns boolean language plpgsql as $$
declare
  item record;
begin
  update orders set status = 'cancelled' where id = which and status = 'open';
  if not found then
    return false;
  end if;
  for item in select product_id, sum(quantity) as quantity from order_items where order_id = which group by product_id
  loop
    update products p set stock = p.stock + item.quantity where p.id = item.product_id;
  end loop;
  return true;
end $$;

create function factorial(n int) returns numeric language plpgsql immutable strict as $$
begin
  if n < 0 then
    raise exception using message = 'negative: ' || n, errcode = 'invalid_parameter_value';
  end if;
  if n <= 1 then return 1; end if;
  return n * factorial(n - 1);
end $$;

create function fibonacci(n int) returns setof bigint language plpgsql as $$
declare a bigint := 0; b bigint := 1; next bigint;
begin
  for i in 1..n loop
    return next a;
    next := a + b; a := b; b := next;
  end loop;
  return;
end $$;

create function gcd(a int, b int) returns int language plpgsql as $$
begin
  while b <> 0 loop
    select b, a % b into a, b;
  end loop;
  return a;
end $$;

create function is_prime(n int) returns boolean language plpgsql as $$
declare d int := 3;
begin
  case when n < 2 then return false;
       when n in (2, 3) then return true;
       when n % 2 = 0 then return false;
       else null;
  end case;
  loop
    exit when d * d > n;
    if n % d = 0 then return false; end if;
    d := d + 2;
  end loop;
  return true;
end $$;

create function category_path(start int) returns text language plpgsql stable as $$
declare
  here categories;
  path text := '';
begin
  select * into here from categories where id = start;
  while here.id is not null loop
    path := '/' || here.name || path;
    select * into here from categories where id = here.parent_id;
  end loop;
  return nullif(path, '');
end $$;

create function descendants(root int) returns table (id int, name text, depth int) language plpgsql as $$
#variable_conflict use_column
begin
  return query
    with recursive tree as (
      select c.id, c.name, 0 as depth from categories c where c.id = root
      union all
      select c.id, c.name, t.depth + 1 from categories c join tree t on c.parent_id = t.id
    )
    select id, name, depth from tree order by depth, name;
  if not found then
    raise notice 'no category %', root;
  end if;
end $$;

create function transfer(source int, target int, amount numeric) returns void language plpgsql as $$
begin
  if amount <= 0 then raise exception 'amount must be positive' using errcode = '22003'; end if;
  perform 1 from accounts where id in (source, target) order by id for update;
  update accounts set balance = balance - amount where id = source;
  if not found then raise exception 'account % does not exist', source; end if;
  update accounts set balance = balance + amount where id = target;
  if not found then raise exception 'account % does not exist', target; end if;
exception when check_violation then
  raise exception 'insufficient funds in account %', source using errcode = sqlstate;
end $$;

create function bump(counter text) returns bigint language plpgsql as $$
declare result bigint;
begin
  loop
    update counters set value = value + 1 where name = counter returning value into result;
    if found then return result; end if;
    begin
      insert into counters (name, value) values (counter, 1) returning value into result;
      return result;
    exception when unique_violation then
      -- somebody was faster: try again
    end;
  end loop;
end $$;

create function bump_upsert(counter text, by bigint default 1) returns bigint language plpgsql as $$
declare result bigint;
begin
  insert into counters as c values (counter, by)
  on conflict (name) do update set value = c.value + excluded.value
  returning c.value into strict result;
  return result;
end $$;

create function count_rows(schema_name text, table_name text) returns bigint language plpgsql as $$
declare n bigint;
begin
  execute format('select count(*) from %I.%I', schema_name, table_name) into n;
  return n;
end $$;

create function search_products(term text, max_price numeric, tag text) returns setof products language plpgsql as $$
declare
  query text := 'select * from products where true';
begin
  if term is not null then query := query || ' and name ilike $1'; end if;
  if max_price is not null then query := query || ' and price <= $2'; end if;
  if tag is not null then query := query || ' and $3 = any (tags)'; end if;
  return query execute query || ' order by name' using '%' || term || '%', max_price, tag;
end $$;

create function drop_old_partitions(keep interval) returns int language plpgsql as $$
declare
  part record;
  dropped int := 0;
begin
  for part in
    select c.relname from pg_class c where c.relkind = 'r' and c.relname like 'messages\_%' escape '\'
  loop
    if to_date(right(part.relname, 8), 'YYYYMMDD') < current_date - keep then
      execute 'drop table ' || quote_ident(part.relname);
      dropped := dropped + 1;
    end if;
  end loop;
  return dropped;
end $$;

create function grant_all(role_name text) returns void language plpgsql as $$
declare t text;
begin
  for t in execute 'select tablename from pg_tables where schemaname = $1' using 'public' loop
    execute format('grant select on %I to %I', t, role_name);
  end loop;
end $$;

create function sum_array(xs int[]) returns int language plpgsql as $$
declare x int; total int = 0;
begin
  foreach x in array xs loop
    continue when x is null;
    total = total + x;
  end loop;
  return total;
end $$;

create function rows_of(matrix int[][]) returns setof int[] language plpgsql as $$
declare one int[];
begin
  foreach one slice 1 in array matrix loop
    return next one;
  end loop;
end $$;

create function bubble_sort(input int[]) returns int[] language plpgsql as $$
declare
  a int[] := input;
  n constant int := coalesce(array_length(input, 1), 0);
  swapped boolean;
  held int;
begin
  <<passes>>
  for i in reverse n - 1 .. 1 loop
    swapped := false;
    for j in 1 .. i loop
      if a[j] > a[j + 1] then
        held := a[j];
        a[j] := a[j + 1];
        a[j + 1] := held;
        swapped := true;
      end if;
    end loop;
    exit passes when not swapped;
  end loop passes;
  return a;
end $$;

create function multiples(upto int) returns text language plpgsql as $$
declare out text := '';
begin
  for i in 0..upto by 5 loop
    out := out || case when i > 0 then ',' else '' end || i;
  end loop;
  return out;
end $$;

create function pages(size int) returns int language plpgsql as $$
declare
  cur cursor (n int) for select id, body from messages order by id limit n;
  free refcursor;
  one record;
  seen int := 0;
begin
  open cur(size);
  loop
    fetch cur into one;
    exit when not found;
    seen := seen + 1;
  end loop;
  close cur;
  for one in cur(n := size * 2) loop
    seen := seen + length(one.body);
  end loop;
  open free no scroll for select id from messages;
  fetch next from free into one;
  move relative 2 from free;
  close free;
  open free for execute 'select id from messages where room = $1' using 'lobby';
  close free;
  return seen;
end $$;

create function open_orders(out c refcursor) language plpgsql as $$
begin
  open c scroll for select * from orders where status = 'open';
end $$;

create function touch_many() returns int language plpgsql as $$
declare changed int; context text;
begin
  update orders set status = status;
  get diagnostics changed = row_count, context := pg_context;
  return changed;
end $$;

create function try_sql(sql text) returns jsonb language plpgsql as $$
declare
  state text; message text; detail text; hint text; context text; col text; con text; ty text; tab text; sch text;
begin
  execute sql;
  return null;
exception when others then
  get stacked diagnostics
    state = returned_sqlstate, message = message_text, detail = pg_exception_detail, hint = pg_exception_hint,
    context = pg_exception_context, col = column_name, con = constraint_name, ty = pg_datatype_name,
    tab = table_name, sch = schema_name;
  return jsonb_build_object('state', state, 'message', message, 'sqlerrm', sqlerrm, 'same', state = sqlstate);
end $$;

create function log_levels(what text) returns void language plpgsql as $$
begin
  raise debug 'debug %', what;
  raise log 'log %', what;
  raise info 'info %', what;
  raise notice '100%% of %', upper(what);
  raise warning 'warning %', what using hint = 'none';
  raise exception sqlstate '22012' using message = what, column = 'c', constraint = 'd', table = 't', schema = 's', datatype = 'i';
end $$;

create function check_price() returns trigger language plpgsql as $function$
begin
  if new.price is distinct from old.price and new.price > old.price * 1.5 then
    raise check_violation using message = 'price rises too fast', table = tg_table_name, column = 'price';
  end if;
  assert new.price >= 0, 'price is negative: ' || new.price;
  return new;
end;
$function$;

create function protect_role() returns trigger language plpgsql security definer as $$
<<protect>>
declare
  is_admin boolean;
begin
  is_admin := exists (select from profiles p where p.id = old.id and p.role = 'admin');
  if new.role is distinct from old.role and not coalesce(is_admin, false) then
    new.role := old.role;
  end if;
  return new;
end protect $$;

create function broadcast() returns trigger language plpgsql as $$
begin
  perform pg_notify('room:' || coalesce(new.room, old.room),
                    json_build_object('op', lower(tg_op), 'row', case tg_op when 'DELETE' then to_json(old) else to_json(new) end)::text);
  return coalesce(new, old);
end $$;

create function add_lines(which bigint, lines order_line[]) returns void language plpgsql as $$
declare line order_line; n int := 1;
begin
  foreach line in array lines loop
    insert into order_items (order_id, product_id, quantity, price)
    select which, p.id, line.quantity, p.price from products p where p.id = line.product_id;
    if not found then
      raise foreign_key_violation using message = format('line %s: no product %s', n, line.product_id);
    end if;
    n := n + 1;
  end loop;
end $$;

create function stats(out n bigint, out cheapest numeric, out dearest numeric) language plpgsql as $$
begin
  n := count(*) from products;
  select min(price), max(price) from products into cheapest, dearest;
end $$;

create function grade(points int) returns text language plpgsql as $$
begin
  case
    when points between 90 and 100 then return 'A';
    when points between 80 and 89 then return 'B';
    else return case when points < 0 then '?' else 'C' end;
  end case;
end $$;

create function day_kind(day int) returns text language plpgsql as $$
declare kind text;
begin
  case day
    when 0, 6 then kind := 'weekend';
    when 1, 2, 3, 4, 5 then kind := 'week';
  end case;
  return kind;
exception
  when case_not_found then
    return 'none';
end $$;

create function shadows(x int) returns int language plpgsql as $$
<<whole>>
declare
  x int := shadows.x * 2;
  y alias for $1;
  other orders.total%type;
begin
  <<part>>
  declare x int := whole.x + 1;
  begin
    part.x := part.x + y;
    whole.x := x;
  end part;
  return whole.x;
end whole $$;

create function nested_labels() returns int language plpgsql as $$
declare found_at int;
begin
  <<rows>>
  for i in 1..10 loop
    <<columns>>
    for j in 1..10 loop
      continue rows when j > i;
      if i * j = 42 then
        found_at := i;
        exit rows;
      end if;
    end loop columns;
  end loop rows;
  return found_at;
end $$;

create function make_table() returns void language plpgsql as $$
begin
  create temporary table if not exists scratch (id int, note text);
  truncate scratch;
  insert into scratch select i, 'row ' || i from generate_series(1, 10) as g(i);
  create index if not exists scratch_id on scratch (id);
  drop table scratch;
  set local statement_timeout = '5s';
end $$;

create function soft_delete() returns trigger language plpgsql as $$
begin
  execute format('update %I.%I set deleted_at = now() where id = $1', tg_table_schema, tg_table_name) using old.id;
  return null;
end $$;

create function slugify(value text) returns text language plpgsql immutable as $$
declare slug text;
begin
  slug := lower(regexp_replace(trim(value), '[^a-zA-Z0-9]+', '-', 'g'));
  slug := trim(both '-' from slug);
  if slug = '' then slug := 'n-a'; end if;
  return slug;
end $$;

create function current_tenant() returns uuid language plpgsql stable as $$
begin
  return (current_setting('request.jwt.claims', true)::jsonb -> 'app_metadata' ->> 'tenant')::uuid;
exception
  when invalid_text_representation or sqlstate '22P03' then return null;
end $$;

create function rate_limit(bucket text, allowed int) returns boolean language plpgsql as $$
declare used int;
begin
  with recent as (
    delete from messages where room = bucket and created_at < now() - interval '1 minute' returning 1
  ), kept as (
    select count(*) as n from messages where room = bucket
  )
  select kept.n - (select count(*) from recent) into used from kept;
  return used < allowed;
end $$;

create procedure settle(minimum numeric) language plpgsql as $$
declare r accounts%rowtype;
begin
  for r in select * from accounts where balance < minimum loop
    call settle(r.balance);
    raise notice 'settled %', r.id;
  end loop;
end $$;
