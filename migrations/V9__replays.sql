ALTER TABLE sync_runs
    ADD COLUMN kind text NOT NULL DEFAULT 'sync' CONSTRAINT sync_run_kind CHECK (kind IN ('sync', 'replay'));
ALTER TABLE account_owners ADD COLUMN sync_run_id uuid;
UPDATE account_owners SET sync_run_id = run_id;

COMMENT ON COLUMN sync_runs.kind IS
'sync: of all campaigns that the platform lists; replay: of those among them that were dead letters. The reported_total of a replay is the number of these letters.';
COMMENT ON COLUMN account_owners.sync_run_id IS
'The account''s newest run that is no replay: the one that can be resumed. A replay leaves it as it is.';
