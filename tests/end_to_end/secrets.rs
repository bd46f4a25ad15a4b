//! Secrets that are replaced while the program runs, and secrets that are encrypted.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use mock_platform::{EMAIL, MockPlatform, PASSWORD};

use crate::support::{Postgres, bare, in_folder, outcome, quick_platform, start};

/// A folder with a configuration file whose one account has this password.
fn folder_with(password: &str, platform: &MockPlatform, database: &Postgres) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("database"), database.url()).expect("writable");
    let text = format!(
        "api_url = '{}'\nemail = '{EMAIL}'\nrate_limit = 'none'\ndatabase_url = {{ file = 'database' }}\n\
         [[accounts]]\nid = 'acme'\npassword = {password}\n",
        platform.url()
    );
    fs::write(folder.path().join("campaign-sync.toml"), text).expect("writable");
    folder
}

/// What it does with this on its standard input.
fn given(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_password_that_has_been_replaced_since_it_was_read_is_read_again_and_once_only() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    // As if it were rotated between the start of the program and its login.
    let rotated = |new: &str| {
        format!(
            "{{ command = ['sh', '-c', 'if [ -e read ]; then echo {new}; else touch read; echo old-s3cret; fi'] }}"
        )
    };
    let folder = folder_with(&rotated(PASSWORD), &platform, &database);
    let (code, stdout, stderr) = outcome(in_folder(folder.path(), &["run", "--report", "json"]));
    assert_eq!(code, 0, "{stdout} {stderr}");
    assert_eq!((platform.stats().count("auth", "401"), platform.stats().count("auth", "200")), (1, 1));
    assert!(stderr.contains("have been replaced: trying the new ones"), "{stderr}");
    assert!(!stderr.contains("s3cret") && !stderr.contains(PASSWORD), "{stderr}");

    let folder = folder_with(&rotated("another-s3cret"), &platform, &database);
    let (code, stdout, stderr) = outcome(in_folder(folder.path(), &["run", "--report", "json"]));
    assert_eq!(code, 1, "{stdout} {stderr}");
    assert!(stdout.contains("the platform refused the credentials"), "{stdout}");
    assert!(!format!("{stdout}{stderr}").contains("s3cret"), "{stdout} {stderr}");
    assert_eq!(platform.stats().count("auth", "401"), 1 + 2);
}

#[test]
fn a_password_is_encrypted_to_the_identity_that_is_set_and_a_run_decrypts_it() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let folder = folder_with("{ age = 'password.age' }", &platform, &database);
    let identity = Identity::generate();
    fs::write(folder.path().join("key.txt"), identity.to_string().expose_secret()).expect("writable");
    let with_identity = |arguments: &[&str]| {
        let mut command = in_folder(folder.path(), arguments);
        command.env("CAMPAIGN_SYNC_AGE_IDENTITY_FILE", "key.txt");
        command
    };
    let path = folder.path().join("password.age");
    // The configuration file names a secret that is not there yet, which is no matter here.
    let written =
        given(with_identity(&["secrets", "encrypt", "--output", "password.age"]), &format!("{PASSWORD}\n"));
    assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).expect("armored");
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !text.contains(PASSWORD), "{text}");

    let (code, stdout, stderr) = outcome(with_identity(&["run"]));
    assert_eq!(code, 0, "{stdout} {stderr}");
    let (code, _, stderr) = outcome(in_folder(folder.path(), &["run"]));
    assert!(code == 2 && stderr.contains("there is no identity to decrypt it with"), "{stderr}");

    let recipient = identity.to_public().to_string();
    let printed = given(bare(&["secrets", "encrypt", "--recipient", &recipient]), PASSWORD);
    assert!(printed.status.success(), "{printed:?}");
    assert_eq!(
        age::decrypt(&identity, &printed.stdout).expect("it is for this identity"),
        PASSWORD.as_bytes()
    );
}

#[test]
fn what_is_no_recipient_or_no_secret_is_refused_and_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().expect("a directory");
    let identity = Identity::generate();
    let (secret_key, recipient) = (identity.to_string(), identity.to_public().to_string());
    let encrypt = |recipients: &[&str], input: &str| {
        let output = ["secrets", "encrypt", "--output", "password.age"];
        let refused = given(in_folder(folder.path(), &[&output[..], recipients].concat()), input);
        (refused.status.code(), String::from_utf8(refused.stderr).expect("text"))
    };
    fs::write(folder.path().join("password.age"), "as it was").expect("writable");
    for (recipients, input, code, says) in [
        (&[][..], PASSWORD, 2, "--recipient is missing: name who is to decrypt it (--recipient age1…)"),
        (
            &["--recipient", secret_key.expose_secret()],
            PASSWORD,
            2,
            "the public key (age1…), not the identity",
        ),
        (
            &["--recipient", "bob"],
            PASSWORD,
            2,
            "what age-keygen prints as the public key (age1…), not \"bob\"",
        ),
        (&["--recipient", &recipient], "\n", 1, "there is no secret: write it to standard input"),
        (&["--recipient", &recipient], &"x".repeat(70_000), 1, "the secret is larger than 64 KiB"),
    ] {
        let (status, stderr) = encrypt(recipients, input);
        assert_eq!(status, Some(code), "{stderr}");
        assert!(stderr.contains(says) && !stderr.contains(secret_key.expose_secret()), "{stderr}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("password.age")).expect("it is there"), "as it was");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}
