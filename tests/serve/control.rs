//! What operators can do, and who is none.

use serde_json::Value;

use crate::support::{TOKEN, serving};

const CHANGES: [&str; 4] =
    ["/api/accounts/a/run", "/api/accounts/a/pause", "/api/accounts/a/resume", "/api/dead-letters/replay"];
const REPLAY: &str = r#"{"account":"a"}"#;

#[test]
fn without_a_token_in_the_configuration_nothing_can_be_changed() {
    serving(None, vec![], async |serving| {
        for target in CHANGES {
            let answer = serving.client.post(target, Some(""), REPLAY).await;
            assert_eq!(answer.status, 403);
            assert!(answer.detail().contains("no api_token is set"), "{}", answer.body);
        }
        assert_eq!(serving.client.get("/api/accounts/a").await.json()["state"], "waiting");
    });
}

#[test]
fn only_who_has_the_token_can_change_anything() {
    serving(Some(TOKEN), vec![], async |serving| {
        for target in CHANGES {
            for token in [
                None,
                Some(""),
                Some("an operator's toke"),
                Some("an operator's token!"),
                Some("AN OPERATOR'S TOKEN"),
            ] {
                // As from elsewhere each time: ten wrong ones would bar the next.
                serving.stop().await;
                serving.start_again();
                let answer = serving.client.post(target, token, REPLAY).await;
                assert_eq!(
                    (answer.status, answer.headers["www-authenticate"].as_str()),
                    (401, "Bearer"),
                    "{token:?}"
                );
                assert!(answer.detail().contains("api_token") && !answer.body.contains(TOKEN));
            }
        }
        let basic = format!(
            "POST /api/accounts/a/run HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {TOKEN}\r\n"
        );
        assert_eq!(serving.client.raw(&basic, "").await.status, 401);
        assert_eq!(serving.client.get("/api/accounts/a").await.json()["state"], "waiting");
    });
}

#[test]
fn an_operator_starts_pauses_and_resumes_accounts() {
    serving(Some(TOKEN), vec![], async |serving| {
        let post = async |target: &str| serving.client.post(target, Some(TOKEN), "").await;
        let answer = post("/api/accounts/a/run").await;
        assert_eq!(
            (answer.status, &answer.json()["state"], &answer.json()["purpose"]),
            (202, &"running".into(), &"sync".into())
        );
        let answer = post("/api/accounts/a/run").await;
        assert_eq!(
            (answer.status, answer.detail()),
            (409, "a run of the account a is at work already".to_owned())
        );
        let answer = post("/api/accounts/b/pause").await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &"paused".into()));
        assert_eq!(post("/api/accounts/b/run").await.detail(), "the account b is paused: resume it first");
        let answer = post("/api/accounts/b/resume").await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &"waiting".into()));
        for target in ["run", "pause", "resume"] {
            let answer = post(&format!("/api/accounts/nobody/{target}")).await;
            assert_eq!(
                (answer.status, answer.detail()),
                (404, "there is no account nobody in the configuration".to_owned())
            );
        }
    });
}

#[test]
fn an_operator_replays_dead_letters() {
    serving(Some(TOKEN), vec![], async |serving| {
        let replay =
            async |body: &str| serving.client.post("/api/dead-letters/replay", Some(TOKEN), body).await;
        let answer = replay(r#"{"account":"a","campaigns":["c-1"],"classes":["timeout"]}"#).await;
        assert_eq!((answer.status, &answer.json()["purpose"]), (202, &"replay".into()));
        assert_eq!(replay(REPLAY).await.status, 409);
        assert_eq!(replay(r#"{"account":"nobody"}"#).await.status, 404);
        let wrong = replay(r#"{"account":"b","classes":["late"]}"#).await;
        assert!(wrong.status == 400 && wrong.detail().starts_with("a class is one of timeout, connection, "));
        for body in ["{", "{}", r#"{"account":"b","class":"timeout"}"#, "[]"] {
            assert_eq!(replay(body).await.status, 400, "{body}");
        }
        assert_eq!(serving.client.get("/api/accounts/b").await.json()["state"], "waiting");
    });
}

#[test]
fn a_pause_is_in_the_database_and_one_that_could_not_be_recorded_is_refused_with_the_reason() {
    serving(Some(TOKEN), vec![], async |serving| {
        let post = async |target: &str| serving.client.post(target, Some(TOKEN), "").await;
        let recorded = async || serving.store.paused(&["a", "b"].map(Into::into)).await.unwrap();
        let paused = post("/api/accounts/a/pause").await.json();
        let since = recorded().await[&"a".into()];
        let since: jiff::Timestamp = since.try_into().unwrap();
        assert_eq!(paused["paused_since"], since.to_string());
        assert_eq!(post("/api/accounts/a/pause").await.json()["paused_since"], paused["paused_since"]);
        assert_eq!(post("/api/accounts/nobody/pause").await.status, 404);
        assert_eq!(serving.store.paused(&["nobody".into()]).await.unwrap().len(), 0);

        serving.sql("ALTER TABLE paused_accounts RENAME TO elsewhere").await;
        for (account, change, state) in [("b", "pause", "waiting"), ("a", "resume", "paused")] {
            let answer = post(&format!("/api/accounts/{account}/{change}")).await;
            assert!(answer.status == 503 && answer.detail().contains("paused_accounts"), "{}", answer.body);
            assert_eq!(serving.client.get(&format!("/api/accounts/{account}")).await.json()["state"], state);
        }
        serving.sql("ALTER TABLE elsewhere RENAME TO paused_accounts").await;
        let resumed = post("/api/accounts/a/resume").await.json();
        assert_eq!((&resumed["state"], &resumed["paused_since"]), (&"waiting".into(), &Value::Null));
        assert_eq!(recorded().await.len(), 0);
    });
}
