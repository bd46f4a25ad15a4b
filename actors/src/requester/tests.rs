//! One request on a platform that follows a script, in virtual time.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::auth_actor::{AuthActor, GetToken, Tokens};
use crate::metrics::AccountMetrics;
use crate::model::{Page, PageRequest};
use crate::ports::Platform;
use crate::rate_limiter::CloseDoor;
use crate::rate_limiter::tests::CountRequests;
use crate::report::RequestCounts;
use crate::retry_budget::RetryShare;
use crate::settings::{MAX_EXPIRED, MAX_UNAUTHORIZED, RateLimit};
use crate::testing::{Call, Play, ScriptedPlatform, in_virtual_time, limit, unwatched};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Between the requests and the `AuthActor`: how often that is asked.
struct CountsQuestions {
    auth: Recipient<GetToken>,
    asked: Rc<Cell<u32>>,
}

impl Actor for CountsQuestions {
    type Context = Context<Self>;
}

impl Handler<GetToken> for CountsQuestions {
    type Result = ();

    fn handle(&mut self, question: GetToken, _: &mut Context<Self>) {
        self.asked.set(self.asked.get() + 1);
        self.auth.do_send(question);
    }
}

struct Scene {
    platform: Rc<ScriptedPlatform>,
    limiter: Addr<RateLimiter>,
    requester: Requester,
    asked_for_tokens: Rc<Cell<u32>>,
}

impl Scene {
    fn new(limits: &[RateLimit], platform: ScriptedPlatform, retry: RetryPolicy) -> Self {
        Self::with_budget(RetryBudget::new(None), limits, platform, retry)
    }

    fn with_budget(
        budget: RetryBudget,
        limits: &[RateLimit],
        platform: ScriptedPlatform,
        retry: RetryPolicy,
    ) -> Self {
        let (platform, jitter) = (Rc::new(platform), Jitter::seeded(1));
        let progress = Arc::new(unwatched());
        let limiter = RateLimiter::new(limits, 10 * SECOND, jitter.clone(), progress.clone()).start();
        let auth = AuthActor::new(
            platform.clone(),
            limiter.clone(),
            retry,
            budget.clone(),
            jitter.clone(),
            Arc::new(AccountMetrics::of_nobody()),
        );
        let asked_for_tokens = Rc::new(Cell::new(0));
        let auth = CountsQuestions { auth: auth.start().recipient(), asked: asked_for_tokens.clone() }
            .start()
            .recipient();
        let requester =
            Requester { tokens: Tokens::of(auth), limiter: limiter.clone(), retry, budget, progress, jitter };
        Self { platform, limiter, requester, asked_for_tokens }
    }

    async fn fetch(&self, page: u32) -> Result<Page, RequestError> {
        self.fetch_for(HOUR, page).await
    }

    async fn fetch_for(&self, patience: Duration, page: u32) -> Result<Page, RequestError> {
        let request = PageRequest { page, limit: NonZeroU32::MIN };
        let call = async |permit: Permit, token: Arc<IssuedToken>| {
            self.platform.list(permit, &token.access, request).await
        };
        let answer = timeout(patience, self.requester.request(Endpoint::List, call)).await;
        answer.expect("it ends, one way or the other").map(|(page, _)| page)
    }

    async fn counts(&self) -> RequestCounts {
        self.limiter.send(CountRequests).await.expect("it is alive").0
    }

    /// The generations of the tokens with which pages were asked for.
    fn tokens(&self) -> Vec<u64> {
        let calls = self.platform.calls();
        calls.iter().filter(|call| call.endpoint == Endpoint::List).map(|call| call.token).collect()
    }
}

fn attempts(max_attempts: u32) -> RetryPolicy {
    let max_attempts = NonZeroU32::new(max_attempts).expect("not zero");
    let mut policy = RetryPolicy { max_attempts, ..RetryPolicy::default() };
    for (_, class) in policy.classes_mut() {
        (class.base, class.cap) = (SECOND, 100 * SECOND);
    }
    policy
}

fn lists(script: impl Fn(&Call) -> Play + 'static) -> ScriptedPlatform {
    ScriptedPlatform::obliging(100).playing(move |call| match call.endpoint {
        Endpoint::Auth => Play::Well,
        _ => script(call),
    })
}

#[track_caller]
fn gave_up(outcome: Result<Page, RequestError>) -> GaveUp {
    match outcome {
        Err(RequestError::GaveUp(gave_up)) => gave_up,
        other => panic!("{other:?}"),
    }
}

#[test]
fn under_a_limit_of_one_request_the_login_is_not_kept_waiting_by_who_waits_for_it() {
    in_virtual_time(async {
        let scene = Scene::new(&[limit(1, SECOND)], lists(|_| Play::Well), attempts(3));
        let begun = Instant::now();
        let (first, second) = tokio::join!(scene.fetch(1), scene.fetch(2));
        assert!(first.is_ok() && second.is_ok());
        assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(scene.counts().await.total, 3);
    });
}

#[test]
fn whoever_has_a_token_asks_for_none_until_it_is_due_to_be_renewed_or_refused() {
    in_virtual_time(async {
        let refused = lists(|call| if call.subject == 9 { Play::Unauthorized } else { Play::Well });
        let scene = Scene::new(&[], refused.token_life(100 * SECOND), attempts(3));
        // As the sync actors do: each request by a clone.
        let fetch = async |page| {
            let requester = scene.requester.clone();
            Scene {
                requester,
                platform: scene.platform.clone(),
                limiter: scene.limiter.clone(),
                asked_for_tokens: Rc::default(),
            }
            .fetch(page)
            .await
        };
        for page in 1..=5 {
            assert!(fetch(page).await.is_ok());
        }
        assert_eq!(scene.asked_for_tokens.get(), 1);
        tokio::time::sleep(91 * SECOND).await;
        assert!(fetch(6).await.is_ok());
        assert_eq!(scene.asked_for_tokens.get(), 2, "it is due");
        tokio::time::sleep(SECOND).await;
        assert!(fetch(7).await.is_ok());
        assert_eq!(
            (scene.asked_for_tokens.get(), scene.tokens().last()),
            (3, Some(&2)),
            "the new one is there by now"
        );
        assert!(fetch(8).await.is_ok());
        assert_eq!(scene.asked_for_tokens.get(), 3);
        assert!(fetch(9).await.is_err());
        assert!(scene.asked_for_tokens.get() > 3, "one that was refused is no token any more");
    });
}

#[test]
fn a_token_that_expired_while_the_permit_was_waited_for_is_changed_before_anything_is_sent() {
    in_virtual_time(async {
        let platform = lists(|_| Play::Well).token_life(5 * SECOND);
        let scene = Scene::new(&[limit(2, 10 * SECOND)], platform, attempts(3));
        assert!(scene.fetch(1).await.is_ok());
        assert!(scene.fetch(2).await.is_ok());
        assert_eq!(scene.tokens(), [1, 2]);
        assert_eq!((scene.counts().await.auth, scene.counts().await.unauthorized), (2, 0));
    });
}

#[test]
fn a_token_that_was_refused_while_others_waited_with_it_is_sent_by_none_of_them() {
    in_virtual_time(async {
        // A login or two a window, so that most wait for their permits for long.
        let platform = lists(|call| if call.token == 1 { Play::Unauthorized } else { Play::Well });
        let scene = Scene::new(&[limit(2, 10 * SECOND)], platform, attempts(3));
        let fetches = (1..=12).map(|page| scene.fetch(page));
        assert!(futures_util::future::join_all(fetches).await.iter().all(Result::is_ok));
        let counts = scene.counts().await;
        assert_eq!((counts.unauthorized, counts.auth, counts.list), (1, 2, 13));
    });
}

#[test]
fn where_every_token_is_refused_while_it_waits_a_request_is_sent_in_the_end() {
    in_virtual_time(async {
        // The waiters of each window find their token refused by the one that came before them.
        let scene = Scene::new(&[limit(1, 10 * SECOND)], lists(|_| Play::Unauthorized), attempts(3));
        let fetches = (1..=4).map(|page| scene.fetch(page));
        for outcome in futures_util::future::join_all(fetches).await {
            assert_eq!(gave_up(outcome).class, FailureClass::Unauthorized);
        }
        let most = 4 * MAX_UNAUTHORIZED * (MAX_EXPIRED + 1);
        assert!(scene.counts().await.auth <= u64::from(most));
    });
}

#[test]
fn tokens_that_live_shorter_than_the_wait_for_a_permit_do_not_make_it_log_in_for_ever() {
    in_virtual_time(async {
        for life in [Duration::ZERO, 5 * SECOND] {
            let expired = lists(|_| Play::Unauthorized).token_life(life);
            let scene = Scene::new(&[limit(1, 10 * SECOND)], expired, attempts(3));
            let gave_up = gave_up(scene.fetch(1).await);
            assert_eq!(gave_up.class, FailureClass::Unauthorized);
            assert_eq!(scene.counts().await.auth, u64::from(MAX_UNAUTHORIZED * (MAX_EXPIRED + 1)));
            // Where only the platform's word about its tokens is wrong, nothing is lost.
            let working = lists(|_| Play::Well).token_life(life);
            let scene = Scene::new(&[limit(1, 10 * SECOND)], working, attempts(3));
            assert!(scene.fetch(1).await.is_ok());
        }
    });
}

#[test]
fn a_401_is_answered_with_the_next_token_and_too_many_of_them_are_given_up() {
    in_virtual_time(async {
        let platform = lists(|call| if call.token == 1 { Play::Unauthorized } else { Play::Well });
        let scene = Scene::new(&[], platform, attempts(3));
        assert!(scene.fetch(1).await.is_ok());
        assert_eq!(scene.tokens(), [1, 2]);
        let scene = Scene::new(&[], lists(|_| Play::Unauthorized), attempts(3));
        let gave_up = gave_up(scene.fetch(1).await);
        assert_eq!((gave_up.class, gave_up.attempts), (FailureClass::Unauthorized, MAX_UNAUTHORIZED));
        let tokens: Vec<u64> = (1..=u64::from(MAX_UNAUTHORIZED)).collect();
        assert_eq!(scene.tokens(), tokens, "each with a new token");
    });
}

#[test]
fn what_a_dead_letter_has_to_say_is_the_last_failure_and_all_attempts() {
    in_virtual_time(async {
        let platform = lists(|call| match call.number {
            0 => Play::Unauthorized,
            1 => Play::Hang,
            2 => Play::Throttle(Some(SECOND)),
            _ => Play::Unavailable,
        });
        let scene = Scene::new(&[], platform, attempts(3));
        let gave_up = gave_up(scene.fetch(1).await);
        assert_eq!((gave_up.class, gave_up.attempts), (FailureClass::Unavailable, 5));
        assert_eq!(gave_up.message, "it said 503");
        let counts = scene.counts().await;
        assert_eq!((counts.list, counts.retried, counts.throttled, counts.timed_out), (5, 4, 1, 1));
    });
}

#[test]
fn a_rejection_is_not_repeated() {
    in_virtual_time(async {
        let scene = Scene::new(&[], lists(|_| Play::Reject), attempts(3));
        let gave_up = gave_up(scene.fetch(1).await);
        assert_eq!((gave_up.class, gave_up.attempts), (FailureClass::Rejected, 1));
    });
}

#[test]
fn who_sleeps_before_a_repeat_holds_no_permit() {
    in_virtual_time(async {
        let platform = lists(|call| match (call.subject, call.repeat) {
            (1, 0..5) => Play::Unavailable,
            _ => Play::Well,
        });
        let mut patient = attempts(8);
        patient.unavailable.base = 100 * SECOND;
        let scene = Scene::new(&[limit(1, SECOND)], platform, patient);
        let others = async {
            let begun = Instant::now();
            for page in 2..10 {
                assert!(scene.fetch(page).await.is_ok());
            }
            begun.elapsed()
        };
        let (first, others) = tokio::join!(scene.fetch(1), others);
        assert!(first.is_ok());
        assert!(others < 20 * SECOND, "they waited {others:?}");
    });
}

#[test]
fn a_429_makes_the_others_wait_and_uses_up_no_attempt() {
    in_virtual_time(async {
        let platform = lists(|call| match call.number {
            0..5 => Play::Throttle(Some(30 * SECOND)),
            _ => Play::Well,
        });
        let scene = Scene::new(&[], platform, attempts(1));
        let begun = Instant::now();
        assert!(scene.fetch(1).await.is_ok());
        assert!(begun.elapsed() >= 150 * SECOND, "{:?}", begun.elapsed());
    });
}

#[test]
fn without_a_token_there_is_no_request_and_the_cause_is_the_logins() {
    in_virtual_time(async {
        let platform = ScriptedPlatform::obliging(1).playing(|_| Play::Unauthorized);
        let scene = Scene::new(&[], platform, attempts(3));
        let refused = RequestError::Auth(AuthError::Refused("it said 401".into()));
        assert_eq!(scene.fetch(1).await, Err(refused));
        assert!(scene.tokens().is_empty());
    });
}

#[test]
fn a_closed_door_stops_a_request_before_its_next_attempt() {
    in_virtual_time(async {
        let scene = Scene::new(&[], lists(|_| Play::Unavailable), attempts(8));
        let closing = async {
            sleep(SECOND / 5).await;
            scene.limiter.do_send(CloseDoor);
        };
        let (outcome, ()) = tokio::join!(scene.fetch(1), closing);
        assert_eq!(outcome, Err(RequestError::Stopped));
        assert_eq!(scene.tokens().len(), 1);
    });
}

/// Ten repeats and no more, whatever is made.
fn ten_repeats() -> RetryBudget {
    RetryBudget::new(Some(RetryShare::new(0.0).expect("in range")))
}

#[test]
fn when_the_runs_budget_is_used_up_a_failure_is_final_and_says_so() {
    in_virtual_time(async {
        let platform = lists(|call| match call.subject {
            1 | 2 => Play::Unavailable,
            3 => Play::Well,
            _ => Play::Hang,
        });
        let scene = Scene::with_budget(ten_repeats(), &[], platform, attempts(8));
        assert_eq!(gave_up(scene.fetch(1).await).attempts, 8);
        assert!(scene.fetch(3).await.is_ok(), "the platform is not down");
        assert_eq!(gave_up(scene.fetch(2).await).attempts, 1 + 3, "seven of ten were used up");
        let gave_up = gave_up(scene.fetch(4).await);
        assert_eq!((gave_up.class, gave_up.attempts), (FailureClass::Timeout, 1));
        let message =
            "no answer; it was not tried again, because the run's retry budget of 10 repeats was used up";
        assert!(gave_up.message.starts_with(message), "{}", gave_up.message);
    });
}

#[test]
fn every_request_brings_the_budget_its_share_once_however_often_it_is_repeated() {
    in_virtual_time(async {
        let budget = RetryBudget::new(Some(RetryShare::default()));
        let platform = lists(|call| if call.subject == 1 { Play::Well } else { Play::Unavailable });
        let scene = Scene::with_budget(budget.clone(), &[], platform, attempts(8));
        assert!(scene.fetch(1).await.is_ok());
        assert_eq!(gave_up(scene.fetch(2).await).attempts, 8);
        // The login and two pages, less the seven repeats.
        assert_eq!((0..100).take_while(|_| budget.spend().is_ok()).count(), 10 + 3 - 7);
    });
}

#[test]
fn a_429_and_a_401_draw_on_no_budget_and_a_login_that_fails_does() {
    in_virtual_time(async {
        let platform = ScriptedPlatform::obliging(100).playing(|call| match (call.endpoint, call.number) {
            (Endpoint::Auth, 0..4) | (Endpoint::List, 4) => Play::Unavailable,
            (Endpoint::List, 0 | 1) => Play::Unauthorized,
            (Endpoint::List, 2 | 3) => Play::Throttle(Some(SECOND)),
            _ => Play::Well,
        });
        let budget = ten_repeats();
        let scene = Scene::with_budget(budget.clone(), &[], platform, attempts(8));
        assert!(scene.fetch(1).await.is_ok());
        assert_eq!((0..100).take_while(|_| budget.spend().is_ok()).count(), 10 - 4 - 1);
    });
}

#[test]
fn a_login_that_the_budget_ends_says_so() {
    in_virtual_time(async {
        let budget = ten_repeats();
        (0..9).for_each(|_| budget.spend().expect("ten are allowed"));
        let platform = ScriptedPlatform::obliging(1).playing(|_| Play::Unavailable);
        let scene = Scene::with_budget(budget, &[], platform, attempts(8));
        let Err(RequestError::Auth(AuthError::Failed(cause))) = scene.fetch(1).await else { panic!() };
        assert!(cause.starts_with("it said 503 (2 attempts); it was not tried again"), "{cause}");
        assert_eq!(scene.counts().await.auth, 2);
    });
}

#[test]
fn the_probes_of_an_outage_draw_on_no_budget_whether_they_are_pages_or_logins() {
    // Of 40 minutes, a token has to be renewed before the outage is over: then the login is the next probe.
    for (life, logins) in [(24 * HOUR, 1), (HOUR * 2 / 3, 2)] {
        in_virtual_time(async {
            let up_again = Instant::now() + HOUR;
            let platform = ScriptedPlatform::obliging(100).token_life(life).playing(move |call| {
                let first_login = call.endpoint == Endpoint::Auth && call.number == 0;
                if first_login || Instant::now() >= up_again { Play::Well } else { Play::Unavailable }
            });
            let budget = RetryBudget::new(Some(RetryShare::default()));
            let scene = Scene::with_budget(budget.clone(), &[], platform, attempts(8));
            let fetches: Vec<_> = (1..=12).map(|page| scene.fetch_for(2 * HOUR, page)).collect();
            assert!(futures_util::future::join_all(fetches).await.iter().all(Result::is_ok));
            let counts = scene.counts().await;
            // Thirteen probes fail within an hour: after 30 s, 60, 120, 240, and then every five minutes.
            assert!(counts.retried >= 12 + 13, "{counts:?}");
            assert_eq!(counts.auth > 2, logins > 1, "{counts:?}");
            // The logins and the pages, less one repeat for each page.
            assert_eq!((0..100).take_while(|_| budget.spend().is_ok()).count(), 10 + logins + 12 - 12);
        });
    }
}

#[test]
fn under_a_short_limit_that_is_learned_on_the_way_a_wait_is_no_longer_than_its_window() {
    in_virtual_time(async {
        let stated = limit(20, 2 * SECOND);
        let platform = ScriptedPlatform::obliging(1).stating(&[stated]);
        let platform = platform.playing(|call| match (call.endpoint, call.number) {
            (Endpoint::List, 0..7) => Play::Unavailable,
            _ => Play::Well,
        });
        let patient = RetryPolicy::default();
        let scene = Scene::new(&[limit(100, 60 * SECOND)], platform, patient);
        let begun = Instant::now();
        assert!(scene.fetch(1).await.is_ok());
        // Under the configured minute, the seven waits could be up to half a minute in all.
        let longest = SECOND * 35 / 10 + 4 * 2 * SECOND;
        assert!(begun.elapsed() <= longest, "{:?}", begun.elapsed());
    });
}
