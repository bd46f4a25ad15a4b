//! What is not answered, and what every answer carries.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TOKEN, serving};

#[test]
fn on_loopback_only_names_of_this_machine_are_answered() {
    serving(None, vec![], async |serving| {
        for (host, status) in
            [("localhost", 200), ("127.0.0.1:1", 200), ("[::1]", 200), ("evil.example", 421), ("", 421)]
        {
            let answer =
                serving.client.raw(&format!("GET /api/accounts HTTP/1.1\r\nhost: {host}\r\n"), "").await;
            assert_eq!(answer.status, status, "{host}");
        }
        let forwarded = "GET /api/accounts HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: localhost\r\n";
        assert_eq!(serving.client.raw(forwarded, "").await.status, 421);
    });
}

#[test]
fn every_answer_keeps_a_browser_from_mixing_it_with_others() {
    serving(Some(TOKEN), vec![], async |serving| {
        for (target, host) in [
            ("/api/accounts", "localhost"),
            ("/nothing", "localhost"),
            ("/", "evil.example"),
            ("/api/runs?limit=x", "localhost"),
        ] {
            let origin = "origin: https://evil.example\r\n";
            let answer =
                serving.client.raw(&format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{origin}"), "").await;
            assert!(
                answer.headers["content-security-policy"]
                    .starts_with("default-src 'none'; script-src 'self';")
            );
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(answer.headers.keys().all(|name| !name.starts_with("access-control-")), "{answer:?}");
        }
    });
}

#[test]
fn what_is_not_there_or_not_understood_is_refused_with_a_sentence() {
    serving(Some(TOKEN), vec![], async |serving| {
        let answer = serving.client.raw("GET /nothing HTTP/1.1\r\nhost: localhost\r\n", "").await;
        assert_eq!(
            (answer.status, answer.detail()),
            (404, "there is nothing at GET /nothing; see /api/openapi.json".to_owned())
        );
        for list in ["/api/accounts", "/api/runs", "/api/dead-letters"] {
            for query in ["limit=0", "limit=501", "limit=-1", "limit=x", "cursor=x", "cursor=e30"] {
                let answer = serving.client.get(&format!("{list}?{query}")).await;
                assert!(answer.status == 400 && answer.detail().len() > 10, "{list} {query} {answer:?}");
            }
            assert_eq!(serving.client.get(&format!("{list}?limit=500")).await.status, 200);
        }
        assert_eq!(serving.client.get("/api/dead-letters?class=late").await.status, 400);
    });
}

#[test]
fn requests_are_bounded_in_size_and_time() {
    serving(Some(TOKEN), vec![], async |serving| {
        // Refused by what is announced: nothing of it is read.
        let head = format!(
            "POST /api/dead-letters/replay HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n",
            64 * 1024 + 1
        );
        assert_eq!(serving.client.raw(&head, "").await.status, 413);
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n", "x".repeat(1024 * 1024));
        let mut large = serving.client.open(&head, "").await;
        let mut answer = vec![];
        // Closed over what was not read, which may reset the connection.
        let _ = large.read_to_end(&mut answer).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        // A head and a body that never end are given up on.
        let never_ending = async |begin: &str| {
            let mut slow = TcpStream::connect(serving.client.address).await.unwrap();
            slow.write_all(begin.as_bytes()).await.unwrap();
            let mut answer = vec![];
            let ended = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "{begin}");
            String::from_utf8(answer).unwrap()
        };
        let body = format!(
            "POST /api/dead-letters/replay HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{\"account\":"
        );
        let (_, answer) = tokio::join!(never_ending("GET /healthz HTTP/1.1\r\nhost:"), never_ending(&body));
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("not there within 5 s"), "{answer}");
    });
}

#[test]
fn after_ten_wrong_tokens_nobody_from_there_is_an_operator_for_a_while_and_everybody_can_still_read() {
    serving(Some(TOKEN), vec![], async |serving| {
        let pause = "/api/accounts/a/pause";
        assert_eq!(serving.client.post(pause, Some(TOKEN), "").await.status, 200);
        for _ in 0..20 {
            assert_eq!(serving.client.post(pause, None, "").await.status, 401, "none is no guess");
        }
        for n in 0..10 {
            let wrong = format!("{TOKEN}{n}");
            assert_eq!(serving.client.post(pause, Some(&wrong), "").await.status, 401, "{n}");
        }
        for token in [TOKEN, "another-one-that-is-wrong"] {
            let answer = serving.client.post(pause, Some(token), "").await;
            assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (429, "60"));
            assert!(answer.detail().contains("try again in a minute"));
        }
        assert_eq!(serving.client.get("/api/accounts").await.status, 200);
    });
}

#[test]
fn nothing_is_changed_by_a_get() {
    serving(Some(TOKEN), vec![], async |serving| {
        let paths = serving.client.description["paths"].as_object().unwrap().clone();
        let changing: Vec<&String> =
            paths.iter().filter(|(_, item)| item.get("post").is_some()).map(|(path, _)| path).collect();
        assert_eq!(changing.len(), 4, "{changing:?}");
        for path in changing {
            assert!(paths[path].get("get").is_none(), "{path}");
            let path = path.replace("{id}", "a");
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n");
            let answer = serving.client.raw(&head, "").await;
            assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{path}");
        }
        let operator = |item: &serde_json::Value| item.get("security").is_some();
        for (path, item) in &paths {
            for (method, operation) in item.as_object().unwrap() {
                assert_eq!(operator(operation), method == "post", "{method} {path}");
            }
        }
    });
}

#[test]
fn what_a_page_from_elsewhere_loads_is_refused_and_a_link_from_there_is_followed() {
    serving(None, vec![], async |serving| {
        let asked = async |target: &str, mode: &str| {
            let head = format!(
                "GET {target} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: {mode}\r\n"
            );
            serving.client.raw(&head, "").await.status
        };
        assert_eq!((asked("/events", "no-cors").await, asked("/metrics", "cors").await), (403, 403));
        assert_eq!(asked("/", "navigate").await, 200);
    });
}
