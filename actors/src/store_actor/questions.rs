//! What runs ask about their pages: a few questions at a time, the others wait in order. A question is part of the
//! value until it is answered, so a panic asks it again.

use tokio::sync::oneshot;
use tracing::Instrument;

use super::*;

/// Questions at a time: each takes a connection of the store, which has others to serve, and more would only wait for
/// the same processor.
const MOST_AT_ONCE: usize = 2;

/// Asks which of these the run has settled already.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<Vec<SettledCampaign>, StoreError>")]
pub(crate) struct FindSettled {
    pub(crate) member: Arc<Member>,
    pub(crate) ids: Vec<CampaignId>,
}

/// The questions that were asked.
#[derive(Default)]
pub(super) struct Questions {
    waiting: VecDeque<Question>,
    asked: Vec<(u64, Question)>,
    next: u64,
}

struct Question {
    asked_at: Instant,
    question: FindSettled,
    reply: oneshot::Sender<Result<Vec<SettledCampaign>, StoreError>>,
}

impl<S: Store> StoreActor<S> {
    fn ask_next(&mut self, ctx: &mut Context<Self>) {
        while self.questions.asked.len() < MOST_AT_ONCE {
            let Some(question) = self.questions.waiting.pop_front() else { return };
            if question.question.member.is_gone() {
                continue;
            }
            self.questions.next += 1;
            let (number, store) = (self.questions.next, self.store.clone());
            let (FindSettled { member, ids }, since) = (question.question.clone(), question.asked_at);
            self.questions.asked.push((number, question));
            let span = member.span();
            let find = async move { patiently(since, async || store.settled(&member.run, &ids).await).await };
            let find = find.instrument(span);
            ctx.spawn(find.into_actor(self).map(move |answer, actor, ctx| actor.answer(number, answer, ctx)));
        }
    }

    fn answer(
        &mut self,
        number: u64,
        answer: Result<Vec<SettledCampaign>, StoreError>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(place) = self.questions.asked.iter().position(|(asked, _)| *asked == number) {
            let (_, question) = self.questions.asked.swap_remove(place);
            // A pipeline that is gone needs no answer.
            let _ = question.reply.send(answer);
        }
        self.ask_next(ctx);
    }

    /// After a panic.
    pub(super) fn repair_questions(&mut self, ctx: &mut Context<Self>) {
        for (_, question) in std::mem::take(&mut self.questions.asked).into_iter().rev() {
            self.questions.waiting.push_front(question);
        }
        self.ask_next(ctx);
    }
}

impl<S: Store> Handler<FindSettled> for StoreActor<S> {
    type Result = Later<Result<Vec<SettledCampaign>, StoreError>>;

    fn handle(&mut self, question: FindSettled, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, later) = oneshot::channel();
        self.questions.waiting.push_back(Question { asked_at: Instant::now(), question, reply });
        self.ask_next(ctx);
        Later(later)
    }
}

/// Repeats what a database that is away could not do, for as long as one is waited for since then.
async fn patiently<T>(
    since: Instant,
    mut attempt: impl AsyncFnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut away = Away::since(since);
    loop {
        match attempt().await {
            Err(StoreError::Unavailable(cause)) if !away.is_over() => sleep(away.wait(&cause)).await,
            answer => return answer,
        }
    }
}
