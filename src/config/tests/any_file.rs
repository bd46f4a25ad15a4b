//! Whatever a file says: it is loaded as it stands, and one thing that is wrong with it is named by its line.

use proptest::prelude::*;
use proptest::sample::Index;

use super::file::{Written, ids};
use super::schema::problems_by_schema;
use super::*;

const SECRET: &str = "s3cret";

/// Values of one account, or of the top level; what is `None` is not stated.
#[derive(Clone, Debug, Default)]
struct Stated {
    concurrency: Option<usize>,
    page_size: Option<u32>,
    rate_limit: Option<Vec<(u32, u64)>>,
    request_timeout: Option<u64>,
    max_attempts: Option<u32>,
    retry_budget: Option<f64>,
    batch_size: Option<usize>,
    batch_linger: Option<u64>,
    max_wait: Option<u64>,
    max_shrink: Option<f64>,
    email: Option<String>,
}

fn stated() -> impl Strategy<Value = Stated> {
    use proptest::option::of;
    let limits = prop::collection::vec((1..1_000_000u32, 1..2_000_000u64), 1..4);
    (
        (of(1..=1024usize), of(1..=10_000u32), of(limits), of(10..=600_000u64), of(1..=100u32)),
        (of(0.0..99.0), of(1..=10_000usize), of(0..=60_000u64), of(1..2_000_000u64), of(0.0..1.0)),
        of("[a-z0-9.#'äö\\\\]{0,20}@[a-z]{1,10}"),
    )
        .prop_map(|(one, other, email)| {
            let (concurrency, page_size, rate_limit, request_timeout, max_attempts) = one;
            let (retry_budget, batch_size, batch_linger, max_wait, max_shrink) = other;
            Stated {
                concurrency,
                page_size,
                rate_limit,
                request_timeout,
                max_attempts,
                retry_budget,
                batch_size,
                batch_linger,
                max_wait,
                max_shrink,
                email,
            }
        })
}

impl Stated {
    /// The lines of the file, each a setting.
    fn lines(&self) -> Vec<String> {
        let quoted = |text: &str| format!("{text:?}");
        let limits = |limits: &Vec<(u32, u64)>| {
            let each: Vec<String> = limits.iter().map(|(n, seconds)| format!("\"{n}/{seconds}s\"")).collect();
            format!("[{}]", each.join(", "))
        };
        let lines = [
            self.concurrency.map(|n| format!("concurrency = {n}")),
            self.page_size.map(|n| format!("page_size = \"{n}\"")),
            self.rate_limit.as_ref().map(|these| format!("rate_limit = {}", limits(these))),
            self.request_timeout.map(|ms| format!("request_timeout = '{ms}ms'")),
            self.max_attempts.map(|n| format!("max_attempts = {n:#x}")),
            self.retry_budget.map(|share| format!("retry_budget = {share:?}")),
            self.batch_size.map(|n| format!("batch_size = {n}")),
            self.batch_linger.map(|ms| format!("batch_linger = \"{ms}ms\"")),
            self.max_wait.map(|seconds| format!("max_wait = \"{seconds}s\"")),
            self.max_shrink.map(|share| format!("max_shrink = {share:?}")),
            self.email.as_deref().map(|email| format!("email = {}", quoted(email))),
        ];
        lines.into_iter().flatten().collect()
    }

    fn or(self, top: &Stated) -> Stated {
        Stated {
            concurrency: self.concurrency.or(top.concurrency),
            page_size: self.page_size.or(top.page_size),
            rate_limit: self.rate_limit.or(top.rate_limit.clone()),
            request_timeout: self.request_timeout.or(top.request_timeout),
            max_attempts: self.max_attempts.or(top.max_attempts),
            retry_budget: self.retry_budget.or(top.retry_budget),
            batch_size: self.batch_size.or(top.batch_size),
            batch_linger: self.batch_linger.or(top.batch_linger),
            max_wait: self.max_wait.or(top.max_wait),
            max_shrink: self.max_shrink.or(top.max_shrink),
            email: self.email.or(top.email.clone()),
        }
    }

    /// Over the defaults.
    fn assert_is(&self, AccountConfig { platform, pipeline, .. }: &AccountConfig) {
        let milliseconds = Duration::from_millis;
        assert_eq!(platform.email, self.email.as_deref().unwrap_or("top@example.com"));
        assert_eq!(platform.password.newest().expose_secret(), SECRET);
        assert_eq!(platform.request_timeout, milliseconds(self.request_timeout.unwrap_or(10_000)));
        assert_eq!(pipeline.concurrency.get(), self.concurrency.unwrap_or(16));
        assert_eq!(pipeline.page_size.get(), self.page_size.unwrap_or(10));
        let limits = self.rate_limit.clone().unwrap_or_else(|| vec![(10, 60)]);
        let limits = limits.iter().map(|&(n, seconds)| limit(n, seconds)).collect();
        assert_eq!(pipeline.rate_limits, RateLimits::Fixed(limits));
        assert_eq!(pipeline.retry.max_attempts.get(), self.max_attempts.unwrap_or(8));
        assert_eq!(pipeline.retry_budget, RetryShare::new(self.retry_budget.unwrap_or(1.0)).ok());
        let (size, linger) = (self.batch_size.unwrap_or(500), self.batch_linger.unwrap_or(200));
        assert_eq!(pipeline.batch, BatchLimits::new(size, milliseconds(linger)).unwrap());
        assert_eq!(pipeline.max_wait, Duration::from_secs(self.max_wait.unwrap_or(900)));
        assert_eq!(pipeline.max_shrink, MaxShrink::new(self.max_shrink.unwrap_or(0.5)).unwrap());
    }
}

#[derive(Clone, Debug)]
struct AnyFile {
    top: Stated,
    accounts: Vec<Stated>,
}

fn any_file() -> impl Strategy<Value = AnyFile> {
    (stated(), prop::collection::vec(stated(), 1..5)).prop_map(|(top, accounts)| AnyFile { top, accounts })
}

impl AnyFile {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "api_url = 'https://ads.example.com'".to_owned(),
            "password = { env = 'ALL' }".to_owned(),
            "database_url = { env = 'DB' }".to_owned(),
        ];
        let top = Stated { email: None, ..self.top.clone() };
        lines.extend(top.lines());
        lines.push(format!("email = {:?}", self.top.email.as_deref().unwrap_or("top@example.com")));
        for (number, account) in self.accounts.iter().enumerate() {
            lines.extend([String::new(), "[[accounts]]".to_owned(), format!("id = 'a{number}'")]);
            lines.extend(account.lines());
        }
        lines
    }
}

const VARIABLES: [(&str, &str); 2] = [("ALL", SECRET), ("DB", "host=db password=s3cret")];

/// What makes any line of any file wrong. (A comment or an empty line becomes one that is.)
fn corrupt(line: &str, how: usize) -> String {
    let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
    match how % 8 {
        0 => format!("{line} {SECRET}"),
        1 => format!("{SECRET}_{} = '{SECRET}'", key.trim_matches(['[', ']'])),
        2 => format!("{key} = \"{SECRET}"),
        3 => format!("{key} = [{value}"),
        4 => format!("{key} = {{ a = '{SECRET}' }}"),
        5 => SECRET.to_owned(),
        6 => format!("{line}\n{SECRET} = 5"),
        _ => format!("{key} = 1979-05-27"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_of_right_values_is_loaded_as_it_stands(file in any_file()) {
        let text = file.lines().join("\n");
        prop_assert_eq!(problems_by_schema(&text), [] as [String; 0]);
        let config = Written::new(&text).run("", &VARIABLES).unwrap();
        prop_assert_eq!(ids(&config), (0..file.accounts.len()).map(|n| format!("a{n}")).collect::<Vec<_>>());
        for (stated, account) in file.accounts.into_iter().zip(&config.accounts) {
            stated.or(&file.top).assert_is(account);
        }
    }

    #[test]
    fn one_thing_that_is_wrong_is_named_by_a_line_of_the_file_and_shows_no_secret(
        file in any_file(), which in any::<Index>(), how in 0..8usize,
    ) {
        let mut lines = file.lines();
        let which = which.index(lines.len());
        lines[which] = corrupt(&lines[which], how);
        let text = lines.join("\n");
        let problems = Written::new(&text).run("", &VARIABLES).unwrap_err();
        let line_of = |problem: &String| -> Option<usize> {
            let (_, rest) = problem.split_once("c.toml line ")?;
            rest.split_once(", column ")?.0.parse().ok()
        };
        let named: Vec<usize> = problems.iter().filter_map(line_of).collect();
        prop_assert!(!named.is_empty(), "{problems:?}\n{text}");
        prop_assert!(named.iter().all(|line| (1..=text.lines().count()).contains(line)), "{problems:?}\n{text}");
        prop_assert!(!problems.concat().contains(SECRET), "{problems:?}\n{text}");
    }

    #[test]
    fn any_text_is_a_configuration_or_refused(text in "(\\[\\[accounts\\]\\]|id|email|=|'|\"|[a-z]|\\{|\\}|\\[|\\]|,|\\n|\\.|#|[0-9]|\\PC){0,60}") {
        if let Err(problems) = Written::new(&text).run("", &REQUIRED) {
            prop_assert!(!problems.is_empty());
        }
    }
}
