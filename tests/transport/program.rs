//! The whole program with an authority of one's own.

use std::process::{Command, Output};

use campaign_sync::private_postgres::throwaway;
use mock_platform::{EMAIL, PASSWORD};

use crate::certificates::{Authority, Valid, written};
use crate::listener::Listener;
use crate::platform::{address, quick_platform};

/// With no settings but these.
async fn run(words: Vec<String>, database_url: String) -> Output {
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_campaign-sync"));
        command.args(words).env_clear().current_dir("/");
        command.env("AD_PLATFORM_PASSWORD", PASSWORD).env("DATABASE_URL", database_url);
        command.output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn run_check_and_plan_believe_the_authority_of_the_ca_file_and_else_say_how_to_name_it() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("ours"));
    let platform = quick_platform();
    let front = Listener::encrypted(&authority.issues(&["127.0.0.1"], Valid::Now), address(&platform)).await;
    let postgres = throwaway().await.unwrap();
    postgres.create_database("ads").await.unwrap();
    let database = format!("host='{}' user=campaign_sync dbname=ads", postgres.socket_directory().display());
    let ask = |command: &str, ca: &str| {
        let words = format!(
            "{command} --api-url https://{} --email {EMAIL} --ca-file {ca} --rate-limit none --max-attempts 2 --retry connection=2/1ms/1ms --max-wait 1s",
            front.address
        );
        run(words.split(' ').map(str::to_owned).collect(), database.clone())
    };
    let other = written(folder.path(), "other.pem", &Authority::new("theirs").pem).display().to_string();
    let ours = written(folder.path(), "ours.pem", &authority.pem).display().to_string();
    for command in ["run", "check", "plan"] {
        let output = ask(command, &other).await;
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("name the file of its authority with --ca-file"), "{command}: {said}");
        assert!(!said.contains(PASSWORD), "{command}: {said}");
        assert_eq!(front.read(), b"", "{command}");
    }
    for command in ["run", "check", "plan"] {
        let output = ask(command, &ours).await;
        assert_eq!(output.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(platform.stop().count("sync", "200"), 3);
}
