-- Notes belong to whoever wrote them. Others see a note only when it was shared with them.

create table notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid() references auth.users (id) on delete cascade,
  title text not null check (char_length(title) between 1 and 200),
  body text not null default '',
  tags text[] not null default '{}',
  pinned boolean not null default false,
  created_at timestamptz not null default now()
);
create index notes_owner_idx on notes (owner);

create table note_shares (
  note_id bigint not null references notes (id) on delete cascade,
  person uuid not null references auth.users (id) on delete cascade,
  primary key (note_id, person)
);
create index note_shares_person_idx on note_shares (person);

comment on table notes is 'One note each; its owner decides who else may read it.';
comment on table note_shares is 'Who may read a note that is not theirs.';
