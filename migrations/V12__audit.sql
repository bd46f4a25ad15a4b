CREATE TABLE audit_log (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    what          text        NOT NULL
        CONSTRAINT audited_what CHECK (what IN (
            'run_begun', 'run_resumed', 'replay_begun', 'run_ended', 'batch_committed', 'letters_discarded',
            'account_paused', 'account_resumed', 'run_requested', 'replay_requested', 'configuration_loaded',
            'configuration_reloaded', 'migration_applied', 'audit_pruned')),
    account_id    text,
    run_id        uuid,
    database_user text        NOT NULL DEFAULT session_user,
    who           jsonb       NOT NULL
        DEFAULT coalesce(nullif(current_setting('campaign_sync.who', true), ''), '{}')::jsonb,
    details       jsonb       NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_log_at ON audit_log (at);

COMMENT ON TABLE audit_log IS
'What was done to the other tables, by whom and when, each row in the transaction of what it records. Rows are added and never changed; campaign-sync audit prune deletes what is older than the retention.';
COMMENT ON COLUMN audit_log.id IS 'Later rows have higher numbers; a number that is left out is of a transaction that was rolled back.';
COMMENT ON COLUMN audit_log.at IS 'When the row was written, whatever the writer said.';
COMMENT ON COLUMN audit_log.what IS
'run_begun, run_resumed, replay_begun, run_ended, batch_committed (one row a transaction), letters_discarded, account_paused, account_resumed, run_requested and replay_requested (over HTTP), configuration_loaded, configuration_reloaded, migration_applied or audit_pruned.';
COMMENT ON COLUMN audit_log.account_id IS 'The account that it is about; null where that is none, or several, which the accounts of the details name.';
COMMENT ON COLUMN audit_log.run_id IS 'The run that it is about (sync_runs.id); null where that is none, or several, which the runs of the details name.';
COMMENT ON COLUMN audit_log.database_user IS 'Who logged in to the database, whatever the writer said.';
COMMENT ON COLUMN audit_log.who IS
'Who did it, in the program''s own words: command, process, os_user and host; operator is the address that a request over HTTP came from.';
COMMENT ON COLUMN audit_log.details IS 'Counts, filters and the like, each kind of row its own.';

-- Whoever may insert could else write another time and another user.
CREATE FUNCTION audit_log_stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.at := clock_timestamp();
    NEW.database_user := session_user;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION audit_log_stamp() IS 'Time and user of a row of audit_log are the server''s word.';

-- The role of the program lacks the rights. This is for who has them, so that nothing goes by a slip: a row can go only in a
-- transaction that says so, and after 30 days at the earliest, so that no one can clear away what was just done.
CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF current_setting('campaign_sync.audit_prune', true) = 'on' AND OLD.at < now() - interval '30 days' THEN
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

CREATE TRIGGER stamp BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stamp();
CREATE TRIGGER keep_rows BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_keep();
CREATE TRIGGER keep BEFORE UPDATE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_keep();

-- In the transaction of the migration, this one included: its row of the history is written after it.
CREATE FUNCTION audit_migration() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO audit_log (what, details)
    VALUES ('migration_applied', jsonb_build_object('version', NEW.version, 'name', NEW.name));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION audit_migration() IS 'Records each migration in audit_log.';

CREATE TRIGGER audited AFTER INSERT ON refinery_schema_history FOR EACH ROW EXECUTE FUNCTION audit_migration();
