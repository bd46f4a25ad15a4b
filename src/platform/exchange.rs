//! One request and its answer: sent under a permit, read to the last byte or to a bound, judged.

use std::fmt;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use actors::model::FailureClass;
use actors::permit::{Answer, Permit};
use actors::ports::PlatformError;
use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{DATE, HeaderMap, RETRY_AFTER};
use awc::http::uri::PathAndQuery;
use awc::http::{Method, StatusCode, Uri};
use awc::{ClientRequest, SendClientRequest};
use secrecy::SecretString;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug};

use super::quota_signals::quota_signals;
use super::retry_hint::retry_after;
use super::scrub::{Secrets, snippet};
use super::verdict::Verdict;
use super::{Credentials, body};
use crate::tls::{self, Ways};

/// In messages.
const WAYS: Ways =
    Ways { authority: "with --ca-file (ca_file)", certificate: "which this program cannot give a platform" };

/// What a request could give away. A platform may echo it, also where it was replaced meanwhile.
pub(super) struct Known<'a> {
    pub(super) credentials: Rc<Credentials>,
    pub(super) token: Option<&'a SecretString>,
    pub(super) newest_token: Option<Rc<SecretString>>,
}

impl Known<'_> {
    pub(super) fn secrets(&self) -> Secrets<'_> {
        let Credentials { password, basic } = &*self.credentials;
        Secrets::new([password, basic].into_iter().chain(self.token).chain(self.newest_token.as_deref()))
    }
}

/// Method and URL of a request, of which messages name the path.
struct What(Method, Uri);

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.1.path_and_query().map_or("/", PathAndQuery::as_str);
        write!(f, "{} {}", self.0, snippet(path))
    }
}

/// A request that is ready to be sent.
pub(super) struct Exchange<'a> {
    pub(super) request: ClientRequest,
    pub(super) known: Known<'a>,
    pub(super) timeout: Duration,
    /// A good answer is a secret itself: it is never quoted.
    pub(super) confidential: bool,
}

impl<'a> Exchange<'a> {
    /// Sends the request and reads its answer with `parse`, which knows what it must not repeat.
    pub(super) fn send<T>(
        self,
        mut permit: Permit,
        body: Vec<u8>,
        limit: usize,
        parse: impl FnOnce(&[u8], &Known<'a>) -> Result<T, String>,
    ) -> impl Future<Output = Result<T, PlatformError>> {
        let Self { request, known, timeout, confidential } = self;
        let what = What(request.get_method().clone(), request.get_uri().clone());
        let started = Instant::now();
        // awc connects and sends in one step, and says only afterwards which of them failed; by then the
        // permit cannot be given back. So a connection that failed counts as a request that was sent. It
        // costs a slot of a platform that is away, which is cheap; the other mistake would cost a 429.
        permit.mark_sent();
        let answer = request.send_body(body);
        let attempt = Attempt { what, known, timeout, confidential };
        async move {
            let outcome = attempt.read(answer, permit, started + timeout, limit, parse).await;
            let (what, elapsed_ms) = (&attempt.what, || started.elapsed().as_millis() as u64);
            match &outcome {
                Ok(_) => debug!(request = %what, elapsed_ms = elapsed_ms(), "answered"),
                Err(error) => debug!(request = %what, elapsed_ms = elapsed_ms(), %error, "failed"),
            }
            outcome
        }
    }
}

/// A request that is on its way, as its messages know it.
struct Attempt<'a> {
    what: What,
    known: Known<'a>,
    timeout: Duration,
    confidential: bool,
}

impl<'a> Attempt<'a> {
    async fn read<T>(
        &self,
        answer: SendClientRequest,
        permit: Permit,
        deadline: Instant,
        limit: usize,
        parse: impl FnOnce(&[u8], &Known<'a>) -> Result<T, String>,
    ) -> Result<T, PlatformError> {
        let Self { what, known, timeout, confidential } = self;
        let transient = |class, message| Err(PlatformError::Transient { class, message });
        let late = || transient(FailureClass::Timeout, format!("{what} was not answered within {timeout:?}"));
        // One timer for both waits.
        let mut over = pin!(sleep_until(deadline));
        let mut response = match in_time(over.as_mut(), answer).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                let class = class_of(&error);
                if class == FailureClass::Timeout {
                    permit.timed_out();
                } else {
                    permit.disconnected();
                }
                let to = what.1.authority().map_or_else(String::new, |to| format!(" to {to}"));
                let why = known.secrets().scrub(&why(&error));
                return transient(class, format!("{what}{to} failed: {why}"));
            }
            None => {
                permit.timed_out();
                return late();
            }
        };

        let status = response.status();
        if LevelFilter::current() >= LevelFilter::DEBUG {
            // Of the pipeline, for the trace, where there is one.
            Span::current().record("http_status", i64::from(status.as_u16()));
        }
        permit.heard(quota_signals(response.headers()));
        // Read also where nobody wants it: an unread body costs the connection.
        let body = in_time(over, body::read(&mut response, limit)).await;
        let verdict = Verdict::of(status);
        if verdict != Verdict::Success {
            // The status says what matters, even where the rest of the answer did not arrive.
            permit.answered(verdict.answer());
            let body = body.and_then(Result::ok).unwrap_or_default();
            return Err(refusal(verdict, what, status, response.headers(), &body, &known.secrets()));
        }
        let body = match body {
            Some(Ok(body)) => body,
            Some(Err((class, why))) => {
                permit.answered(Answer::Unparsable);
                return transient(class, format!("{what} answered {status}, but its body {why}"));
            }
            None => {
                permit.timed_out();
                return late();
            }
        };
        match parse(&body, known) {
            Ok(parsed) => {
                permit.answered(Answer::Succeeded);
                Ok(parsed)
            }
            Err(error) => {
                permit.answered(Answer::Unparsable);
                let body = (!confidential).then_some(&*body);
                transient(FailureClass::Unparsable, unpromised(what, status, &error, body, &known.secrets()))
            }
        }
    }
}

/// What comes before the time is over. The timer is looked at also where the work has used up what a task may do at a time:
/// bytes that never end would else be read for ever.
async fn in_time<T>(over: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = unconstrained(over) => None,
    }
}

/// What is wrong with an answer whose status is a success; without its body where that is confidential.
pub(super) fn unpromised(
    what: &impl fmt::Display,
    status: StatusCode,
    error: &str,
    body: Option<&[u8]>,
    secrets: &Secrets<'_>,
) -> String {
    let said = body.map(|body| said(body, secrets)).unwrap_or_default();
    let error = secrets.scrub(error);
    format!("{what} answered {status} with what the API does not promise: {error}{said}")
}

/// An answer whose status is not a success.
pub(super) fn refusal(
    verdict: Verdict,
    what: &impl fmt::Display,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &Secrets<'_>,
) -> PlatformError {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let message = format!("{what} answered {status}{}", said(body, secrets));
    match verdict {
        Verdict::Throttled => {
            PlatformError::Throttled { retry_after: retry_after(header(RETRY_AFTER), header(DATE), body) }
        }
        Verdict::Unauthorized => PlatformError::Unauthorized { message },
        Verdict::Unavailable => PlatformError::Transient { class: FailureClass::Unavailable, message },
        Verdict::Success | Verdict::Rejected => PlatformError::Rejected { message },
    }
}

/// The body's beginning, to be appended to a message.
fn said(body: &[u8], secrets: &Secrets<'_>) -> String {
    let text = secrets.scrub(&String::from_utf8_lossy(body));
    if text.is_empty() { String::new() } else { format!(", body: {text}") }
}

/// No answer came: why. A certificate can be renewed while a run waits, so what is wrong with it is no reason to end.
fn why(error: &SendRequestError) -> String {
    let cause = match error {
        SendRequestError::Connect(ConnectError::Io(error)) | SendRequestError::Send(error) => {
            tls::cause(error)
        }
        SendRequestError::Response(error) => tls::cause(error),
        _ => None,
    };
    match cause {
        Some(cause) => tls::explain(cause, &WAYS),
        None => error.to_string(),
    }
}

/// No answer came: whose failure that is.
fn class_of(error: &SendRequestError) -> FailureClass {
    match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => FailureClass::Timeout,
        // Also a kept-alive connection that the platform had closed, and an answer that is not HTTP.
        _ => FailureClass::Connection,
    }
}
