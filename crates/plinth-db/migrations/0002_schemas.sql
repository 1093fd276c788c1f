-- The schemas of a project, who may look into them, and our own bookkeeping.
-- Tables of `public` get no default privileges: what the API may reach is decided when a table is made (closed until opened).

create schema if not exists public;
create schema if not exists plinth;
create schema if not exists supabase_migrations;
create schema if not exists auth;
create schema if not exists storage;
create schema if not exists realtime;
create schema if not exists extensions;
create schema if not exists graphql_public;

grant usage on schema public to public;
grant usage on schema public to anon, authenticated, service_role;
grant usage on schema auth to anon, authenticated, service_role;
grant usage on schema storage to anon, authenticated, service_role;
grant usage on schema realtime to anon, authenticated, service_role;
grant usage on schema extensions to anon, authenticated, service_role;
grant usage on schema graphql_public to anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin, dashboard_user;
grant all on schema storage to supabase_storage_admin, dashboard_user;
grant all on schema realtime to supabase_realtime_admin, dashboard_user;
grant all on schema extensions to dashboard_user;

-- Migrations of our own modules.
create table plinth.migrations (
  module text not null,
  version text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  primary key (module, version)
);
comment on table plinth.migrations is 'System migrations that have run, by module.';

-- What the application's migration files held when they ran, so that a later edit is noticed.
create table plinth.migration_files (
  version text primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
);
comment on table plinth.migration_files is 'Checksums of the application''s migration files that have run.';

-- Signing secrets and API keys. `sealed` is the key under the master key, so that it can be shown again; an opaque key
-- is recognised by its `hash`.
create table plinth.keys (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('jwt_secret', 'anon', 'service_role', 'publishable', 'secret')),
  name text not null default 'default',
  prefix text,
  hash text unique,
  sealed text,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  check (hash is not null or sealed is not null)
);
comment on table plinth.keys is 'Signing secrets and API keys, sealed by the master key.';
comment on column plinth.keys.prefix is 'The first characters, by which a person recognises the key.';
comment on column plinth.keys.hash is 'SHA-256 in hexadecimal.';

-- The application's migrations, in the table that the Supabase tools use.
create table supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text
);
