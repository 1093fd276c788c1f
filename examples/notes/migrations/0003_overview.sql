-- What a list of notes shows. `security_invoker` makes the view obey the policies of whoever asks.

create view note_overview with (security_invoker = true) as
  select n.id, n.title, n.pinned, n.owner = auth.uid() as mine, coalesce(array_length(n.tags, 1), 0) as tag_count, n.created_at
  from notes n;

grant select on note_overview to authenticated, service_role;

-- How many notes the caller has under a tag.
create function count_tagged(tag text) returns bigint
  language sql stable
  as $$ select count(*) from notes n where n.owner = auth.uid() and tag = any (n.tags) $$;
