//! What only `serve` takes.

use super::file::Written;
use super::*;

fn serve(file: &str, flags: &str, variables: &[(&str, &str)]) -> Result<ServeConfig, InvalidConfig> {
    serve_bare(file, flags, &[&REQUIRED[..], variables].concat())
}

fn serve_bare(file: &str, flags: &str, variables: &[(&str, &str)]) -> Result<ServeConfig, InvalidConfig> {
    let file = Written::new(file);
    let Command::Serve(args) = command(&format!("serve --config {} {flags}", file.path().display())) else {
        panic!()
    };
    ServeConfig::load(&args, &environment(variables, ""))
}

#[test]
fn each_account_has_its_schedule_and_the_service_its_address_and_token() {
    let accounts = "[[accounts]]\nid = 'a'\n[[accounts]]\nid = 'b'\nschedule = '0 6 * * 1-5 Europe/Berlin'\n";
    let token = ("TOKEN", "0123456789abcdef");
    let file = format!("schedule = '15min'\nlisten = '[::1]:1'\napi_token = {{ env = 'TOKEN' }}\n{accounts}");
    let config = serve(&file, "", &[token]).unwrap();
    let schedules: Vec<String> = config.accounts.iter().map(|account| account.schedule.to_string()).collect();
    assert_eq!(schedules, ["15min", "0 6 * * 1-5 Europe/Berlin"]);
    assert_eq!(config.listener.address, "[::1]:1".parse().unwrap());
    assert_eq!(config.api_token.unwrap().newest().expose_secret(), token.1);

    let config = serve(accounts, "--schedule 2h --listen 127.0.0.1:0", &[]).unwrap();
    assert!(config.accounts.iter().all(|account| account.schedule.to_string() == "2h"), "a flag goes before");
    assert!(config.listener.address.ip().is_loopback() && config.api_token.is_none());
    let config = serve(accounts, "", &[]).unwrap();
    assert_eq!(
        (config.accounts[0].schedule.clone(), config.listener.address.port()),
        (Schedule::default(), 8090)
    );
}

#[test]
fn a_schedule_an_address_or_a_token_that_cannot_be_is_refused() {
    let refused = |file: &str, flags: &str, variables: &[(&str, &str)]| {
        serve(file, flags, variables).unwrap_err().to_string()
    };
    let message = refused("schedule = 'daily'\n", "", &[]);
    assert!(
        message.contains("schedule must be an interval") && message.contains("line 1, column 12"),
        "{message}"
    );
    assert!(refused("", "--listen 8090", &[]).contains("--listen must be an address and a port"));
    let message = refused("", "", &[("CAMPAIGN_SYNC_API_TOKEN", "short and guessed")]);
    assert!(message.contains("API token must be 16 to 512") && !message.contains("guessed"), "{message}");
}

#[test]
fn elsewhere_than_on_loopback_it_listens_over_tls_or_where_it_is_told_to_do_without() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let identity = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        (written(&format!("{name}.pem"), certificate), written(&format!("{name}.key"), key.serialize_pem()))
    };
    let ((ours, key), (_, other)) = (identity("ours"), identity("other"));
    let with = |flags: &str| serve("", flags, &[]).map_err(|problems| problems.to_string());
    for (flags, encrypted) in [
        ("--listen 127.0.0.2:1".to_owned(), false),
        (format!("--listen 0.0.0.0:1 --listen-certificate {ours} --listen-key {key}"), true),
        (format!("--listen-certificate {ours} --listen-key {key}"), true),
        ("--listen [::]:1 --listen-without-tls".to_owned(), false),
    ] {
        assert_eq!(with(&flags).unwrap().listener.tls.is_some(), encrypted, "{flags}");
    }
    assert!(serve("listen = '10.0.0.1:1'\nlisten_without_tls = true\n", "", &[]).is_ok());
    for (flags, says) in [
        ("--listen 0.0.0.0:1".to_owned(), "not \"0.0.0.0:1\" (flag --listen)"),
        (
            format!("--listen-certificate {ours}"),
            "--listen-key is missing: name the PEM file of the certificate's key",
        ),
        (format!("--listen-key {key}"), "--listen-certificate is missing"),
        (
            format!("--listen-certificate {ours} --listen-key {other}"),
            "is not the key of the certificate, so HTTP cannot be served with it",
        ),
        (format!("--listen-certificate {key} --listen-key {key}"), "holds no certificate"),
        (format!("--listen-certificate {ours} --listen-key {ours}"), "holds no private key"),
        (format!("--listen-certificate {ours} --listen-key nowhere"), "the file \"nowhere\" cannot be read"),
    ] {
        let problems = with(&flags).unwrap_err();
        assert!(problems.contains(says), "{flags}: {problems}");
    }
}

#[test]
fn check_refuses_what_serve_would_refuse() {
    let refused = |file: &str| {
        let file = Written::new(file);
        let Command::Check(args) = command(&format!("check --config {}", file.path().display())) else {
            panic!()
        };
        let variables = [&REQUIRED[..], &[("TOKEN", "too short")]].concat();
        CheckConfig::load(&args, &environment(&variables, "")).unwrap_err().to_string()
    };
    assert!(refused("api_token = { env = 'TOKEN' }\n").contains("API token must be 16 to 512"));
    assert!(refused("listen = '8090'\n").contains("listen must be an address and a port"));
}

#[test]
fn an_account_has_another_fingerprint_when_any_of_its_settings_is_another() {
    let file = |more: &str| format!("[[accounts]]\nid = 'a'\n{more}");
    let fingerprint = |more: &str, variables: &[(&str, &str)]| {
        serve(&file(more), "", variables).unwrap().accounts[0].fingerprint()
    };
    let plain = fingerprint("", &[]);
    assert_eq!(plain, fingerprint("", &[]));
    for more in ["concurrency = 3", "schedule = '5min'", "page_size = 3", "max_wait = '3s'"] {
        assert_ne!(plain, fingerprint(more, &[]), "{more}");
    }
    let login = "api_url = 'https://ads.example.com'\nemail = 'a@example.com'\npassword = { env = 'P' }\n";
    let with_password =
        |password| serve_bare(&file(login), "", &[("P", password)]).unwrap().accounts[0].fingerprint();
    assert_ne!(with_password("one"), with_password("two"));
}

#[test]
fn what_is_recorded_of_a_configuration_tells_its_settings_apart_and_no_secrets() {
    let file = |more: &str| format!("[[accounts]]\nid = 'a'\n{more}");
    let recorded = |file: &str| serve(file, "", &[]).unwrap().fingerprint();
    let plain = recorded(&file(""));
    assert_eq!(plain, recorded(&file("")));
    for other in ["concurrency = 3", "schedule = '5min'", "[[accounts]]\nid = 'b'"] {
        assert_ne!(plain, recorded(&file(other)), "{other}");
    }
    let login = "api_url = 'https://ads.example.com'\nemail = 'a@example.com'\npassword = { env = 'P' }\n";
    let with_password = |password| serve_bare(&file(login), "", &[("P", password)]).unwrap().fingerprint();
    assert_eq!(with_password("one"), with_password("two"));

    let with = |settings: &str, url: &str, token: &str| {
        let settings = format!("{settings}database_url = {{ env = 'URL' }}\n{}", file(""));
        serve(&settings, "", &[("URL", url), ("TOKEN", token)]).unwrap().fingerprint()
    };
    let (token, url) = ("api_token = { env = 'TOKEN' }\n", "host=db password=one");
    let of_service = [
        plain,
        with("", url, ""),
        with("listen = '127.0.0.1:1'\n", url, ""),
        with("max_in_flight = 3\n", url, ""),
        with("ca_file = 'ca.pem'\n", url, ""),
        with(token, url, "0123456789abcdef"),
        with("", "host=other password=one", ""),
        with("", "host=db password=one sslmode=require", ""),
        with("", "host=db password=one user=owner", ""),
    ];
    assert_eq!(of_service.iter().collect::<std::collections::HashSet<_>>().len(), of_service.len());
    assert_eq!(
        with(token, url, "0123456789abcdef"),
        with(token, "host=db password=two", "another-of-sixteen")
    );
}
