//! Whether nothing is missing: of what was listed, and of the listing itself.

use super::*;

impl Pipeline {
    /// What a run that ends early has listed and leaves to the next: ready, in flight or uncommitted.
    pub(super) fn left_to_do(&self) -> u64 {
        if self.ending.is_some() { self.live.len() as u64 } else { 0 }
    }

    /// What was listed is stored, skipped, given up on or left to do. This is what is none of it, or more than one.
    pub(super) fn unaccounted(&self) -> u64 {
        let settled = self.stored + self.skipped.count() + self.dead_lettered();
        self.distinct().abs_diff(settled + self.left_to_do())
    }

    /// A listing that is proven complete in itself, and yet so much smaller than the last that it is not believed.
    pub(super) fn shrank(&self) -> Option<Problem> {
        let (before, now) = (self.run.listed_before?, self.listing.distinct);
        let is_proven = self.listing.end() == Some(&Completeness::Proven);
        (is_proven && self.settings.max_shrink.is_exceeded(before, now)).then(|| {
            let message = format!(
                "the platform lists {now} campaigns, and listed {before} the last time that its listing was proven \
                 complete: nothing was marked as removed, and further runs end like this one; if the campaigns are \
                 really gone, run it once with --max-shrink none"
            );
            Problem { class: ProblemClass::ListingShrank, message }
        })
    }

    /// For whoever reads the report of a run that ended early.
    pub(super) fn left_to_do_in_words(&self) -> Option<Problem> {
        let left = self.left_to_do();
        (left > 0).then(|| {
            let more = if self.listing.end().is_none() { ", and what was not listed yet," } else { "" };
            let message = format!(
                "{left} of {} campaigns that were listed{more} are left to do: the next run does them",
                self.distinct()
            );
            Problem { class: ProblemClass::LeftToDo, message }
        })
    }
}
