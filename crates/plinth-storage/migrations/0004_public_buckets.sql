-- Whether everybody may read what is in a bucket. Asked beside the row of an object by whoever is shown that row; of buckets that are not
-- there it says what it says of private ones.
create function storage.is_public(bucket text) returns boolean
  language sql stable security definer set search_path = ''
  as $$ select coalesce((select b.public from storage.buckets b where b.id = bucket), false) $$;
