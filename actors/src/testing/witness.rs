//! An actor that notes down what it is told.

use std::cell::RefCell;
use std::rc::Rc;

use actix::prelude::*;

struct Witness<M>(Rc<RefCell<Vec<M>>>);

impl<M: Unpin + 'static> Actor for Witness<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Witness<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Context<Self>) {
        self.0.borrow_mut().push(message);
    }
}

/// Where to send messages of one type, and what has come so far.
pub(crate) fn witness<M>() -> (Recipient<M>, Rc<RefCell<Vec<M>>>)
where
    M: Message<Result = ()> + Send + Unpin + 'static,
{
    let notes = Rc::new(RefCell::new(Vec::new()));
    let address = Witness(notes.clone()).start();
    (address.recipient(), notes)
}
