//! Pages through the real pipeline into a real PostgreSQL: every entry is then in one of two tables, as it was written.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actors::model::{
    AccessToken, Campaign, CampaignId, IdempotencyKey, Listed, Login, Page, PageRequest, SyncedCampaign,
};
use actors::permit::{Answer, Permit};
use actors::ports::{Platform, PlatformError};
use actors::progress::Progress;
use actors::settings::PipelineSettings;
use actors::testing::settings;
use campaign_sync::platform::fuzzing;
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use campaign_sync::store::PgStore;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

use super::{json, properties};

/// Runs, each of an account of its own.
const RUNS: usize = 8;
const ENTRIES: usize = 100;

/// Lists one page and syncs whatever is on it.
struct OnePage(Page);

impl Platform for OnePage {
    async fn login(&self, mut permit: Permit) -> Result<Login, PlatformError> {
        permit.mark_sent();
        permit.answered(Answer::Succeeded);
        Ok(Login { token: SecretString::from("token"), expires_in: Duration::from_secs(3600) })
    }

    async fn list(&self, mut permit: Permit, _: &AccessToken, _: PageRequest) -> Result<Page, PlatformError> {
        permit.mark_sent();
        permit.answered(Answer::Succeeded);
        Ok(self.0.clone())
    }

    async fn sync(
        &self,
        mut permit: Permit,
        _: &AccessToken,
        campaign: &Arc<Campaign>,
        _: &IdempotencyKey,
    ) -> Result<SyncedCampaign, PlatformError> {
        permit.mark_sent();
        permit.answered(Answer::Succeeded);
        Ok(SyncedCampaign { campaign: Arc::clone(campaign), synced_at: SystemTime::UNIX_EPOCH })
    }
}

#[actix::test]
async fn every_entry_of_any_page_is_in_postgresql_as_a_row_or_a_dead_letter_to_the_letter() {
    let postgres = throwaway().await.unwrap();
    postgres.create_database("ads").await.unwrap();
    let store = PgStore::connect(&postgres.database_url("ads")).await.unwrap();
    store.migrate().await.unwrap();
    let sql = connect(&postgres).await;
    let mut runner = TestRunner::default();
    let (mut rows, mut malformed, mut unstorable) = (0, 0, 0);
    for run in 0..RUNS {
        let entries = proptest::collection::vec(json::any_entry(), ENTRIES);
        let page = json::page_of(&entries.new_tree(&mut runner).unwrap().current());
        // From here on, what was parsed stands for what was written.
        properties::page::holds(page.as_bytes());
        let page = fuzzing::page(page.as_bytes()).unwrap();
        let account = format!("account-{run}");
        let settings =
            PipelineSettings { account: account.as_str().into(), rate_limits: vec![], ..settings() };
        let (progress, _watched) = watch::channel(Progress::default());
        let platform = Rc::new(OnePage(page.clone()));
        let report =
            actors::run(settings, platform, Rc::new(store.clone()), progress, std::future::pending()).await;

        let stored = Stored::of(&sql, &account).await;
        let mut written: BTreeMap<&CampaignId, Vec<&Listed>> = BTreeMap::new();
        for entry in &page.entries {
            written.entry(entry.id()).or_default().push(entry);
        }
        assert_eq!(stored.rows.len() + stored.letters.len(), written.len(), "one place for each: {report:?}");
        for (id, entries) in &written {
            // Of several under one id, whichever came first.
            let kept = entries.iter().find(|entry| stored.holds(entry));
            assert!(kept.is_some(), "{id:?} is not what was written: {entries:?}, {:?}", stored.of_id(id));
        }
        rows += stored.rows.len();
        malformed += stored.letters.values().filter(|letter| letter.0 == "malformed").count();
        unstorable += stored.letters.values().filter(|letter| letter.0 == "unstorable").count();
    }
    assert!(rows > 100 && malformed > 50 && unstorable > 10, "{rows}, {malformed} and {unstorable}");
}

/// An account's rows and letters (class, payload) by id.
struct Stored {
    rows: BTreeMap<String, Campaign>,
    letters: BTreeMap<String, (String, String)>,
}

impl Stored {
    async fn of(sql: &Client, account: &str) -> Self {
        let campaigns = "SELECT id, name, status, budget::text, impressions, clicks, conversions, created_at
                         FROM campaigns WHERE account_id = $1";
        let campaign = |row: &tokio_postgres::Row| Campaign {
            id: row.get::<_, &str>(0).into(),
            name: row.get(1),
            status: row.get(2),
            budget: row.get::<_, &str>(3).into(),
            impressions: row.get(4),
            clicks: row.get(5),
            conversions: row.get(6),
            created_at: row.get(7),
            payload: "".into(),
        };
        let letters = "SELECT campaign_id, error_class, payload FROM dead_letters WHERE account_id = $1";
        let (campaigns, letters) = (
            sql.query(campaigns, &[&account]).await.unwrap(),
            sql.query(letters, &[&account]).await.unwrap(),
        );
        Self {
            rows: campaigns.iter().map(|row| (row.get(0), campaign(row))).collect(),
            letters: letters.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect(),
        }
    }

    fn of_id(&self, id: &CampaignId) -> (Option<&Campaign>, Option<&(String, String)>) {
        (self.rows.get(id.as_str()), self.letters.get(id.as_str()))
    }

    /// In one table and not in the other, and there as it was written.
    fn holds(&self, entry: &Listed) -> bool {
        match (entry, self.of_id(entry.id())) {
            (Listed::Campaign(campaign), (Some(row), None)) => is_stored_as(campaign, row),
            (Listed::Campaign(campaign), (None, Some((class, payload)))) => {
                class == "unstorable" && **payload == *campaign.payload && !fits_for_sure(campaign)
            }
            (Listed::Malformed { payload, .. }, (None, Some((class, stored)))) => {
                class == "malformed" && **stored == **payload
            }
            _ => false,
        }
    }
}

fn is_stored_as(campaign: &Campaign, row: &Campaign) -> bool {
    let difference =
        |one: SystemTime, other| one.duration_since(other).unwrap_or_else(|error| error.duration());
    // PostgreSQL's microseconds.
    difference(campaign.created_at, row.created_at) < Duration::from_micros(1)
        && Decimal::of(&campaign.budget) == Decimal::of(&row.budget)
        && (&campaign.name, &campaign.status) == (&row.name, &row.status)
        && (campaign.impressions, campaign.clicks, campaign.conversions)
            == (row.impressions, row.clicks, row.conversions)
}

/// Well within what PostgreSQL's types hold, and without a NUL.
fn fits_for_sure(campaign: &Campaign) -> bool {
    let Decimal { digits, exponent, .. } = Decimal::of(&campaign.budget);
    let from_1970 = campaign.created_at.duration_since(SystemTime::UNIX_EPOCH);
    !campaign.name.contains('\0')
        && !campaign.status.contains('\0')
        && (-16_000..130_000).contains(&exponent)
        && exponent + (digits.len() as i64) < 130_000
        && (from_1970.is_ok()
            || from_1970.is_err_and(|before| before.duration() < Duration::from_secs(1 << 37)))
}

/// A decimal number as what it means: digits without zeros around them, times a power of ten.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{}{fraction}", whole.trim_start_matches('-'));
        let digits = all.trim_end_matches('0');
        let exponent =
            exponent.parse::<i64>().unwrap() - fraction.len() as i64 + (all.len() - digits.len()) as i64;
        let digits = digits.trim_start_matches('0').to_owned();
        // PostgreSQL has no negative zero, and zero is zero at any power.
        let zero = digits.is_empty();
        let negative = !zero && whole.starts_with('-');
        Self { negative, digits, exponent: if zero { 0 } else { exponent } }
    }
}

async fn connect(postgres: &ThrowawayPostgres) -> Client {
    let socket = postgres.socket_directory().to_str().unwrap();
    let config = format!("host='{socket}' user=campaign_sync dbname=ads");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
