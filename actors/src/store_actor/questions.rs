//! What runs ask about their pages: the questions of all who wait are asked together, one time after another. A question
//! is part of the value until it is answered, so a panic asks it again.

use tokio::sync::oneshot;

use super::*;
use crate::ports::Question;

/// Campaigns that are asked about at a time: the largest page there is. A question of milliseconds, and a thousand
/// accounts' pages of ten go into it.
const MOST_AT_ONCE: usize = 10_000;

/// Asks which of these the run has settled already.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<SettledCampaign>, StoreError>")]
pub(crate) struct FindSettled {
    pub(crate) member: Arc<Member>,
    pub(crate) ids: Vec<CampaignId>,
}

/// The questions that were asked.
#[derive(Default)]
pub(super) struct Questions {
    waiting: VecDeque<Waiting>,
    asking: Vec<Waiting>,
    away: Option<Away>,
    /// While a database that is away is given a rest.
    paused: bool,
}

struct Waiting {
    since: Instant,
    /// Asked by itself: a replay, which looks further, and what was refused together with others.
    alone: bool,
    member: Arc<Member>,
    question: Question,
    reply: oneshot::Sender<Result<Vec<SettledCampaign>, StoreError>>,
}

impl Questions {
    /// As many as go together; one at least, for no question is larger than a page.
    fn take_next(&mut self) {
        let (mut campaigns, mut alone) = (0, false);
        while let Some(next) = self.waiting.pop_front_if(|next| {
            campaigns += next.question.ids.len();
            self.asking.is_empty() || campaigns <= MOST_AT_ONCE && !alone && !next.alone
        }) {
            alone = next.alone;
            // Who has gone needs no answer.
            if !next.member.is_gone() {
                self.asking.push(next);
            }
        }
    }

    /// What was being asked has to be asked again.
    fn take_back(&mut self) {
        for waiting in std::mem::take(&mut self.asking).into_iter().rev() {
            self.waiting.push_front(waiting);
        }
    }
}

impl<S: Store> StoreActor<S> {
    fn ask(&mut self, ctx: &mut Context<Self>) {
        if self.questions.paused || !self.questions.asking.is_empty() {
            return;
        }
        self.questions.take_next();
        if self.questions.asking.is_empty() {
            return;
        }
        let questions: Vec<_> =
            self.questions.asking.iter().map(|waiting| waiting.question.clone()).collect();
        let store = self.store.clone();
        let ask = async move { store.settled(&questions).await };
        ctx.spawn(ask.into_actor(self).map(|answers, actor, ctx| actor.answer(answers, ctx)));
    }

    fn answer(&mut self, answers: Result<Vec<Vec<SettledCampaign>>, StoreError>, ctx: &mut Context<Self>) {
        match answers {
            Err(StoreError::Unavailable(cause)) => return self.ask_later(&cause, ctx),
            Err(_) if self.questions.asking.len() > 1 => {
                // Whose fault it is, each finds out for itself.
                self.questions.asking.iter_mut().for_each(|waiting| waiting.alone = true);
                self.questions.take_back();
            }
            Err(error) => {
                for waiting in self.questions.asking.drain(..) {
                    // Here and below: a pipeline that is gone needs no answer.
                    let _ = waiting.reply.send(Err(error.clone()));
                }
            }
            Ok(answers) => {
                for (waiting, answer) in self.questions.asking.drain(..).zip(answers) {
                    let _ = waiting.reply.send(Ok(answer));
                }
            }
        }
        self.questions.away = None;
        self.ask(ctx);
    }

    /// The database is away: each question has its own patience.
    fn ask_later(&mut self, cause: &str, ctx: &mut Context<Self>) {
        let is_over = |waiting: &mut Waiting| Away::since(waiting.since).is_over();
        for waiting in self.questions.asking.extract_if(.., is_over) {
            let _ = waiting.reply.send(Err(StoreError::Unavailable(cause.to_owned())));
        }
        let wait = self.questions.away.get_or_insert_with(Away::begin).wait(cause);
        self.questions.take_back();
        self.questions.paused = true;
        ctx.run_later(wait, |actor, ctx| {
            actor.questions.paused = false;
            actor.ask(ctx);
        });
    }

    /// After a panic.
    pub(super) fn repair_questions(&mut self, ctx: &mut Context<Self>) {
        self.questions.take_back();
        self.questions.paused = false;
        self.ask(ctx);
    }
}

impl<S: Store> Handler<FindSettled> for StoreActor<S> {
    type Result = Later<Result<Vec<SettledCampaign>, StoreError>>;

    fn handle(&mut self, FindSettled { member, ids }: FindSettled, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, later) = oneshot::channel();
        let question = Question { run: member.run.clone(), ids };
        let (since, alone) = (Instant::now(), question.run.replay.is_some());
        self.questions.waiting.push_back(Waiting { since, alone, member, question, reply });
        self.ask(ctx);
        Later(later)
    }
}
