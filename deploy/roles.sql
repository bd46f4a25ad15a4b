-- The rights of the role that campaign-sync runs as: what its statements need, and nothing else.
--
--   psql -v role=campaign_sync_run -v schema=public -d ads -f deploy/roles.sql
--
-- To be run as the owner of the tables, who is also the one for `campaign-sync migrate` and `campaign-sync audit prune`.
-- Run it after the first `migrate`, and again after each one that comes with a new version: default privileges would give the
-- same rights to every table, and audit_log has fewer. `campaign-sync check` says what is missing.
--
-- The role is made where it is not there, which takes CREATEROLE. It gets no password here: `\password campaign_sync_run`.
-- Repeating the script changes nothing. All the rest is one transaction, so a service at work notices nothing. What the user may
-- not grant is a warning of the server; at the end the script fails where the role does not have what it needs of database and
-- schema, or has too much, and says who has to act.
--
-- In a database that is shared: nobody but the schema's owner can make tables and functions in it any more, unless CREATE is
-- granted to them by name. That goes for the owner of the tables, too, whose next `migrate` needs it. Rights that PUBLIC has in
-- our tables go as well.

\set ON_ERROR_STOP on
\if :{?role}
\else
    \warn 'name the role: psql -v role=campaign_sync_run -f deploy/roles.sql'
    DO $$ BEGIN RAISE EXCEPTION 'role is not set'; END $$;
\endif
\if :{?schema}
\else
    \set schema public
\endif

-- Not a part of the transaction, so that it is there for whoever has to act.
SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role') \gexec

BEGIN;

SELECT pg_catalog.current_database() AS database \gset
-- What is judged below cannot have psql's variables.
SELECT pg_catalog.set_config('campaign_sync.role', :'role', true) AS told,
       pg_catalog.set_config('campaign_sync.schema', :'schema', true) AS told_too \gset

-- Who owns a table, or is a member of its owner, may do everything with it, whatever is granted.
DO $$
DECLARE
    clerk  CONSTANT name := current_setting('campaign_sync.role');
    place  CONSTANT name := current_setting('campaign_sync.schema');
    owners text;
BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = clerk) THEN
        RAISE EXCEPTION 'the role "%" is a superuser, whom no right can be kept from: name another role', clerk;
    END IF;
    SELECT string_agg(DISTINCT format('"%s"', pg_get_userbyid(c.relowner)), ', ') INTO owners
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = place AND pg_has_role(clerk, c.relowner, 'MEMBER')
      AND c.relname IN ('account_owners', 'audit_log', 'campaign_history', 'campaigns', 'dead_letters', 'paused_accounts',
                        'refinery_schema_history', 'spent_permits', 'sync_runs');
    IF owners IS NOT NULL THEN
        RAISE EXCEPTION 'the role "%" is the owner of the tables (%) or a member of it: name another role', clerk, owners;
    END IF;
END
$$;

GRANT CONNECT ON DATABASE :"database" TO :"role";

-- Until PostgreSQL 14 everybody could make tables and functions in public.
REVOKE CREATE ON SCHEMA :"schema" FROM PUBLIC;
REVOKE CREATE ON SCHEMA :"schema" FROM :"role";
GRANT USAGE ON SCHEMA :"schema" TO :"role";

SET LOCAL search_path = :"schema", pg_temp;

-- What an earlier version needed goes; what this one needs comes back below. Tables that are not ours are left alone.
REVOKE ALL ON account_owners, audit_log, campaign_history, campaigns, dead_letters, paused_accounts,
    refinery_schema_history, spent_permits, sync_runs FROM PUBLIC, :"role";

-- Runs begin and end, and their owner is looked at under a lock, which takes UPDATE.
GRANT SELECT, INSERT, UPDATE ON account_owners, campaigns, spent_permits, sync_runs TO :"role";
-- A letter heals or is discarded, and a pause ends.
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters, paused_accounts TO :"role";
-- Added to, and read by nobody but the user.
GRANT INSERT ON campaign_history TO :"role";
-- Added to and listed; never changed. Of a row, number, time and user are the server's word: the role may not name them.
GRANT SELECT, INSERT (what, account_id, run_id, who, details) ON audit_log TO :"role";
-- Which migrations are applied.
GRANT SELECT ON refinery_schema_history TO :"role";

DO $$
DECLARE
    clerk    CONSTANT name := current_setting('campaign_sync.role');
    place    CONSTANT name := current_setting('campaign_sync.schema');
    base     CONSTANT name := current_database();
    base_of  CONSTANT name := (SELECT pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = base);
    -- From PostgreSQL 15 on public is of whoever has the database.
    place_of CONSTANT name := (SELECT CASE pg_get_userbyid(nspowner) WHEN 'pg_database_owner' THEN base_of
                                                                     ELSE pg_get_userbyid(nspowner) END
                               FROM pg_catalog.pg_namespace WHERE nspname = place);
BEGIN
    IF NOT has_database_privilege(clerk, base, 'CONNECT') THEN
        RAISE EXCEPTION 'the role "%" may not connect to the database "%"', clerk, base
            USING HINT = format('"%s" has to act: GRANT CONNECT ON DATABASE %I TO %I; then run this again.', base_of, base, clerk);
    ELSIF NOT has_schema_privilege(clerk, place, 'USAGE') THEN
        RAISE EXCEPTION 'the role "%" may not use the schema "%"', clerk, place
            USING HINT = format('"%s" has to act: GRANT USAGE ON SCHEMA %I TO %I; then run this again.', place_of, place, clerk);
    ELSIF has_schema_privilege(clerk, place, 'CREATE') THEN
        RAISE EXCEPTION 'the role "%" may make tables and functions in the schema "%"', clerk, place
            USING HINT = format('"%s" has to act: REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I, and from the roles that it is a member '
                                'of; then run this again.', place_of, place, clerk);
    ELSIF has_table_privilege(clerk, 'audit_log', 'UPDATE, DELETE, TRUNCATE') THEN
        RAISE EXCEPTION 'the role "%" may change audit_log as a member of another role', clerk
            USING HINT = 'Take it out of that role: \du shows which it is a member of; then run this again.';
    END IF;
END
$$;

COMMIT;
