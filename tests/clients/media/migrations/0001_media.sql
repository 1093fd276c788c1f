-- Files of people, by bucket:
--   pictures   public: whoever has the address may look; people write into a folder of their own
--   documents  private: people have a folder of their own, and see no other
--   shared     private: whoever is signed in reads all; only who put a file there changes it
-- The folder of a person is named after their id: `5b0c…/plan.txt`.

insert into storage.buckets (id, name, public) values
  ('pictures', 'pictures', true),
  ('documents', 'documents', false),
  ('shared', 'shared', false);

create policy "see one's own folder" on storage.objects for select to authenticated
  using (bucket_id in ('pictures', 'documents') and (storage.foldername(name))[1] = auth.uid()::text);
create policy "add to one's own folder" on storage.objects for insert to authenticated
  with check (bucket_id in ('pictures', 'documents') and (storage.foldername(name))[1] = auth.uid()::text);
create policy "change in one's own folder" on storage.objects for update to authenticated
  using (bucket_id in ('pictures', 'documents') and (storage.foldername(name))[1] = auth.uid()::text)
  with check (bucket_id in ('pictures', 'documents') and (storage.foldername(name))[1] = auth.uid()::text);
create policy "delete from one's own folder" on storage.objects for delete to authenticated
  using (bucket_id in ('pictures', 'documents') and (storage.foldername(name))[1] = auth.uid()::text);

-- What is said of a file is there before its bytes are: programs are not shared.
create policy "see what is shared" on storage.objects for select to authenticated
  using (bucket_id = 'shared');
create policy "share, but no programs" on storage.objects for insert to authenticated
  with check (
    bucket_id = 'shared'
    and owner_id = auth.uid()::text
    and metadata ->> 'mimetype' <> 'application/x-msdownload'
  );
create policy "change what one has shared" on storage.objects for update to authenticated
  using (bucket_id = 'shared' and owner_id = auth.uid()::text);
create policy "delete what one has shared" on storage.objects for delete to authenticated
  using (bucket_id = 'shared' and owner_id = auth.uid()::text);
