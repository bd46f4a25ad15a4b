CREATE TABLE dead_letters (
    account_id      text        NOT NULL,
    campaign_id     text        NOT NULL,
    run_id          uuid        NOT NULL,
    error_class     text        NOT NULL,
    message         text        NOT NULL,
    attempts        bigint      NOT NULL,
    payload         text        NOT NULL,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, campaign_id)
);

COMMENT ON TABLE dead_letters IS 'Campaigns that were given up on and not stored since; at most one row per campaign.';
COMMENT ON COLUMN dead_letters.campaign_id IS
'As the platform calls it, but for what cannot stand in an index: an id above 1024 bytes is its beginning, an ellipsis and a UUID (version 5, namespace nil) of the whole.';
COMMENT ON COLUMN dead_letters.run_id IS 'The run that gave up on it last (sync_runs.id).';
COMMENT ON COLUMN dead_letters.error_class IS 'timeout, connection, unavailable, unparsable, rejected, throttled, unauthorized, malformed, unstorable or panicked.';
COMMENT ON COLUMN dead_letters.attempts IS 'Requests that the last run made for it.';
COMMENT ON COLUMN dead_letters.payload IS
'The JSON as received; text, because jsonb refuses some valid JSON. In all text of this table a U+0000, which PostgreSQL cannot hold, stands as the character U+2400.';
COMMENT ON COLUMN dead_letters.first_failed_at IS 'The first failure since the campaign was last stored, over all runs.';
