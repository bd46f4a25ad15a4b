CREATE TABLE audit_log (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    what          text        NOT NULL,
    account_id    text,
    run_id        uuid,
    database_user text        NOT NULL DEFAULT session_user,
    who           jsonb       NOT NULL
        DEFAULT coalesce(nullif(current_setting('campaign_sync.who', true), ''), '{}')::jsonb,
    details       jsonb       NOT NULL DEFAULT '{}'
);

-- The order of the log, and each filter in that order. Batches are most of the rows: they have no part in the index of the kinds,
-- and one of their own for the pruning, because they are kept for less long than the rows between them.
CREATE INDEX audit_log_at ON audit_log (at, id);
CREATE INDEX audit_log_account ON audit_log (account_id, at, id) WHERE account_id IS NOT NULL;
CREATE INDEX audit_log_run ON audit_log (run_id, at, id) WHERE run_id IS NOT NULL;
CREATE INDEX audit_log_what ON audit_log (what, at, id) WHERE what <> 'batch_committed';
CREATE INDEX audit_log_batches ON audit_log (at) WHERE what = 'batch_committed';

COMMENT ON TABLE audit_log IS
'What was done to the other tables, by whom and when, each row in the transaction of what it records; what is asked for over HTTP and what configuration is loaded is recorded before it happens. Rows are added and never changed; campaign-sync audit prune deletes what is older than the retention.';
COMMENT ON COLUMN audit_log.id IS 'Made by the server, at random, so that rows can be copied to where others are; at says their order.';
COMMENT ON COLUMN audit_log.at IS 'When the row was written, by the server''s clock: the program may not name it.';
COMMENT ON COLUMN audit_log.what IS
'run_begun, run_resumed, replay_begun, run_ended, batch_committed (one row a transaction), letters_forgotten, letters_discarded (one row an account), account_paused, account_resumed, run_requested and replay_requested (over HTTP), configuration_loaded, configuration_reloaded, migration_applied or audit_pruned.';
COMMENT ON COLUMN audit_log.account_id IS 'The account that it is about; null where that is none, or several.';
COMMENT ON COLUMN audit_log.run_id IS 'The run that it is about (sync_runs.id); null where that is none, or several.';
COMMENT ON COLUMN audit_log.database_user IS 'Who logged in to the database: the program may not name it.';
COMMENT ON COLUMN audit_log.who IS
'Who did it, in the program''s own words: command, process, os_user and host; operator is the address that a request over HTTP came from.';
COMMENT ON COLUMN audit_log.details IS 'Counts, filters and the like, each kind of row its own.';

ALTER TABLE sync_runs ADD COLUMN batches bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN sync_runs.batches IS
'Transactions that stored something of the run that it did not have yet. 0 for what ended before this was counted.';

-- The role of the program lacks the rights. This is for who has them, so that nothing goes by a slip: a row can go only in a
-- transaction that says so, and after 30 days at the earliest. They are counted in hours, because a day of an interval can be
-- one of 23 or 25.
CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF current_setting('campaign_sync.audit_prune', true) = 'on' AND OLD.at < now() - interval '720 hours' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit_log is only added to: % is refused', TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'campaign-sync audit prune deletes what is older than the retention.';
END
$$;
COMMENT ON FUNCTION audit_log_keep() IS
'Refuses to change audit_log, but for a deletion of what is older than 30 days with campaign_sync.audit_prune = on.';

CREATE TRIGGER keep_rows BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_keep();
CREATE TRIGGER keep BEFORE UPDATE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_keep();

-- In the transaction of the migration, this one included: its row of the history is written after it. The schema is that of the
-- history, whatever it is called by then.
CREATE FUNCTION audit_migration() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.audit_log (what, details) VALUES ($1, $2)', TG_TABLE_SCHEMA)
    USING 'migration_applied', jsonb_build_object('version', NEW.version, 'name', NEW.name);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION audit_migration() IS 'Records each migration in audit_log.';

CREATE TRIGGER audited AFTER INSERT ON refinery_schema_history FOR EACH ROW EXECUTE FUNCTION audit_migration();
