-- The roles that callers and Supabase migrations know. Roles belong to the cluster, not to a database, and
-- `create role` has no `if not exists`: this file is apart from the others so that it runs once in a cluster.
-- `postgres` is the superuser who runs this and is never created here.

-- Whom a request runs as: no key or a public key, a signed-in person, a trusted server.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;

-- Whom requests connect as: it may become the three above and is nobody by itself.
create role authenticator login noinherit;

-- Named in the grants and owners of dumps. None has a password; none but supabase_admin bypasses anything.
create role supabase_admin nologin createdb createrole replication bypassrls;
create role supabase_auth_admin nologin noinherit createrole;
create role supabase_storage_admin nologin noinherit createrole;
create role supabase_functions_admin nologin noinherit createrole;
create role supabase_realtime_admin nologin noinherit;
create role supabase_replication_admin nologin replication;
create role supabase_etl_admin nologin replication;
create role supabase_read_only_user nologin bypassrls;
create role dashboard_user nologin createdb createrole replication;
create role pgbouncer nologin;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres;
grant authenticator to supabase_storage_admin;
grant anon, authenticated, service_role to supabase_storage_admin;

comment on role anon is 'Callers with a public key and no session.';
comment on role authenticated is 'Callers with a session.';
comment on role service_role is 'Trusted servers: policies do not apply.';
comment on role authenticator is 'Connects for requests and becomes the role of each.';
