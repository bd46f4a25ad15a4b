//! The clients, by their `x-client-id`: each has a rate limit of its own, and its own page in the statistics.

use std::collections::HashMap;

use crate::limiter::SlidingLog;
use crate::stats::ClientTally;

/// Clients that are told apart. A test of many accounts has thousands; a header that is different in each request
/// must not fill the memory.
const MAX_CLIENTS: usize = 65_536;

/// A client's place among the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId(usize);

pub(crate) struct Client {
    pub(crate) log: SlidingLog,
    pub(crate) tally: ClientTally,
}

#[derive(Default)]
pub(crate) struct Clients {
    by_name: HashMap<String, ClientId>,
    all: Vec<Client>,
}

impl Clients {
    /// The client with this name, known from now on; none when there are too many already.
    pub(crate) fn find(&mut self, name: &str) -> Option<ClientId> {
        if let Some(id) = self.by_name.get(name) {
            return Some(*id);
        }
        if self.all.len() == MAX_CLIENTS {
            return None;
        }
        let id = ClientId(self.all.len());
        self.by_name.insert(name.to_owned(), id);
        self.all.push(Client { log: SlidingLog::default(), tally: ClientTally::new(name) });
        Some(id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientId) -> &mut Client {
        &mut self.all[id.0]
    }

    pub(crate) fn tallies(&self) -> impl Iterator<Item = &ClientTally> {
        self.all.iter().map(|client| &client.tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_too_many_is_refused_and_the_known_ones_are_not() {
        let mut clients = Clients::default();
        let first = clients.find("0");
        for name in 1..MAX_CLIENTS {
            assert!(clients.find(&name.to_string()).is_some());
        }
        assert_eq!(clients.find("one more"), None);
        assert_eq!(clients.find("0"), first);
    }
}
