CREATE TABLE sync_runs (
    id                  uuid        PRIMARY KEY,
    account_id          text        NOT NULL,
    status              text        NOT NULL DEFAULT 'running'
        CONSTRAINT sync_run_status CHECK (status IN ('running', 'complete', 'partial', 'failed', 'interrupted')),
    started_at          timestamptz NOT NULL DEFAULT now(),
    finished_at         timestamptz,
    stored              bigint      NOT NULL DEFAULT 0,
    dead_lettered       bigint      NOT NULL DEFAULT 0,
    listed              bigint,
    distinct_listed     bigint,
    reported_total      bigint,
    skipped             bigint,
    requests            bigint,
    retried             bigint,
    throttled           bigint,
    unauthorized        bigint,
    timed_out           bigint,
    duration_seconds    double precision,
    lower_bound_seconds double precision,
    report              jsonb
);

CREATE INDEX sync_runs_newest ON sync_runs (started_at DESC);
CREATE INDEX sync_runs_newest_of_account ON sync_runs (account_id, started_at DESC);

COMMENT ON TABLE sync_runs IS 'One row per sync of one account.';
COMMENT ON COLUMN sync_runs.status IS 'running, complete, partial, failed or interrupted; running also where a crash left nobody to say otherwise.';
COMMENT ON COLUMN sync_runs.stored IS 'Campaigns stored under this run so far, counted in the transactions that store them.';
COMMENT ON COLUMN sync_runs.dead_lettered IS 'Campaigns given up on under this run so far and not stored since, counted likewise.';
COMMENT ON COLUMN sync_runs.listed IS 'Entries of all pages, repeats included. This and what follows is known once the run has finished.';
COMMENT ON COLUMN sync_runs.distinct_listed IS 'Different campaigns among them.';
COMMENT ON COLUMN sync_runs.reported_total IS 'What the platform said that there are.';
COMMENT ON COLUMN sync_runs.skipped IS 'Not synced again, because the run that was taken over had stored them.';
COMMENT ON COLUMN sync_runs.requests IS 'Logins, pages and sync calls that were sent.';
COMMENT ON COLUMN sync_runs.throttled IS '429s received.';
COMMENT ON COLUMN sync_runs.unauthorized IS '401s received.';
COMMENT ON COLUMN sync_runs.lower_bound_seconds IS 'The shortest time in which the requests could have been sent under the configured limits.';
COMMENT ON COLUMN sync_runs.report IS 'The account''s entry of the report, as --report json printed it; a U+0000 in it stands as the character U+2400.';
