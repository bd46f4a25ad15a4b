ALTER TABLE account_owners
    ALTER COLUMN run_id DROP NOT NULL,
    ADD COLUMN borrowed boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN account_owners.run_id IS 'The run for which it was taken last (sync_runs.id), and which the next one may resume; null where it was never taken for one.';
COMMENT ON COLUMN account_owners.borrowed IS 'Whether who took it last has no run: a plan, which records what it spends of the rate limit and stores nothing else.';
COMMENT ON COLUMN account_owners.taken_at IS 'When it was taken last, for a run or without one.';
