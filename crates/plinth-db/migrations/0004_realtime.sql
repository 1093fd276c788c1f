-- Policies on realtime.messages decide who may join and send on private channels.

create table realtime.messages (
  id uuid primary key default gen_random_uuid(),
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  inserted_at timestamp not null default now(),
  updated_at timestamp not null default now()
);
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic);

alter table realtime.messages enable row level security;

grant select, insert, update on table realtime.messages to anon, authenticated, service_role;
grant all on table realtime.messages to supabase_realtime_admin, dashboard_user;

-- The channel that is being joined or sent to, while its policies are asked.
create function realtime.topic() returns text
  language sql stable
  as $$ select nullif(current_setting('realtime.topic', true), '') $$;

grant execute on function realtime.topic() to anon, authenticated, service_role;
