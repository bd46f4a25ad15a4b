ALTER TABLE spent_permits
    ADD stated_requests   integer[] NOT NULL DEFAULT '{}',
    ADD stated_windows_ms bigint[]  NOT NULL DEFAULT '{}',
    ADD CONSTRAINT a_window_for_each_stated_limit CHECK (cardinality(stated_requests) = cardinality(stated_windows_ms));

COMMENT ON COLUMN spent_permits.stated_requests IS
'Limits that only the platform named: they are kept from the next run''s first request on, until it names others.';
COMMENT ON COLUMN spent_permits.stated_windows_ms IS 'The window of each, in milliseconds.';
