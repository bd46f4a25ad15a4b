//! Where the platform's endpoints are: the base URL, and the only paths that the program knows.

use std::borrow::Cow;

use actors::model::{CampaignId, PageRequest};
use awc::http::Uri;
use awc::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::wire::MAX_ID_BYTES;

/// All but RFC 3986's unreserved characters. (`Url::path_segments_mut` would drop tabs and newlines.)
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Servers refuse heads of 8 KiB and more.
const MAX_PREFIX_BYTES: usize = 8 * 1024;

/// The URLs of one platform. None holds a secret: those travel in headers.
#[derive(Debug)]
pub(super) struct Endpoints {
    scheme: Scheme,
    authority: Authority,
    /// Of all paths; no slash at its end.
    prefix: String,
}

impl Endpoints {
    /// None where the base URL has no host, or a path that is too long.
    pub(super) fn new(base: &Url) -> Option<Self> {
        let host = base.host_str()?;
        let authority = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let (scheme, authority) = (base.scheme().parse().ok()?, authority.parse().ok()?);
        let prefix = base.path().trim_end_matches('/').to_owned();
        let endpoints = Self { scheme, authority, prefix };
        let fits = endpoints.prefix.len() <= MAX_PREFIX_BYTES && endpoints.try_at(&["/"]).is_some();
        fits.then_some(endpoints)
    }

    /// Host and port, as the header of that name has them.
    pub(super) fn host(&self) -> &str {
        self.authority.as_str()
    }

    pub(super) fn login(&self) -> Uri {
        self.at(&["/auth/token"])
    }

    pub(super) fn list(&self, page: PageRequest) -> Uri {
        self.at(&[&format!("/api/campaigns?page={}&limit={}", page.page, page.limit)])
    }

    /// The sync of a campaign; none where its id cannot stand in a path.
    pub(super) fn sync(&self, id: &CampaignId) -> Option<Uri> {
        let id = id.as_str();
        // Dots would be taken for steps through the path by whoever stands between us and the platform.
        let fits = !matches!(id, "" | "." | "..") && id.len() <= MAX_ID_BYTES;
        let segment: Cow<'_, str> = utf8_percent_encode(id, RESERVED).into();
        fits.then(|| self.at(&["/api/campaigns/", &segment, "/sync"]))
    }

    fn at(&self, path: &[&str]) -> Uri {
        self.try_at(path).expect("a path of ours is valid, and so is the prefix")
    }

    /// Nothing is parsed again but the path: a request would cost a tenth more.
    fn try_at(&self, path: &[&str]) -> Option<Uri> {
        let mut whole =
            String::with_capacity(self.prefix.len() + path.iter().map(|part| part.len()).sum::<usize>());
        whole.push_str(&self.prefix);
        path.iter().for_each(|part| whole.push_str(part));
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(whole)).ok()?);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::HashSet;
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn endpoints(base: &str) -> Endpoints {
        Endpoints::new(&Url::parse(base).unwrap()).unwrap()
    }

    fn sync_url(id: &str) -> Option<String> {
        endpoints("http://127.0.0.1:8080").sync(&id.into()).map(|url| url.to_string())
    }

    #[test]
    fn paths_follow_the_base_url_and_its_prefix() {
        let page = PageRequest { page: 2, limit: NonZeroU32::new(10).unwrap() };
        for base in ["https://ads.example/v1", "https://ads.example/v1/"] {
            let url = endpoints(base).list(page);
            assert_eq!(url.to_string(), "https://ads.example/v1/api/campaigns?page=2&limit=10");
        }
        assert_eq!(endpoints("http://[::1]:8080").login().to_string(), "http://[::1]:8080/auth/token");
    }

    #[test]
    fn the_host_has_its_port_unless_the_scheme_implies_it() {
        let hosts = [
            ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
            ("http://[::1]:80", "[::1]"),
            ("https://ads.example:443/", "ads.example"),
            ("https://ads.example:80", "ads.example:80"),
            ("https://bücher.example", "xn--bcher-kva.example"),
        ];
        for (base, host) in hosts {
            assert_eq!(endpoints(base).host(), host);
        }
    }

    #[test]
    fn a_prefix_that_no_server_would_read_has_no_endpoints() {
        let base = |length| Url::parse(&format!("https://ads.example/{}", "x".repeat(length))).unwrap();
        let long = Endpoints::new(&base(8_191)).unwrap();
        assert!(long.sync(&"é".repeat(256).into()).is_some());
        assert!(Endpoints::new(&base(8_192)).is_none());
    }

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        let url = sync_url("a/b?c#d%2e\t\n é").unwrap();
        assert_eq!(url, "http://127.0.0.1:8080/api/campaigns/a%2Fb%3Fc%23d%252e%09%0A%20%C3%A9/sync");
    }

    #[test]
    fn an_id_that_cannot_stand_in_a_path_has_no_target() {
        for id in ["", ".", "..", &"x".repeat(513)] {
            assert_eq!(sync_url(id), None);
        }
        assert!(sync_url(&"x".repeat(512)).is_some());
        assert!(sync_url("...").is_some());
    }

    proptest! {
        #[test]
        fn different_ids_have_different_valid_urls(ids in proptest::collection::hash_set(".{1,100}", 1..20)) {
            let urls: Vec<String> = ids.iter().filter_map(|id| sync_url(id)).collect();
            for url in &urls {
                let parsed = Url::parse(url).unwrap();
                prop_assert_eq!(parsed.as_str(), url);
                prop_assert_eq!(parsed.path_segments().unwrap().count(), 4);
            }
            prop_assert_eq!(urls.iter().collect::<HashSet<_>>().len(), urls.len());
        }
    }
}
