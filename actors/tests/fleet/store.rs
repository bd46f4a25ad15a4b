//! The store that they share: batches, and what befalls one of them.

use std::collections::HashMap;

use actors::model::FailureClass;
use actors::ports::Store;
use actors::report::Status;
use actors::testing::{CommitFault, MemoryStore, campaign_id, in_virtual_time, limit};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::*;

fn obliging(campaigns: u64) -> Rc<ScriptedPlatform> {
    Rc::new(ScriptedPlatform::obliging(campaigns))
}

#[test]
fn small_accounts_fill_batches_together_and_each_has_its_own_campaigns() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        // The same ids in all of them.
        let runs: Vec<_> = (0..40).map(|n| sync(&fleet, account(n), &obliging(1 + n % 7))).collect();
        for (n, report) in (0..).zip(join_all(runs).await) {
            assert_eq!((report.status, report.account.as_str()), (Status::Complete, n.to_string().as_str()));
            assert_eq!((report.campaigns.stored, report.problems.len()), (1 + n % 7, 0));
            let store = stores.of(&n.to_string());
            assert_eq!((store.rows().len() as u64, store.finished()), (1 + n % 7, vec![report]));
        }
        let commits = stores.commits();
        assert!(commits.len() < 20, "{} commits for 40 accounts", commits.len());
        assert!(commits.iter().any(|accounts| accounts.len() > 5), "{commits:?}");
        end(fleet, &stores).await;
    });
}

#[test]
fn a_run_that_has_lost_its_account_is_told_so_and_the_others_rows_of_the_same_batch_are_stored() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let runs = ["lost", "kept", "other"].map(|name| sync(&fleet, account(name), &obliging(200)));
        let take = async {
            sleep(SECOND / 2).await;
            let lost = stores.of("lost");
            lost.borrow_account(&"lost".into()).await.expect("it is in memory");
            (lost.rows().len(), stores.commits().len())
        };
        let (reports, (rows, commits)) = tokio::join!(join_all(runs), take);
        let [lost, kept, other] = &reports[..] else { unreachable!("three runs") };
        assert_eq!((lost.status, problems(lost)[0]), (Status::Failed, ProblemClass::StoreFailed));
        let message = &lost.problems[0].message;
        assert_eq!(message, "another process has taken over account lost");
        assert_eq!(stores.of("lost").rows().len(), rows, "nothing is stored for it any more");
        assert!(rows < 200 && lost.campaigns.stored == rows as u64, "{rows} {lost:?}");
        let shared = &stores.commits()[commits..];
        let together = |accounts: &Vec<actors::model::AccountId>| {
            accounts.contains(&"lost".into()) && accounts.contains(&"kept".into())
        };
        assert!(shared.iter().any(together), "no batch was shared: {shared:?}");
        for report in [kept, other] {
            assert_eq!((report.status, report.campaigns.stored), (Status::Complete, 200));
        }
        assert_eq!(stores.of("kept").rows().len(), 200);
        end(fleet, &stores).await;
    });
}

#[test]
fn a_row_that_is_refused_costs_one_account_one_dead_letter_and_no_other_anything() {
    in_virtual_time(async {
        let refusing = MemoryStore::refusing(|id| *id == campaign_id(7));
        let stores = Rc::new(MemoryStores::default().with("2", refusing));
        let fleet = fleet(&stores, 256);
        let runs = (0..6).map(|n| sync(&fleet, account(n), &obliging(30)));
        for (n, report) in join_all(runs).await.into_iter().enumerate() {
            let letters = stores.of(&n.to_string()).dead_letters();
            let (status, stored) = if n == 2 { (Status::Partial, 29) } else { (Status::Complete, 30) };
            assert_eq!((report.status, report.campaigns.stored), (status, stored), "account {n}");
            assert_eq!(letters.len() as u64, 30 - stored, "account {n}");
            assert!(letters.values().all(|letter| letter.class == FailureClass::Unstorable));
        }
        end(fleet, &stores).await;
    });
}

#[test]
fn a_panic_of_the_store_actor_is_counted_by_every_run_at_work_and_loses_nothing() {
    for fault in [CommitFault::PanicBefore, CommitFault::PanicAfter] {
        in_virtual_time(async {
            let fate = move |n| if n == 1 { fault.clone() } else { CommitFault::None };
            let stores = Rc::new(MemoryStores::failing(fate));
            let fleet = fleet(&stores, 256);
            let runs = (0..5).map(|n| sync(&fleet, account(n), &obliging(60)));
            for (n, report) in join_all(runs).await.into_iter().enumerate() {
                assert_eq!((report.status, report.restarts.store), (Status::Complete, 1), "account {n}");
                assert_eq!(stores.of(&n.to_string()).rows().len(), 60);
            }
            // What happened before a run began is not its own.
            let later = sync(&fleet, account("later"), &obliging(10)).await;
            assert_eq!((later.status, later.restarts.store), (Status::Complete, 0));
            end(fleet, &stores).await;
        });
    }
}

#[test]
fn one_panic_too_many_ends_all_runs_with_the_cause_also_those_that_begin_later() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::failing(|_| CommitFault::PanicBefore));
        let fleet = fleet(&stores, 256);
        let runs: Vec<_> = (0..5).map(|n| sync(&fleet, account(n), &obliging(60))).collect();
        let mut reports = join_all(runs).await;
        reports.push(sync(&fleet, account("later"), &obliging(60)).await);
        for report in reports {
            assert_eq!(report.status, Status::Failed, "{report:?}");
            assert_eq!(problems(&report)[0], ProblemClass::RestartIntensityExceeded);
            let message = &report.problems[0].message;
            assert!(
                message.contains("StoreActor") && message.contains("the script says so: commit"),
                "{message}"
            );
        }
        end(fleet, &stores).await;
    });
}

#[test]
fn there_is_one_lookup_at_a_time_however_many_runs_ask() {
    in_virtual_time(async {
        let slow = |stores: MemoryStores, n: u64| {
            stores.with(&n.to_string(), MemoryStore::looking_up_in(Duration::from_millis(100)))
        };
        let stores = Rc::new((0..30).fold(MemoryStores::default(), slow));
        let fleet = fleet(&stores, 256);
        let runs = (0..30).map(|n| sync(&fleet, account(n), &obliging(15)));
        assert!(join_all(runs).await.iter().all(|report| report.status == Status::Complete));
        assert_eq!(stores.most_lookups(), 1);
        end(fleet, &stores).await;
    });
}

#[test]
fn what_many_runs_spend_is_recorded_together_and_of_each_for_itself() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let limited = |n| PipelineSettings { rate_limits: vec![limit(10, SECOND)], ..account(n) };
        let runs = (0..30).map(|n| sync(&fleet, limited(n), &obliging(30)));
        assert!(join_all(runs).await.iter().all(|report| report.status == Status::Complete));
        let records = stores.records();
        let alone: usize = records.iter().sum();
        assert!(records.len() * 3 < alone, "{} writes of {alone} records", records.len());
        for n in 0..30 {
            let spent = stores.of(&n.to_string()).load_spent(&"any".into()).await.expect("it is in memory");
            let counted: u32 = spent.counted.iter().map(|(_, requests)| requests).sum();
            // Those of its last window, and nobody else's.
            assert!((1..=10).contains(&(counted + spent.leased.1)), "account {n}: {spent:?}");
        }
        end(fleet, &stores).await;
    });
}

#[test]
fn refused_credentials_of_one_account_end_only_its_run() {
    use actors::permit::Endpoint;
    use actors::testing::Play;
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let refusing = ScriptedPlatform::obliging(30).playing(|call| match call.endpoint {
            Endpoint::Auth => Play::Unauthorized,
            _ => Play::Well,
        });
        let revoked = sync(&fleet, account("revoked"), &Rc::new(refusing));
        let others = join_all((0..5).map(|n| sync(&fleet, account(n), &obliging(30))));
        let (revoked, others) = tokio::join!(revoked, others);
        assert_eq!(
            (revoked.status, problems(&revoked)),
            (Status::Failed, vec![ProblemClass::CredentialsRefused])
        );
        assert_eq!(revoked.requests.total, 1);
        assert!(others.iter().all(|report| report.status == Status::Complete && report.problems.is_empty()));
        end(fleet, &stores).await;
    });
}

#[test]
fn the_idle_accounts_of_a_fleet_leave_a_single_one_as_fast_as_alone() {
    in_virtual_time(async {
        let stores = Rc::new(MemoryStores::default());
        let fleet = fleet(&stores, 256);
        let alone = sync(&fleet, account("alone"), &obliging(300)).await;
        let ended: HashMap<_, _> = join_all((0..20).map(|n| sync(&fleet, account(n), &obliging(1))))
            .await
            .into_iter()
            .map(|report| (report.account.clone(), report.status))
            .collect();
        assert!(ended.len() == 20 && ended.values().all(|status| *status == Status::Complete));
        let after = sync(&fleet, account("after"), &obliging(300)).await;
        assert_eq!(after.duration, alone.duration);
        end(fleet, &stores).await;
    });
}
