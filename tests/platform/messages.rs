//! What errors say, and what they keep to themselves.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::scripted_server::Reply;
use crate::support::{PASSWORD, TOKEN, list, login, platform, settings, sync, transient};

#[actix::test]
async fn no_secret_is_in_any_error_or_debug_output() {
    let basic = BASE64_STANDARD.encode(format!("ann@example.com:{PASSWORD}"));
    let to_login = serde_json::json!({"echo": [basic, PASSWORD], "access_token": ["abcdef"]}).to_string();
    let to_others = serde_json::json!({"echo": [format!("Bearer {TOKEN}"), basic, PASSWORD]}).to_string();
    let statuses = [200, 302, 400, 401, 403, 429, 500, 503];
    let bodies = [&to_login, &to_others, &to_others];
    let script = statuses.iter().flat_map(|&status| bodies.map(|body| Reply::json(status, body)));
    let (_server, platform) = platform(script).await;
    let mut shown = vec![format!("{platform:?} {:?}", settings("http://127.0.0.1"))];
    for _ in statuses {
        let errors = [
            login(&platform).await.unwrap_err(),
            list(&platform).await.unwrap_err(),
            sync(&platform, "42").await.unwrap_err(),
        ];
        shown.extend(errors.iter().map(|error| format!("{error} {error:?}")));
    }
    for text in shown {
        for secret in [TOKEN, PASSWORD, "word: x", &basic] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        // Where a login succeeded, whatever else is in its body could be a token.
        assert!(!text.contains("answered 200") || !text.contains("abcdef"), "{text}");
    }
}

#[actix::test]
async fn what_the_platform_says_is_quoted_short_and_without_control_characters() {
    let body = format!("\u{1b}[2J\r\nfirst{}", "x".repeat(100_000));
    let (_server, platform) = platform([Reply::json(503, &body)]).await;
    let (_, message) = transient(sync(&platform, "42").await);
    assert!(message.contains("first"), "{message}");
    assert!(message.len() < 400 && !message.contains(char::is_control), "{message:?}");
}
