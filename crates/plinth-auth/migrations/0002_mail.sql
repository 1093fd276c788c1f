-- What is proved by mail: codes and links, the flows that links return to, and letters that wait to be sent.

create type auth.one_time_token_type as enum (
  'confirmation_token', 'reauthentication_token', 'recovery_token',
  'email_change_token_new', 'email_change_token_current', 'phone_change_token'
);
create type auth.code_challenge_method as enum ('s256', 'plain');

create table auth.flow_state (
  id uuid primary key,
  user_id uuid references auth.users (id) on delete cascade,
  auth_code text unique,
  code_challenge_method auth.code_challenge_method not null,
  code_challenge text not null,
  authentication_method text not null,
  auth_code_issued_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
comment on table auth.flow_state is 'Sign-ins that were begun with a code challenge (PKCE) and wait for their code to be exchanged.';
comment on column auth.flow_state.auth_code is 'SHA-256 of the code in hexadecimal; null until the link is followed.';
create index flow_state_created_at_idx on auth.flow_state (created_at);
create index flow_state_user_id_idx on auth.flow_state (user_id);

create table auth.one_time_tokens (
  id uuid primary key,
  user_id uuid not null references auth.users (id) on delete cascade,
  token_type auth.one_time_token_type not null,
  token_hash text not null check (char_length(token_hash) > 0),
  relates_to text not null,
  flow_state_id uuid references auth.flow_state (id) on delete set null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint one_time_tokens_user_id_token_type_key unique (user_id, token_type)
);
comment on table auth.one_time_tokens is 'Codes and links that were sent and not used yet, the newest of each kind.';
comment on column auth.one_time_tokens.token_hash is 'SHA-256 of the link''s token in hexadecimal.';
comment on column auth.one_time_tokens.relates_to is 'The address it was sent to.';
create index one_time_tokens_token_hash_idx on auth.one_time_tokens (token_hash);
create index one_time_tokens_flow_state_id_idx on auth.one_time_tokens (flow_state_id);

create table auth.mail_queue (
  id uuid primary key,
  recipient text not null,
  subject text not null,
  html text not null,
  attempts integer not null default 0,
  due_at timestamptz not null,
  created_at timestamptz not null
);
comment on table auth.mail_queue is 'Letters that wait to be sent. A row is written with its cause and removed once the mail server took it.';
create index mail_queue_due_at_idx on auth.mail_queue (due_at);

alter table auth.flow_state enable row level security;
alter table auth.one_time_tokens enable row level security;
alter table auth.mail_queue enable row level security;
grant all on table auth.flow_state, auth.one_time_tokens, auth.mail_queue to supabase_auth_admin, dashboard_user;
