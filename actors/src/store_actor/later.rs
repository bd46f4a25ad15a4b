//! A reply that comes later, from a value that outlives a panic: where its sender is dropped, the asker sees its message
//! dropped, and asks again.

use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use tokio::sync::oneshot;

/// See the module.
pub(crate) struct Later<T>(pub(super) oneshot::Receiver<T>);

impl<A: Actor, M: Message<Result = T>, T: 'static> MessageResponse<A, M> for Later<T> {
    fn handle(self, _: &mut A::Context, reply: Option<OneshotSender<T>>) {
        if let Some(reply) = reply {
            actix::spawn(async move {
                if let Ok(answer) = self.0.await {
                    // An asker that is gone needs none.
                    let _ = reply.send(answer);
                }
            });
        }
    }
}
