-- Nobody waits for a key that another request holds, and nobody waits for the disk to hear that one was taken. Answers of orders that were just
-- placed are kept in a form that nodes of the version before cannot read: where one of them is asked again for such an answer, it says that it cannot
-- tell, and nothing happens twice.

-- Takes a key, or says what is under it. That a key is taken is written before what it is taken for, so it is on the disk when that is; without that
-- it is worth nothing.
create or replace function commerce.begin_request(doc jsonb) returns jsonb
  language plpgsql security definer set search_path = ''
  as $$
declare
  there record;
begin
  perform set_config('synchronous_commit', 'off', true);
  -- A look that waits for nobody: whoever keeps his answer has the row locked for as long as others keep him waiting, and is under way.
  select * into there from commerce.idempotency where scope = doc ->> 'scope' and key = doc ->> 'key';
  if not found then
    insert into commerce.idempotency (scope, key, fingerprint, holder, expires_at)
      values (doc ->> 'scope', doc ->> 'key', doc ->> 'fingerprint', (doc ->> 'holder')::uuid,
              now() + make_interval(secs => (doc ->> 'kept_seconds')::integer))
      on conflict (scope, key) do nothing;
    if found then
      return jsonb_build_object('fresh', true);
    end if;
    return jsonb_build_object('running', true);
  end if;
  if there.expires_at > now() then
    if there.fingerprint <> doc ->> 'fingerprint' then
      return jsonb_build_object('other_body', true);
    end if;
    if there.state = 'done' then
      return jsonb_build_object('kept', true, 'status', there.status, 'answer', there.answer);
    end if;
    if there.started_at > now() - make_interval(secs => (doc ->> 'lease_seconds')::integer) then
      return jsonb_build_object('running', true);
    end if;
  end if;
  -- Still as it was seen, or somebody is at work on it after all.
  perform 1 from commerce.idempotency
    where scope = doc ->> 'scope' and key = doc ->> 'key' and holder = there.holder and state = there.state
    for update skip locked;
  if not found then
    return jsonb_build_object('running', true);
  end if;
  -- Nobody answers any more: the turn passes on, and who had it can no longer write.
  update commerce.idempotency
    set fingerprint = doc ->> 'fingerprint', holder = (doc ->> 'holder')::uuid, state = 'running', status = null, answer = null,
        started_at = now(), expires_at = now() + make_interval(secs => (doc ->> 'kept_seconds')::integer)
    where scope = doc ->> 'scope' and key = doc ->> 'key';
  return jsonb_build_object('fresh', true);
end
$$;
