//! A `serve` that is watched and operated from outside while it is at work.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mock_platform::{EMAIL, MockPlatform, PASSWORD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Postgres, bare};
use crate::until::until;

/// What operators know in these tests.
pub(crate) const TOKEN: &str = "the-token-of-an-operator";
/// In the database's URL; the server does not ask for it.
pub(crate) const DATABASE_PASSWORD: &str = "the-password-of-the-database";

/// Nothing here takes as long: what does will never come.
const PATIENCE: Duration = Duration::from_secs(90);

/// A configuration file in a folder of its own.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// Of this platform and database, with the accounts as they stand in a file.
    pub(crate) fn new(platform: &MockPlatform, database: &Postgres, accounts: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a directory"));
        folder.write("password", PASSWORD);
        folder.write("token", TOKEN);
        folder.write("database", &format!("{} password='{DATABASE_PASSWORD}'", database.url()));
        let head = format!(
            "api_url = '{}'\nemail = '{EMAIL}'\npassword = {{ file = 'password' }}\n\
             database_url = {{ file = 'database' }}\napi_token = {{ file = 'token' }}\nlisten = '127.0.0.1:0'\n\
             log_level = 'debug'\nlog_format = 'json'\nrate_limit = 'none'\n",
            platform.url()
        );
        folder.write("head", &head);
        folder.configure(accounts);
        folder
    }

    /// Other accounts from the next reload on.
    pub(crate) fn configure(&self, accounts: &str) {
        let head = fs::read_to_string(self.path().join("head")).expect("it was written");
        self.write("campaign-sync.toml", &(head + accounts));
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).expect("writable");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.current_dir(self.path());
        command
    }
}

/// An answer's status and body.
pub(crate) type Answer = (u16, String);

/// A `serve` at work.
pub(crate) struct Serving {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far.
    pub(crate) log: String,
    address: String,
}

impl Serving {
    /// One that serves.
    pub(crate) fn start(folder: &Folder) -> Self {
        let mut serving = Self::begin(folder);
        serving.until_it_serves();
        serving
    }

    /// One that may have to wait for something first.
    pub(crate) fn begin(folder: &Folder) -> Self {
        let mut command = folder.command(&["serve"]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).unwrap_or_default();
        });
        Self { child, lines, log: String::new(), address: String::new() }
    }

    pub(crate) fn until_it_serves(&mut self) {
        let line = self.says("\"serving\"");
        let line: Value = serde_json::from_str(&line).expect("JSON");
        self.address = line["address"].as_str().expect("it says where").to_owned();
    }

    /// The next line of its log with these words.
    pub(crate) fn says(&mut self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it did not say {words:?}: {}", self.log));
            self.log += &line;
            self.log.push('\n');
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.request("GET", target, None)
    }

    pub(crate) fn post(&self, target: &str, token: Option<&str>) -> Answer {
        self.request("POST", target, token)
    }

    pub(crate) fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target);
        assert_eq!(status, 200, "{target}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn request(&self, method: &str, target: &str, token: Option<&str>) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head =
            format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{token}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    /// The account as `/api/accounts` has it.
    pub(crate) fn account(&self, id: &str) -> Value {
        self.json(&format!("/api/accounts/{id}"))
    }

    /// The ids of `/api/accounts`.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let page = self.json("/api/accounts");
        let items = page["items"].as_array().expect("a list").iter();
        items.map(|item| item["id"].as_str().expect("a name").to_owned()).collect()
    }

    /// A value of `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
    }

    /// Starts a run of the account, as an operator does.
    pub(crate) fn run_now(&self, account: &str) {
        let (status, body) = self.post(&format!("/api/accounts/{account}/run"), Some(TOKEN));
        assert_eq!(status, 202, "{body}");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(id, signal).expect("it runs");
    }

    /// Its exit code, once it has ended by itself. The log is whole then.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let ended = until("it ends", || self.child.try_wait().expect("it is ours"));
        self.log.extend(self.lines.iter().map(|line| line + "\n"));
        ended.code()
    }

    /// As an operator stops it.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.ended()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // After a test that has failed; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
