//! Secrets that are encrypted with age.

use std::io::Write;

use ::age::armor::{ArmoredWriter, Format};
use ::age::x25519::{Identity, Recipient};

use super::*;

const SECRET: &str = "{ age = 'password.age' }";

fn key(identity: &Identity) -> String {
    identity.to_string().expose_secret().to_owned()
}

fn encrypted(text: &[u8], to: &Recipient, format: Format) -> Vec<u8> {
    let encryptor = ::age::Encryptor::with_recipients(std::iter::once(to as _)).unwrap();
    let armored = ArmoredWriter::wrap_output(Vec::new(), format).unwrap();
    let mut writer = encryptor.wrap_output(armored).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap().finish().unwrap()
}

/// A configuration file whose account's password is the file `password.age`, which holds these bytes.
fn file(rest: &str, bytes: &[u8]) -> Written {
    let file = Written::new(&format!("{rest}\n[[accounts]]\nid = 'a'\npassword = {SECRET}\n"));
    fs::write(file.folder().join("password.age"), bytes).unwrap();
    file
}

fn password(config: &RunConfig) -> String {
    only(&config.accounts).platform.password.newest().expose_secret().to_owned()
}

fn with(identity: &str) -> [(&str, &str); 3] {
    [REQUIRED[0], REQUIRED[1], ("CAMPAIGN_SYNC_AGE_IDENTITY", identity)]
}

#[test]
fn a_secret_is_decrypted_armored_or_not_with_the_identity_of_the_environment_or_of_the_file() {
    let identity = Identity::generate();
    for format in [Format::AsciiArmor, Format::Binary] {
        let file = file("", &encrypted(b"hunter3\n", &identity.to_public(), format));
        assert_eq!(password(&file.run("", &with(&key(&identity))).unwrap()), "hunter3");
    }
    let bytes = encrypted(b"hunter3", &identity.to_public(), Format::AsciiArmor);
    let file = file("age_identity = { file = 'key.txt' }", &bytes);
    let key = format!("# created: today\n# public key: {}\n{}\n", identity.to_public(), key(&identity));
    fs::write(file.folder().join("key.txt"), key).unwrap();
    assert_eq!(password(&file.run("", &REQUIRED[..2]).unwrap()), "hunter3");
}

#[test]
fn one_that_cannot_be_decrypted_says_why_and_shows_nothing() {
    let (identity, other) = (Identity::generate(), Identity::generate());
    let bytes = encrypted(b"hunter3", &identity.to_public(), Format::AsciiArmor);
    let too_large = encrypted(&[b'x'; 70_000], &identity.to_public(), Format::AsciiArmor);
    let (right, wrong) = (key(&identity), key(&other));
    for (bytes, identity, says) in [
        (
            &bytes[..],
            wrong.as_str(),
            "the file \"password.age\" is encrypted to another identity than age_identity",
        ),
        (&bytes[..bytes.len() / 2], &right, "the file \"password.age\" is"),
        (b"hunter3", &right, "the file \"password.age\" is not a file that age has encrypted, or is damaged"),
        (&too_large, &right, "the file \"password.age\" is larger than 64 KiB"),
        (&bytes, "hunter4", "cannot be decrypted: age_identity is not what age-keygen makes"),
    ] {
        let problems = file("", bytes).run("", &with(identity)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("password cannot be had: the file") && problems[0].contains(says),
            "{problems:?}"
        );
        assert!(problems[0].ends_with("(c.toml line 4, column 12)"), "{problems:?}");
        assert!(!problems[0].contains("hunter") && !problems[0].contains(&key(&other)), "{problems:?}");
    }
}

#[test]
fn without_an_identity_it_says_how_to_give_one() {
    let bytes = encrypted(b"hunter3", &Identity::generate().to_public(), Format::AsciiArmor);
    let problems = file("", &bytes).run("", &REQUIRED[..2]).unwrap_err();
    assert!(
        problems.len() == 1 && problems[0].contains("set CAMPAIGN_SYNC_AGE_IDENTITY_FILE"),
        "{problems:?}"
    );
    let itself = file("age_identity = { age = 'password.age' }", &bytes).run("", &REQUIRED[..2]).unwrap_err();
    assert!(
        itself.iter().any(|problem| problem.contains("an identity cannot be decrypted with itself")),
        "{itself:?}"
    );
}
