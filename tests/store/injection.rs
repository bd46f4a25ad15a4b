//! Text that would be SQL if it were ever a part of a statement: it is stored and found as it is.

use std::sync::Arc;

use actors::model::{Campaign, DeadLetter, LetterFilter};
use actors::ports::{Share, Store};
use actors::report::{AccountReport, Problem, ProblemClass};
use campaign_sync::store::{AuditFilter, LetterPosition, PgStore};

use crate::support::{
    Database, at, batch, begin, campaign, ids, letter, letters, refused, report, settled, settled_now,
};

const HOSTILE: [&str; 12] = [
    "'; DROP TABLE campaigns; --",
    "\"; DROP TABLE campaigns; --",
    "\\'; DROP TABLE campaigns; --",
    "$$; DROP TABLE campaigns; $$",
    "$tag$; DROP TABLE campaigns; $tag$",
    "') OR ('1' = '1",
    "x' UNION SELECT rolpassword FROM pg_authid; --",
    "$1 %s %I %L ? :role",
    "{\"a\": \"}', '{",
    "/* \\",
    "E'\\\\x27'\\",
    "NULL",
];

impl Database {
    /// The values of a column, in their order.
    async fn column(&self, sql: &str) -> Vec<String> {
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn tables(&self) -> i64 {
        self.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await
    }
}

fn sorted<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn what_a_platform_sends_is_a_value_in_every_field() {
    let database = Database::new().await;
    let tables = database.tables().await;
    let run = database.run().await;
    let hostile = |text: &&str| Campaign {
        name: (*text).to_owned(),
        status: (*text).to_owned(),
        payload: (*text).into(),
        ..campaign(text)
    };
    let buried = |text: &&str| DeadLetter {
        message: (*text).to_owned(),
        payload: (*text).into(),
        ..letter(&format!("d{text}"))
    };
    let campaigns = batch(HOSTILE.iter().map(hostile));
    database.commit(&run, &campaigns).await;
    database.commit(&run, &letters(HOSTILE.iter().map(buried))).await;
    let mut all = sorted(HOSTILE);
    for (column, table) in [
        ("id", "campaigns"),
        ("name", "campaigns"),
        ("status", "campaigns"),
        ("name", "campaign_history"),
        ("message", "dead_letters"),
        ("payload", "dead_letters"),
    ] {
        let sql = format!("SELECT {column} FROM {table} ORDER BY {column} COLLATE \"C\"");
        assert_eq!(database.column(&sql).await, all, "{table}.{column}");
    }
    let known = settled_now(settled(&database.store, &run, &ids(&HOSTILE)).await.unwrap());
    assert_eq!(known.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>(), all);
    for text in HOSTILE {
        let budget = Campaign { budget: text.into(), ..campaign("budget") };
        refused(crate::support::commit(&database.store, &run, &batch([budget])).await);
    }
    let problem = |text: &&str| Problem { class: ProblemClass::PipelineFailed, message: (*text).to_owned() };
    let told = AccountReport { problems: HOSTILE.iter().map(problem).collect(), ..report(&run) };
    database.store.finish_run(&run, &told).await.unwrap();
    let problems = "SELECT p ->> 'message' FROM sync_runs, jsonb_array_elements(report -> 'problems') p";
    let mut stored = database.column(problems).await;
    stored.sort();
    all.sort();
    assert_eq!(stored, all);
    assert_eq!(database.tables().await, tables);
}

#[tokio::test]
async fn an_account_is_a_value_wherever_it_is_named() {
    let database = Database::new().await;
    let (store, tables) = (&database.store, database.tables().await);
    for text in HOSTILE {
        let account = text.into();
        let run = begin(store, text).await.unwrap();
        let of_run = actors::model::Batch { dead_letters: vec![letter("d1")], ..batch([campaign("c1")]) };
        let share = Share { run: Arc::new(run.clone()), batch: of_run };
        assert_eq!(store.commit(&[share]).await.unwrap().len(), 0);
        store.finish_run(&run, &report(&run)).await.unwrap();
        assert_eq!(store.recent_runs(Some(text), 9).await.unwrap().len(), 1, "{text}");
        assert_eq!(store.sample_campaigns(&account, 9).await.unwrap().len(), 1);
        let of_account = store.dead_letters(Some(text), &LetterFilter::default(), 9).await.unwrap();
        assert_eq!(of_account.len(), 1, "{text}");
        assert_eq!(store.last_begun(std::slice::from_ref(&account)).await.unwrap()[0].0, account);
        assert_eq!(
            store.dead_letter_counts(std::slice::from_ref(&account)).await.unwrap()[&account].len(),
            1
        );
        store.pause(&account, text).await.unwrap();
        assert!(store.paused(std::slice::from_ref(&account)).await.unwrap().contains_key(&account));
        store.resume(&account, text).await.unwrap();
        let filter = AuditFilter { account: Some(account), ..AuditFilter::default() };
        let rows = store.audit_rows(&filter, 99).await.unwrap();
        let operators: Vec<_> = rows.iter().filter_map(|row| row.who["operator"].as_str()).collect();
        assert_eq!((rows.len(), operators), (5, vec![text, text]));
    }
    assert_eq!(store.recent_runs(None, 99).await.unwrap().len(), HOSTILE.len());
    assert_eq!(database.tables().await, tables);
}

#[tokio::test]
async fn a_filter_is_a_value_and_finds_what_it_names() {
    let database = Database::new().await;
    let (store, tables) = (&database.store, database.tables().await);
    let run = database.run().await;
    database.commit(&run, &letters(HOSTILE.iter().map(|text| letter(text)))).await;
    let of = |text: &str| LetterFilter { campaigns: ids(&[text]), classes: vec![] };
    for text in HOSTILE {
        let found = store.dead_letters(None, &of(text), 9).await.unwrap();
        assert_eq!(found.iter().map(|row| row.campaign.as_str()).collect::<Vec<_>>(), [text]);
        let position =
            LetterPosition { last_failed_at: at(9), account: text.to_owned(), campaign: text.to_owned() };
        store.dead_letters_after(None, &LetterFilter::default(), Some(&position), 9).await.unwrap();
        store.audit_request(&text.into(), Some(&of(text)), text).await.unwrap();
        store
            .audit_configuration(campaign_sync::store::Audited::ConfigurationLoaded, &[text.into()], text)
            .await
            .unwrap();
        let newest = &store.audit_rows(&AuditFilter::default(), 1).await.unwrap()[0];
        assert_eq!(
            (&newest.details["fingerprint"], &newest.details["accounts"][0]),
            (&text.into(), &text.into())
        );
        assert_eq!(store.discard(&found, Some(text), &of(text)).await.unwrap(), 1);
        let newest = &store.audit_rows(&AuditFilter::default(), 1).await.unwrap()[0];
        assert_eq!(newest.details["filter"]["campaigns"][0], text);
    }
    let nul = LetterFilter { campaigns: ids(&["a\0b"]), classes: vec![] };
    store.audit_request(&"a".into(), Some(&nul), "here").await.unwrap();
    assert_eq!(database.number("SELECT count(*) FROM dead_letters").await, 0);
    assert_eq!(database.tables().await, tables);
}

#[tokio::test]
async fn a_private_database_can_have_any_name() {
    let database = Database::without_tables().await;
    for name in HOSTILE {
        database.postgres.create_database(name).await.unwrap();
        database.postgres.create_database(name).await.unwrap();
        assert!(database.postgres.has_database(name).await.unwrap());
        let store = PgStore::connect(&database.postgres.database_url(name)).await.unwrap();
        assert_eq!(store.schema_state().await.unwrap().version, None);
    }
    let named = "SELECT datname::text FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'ads') \
                 ORDER BY datname COLLATE \"C\"";
    assert_eq!(database.column(named).await, sorted(HOSTILE));
}
