//! What is learned of the latencies holds for what was sent before.

use super::*;

const LATENCY: Duration = Duration::from_millis(200);

/// Twenty at once, as under a limit of twenty a second, answered together.
async fn burst(limiter: &Addr<RateLimiter>) {
    let asked: Vec<Reply> = (0..20).map(|_| ask(limiter)).collect();
    let mut sent = Vec::new();
    for reply in asked {
        let mut permit = reply.await.expect("it is alive").expect("its door is open");
        permit.mark_sent();
        sent.push(permit);
    }
    sleep(LATENCY).await;
    sent.into_iter().for_each(|permit| permit.answered(Answer::Succeeded));
}

#[test]
fn who_waits_is_served_as_soon_as_the_safest_rule_is_left_and_needs_no_answer_for_that() {
    in_virtual_time(async {
        let limiter = limiter(&[limit(20, SECOND)]);
        let begun = Instant::now();
        burst(&limiter).await;
        burst(&limiter).await;
        // The first were answered at 0.2 s, and those of the second burst left a window after that: by the safest rule
        // the third has to wait until 2.406 s. Two windows after the first answers, what counts is when they left.
        assert_due(begun.elapsed(), LATENCY + ms(1002) + LATENCY);
        burst(&limiter).await;
        let sent_at = begun.elapsed() - LATENCY;
        let left = LATENCY + ms(1002);
        let spread = ms(20);
        assert_due(sent_at, left + spread + ms(1002));
        assert!(sent_at < ms(2406));
    });
}
