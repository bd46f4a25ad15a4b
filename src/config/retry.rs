//! What a failure's class allows: `CLASS=ATTEMPTS[/BASE[/CAP]]`, several by commas.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::retry_policy::{ClassPolicy, RetryPolicy};

use super::problem::Refusal;
use super::{duration, number};

/// A platform that is down is asked as rarely as this.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The default policy but for the classes that are named. No class has more attempts than a request.
pub(super) fn parse(max_attempts: NonZeroU32) -> impl Fn(&str) -> Result<RetryPolicy, Refusal> {
    move |text| {
        let mut policy = RetryPolicy { max_attempts, ..RetryPolicy::default() };
        match set_all(&mut policy, text) {
            Some(()) => Ok(policy),
            None => Err(Refusal::new(allowed(max_attempts))),
        }
    }
}

fn allowed(max_attempts: NonZeroU32) -> String {
    let mut policy = RetryPolicy::default();
    let classes = policy.classes_mut().map(|(class, _)| class.as_str()).join(", ");
    format!(
        "CLASS=ATTEMPTS[/BASE[/CAP]] such as timeout=4/1s/30s or rejected=2, each class once, several by commas \
         (CLASS of {classes}; ATTEMPTS from 1 to {max_attempts}, which is --max-attempts; \
         BASE from 0s and CAP from BASE to {})",
        duration::display(LONGEST_WAIT)
    )
}

fn set_all(policy: &mut RetryPolicy, text: &str) -> Option<()> {
    let max_attempts = policy.max_attempts;
    // What has been set is not there to be set again.
    let mut unset = Vec::from(policy.classes_mut());
    for entry in text.split(',') {
        let (name, rule) = entry.trim().split_once('=')?;
        let named = unset.iter().position(|(class, _)| class.as_str() == name)?;
        let (_, class) = unset.swap_remove(named);
        *class = one(rule, *class, max_attempts)?;
    }
    Some(())
}

/// What is not given stays as it is, but for a cap below the base.
fn one(rule: &str, default: ClassPolicy, max_attempts: NonZeroU32) -> Option<ClassPolicy> {
    let mut parts = rule.split('/');
    let attempts = number::digits(parts.next()?).filter(|attempts| *attempts <= max_attempts)?;
    let base = parts.next().map_or(Some(default.base), duration::parse)?;
    let cap = parts.next().map_or(Some(default.cap.max(base)), duration::parse)?;
    let in_order = base <= cap && cap <= LONGEST_WAIT && parts.next().is_none();
    in_order.then_some(ClassPolicy { attempts: Some(attempts), base, cap })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text and what it says of timeouts and of rejections: attempts, milliseconds of base and cap.
    type Case = (&'static str, Option<[(u32, u64, u64); 2]>);

    fn eight() -> NonZeroU32 {
        NonZeroU32::new(8).expect("not zero")
    }

    #[test]
    fn a_class_has_its_attempts_and_then_its_base_and_then_its_cap() {
        let (timeout, rejected) = ((0, 250, 20_000), (1, 250, 20_000));
        let cases: [Case; 32] = [
            ("timeout=4/1s/30s", Some([(4, 1000, 30_000), rejected])),
            ("timeout=4/1s/30s,rejected=2", Some([(4, 1000, 30_000), (2, 250, 20_000)])),
            (" rejected=2 , timeout=1 ", Some([(1, 250, 20_000), (2, 250, 20_000)])),
            ("timeout=8/1s", Some([(8, 1000, 20_000), rejected])),
            ("timeout=8/30s", Some([(8, 30_000, 30_000), rejected])),
            ("timeout=8/0s/0s", Some([(8, 0, 0), rejected])),
            ("timeout=8/5min/5min", Some([(8, 300_000, 300_000), rejected])),
            ("connection=2,unavailable=3,unparsable=4", Some([timeout, rejected])),
            ("", None),
            ("timeout", None),
            ("timeout=", None),
            ("=4", None),
            ("timeout=0", None),
            ("timeout=9", None),
            ("timeout=-1", None),
            ("timeout=+1", None),
            ("timeout=1.5", None),
            ("timeout=4/", None),
            ("timeout=4/1", None),
            ("timeout=4/1s/", None),
            ("timeout=4//30s", None),
            ("timeout=4/2s/1s", None),
            ("timeout=4/1s/301s", None),
            ("timeout=4/301s", None),
            ("timeout=4/1s/2s/3s", None),
            ("timeout=4,", None),
            ("timeout=4,timeout=4", None),
            ("timeout=4 rejected=2", None),
            ("Timeout=4", None),
            ("throttled=4", None),
            ("none", None),
            ("8", None),
        ];
        for (text, wanted) in cases {
            let said = parse(eight())(text).ok().map(|policy| {
                assert_eq!(policy.max_attempts, eight(), "{text:?}");
                [policy.timeout, policy.rejected].map(|ClassPolicy { attempts, base, cap }| {
                    let attempts = attempts.map_or(0, NonZeroU32::get);
                    (attempts, base.as_millis() as u64, cap.as_millis() as u64)
                })
            });
            assert_eq!(said, wanted, "{text:?}");
        }
    }

    #[test]
    fn every_class_is_set_by_its_name_in_the_report_and_the_others_stay() {
        let mut default = RetryPolicy::default();
        for (index, (name, _)) in default.classes_mut().into_iter().enumerate() {
            let mut policy = parse(eight())(&format!("{name}=7/2s/3s")).expect("it is allowed");
            let mut default = RetryPolicy::default();
            let others = policy.classes_mut().into_iter().zip(default.classes_mut()).enumerate();
            for (other, ((_, set), (_, default))) in others {
                let (base, cap) = (Duration::from_secs(2), Duration::from_secs(3));
                let wanted = ClassPolicy { attempts: NonZeroU32::new(7), base, cap };
                assert_eq!(*set, if other == index { wanted } else { *default }, "{name}");
            }
        }
    }

    #[test]
    fn what_is_said_to_be_allowed_is_what_is_allowed() {
        let allowed = parse(eight())("").expect_err("empty").allowed;
        let range = "ATTEMPTS from 1 to 8, which is --max-attempts; BASE from 0s and CAP from BASE to 5min)";
        assert!(allowed.ends_with(range), "what is next to them is refused above: {allowed}");
        let (_, classes) = allowed.split_once("(CLASS of ").expect("the classes");
        let (classes, _) = classes.split_once(';').expect("an end of them");
        let all: Vec<_> = classes.split(", ").map(|class| format!("{class}=8/0s/5min")).collect();
        assert!(all.len() == 5 && parse(eight())(&all.join(",")).is_ok(), "{classes}");
        for example in ["timeout=4/1s/30s", "rejected=2"] {
            assert!(allowed.contains(example) && parse(eight())(example).is_ok(), "{example}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_policy_that_can_be_kept_or_refused(
            text in "(timeout|rejected|connection)?=?[0-9]{0,2}(/[0-9]{0,4}(ms|s|min))?(/[0-9]{0,4}(ms|s|min))?,?.{0,3}"
        ) {
            if let Ok(mut policy) = parse(eight())(&text) {
                for (_, class) in policy.classes_mut() {
                    prop_assert!(class.base <= class.cap && class.cap <= LONGEST_WAIT);
                    prop_assert!(class.attempts.is_none_or(|attempts| attempts <= eight()));
                }
            }
        }
    }
}
