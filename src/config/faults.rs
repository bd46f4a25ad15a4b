//! The mock platform's faults: `NAME=SHARE`, several by commas, or `none`.

pub use mock_platform::Fault;
use mock_platform::check_faults;

use super::number;
use super::problem::Refusal;

/// Faults with the share of requests that each strikes; empty for `none`.
pub(super) fn parse(text: &str) -> Result<Vec<(Fault, f64)>, Refusal> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let faults = text.split(',').map(|fault| one(fault.trim())).collect::<Result<Vec<_>, _>>()?;
    check_faults(&faults).map_err(Refusal::new)?;
    Ok(faults)
}

fn one(text: &str) -> Result<(Fault, f64), Refusal> {
    let (name, share) = text.split_once('=').unwrap_or((text, ""));
    let Some(fault) = Fault::named(name) else {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        return Err(Refusal::new(format!(
            "NAME=SHARE, several of them by commas, or none; NAME is one of {}",
            names.join(", ")
        )));
    };
    number::share(share)
        .map(|share| (fault, share))
        .map_err(|refusal| Refusal::new(format!("{name}=SHARE with {}", refusal.allowed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_names_and_shares_or_none() {
        assert_eq!(parse("none"), Ok(vec![]));
        assert_eq!(parse("html=0.2"), Ok(vec![(Fault::Html, 0.2)]));
        let both = Ok(vec![(Fault::Html, 1.0), (Fault::LoginHangs, 0.0)]);
        assert_eq!(parse("html=1,login-hangs=0"), both);
        assert_eq!(parse("html=1, login-hangs=0"), both);
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_is_allowed() {
        let allowed = |text| parse(text).expect_err(text).allowed;
        for unknown in ["", "htm=0.2", "html=0.2,", "HTML=0.2", "0.2", "html =0.2"] {
            let names = allowed(unknown);
            assert!(names.contains("html") && names.ends_with("lying-has-more"), "{unknown}: {names}");
        }
        for share in ["html", "html=", "html=1.1", "html=-1", "html=NaN", "html=20%", "html=0.1=0.2"] {
            assert_eq!(allowed(share), "html=SHARE with a share from 0 (never) to 1 (always)", "{share}");
        }
        assert_eq!(allowed("html=0.6,redirect=0.5"), "at most 1 together for those that concern logins");
        assert_eq!(allowed("html=0.6,html=0.1"), "one share for each, and there are two for html");
    }
}
