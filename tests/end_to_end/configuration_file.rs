//! Several accounts in a configuration file, and the commands that are about the program itself.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mock_platform::{EMAIL, MockPlatform, PASSWORD, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Postgres, bare, in_folder, outcome, quick_platform, start};

/// A file in a folder of its own with so many accounts, all of this platform.
fn folder_with(accounts: usize, platform: &MockPlatform, database: &Postgres) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("password"), PASSWORD).expect("writable");
    fs::write(folder.path().join("database"), database.url()).expect("writable");
    let mut text = format!(
        "api_url = '{}'\nemail = '{EMAIL}'\npassword = {{ file = 'password' }}\n\
         database_url = {{ command = ['cat', 'database'] }}\nrate_limit = 'none'\n",
        platform.url()
    );
    for number in 1..=accounts {
        text += &format!("\n[[accounts]]\nid = 'account-{number}'\n");
    }
    fs::write(folder.path().join("campaign-sync.toml"), text).expect("writable");
    folder
}

fn add(folder: &Path, lines: &str) {
    let path = folder.join("campaign-sync.toml");
    let text = fs::read_to_string(&path).expect("it was written");
    fs::write(path, text + lines).expect("writable");
}

#[test]
fn check_says_of_each_account_whether_it_logs_in() {
    let slow = Settings { auth_latency: Duration::from_millis(300), ..quick_platform(5) };
    let (platform, database) = (start(slow), Postgres::start());
    database.migrate();
    let folder = folder_with(12, &platform, &database);
    let (code, stdout, stderr) = outcome(in_folder(folder.path(), &["check"]));
    assert_eq!(code, 0, "{stdout} {stderr}");
    assert!(stdout.contains("valid, with 12 accounts") && stdout.contains("up to date"), "{stdout}");
    assert_eq!(stdout.lines().filter(|line| line.contains(&format!("{EMAIL} logs in"))).count(), 12);
    assert_eq!(platform.stats().count("auth", "200"), 12);
    assert!((2..=8).contains(&platform.stats().most_in_flight), "{}", platform.stats().most_in_flight);

    add(
        folder.path(),
        "\n[[accounts]]\nid = 'revoked'\npassword = { command = ['sh', '-c', 'echo s3cret >&2; echo wrong'] }\n",
    );
    let (code, stdout, stderr) = outcome(in_folder(folder.path(), &["check"]));
    assert_eq!(code, 1);
    assert!(!stderr.contains("s3cret"), "what a command says beside its secret is not shown: {stderr}");
    let wrong: Vec<&str> = stdout.lines().filter(|line| line.contains("WRONG")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("revoked") && wrong[0].contains("credentials"), "{stdout}");

    let (code, stdout, _) = outcome(in_folder(folder.path(), &["check", "--account", "account-3"]));
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("valid, with 1 account") && !stdout.contains("1 accounts"), "{stdout}");
    assert_eq!(platform.stats().count("auth", "200"), 12 + 12 + 1);
}

#[test]
fn an_account_that_never_answers_does_not_keep_the_others_from_being_checked() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("it has one");
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    database.migrate();
    let folder = folder_with(2, &platform, &database);
    let lines =
        format!("\n[[accounts]]\nid = 'silent'\napi_url = 'http://{address}'\nrequest_timeout = '50ms'\n");
    add(folder.path(), &lines);
    let (code, stdout, _) = outcome(in_folder(folder.path(), &["check"]));
    assert_eq!(code, 1);
    let line = stdout.lines().find(|line| line.contains("silent")).expect("it is named");
    assert!(line.contains("WRONG") && line.contains(&address.to_string()), "{stdout}");
    assert_eq!(stdout.lines().filter(|line| line.contains("logs in")).count(), 2, "{stdout}");
}

#[test]
fn a_file_that_is_wrong_is_exit_code_2_and_nothing_is_sent() {
    let (platform, database) = (start(quick_platform(5)), Postgres::start());
    let folder = folder_with(2, &platform, &database);
    add(folder.path(), "\n[[accounts]]\nid = 'account-1'\npasword = 's3cret'\n");
    for command in ["run", "check", "migrate", "runs"] {
        let (code, stdout, stderr) = outcome(in_folder(folder.path(), &[command]));
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("campaign-sync.toml line 15, column 1); did you mean password?"), "{stderr}");
        assert!(
            stderr.contains("two accounts have the id \"account-1\"") && !stderr.contains("s3cret"),
            "{stderr}"
        );
    }
    assert_eq!(platform.stats().connections, 0);
}

#[test]
fn the_mock_platform_and_the_manual_do_not_read_the_file() {
    let folder = tempfile::tempdir().expect("a directory");
    fs::write(folder.path().join("campaign-sync.toml"), "not toml").expect("writable");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has one").to_string();
    let (code, _, stderr) = outcome(in_folder(folder.path(), &["mock-platform", "--listen", &address]));
    assert!(code == 1 && stderr.contains("in use"), "{stderr}");
    assert_eq!(outcome(in_folder(folder.path(), &["man"])).0, 0);
    assert_eq!(outcome(in_folder(folder.path(), &["completions", "bash"])).0, 0);
    assert_eq!(outcome(in_folder(folder.path(), &["run"])).0, 2);
}

#[test]
fn a_signal_ends_a_program_that_waits_for_the_command_of_a_secret() {
    let folder = tempfile::tempdir().expect("a directory");
    let text = "password = { command = ['sh', '-c', 'echo $$ > id.new; mv id.new id; exec sleep 1000'] }\n\
        api_url = 'http://127.0.0.1:1'\nemail = 'a'\n";
    fs::write(folder.path().join("campaign-sync.toml"), text).expect("writable");
    let mut command = in_folder(folder.path(), &["run"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().expect("the binary starts");
    let id_file = folder.path().join("id");
    while !id_file.exists() {
        assert!(running.try_wait().expect("it is ours").is_none(), "it ended before the command began");
    }
    let id = Pid::from_raw(i32::try_from(running.id()).expect("a process id"));
    kill(id, Signal::SIGTERM).expect("it runs");
    let status = running.wait().expect("it ends");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    let left: i32 = fs::read_to_string(id_file).expect("written").trim().parse().expect("an id");
    kill(Pid::from_raw(left), Signal::SIGKILL).expect("it waits");
}

#[test]
fn completions_are_a_script_of_the_shell_that_knows_each_command_and_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, stderr) = outcome(bare(&["completions", shell]));
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        for word in ["dead-letters", "max-in-flight", "mock-platform", "config"] {
            assert!(script.contains(word), "{word} is not in the completions of {shell}");
        }
    }
    let folder = tempfile::tempdir().expect("a directory");
    let script = folder.path().join("script");
    fs::write(&script, outcome(bare(&["completions", "bash"])).1).expect("writable");
    let checked = Command::new("bash").arg("-n").arg(&script).status().expect("bash is there");
    assert!(checked.success());
    let complete = |words: &str, before: &str, word: &str| {
        let script = script.display();
        let asked = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _campaign__sync campaign-sync '{word}' {before}; echo ${{COMPREPLY[@]}}"
        );
        let completed = Command::new("bash").arg("-c").arg(asked).output().expect("bash is there");
        String::from_utf8_lossy(&completed.stdout).trim().to_owned()
    };
    assert_eq!(complete("campaign-sync dead-letters re", "dead-letters", "re"), "replay");
    assert_eq!(complete("campaign-sync run --rep", "run", "--rep"), "--report");
    let (code, _, stderr) = outcome(bare(&["completions", "cmd"]));
    assert!(code == 2 && stderr.contains("possible values: bash"), "{stderr}");
}

#[test]
fn the_manual_is_one_page_on_standard_output_or_one_for_each_command_in_a_folder() {
    let (code, page, _) = outcome(bare(&["man"]));
    assert_eq!(code, 0);
    assert!(page.contains(".TH campaign-sync 1") && page.contains("Exit codes of run"), "{page}");
    let folder = tempfile::tempdir().expect("a directory");
    let pages = folder.path().join("share/man1");
    let (code, stdout, stderr) = outcome(bare(&["man", "--dir", &pages.display().to_string()]));
    assert_eq!(code, 0, "{stderr}");
    let names: Vec<String> = fs::read_dir(&pages)
        .expect("it was made")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    assert!(stdout.starts_with(&format!("{} pages in ", names.len())), "{stdout} {names:?}");
    for name in ["campaign-sync.1", "campaign-sync-run.1", "campaign-sync-dead-letters-replay.1"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    let run = fs::read_to_string(pages.join("campaign-sync-run.1")).expect("it is there");
    assert!(run.contains("\\-\\-max\\-in\\-flight"), "{run}");
    let (code, _, stderr) = outcome(bare(&["man", "--dir", "/proc/nowhere"]));
    assert!(code == 1 && stderr.contains("/proc/nowhere"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_page_that_cannot_be_written_whole_is_an_error() {
    let mut command = bare(&["man"]);
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    command.stdout(full).stderr(Stdio::piped());
    let output = command.spawn().and_then(std::process::Child::wait_with_output).expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
