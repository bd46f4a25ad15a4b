//! What the listing has shown so far, which page is next, and whether its end proves that nothing is missing.
//! Pure. The platform may lie with `has_more`, with `total`, with both, repeat pages or shift campaigns between
//! them; whatever it does, the listing ends in bounded time, and it is proven only where all evidence agrees.

use std::num::NonZeroU32;

use crate::model::PageRequest;
use crate::settings::MAX_BARREN_PAGES;

/// Without a total, or far beyond it, nothing else says when an endless listing is one.
const MOST_WITHOUT_TOTAL: u64 = 10_000_000;

/// Whether the listing is all that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// Every piece of evidence says so.
    Proven,
    /// What speaks against it, for a person.
    Unproven(String),
}

/// The evidence.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    page_size: NonZeroU32,
    next_page: u32,
    /// Set in the second pass: the last page of the first.
    first_pass_pages: Option<u32>,
    pub(crate) listed: u64,
    pub(crate) distinct: u64,
    pub(crate) reported_total: Option<u64>,
    /// Pages in a row without anything new.
    barren: u32,
    saw_repeats: bool,
    end: Option<Completeness>,
}

impl Listing {
    pub(crate) fn new(page_size: NonZeroU32) -> Self {
        Self {
            page_size,
            next_page: 1,
            first_pass_pages: None,
            listed: 0,
            distinct: 0,
            reported_total: None,
            barren: 0,
            saw_repeats: false,
            end: None,
        }
    }

    /// The page to ask for; none once the listing has ended.
    pub(crate) fn next(&self) -> Option<PageRequest> {
        self.end.is_none().then_some(PageRequest { page: self.next_page, limit: self.page_size })
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<&Completeness> {
        self.end.as_ref()
    }

    /// Takes a page into account: how many entries it had, and how many of them had not been seen before.
    pub(crate) fn observe(&mut self, entries: u64, fresh: u64, has_more: bool, total: Option<u64>) {
        self.listed += entries;
        self.distinct += fresh;
        self.reported_total = total.or(self.reported_total);
        self.saw_repeats |= fresh < entries;
        self.barren = if fresh == 0 { self.barren + 1 } else { 0 };
        let page = self.next_page;
        self.next_page = page.saturating_add(1);

        let short_of_total = self.reported_total.is_some_and(|total| self.distinct < total);
        let says_end = entries == 0 || !has_more;
        let pass_is_over = match self.first_pass_pages {
            // `has_more: false` short of the total is not believed before the next page confirms it.
            None => entries == 0 || (!has_more && !short_of_total) || self.barren >= MAX_BARREN_PAGES,
            // The second pass only looks for what the first has missed.
            Some(pages) => says_end || !short_of_total || page > pages,
        };
        if pass_is_over {
            self.end_pass(page, says_end, short_of_total);
        } else if self.distinct > self.most() {
            self.end_unproven(page, "and still more follow");
        }
    }

    /// A page could not be had, for this reason.
    pub(crate) fn break_off(&mut self, reason: &str) {
        let page = self.next_page;
        if self.listed == 0 {
            self.end = Some(Completeness::Unproven(format!("page {page} could not be had: {reason}")));
        } else {
            self.end_unproven(page - 1, &format!("then page {page} could not be had: {reason}"));
        }
    }

    /// Far beyond what the platform says that there is.
    fn most(&self) -> u64 {
        self.reported_total.map_or(MOST_WITHOUT_TOTAL, |total| total.saturating_mul(2).saturating_add(1000))
    }

    fn end_pass(&mut self, page: u32, says_end: bool, short_of_total: bool) {
        let all_agree = says_end
            && match self.reported_total {
                Some(total) => self.distinct == total,
                None => !self.saw_repeats,
            };
        if all_agree || (self.first_pass_pages.is_some() && !short_of_total && !self.beyond_total()) {
            self.end = Some(Completeness::Proven);
        } else if short_of_total && self.saw_repeats && self.first_pass_pages.is_none() {
            // Campaigns that shifted between pages stood on two, and others on none.
            self.first_pass_pages = Some(page);
            self.next_page = 1;
        } else if says_end {
            self.end_unproven(page, "where the platform says that it ends");
        } else {
            self.end_unproven(
                page,
                "and the last pages brought nothing new although more are said to follow",
            );
        }
    }

    fn beyond_total(&self) -> bool {
        self.reported_total.is_some_and(|total| self.distinct > total)
    }

    fn end_unproven(&mut self, pages: u32, how: &str) {
        let says = match self.reported_total {
            Some(total) => format!("the platform says that there are {total} campaigns"),
            None => "the platform does not say how many campaigns there are".to_owned(),
        };
        let message = format!("{says}, but listed {} different ones on {pages} pages, {how}", self.distinct);
        self.end = Some(Completeness::Unproven(message));
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
