//! How a run ends: what is still waited for, and what is said of it.

use super::*;

impl Pipeline {
    /// Begins nothing more, and gives what is begun a while to end.
    pub(super) fn wind_down(&mut self, status: Status, ctx: &mut Context<Self>) {
        if self.ending.is_some() {
            self.ending = self.ending.max(Some(status));
            return;
        }
        self.ending = Some(status);
        // They are left to do: the next run lists them again.
        self.ready.clear();
        self.crew.limiter.do_send(CloseDoor);
        ctx.run_later(WIND_DOWN, |pipeline, _| {
            warn!(
                in_flight = pipeline.in_flight(),
                uncommitted = pipeline.uncommitted,
                "ending without waiting longer"
            );
            pipeline.finish();
        });
        self.pump(ctx);
    }

    pub(super) fn fail(&mut self, class: ProblemClass, message: String, ctx: &mut Context<Self>) {
        error!(cause = %message, "the run cannot go on");
        self.problems.push(Problem { class, message });
        self.wind_down(Status::Failed, ctx);
    }

    pub(super) fn cannot_log_in(&mut self, error: &AuthError, ctx: &mut Context<Self>) {
        let class = match error {
            AuthError::Refused(_) => ProblemClass::CredentialsRefused,
            AuthError::Failed(_) => ProblemClass::LoginFailed,
            AuthError::Stopped => return,
        };
        // All who waited for the token report the same.
        if self.problems.iter().all(|problem| problem.class != class) {
            self.fail(class, error.to_string(), ctx);
        }
    }

    pub(super) fn finish(&mut self) {
        let Some(outcome) = self.outcome.take() else { return };
        self.slots.iter().filter_map(|slot| slot.worker.as_ref()).for_each(|worker| worker.abort.abort());
        if let Some(Completeness::Unproven(message)) = self.listing.end() {
            let problem = Problem { class: ProblemClass::ListingIncomplete, message: message.clone() };
            self.problems.push(problem);
        }
        let dead_lettered = self.dead_lettered();
        if dead_lettered > 0 {
            let message = match dead_lettered {
                1 => "1 campaign was given up on and is a dead letter".to_owned(),
                more => format!("{more} campaigns were given up on and are dead letters"),
            };
            self.problems.push(Problem { class: ProblemClass::DeadLetters, message });
        }
        self.problems.extend(self.left_to_do_in_words());
        let unaccounted = self.unaccounted();
        if unaccounted > 0 {
            let message = format!(
                "{unaccounted} campaigns were listed and neither stored nor skipped nor given up nor left to do: a bug"
            );
            self.problems.push(Problem { class: ProblemClass::Unaccounted, message });
        }
        let shrank = self.shrank();
        let proven = self.listing.end() == Some(&Completeness::Proven) && shrank.is_none();
        self.problems.extend(shrank);
        let status = self.ending.unwrap_or(match (proven, dead_lettered + unaccounted) {
            (true, 0) => Status::Complete,
            // Not even the first page: there is nothing that the run has done.
            _ if !self.listing.has_begun() => Status::Failed,
            _ => Status::Partial,
        });
        info!(
            %status,
            stored = self.stored,
            skipped = self.skipped.count(),
            dead_lettered,
            left_to_do = self.left_to_do(),
            "run ended"
        );
        // Nobody waits for it only if the run itself was dropped.
        let _ = outcome.send(Outcome {
            status,
            // What a replay passed over is not missing.
            listing_proven: proven && self.ending.is_none() && unaccounted == 0 && self.run.replay.is_none(),
            campaigns: self.campaigns(),
            dead_lettered: std::mem::take(&mut self.dead_lettered),
            restarts: self.restarts,
            problems: std::mem::take(&mut self.problems),
            quota_back_in: self.quota_back_in,
        });
    }
}
