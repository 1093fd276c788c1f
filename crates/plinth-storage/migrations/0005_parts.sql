-- An upload that a request sends to the store in parts ends with its version: the store keeps parts apart from objects, and
-- nobody else knows of them when the server is killed.
alter table storage.removals add column upload text;
comment on column storage.removals.upload is 'What the store of files calls the upload in parts that was to become this version, if there was one.';
