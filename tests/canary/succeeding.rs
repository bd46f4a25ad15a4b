//! What goes well: every command, with a platform that answers as it should.

use std::io::{Read, Write, copy};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campaign_sync::private_postgres::default_directory;
use mock_platform::{Fault, MockPlatform, Settings};

use crate::loopback_server::LoopbackServer;
use crate::planted::{EMAIL, Planted};
use crate::platform::{EchoingPlatform, Manners};
use crate::scene::{FORMATS, Scene};
use crate::secret::Secret;
use crate::until::until;

/// In front of the mock platform, which chooses its tokens itself.
struct Listener {
    answers: Arc<Mutex<Vec<u8>>>,
    server: LoopbackServer,
}

impl Listener {
    fn start(platform: SocketAddr) -> Self {
        let answers = Arc::<Mutex<Vec<u8>>>::default();
        let heard = answers.clone();
        let server = LoopbackServer::start(move |client| {
            let platform = TcpStream::connect(platform).unwrap();
            let (mut requests, mut to) = (client.try_clone().unwrap(), platform.try_clone().unwrap());
            std::thread::spawn(move || copy(&mut requests, &mut to));
            pass_on(platform, client, &heard);
        });
        Self { answers, server }
    }

    /// Every token that the platform has given.
    fn tokens(&self) -> Vec<Secret> {
        let heard = String::from_utf8_lossy(&self.answers.lock().unwrap()).into_owned();
        let given = heard.split("\"access_token\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        given
            .map(|token| Secret::with_core("a token", token.to_owned(), token.rsplit('_').next().unwrap()))
            .collect()
    }
}

/// Whoever listens hears an answer whole: there is but one login at a time.
fn pass_on(mut from: TcpStream, mut to: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        heard.lock().unwrap().extend(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

#[test]
fn no_command_that_does_what_it_should_shows_a_secret() {
    let planted = Arc::new(Planted::new());
    let settings = Settings {
        email: EMAIL.to_owned(),
        password: planted.password.text.clone(),
        campaigns: 40,
        rate_limits: vec![],
        list_error_every: Some(3),
        sync_latency: Duration::ZERO,
        faults: vec![(Fault::SuccessFalse, 0.3), (Fault::MalformedEntry, 0.5), (Fault::TokenDiesEarly, 0.7)],
        ..Settings::default()
    };
    let platform = MockPlatform::start(settings, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = Listener::start(platform.addr());
    let scene = Scene::new(planted, &listener.server.url());
    for (format, report) in FORMATS.into_iter().zip(["json", "table"]) {
        for (arguments, codes) in [
            ("migrate", [0, 0]),
            ("check", [0, 0]),
            ("plan --report", [0, 0]),
            // Some campaigns are spoilt, and some of those the next time again.
            ("run --fresh --report", [0, 3]),
            ("runs --report", [0, 0]),
            ("dead-letters list --report", [0, 0]),
            ("dead-letters replay --report", [0, 3]),
            ("audit --report", [0, 0]),
        ] {
            let mut arguments: Vec<&str> = arguments.split(' ').collect();
            if arguments.last() == Some(&"--report") {
                arguments.push(report);
            }
            let said = scene.run(format, &arguments);
            assert!(said.code.is_some_and(|code| codes.contains(&code)), "{arguments:?}: {said:?}");
        }
    }
    platform.calm();
    for arguments in ["run", "dead-letters discard --all --yes", "audit prune --yes"] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let said = scene.run("json", &arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    }
    // The database's URL in its other form, and the password in a file that a variable names.
    scene.write("password", &scene.planted.password.text);
    let mut command = scene.command("json", &["run"]);
    command
        .env("DATABASE_URL", scene.database.key_values(&scene.planted.database))
        .env("AD_PLATFORM_PASSWORD_FILE", "password");
    let said = scene.finish("run with variables".to_owned(), command);
    assert_eq!(said.code, Some(0), "{said:?}");
    std::fs::remove_file(scene.path("password")).unwrap();

    let tokens = listener.tokens();
    assert!(tokens.len() > 10, "{}", tokens.len());
    scene.keeps_its_secrets(&tokens);
    assert!(scene.evidence.borrow().has("the traces", "campaign-sync"));
}

#[test]
fn a_private_postgresql_is_given_no_secret() {
    // It is one for a user: the tests that need it take turns, also across processes.
    let turn = concat!(env!("CARGO_TARGET_TMPDIR"), "/private-postgres.turn");
    let turn = std::fs::File::create(turn).unwrap();
    turn.lock().unwrap();
    let planted = Arc::new(Planted::new());
    let platform = EchoingPlatform::start(&planted);
    let scene = Scene::new(planted, &platform.url());
    scene.write("campaign-sync.toml", &scene.without_database(&platform.url()));
    platform.behave(Manners::SyncsHang);
    let mut command = scene.command("json", &["run", "--fresh"]);
    command.env("XDG_DATA_HOME", scene.path("data"));
    let running = scene.start("run with a private PostgreSQL".to_owned(), command);
    until("it syncs", || (platform.syncs() > 0).then_some(()));
    scene.look_around();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let said = running.end(&scene);
    assert_eq!(said.code, Some(130), "{said:?}");
    let data = scene.path("data");
    let directory = default_directory(Some(data.as_os_str()), None).unwrap();
    let log = std::fs::read(directory.join("server.log")).unwrap();
    scene.evidence.borrow_mut().add("the private server's log", &log);
    assert!(scene.evidence.borrow().has("the private server's log", "ready to accept connections"));
    scene.shows_none([]);
}
