-- Everybody who signs up is a customer and gets a profile.

create table profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  name text not null check (name <> ''),
  created_at timestamptz not null default now()
);

alter table profiles enable row level security;

create policy "one's own profile" on profiles for select to authenticated using (id = auth.uid());
create policy "change one's own profile" on profiles for update to authenticated
  using (id = auth.uid()) with check (id = auth.uid());

-- Runs as its owner, because whoever signs up may not write here. An empty search path keeps others from slipping
-- their own tables or functions under the names in it.
create function make_profile() returns trigger
  language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.profiles (id, name)
  values (new.id, coalesce(nullif(new.raw_user_meta_data ->> 'name', ''), split_part(new.email, '@', 1), 'guest'));
  return new;
end;
$$;

create trigger make_profile after insert on auth.users for each row execute function make_profile();
