//! A platform that gives away in its answers what it was sent, in every way of writing it.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;

use crate::http::{Reply, Request, serve};
use crate::loopback_server::LoopbackServer;
use crate::planted::Planted;
use crate::secret::Secret;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Good,
    /// 401 to every login; its body spells what it repeats in this way.
    RefusesLogins(usize),
    /// 500 to every page.
    ListsFail,
    /// 200 to every page, and JSON that is none of a page.
    ListsAreWrong,
    /// 200 to every page, and something else than JSON.
    ListsAreNoJson,
    /// 302 to every page, with what it knows in the address.
    Redirects,
    /// 200 to every page, whose body ends too soon.
    CutsOff,
    /// One entry of the page repeats the token where a number should be.
    EntriesAreWrong,
    /// 400 to every sync.
    SyncsFail,
    /// 200 to every sync, and something else than is promised.
    SyncsAreWrong,
    /// Every token is refused, and the next login fails and repeats the token before.
    ForgetsTokens,
    /// No sync is ever answered.
    SyncsHang,
}

/// The ways of writing in `spelled`.
pub(crate) const SPELLINGS: usize = 5;
const CAMPAIGNS: usize = 3;

/// See the module. It lives as long as the value.
pub(crate) struct EchoingPlatform {
    shared: Arc<Mutex<Shared>>,
    server: LoopbackServer,
}

struct Shared {
    manners: Manners,
    planted: Arc<Planted>,
    requests: usize,
    logins: usize,
    syncs: usize,
}

impl EchoingPlatform {
    pub(crate) fn start(planted: &Arc<Planted>) -> Self {
        let planted = planted.clone();
        let shared = Shared { manners: Manners::Good, planted, requests: 0, logins: 0, syncs: 0 };
        let shared = Arc::new(Mutex::new(shared));
        let shares = shared.clone();
        let answer = move |stream: TcpStream| {
            serve(stream, |request| shares.lock().unwrap().answer(request));
        };
        Self { shared, server: LoopbackServer::start(answer) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// From now on it behaves like this; nothing has been sent yet.
    pub(crate) fn behave(&self, manners: Manners) {
        let mut shared = self.shared.lock().unwrap();
        (shared.manners, shared.requests, shared.syncs) = (manners, 0, 0);
    }

    /// Since it behaves as it does.
    pub(crate) fn requests(&self) -> usize {
        self.shared.lock().unwrap().requests
    }

    pub(crate) fn syncs(&self) -> usize {
        self.shared.lock().unwrap().syncs
    }
}

impl Shared {
    fn answer(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        let authorization = request.header("authorization");
        if request.is("POST /auth/token") {
            assert_eq!(authorization, format!("Basic {}", self.planted.basic()));
            return self.login();
        }
        let token = authorization.strip_prefix("Bearer ").unwrap();
        let token = self.planted.tokens.iter().find(|given| given.text == token).unwrap().clone();
        if request.is("GET /api/campaigns") { self.list(&token) } else { self.sync(request, &token) }
    }

    /// Some are given twice.
    fn newest_token(&self) -> &Secret {
        let tokens = &self.planted.tokens;
        &tokens[self.logins % tokens.len()]
    }

    fn login(&mut self) -> Reply {
        match self.manners {
            Manners::RefusesLogins(spelling) => {
                return self.failing("401 Unauthorized", self.spelled(spelling, None));
            }
            Manners::ForgetsTokens if self.requests > 1 => {
                let token = self.newest_token().clone();
                return self.failing("403 Forbidden", self.spelled(self.requests, Some(&token)));
            }
            _ => {}
        }
        self.logins += 1;
        let [token, _] = self.newest_token().in_json();
        whole(
            "200 OK",
            "",
            &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#),
        )
    }

    fn list(&self, token: &Secret) -> Reply {
        let said = self.spelled(self.requests, Some(token));
        match self.manners {
            Manners::ListsFail => self.failing("500 Internal Server Error", said),
            Manners::ListsAreWrong => {
                whole("200 OK", "", &format!(r#"{{"data":"{said}","pagination":{{}}}}"#))
            }
            Manners::ListsAreNoJson => whole("200 OK", "", &format!("<p>{said}")),
            Manners::Redirects => {
                let location = format!("location: http://127.0.0.1:9/login?{}\r\n", token.in_url());
                whole("302 Found", &location, &said)
            }
            Manners::CutsOff => {
                Reply::CutOff(format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{said}").into_bytes())
            }
            Manners::ForgetsTokens => self.failing("401 Unauthorized", said),
            manners => page(token, manners == Manners::EntriesAreWrong),
        }
    }

    fn sync(&mut self, request: &Request, token: &Secret) -> Reply {
        self.syncs += 1;
        let said = self.spelled(self.requests, Some(token));
        match self.manners {
            Manners::SyncsFail => self.failing("400 Bad Request", said),
            Manners::SyncsAreWrong => whole(
                "200 OK",
                "",
                &format!(r#"{{"success":true,"campaign_id":"{}","synced_at":"{said}"}}"#, token.in_json()[0]),
            ),
            Manners::SyncsHang => Reply::Never,
            _ => {
                let body = String::from_utf8(request.body.clone()).unwrap();
                let id = body.trim_end_matches('}');
                let rest = r#","success":true,"synced_at":"2026-01-02T03:04:05Z","message":"done"}"#;
                whole("200 OK", "", &format!("{id}{rest}"))
            }
        }
    }

    /// All that a request has brought, written so.
    fn spelled(&self, spelling: usize, token: Option<&Secret>) -> String {
        let password = &self.planted.password;
        let of = |secret: &Secret| {
            let ([least, most], url) = (secret.in_json(), secret.in_url());
            let all: [String; SPELLINGS] = [secret.text.clone(), least, most, url, secret.in_html()];
            all[spelling % SPELLINGS].clone()
        };
        let basic = self.planted.basic();
        // Either has base64's own signs, which are written in several ways, too.
        let basic = Secret::with_core("", basic.clone(), &basic[..16]);
        let bearer = token.map(|token| format!("Bearer {}", of(token))).unwrap_or_default();
        format!("{} {bearer} Basic {}", of(password), of(&basic))
    }

    /// An answer that repeats all of it, also in its head.
    fn failing(&self, status: &str, said: String) -> Reply {
        let token = &self.newest_token().text;
        let basic = self.planted.basic();
        let head = format!(
            "www-authenticate: Basic realm=\"{basic}\"\r\nset-cookie: session={token}\r\nx-request: {token}\r\n\
             ratelimit-policy: \"{token}\";q=100000;w=60\r\nratelimit: \"{token}\";r=99999;t=60\r\n"
        );
        whole(status, &head, &said)
    }
}

fn whole(status: &str, head: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Whole(format!("HTTP/1.1 {status}\r\n{head}content-length: {length}\r\n\r\n{body}").into_bytes())
}

fn page(token: &Secret, one_is_wrong: bool) -> Reply {
    let entry = |number: usize| {
        let [token, _] = token.in_json();
        let clicks = if one_is_wrong && number == 0 { format!("\"{token}\"") } else { "1".to_owned() };
        format!(
            r#"{{"id":"c-{number}","name":"Spring","status":"active","budget":1.5,"impressions":1,"clicks":{clicks},"conversions":0,"created_at":"2026-01-02T03:04:05Z"}}"#
        )
    };
    let entries: Vec<String> = (0..CAMPAIGNS).map(entry).collect();
    let pagination = format!(r#"{{"page":1,"limit":10,"total":{CAMPAIGNS},"has_more":false}}"#);
    let body = format!(r#"{{"data":[{}],"pagination":{pagination}}}"#, entries.join(","));
    whole("200 OK", "", &body)
}
