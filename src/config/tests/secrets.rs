//! Secrets, from the environment and from files.

use std::path::Path;

use super::*;

fn with_password_file(path: &Path, dot_env: &str) -> Result<RunConfig, Vec<String>> {
    let variables = [REQUIRED[0], REQUIRED[1], ("AD_PLATFORM_PASSWORD_FILE", path.to_str().unwrap())];
    run_bare("", &environment(&variables, dot_env))
}

#[test]
fn a_secret_is_read_from_its_file_without_the_last_newline() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    for (content, password) in [
        ("hunter3", "hunter3"),
        ("hunter3\n", "hunter3"),
        ("hunter3\r\n", "hunter3"),
        (" a\nb \n\n", " a\nb \n"),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(
            only(&with_password_file(&path, "").unwrap().accounts).platform.password.newest().expose_secret(),
            password
        );
    }
    std::fs::write(&path, "host=db\n").unwrap();
    let config = run("", &[("DATABASE_URL_FILE", path.to_str().unwrap())], "").unwrap();
    assert!(config.database.url.unwrap().to_string().contains("at db:5432"));
}

#[test]
fn a_secret_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    let problem = |path: &Path| {
        let problems = with_password_file(path, "").unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(path.to_str().unwrap()), "{}", problems[0]);
        assert!(problems[0].contains("environment variable AD_PLATFORM_PASSWORD_FILE"), "{}", problems[0]);
        problems[0].clone()
    };
    assert!(problem(&path).contains("No such file"));
    assert!(problem(directory.path()).contains("cannot be read"));
    for (content, says) in [
        (b"".to_vec(), "is empty"),
        (b"\n".to_vec(), "is empty"),
        (vec![0xff], "UTF-8"),
        (vec![b'x'; 65_537], "64 KiB"),
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(problem(&path).contains(says), "{}", problem(&path));
    }
}

#[test]
fn a_secret_and_its_file_exclude_each_other_unless_one_is_only_in_dot_env() {
    let both = [("AD_PLATFORM_PASSWORD_FILE", "/nowhere")];
    let wanted = "both are set, only one can be: environment variable AD_PLATFORM_PASSWORD and environment variable AD_PLATFORM_PASSWORD_FILE";
    assert_eq!(run("", &both, "").unwrap_err(), [wanted]);
    let dot_env = "AD_PLATFORM_PASSWORD_FILE=/nowhere";
    assert_eq!(
        only(&run("", &[], dot_env).unwrap().accounts).platform.password.newest().expose_secret(),
        "hunter2"
    );
    let dot_env = "AD_PLATFORM_PASSWORD=a\nAD_PLATFORM_PASSWORD_FILE=b";
    let problems = run_bare("", &environment(&REQUIRED[..2], dot_env)).unwrap_err();
    assert!(problems[0].contains(".env line 1") && problems[0].contains(".env line 2"), "{problems:?}");
    let flag = run("--database-url host=flag", &[("DATABASE_URL", "host=variable")], "").unwrap();
    assert!(flag.database.url.unwrap().to_string().contains("at flag:5432"));
}

#[test]
fn no_debug_output_and_no_error_shows_a_secret() {
    let config = run("", &[("DATABASE_URL", "host=db password=s3cret")], "").unwrap();
    let mock = mock("", &REQUIRED[2..]).unwrap();
    for shown in [format!("{config:?}"), format!("{mock:?}")] {
        assert!(!shown.contains("hunter2") && !shown.contains("s3cret"), "{shown}");
    }
    let problems =
        run("--api-url https://ann:s3cret@ads.example.com", &[("DATABASE_URL", "s3cret")], "").unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(!problems.concat().contains("s3cret"), "{problems:?}");
}
