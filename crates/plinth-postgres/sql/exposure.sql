-- Closed until opened: which tables of `public` the API's roles reach although nobody has said so, and what that rule granted.
create schema if not exists plinth;

create table if not exists plinth.exposed (
  relation oid primary key,
  acl text not null
);
comment on table plinth.exposed is 'Relations of public whose privileges were given by `[api] auto_expose` alone, and their access lists as it left them.';

create table if not exists plinth.engine (
  name text primary key,
  value text not null
);
comment on table plinth.engine is 'What nodes on this database must agree on.';

-- Brings privileges in line with the rule. Whoever grants or revokes by themselves takes a relation out of it.
create or replace function plinth.expose() returns void
  language plpgsql
  set search_path = pg_catalog
  as $$
  declare
    rule text := coalesce((select value from plinth.engine where name = 'auto_expose'), 'protected');
    one record;
    opening boolean;
  begin
    perform pg_advisory_xact_lock(hashtext('plinth.expose'));
    delete from plinth.exposed e
      where not exists (select from pg_class c where c.oid = e.relation and c.relacl::text = e.acl);
    for one in
      select c.oid, c.oid::regclass::text as name, e.relation is not null as known,
             case when c.relkind = 'S' then 'sequence' else 'table' end as kind,
             c.relkind in ('r', 'p') as lockable,
             exists (select from aclexplode(c.relacl) a where a.grantee = 'anon'::regrole) as opened,
             case when c.relkind = 'S' then coalesce((
                    select o.relrowsecurity and o.relkind in ('r', 'p')
                      from pg_depend d join pg_class o on o.oid = d.refobjid
                     where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
                       and d.refclassid = 'pg_class'::regclass limit 1), false)
                  when c.relkind in ('v', 'm') then coalesce((
                    select bool_or(lower(split_part(option, '=', 2)) in ('true', 'on', '1', 'yes'))
                      from unnest(c.reloptions) option where option like 'security_invoker=%'), false)
                  else c.relrowsecurity end as protected
        from pg_class c
        left join plinth.exposed e on e.relation = c.oid
       where c.relnamespace = to_regnamespace('public')
         and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
         and (e.relation is not null or (c.relacl is null
              and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attacl is not null)))
         and pg_has_role(c.relowner, 'usage')
       order by c.oid
    loop
      opening := rule = 'all' or (rule = 'protected' and one.protected);
      continue when one.known and one.opened = opening;
      if one.lockable then
        -- Not beside somebody who is altering it, who would fail.
        execute format('lock table %s in share update exclusive mode', one.name);
      end if;
      if one.known then
        execute format('revoke all on %s %s from anon, authenticated, service_role', one.kind, one.name);
      end if;
      execute format('grant all on %s %s to %s', one.kind, one.name,
                     case when opening then 'anon, authenticated, service_role' else 'service_role' end);
      insert into plinth.exposed select c.oid, c.relacl::text from pg_class c where c.oid = one.oid
        on conflict (relation) do update set acl = excluded.acl;
    end loop;
    -- A server that gives no BYPASSRLS has policies in its place.
    if not (select rolbypassrls from pg_roles where rolname = 'service_role') then
      for one in
        select c.oid::regclass::text as name
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p') and c.relrowsecurity and pg_has_role(c.relowner, 'usage')
           and n.nspname not in ('plinth', 'auth', 'pg_catalog', 'information_schema')
           and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'service_role sees everything')
      loop
        execute format('create policy "service_role sees everything" on %s to service_role using (true) with check (true)', one.name);
      end loop;
    end if;
  end $$;

-- Somebody is about to say who may reach a relation, which the rule then leaves alone. A GRANT says who is meant, so before it
-- only service_role keeps what the rule gave; a REVOKE takes from what is there.
create or replace function plinth.end_rule(relation oid, revoking boolean) returns void
  language plpgsql
  set search_path = pg_catalog
  as $$
  declare
    one record;
  begin
    perform plinth.expose();
    for one in
      select c.oid, c.oid::regclass::text as name,
             case when c.relkind = 'S' then 'sequence' else 'table' end as kind
        from pg_class c join plinth.exposed e on e.relation = c.oid
       where c.oid = end_rule.relation
    loop
      if not revoking then
        execute format('revoke all on %s %s from anon, authenticated', one.kind, one.name);
      end if;
      delete from plinth.exposed e where e.relation = one.oid;
    end loop;
  end $$;

revoke all on function plinth.expose(), plinth.end_rule(oid, boolean) from public;
