-- What is not as it must be when 0004 has run on that shop: nothing.
select 'an event''s actor' as fault, e.event || ' by ' || e.actor as what from commerce.order_events e
  where e.actor <> case e.event when 'place' then 'customer' when 'pay' then 'customer' when 'capture' then 'staff' when 'fulfil' then 'staff'
                                when 'action_required' then 'provider' when 'expire' then 'system' else '' end
union all select 'events', count(*)::text from commerce.order_events having count(*) <> 8
union all select 'who of the staff', coalesce(e.event, 'nothing') || ' by ' || s.user_id::text
  from commerce.order_event_staff s left join commerce.order_events e on e.id = s.event_id
  where e.event is distinct from 'fulfil' or s.user_id <> 'cccc0000-0000-4000-8000-000000000001'
union all select 'staff', count(*)::text from commerce.order_event_staff having count(*) <> 1
-- Only of what may still be paid.
union all select 'what pays', p.id::text || ' ' || coalesce(s.client_secret, 'nothing')
  from commerce.payments p left join commerce.payment_secrets s on s.payment_id = p.id
  where s.client_secret is distinct from case p.provider_id when 'pi_2' then 'pi_2_secret_2' end
union all select 'what pays, where others read it', p.id::text from commerce.payments p where p.client_secret is not null
union all select 'states', string_agg(state || ' ' || version::text, ', ' order by id) from commerce.orders
  having string_agg(state || ' ' || version::text, ', ' order by id) <> 'fulfilled 3, pending 3, expired 2'
