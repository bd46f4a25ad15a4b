COMMENT ON COLUMN campaigns.account_id IS 'Which account of ours the campaign belongs to.';
COMMENT ON COLUMN campaigns.name IS 'Free text, as the platform sent it.';
COMMENT ON COLUMN campaigns.status IS 'As the platform spells it, for example active, paused, completed or archived.';
COMMENT ON COLUMN campaigns.impressions IS 'Times shown, as the platform counted them up to synced_at.';
COMMENT ON COLUMN campaigns.clicks IS 'Times clicked, likewise.';
COMMENT ON COLUMN campaigns.conversions IS 'Times it led to what it was for, likewise.';
COMMENT ON COLUMN dead_letters.account_id IS 'Which account of ours the campaign belongs to; with campaign_id it is (account_id, id) of campaigns.';
COMMENT ON COLUMN dead_letters.message IS 'What happened, for a person.';
COMMENT ON COLUMN dead_letters.last_failed_at IS 'When it was given up on last.';
