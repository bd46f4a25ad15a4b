//! The search itself: it finds what is planted for it to find, in every kind of place and however it is written.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::evidence::Evidence;
use crate::planted::Planted;
use crate::platform::EchoingPlatform;
use crate::scene::Scene;
use crate::secret::Secret;
use crate::until::until;

/// All that the other tests promise to find.
fn spellings(secret: &Secret) -> Vec<String> {
    let ([least, most], url) = (secret.in_json(), secret.in_url());
    let in_json = serde_json::to_string(&format!("{{\"a\":\"{least}\"}}")).unwrap();
    let base64 = [secret.in_base64(), secret.in_base64().replace('+', "-").replace('/', "_")];
    let in_base64 = ["", "a", "ab"].map(|before| {
        let with = Secret::with_core("", format!("{before}{}z", secret.text), "z");
        with.in_base64()
    });
    let debug = [format!("{:?}", secret.text), format!("{:?}", secret.text.as_bytes())];
    let mut all = vec![secret.text.clone(), least, most, in_json, url, secret.in_html()];
    all.extend(base64.into_iter().chain(in_base64).chain(debug));
    all.extend([secret.in_hex(), secret.in_hex().to_uppercase()]);
    all
}

#[test]
fn a_secret_is_found_however_it_is_written_and_even_where_half_of_what_is_around_it_is_missing() {
    let planted = Planted::new();
    for secret in planted.all() {
        for spelling in spellings(secret) {
            let mut evidence = Evidence::default();
            evidence.add("here", format!("before {spelling} after").as_bytes());
            assert_eq!(evidence.leaks([secret]).len(), 1, "{spelling}");
            let others = planted.all().filter(|other| other.text != secret.text);
            assert!(evidence.leaks(others).is_empty(), "{spelling}");
        }
        let mut evidence = Evidence::default();
        evidence.add("bytes", &[b"\xff\xc3\x00", secret.text.as_bytes(), b"\xff"].concat());
        assert_eq!(evidence.leaks([secret]).len(), 1);
    }
    let mut evidence = Evidence::default();
    evidence.add("here", planted.basic().as_bytes());
    assert_eq!(evidence.leaks(planted.all()).len(), 1, "the password, in what the login sends");
}

#[test]
fn a_leak_is_found_wherever_it_is_planted() {
    let planted = Arc::new(Planted::new());
    let platform = EchoingPlatform::start(&planted);
    let scene = Scene::new(planted, &platform.url());
    let kinds = [
        ("output", "standard output of a speaker"),
        ("error", "standard error of a speaker"),
        ("row", "the database"),
        ("statement", "the server's log"),
        ("trace", "the traces"),
        ("file", "the file "),
        ("name", "a file's name"),
        ("words", "a command line"),
        ("variable", "the environment of "),
    ];
    let leaked = kinds.map(|(kind, _)| Secret::around(kind, "", ""));
    let [output, error, row, statement, trace, file, name, words, variable] = &leaked;
    assert_eq!(scene.leaks(&leaked), [] as [String; 0]);

    scene.write("said", &output.text);
    scene.write("told", &error.in_base64());
    let mut speaker = Command::new("sh");
    speaker.args(["-c", "cat said; cat told >&2; rm said told"]).current_dir(scene.path(""));
    scene.finish("a speaker".to_owned(), speaker);
    let [in_json, _] = row.in_json();
    scene.database.execute(&format!("CREATE TABLE leaked AS SELECT '{in_json}' AS text"));
    scene.database.execute(&format!("SELECT '{}'", statement.in_hex()));
    scene.tell_the_collector(&trace.text);
    scene.write("left", &file.in_url());
    scene.write(&name.text, "");
    let mut process = Command::new("sh");
    process.args(["-c", "read -r _", &words.text]).env("LEAKED", &variable.text).stdin(Stdio::piped());
    let mut process = process.spawn().unwrap();
    let shows = |path: &str| std::fs::read_to_string(format!("/proc/{}/{path}", process.id())).ok();
    until("it shows itself", || shows("cmdline").filter(|line| line.contains(&words.text)));
    scene.look_around();
    process.kill().unwrap();
    process.wait().unwrap();

    let found = scene.leaks(&leaked);
    for (kind, place) in kinds {
        let is_it = |leak: &String| leak.starts_with(&format!("{kind} is in {place}"));
        assert!(found.iter().any(is_it), "{kind}: {found:#?}");
    }
}
