//! The platform's base URL: encrypted, unless the way is short or the user insists.

use url::{Host, Url};

use super::problem::Refusal;

/// An absolute URL. Plain `http` only to loopback, or where it is allowed.
pub(super) fn parse(allow_http: bool) -> impl Fn(&str) -> Result<Url, Refusal> {
    move |text| {
        let url = without_secrets(text, "https://ads.example.com/v1")?;
        if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
            return Err(Refusal::new(
                "an https URL, unless its host is loopback or http is allowed (--allow-http, allow_http = true)",
            ));
        }
        Ok(url)
    }
}

/// An absolute URL such as the example. Neither userinfo nor query nor fragment: none of them would be sent, and they are
/// where secrets slip in.
pub(super) fn without_secrets(text: &str, example: &str) -> Result<Url, Refusal> {
    // A text that could hold a password or a key is not repeated.
    let refuse = |allowed: String| match text.contains(['@', '?', '#']) {
        true => Refusal::hidden(allowed),
        false => Refusal::new(allowed),
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| refuse(format!("an absolute URL such as {example}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a URL without user or password".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("a URL without query (?) or fragment (#)".to_owned()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_or_loopback() {
        let cases = [
            ("https://ads.example.com", true, true),
            ("https://ads.example.com/v1/", true, true),
            ("http://localhost:8080", true, true),
            ("http://LOCALHOST", true, true),
            ("http://127.0.0.1:8080", true, true),
            ("http://127.1.2.3", true, true),
            ("http://[::1]:8080", true, true),
            ("http://ads.example.com", false, true),
            ("http://10.0.0.1", false, true),
            ("http://localhost.example.com", false, true),
            ("http://127.0.0.1.example.com", false, true),
            ("http://0.0.0.0", false, true),
            ("ftp://127.0.0.1", false, false),
            ("file:///etc/passwd", false, false),
            ("ads.example.com", false, false),
            ("/v1", false, false),
            ("https://", false, false),
            ("", false, false),
            ("https://ann:pw@ads.example.com", false, false),
            ("https://ann@ads.example.com", false, false),
            ("https://ads.example.com?key=1", false, false),
            ("https://ads.example.com/#a", false, false),
        ];
        for (text, strictly, with_http_allowed) in cases {
            assert_eq!(parse(false)(text).is_ok(), strictly, "{text}");
            assert_eq!(parse(true)(text).is_ok(), with_http_allowed, "{text} with --allow-http");
        }
    }

    #[test]
    fn a_path_prefix_is_kept() {
        assert_eq!(
            parse(false)("https://ads.example.com/v1").map(|url| url.path().to_owned()),
            Ok("/v1".into())
        );
    }

    #[test]
    fn a_url_that_could_hold_a_secret_is_not_repeated() {
        for text in
            ["https://ann:pw@ads.example.com", "nonsense ann:pw@host", "https://ads.example.com?key=1"]
        {
            assert!(parse(false)(text).is_err_and(|refusal| refusal.hide), "{text}");
        }
        assert!(parse(false)("nonsense").is_err_and(|refusal| !refusal.hide));
    }
}
