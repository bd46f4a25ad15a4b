CREATE TABLE account_owners (
    account_id text        PRIMARY KEY,
    epoch      bigint      NOT NULL,
    run_id     uuid        NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE account_owners IS
'Which process may store an account''s campaigns: the one that took it last. Whatever one that was there before still wants to store is refused, in the transaction that would store it.';
COMMENT ON COLUMN account_owners.epoch IS 'How often the account was taken.';
COMMENT ON COLUMN account_owners.run_id IS 'The run for which it was taken last (sync_runs.id).';
COMMENT ON COLUMN account_owners.taken_at IS 'When that was.';

ALTER TABLE sync_runs
    ADD COLUMN resumed       boolean NOT NULL DEFAULT false,
    ADD COLUMN progressed_at timestamptz;
UPDATE sync_runs SET progressed_at = coalesce(finished_at, started_at);
ALTER TABLE sync_runs ALTER COLUMN progressed_at SET DEFAULT now(), ALTER COLUMN progressed_at SET NOT NULL;

COMMENT ON COLUMN sync_runs.status IS 'running, complete, partial, failed or interrupted; running also where a crash left nobody to say otherwise, until the account''s next run.';
COMMENT ON COLUMN sync_runs.resumed IS 'Whether a process has taken it over from another. Stored and dead_lettered are then of all its processes, and what follows them is of the last one that ended in good order.';
COMMENT ON COLUMN sync_runs.progressed_at IS 'When a campaign was last stored or given up on under it for the first time; before that, when it began.';
COMMENT ON COLUMN sync_runs.finished_at IS 'When its report was written; of a run that was left unfinished, its last progress.';

ALTER TABLE campaigns ADD COLUMN run_number bigint;
COMMENT ON COLUMN campaigns.run_number IS 'Which of the campaigns that run_id stored it was, counted from 0; null where that was before runs could be resumed.';

ALTER TABLE dead_letters ADD COLUMN run_epoch bigint;
COMMENT ON COLUMN dead_letters.run_epoch IS 'The process of that run: account_owners.epoch as it was then; null where that was before runs could be resumed.';
