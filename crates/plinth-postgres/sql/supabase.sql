-- The tables of accounts as a Supabase stack made them, with what ours have beside.
alter table auth.sessions add column if not exists amr jsonb not null default '[]';
alter table auth.sessions add column if not exists refresh_token_counter bigint;
update auth.sessions set refresh_token_counter = 0 where refresh_token_counter is null;
alter table auth.sessions
  alter column refresh_token_counter set default 0,
  alter column refresh_token_counter set not null;
alter table auth.refresh_tokens add column if not exists counter bigint;
alter table auth.flow_state alter column provider_type drop not null;
alter table auth.one_time_tokens
  add column if not exists flow_state_id uuid references auth.flow_state on delete set null;
