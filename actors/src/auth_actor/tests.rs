//! On a platform that follows a script, with a real limiter, in virtual time.

use std::num::NonZeroU32;

use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;

use super::*;
use crate::retry_policy::ClassPolicy;
use crate::settings::{RateLimit, RestartIntensity};
use crate::supervision::{ActorKind, guard};
use crate::testing::{Call, Play, ScriptedPlatform, in_virtual_time, limit, unwatched, witness};

const SECOND: Duration = Duration::from_secs(1);
const LOGIN: Duration = Duration::from_millis(50);
const LIFE: Duration = Duration::from_secs(100);

struct Scene {
    platform: Rc<ScriptedPlatform>,
    limiter: Addr<RateLimiter>,
    auth: Addr<AuthActor<ScriptedPlatform>>,
}

type Reply = Receiver<Result<Arc<IssuedToken>, AuthError>>;

impl Scene {
    fn new(limits: &[RateLimit], script: impl Fn(&Call) -> Play + 'static) -> Self {
        Self::with_life(limits, LIFE, script)
    }

    fn with_life(limits: &[RateLimit], life: Duration, script: impl Fn(&Call) -> Play + 'static) -> Self {
        Self::on(limits, ScriptedPlatform::obliging(0).token_life(life).playing(script))
    }

    fn on(limits: &[RateLimit], platform: ScriptedPlatform) -> Self {
        let platform = Rc::new(platform);
        let jitter = Jitter::seeded(1);
        let limiter = RateLimiter::new(limits, 10 * SECOND, jitter.clone(), Arc::new(unwatched())).start();
        let retry = RetryPolicy {
            max_attempts: NonZeroU32::new(3).expect("not zero"),
            unavailable: ClassPolicy { base: SECOND, cap: 2 * SECOND, ..ClassPolicy::default() },
            ..RetryPolicy::default()
        };
        let actor = AuthActor::new(
            platform.clone(),
            limiter.clone(),
            retry,
            RetryBudget::new(None),
            jitter,
            Arc::new(AccountMetrics::of_nobody()),
        );
        let (supervisor, _) = witness();
        let (auth, _) = guard(ActorKind::Auth, RestartIntensity::SINGLETON, supervisor, actor);
        Self { platform, limiter, auth }
    }

    /// The actor's own reply: nobody asks again when it is lost.
    fn ask(&self) -> Reply {
        let (reply, token) = oneshot::channel();
        self.auth.do_send(GetToken { reply });
        token
    }

    async fn token(&self) -> Arc<IssuedToken> {
        answer(self.ask()).await.expect("there is a token")
    }

    async fn generation(&self) -> u64 {
        self.token().await.access.generation
    }

    fn logins(&self) -> usize {
        self.platform.calls().len()
    }
}

async fn answer(reply: Reply) -> Result<Arc<IssuedToken>, AuthError> {
    timeout(3600 * SECOND, reply).await.expect("no waiter is lost").expect("nor is its reply")
}

fn well(_: &Call) -> Play {
    Play::Well
}

#[test]
fn however_many_ask_at_once_there_is_one_login() {
    in_virtual_time(async {
        let scene = Scene::new(&[], well);
        let begun = Instant::now();
        let waiting: Vec<Reply> = (0..100).map(|_| scene.ask()).collect();
        for waiting in waiting {
            let token = answer(waiting).await.expect("there is a token");
            assert_eq!(token.access.generation, 1);
            assert_eq!(token.expires_at, begun + LIFE, "its life is counted from before the request");
        }
        assert_eq!((scene.logins(), scene.generation().await, scene.logins()), (1, 1, 1));
    });
}

#[test]
fn at_nine_tenths_of_its_life_a_token_is_renewed_once_while_it_is_still_handed_out() {
    in_virtual_time(async {
        let scene = Scene::new(&[], well);
        let begun = Instant::now();
        scene.token().await;
        tokio::time::sleep_until(begun + LIFE.mul_f64(0.899)).await;
        assert_eq!(scene.generation().await, 1);
        sleep(10 * LOGIN).await;
        assert_eq!(scene.logins(), 1, "it is too early");
        tokio::time::sleep_until(begun + LIFE.mul_f64(0.91)).await;
        let asked = Instant::now();
        for _ in 0..10 {
            assert_eq!(scene.generation().await, 1);
        }
        assert_eq!(asked.elapsed(), Duration::ZERO, "nobody waits for the renewal");
        sleep(2 * LOGIN).await;
        assert_eq!((scene.generation().await, scene.logins()), (2, 2));
    });
}

#[test]
fn an_expired_token_is_not_handed_out_and_its_successor_is_waited_for() {
    in_virtual_time(async {
        let scene = Scene::new(&[], well);
        let expires_at = scene.token().await.expires_at;
        tokio::time::sleep_until(expires_at).await;
        let begun = Instant::now();
        assert_eq!(scene.generation().await, 2);
        assert!((LOGIN..2 * LOGIN).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_401_for_the_current_token_gets_the_next_and_one_for_an_older_asks_for_nothing() {
    in_virtual_time(async {
        let scene = Scene::new(&[], well);
        let first = scene.token().await;
        first.refuse();
        for reply in [scene.ask(), scene.ask(), scene.ask()] {
            assert_eq!(answer(reply).await.expect("there is a token").access.generation, 2);
        }
        first.refuse();
        assert_eq!(scene.generation().await, 2);
        sleep(10 * LOGIN).await;
        assert_eq!(scene.logins(), 2);
    });
}

#[test]
fn refused_credentials_are_final_and_everyone_is_told_and_so_is_a_wrong_address_by_another_name() {
    in_virtual_time(async {
        let refused = AuthError::Refused("it said 401".to_owned());
        let failed = AuthError::Failed("it said 404 (1 attempts)".to_owned());
        for (play, refused) in [(Play::Unauthorized, refused), (Play::Reject, failed)] {
            let scene = Scene::new(&[], move |_| play);
            let waiting: Vec<Reply> = (0..5).map(|_| scene.ask()).collect();
            for waiting in waiting {
                assert_eq!(answer(waiting).await.err(), Some(refused.clone()));
            }
            assert_eq!(answer(scene.ask()).await.err(), Some(refused));
            assert_eq!(scene.logins(), 1);
        }
    });
}

#[test]
fn credentials_that_were_replaced_at_their_source_are_tried_once_before_a_login_gives_up() {
    in_virtual_time(async {
        let scene = |refused: u64, renewals: Vec<Result<bool, String>>| {
            let script =
                move |call: &Call| if call.number < refused { Play::Unauthorized } else { Play::Well };
            let platform = ScriptedPlatform::obliging(0).playing(script).renewing(renewals);
            Scene::on(&[], platform)
        };
        let replaced = scene(1, vec![Ok(true)]);
        assert_eq!((replaced.generation().await, replaced.logins()), (1, 2));
        for (renewals, says, logins) in [
            (vec![Ok(true), Ok(true)], "it said 401", 2),
            (vec![Ok(false)], "it said 401", 1),
            (vec![Err("gone".to_owned())], "it said 401; the password cannot be read again: gone", 1),
        ] {
            let scene = scene(u64::MAX, renewals);
            assert_eq!(answer(scene.ask()).await.err(), Some(AuthError::Refused(says.to_owned())));
            assert_eq!(scene.logins(), logins);
        }
    });
}

#[test]
fn a_failing_login_is_repeated_as_the_policy_says_and_then_final() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |call| if call.number < 2 { Play::Unavailable } else { Play::Well });
        assert_eq!((scene.generation().await, scene.logins()), (1, 3));
        let scene = Scene::new(&[], |_| Play::Unavailable);
        let waiting = [scene.ask(), scene.ask()];
        for reply in waiting {
            let error = answer(reply).await.expect_err("no login succeeds");
            assert_eq!(error, AuthError::Failed("it said 503 (3 attempts)".to_owned()));
        }
        assert!(answer(scene.ask()).await.is_err());
        assert_eq!(scene.logins(), 3);
        let tally =
            scene.limiter.send(crate::rate_limiter::tests::CountRequests).await.expect("it is alive").0;
        assert_eq!(tally.retried, 2);
    });
}

#[test]
fn a_renewal_that_fails_is_tried_again_while_the_token_still_works_and_final_only_then() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |call| if call.number == 0 { Play::Well } else { Play::Unavailable });
        let token = scene.token().await;
        tokio::time::sleep_until(token.renew_at).await;
        assert_eq!(scene.generation().await, 1);
        // Longer than three attempts take, and not until it expires.
        sleep(LIFE / 20).await;
        assert_eq!((scene.logins(), scene.generation().await), (4, 1));
        tokio::time::sleep_until(token.expires_at).await;
        let error = answer(scene.ask()).await.expect_err("no login succeeds");
        assert!(matches!(error, AuthError::Failed(_)));
        let logins = scene.logins();
        assert!(answer(scene.ask()).await.is_err());
        assert_eq!(scene.logins(), logins);
        // Credentials that are refused then are refused for good: asking again could lock the account.
        let scene = Scene::new(&[], |call| if call.number == 0 { Play::Well } else { Play::Unauthorized });
        let token = scene.token().await;
        tokio::time::sleep_until(token.renew_at).await;
        scene.token().await;
        sleep(SECOND).await;
        let error = answer(scene.ask()).await.expect_err("the credentials are refused");
        assert!(matches!(error, AuthError::Refused(_)));
    });
}

#[test]
fn a_token_that_is_said_to_live_for_ever_is_taken() {
    in_virtual_time(async {
        for life in [Duration::from_secs(u64::MAX), Duration::MAX] {
            let scene = Scene::with_life(&[], life, well);
            assert_eq!(scene.generation().await, 1);
            sleep(30 * 86_400 * SECOND).await;
            assert_eq!((scene.generation().await, scene.logins()), (1, 1));
        }
    });
}

#[test]
fn who_waits_for_a_token_is_not_lost_when_a_login_panics() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |call| if call.number == 0 { Play::Panic } else { Play::Well });
        let waiting: Vec<Reply> = (0..10).map(|_| scene.ask()).collect();
        for waiting in waiting {
            assert_eq!(answer(waiting).await.expect("there is a token").access.generation, 1);
        }
        assert_eq!(scene.logins(), 2);
    });
}

#[test]
fn a_renewal_that_panics_is_begun_again_by_the_next_who_asks_and_the_token_stays() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |call| if call.number == 1 { Play::Panic } else { Play::Well });
        let renew_at = scene.token().await.renew_at;
        tokio::time::sleep_until(renew_at).await;
        assert_eq!(scene.generation().await, 1);
        sleep(SECOND).await;
        assert_eq!((scene.logins(), scene.generation().await), (2, 1));
        sleep(SECOND).await;
        assert_eq!((scene.logins(), scene.generation().await), (3, 2));
    });
}

#[test]
fn a_throttled_login_makes_everyone_wait_and_is_repeated_then() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |call| match call.number {
            0 => Play::Throttle(Some(30 * SECOND)),
            _ => Play::Well,
        });
        let (begun, waiting) = (Instant::now(), scene.ask());
        sleep(2 * LOGIN).await;
        let other = acquire_permit(&scene.limiter, Endpoint::List, false).await;
        assert!(other.is_ok() && begun.elapsed() >= 30 * SECOND, "{:?}", begun.elapsed());
        assert!(answer(waiting).await.is_ok());
        assert_eq!(scene.logins(), 2);
    });
}

#[test]
fn a_closed_door_ends_the_wait_for_a_token() {
    in_virtual_time(async {
        let scene = Scene::new(&[limit(1, 60 * SECOND)], well);
        scene.token().await.refuse();
        let waiting = scene.ask();
        scene.limiter.do_send(crate::rate_limiter::CloseDoor);
        assert_eq!(answer(waiting).await.err(), Some(AuthError::Stopped));
    });
}

#[test]
fn who_asks_an_actor_that_has_ended_is_told_so() {
    in_virtual_time(async {
        let scene = Scene::new(&[], |_| Play::Panic);
        let auth = scene.auth.clone().recipient();
        let waiting = timeout(3600 * SECOND, get_token(&auth)).await;
        assert_eq!(waiting.expect("it does not hang").err(), Some(AuthError::Stopped));
        assert_eq!(scene.logins(), 1 + RestartIntensity::SINGLETON.max_restarts);
    });
}
