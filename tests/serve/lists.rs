//! What there is to read.

use serde_json::Value;

use crate::support::{Serving, TOKEN, check, serving};

/// All items of a list in pages of two, and how many pages there were. Calls `between` after the first.
async fn pages(serving: &Serving, target: &str, between: impl AsyncFnOnce()) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut cursor, mut between) = (vec![], 0, String::new(), Some(between));
    loop {
        let sign = if target.contains('?') { '&' } else { '?' };
        let answer = serving.client.get(&format!("{target}{sign}limit=2{cursor}")).await;
        assert_eq!(answer.status, 200);
        let page = answer.json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        pages += 1;
        if let Some(between) = between.take() {
            between().await;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (items, pages),
        }
    }
}

fn texts(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_process_that_lives_says_so_and_is_ready_where_everything_is() {
    serving(None, vec![check("database", Some(Ok(()))), check("actors", Some(Ok(())))], async |serving| {
        assert_eq!(serving.client.get("/healthz").await.body, "ok\n");
        let answer = serving.client.get("/readyz").await;
        assert_eq!((answer.status, &answer.json()["ready"]), (200, &true.into()));
        assert_eq!(texts(answer.json()["checks"].as_array().unwrap(), "name"), ["database", "actors"]);
        let metrics = serving.client.get("/metrics").await;
        assert_eq!((metrics.status, metrics.body.as_str()), (200, "campaign_sync_up 1\n"));
        assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    });
}

#[test]
fn what_is_not_ready_is_named_with_the_reason_and_does_not_keep_anybody_waiting() {
    let checks = vec![
        check("database", Some(Err("it is away"))),
        check("schema", None),
        check("actors", Some(Ok(()))),
    ];
    serving(None, checks, async |serving| {
        let answer = serving.client.get("/readyz").await;
        assert_eq!((answer.status, &answer.json()["ready"]), (503, &false.into()));
        let checks = answer.json()["checks"].clone();
        assert_eq!(checks[0]["reason"], "it is away");
        assert_eq!(checks[1]["reason"], "it did not answer within 3 s");
        assert_eq!((&checks[2]["ok"], &checks[2]["reason"]), (&true.into(), &Value::Null));
        assert_eq!(serving.client.get("/healthz").await.status, 200);
    });
}

#[test]
fn accounts_are_listed_in_pages() {
    serving(None, vec![], async |serving| {
        let (items, count) = pages(serving, "/api/accounts", async || {}).await;
        assert_eq!((texts(&items, "id"), count), (["a", "b", "c"].map(str::to_owned).to_vec(), 2));
        assert_eq!((&items[0]["state"], &items[0]["because"]), (&"waiting".into(), &"schedule".into()));
        assert_eq!((&items[0]["schedule"], &items[0]["next_time"]), (&"31d".into(), &items[0]["until"]));
        assert_eq!(serving.client.get("/api/accounts/b").await.json(), items[1]);
        let answer = serving.client.get("/api/accounts/nobody").await;
        assert_eq!(
            (answer.status, answer.detail()),
            (404, "there is no account nobody in the configuration".to_owned())
        );
    });
}

#[test]
fn runs_are_listed_in_pages_that_nothing_new_shifts() {
    serving(None, vec![], async |serving| {
        for account in ["a", "b", "a", "b", "a"] {
            serving.run(account, 0).await;
        }
        let (items, count) = pages(serving, "/api/runs", async || serving.run("c", 0).await).await;
        assert_eq!(
            (texts(&items, "account"), count),
            (["a", "b", "a", "b", "a"].map(str::to_owned).to_vec(), 3)
        );
        assert_eq!((&items[0]["status"], &items[0]["kind"]), (&"partial".into(), &"sync".into()));
        let (items, count) = pages(serving, "/api/runs?account=b", async || {}).await;
        assert_eq!((texts(&items, "account"), count), (vec!["b".to_owned(), "b".to_owned()], 1));
        let (items, _) = pages(serving, "/api/runs?account=nobody", async || {}).await;
        assert!(items.is_empty());
    });
}

#[test]
fn dead_letters_are_listed_in_pages_also_where_many_failed_at_once() {
    serving(None, vec![], async |serving| {
        serving.run("b", 3).await;
        serving.run("a", 4).await;
        let (items, count) = pages(serving, "/api/dead-letters", async || serving.run("c", 1).await).await;
        let places: Vec<_> = texts(&items, "account").into_iter().zip(texts(&items, "campaign")).collect();
        let wanted = [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("b", 1), ("b", 2)];
        assert_eq!(places, wanted.map(|(account, n)| (account.to_owned(), format!("c-{n}"))));
        assert_eq!(
            (count, &items[1]["message"], &items[1]["attempts"]),
            (4, &"it was never answered".into(), &8.into())
        );
        let (items, _) = pages(serving, "/api/dead-letters?account=b&class=timeout", async || {}).await;
        assert_eq!(texts(&items, "campaign"), ["c-1", "c-2"]);
    });
}

#[test]
fn a_filter_that_looks_like_sql_is_a_value_and_finds_nothing() {
    serving(Some(TOKEN), vec![], async |serving| {
        serving.run("a", 1).await;
        // ' " ; $$ and a backslash, around a statement.
        for text in
            ["%27;DROP%20TABLE%20sync_runs;--", "%22;$$DROP%20TABLE%20sync_runs$$", "%5C%27)OR(1=1)--"]
        {
            for target in ["/api/runs", "/api/dead-letters"] {
                let answer = serving.client.get(&format!("{target}?account={text}")).await;
                assert_eq!((answer.status, &answer.json()["items"]), (200, &Value::Array(vec![])), "{text}");
            }
            assert_eq!(serving.client.get(&format!("/api/dead-letters?class={text}")).await.status, 400);
        }
        let body = r#"{"account":"a","campaigns":["'; DROP TABLE sync_runs; --","a\u0000b"]}"#;
        assert_eq!(serving.client.post("/api/dead-letters/replay", Some(TOKEN), body).await.status, 202);
        assert_eq!(serving.client.get("/api/runs").await.json()["items"].as_array().unwrap().len(), 1);
    });
}
