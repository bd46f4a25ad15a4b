//! The status page, as it is in a browser.

use std::sync::Arc;
use std::time::SystemTime;

use actors::model::{Batch, DeadLetter, FailureClass};
use actors::ports::{Share, Store};
use actors::progress::Progress;
use actors::report::Status;
use campaign_sync::serve::scheduler::{Configure, Pause, Resume, State};
use fantoccini::Locator;
use fantoccini::key::Key;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use crate::browser::{Browser, Taste};
use crate::support::{Serving, TOKEN, plan, report, serving};

const IDS: &str = "[...document.querySelectorAll('#accounts tbody tr')].filter(row => !row.hidden).map(row => row.dataset.id)";

async fn pause(serving: &Serving, account: &str) {
    serving.scheduler.send(Pause(account.into(), Timestamp::now())).await.unwrap().unwrap();
}

impl Serving {
    async fn browse(&self, target: &str, taste: Taste) -> Browser {
        let browser = Browser::open(taste).await;
        browser.client.goto(&format!("http://{}{target}", self.client.address)).await.unwrap();
        if !taste.without_javascript {
            browser.until("document.querySelector('#connection').textContent === 'Live'").await;
        }
        browser
    }

    /// A dead letter with words of the platform's.
    async fn give_up(&self, account: &str, campaign: &str, message: &str) {
        let run = self.store.begin_run(&account.into(), None).await.unwrap();
        let now = SystemTime::now();
        let letter = DeadLetter {
            id: campaign.into(),
            class: FailureClass::Rejected,
            message: message.to_owned(),
            attempts: 3,
            payload: "{}".into(),
            first_failed_at: now,
            last_failed_at: now,
        };
        let batch = Batch { synced: vec![], dead_letters: vec![letter] };
        self.store.commit(&[Share { run: Arc::new(run.clone()), batch }]).await.unwrap();
        self.store.finish_run(&run, &report(&run.account, Status::Partial)).await.unwrap();
    }
}

#[test]
fn the_page_stays_current_without_a_reload_and_the_focus_where_it_is() {
    serving(None, vec![], async |serving| {
        let browser = serving.browse("/", Taste::default()).await;
        assert_eq!(browser.see(IDS).await, json!(["a", "b", "c"]));
        browser.see("document.querySelector('[data-id=b] a').focus()").await;
        browser.see("window.notReloaded = true").await;
        let (run, watched) = watch::channel(Progress::default());
        serving.live.watch(&"b".into(), watched);
        run.send_modify(|now| (now.stored, now.reported_total) = (42, Some(100)));
        browser
            .until("document.querySelector('[data-id=b] .progress').innerText.includes('42 of 100 stored')")
            .await;
        serving.scheduler.send(Pause("b".into(), Timestamp::now())).await.unwrap().unwrap();
        browser.until("document.querySelector('[data-id=b]').dataset.condition === 'paused'").await;
        browser.until("document.querySelector('[data-state=paused] .total').textContent === '1'").await;
        serving.scheduler.send(Configure(["b", "bb", "c"].map(plan).to_vec())).await.unwrap();
        browser.until(&format!("String({IDS}) === 'b,bb,c'")).await;
        assert_eq!(browser.see("document.activeElement.textContent").await, "b");
        assert_eq!(browser.see("window.notReloaded").await, true);
        assert_eq!(browser.complaints().await, json!([]));
        browser.close().await;
    });
}

#[test]
fn a_page_that_was_cut_off_says_so_and_catches_up() {
    serving(None, vec![], async |serving| {
        let browser = serving.browse("/", Taste::default()).await;
        serving.stop().await;
        browser.until("document.querySelector('#connection').textContent.startsWith('Not connected')").await;
        serving.scheduler.send(Configure(["b", "d"].map(plan).to_vec())).await.unwrap();
        serving.start_again();
        browser.until("document.querySelector('#connection').textContent === 'Live'").await;
        assert_eq!(browser.see(IDS).await, json!(["b", "d"]));
        browser.close().await;
    });
}

#[test]
fn tabs_that_nobody_sees_hold_no_connection_and_catch_up_when_they_are_seen() {
    serving(None, vec![], async |serving| {
        let browser = serving.browse("/", Taste::default()).await;
        let first = browser.client.window().await.unwrap();
        // A browser has six connections to a host.
        for _ in 0..8 {
            let tab = browser.client.new_window(true).await.unwrap();
            browser.client.switch_to_window(tab.handle).await.unwrap();
            browser.client.goto(&format!("http://{}/account?id=a", serving.client.address)).await.unwrap();
            browser.until("document.querySelector('#connection').textContent === 'Live'").await;
        }
        pause(serving, "b").await;
        browser.client.switch_to_window(first).await.unwrap();
        browser.until("document.querySelector('[data-id=b]').dataset.condition === 'paused'").await;
        browser.close().await;
    });
}

#[test]
fn what_others_change_is_on_the_accounts_page_too() {
    serving(Some(TOKEN), vec![], async |serving| {
        let browser = serving.browse("/account?id=a", Taste::default()).await;
        let offers = |name: &str| {
            format!(
                "[...document.querySelectorAll('#details button')].some(button => button.textContent === '{name}')"
            )
        };
        browser.until(&offers("Sync now")).await;
        browser.see("[...document.querySelectorAll('#details button')][0].focus()").await;
        pause(serving, "a").await;
        browser.until(&offers("Resume")).await;
        assert_eq!(browser.see(&offers("Sync now")).await, false);
        // What had the focus is not there any more; the keyboard goes on from its place.
        assert_eq!(browser.see("document.activeElement.id").await, "details");
        serving.give_up("a", "camp-1", "it was refused").await;
        serving.letters.update([("a".into(), vec![(FailureClass::Rejected, 1)])].into());
        browser.until("document.querySelector('#details').innerText.includes('camp-1')").await;
        serving.scheduler.send(Configure(vec![plan("b")])).await.unwrap();
        browser
            .until("document.querySelector('#connection').textContent.includes('not in the configuration')")
            .await;
        serving.scheduler.send(Configure(vec![plan("a"), plan("b")])).await.unwrap();
        browser.until("document.querySelector('#connection').textContent === 'Live'").await;
        assert_eq!(browser.see(IDS).await, json!(["a"]));
        browser.close().await;
    });
}

#[test]
fn accounts_are_found_by_keyboard_and_the_address_says_what_is_shown() {
    serving(None, vec![], async |serving| {
        serving.scheduler.send(Configure(["acme-de", "acme-fr", "globex"].map(plan).to_vec())).await.unwrap();
        serving.scheduler.send(Pause("acme-fr".into(), Timestamp::now())).await.unwrap().unwrap();
        let browser = serving.browse("/", Taste::default()).await;
        browser.press("/").await;
        browser.press("ACME").await;
        browser.until(&format!("String({IDS}) === 'acme-de,acme-fr'")).await;
        // To the states, and back from the first to the last.
        browser.press(&Key::Tab.to_string()).await;
        browser.press(&Key::Left.to_string()).await;
        browser.until(&format!("String({IDS}) === 'acme-fr'")).await;
        browser.until("location.search === '?search=ACME&state=paused'").await;
        serving.scheduler.send(Resume("acme-fr".into())).await.unwrap().unwrap();
        browser.until("!document.querySelector('#none').hidden").await;
        browser.client.refresh().await.unwrap();
        browser.until("document.querySelector('[name=search]').value === 'ACME'").await;
        assert_eq!(browser.see(IDS).await, json!([]));
        assert_eq!(browser.complaints().await, json!([]));
        browser.close().await;
    });
}

#[test]
fn without_javascript_everything_can_be_read_and_narrowed_and_no_button_does_nothing() {
    serving(Some(TOKEN), vec![], async |serving| {
        serving.give_up("b", "camp-1", "it was refused").await;
        let taste = Taste { without_javascript: true, ..Taste::default() };
        let browser = serving.browse("/", taste).await;
        let text = async |selector: &str| {
            browser.client.find(Locator::Css(selector)).await.unwrap().text().await.unwrap()
        };
        assert!(text("[data-id=a] .state").await.starts_with("idle until 20"));
        assert!(text("header").await.contains("reload to see what has changed"));
        let search = browser.client.find(Locator::Css("[name=search]")).await.unwrap();
        search.send_keys("b").await.unwrap();
        browser.client.find(Locator::Css("#filter button")).await.unwrap().click().await.unwrap();
        browser.client.wait().for_element(Locator::Css("[name=search][value=b]")).await.unwrap();
        assert!(text("#accounts tbody").await.starts_with("b idle"));
        browser.client.find(Locator::Css("#accounts tbody a")).await.unwrap().click().await.unwrap();
        browser.client.wait().for_element(Locator::Id("details")).await.unwrap();
        let details = text("#details").await;
        assert!(details.contains("camp-1 rejected it was refused 3"), "{details}");
        assert!(details.contains("buttons here where JavaScript is on"), "{details}");
        for button in browser.client.find_all(Locator::Css("#details button")).await.unwrap() {
            assert!(!button.is_displayed().await.unwrap());
        }
        browser.close().await;
    });
}

#[test]
fn whatever_a_platform_says_is_text() {
    const HOSTILE: &str =
        "</td><img src=x onerror=\"window.struck = 1\"><script>window.struck = 1</script>' \u{202e}&amp;";
    serving(Some(TOKEN), vec![], async |serving| {
        serving.give_up("a", HOSTILE, HOSTILE).await;
        let (run, watched) = watch::channel(Progress::default());
        serving.live.watch(&"a".into(), watched);
        run.send_modify(|now| now.database_away = Some(HOSTILE.to_owned()));
        serving.scheduler.send(campaign_sync::serve::scheduler::RunNow("a".into())).await.unwrap().unwrap();
        let browser = serving.browse("/", Taste::default()).await;
        // But for the mark that would turn what stands after it.
        let words = json!(HOSTILE.replace('\u{202e}', "\u{fffd}"));
        browser.until(&format!("document.querySelector('[data-id=a] .cause').textContent === {words}")).await;
        browser.client.find(Locator::Css("[data-id=a] a")).await.unwrap().click().await.unwrap();
        browser
            .until(&format!(
                "document.querySelector('#dead-letters ~ .scroll tbody th')?.textContent === {words}"
            ))
            .await;
        browser
            .until(&format!(
                "document.querySelector('#dead-letters ~ .scroll .cause')?.textContent === {words}"
            ))
            .await;
        let labels =
            "[...document.querySelectorAll('[aria-label]')].map(element => element.ariaLabel).join('')";
        assert_eq!(browser.see(&format!("{labels}.includes('\u{202e}')")).await, false);
        assert_eq!(browser.see("document.querySelectorAll('main img, main script').length").await, 0);
        assert_eq!(browser.see("window.struck === undefined").await, true);
        assert_eq!(browser.complaints().await, json!([]));
        browser.close().await;
    });
}

#[test]
fn dead_letters_are_tried_again_for_a_token_that_is_asked_once() {
    serving(Some(TOKEN), vec![], async |serving| {
        serving.give_up("a", "camp-1", "it was refused").await;
        let browser = serving.browse("/account?id=a", Taste::default()).await;
        let again =
            "[...document.querySelectorAll('button')].find(button => button.textContent === 'Try again')";
        browser.see(&format!("{again}.focus()")).await;
        browser.press(&Key::Enter.to_string()).await;
        browser.until("document.querySelector('dialog').open").await;
        browser.press(&format!("a wrong one{}", Key::Enter)).await;
        browser
            .until("document.querySelector('#outcome').textContent.includes('the token is not the one that api_token names')")
            .await;
        browser.see(&format!("{again}.click()")).await;
        browser.until("document.querySelector('dialog').open").await;
        browser.press(&format!("{TOKEN}{}", Key::Enter)).await;
        browser.until("document.querySelector('[data-id=a]').dataset.condition === 'syncing'").await;
        browser.until("document.querySelector('#outcome').textContent === 'Try camp-1 again: done.'").await;
        let status = serving.account("a");
        assert!(
            matches!(&status.state, State::Running { purpose, .. } if format!("{purpose:?}").contains("camp-1"))
        );
        browser.see("[...document.querySelectorAll('button')].find(button => button.textContent === 'Pause').click()").await;
        browser
            .until("[...document.querySelectorAll('button')].some(button => button.textContent === 'Resume')")
            .await;
        assert_eq!(browser.see("document.querySelector('dialog').open").await, false);
        browser.close().await;
    });
}

#[test]
fn without_an_api_token_nothing_is_offered_that_would_be_refused() {
    serving(None, vec![], async |serving| {
        serving.give_up("a", "camp-1", "it was refused").await;
        let browser = serving.browse("/account?id=a", Taste::default()).await;
        assert_eq!(browser.see("document.querySelectorAll('#details button').length").await, 0);
        browser.until("document.body.innerText.includes('no api_token is set')").await;
        browser.close().await;
    });
}

#[test]
fn the_database_may_be_away_and_what_is_known_without_it_is_shown() {
    serving(Some(TOKEN), vec![], async |serving| {
        serving.stop_database();
        let browser = serving.browse("/account?id=a", Taste::default()).await;
        assert_eq!(browser.see(IDS).await, json!(["a"]));
        assert_eq!(browser.see("document.querySelectorAll('.away').length").await, 2);
        browser.close().await;
    });
}

#[test]
fn a_thousand_accounts_are_shown_and_searched() {
    serving(None, vec![], async |serving| {
        let plans: Vec<_> = (0..1_000).map(|n| plan(&format!("account-{n:04}"))).collect();
        serving.scheduler.send(Configure(plans)).await.unwrap();
        let browser = serving.browse("/", Taste::default()).await;
        browser.until(&format!("{IDS}.length === 1000")).await;
        browser.press("/").await;
        browser.press("-099").await;
        browser.until(&format!("{IDS}.length === 10")).await;
        serving.scheduler.send(Pause("account-0995".into(), Timestamp::now())).await.unwrap().unwrap();
        browser
            .until("document.querySelector('[data-id=account-0995]').dataset.condition === 'paused'")
            .await;
        assert_eq!(browser.see(&format!("{IDS}.length")).await, 10);
        assert_eq!(browser.complaints().await, json!([]));
        browser.close().await;
    });
}

#[test]
fn a_thousand_accounts_come_in_their_order_to_a_page_that_was_opened_with_few() {
    serving(None, vec![], async |serving| {
        let ids: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        serving.scheduler.send(Configure(ids.iter().map(|id| plan(id)).collect())).await.unwrap();
        pause(serving, "500").await;
        let browser = serving.browse("/?state=paused", Taste::default()).await;
        assert_eq!(browser.see(IDS).await, json!(["500"]));
        browser.client.find(Locator::Css("[data-state='']")).await.unwrap().click().await.unwrap();
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!(browser.see(IDS).await, json!(sorted));
        browser.close().await;
    });
}

#[test]
fn it_is_dark_for_whoever_wants_it_dark() {
    const BRIGHTNESS: &str =
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)";
    serving(None, vec![], async |serving| {
        let light = serving.browse("/", Taste::default()).await;
        let dark = serving.browse("/", Taste { dark: true, ..Taste::default() }).await;
        assert!(light.see(BRIGHTNESS).await.as_u64() > Some(600));
        assert!(dark.see(BRIGHTNESS).await.as_u64() < Some(150));
        light.close().await;
        dark.close().await;
    });
}

#[test]
fn an_account_that_is_not_there_is_not_found() {
    serving(None, vec![], async |serving| {
        let answer = serving.client.raw("GET /account?id=%3Cb%3E HTTP/1.1\r\nhost: localhost\r\n", "").await;
        assert_eq!(answer.status, 404);
        assert!(
            answer.body.contains("there is no account &lt;b&gt; in the configuration"),
            "{}",
            answer.body
        );
    });
}
