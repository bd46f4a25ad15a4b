//! Access tokens. A new login leaves the older tokens valid until they expire.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// Tokens that are valid at the same time. One more login ends the oldest: a login storm must not fill the memory.
const MAX_TOKENS: usize = 65_536;

const PREFIX: &str = "mock_access_token_";

struct Token {
    text: String,
    expires: Instant,
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

    /// A new token that is good for `life`. Every token has the same life, so they expire in order.
    pub(crate) fn issue(&mut self, now: Instant, life: Duration) -> &str {
        let over = |tokens: &VecDeque<Token>| {
            tokens.len() >= MAX_TOKENS || tokens.front().is_some_and(|oldest| oldest.expires <= now)
        };
        while over(&self.valid) {
            self.valid.pop_front();
            self.first += 1;
        }
        let serial = self.first + self.valid.len() as u64;
        let text = format!("{PREFIX}{serial}_{:016x}", self.random.random::<u64>());
        self.valid.push_back(Token { text, expires: now + life });
        &self.valid.back().expect("it was just added").text
    }

    pub(crate) fn is_valid(&self, text: &str, now: Instant) -> bool {
        let serial = text.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()?.parse::<u64>().ok());
        let place = serial.and_then(|serial| usize::try_from(serial.checked_sub(self.first)?).ok());
        let token = place.and_then(|place| self.valid.get(place));
        token.is_some_and(|token| token.text == text && now < token.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(10);

    #[test]
    fn a_token_is_valid_until_it_expires_whoever_logs_in_meanwhile() {
        let mut tokens = Tokens::new(1);
        let start = Instant::now();
        let first = tokens.issue(start, LIFE).to_owned();
        let second = tokens.issue(start + LIFE / 2, LIFE).to_owned();
        let end = start + LIFE;
        assert!(tokens.is_valid(&first, end - Duration::from_nanos(1)));
        assert!(!tokens.is_valid(&first, end));
        let third = tokens.issue(end, LIFE).to_owned();
        assert!(!tokens.is_valid(&first, end));
        assert!(tokens.is_valid(&second, end));
        assert!(tokens.is_valid(&third, end));
    }

    #[test]
    fn a_token_that_was_never_issued_is_invalid() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let issued = tokens.issue(now, LIFE).to_owned();
        for wrong in
            ["", PREFIX, "mock_access_token_0", &issued[1..], &format!("{issued}0"), "mock_access_token_9_0"]
        {
            assert!(!tokens.is_valid(wrong, now), "{wrong}");
        }
    }

    #[test]
    fn a_login_storm_ends_the_oldest_tokens_and_only_those() {
        let mut tokens = Tokens::new(1);
        let now = Instant::now();
        let issued = (0..=MAX_TOKENS).map(|_| tokens.issue(now, LIFE).to_owned()).collect::<Vec<_>>();
        assert_eq!(tokens.valid.len(), MAX_TOKENS);
        assert!(!tokens.is_valid(&issued[0], now));
        assert!(issued[1..].iter().all(|token| tokens.is_valid(token, now)));
    }
}
