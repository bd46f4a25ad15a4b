//! `serve` with operators, with strangers, with a reload and a stop: what it answers, shows and logs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::planted::Planted;
use crate::platform::{EchoingPlatform, Manners};
use crate::scene::{DATABASE, Running, Scene};
use crate::secret::Secret;
use crate::until::until;

/// Where a `serve` listens.
fn address(serving: &Running) -> String {
    let line = until("it serves", || {
        let log = serving.log();
        log.lines().find(|line| line.contains("\"serving\"")).map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    line["address"].as_str().unwrap().to_owned()
}

/// The answer's status and body; it is kept.
fn ask(scene: &Scene, address: &str, request: &str, token: Option<&Secret>, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let token = token.map(|token| format!("authorization: Bearer {}\r\n", token.text)).unwrap_or_default();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\n{token}connection: close\r\n");
    // Who is refused may not be read to the end.
    let _ = write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    scene.evidence.borrow_mut().add(format!("the answer to {request}"), &answer);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {text}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The first of what the status page is told, with all of the rows.
fn listen(scene: &Scene, address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let (mut heard, mut buffer) = (Vec::new(), [0; 65536]);
    while !String::from_utf8_lossy(&heard).contains("acme") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended");
        heard.extend(&buffer[..read]);
    }
    scene.evidence.borrow_mut().add("the status page's stream", &heard);
}

#[test]
fn a_service_shows_no_secret_to_its_operators_nor_to_strangers_nor_in_its_log() {
    let planted = Arc::new(Planted::new());
    let platform = EchoingPlatform::start(&planted);
    let scene = Scene::new(planted.clone(), &platform.url());
    let file = scene.without_database(&platform.url()) + "\n[[accounts]]\nid = 'zoo'\nschedule = '1s'\n";
    scene.write("campaign-sync.toml", &(DATABASE.to_owned() + &file));
    platform.behave(Manners::SyncsFail);
    let serving = scene.start("serve".to_owned(), scene.command("json", &["serve"]));
    let at = address(&serving);
    let operator = Some(&planted.operator);
    let stranger = Secret::around("a stranger's token", "s/", "=");
    assert_eq!(ask(&scene, &at, "POST /api/accounts/acme/run", operator, "").0, 202);
    for account in ["acme", "zoo"] {
        until("it has run", || {
            scene.look_around();
            let (_, body) = ask(&scene, &at, &format!("GET /api/accounts/{account}"), None, "");
            body.contains("\"last\":{").then_some(())
        });
    }
    let paths = [
        ("/", 200),
        ("/account?id=acme", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api/accounts", 200),
        ("/api/accounts/acme", 200),
        ("/api/runs?account=acme", 200),
        ("/api/dead-letters", 200),
        ("/api/openapi.json", 200),
        ("/api/accounts/nobody", 404),
        ("/nothing", 404),
        ("/api/runs?limit=x", 400),
    ];
    let look = || {
        for (path, status) in paths {
            assert_eq!(ask(&scene, &at, &format!("GET {path}"), operator, "").0, status, "{path}");
        }
        listen(&scene, &at);
    };
    look();
    for (request, token, body, status) in [
        ("POST /api/accounts/acme/run", None, "", 401),
        ("POST /api/accounts/acme/run", Some(&stranger), "", 401),
        ("POST /api/dead-letters/replay", operator, "{", 400),
        ("POST /api/dead-letters/replay", operator, r#"{"account":"nobody"}"#, 404),
        ("POST /api/dead-letters/replay", operator, &"x".repeat(100_000), 413),
        ("POST /api/accounts/acme/pause", operator, "", 200),
        ("POST /api/accounts/acme/run", operator, "", 409),
        ("POST /api/accounts/acme/resume", operator, "", 200),
        ("POST /api/dead-letters/replay", operator, r#"{"account":"acme"}"#, 202),
    ] {
        assert_eq!(ask(&scene, &at, request, token, body).0, status, "{request}");
    }
    look();

    // A file that is wrong is refused in the log.
    let [quoted, _] = planted.password.in_json();
    let right = std::fs::read_to_string(scene.path("campaign-sync.toml")).unwrap();
    scene.write("campaign-sync.toml", &format!("{right}password = \"{quoted}\"\n"));
    serving.signal(Signal::SIGHUP);
    until("it has refused the file", || serving.log().contains("must be").then_some(()));
    scene.write("campaign-sync.toml", &right);

    // Logins are refused, then it is stopped in the middle of a run.
    platform.behave(Manners::RefusesLogins(1));
    until("it can be run", || {
        (ask(&scene, &at, "POST /api/accounts/acme/run", operator, "").0 == 202).then_some(())
    });
    until("it was refused", || serving.log().contains("refused the credentials").then_some(()));
    look();
    platform.behave(Manners::SyncsHang);
    until("it can be run", || {
        (ask(&scene, &at, "POST /api/accounts/acme/run", operator, "").0 == 202).then_some(())
    });
    until("it syncs", || (platform.syncs() > 0).then_some(()));
    look();
    serving.signal(Signal::SIGTERM);
    let said = serving.end(&scene);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("\"level\":\"TRACE\""), "it was told to say all that it can");
    scene.keeps_its_secrets([&stranger]);
}
