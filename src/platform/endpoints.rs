//! Where the platform's endpoints are: the base URL, and the only paths that the program knows.

use std::fmt::Write as _;

use actors::model::{CampaignId, PageRequest};
use url::Url;

use super::wire::MAX_ID_BYTES;

/// The URLs of one platform.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// Scheme, host and port, then the path prefix; no slash at its end.
    origin: String,
    prefix: String,
}

/// Which resource a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The whole URL.
    pub(super) url: String,
    /// Its path and query, for messages. Holds no secret: those travel in headers.
    pub(super) path: String,
}

impl Endpoints {
    pub(super) fn new(base: &Url) -> Self {
        let prefix = base.path().trim_end_matches('/').to_owned();
        Self { origin: base.origin().ascii_serialization(), prefix }
    }

    pub(super) fn login(&self) -> Target {
        self.target("/auth/token")
    }

    pub(super) fn list(&self, page: PageRequest) -> Target {
        self.target(&format!("/api/campaigns?page={}&limit={}", page.page, page.limit))
    }

    /// The sync of a campaign; none where its id cannot stand in a path.
    pub(super) fn sync(&self, id: &CampaignId) -> Option<Target> {
        let id = id.as_str();
        // Dots would be taken for steps through the path by whoever stands between us and the platform.
        let fits = !matches!(id, "" | "." | "..") && id.len() <= MAX_ID_BYTES;
        fits.then(|| self.target(&format!("/api/campaigns/{}/sync", percent_encoded(id))))
    }

    fn target(&self, path: &str) -> Target {
        let path = format!("{}{path}", self.prefix);
        Target { url: format!("{}{path}", self.origin), path }
    }
}

/// All but RFC 3986's unreserved characters. (`Url::path_segments_mut` would drop tabs and newlines.)
fn percent_encoded(segment: &str) -> String {
    segment.bytes().fold(String::with_capacity(segment.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes all that is written to it");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::HashSet;
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn endpoints(base: &str) -> Endpoints {
        Endpoints::new(&Url::parse(base).unwrap())
    }

    fn sync_url(id: &str) -> Option<String> {
        endpoints("http://127.0.0.1:8080").sync(&id.into()).map(|target| target.url)
    }

    #[test]
    fn paths_follow_the_base_url_and_its_prefix() {
        let page = PageRequest { page: 2, limit: NonZeroU32::new(10).unwrap() };
        for base in ["https://ads.example/v1", "https://ads.example/v1/"] {
            let target = endpoints(base).list(page);
            assert_eq!(target.url, "https://ads.example/v1/api/campaigns?page=2&limit=10");
            assert_eq!(target.path, "/v1/api/campaigns?page=2&limit=10");
        }
        assert_eq!(endpoints("http://[::1]:8080").login().url, "http://[::1]:8080/auth/token");
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
