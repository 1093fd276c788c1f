-- What was tried lately, counted for all nodes together: sign-ins and codes for each account, letters for each address and in all.

create table auth.attempts (
  key text primary key,
  tries integer not null,
  ends_at timestamptz not null
);
comment on table auth.attempts is 'Failed sign-ins and letters that were asked for, counted until their time is over. Whoever deletes a row lets its count begin anew.';
comment on column auth.attempts.key is 'The first half of the SHA-256 of what is counted, in hexadecimal.';
comment on column auth.attempts.ends_at is 'From when the count is over.';

alter table auth.attempts enable row level security;
grant all on table auth.attempts to supabase_auth_admin, dashboard_user;
