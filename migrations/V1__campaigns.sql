-- fillfactor: every run rewrites every row (synced_at, run_id); where the page has room for the new version, no
-- index has to be touched. For the same reason no index holds run_id.
CREATE TABLE campaigns (
    account_id    text        NOT NULL,
    id            text        NOT NULL CONSTRAINT campaign_id_at_most_1024_bytes CHECK (octet_length(id) <= 1024),
    name          text        NOT NULL,
    status        text        NOT NULL,
    budget        numeric     NOT NULL,
    impressions   bigint      NOT NULL,
    clicks        bigint      NOT NULL,
    conversions   bigint      NOT NULL,
    created_at    timestamptz NOT NULL,
    synced_at     timestamptz NOT NULL,
    first_seen_at timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    run_id        uuid        NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);

COMMENT ON TABLE campaigns IS 'Each campaign as it was when it was last synced.';
COMMENT ON COLUMN campaigns.id IS 'As the platform calls it; unique within its account only.';
COMMENT ON COLUMN campaigns.budget IS 'Exactly the decimal number that the platform sent.';
COMMENT ON COLUMN campaigns.created_at IS 'When the platform says that it was created.';
COMMENT ON COLUMN campaigns.synced_at IS 'When the platform says that it synced it.';
COMMENT ON COLUMN campaigns.first_seen_at IS 'When it was stored here for the first time.';
COMMENT ON COLUMN campaigns.changed_at IS 'When its content was last stored with a change; the recorded_at of its newest campaign_history row.';
COMMENT ON COLUMN campaigns.run_id IS 'The run that stored it last (sync_runs.id).';

CREATE TABLE campaign_history (
    account_id  text        NOT NULL,
    id          text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    run_id      uuid        NOT NULL,
    name        text        NOT NULL,
    status      text        NOT NULL,
    budget      numeric     NOT NULL,
    impressions bigint      NOT NULL,
    clicks      bigint      NOT NULL,
    conversions bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, id, recorded_at)
);

COMMENT ON TABLE campaign_history IS
'A row for each campaign''s first appearance and for each change of its content; it holds from recorded_at until the campaign''s next row.
All campaigns as they were at a time T:
SELECT DISTINCT ON (account_id, id) * FROM campaign_history WHERE recorded_at <= T ORDER BY account_id, id, recorded_at DESC;';
COMMENT ON COLUMN campaign_history.recorded_at IS 'When the content was stored; later in each row of a campaign than in the one before.';
COMMENT ON COLUMN campaign_history.run_id IS 'The run that found the change (sync_runs.id).';
