//! What goes wrong: at the platform, at the database, with the settings, and with the program itself.

use std::io::{Read, Write};
use std::sync::Arc;

use age::secrecy::ExposeSecret;

use crate::loopback_server::LoopbackServer;
use crate::planted::{EMAIL, Planted};
use crate::platform::{EchoingPlatform, Manners, SPELLINGS};
use crate::scene::{FORMATS, Scene};
use crate::secret::Secret;
use crate::until::until;

fn staged() -> (EchoingPlatform, Scene) {
    let planted = Arc::new(Planted::new());
    let platform = EchoingPlatform::start(&planted);
    let scene = Scene::new(planted, &platform.url());
    (platform, scene)
}

#[test]
fn what_a_platform_repeats_of_a_request_is_not_passed_on() {
    let (platform, scene) = staged();
    for spelling in 0..SPELLINGS {
        platform.behave(Manners::RefusesLogins(spelling));
        for command in [&["check"][..], &["plan"], &["run", "--report", "json"]] {
            let said = scene.run(FORMATS[spelling % 2], command);
            assert_eq!(said.code, Some(1), "{said:?}");
            let all = said.stdout + &said.stderr;
            assert!(all.contains("refused the credentials") && all.contains("[secret]"), "{all}");
        }
    }
    for (manners, code, says) in [
        (Manners::ListsFail, 1, "answered 500"),
        (Manners::ListsAreWrong, 1, "what the API does not promise"),
        (Manners::ListsAreNoJson, 1, "what the API does not promise"),
        (Manners::Redirects, 1, "answered 302"),
        (Manners::CutsOff, 1, "its body broke off after"),
        (Manners::ForgetsTokens, 1, "answered 403"),
        (Manners::SyncsAreWrong, 3, "what the API does not promise"),
        (Manners::SyncsFail, 3, "answered 400"),
    ] {
        for (format, report) in FORMATS.into_iter().zip(["table", "json"]) {
            platform.behave(manners);
            let said = scene.run(format, &["run", "--fresh", "--report", report]);
            assert_eq!(said.code, Some(code), "{manners:?}: {said:?}");
            assert!(said.stderr.contains(says), "{manners:?}: {said:?}");
            assert!(platform.requests() > 1, "{manners:?}");
        }
    }
    // What is left of it in the tables, shown, tried again and thrown away.
    for report in ["table", "json"] {
        let said = scene.run("pretty", &["dead-letters", "list", "--report", report]);
        assert!(said.code == Some(0) && said.stdout.contains("answered 400"), "{said:?}");
        assert_eq!(scene.run("pretty", &["dead-letters", "replay", "--report", report]).code, Some(3));
        assert_eq!(scene.run("pretty", &["runs", "--report", report]).code, Some(0));
        assert_eq!(scene.run("pretty", &["audit", "--report", report]).code, Some(0));
    }
    assert_eq!(scene.run("json", &["dead-letters", "discard", "--all", "--yes"]).code, Some(0));
    scene.keeps_its_secrets([]);
}

#[test]
fn a_token_in_an_entry_is_data_but_what_is_said_of_the_entry_does_not_repeat_it() {
    let (platform, scene) = staged();
    platform.behave(Manners::EntriesAreWrong);
    for report in ["table", "json"] {
        let said = scene.run("json", &["run", "--fresh", "--report", report]);
        assert_eq!(said.code, Some(3), "{said:?}");
    }
    assert_eq!(scene.run("json", &["dead-letters", "list"]).code, Some(0));
    scene.database.execute("UPDATE dead_letters SET payload = ''");
    // The statement that stored the payload is in the server's log, which was told to log everything.
    let leaks = scene.leaks([]);
    let elsewhere: Vec<_> = leaks.iter().filter(|leak| !leak.contains("is in the server's log")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

/// A server that takes whatever comes for plain HTTP.
fn saying_no_tls() -> LoopbackServer {
    LoopbackServer::start(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    })
}

fn with_a_certificate_of_nobody() -> LoopbackServer {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    LoopbackServer::start(move |mut stream| {
        // Who does not believe it leaves.
        let _ = rustls::ServerConnection::new(config.clone()).unwrap().complete_io(&mut stream);
    })
}

#[test]
fn a_way_that_cannot_be_encrypted_or_reached_tells_no_secret() {
    let (platform, scene) = staged();
    let (plain, untrusted) = (saying_no_tls(), with_a_certificate_of_nobody());
    let encrypted = |server: &LoopbackServer| server.url().replace("http:", "https:");
    for (api_url, says) in [
        (encrypted(&plain), "is not TLS"),
        (encrypted(&untrusted), "issued by nobody who is believed here"),
        ("http://127.0.0.1:1".to_owned(), "refused"),
    ] {
        scene.configure(&api_url);
        for (command, format) in ["check", "plan"].into_iter().zip(FORMATS) {
            let said = scene.run(format, &[command]);
            assert!(said.code == Some(1) && format!("{said:?}").contains(says), "{said:?}");
        }
    }
    scene.configure(&platform.url());
    let right = scene.database.url(&scene.planted.database);
    let wrong = Secret::around("a wrong password", "w/\"ö+", "@");
    let urls = [
        (scene.database.url(&wrong), 1, "password authentication failed"),
        (scene.database.key_values(&wrong), 1, "password authentication failed"),
        (right.replace("sslmode=disable", "sslmode=require"), 1, "the server offers no TLS"),
        (right.replace("/ads", "/nobodys"), 1, "nobodys"),
        (right.replace("sslmode=disable", "sslmode=disable&nonsense=1"), 2, "database URL"),
        (right.replace("postgres://canary:", "postgres://canary@@:"), 2, "database URL"),
        (right.replace("127.0.0.1", "127.0.0.1:x"), 2, "database URL"),
    ];
    for (number, (url, code, says)) in urls.iter().enumerate() {
        for command in ["check", "runs", "migrate", "audit"] {
            let mut command = scene.command(FORMATS[number % 2], &[command]);
            command.env("DATABASE_URL", url);
            let said = scene.finish(format!("a command with database URL {number}"), command);
            assert_eq!(said.code, Some(*code), "{number}: {said:?}");
            assert!((said.stdout + &said.stderr).contains(says), "{number}");
        }
    }
    scene.shows_none([&wrong]);
}

#[test]
fn settings_that_are_wrong_are_refused_without_what_they_hold() {
    let (platform, scene) = staged();
    let Planted { password, operator, identity, .. } = &*scene.planted;
    let [quoted, _] = password.in_json();
    scene.write("bad.age", &std::fs::read_to_string(scene.path("database.age")).unwrap().replace('A', "B"));
    let head = format!("api_url = '{}'\nemail = '{EMAIL}'\n[[accounts]]\nid = 'acme'\n", platform.url());
    for (settings, says) in [
        (format!("{head}password = \"{quoted}\"\n"), "password"),
        (format!("{head}password = {{ env = \"{quoted}\" }}\n"), "password"),
        (format!("{head}password = {{ \"{quoted}\" = 'a' }}\n"), "password"),
        (format!("{head}password = {}\n", password.text), "not TOML"),
        (format!("{head}\"{quoted}\" = 'a'\n"), "unknown setting"),
        (format!("{head}pasword = \"{quoted}\"\n"), "unknown setting"),
        (format!("api_token = '{}'\n{head}", operator.text), "api_token"),
        (format!("age_identity = '{}'\n{head}", identity.text), "age_identity"),
        (format!("{head}api_url = \"https://ann:{quoted}@ads.example.com\"\n"), "api_url"),
        (format!("{head}otlp_endpoint = \"https://ann:{quoted}@ads.example.com\"\n"), "otlp_endpoint"),
        (
            format!(
                "{head}password = {{ command = ['sh', '-c', 'cat the-operators-token; cat the-operators-token-aside >&2; exit 3'] }}\n"
            ),
            "failed",
        ),
        (
            format!(
                "{head}password = {{ command = ['sh', '-c', 'cat the-operators-token; printf \"\\\\377\"'] }}\n"
            ),
            "UTF-8",
        ),
        (
            format!("age_identity = {{ file = 'other.txt' }}\n{head}password = {{ age = 'database.age' }}\n"),
            "another identity",
        ),
        (
            format!(
                "age_identity = {{ file = 'the-operators-token' }}\n{head}password = {{ age = 'database.age' }}\n"
            ),
            "age-keygen",
        ),
        (
            format!("age_identity = {{ file = 'key.txt' }}\n{head}password = {{ age = 'bad.age' }}\n"),
            "damaged",
        ),
    ] {
        let other = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        scene.write("other.txt", &other);
        scene.write("campaign-sync.toml", &settings);
        for (command, format) in ["run", "check", "serve"].into_iter().zip(FORMATS.into_iter().cycle()) {
            let said = scene.run(format, &[command]);
            assert!(said.code == Some(2) && said.stderr.contains(says), "{settings}: {said:?}");
        }
    }
    scene.configure(&platform.url());
    scene.write(".env", &format!("CANARY = {}\nAD_PLATFORM_PASSWORD=\"{}\n", operator.text, password.text));
    let said = scene.run("json", &["run"]);
    assert!(said.code == Some(2) && said.stderr.contains(".env"), "{said:?}");
    std::fs::remove_file(scene.path(".env")).unwrap();
    let said = scene.run("json", &["secrets", "encrypt", "--recipient", "age1nobody"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    scene.shows_none([]);
}

#[test]
fn a_program_that_cannot_go_on_panics_or_ends_without_a_secret() {
    let (platform, scene) = staged();
    let mut panicked = 0;
    // With so few files open at once, something deep down fails, and each time something else.
    for files in 4..24 {
        platform.behave(Manners::Good);
        let said = scene.with_files(files, FORMATS[files % 2], &["check"]);
        panicked += usize::from(said.stderr.contains("panicked at"));
    }
    assert!(panicked > 0, "it was to panic");
    // Or it is stopped in the middle, by whoever has had enough.
    platform.behave(Manners::SyncsHang);
    for format in FORMATS {
        platform.behave(Manners::SyncsHang);
        let running =
            scene.start("a run that is stopped".to_owned(), scene.command(format, &["run", "--fresh"]));
        until("it syncs", || {
            scene.look_around();
            (platform.syncs() > 0).then_some(())
        });
        running.signal(nix::sys::signal::Signal::SIGTERM);
        let said = running.end(&scene);
        assert_eq!(said.code, Some(130), "{said:?}");
    }
    scene.keeps_its_secrets([]);
}
