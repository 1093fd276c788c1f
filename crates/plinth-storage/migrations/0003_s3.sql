-- The S3 protocol: uploads in parts, under the names that Supabase gives them, and the keys that clients sign with.

create table storage.s3_multipart_uploads (
  id text primary key,
  in_progress_size bigint not null default 0,
  upload_signature text not null default '',
  bucket_id text not null references storage.buckets (id),
  key text collate "C" not null,
  version text not null,
  owner_id text,
  -- Whom the upload belongs to is both: two roles may have callers without an owner.
  role text not null,
  metadata jsonb,
  user_metadata jsonb,
  store_state jsonb not null default '{}',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- Since when it is being ended, so that nobody else ends it.
  completing_at timestamptz
);
comment on table storage.s3_multipart_uploads is 'Uploads in parts that are under way.';
comment on column storage.s3_multipart_uploads.store_state is 'What the store of files must know to go on with it.';
create index idx_multipart_uploads_list on storage.s3_multipart_uploads (bucket_id, key, created_at);

create table storage.s3_multipart_uploads_parts (
  id uuid primary key default gen_random_uuid(),
  upload_id text not null references storage.s3_multipart_uploads (id) on delete cascade,
  size bigint not null default 0,
  part_number integer not null check (part_number between 1 and 10000),
  bucket_id text not null references storage.buckets (id),
  key text collate "C" not null,
  etag text not null,
  owner_id text,
  version text not null,
  created_at timestamptz not null default now(),
  -- A part that is sent again takes the place of the first.
  constraint s3_multipart_uploads_parts_number_key unique (upload_id, part_number)
);
comment on table storage.s3_multipart_uploads_parts is 'Parts that have arrived.';

-- A Supabase stack that was here before has these tables with fewer columns.
alter table storage.s3_multipart_uploads add column if not exists role text not null default '';
alter table storage.s3_multipart_uploads add column if not exists metadata jsonb;
alter table storage.s3_multipart_uploads add column if not exists user_metadata jsonb;
alter table storage.s3_multipart_uploads add column if not exists store_state jsonb not null default '{}';
alter table storage.s3_multipart_uploads add column if not exists expires_at timestamptz not null default now();
alter table storage.s3_multipart_uploads add column if not exists completing_at timestamptz;
create unique index if not exists s3_multipart_uploads_parts_number_key
  on storage.s3_multipart_uploads_parts (upload_id, part_number);

create index s3_multipart_uploads_expires_at_idx on storage.s3_multipart_uploads (expires_at);

alter table storage.s3_multipart_uploads enable row level security;
alter table storage.s3_multipart_uploads_parts enable row level security;
grant select on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts to anon, authenticated;
grant all on table storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts
  to service_role, supabase_storage_admin, dashboard_user;

-- Access keys of S3 clients. A secret cannot be kept as a digest here: a signature is checked by making it again.
create table plinth.s3_keys (
  id uuid primary key,
  access_key_id text not null unique,
  sealed text not null,
  name text not null,
  buckets text[],
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
comment on table plinth.s3_keys is 'Access keys of S3 clients, sealed by the master key. A revoked one stays as a row, so that it is known whose it was.';
comment on column plinth.s3_keys.buckets is 'The only buckets that it opens; null for all.';
