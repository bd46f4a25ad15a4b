ALTER TABLE campaigns ADD COLUMN removed_at timestamptz;
COMMENT ON COLUMN campaigns.removed_at IS
'When a listing that was proven complete was found not to hold it any more; null for what the platform lists. A campaign that is stored again is not removed. The row stays, and there is none in campaign_history, because the content is the same.';

ALTER TABLE sync_runs ADD COLUMN listing_proven boolean NOT NULL DEFAULT false;
UPDATE sync_runs SET listing_proven = true WHERE status = 'complete' AND kind = 'sync';
COMMENT ON COLUMN sync_runs.listing_proven IS
'Whether it came to its end with a listing that was proven complete and is believed; the newest is what the account''s next listing is compared with.';
