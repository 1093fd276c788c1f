-- Keys can be replaced. The old ones count until `revoked_at`, which may be to come; a new signing secret signs from `starts_at`, when
-- every node knows it. What must stay when the others change is derived from a secret of its own, the root.

alter table plinth.keys add column starts_at timestamptz;
alter table plinth.keys drop constraint keys_kind_check;
alter table plinth.keys add constraint keys_kind_check
  check (kind in ('root', 'jwt_secret', 'anon', 'service_role', 'publishable', 'secret'));
comment on column plinth.keys.starts_at is 'From when a signing secret signs; null for at once.';
comment on column plinth.keys.revoked_at is 'From when it no longer counts; null for a key in use.';
