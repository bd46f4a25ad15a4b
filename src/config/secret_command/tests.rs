#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;

/// What `sh -c script` prints, in a folder of the test's own.
fn output_within(patience: Duration, script: &str, folder: &Path) -> Result<String, String> {
    let words: Words = ["sh", "-c", script].map(str::to_owned).into();
    let mut outputs = run_all(HashSet::from([words.clone()]), folder, patience);
    outputs.remove(&words).unwrap().map(|secret| secret.expose_secret().to_owned())
}

fn output(script: &str) -> Result<String, String> {
    output_within(PATIENCE, script, tempfile::tempdir().unwrap().path())
}

#[test]
fn a_secret_is_what_the_command_prints_without_the_last_newline() {
    for (script, secret) in [
        ("printf hunter3", "hunter3"),
        ("echo hunter3", "hunter3"),
        (r"printf 'hunter3\r\n'", "hunter3"),
        (r"printf ' a\nb \n\n'", " a\nb \n"),
        ("echo hunter3; echo s3cret >&2", "hunter3"),
        ("cat; echo hunter3", "hunter3"),
    ] {
        assert_eq!(output(script), Ok(secret.to_owned()), "{script}");
    }
}

#[test]
fn a_command_that_yields_no_secret_says_why_and_nothing_that_it_printed() {
    for (script, says) in [
        ("echo s3cret; echo s3cret >&2; exit 3", "failed: exit status: 3"),
        ("kill -9 $$", "failed: signal: 9"),
        ("true", "printed nothing"),
        ("echo", "printed nothing"),
        (r"printf 's3cret\377'", "printed what is not UTF-8"),
        ("yes s3cret", "printed more than 64 KiB"),
    ] {
        let reason = output(script).unwrap_err();
        assert!(reason.contains(says) && !reason.contains("s3cret"), "{script}: {reason}");
        assert!(reason.starts_with(r#"the command "sh" "#), "{reason}");
    }
    let words: Words = vec!["no-such-program-here".to_owned()];
    let reason = Outputs::default().of(&words, Path::new("/")).unwrap_err();
    assert!(reason.contains("cannot be run: No such file"), "{reason}");
}

#[test]
fn a_command_that_is_late_is_ended_with_whatever_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $! > started; wait";
    // Long enough to have started its child, whatever else the machine does.
    let reason = output_within(Duration::from_secs(2), script, folder.path()).unwrap_err();
    assert!(reason.contains("has not ended within 2 s"), "{reason}");
    let started: i32 = fs::read_to_string(folder.path().join("started")).unwrap().trim().parse().unwrap();
    // Its parent has gone, so init is to take it: it is there no more, or is dead.
    while let Ok(stat) = fs::read_to_string(format!("/proc/{started}/stat")) {
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if matches!(state, Some('Z' | 'X')) {
            break;
        }
    }
}

#[test]
fn a_command_runs_in_the_folder_of_the_configuration_without_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tell");
    fs::write(&program, "#!/bin/sh\nprintf '%s,%s' \"$(pwd)\" \"$1\"\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let words: Words = ["./tell", "$HOME; ls"].map(str::to_owned).into();
    let told = Outputs::default().of(&words, folder.path()).unwrap();
    let wanted = format!("{},$HOME; ls", folder.path().canonicalize().unwrap().display());
    assert_eq!(told.expose_secret(), wanted);
}

#[test]
fn a_command_is_run_once_however_many_ask() {
    let folder = tempfile::tempdir().unwrap();
    let words: Words = ["sh", "-c", "echo x >> runs; echo hunter3"].map(str::to_owned).into();
    let mut outputs = Outputs::default();
    outputs.run(HashSet::from([words.clone()]), folder.path());
    for _ in 0..3 {
        assert_eq!(outputs.of(&words, folder.path()).unwrap().expose_secret(), "hunter3");
    }
    assert_eq!(fs::read_to_string(folder.path().join("runs")).unwrap(), "x\n");
}

#[test]
fn one_late_command_does_not_keep_the_others_from_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let words = |script: String| -> Words { vec!["sh".to_owned(), "-c".to_owned(), script] };
    let quick = (0..20).map(|n| words(format!("echo {n}")));
    let late = words("sleep 1000".to_owned());
    let outputs = run_all(quick.chain([late.clone()]).collect(), folder.path(), Duration::from_secs(2));
    assert_eq!(outputs.len(), 21);
    assert_eq!(outputs.iter().filter(|(_, output)| output.is_err()).count(), 1);
    assert!(outputs[&late].is_err());
}
