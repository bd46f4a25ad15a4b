//! Wrong tokens, by where they came from: after a few, nobody there is listened to until a minute has passed since the first,
//! so nobody can guess at length. Promises a bounded memory, and that other places are listened to all the while.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A person who pastes the wrong one has fewer; of tokens of 16 characters, nobody finds one by ten a minute.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Places that are remembered; the one whose minute began first makes room.
const MOST_PLACES: usize = 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Wrong>>);

/// The first of a minute, and how many there have been.
#[derive(Clone, Copy)]
struct Wrong {
    since: Instant,
    tokens: u32,
}

impl Guesses {
    /// Whether somebody from there is not to be listened to.
    pub(super) fn are_barred(&self, from: IpAddr, now: Instant) -> bool {
        let of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(&place(from)).is_some_and(|wrong| wrong.tokens >= MOST && !wrong.is_over(now))
    }

    /// One from there was wrong.
    pub(super) fn add(&self, from: IpAddr, now: Instant) {
        let mut of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place(from);
        if of.len() >= MOST_PLACES && !of.contains_key(&place) {
            let oldest = of.iter().min_by_key(|(_, wrong)| wrong.since).map(|(place, _)| *place);
            oldest.and_then(|oldest| of.remove(&oldest));
        }
        let wrong = of.entry(place).or_insert(Wrong { since: now, tokens: 0 });
        if wrong.is_over(now) {
            *wrong = Wrong { since: now, tokens: 0 };
        }
        wrong.tokens = wrong.tokens.saturating_add(1);
    }
}

impl Wrong {
    fn is_over(self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// Whoever has one address of IPv6 has the other 2^64 of its network.
fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ten_wrong_tokens_bar_a_place_until_a_minute_after_the_first_and_no_other() {
        let (guesses, begun) = (Guesses::default(), Instant::now());
        let (here, there) = (address("10.0.0.1"), address("10.0.0.2"));
        for second in 0..10 {
            assert!(!guesses.are_barred(here, begun + Duration::from_secs(second)), "{second}");
            guesses.add(here, begun + Duration::from_secs(second));
        }
        assert!(guesses.are_barred(here, begun + Duration::from_secs(59)));
        assert!(!guesses.are_barred(there, begun + Duration::from_secs(59)));
        let later = begun + WINDOW;
        assert!(!guesses.are_barred(here, later));
        guesses.add(here, later);
        assert!(!guesses.are_barred(here, later), "the next minute begins with one");
    }

    #[test]
    fn a_place_is_an_address_and_of_ipv6_a_network() {
        for (one, other, same) in [
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(place(address(one)) == place(address(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn however_many_places_there_are_the_oldest_make_room() {
        let (guesses, begun) = (Guesses::default(), Instant::now());
        let of = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        let first = |n| (0..MOST).for_each(|_| guesses.add(of(n), begun));
        first(0);
        let later = begun + Duration::from_secs(1);
        (1..=MOST_PLACES as u32).for_each(|n| guesses.add(of(n), later));
        assert_eq!(guesses.0.lock().expect("nobody panics").len(), MOST_PLACES);
        assert!(!guesses.are_barred(of(0), later));
    }
}
