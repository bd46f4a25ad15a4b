//! Each `sslmode` with servers of every kind: who is connected to, whether that is encrypted, and what is said where not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use actors::ports::StoreError;
use campaign_sync::store::{DatabaseUrl, PgStore};
use tempfile::TempDir;

use crate::certificates::{Authority, Valid, self_signed, written};
use crate::listener::Listener;
use crate::server::{Cluster, Server};

const HERE: &[&str] = &["127.0.0.1", "localhost"];
/// A cell of the table: a connection that is encrypted, one that is not, or an error that says this.
enum Cell {
    Encrypted,
    Plain,
    Says(&'static str),
}
use Cell::{Encrypted, Plain, Says};

const NO_TLS: Cell = Says("the server offers no TLS; switch it on there (ssl = on)");
const UNKNOWN: Cell =
    Says("issued by nobody who is believed here; name the file of its authority with sslrootcert");
const EXPIRED: Cell = Says("expired on 2020-01-01T00:00:00Z; renew it there");
const EARLY: Cell = Says("valid only from 2090-01-01T00:00:00Z on");
const OTHER_NAME: Cell = Says("not for 127.0.0.1 but for db.example");
const BOTH: Cell = Says("is that of an authority (CA:TRUE)");

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        written(self.folder.path(), name, text)
    }
}

fn url(server: &Server, user: &str, application: &str, options: &str) -> DatabaseUrl {
    let port = server.port;
    let text =
        format!("postgres://{user}@127.0.0.1:{port}/postgres?application_name={application}&{options}");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What became of a connection, in a line.
async fn outcome(
    server: &Server,
    url: &DatabaseUrl,
    application: &str,
) -> Result<Option<String>, StoreError> {
    let store = PgStore::connect(url).await?;
    let encryption = server.encryption_of(application).await;
    drop(store);
    Ok(encryption)
}

async fn assert_cell(server: &Server, user: &str, name: &str, options: &str, wanted: &Cell) {
    let application: String = name.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    let outcome = outcome(server, &url(server, user, &application, options), &application).await;
    let shown = match &outcome {
        Ok(Some(protocol)) => protocol.clone(),
        Ok(None) => "not encrypted".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("{name:<44} {shown}");
    match wanted {
        Encrypted => assert_eq!(shown, "TLSv1.3", "{name}"),
        Plain => assert_eq!(shown, "not encrypted", "{name}"),
        Says(words) => {
            let is_final = matches!(outcome, Err(StoreError::Broken(_)));
            assert!(is_final && shown.contains(words), "{name}: {shown}");
            assert!(shown.contains("database \"postgres\" at 127.0.0.1:"), "{name}: {shown}");
        }
    }
}

#[tokio::test]
async fn each_mode_connects_to_just_those_servers_that_it_promises() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let files = Files::new();
    let ca = files.write("ca.pem", &ours.pem);
    let with_ca = |mode: &str| format!("sslmode={mode}&sslrootcert={}", ca.display());
    let (require_ca, verify_ca, verify_full) =
        (with_ca("require"), with_ca("verify-ca"), with_ca("verify-full"));
    let own = self_signed(HERE, true);
    let modes = [
        ("disable", "sslmode=disable"),
        ("nothing", ""),
        ("prefer", "sslmode=prefer"),
        ("require", "sslmode=require"),
        ("require with a CA", &require_ca),
        ("verify-ca", &verify_ca),
        ("verify-full", &verify_full),
        ("verify-full, system", "sslmode=verify-full"),
    ];
    let cluster = Cluster::new().await;
    for (kind, identity, cells) in [
        ("no TLS", None, [Plain, Plain, Plain, NO_TLS, NO_TLS, NO_TLS, NO_TLS, NO_TLS]),
        (
            "good",
            Some(ours.issues(HERE, Valid::Now)),
            [Plain, Encrypted, Encrypted, Encrypted, Encrypted, Encrypted, Encrypted, UNKNOWN],
        ),
        (
            "another name",
            Some(ours.issues(&["db.example"], Valid::Now)),
            [Plain, Encrypted, Encrypted, Encrypted, Encrypted, Encrypted, OTHER_NAME, UNKNOWN],
        ),
        (
            "unknown issuer",
            Some(theirs.issues(HERE, Valid::Now)),
            [Plain, Encrypted, Encrypted, Encrypted, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN],
        ),
        (
            "expired",
            Some(ours.issues(HERE, Valid::Before)),
            [Plain, Encrypted, Encrypted, Encrypted, EXPIRED, EXPIRED, EXPIRED, EXPIRED],
        ),
        (
            "not yet valid",
            Some(ours.issues(HERE, Valid::Later)),
            [Plain, Encrypted, Encrypted, Encrypted, EARLY, EARLY, EARLY, EARLY],
        ),
        (
            "self-signed, an authority's",
            Some(own.clone()),
            [Plain, Encrypted, Encrypted, Encrypted, BOTH, BOTH, BOTH, BOTH],
        ),
    ] {
        let server = cluster.serve(identity.as_ref(), None).await;
        for ((mode, options), wanted) in modes.iter().zip(&cells) {
            assert_cell(&server, "bob", &format!("{kind}: {mode}"), options, wanted).await;
        }
    }
    // What is its own authority is believed where its file is named, but not as both at once.
    let server = cluster.serve(Some(&own), None).await;
    let options =
        format!("sslmode=verify-full&sslrootcert={}", files.write("own.pem", &own.certificate).display());
    assert_cell(&server, "bob", "own authority: verify-full", &options, &BOTH).await;
    drop(server);
    let own = self_signed(HERE, false);
    let server = cluster.serve(Some(&own), None).await;
    let options =
        format!("sslmode=verify-full&sslrootcert={}", files.write("own.pem", &own.certificate).display());
    assert_cell(&server, "bob", "self-signed and named: verify-full", &options, &Encrypted).await;
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_has_one_and_is_told_where_it_needs_one() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let files = Files::new();
    let (good, other) = (ours.issues(&["carol"], Valid::Now), theirs.issues(&["carol"], Valid::Now));
    let certificate = files.write("carol.crt", &good.certificate);
    let key = files.write("carol.key", &good.key);
    let options = |certificate: &Path, key: &Path| {
        format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let open = files.write("open.key", &good.key);
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    let (other_certificate, other_key) =
        (files.write("other.crt", &other.certificate), files.write("other.key", &other.key));
    let nothing = files.folder.path().join("nothing");

    let cluster = Cluster::new().await;
    let server = cluster.serve(Some(&ours.issues(HERE, Valid::Now)), Some(&ours.pem)).await;
    for (name, user, options, wanted) in [
        ("given", "carol", options(&certificate, &key), Encrypted),
        ("given, not demanded", "bob", options(&certificate, &key), Encrypted),
        ("missing", "carol", "sslmode=require".to_owned(), Says("a valid client certificate; correct in")),
        ("missing, and no TLS", "carol", "sslmode=disable".to_owned(), Says("encrypted or not (sslmode)")),
        (
            "a key that others can read",
            "carol",
            options(&certificate, &open),
            Says("open.key can be read by others; chmod 0600"),
        ),
        (
            "another key",
            "carol",
            options(&certificate, &other_key),
            Says("the key is not that of the certificate"),
        ),
        (
            "of another authority",
            "carol",
            options(&other_certificate, &other_key),
            Says("does not accept our certificate (alert 48)"),
        ),
        (
            "no such certificate",
            "carol",
            options(&nothing, &key),
            Says("its sslcert cannot be used: the file"),
        ),
        (
            "no such key",
            "carol",
            options(&certificate, &nothing),
            Says("its sslkey cannot be used: the file"),
        ),
        (
            "no such authority",
            "bob",
            format!("sslmode=verify-full&sslrootcert={}", nothing.display()),
            Says("its sslrootcert cannot be used: the file"),
        ),
        (
            "a key for an authority",
            "bob",
            format!("sslmode=verify-full&sslrootcert={}", key.display()),
            Says("holds no certificate"),
        ),
    ] {
        assert_cell(&server, user, name, &options, &wanted).await;
    }
}

#[tokio::test]
async fn whom_the_server_lets_in_only_without_tls_is_connected_without_unless_tls_is_demanded() {
    let cluster = Cluster::new().await;
    let server = cluster.serve(Some(&self_signed(HERE, false)), None).await;
    for (name, options, wanted) in [
        ("without: nothing", "", Plain),
        ("without: disable", "sslmode=disable", Plain),
        ("without: require", "sslmode=require", Says("no pg_hba.conf entry")),
    ] {
        assert_cell(&server, "erin", name, options, &wanted).await;
    }
}

#[tokio::test]
async fn where_the_servers_encryption_fails_prefer_does_without_and_require_does_not() {
    let cluster = Cluster::new().await;
    let server = cluster.serve(Some(&self_signed(HERE, false)), None).await;
    let front = Listener::that_breaks_its_promise(([127, 0, 0, 1], server.port).into()).await;
    let url = |mode: &str| {
        let text =
            format!("postgres://erin@{}/postgres?application_name=fails&sslmode={mode}", front.address);
        text.parse::<DatabaseUrl>().unwrap()
    };
    assert_eq!(outcome(&server, &url("prefer"), "fails").await, Ok(None));
    let refused = outcome(&server, &url("require"), "fails").await;
    assert!(matches!(&refused, Err(error) if error.to_string().contains("is not TLS")), "{refused:?}");
}

#[tokio::test]
async fn a_password_is_bound_to_the_connection_and_a_host_by_its_address_alone_has_a_certificate_too() {
    let ours = Authority::new("ours");
    let files = Files::new();
    let ca = files.write("it is ours.pem", &ours.pem);
    let cluster = Cluster::new().await;
    let server = cluster.serve(Some(&ours.issues(HERE, Valid::Now)), None).await;
    for (application, place) in [
        ("byname", "host=localhost"),
        ("byaddress", "hostaddr=127.0.0.1"),
        ("byboth", "host=localhost hostaddr=127.0.0.1"),
    ] {
        let text = format!(
            "{place} port={} user=dave password=hunter2 dbname=postgres channel_binding=require \
             application_name={application} sslmode=verify-full sslrootcert='{}'",
            server.port,
            ca.display()
        );
        let outcome = outcome(&server, &text.parse().unwrap(), application).await;
        assert_eq!(outcome.unwrap().as_deref(), Some("TLSv1.3"), "{place}");
    }
}

#[tokio::test]
async fn a_renewed_authority_is_read_by_the_next_connection() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new();
    let ca = files.write("ca.pem", &old.pem);
    let cluster = Cluster::new().await;
    let server = cluster.serve(Some(&new.issues(HERE, Valid::Now)), None).await;
    let url = url(&server, "bob", "renewed", &format!("sslmode=verify-full&sslrootcert={}", ca.display()));
    assert!(outcome(&server, &url, "renewed").await.is_err());
    files.write("ca.pem", &new.pem);
    assert_eq!(outcome(&server, &url, "renewed").await.unwrap().as_deref(), Some("TLSv1.3"));
}
