-- Which bytes are to be removed, and the indexes of lists.

-- Versions whose bytes nobody needs any more, or will not need unless their object is made before `due_at`. The service
-- removes the bytes, then the row. Nobody else has any right here.
create table storage.removals (
  version text primary key,
  due_at timestamptz not null
);
comment on table storage.removals is 'Versions whose bytes are to be removed from the store of files.';
create index removals_due_at_idx on storage.removals (due_at);
alter table storage.removals enable row level security;

-- Bytes belong to one object: nobody gets at another's by naming its version, and none are removed that another needs.
create unique index objects_version_key on storage.objects (version);

-- Lists go through names in the order of their bytes, or of the lower-cased name's.
create index objects_bucket_id_name_idx on storage.objects (bucket_id, name collate "C");
create index objects_bucket_id_lower_name_idx on storage.objects (bucket_id, lower(name) collate "C", name collate "C");

-- A trigger, so that bytes go whatever road the row went: the service, SQL, another table's trigger.
create function storage.note_versions() returns trigger
  language plpgsql security definer set search_path = ''
  as $$
begin
  if tg_op <> 'DELETE' then
    delete from storage.removals where version = new.version;
  end if;
  if tg_op <> 'INSERT' then
    if tg_op = 'DELETE' or old.version is distinct from new.version then
      if old.version is not null then
        insert into storage.removals (version, due_at) values (old.version, now())
          on conflict (version) do update set due_at = excluded.due_at;
      end if;
    end if;
  end if;
  return null;
end
$$;
revoke execute on function storage.note_versions() from public;

create trigger note_versions after insert or delete or update of version on storage.objects
  for each row execute function storage.note_versions();
