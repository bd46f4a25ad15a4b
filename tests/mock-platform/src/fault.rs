//! The faults that can be switched on besides 503s and hangs: their names, and which requests each concerns.
//! Whether one strikes is [`crate::faults`]'s to draw; what it does to an answer is in [`crate::spoiling`], to a
//! page in [`crate::listing`], to a token in [`crate::tokens`].

use crate::stats::Endpoint;

/// Shares that fill a whole may be off by what adding them up costs.
const ROUNDING: f64 = 1e-9;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// What can go wrong with a request, or with what it leaves behind. Every share is one of the requests that
        /// the fault concerns (any: logins, listings and syncs), after they were let in: they have spent their permits.
        /// At most one strikes a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Fault::$fault),+];

            /// As the command line has it.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name),+ }
            }
        }
    };
}

faults! {
    /// Any request: half of the body that was announced, then the connection is closed.
    BodyCut = "body-cut",
    /// Any request: the body comes a byte at a time, twenty a second.
    BodyDrips = "body-drips",
    /// Any request: the body, in chunks, never ends.
    BodyEndless = "body-endless",
    /// Any request: 200, and a body that is no JSON.
    NotJson = "not-json",
    /// Any request: 200, and a page that says in HTML that the service is being maintained.
    Html = "html",
    /// Any request: 200, and every field of another type than it should be.
    WrongTypes = "wrong-types",
    /// Any request: it is carried out, and the connection reset instead of answered.
    ConnectionReset = "connection-reset",
    /// Any request: it is carried out, and the connection closed instead of answered.
    ConnectionClosed = "connection-closed",
    /// Any request: answered well, but the connection is reset as soon as it is used again.
    StaleKeepAlive = "stale-keep-alive",
    /// Any request: 302 to a path that is not of the API. Whoever follows it shows in the statistics as `other`.
    Redirect = "redirect",
    /// Any request: the answer is compressed, whether or not that was asked for. It is a good answer.
    Gzip = "gzip",
    /// Any request: a compressed body that never ends, and is a thousand times as large once it is unpacked.
    GzipBomb = "gzip-bomb",
    /// Any request: the body comes in chunks of seven bytes, without a length. It is a good answer.
    Chunked = "chunked",

    /// A sync: it is carried out, and the answer names another campaign.
    WrongCampaign = "wrong-campaign",
    /// A sync: 200 and `"success": false`; nothing is carried out.
    SuccessFalse = "success-false",

    /// A listing or a sync: 401 although the token is good.
    Unauthorized = "unauthorized",
    /// A login: its token is refused after ten requests, long before its `expires_in`.
    TokenDiesEarly = "token-dies-early",
    /// A login: it ends every token that was issued before.
    TokenKillsPredecessors = "token-kills-predecessors",
    /// A login: 503.
    LoginFails = "login-fails",
    /// A login: never answered.
    LoginHangs = "login-hangs",

    /// A listing: one entry of the page is no campaign, a number of it is a word.
    MalformedEntry = "malformed-entry",
    /// A listing: the page before once more, under this page's number. Not the first page.
    RepeatedPage = "repeated-page",
    /// A listing: the page begins a campaign late, as if one before it had gone, and ends with the next page's first.
    ShiftedPage = "shifted-page",
    /// A listing: the page begins with the last campaign of the page before, besides its own. Not the first page.
    OverlappingPage = "overlapping-page",
    /// A listing: more pages are said to follow whatever follows, and after the last page comes the first again.
    EndlessListing = "endless-listing",
    /// A listing: from this page on the first of the campaigns is no longer listed, nor counted in the total.
    ShrinkingListing = "shrinking-listing",
    /// A listing: the total is one too many.
    LyingTotal = "lying-total",
    /// A listing: `has_more` says the contrary of what is true.
    LyingHasMore = "lying-has-more",
}

impl Fault {
    /// The fault of this name.
    pub fn named(name: &str) -> Option<Fault> {
        Fault::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// It makes a page lie, rather than an answer fail.
    pub(crate) fn is_of_the_listing(self) -> bool {
        self.concerns(Endpoint::List) && !self.concerns(Endpoint::Sync)
    }

    pub(crate) fn concerns(self, endpoint: Endpoint) -> bool {
        use Fault::*;
        match self {
            WrongCampaign | SuccessFalse => endpoint == Endpoint::Sync,
            Unauthorized => matches!(endpoint, Endpoint::List | Endpoint::Sync),
            TokenDiesEarly | TokenKillsPredecessors | LoginFails | LoginHangs => endpoint == Endpoint::Auth,
            MalformedEntry | RepeatedPage | ShiftedPage | OverlappingPage | EndlessListing
            | ShrinkingListing | LyingTotal | LyingHasMore => endpoint == Endpoint::List,
            BodyCut | BodyDrips | BodyEndless | NotJson | Html | WrongTypes | ConnectionReset
            | ConnectionClosed | StaleKeepAlive | Redirect | Gzip | GzipBomb | Chunked => {
                matches!(endpoint, Endpoint::Auth | Endpoint::List | Endpoint::Sync)
            }
        }
    }
}

/// Whether faults can have these shares; else what they may be, to complete "must be".
///
/// # Errors
/// Each share is between 0 and 1, each fault is there once, and no endpoint's shares are more than 1 together.
pub fn check_faults(faults: &[(Fault, f64)]) -> Result<(), String> {
    if faults.iter().any(|(_, share)| !(0.0..=1.0).contains(share)) {
        return Err("a share from 0 (never) to 1 (always) for each".into());
    }
    for (number, (fault, _)) in faults.iter().enumerate() {
        if faults[..number].iter().any(|(earlier, _)| earlier == fault) {
            return Err(format!("one share for each, and there are two for {}", fault.name()));
        }
    }
    for (endpoint, name) in
        [(Endpoint::Auth, "logins"), (Endpoint::List, "listings"), (Endpoint::Sync, "syncs")]
    {
        let concerning = faults.iter().filter(|(fault, _)| fault.concerns(endpoint));
        if concerning.map(|(_, share)| share).sum::<f64>() > 1.0 + ROUNDING {
            return Err(format!("at most 1 together for those that concern {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_by_its_name_and_no_two_share_one() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.name()), Some(*fault));
        }
        assert_eq!(Fault::named("Html"), None);
        assert_eq!(Fault::named(""), None);
    }

    #[test]
    fn every_fault_concerns_some_endpoint_and_none_of_those_that_only_observe() {
        for fault in Fault::ALL {
            let concerned = [Endpoint::Auth, Endpoint::List, Endpoint::Sync];
            assert!(concerned.into_iter().any(|endpoint| fault.concerns(endpoint)), "{fault:?}");
            let observing = [Endpoint::Health, Endpoint::Stats, Endpoint::Other];
            assert!(!observing.into_iter().any(|endpoint| fault.concerns(endpoint)), "{fault:?}");
        }
    }

    #[test]
    fn shares_are_shares_and_fill_an_endpoint_once() {
        let check = |faults: &[(Fault, f64)]| check_faults(faults);
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[(Fault::Html, 0.0), (Fault::Redirect, 1.0)]), Ok(()));
        // Of different endpoints: nothing is drawn from both.
        assert_eq!(
            check(&[(Fault::WrongCampaign, 1.0), (Fault::LyingTotal, 1.0), (Fault::LoginHangs, 1.0)]),
            Ok(())
        );
        // Added up as numbers, they are a hair more than 1.
        let tenths = [(Fault::Html, 0.2), (Fault::Gzip, 0.4), (Fault::BodyCut, 0.3), (Fault::Chunked, 0.1)];
        assert_eq!(check(&tenths), Ok(()));
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(
                check(&[(Fault::Html, share)]).is_err_and(|what| what.contains("from 0 (never) to 1")),
                "{share}"
            );
        }
        assert!(
            check(&[(Fault::Html, 0.1), (Fault::Html, 0.2)]).is_err_and(|what| what.ends_with("for html"))
        );
        let full = |fault| check(&[(Fault::Html, 0.6), (fault, 0.5)]).expect_err("more than 1");
        assert!(full(Fault::LoginFails).ends_with("concern logins"));
        assert!(full(Fault::LyingTotal).ends_with("concern listings"));
        assert!(full(Fault::SuccessFalse).ends_with("concern syncs"));
    }
}
