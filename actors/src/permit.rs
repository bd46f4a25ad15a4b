//! The right to send one request now, under every rate limit that applies.
//! Only the [`RateLimiter`](crate::rate_limiter::RateLimiter) makes one, and it learns what became of each.
