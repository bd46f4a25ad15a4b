//! The listing: what a request for a page asks for, what the page holds, and how a fault makes it lie. Pure, but
//! for the campaigns that have left the listing.

use serde::Serialize;

use crate::catalogue::{self, Campaign};
use crate::fault::Fault;
use crate::http::Response;

/// The largest `limit` of a listing: a page of some 3 MB.
const MAX_PAGE_SIZE: u64 = 10_000;
/// What a listing's `limit` is where it says none.
const PAGE_SIZE: u64 = 10;

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Counted from 1.
    page: u64,
    /// From 1 to [`MAX_PAGE_SIZE`].
    limit: u64,
}

impl PageRequest {
    /// `page` and `limit` of a listing's query. Parameters that it does not know are ignored.
    pub(crate) fn parse(query: &str) -> Result<PageRequest, Response> {
        let (mut page, mut limit) = (1, PAGE_SIZE);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "page" => page = value.parse().unwrap_or(0),
                "limit" => limit = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        if page == 0 || !(1..=MAX_PAGE_SIZE).contains(&limit) {
            let message = format!("page must be a number from 1 on, and limit one from 1 to {MAX_PAGE_SIZE}");
            return Err(Response::error(400, &message));
        }
        Ok(PageRequest { page, limit })
    }
}

/// The answer to a request for a page.
#[derive(Serialize)]
pub(crate) struct Page {
    data: Vec<Campaign>,
    pagination: Pagination,
    #[serde(skip)]
    malformed: bool,
}

#[derive(Serialize)]
struct Pagination {
    page: u64,
    limit: u64,
    total: u64,
    has_more: bool,
}

impl Page {
    pub(crate) fn response(&self) -> Response {
        let mut response = Response::json(200, self);
        if self.malformed {
            // The entry's other fields stay, and so does every other entry to the digit.
            let body = String::from_utf8(response.body).expect("JSON is text");
            response.body = body.replacen("\"impressions\":", "\"impressions\":\"many\",\"was\":", 1).into();
        }
        response
    }
}

/// The campaigns in the order of their numbers, and how many of the first are listed no longer.
pub(crate) struct Listing {
    seed: u64,
    campaigns: u64,
    gone: u64,
}

impl Listing {
    pub(crate) fn new(seed: u64, campaigns: u64) -> Listing {
        Listing { seed, campaigns, gone: 0 }
    }

    /// The page as it is.
    pub(crate) fn page(&self, PageRequest { page, limit }: PageRequest) -> Page {
        let begin = (page - 1).saturating_mul(limit);
        let (data, total) = (self.stretch(begin, limit), self.total());
        let has_more = begin.saturating_add(limit) < total;
        Page { data, pagination: Pagination { page, limit, total, has_more }, malformed: false }
    }

    /// The page as the fault has it; none where the fault cannot strike this page.
    pub(crate) fn lying_page(&mut self, request: PageRequest, fault: Fault) -> Option<Page> {
        let PageRequest { page: number, limit } = request;
        let begin = (number - 1).saturating_mul(limit);
        let mut page = self.page(request);
        match fault {
            Fault::MalformedEntry if !page.data.is_empty() => page.malformed = true,
            Fault::RepeatedPage if number > 1 => page.data = self.stretch(begin - limit, limit),
            Fault::ShiftedPage if !page.data.is_empty() => {
                page.data = self.stretch(begin.saturating_add(1), limit);
            }
            Fault::OverlappingPage if number > 1 => page.data = self.stretch(begin - 1, limit + 1),
            Fault::EndlessListing if self.total() > 0 => {
                page.pagination.has_more = true;
                if page.data.is_empty() {
                    let round = self.total().div_ceil(limit);
                    page.data = self.stretch((number - 1) % round * limit, limit);
                }
            }
            Fault::ShrinkingListing if self.total() > 0 => {
                self.gone += 1;
                page = self.page(request);
            }
            Fault::LyingTotal => page.pagination.total += 1,
            Fault::LyingHasMore => page.pagination.has_more ^= true,
            _ => return None,
        }
        Some(page)
    }

    fn total(&self) -> u64 {
        self.campaigns - self.gone
    }

    /// So many of the listed campaigns after the first `begin` of them, or as many as there are.
    fn stretch(&self, begin: u64, length: u64) -> Vec<Campaign> {
        let begin = begin.min(self.total());
        let end = begin.saturating_add(length).min(self.total());
        (begin + 1..=end).map(|number| catalogue::campaign(self.seed, self.gone + number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 campaigns in pages of 10.
    fn listing() -> Listing {
        Listing::new(3, 25)
    }

    fn request(page: u64) -> PageRequest {
        PageRequest { page, limit: 10 }
    }

    /// The numbers of the page's campaigns, its total, and whether more follow.
    fn shown(page: &Page) -> (Vec<u64>, u64, bool) {
        let numbers =
            page.data.iter().map(|campaign| catalogue::number(&campaign.id, 25).expect("one of them"));
        (numbers.collect(), page.pagination.total, page.pagination.has_more)
    }

    fn lie(page: u64, fault: Fault) -> Option<(Vec<u64>, u64, bool)> {
        listing().lying_page(request(page), fault).map(|page| shown(&page))
    }

    fn all(numbers: impl Iterator<Item = u64>, total: u64, has_more: bool) -> (Vec<u64>, u64, bool) {
        (numbers.collect(), total, has_more)
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let pages =
            [all(1..=10, 25, true), all(11..=20, 25, true), all(21..=25, 25, false), all(1..1, 25, false)];
        for (number, page) in (1..).zip(pages) {
            assert_eq!(shown(&listing().page(request(number))), page);
        }
        let far = PageRequest { page: u64::MAX, limit: MAX_PAGE_SIZE };
        assert_eq!(shown(&listing().page(far)), all(1..1, 25, false));
        assert!(!Listing::new(3, 20).page(request(2)).pagination.has_more, "a full last page is the last");
    }

    #[test]
    fn a_query_asks_for_a_page_or_is_refused() {
        let parse = |query| PageRequest::parse(query).map_err(|refusal| refusal.status);
        assert_eq!(parse(""), Ok(PageRequest { page: 1, limit: 10 }));
        assert_eq!(parse("limit=3&x=y&page=2&z"), Ok(PageRequest { page: 2, limit: 3 }));
        for wrong in ["page=0", "page=-1", "page=", "limit=0", "limit=10001", "limit=ten"] {
            assert_eq!(parse(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn a_page_that_lies_tells_the_lie_of_its_fault_and_no_other() {
        let page = |fault| lie(2, fault).expect("it can strike the second page");
        assert_eq!(page(Fault::RepeatedPage), all(1..=10, 25, true));
        assert_eq!(page(Fault::ShiftedPage), all(12..=21, 25, true));
        assert_eq!(page(Fault::OverlappingPage), all(10..=20, 25, true));
        assert_eq!(page(Fault::LyingTotal), all(11..=20, 26, true));
        assert_eq!(page(Fault::LyingHasMore), all(11..=20, 25, false));
        assert_eq!(page(Fault::MalformedEntry), all(11..=20, 25, true));
        assert_eq!(lie(3, Fault::LyingHasMore), Some(all(21..=25, 25, true)));
        assert_eq!(lie(3, Fault::ShiftedPage), Some(all(22..=25, 25, false)));
    }

    #[test]
    fn an_endless_listing_begins_again_after_its_last_page() {
        let page = |number| lie(number, Fault::EndlessListing).expect("it can strike any page");
        assert_eq!(
            [1, 3, 4, 6, 7].map(page),
            [
                all(1..=10, 25, true),
                all(21..=25, 25, true),
                all(1..=10, 25, true),
                all(21..=25, 25, true),
                all(1..=10, 25, true),
            ]
        );
        lie(u64::MAX, Fault::EndlessListing).expect("no number is too large");
    }

    #[test]
    fn a_shrinking_listing_loses_its_first_and_all_others_move_up_until_none_is_left() {
        let mut listing = listing();
        let mut strike =
            |page| listing.lying_page(request(page), Fault::ShrinkingListing).map(|page| shown(&page));
        assert_eq!(strike(1), Some(all(2..=11, 24, true)));
        assert_eq!(strike(2), Some(all(13..=22, 23, true)));
        assert_eq!(shown(&listing.page(request(3))), all(23..=25, 23, false));
        for left in (0..23).rev() {
            let page = listing.lying_page(request(1), Fault::ShrinkingListing).expect("some are left");
            assert_eq!(page.pagination.total, left);
        }
        assert!(listing.lying_page(request(1), Fault::ShrinkingListing).is_none());
        assert!(
            listing.lying_page(request(1), Fault::EndlessListing).is_none(),
            "there is nothing to repeat"
        );
    }

    #[test]
    fn what_needs_a_page_before_or_an_entry_does_not_strike_without() {
        for fault in [Fault::RepeatedPage, Fault::OverlappingPage] {
            assert_eq!(lie(1, fault), None, "{fault:?}");
        }
        for fault in [Fault::ShiftedPage, Fault::MalformedEntry] {
            assert_eq!(lie(4, fault), None, "{fault:?}");
        }
        assert_eq!(lie(2, Fault::Html), None, "it is not the listing's");
    }

    #[test]
    fn a_malformed_entry_is_one_and_the_others_stay_to_the_digit() {
        let good = String::from_utf8(listing().page(request(2)).response().body).expect("text");
        let page = listing().lying_page(request(2), Fault::MalformedEntry).expect("it can strike");
        let bad = String::from_utf8(page.response().body).expect("text");
        assert_eq!(bad.matches("\"many\"").count(), 1);
        assert_eq!(bad.replace("\"many\",\"was\":", ""), good);
    }
}
