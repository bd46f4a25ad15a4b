//! A server of the test's own.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::{Actor, Addr};
use actix_rt::task::JoinHandle;
use actix_web::dev::ServerHandle;
use actors::model::{AccountId, Batch, DeadLetter, FailureClass};
use actors::ports::{Share, Store};
use actors::report::{AccountReport, Status};
use campaign_sync::private_postgres::{ThrowawayPostgres, throwaway};
use campaign_sync::rotating_secret::RotatingSecret;
use campaign_sync::serve::http::{Api, Check, serve};
use campaign_sync::serve::letters::LetterCounts;
use campaign_sync::serve::live::Live;
use campaign_sync::serve::scheduler::{AccountPlan, AccountStatus, Configure, Running, Scheduler, Snapshot};
use campaign_sync::store::PgStore;
use futures_util::FutureExt;
use jiff::Timestamp;

use tokio::sync::watch;

use crate::client::Client;

pub(crate) const TOKEN: &str = "an operator's token";

pub(crate) struct Serving {
    pub(crate) client: Client,
    pub(crate) scheduler: Addr<Scheduler>,
    accounts: watch::Receiver<Snapshot>,
    pub(crate) live: Live,
    pub(crate) letters: LetterCounts,
    pub(crate) store: PgStore,
    postgres: Option<ThrowawayPostgres>,
    api: Api,
    server: Option<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
}

pub(crate) fn plan(id: &str) -> AccountPlan {
    let schedule = "31d".parse().unwrap();
    AccountPlan { id: id.into(), schedule, fingerprint: 1, last_begun: None, paused_since: None }
}

pub(crate) fn check(name: &'static str, outcome: Option<Result<(), &'static str>>) -> Check {
    let run = move || match outcome {
        Some(outcome) => futures_util::future::ready(outcome.map_err(str::to_owned)).boxed_local(),
        None => futures_util::future::pending().boxed_local(),
    };
    Check { name, run: Arc::new(run) }
}

/// Runs the test with the accounts a, b and c, and ends the server.
pub(crate) fn serving(token: Option<&'static str>, checks: Vec<Check>, test: impl AsyncFnOnce(&mut Serving)) {
    actix_rt::System::new().block_on(async {
        let postgres = throwaway().await.unwrap();
        postgres.create_database("ads").await.unwrap();
        let store = PgStore::connect(&postgres.database_url("ads")).await.unwrap();
        store.migrate().await.unwrap();
        let (scheduler, accounts) = Scheduler::new(Rc::new(|id, _| endless(id)), Rc::new(Timestamp::now), 1);
        let scheduler = scheduler.start();
        scheduler.send(Configure(["a", "b", "c"].map(plan).to_vec())).await.unwrap();
        let (live, letters) = (Live::default(), LetterCounts::default());
        let api = Api {
            scheduler: scheduler.clone(),
            accounts: accounts.clone(),
            live: live.clone(),
            letters: letters.clone(),
            store: store.clone(),
            metrics: Arc::new(|| "campaign_sync_up 1\n".to_owned()),
            checks,
            pausing: Arc::default(),
            token: token.map(RotatingSecret::from),
        };
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let server = Some(start(listener, api.clone()));
        let client = Client::new(address).await;
        let postgres = Some(postgres);
        let mut serving =
            Serving { client, scheduler, accounts, live, letters, store, postgres, api, server };
        test(&mut serving).await;
        serving.stop().await;
    });
}

fn start(listener: TcpListener, api: Api) -> (ServerHandle, JoinHandle<std::io::Result<()>>) {
    let server = serve(listener, None, api).unwrap();
    (server.handle(), actix_rt::spawn(server))
}

fn endless(account: AccountId) -> Running {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let done = async move {
        let _ = stopped.await;
        report(&account, Status::Interrupted)
    };
    Running { stop: Box::new(|| stop.send(()).unwrap_or_default()), done: done.boxed_local() }
}

pub(crate) fn report(account: &AccountId, status: Status) -> AccountReport {
    AccountReport {
        account: account.clone(),
        run_id: None,
        status,
        listing_proven: false,
        resumed: false,
        campaigns: Default::default(),
        dead_lettered_by_class: Default::default(),
        requests: Default::default(),
        restarts: Default::default(),
        duration: Duration::from_secs(1),
        lower_bound: Duration::ZERO,
        quota_back_in: None,
        limits: vec![],
        problems: vec![],
    }
}

/// At a port that the kernel gives to nobody who asks for any: it has to be free when the server starts again.
fn listener() -> TcpListener {
    let bind = |_| TcpListener::bind(("127.0.0.1", rand::random_range(20_000..30_000))).ok();
    (0..100).find_map(bind).unwrap()
}

impl Serving {
    /// The HTTP, and nothing else.
    pub(crate) async fn stop(&mut self) {
        let Some((handle, ended)) = self.server.take() else { return };
        handle.stop(true).await;
        ended.await.unwrap().unwrap();
    }

    /// At the same address.
    pub(crate) fn start_again(&mut self) {
        let listener = TcpListener::bind(self.client.address).unwrap();
        self.server = Some(start(listener, self.api.clone()));
    }

    pub(crate) fn stop_database(&mut self) {
        drop(self.postgres.take());
    }

    /// The account as the scheduler has it.
    pub(crate) fn account(&self, id: &str) -> Arc<AccountStatus> {
        self.accounts.borrow()[&AccountId::from(id)].clone()
    }

    /// A statement, past the store.
    pub(crate) async fn sql(&self, statement: &str) {
        let postgres = self.postgres.as_ref().unwrap();
        let socket = postgres.socket_directory().display();
        let config = format!("host='{socket}' user=campaign_sync dbname=ads");
        let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
        let driver = actix_rt::spawn(connection);
        client.batch_execute(statement).await.unwrap();
        driver.abort();
    }

    /// A run of the account that gave up on so many campaigns, all at the same time.
    pub(crate) async fn run(&self, account: &str, letters: usize) {
        let run = self.store.begin_run(&account.into(), None).await.unwrap();
        let now = SystemTime::now();
        let letter = |n| DeadLetter {
            id: format!("c-{n}").as_str().into(),
            class: if n == 0 { FailureClass::Malformed } else { FailureClass::Timeout },
            message: "it was never answered".to_owned(),
            attempts: 8,
            payload: "{}".into(),
            first_failed_at: now,
            last_failed_at: now,
        };
        let batch = Batch { synced: vec![], dead_letters: (0..letters).map(letter).collect() };
        self.store.commit(&[Share { run: Arc::new(run.clone()), batch }]).await.unwrap();
        self.store.finish_run(&run, &report(&run.account, Status::Partial)).await.unwrap();
    }
}
