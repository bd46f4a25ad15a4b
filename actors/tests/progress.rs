//! What somebody who watches a run sees of it, in virtual time.

use std::future::pending;
use std::rc::Rc;

use actors::progress::Progress;
use actors::testing::{MemoryStore, ScriptedPlatform, in_virtual_time, settings};
use tokio::sync::watch;

/// Who waits, with the total, until so much can be seen of a run of so many campaigns.
fn waited_for(campaigns: u64, enough: impl Fn(&Progress) -> bool) -> Option<u64> {
    in_virtual_time(async {
        let (sender, mut progress) = watch::channel(Progress::default());
        let (platform, store) = (ScriptedPlatform::obliging(campaigns), MemoryStore::default());
        let run = actors::run(settings(), Rc::new(platform), Rc::new(store), sender, pending());
        let wait = async { progress.wait_for(enough).await.ok().and_then(|now| now.reported_total) };
        tokio::join!(run, wait).1
    })
}

#[test]
fn who_waits_for_the_total_hears_of_it_also_where_nothing_is_left_to_be_sent() {
    for campaigns in [0, 300] {
        assert_eq!(waited_for(campaigns, |now| now.reported_total.is_some()), Some(campaigns));
    }
}

#[test]
fn who_waits_for_a_request_to_be_sent_hears_of_it() {
    let campaigns = 300;
    // A login, the pages and the syncs.
    let last = |now: &Progress| now.requests.sync == campaigns;
    assert_eq!(waited_for(campaigns, last), Some(campaigns));
}
