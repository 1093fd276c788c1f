//! What a Supabase stack leaves on a server: its roles, its schemas as its services make them, and an application.
//!
//! Written after the definitions of its services' tables as of 2025, as far as Plinth meets them.

/// Roles, for a whole server. `developer` stands for the user that is called `postgres` there and is no superuser.
pub(crate) const ROLES: &str = "
create role supabase_admin superuser login createdb createrole replication bypassrls password 'a-long-word';
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password 'their own word';
create role supabase_auth_admin login noinherit createrole password 'the word of auth';
create role supabase_storage_admin login noinherit createrole password 'the word of storage';
create role dashboard_user nologin createdb createrole replication;
create role developer login createdb createrole replication bypassrls password 'a-long-word';
grant anon, authenticated, service_role to authenticator, developer;
grant authenticator, anon, authenticated, service_role to supabase_storage_admin;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
";

/// The schemas of the services, run by `supabase_admin`.
pub(crate) const SERVICES: &str = "
alter schema public owner to developer;
grant usage on schema public to anon, authenticated, service_role, developer;
alter default privileges for role developer in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role developer in schema public grant all on sequences to anon, authenticated, service_role;
alter default privileges for role developer in schema public grant all on functions to anon, authenticated, service_role;
create schema extensions;
grant usage on schema extensions to anon, authenticated, service_role, developer;
create extension pgcrypto with schema extensions;

create schema auth authorization supabase_auth_admin;
grant all on schema auth to dashboard_user;
grant usage on schema auth to anon, authenticated, service_role, developer;
set role supabase_auth_admin;
create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
create type auth.code_challenge_method as enum ('s256', 'plain');
create type auth.one_time_token_type as enum ('confirmation_token', 'reauthentication_token', 'recovery_token',
  'email_change_token_new', 'email_change_token_current', 'phone_change_token');
create table auth.schema_migrations (version varchar(255) primary key);
create table auth.users (
  instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255),
  encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
  confirmation_token varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255),
  recovery_sent_at timestamptz, email_change_token_new varchar(255), email_change varchar(255),
  email_change_sent_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb,
  is_super_admin boolean, created_at timestamptz, updated_at timestamptz, phone text default null unique,
  phone_confirmed_at timestamptz, phone_change text default '', phone_change_token varchar(255) default '',
  phone_change_sent_at timestamptz,
  confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
  email_change_token_current varchar(255) default '',
  email_change_confirm_status smallint default 0 check (email_change_confirm_status between 0 and 2),
  banned_until timestamptz, reauthentication_token varchar(255) default '', reauthentication_sent_at timestamptz,
  is_sso_user boolean not null default false, deleted_at timestamptz, is_anonymous boolean not null default false
);
create unique index users_email_partial_key on auth.users (email) where (is_sso_user = false);
create table auth.identities (
  provider_id text not null, user_id uuid not null references auth.users on delete cascade,
  identity_data jsonb not null, provider text not null, last_sign_in_at timestamptz, created_at timestamptz,
  updated_at timestamptz, email text generated always as (lower(identity_data ->> 'email')) stored,
  id uuid primary key default gen_random_uuid(),
  constraint identities_provider_id_provider_unique unique (provider_id, provider)
);
create table auth.sessions (
  id uuid primary key, user_id uuid not null references auth.users on delete cascade, created_at timestamptz,
  updated_at timestamptz, factor_id uuid, aal auth.aal_level, not_after timestamptz, refreshed_at timestamp,
  user_agent text, ip inet, tag text, oauth_client_id uuid, refresh_token_hmac_key text,
  refresh_token_counter bigint, scopes text
);
create table auth.refresh_tokens (
  instance_id uuid, id bigserial primary key, token varchar(255) unique, user_id varchar(255), revoked boolean,
  created_at timestamptz, updated_at timestamptz, parent varchar(255),
  session_id uuid references auth.sessions on delete cascade
);
create table auth.mfa_amr_claims (
  session_id uuid not null references auth.sessions on delete cascade, created_at timestamptz not null,
  updated_at timestamptz not null, authentication_method text not null, id uuid primary key
);
create table auth.flow_state (
  id uuid primary key, user_id uuid, auth_code text, code_challenge_method auth.code_challenge_method,
  code_challenge text, provider_type text not null, provider_access_token text, provider_refresh_token text,
  created_at timestamptz, updated_at timestamptz, authentication_method text not null,
  auth_code_issued_at timestamptz
);
create table auth.one_time_tokens (
  id uuid primary key, user_id uuid not null references auth.users on delete cascade,
  token_type auth.one_time_token_type not null, token_hash text not null check (char_length(token_hash) > 0),
  relates_to text not null, created_at timestamp not null default now(), updated_at timestamp not null default now()
);
create unique index one_time_tokens_user_id_token_type_key on auth.one_time_tokens (user_id, token_type);
create function auth.uid() returns uuid language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
       nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create function auth.role() returns text language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
       nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role') $$;
create function auth.email() returns text language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''),
       nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email') $$;
create function auth.jwt() returns jsonb language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
       nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
do $$ declare name text; begin
  for name in select relname from pg_class where relnamespace = 'auth'::regnamespace and relkind = 'r' loop
    execute format('alter table auth.%I enable row level security', name);
    execute format('grant all on auth.%I to developer, dashboard_user', name);
  end loop;
end $$;
reset role;

create schema storage authorization supabase_storage_admin;
grant usage on schema storage to anon, authenticated, service_role, developer;
set role supabase_storage_admin;
create table storage.migrations (id integer primary key, name varchar(100) unique not null, hash varchar(40) not null);
create table storage.buckets (
  id text primary key, name text not null, owner uuid, created_at timestamptz default now(),
  updated_at timestamptz default now(), public boolean default false, avif_autodetection boolean default false,
  file_size_limit bigint, allowed_mime_types text[], owner_id text
);
create unique index bname on storage.buckets (name);
create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text constraint \"objects_bucketId_fkey\" references storage.buckets, name text, owner uuid,
  created_at timestamptz default now(), updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(), metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored, version text, owner_id text,
  user_metadata jsonb
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role, developer;
create function storage.foldername(name text) returns text[] language plpgsql as
  $$ declare parts text[] := string_to_array(name, '/'); begin return parts[1:array_length(parts, 1) - 1]; end $$;
create function storage.filename(name text) returns text language plpgsql as
  $$ declare parts text[] := string_to_array(name, '/'); begin return parts[array_length(parts, 1)]; end $$;
create function storage.extension(name text) returns text language plpgsql as
  $$ begin return reverse(split_part(reverse(storage.filename(name)), '.', 1)); end $$;
reset role;

create schema realtime;
create schema graphql_public;
grant usage on schema realtime, graphql_public to anon, authenticated, service_role, developer;
create table realtime.messages (
  topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
  updated_at timestamp not null default now(), inserted_at timestamp not null default now(),
  id uuid not null default gen_random_uuid(), primary key (id, inserted_at)
) partition by range (inserted_at);
alter table realtime.messages enable row level security;
create function realtime.topic() returns text language sql stable as
  $$ select nullif(current_setting('realtime.topic', true), '') $$;
";

/// An application and one of its users, whose password is `the old password`.
pub(crate) const APPLICATION: &str = "
set role developer;
create schema supabase_migrations;
create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
insert into supabase_migrations.schema_migrations values ('20240101000000', '{}', 'notes');
create table profiles (id uuid primary key references auth.users on delete cascade, name text);
create table notes (id bigint generated by default as identity primary key, owner uuid default auth.uid(), body text);
alter table profiles enable row level security;
alter table notes enable row level security;
create policy own on notes for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy own on profiles for select using (id = auth.uid());
create function handle_new_user() returns trigger language plpgsql security definer set search_path = '' as
  $$ begin insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name'); return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();
reset role;
insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data,
  raw_user_meta_data, created_at, updated_at, confirmation_token, recovery_token, email_change_token_new, email_change)
values ('00000000-0000-0000-0000-000000000000', '11111111-1111-1111-1111-111111111111', 'authenticated', 'authenticated',
  'old@example.com', extensions.crypt('the old password', extensions.gen_salt('bf', 6)), now(),
  '{\"provider\": \"email\", \"providers\": [\"email\"]}', '{\"name\": \"Old\"}', now(), now(), '', '', '', '');
insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
values ('11111111-1111-1111-1111-111111111111', '11111111-1111-1111-1111-111111111111',
  '{\"sub\": \"11111111-1111-1111-1111-111111111111\", \"email\": \"old@example.com\"}', 'email', now(), now());
insert into auth.sessions (id, user_id, created_at, updated_at, aal)
values ('22222222-2222-2222-2222-222222222222', '11111111-1111-1111-1111-111111111111', now(), now(), 'aal1');
insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, session_id)
values ('abcdefghijkl', '11111111-1111-1111-1111-111111111111', false, now(), now(), '22222222-2222-2222-2222-222222222222');
insert into notes (owner, body) values ('11111111-1111-1111-1111-111111111111', 'mine'), (null, 'of nobody');
";

/// What the stack's auth service writes when somebody signs in, and begins to by a link.
pub(crate) const SIGN_IN_OF_THEIRS: &str = "
insert into auth.sessions (id, user_id, created_at, updated_at, aal)
values ('33333333-3333-3333-3333-333333333333', '11111111-1111-1111-1111-111111111111', now(), now(), 'aal1');
insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, session_id)
values ('mnopqrstuvwx', '11111111-1111-1111-1111-111111111111', false, now(), now(), '33333333-3333-3333-3333-333333333333');
insert into auth.mfa_amr_claims values
  ('33333333-3333-3333-3333-333333333333', now(), now(), 'password', '44444444-4444-4444-4444-444444444444');
insert into auth.flow_state (id, auth_code, code_challenge_method, code_challenge, provider_type, authentication_method)
values ('55555555-5555-5555-5555-555555555555', 'code', 's256', 'challenge', 'magiclink', 'magiclink');
insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)
values ('66666666-6666-6666-6666-666666666666', '11111111-1111-1111-1111-111111111111', 'recovery_token', 'hash', 'old@example.com')
on conflict do nothing;
";
