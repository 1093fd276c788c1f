-- What migrations and policies refer to of storage: buckets, objects and the helpers that take paths apart.

create table storage.buckets (
  id text primary key,
  name text not null,
  owner uuid,
  owner_id text,
  public boolean default false,
  avif_autodetection boolean default false,
  file_size_limit bigint,
  allowed_mime_types text[],
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create unique index bname on storage.buckets (name);

create table storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text constraint "objects_bucketId_fkey" references storage.buckets (id),
  name text,
  owner uuid,
  owner_id text,
  metadata jsonb,
  user_metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  last_accessed_at timestamptz default now()
);
create unique index bucketid_objname on storage.objects (bucket_id, name);

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

grant all on table storage.buckets, storage.objects to anon, authenticated, service_role, supabase_storage_admin;

-- 'a/b/c.png' → {a,b}
create function storage.foldername(name text) returns text[]
  language sql immutable
  as $$ select (string_to_array($1, '/'))[1:array_length(string_to_array($1, '/'), 1) - 1] $$;

-- 'a/b/c.png' → 'c.png'
create function storage.filename(name text) returns text
  language sql immutable
  as $$ select (string_to_array($1, '/'))[array_length(string_to_array($1, '/'), 1)] $$;

-- 'a/b/c.png' → 'png'; a name without a dot is its own extension, as it is in Supabase
create function storage.extension(name text) returns text
  language sql immutable
  as $$ select reverse(split_part(reverse((string_to_array($1, '/'))[array_length(string_to_array($1, '/'), 1)]), '.', 1)) $$;

grant execute on function storage.foldername(text), storage.filename(text), storage.extension(text)
  to anon, authenticated, service_role;
