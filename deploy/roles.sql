-- The rights of the role that campaign-sync runs as: what its statements need, and nothing else.
--
--   psql -v role=campaign_sync_run -v schema=public -d ads -f deploy/roles.sql
--
-- To be run as the owner of the tables, who is also the one for `campaign-sync migrate` and `campaign-sync audit prune`.
-- Run it after the first `migrate`, and again after each one that comes with a new version: default privileges would give the
-- same rights to every table, and audit_log has fewer. `campaign-sync check` says what is missing.
--
-- The role is made where it is not there, which takes CREATEROLE. It gets no password here: `\password campaign_sync_run`.
-- Repeating the script changes nothing. All of it is one transaction, so a service at work notices nothing.

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

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', :'role')
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role') \gexec

SELECT pg_catalog.current_database() AS database \gset
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
-- Added to and listed; never changed.
GRANT SELECT, INSERT ON audit_log TO :"role";
-- Which migrations are applied.
GRANT SELECT ON refinery_schema_history TO :"role";

COMMIT;
