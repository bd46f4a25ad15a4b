//! The settings of an account: how it reaches its platform, and how its pipeline works.

use std::num::NonZeroU32;
use std::time::Duration;

use actors::model::AccountId;
use actors::retry_policy::RetryPolicy;
use actors::settings::Concurrency;

use super::problem::Refusal;
use super::reader::{Reader, Selected};
use super::setting::{self, Setting};
use super::{AccountConfig, PipelineConfig, PlatformConfig, api_url, bounded, rate_limit, retry, text};
use crate::cli::{PipelineArgs, PlatformArgs};

/// All accounts that are meant, each pipeline as the command wants it.
pub(super) fn accounts(
    reader: &mut Reader<'_>,
    platform_args: &PlatformArgs,
    pipeline_args: &PipelineArgs,
    schedule: Option<&str>,
    for_command: impl Fn(PipelineConfig) -> PipelineConfig,
) -> Option<Vec<AccountConfig>> {
    let selected = select(reader, platform_args);
    reader.run_commands_of(&selected);
    let accounts = selected.into_iter().map(|selected| {
        let platform = platform(reader, selected, platform_args);
        let pipeline = pipeline(reader, pipeline_args).map(&for_command);
        let schedule = reader.optional(&setting::SCHEDULE, schedule, text::schedule);
        Some(AccountConfig { platform: platform?, pipeline: pipeline?, schedule: schedule? })
    });
    // All of them are read, whatever is wrong with the first.
    let accounts: Vec<Option<AccountConfig>> = accounts.collect();
    accounts.into_iter().collect()
}

/// The accounts that are meant. With several, nobody's login is replaced.
pub(super) fn select(reader: &mut Reader<'_>, args: &PlatformArgs) -> Vec<Selected> {
    let selected = reader.select(&args.account);
    reader.refuse_one_login_for_all(&selected, args.api_url.as_deref(), args.email.as_deref());
    selected
}

/// How this account reaches its platform. The reader is turned to it from now on.
pub(super) fn platform(
    reader: &mut Reader<'_>,
    selected: Selected,
    args: &PlatformArgs,
) -> Option<PlatformConfig> {
    let account = reader.turn_to(selected, &args.account);
    let allow_http = reader.switch(&setting::ALLOW_HTTP, args.allow_http);
    let api_url = reader.required(&setting::API_URL, args.api_url.as_deref(), api_url::parse(allow_http));
    let email = reader.required(&setting::EMAIL, args.email.as_deref(), text::email);
    let password = reader.required_secret(&setting::PASSWORD, text::password);
    let request_timeout = request_timeout(reader, args);
    Some(PlatformConfig {
        api_url: api_url?,
        account: account?,
        email: email?,
        password: password?,
        request_timeout: request_timeout?,
    })
}

/// Where nothing is sent, a login need not be there; one that is has to be right all the same.
pub(super) fn without_login(
    reader: &mut Reader<'_>,
    selected: Selected,
    args: &PlatformArgs,
) -> (Option<AccountId>, Option<Duration>) {
    let account = reader.turn_to(selected, &args.account);
    let allow_http = reader.switch(&setting::ALLOW_HTTP, args.allow_http);
    let _ = reader.optional(&setting::API_URL, args.api_url.as_deref(), api_url::parse(allow_http));
    let _ = reader.optional(&setting::EMAIL, args.email.as_deref(), text::email);
    let _ = reader.optional_secret(&setting::PASSWORD, None, text::password);
    (account, request_timeout(reader, args))
}

fn request_timeout(reader: &mut Reader<'_>, args: &PlatformArgs) -> Option<Duration> {
    reader.optional(&setting::REQUEST_TIMEOUT, args.request_timeout.as_deref(), bounded::request_timeout)
}

/// How the pipeline of the account works that the reader is turned to.
pub(super) fn pipeline(reader: &mut Reader<'_>, args: &PipelineArgs) -> Option<PipelineConfig> {
    let concurrency = concurrency(reader, args.concurrency.as_deref());
    let page_size = reader.optional(&setting::PAGE_SIZE, args.page_size.as_deref(), bounded::page_size);
    let rate_limits = repeated(reader, &setting::RATE_LIMIT, &args.rate_limit, rate_limit::parse_or_auto);
    let max_attempts =
        reader.optional(&setting::MAX_ATTEMPTS, args.max_attempts.as_deref(), bounded::max_attempts);
    let retry = retry(reader, &args.retry, max_attempts);
    let retry_budget =
        reader.optional(&setting::RETRY_BUDGET, args.retry_budget.as_deref(), bounded::retry_budget);
    let batch_size = reader.optional(&setting::BATCH_SIZE, args.batch_size.as_deref(), bounded::batch_size);
    let batch_linger =
        reader.optional(&setting::BATCH_LINGER, args.batch_linger.as_deref(), bounded::batch_linger);
    let max_wait = reader.optional(&setting::MAX_WAIT, args.max_wait.as_deref(), bounded::max_wait);
    let max_shrink = reader.optional(&setting::MAX_SHRINK, args.max_shrink.as_deref(), bounded::max_shrink);
    Some(PipelineConfig {
        concurrency: concurrency?,
        page_size: page_size?,
        rate_limits: rate_limits?,
        retry: retry?,
        retry_budget: retry_budget?,
        batch: bounded::batch(batch_size?, batch_linger?),
        max_wait: max_wait?,
        max_shrink: max_shrink?,
        fresh: false,
        replay: None,
    })
}

pub(super) fn concurrency(reader: &mut Reader<'_>, flag: Option<&str>) -> Option<Concurrency> {
    reader.optional(&setting::CONCURRENCY, flag, bounded::concurrency)
}

/// A flag that may be repeated: the same as by commas.
pub(super) fn repeated<T>(
    reader: &mut Reader<'_>,
    setting: &Setting,
    flags: &[String],
    parse: impl Fn(&str) -> Result<T, Refusal>,
) -> Option<T> {
    let joined = (!flags.is_empty()).then(|| flags.join(","));
    reader.optional(setting, joined.as_deref(), parse)
}

fn retry(reader: &mut Reader<'_>, flags: &[String], max_attempts: Option<NonZeroU32>) -> Option<RetryPolicy> {
    // Beside a bound that is wrong itself, whatever any bound could allow is right.
    let max_attempts = max_attempts.unwrap_or_else(bounded::most_attempts);
    let policy = repeated(reader, &setting::RETRY, flags, retry::parse(max_attempts));
    Some(policy.unwrap_or(RetryPolicy { max_attempts, ..RetryPolicy::default() }))
}
