-- Who may do what. Nobody may do anything that no policy here allows.

alter table notes enable row level security;
alter table note_shares enable row level security;

grant select, insert, update, delete on notes, note_shares to authenticated, service_role;

-- The two tables ask about each other. A function that runs with its owner's rights ends the circle: inside it
-- no policy applies.
create function owns_note(note bigint) returns boolean
  language sql stable security definer set search_path = ''
  as $$ select exists (select 1 from public.notes n where n.id = note and n.owner = auth.uid()) $$;

create policy "own notes: everything" on notes
  for all to authenticated
  using (owner = auth.uid())
  with check (owner = auth.uid());

create policy "shared notes: reading" on notes
  for select to authenticated
  using (exists (select 1 from note_shares s where s.note_id = notes.id and s.person = auth.uid()));

create policy "the owner shares" on note_shares
  for all to authenticated
  using (owns_note(note_id))
  with check (owns_note(note_id));

create policy "a share is seen by whom it is for" on note_shares
  for select to authenticated
  using (person = auth.uid());
