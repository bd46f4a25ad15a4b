CREATE TABLE paused_accounts (
    account_id text        PRIMARY KEY,
    paused_at  timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE paused_accounts IS
'Accounts that an operator has paused: the service begins nothing for them until they are resumed. A run that is started by hand does not look here.';
COMMENT ON COLUMN paused_accounts.account_id IS 'Which; also while it is not in the configuration.';
COMMENT ON COLUMN paused_accounts.paused_at IS 'Since when.';
