//! The records of what was spent: kept one after another, and of several that wait for the database only the newest. A
//! limiter that panicked asks for a new one while the old one waits; kept after the new one, it would take its place
//! and say less than was sent.

use std::cell::Cell;

use tokio::sync::Mutex;

use super::*;

/// The records that were asked for.
#[derive(Clone, Default)]
pub(super) struct Records {
    asked_for: Rc<Cell<u64>>,
    turn: Rc<Mutex<()>>,
}

impl Records {
    /// What `keep` yields, or none where a newer one has been asked for in the meantime.
    fn keep_newest<K: AsyncFn() -> Result<(), StoreError>>(
        &self,
        keep: K,
    ) -> impl Future<Output = Option<Result<(), StoreError>>> + use<K> {
        let Self { asked_for, turn } = self.clone();
        let number = asked_for.get() + 1;
        asked_for.set(number);
        async move {
            let _turn = turn.lock().await;
            let is_newest = || asked_for.get() == number;
            let kept = patiently(async || match is_newest() {
                true => keep().await,
                false => Err(superseded()),
            });
            let kept = kept.await;
            is_newest().then_some(kept)
        }
    }
}

fn superseded() -> StoreError {
    StoreError::Broken("a newer record takes its place".into())
}

impl<S: Store> Handler<KeepSpent> for StoreActor<S> {
    type Result = ResponseActFuture<Self, Result<(), StoreError>>;

    fn handle(&mut self, KeepSpent(spent): KeepSpent, _: &mut Context<Self>) -> Self::Result {
        let (store, run) = (self.store.clone(), self.run.clone());
        // Written late, its times are taken from then: later than they were, so the next process waits longer.
        let kept = self.records.keep_newest(async move || store.save_spent(&run, &spent).await);
        Box::pin(kept.into_actor(self).map(|kept, actor, _| match kept {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                actor.break_off(format!("what was spent of the rate limit cannot be recorded: {error}"));
                Err(error)
            }
            None => Err(superseded()),
        }))
    }
}
