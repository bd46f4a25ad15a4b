//! What the listing has shown so far, which page is next, and whether its end proves that nothing is missing.
//! Pure. The platform may lie with `has_more`, with `total`, with both, repeat pages or shift campaigns between
//! them; whatever it does, the listing ends in bounded time, and it is proven only where all evidence agrees.

use std::collections::HashSet;
use std::num::NonZeroU32;

use crate::model::PageRequest;
use crate::settings::{MAX_BARREN_PAGES, MAX_PASSES};

/// Without a total, or far beyond it, nothing else says when an endless listing is one.
const MOST_WITHOUT_TOTAL: u64 = 10_000_000;

/// Fingerprints that a further pass remembers: 16 MB at the most, for the rare listing that changed while it was read.
const MOST_SHOWN: usize = 1_000_000;

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
    /// Had so far, in all passes.
    pages: u32,
    /// Begun so far.
    passes: u32,
    pub(crate) listed: u64,
    pub(crate) distinct: u64,
    pub(crate) reported_total: Option<u64>,
    pass: Pass,
    end: Option<Completeness>,
}

/// One reading from the first page to the last.
#[derive(Clone, Debug, Default)]
struct Pass {
    /// None in the first.
    further: Option<FurtherPass>,
    entries: usize,
    /// Of them: not seen before, in whichever pass.
    fresh: u64,
    /// What the pass began with.
    total: Option<u64>,
    /// The platform's own list changed while it was read, so campaigns may have slipped between two pages.
    total_changed: bool,
    /// Some entries were not new.
    saw_repeats: bool,
    /// In a further pass that has to prove the listing by itself: which entries it has shown.
    shown: HashSet<u64>,
    /// Pages in a row without anything new.
    barren: u32,
}

#[derive(Clone, Copy, Debug)]
struct FurtherPass {
    /// Of the first pass.
    last_page: u32,
    /// It has to prove the listing by itself; else it may end as soon as nothing is missing any more.
    whole: bool,
}

impl Listing {
    pub(crate) fn new(page_size: NonZeroU32) -> Self {
        Self {
            page_size,
            next_page: 1,
            pages: 0,
            passes: 1,
            listed: 0,
            distinct: 0,
            reported_total: None,
            pass: Pass::default(),
            end: None,
        }
    }

    /// The page to ask for; none once the listing has ended.
    pub(crate) fn next(&self) -> Option<PageRequest> {
        self.end.is_none().then_some(PageRequest { page: self.next_page, limit: self.page_size })
    }

    /// Whether any page was had.
    pub(crate) fn has_begun(&self) -> bool {
        self.pages > 0
    }

    /// How it ended, once it has.
    pub(crate) fn end(&self) -> Option<&Completeness> {
        self.end.as_ref()
    }

    /// Takes a page into account: the fingerprints of its entries, and how many of them had not been seen before.
    pub(crate) fn observe(&mut self, shown: &[u64], fresh: u64, has_more: bool, total: Option<u64>) {
        let entries = shown.len() as u64;
        self.pages = self.pages.saturating_add(1);
        if self.pass.further.is_some_and(|further| further.whole) && self.pass.shown.len() < MOST_SHOWN {
            self.pass.shown.extend(shown);
        }
        self.listed += entries;
        self.distinct += fresh;
        self.reported_total = total.or(self.reported_total);
        self.pass.entries += shown.len();
        self.pass.fresh += fresh;
        self.pass.saw_repeats |= fresh < entries;
        self.pass.barren = if fresh == 0 { self.pass.barren + 1 } else { 0 };
        self.pass.total_changed |=
            self.pass.total.is_some_and(|before| total.is_some_and(|now| now != before));
        self.pass.total = self.pass.total.or(total);
        let page = self.next_page;
        self.next_page = page.saturating_add(1);

        let short_of_total = self.reported_total.is_some_and(|total| self.distinct < total);
        let says_end = entries == 0 || !has_more;
        let pass_is_over = match self.pass.further {
            // `has_more: false` short of the total is not believed before the next page confirms it.
            None => entries == 0 || (!has_more && !short_of_total) || self.pass.barren >= MAX_BARREN_PAGES,
            Some(FurtherPass { last_page, whole }) => {
                says_end || (!whole && !short_of_total) || page >= last_page.saturating_add(MAX_BARREN_PAGES)
            }
        };
        if pass_is_over {
            self.end_pass(page, says_end, short_of_total);
        } else if self.distinct > self.most() {
            self.end_unproven(self.pages, "and still more follow");
        }
    }

    /// A page could not be had, for this reason.
    pub(crate) fn break_off(&mut self, reason: &str) {
        let page = self.next_page;
        if !self.has_begun() {
            self.end = Some(Completeness::Unproven(format!("page {page} could not be had: {reason}")));
        } else {
            self.end_unproven(self.pages, &format!("then page {page} could not be had: {reason}"));
        }
    }

    /// Far beyond what the platform says that there is.
    fn most(&self) -> u64 {
        self.reported_total.map_or(MOST_WITHOUT_TOTAL, |total| total.saturating_mul(2).saturating_add(1000))
    }

    fn end_pass(&mut self, page: u32, says_end: bool, short_of_total: bool) {
        let pass = &self.pass;
        let proven = match (pass.further, self.reported_total) {
            _ if pass.total_changed => false,
            (None, Some(total)) => says_end && self.distinct == total,
            (None, None) => says_end && !pass.saw_repeats,
            (Some(FurtherPass { whole: true, .. }), total) => {
                let distinct = pass.shown.len();
                says_end && distinct == pass.entries && Some(distinct as u64) == total
            }
            (Some(FurtherPass { whole: false, .. }), total) => Some(self.distinct) == total,
        };
        let shifted = match pass.further {
            // What earlier passes have shown may be gone by now.
            Some(FurtherPass { whole: true, .. }) => pass.shown.len() < pass.entries,
            _ => short_of_total && pass.saw_repeats,
        };
        // The first pass always has company; the others only where it is worth it.
        let may_go_on = pass.further.is_none() || (pass.fresh > 0 && self.passes < MAX_PASSES);
        if proven {
            self.end = Some(Completeness::Proven);
        } else if may_go_on && (shifted || pass.total_changed) {
            // Campaigns that shifted between pages while they were read stood on two, and others on none.
            let further = match pass.further {
                None => FurtherPass { last_page: page, whole: pass.total_changed },
                Some(before) => FurtherPass { whole: before.whole || pass.total_changed, ..before },
            };
            self.pass = Pass { further: Some(further), ..Pass::default() };
            self.passes += 1;
            self.next_page = 1;
        } else if pass.total_changed {
            self.end_unproven(self.pages, "and the number changed each time while they were read");
        } else if says_end {
            self.end_unproven(self.pages, "where the platform says that it ends");
        } else {
            self.end_unproven(
                self.pages,
                "and the last pages brought nothing new although more are said to follow",
            );
        }
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
