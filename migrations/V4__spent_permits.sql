CREATE TABLE spent_permits (
    account_id text          PRIMARY KEY,
    counted_by timestamptz[] NOT NULL,
    requests   integer[]     NOT NULL,
    CONSTRAINT a_count_for_each_time CHECK (cardinality(counted_by) = cardinality(requests))
);

COMMENT ON TABLE spent_permits IS
'What each account has spent of its rate limits, so that a process which starts right after another, however that one ended, does not run into its windows.';
COMMENT ON COLUMN spent_permits.counted_by IS 'The platform has counted the requests by then; in the future for those that may yet be sent.';
COMMENT ON COLUMN spent_permits.requests IS 'How many, for each time.';
