//! Access tokens. A new login leaves the older tokens valid until they expire, unless a fault ends them.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::fault::Fault;

/// Tokens that are valid at the same time. One more login ends the oldest: a login storm must not fill the memory.
const MAX_TOKENS: usize = 65_536;

/// Requests that a token lives for which dies early: one or two pages, in a test of a hundred campaigns.
const EARLY_DEATH: u32 = 10;

const PREFIX: &str = "mock_access_token_";

struct Token {
    text: String,
    expires: Instant,
    /// Requests that it is yet good for, where it dies early.
    left: Option<u32>,
    /// A later login has ended it.
    killed: bool,
}

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody was ever given it, or its time is over.
    Rightly,
    /// It would be good but for this.
    Struck(Fault),
}

/// The tokens that have not expired, oldest first. A token's text holds its serial number, and so its place.
pub(crate) struct Tokens {
    valid: VecDeque<Token>,
    /// The serial number of the first one.
    first: u64,
    random: Xoshiro256PlusPlus,
}

impl Tokens {
    pub(crate) fn new(seed: u64) -> Tokens {
        Tokens { valid: VecDeque::new(), first: 0, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// A new token that is good for `life`, or less where a fault strikes it. Every token has the same life, so they
    /// expire in order.
    pub(crate) fn issue(&mut self, now: Instant, life: Duration, fault: Option<Fault>) -> &str {
        let over = |tokens: &VecDeque<Token>| {
            tokens.len() >= MAX_TOKENS || tokens.front().is_some_and(|oldest| oldest.expires <= now)
        };
        while over(&self.valid) {
            self.valid.pop_front();
            self.first += 1;
        }
        if fault == Some(Fault::TokenKillsPredecessors) {
            self.valid.iter_mut().for_each(|token| token.killed = true);
        }
        let serial = self.first + self.valid.len() as u64;
        let text = format!("{PREFIX}{serial}_{:016x}", self.random.random::<u64>());
        let left = (fault == Some(Fault::TokenDiesEarly)).then_some(EARLY_DEATH);
        self.valid.push_back(Token { text, expires: now + life, left, killed: false });
        &self.valid.back().expect("it was just added").text
    }

    /// Lets one request with this token in, or says why it is refused.
    pub(crate) fn admit(&mut self, text: &str, now: Instant) -> Result<(), Refused> {
        let serial = text.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()?.parse::<u64>().ok());
        let place = serial.and_then(|serial| usize::try_from(serial.checked_sub(self.first)?).ok());
        let token = place.and_then(|place| self.valid.get_mut(place));
        match token.filter(|token| token.text == text && now < token.expires) {
            None => Err(Refused::Rightly),
            Some(Token { killed: true, .. }) => Err(Refused::Struck(Fault::TokenKillsPredecessors)),
            Some(Token { left: Some(0), .. }) => Err(Refused::Struck(Fault::TokenDiesEarly)),
            Some(Token { left, .. }) => {
                *left = left.map(|left| left - 1);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(10);

    fn is_valid(tokens: &mut Tokens, text: &str, now: Instant) -> bool {
        tokens.admit(text, now) == Ok(())
    }

    #[test]
    fn a_token_is_valid_until_it_expires_whoever_logs_in_meanwhile() {
        let mut tokens = Tokens::new(1);
        let start = Instant::now();
        let first = tokens.issue(start, LIFE, None).to_owned();
        let second = tokens.issue(start + LIFE / 2, LIFE, None).to_owned();
        let end = start + LIFE;
        assert!(is_valid(&mut tokens, &first, end - Duration::from_nanos(1)));
        assert!(!is_valid(&mut tokens, &first, end));
        let third = tokens.issue(end, LIFE, None).to_owned();
        assert!(!is_valid(&mut tokens, &first, end));
        assert!(is_valid(&mut tokens, &second, end));
        assert!(is_valid(&mut tokens, &third, end));
    }

    #[test]
    fn a_token_that_was_never_issued_is_invalid() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let issued = tokens.issue(now, LIFE, None).to_owned();
        for wrong in
            ["", PREFIX, "mock_access_token_0", &issued[1..], &format!("{issued}0"), "mock_access_token_9_0"]
        {
            assert!(!is_valid(&mut tokens, wrong, now), "{wrong}");
        }
    }

    #[test]
    fn a_login_storm_ends_the_oldest_tokens_and_only_those() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let issued = (0..=MAX_TOKENS).map(|_| tokens.issue(now, LIFE, None).to_owned()).collect::<Vec<_>>();
        assert_eq!(tokens.valid.len(), MAX_TOKENS);
        assert!(!is_valid(&mut tokens, &issued[0], now));
        assert!(issued[1..].iter().all(|token| is_valid(&mut tokens, token, now)));
    }

    #[test]
    fn a_token_that_dies_early_lets_ten_in_and_the_others_live_on() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let good = tokens.issue(now, LIFE, None).to_owned();
        let doomed = tokens.issue(now, LIFE, Some(Fault::TokenDiesEarly)).to_owned();
        let admitted = (0..20).filter(|_| is_valid(&mut tokens, &doomed, now)).count();
        assert_eq!(admitted, 10);
        assert_eq!(tokens.admit(&doomed, now), Err(Refused::Struck(Fault::TokenDiesEarly)));
        assert!((0..20).all(|_| is_valid(&mut tokens, &good, now)));
        assert_eq!(tokens.admit(&doomed, now + LIFE), Err(Refused::Rightly), "it has expired anyway");
    }

    #[test]
    fn a_token_that_kills_its_predecessors_kills_all_of_them_and_no_successor() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let before = [(); 2].map(|()| tokens.issue(now, LIFE, None).to_owned());
        let killer = tokens.issue(now, LIFE, Some(Fault::TokenKillsPredecessors)).to_owned();
        let after = tokens.issue(now, LIFE, None).to_owned();
        for killed in &before {
            assert_eq!(tokens.admit(killed, now), Err(Refused::Struck(Fault::TokenKillsPredecessors)));
        }
        assert!(is_valid(&mut tokens, &killer, now) && is_valid(&mut tokens, &after, now));
    }
}
