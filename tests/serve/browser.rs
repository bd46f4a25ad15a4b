//! A headless Chromium, driven over `WebDriver`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A page that has not come to be like that by then will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the browser is told at its start.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taste {
    pub(crate) without_javascript: bool,
    pub(crate) dark: bool,
}

pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
}

impl Browser {
    pub(crate) async fn open(taste: Taste) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed: ./setup --tests does it");
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port: u16 = said
            .filter_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .next()
            .expect("chromedriver says where it listens");
        let mut arguments = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1400,1000",
        ];
        arguments.extend(taste.dark.then_some("--force-dark-mode"));
        let javascript = if taste.without_javascript { 2 } else { 1 };
        let options = json!({
            "args": arguments,
            "prefs": { "profile.managed_default_content_settings.javascript": javascript },
        });
        let capabilities =
            json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, driver }
    }

    /// What the expression yields on the page.
    pub(crate) async fn see(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), vec![]).await.unwrap()
    }

    /// Waits until the expression is true on the page.
    pub(crate) async fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.see(expression).await != true {
            let page = self.see("document.body.innerText").await;
            assert!(begun.elapsed() < PATIENCE, "never: {expression}\n{page}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Keys, to whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Errors of scripts, what the content security policy has refused, and what could not be loaded.
    pub(crate) async fn complaints(&self) -> Value {
        self.client.issue_cmd(ConsoleLog).await.unwrap()
    }

    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.driver.id() as i32);
        killpg(group, Signal::SIGKILL).unwrap();
        self.driver.wait().unwrap();
    }
}

/// What the page has said on the console since the last time.
#[derive(Debug)]
struct ConsoleLog;

impl WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
