-- Resumable uploads (TUS): what is known of each until it expires. Nobody but the service sees them.

create table storage.uploads (
  id uuid primary key,
  -- No foreign key: an upload whose bucket goes away still has bytes that must be removed. It cannot be finished.
  bucket_id text not null,
  name text not null,
  -- Whom it belongs to is all three: two roles may have callers without an owner.
  role text not null,
  owner_id text not null default '',
  is_signed boolean not null default false,
  upsert boolean not null default false,
  upload_length bigint check (upload_length >= 0),
  upload_metadata text not null default '',
  store_state jsonb,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  finished_at timestamptz,
  lease_holder uuid,
  lease_until timestamptz
);
comment on table storage.uploads is 'Resumable uploads, under way and lately finished.';
comment on column storage.uploads.id is 'Also the version that the object gets.';
comment on column storage.uploads.role is 'The role of who began it; empty for a signed upload.';
comment on column storage.uploads.owner_id is 'The claim sub of who began it; empty where there was none.';
comment on column storage.uploads.upload_length is 'Bytes; null while the client has not said how many there will be.';
comment on column storage.uploads.upload_metadata is 'The header as it was sent.';
comment on column storage.uploads.store_state is 'What the store of files must know to go on with it, first of all how many bytes it has; null once it is finished.';
comment on column storage.uploads.finished_at is 'When it became an object. The row stays until it expires, for clients that did not hear of it.';
comment on column storage.uploads.lease_until is 'Until then nobody but the holder may write, on whatever node.';
create index uploads_expires_at_idx on storage.uploads (expires_at);
create index uploads_owner_idx on storage.uploads (role, owner_id) where (finished_at is null);

alter table storage.uploads enable row level security;
