ALTER TABLE sync_runs ADD COLUMN next_number bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN sync_runs.next_number IS
'What the run stores next is numbered from this on, or from stored on where that is more (campaigns.run_number). More than stored where batches were numbered and not stored, or were stored again.';
COMMENT ON COLUMN campaigns.run_number IS 'Which number it has among what run_id stored, each its own, the first at 0; null where that was before runs could be resumed.';
