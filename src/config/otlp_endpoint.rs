//! Where the traces go.

use url::Url;

use super::api_url::without_secrets;
use super::problem::Refusal;

/// The base URL of a collector. It may be in the same cluster, so plain http is allowed.
pub(super) fn parse(text: &str) -> Result<Url, Refusal> {
    without_secrets(text, "http://127.0.0.1:4318")
}

/// The same, where this build can send any.
pub(super) fn usable(text: &str) -> Result<Url, Refusal> {
    usable_where(cfg!(feature = "otlp"), text)
}

fn usable_where(traces_can_be_sent: bool, text: &str) -> Result<Url, Refusal> {
    let url = parse(text)?;
    if traces_can_be_sent {
        return Ok(url);
    }
    Err(Refusal::hidden(
        "left out, because this build sends no traces (cargo install --locked --path . --features otlp makes one that does)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_http_url_without_secrets() {
        for text in ["http://127.0.0.1:4318", "https://otel.example.com/otlp", "http://collector:4318/"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in
            ["", "127.0.0.1:4318", "grpc://a:4317", "http://a:b@c", "http://a/?token=b", "http://a/#b"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("http://ann:pw@collector").is_err_and(|refusal| refusal.hide));
    }

    #[test]
    fn a_build_that_sends_no_traces_says_which_does() {
        assert!(usable_where(true, "http://127.0.0.1:4318").is_ok());
        let refusal = usable_where(false, "http://127.0.0.1:4318");
        assert!(refusal.is_err_and(|refusal| refusal.allowed.contains("--features otlp")));
    }
}
