//! The private PostgreSQL: starts by itself, keeps what it is given, ends with whoever started it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use campaign_sync::config::DatabaseConfig;
use campaign_sync::database::Database;
use campaign_sync::private_postgres::{
    Durability, PrivatePostgres, PrivatePostgresError, PrivatePostgresSettings, throwaway,
};
use nix::unistd::{Pid, geteuid, getpgid, getpgrp};
use tokio_postgres::{Client, NoTls};

/// Set for a copy of this test program that holds a server until it is killed.
const HOLD_IN: &str = "CAMPAIGN_SYNC_TEST_HOLD_IN";

fn settings(directory: &Path) -> PrivatePostgresSettings {
    PrivatePostgresSettings { directory: directory.to_owned(), durability: Durability::Throwaway }
}

async fn start(directory: &Path) -> PrivatePostgres {
    PrivatePostgres::start(&settings(directory)).await.unwrap()
}

async fn refused(directory: &Path) -> PrivatePostgresError {
    PrivatePostgres::start(&settings(directory)).await.err().expect("no server")
}

async fn client(postgres: &PrivatePostgres, dbname: &str) -> Client {
    let socket = postgres.socket_directory().to_str().unwrap();
    let config = format!("host='{socket}' user=campaign_sync dbname='{dbname}'");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(postgres: &PrivatePostgres, sql: &str) -> String {
    client(postgres, "postgres").await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn what_is_stored_is_there_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("in/a/new/directory");
    if geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let postgres = PrivatePostgres::start(&PrivatePostgresSettings {
        directory: directory.clone(),
        durability: Durability::Durable,
    })
    .await
    .unwrap();
    assert_eq!(ask(&postgres, "SHOW fsync").await, "on");
    let name = "quoted \"name\"";
    postgres.create_database(name).await.unwrap();
    postgres.create_database(name).await.unwrap();
    client(&postgres, name).await.batch_execute("CREATE TABLE kept AS SELECT 'é' AS x").await.unwrap();
    postgres.stop().await;

    let postgres = start(&directory).await;
    let kept: String =
        client(&postgres, name).await.query_one("SELECT x FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(kept, "é");
    assert_eq!(ask(&postgres, "SHOW server_encoding").await, "UTF8");
}

#[tokio::test]
async fn what_is_only_to_be_opened_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    if geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let directory = home.path().join("postgres");
    let config = DatabaseConfig { url: None, private_directory: Some(directory.clone()) };
    let opened = async || Database::open_existing(&config, "ads").await.unwrap();
    assert!(opened().await.is_none() && !directory.exists(), "there is no cluster");
    start(&directory).await.stop().await;
    assert!(opened().await.is_none(), "there is no database in it");
    assert!(opened().await.is_none(), "and none was made");
    let postgres = start(&directory).await;
    postgres.create_database("ads").await.unwrap();
    postgres.stop().await;
    opened().await.expect("now it is there").close().await;
}

#[tokio::test]
async fn nobody_else_can_reach_it() {
    let postgres = throwaway().await.unwrap();
    assert_eq!(ask(&postgres, "SHOW listen_addresses").await, "");
    let mode = fs::metadata(postgres.socket_directory()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_server_is_not_root_hears_no_ctrl_c_and_knows_no_secret() {
    let postgres = throwaway().await.unwrap();
    let id = postgres.process_id();
    let process = Path::new("/proc").join(id.to_string());
    assert_ne!(fs::metadata(&process).unwrap().uid(), 0);
    let status = fs::read_to_string(process.join("status")).unwrap();
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
    assert!(!geteuid().is_root() || groups.trim().is_empty(), "root's groups are left: {groups}");
    let group = getpgid(Some(Pid::from_raw(i32::try_from(id).unwrap()))).unwrap();
    assert_ne!(group, getpgrp());
    let environment = fs::read(process.join("environ")).unwrap();
    let variables: Vec<_> = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert!(variables.iter().all(|variable| !variable.starts_with("CARGO")), "{variables:?}");
}

#[tokio::test]
async fn a_dropped_server_is_gone_and_so_are_its_files() {
    let postgres = throwaway().await.unwrap();
    let directory = postgres.socket_directory().to_owned();
    let _open = client(&postgres, "postgres").await;
    let id = postgres.process_id();
    drop(postgres);
    assert!(nix::sys::signal::kill(Pid::from_raw(i32::try_from(id).unwrap()), None).is_err());
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("l".repeat(120));
    if geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let postgres = start(&directory).await;
    let socket = postgres.socket_directory().to_owned();
    assert!(!socket.starts_with(&directory));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(ask(&postgres, "SELECT 'here'").await, "here");
    let how = postgres.how_to_open("postgres");
    assert!(how.start.contains("-c unix_socket_permissions=0700 -k /tmp"), "{how}");
    postgres.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_a_crash_in_initdb_left_is_cleared_away() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("data.unfinished")).unwrap();
    fs::write(home.path().join("data.unfinished/PG_VERSION"), "15").unwrap();
    let postgres = start(home.path()).await;
    assert_eq!(ask(&postgres, "SELECT 'whole'").await, "whole");
    assert!(!home.path().join("data.unfinished").exists());
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_cluster() {
    let home = tempfile::tempdir().unwrap();
    let _first = start(home.path()).await;
    let message = refused(home.path()).await.to_string();
    assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
    assert!(message.contains("set DATABASE_URL"), "{message}");
}

#[tokio::test]
async fn a_cluster_of_another_version_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    start(home.path()).await.stop().await;
    fs::write(home.path().join("data/PG_VERSION"), "3\n").unwrap();
    let message = refused(home.path()).await.to_string();
    assert!(message.contains("made by PostgreSQL 3"), "{message}");
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    let home = tempfile::tempdir().unwrap();
    start(home.path()).await.stop().await;
    fs::write(home.path().join("data/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let message = refused(home.path()).await.to_string();
    assert!(message.contains("no_such_setting"), "{message}");
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_refused() {
    if !geteuid().is_root() {
        return; // only root can give a directory away
    }
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(12345), None).unwrap();
    let message = refused(home.path()).await.to_string();
    assert!(message.contains("belongs to another user (uid 12345)"), "{message}");
}

#[tokio::test]
async fn a_person_can_open_it_afterwards_with_the_commands_that_are_printed() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("it's a place");
    if geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let postgres = start(&directory).await;
    postgres.create_database("ads").await.unwrap();
    let how = postgres.how_to_open("ads");
    postgres.stop().await;

    let run = |command: &str| {
        let output = Command::new("sh").args(["-c", command]).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&how.start);
    let socket = fs::metadata(directory.join(".s.PGSQL.5432")).unwrap();
    let answer = run(&format!("{} -Atc 'SELECT current_database()'", how.psql));
    let refusal = refused(&directory).await;
    run(&how.stop);
    assert_eq!(answer.trim(), "ads");
    assert_eq!(socket.permissions().mode() & 0o777, 0o700, "nobody else can reach it then either");
    assert!(matches!(refusal, PrivatePostgresError::StartedByHand { .. }), "{refusal}");
    start(&directory).await.stop().await;
}

#[tokio::test]
async fn a_killed_process_takes_its_server_with_it_and_the_next_one_waits_for_that() {
    let home = tempfile::tempdir().unwrap();
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_copy_that_is_killed", "--nocapture"])
        .env(HOLD_IN, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding a server")), "the copy started no server");
    holder.kill().unwrap();
    holder.wait().unwrap();

    // It starts only once nothing of the old server is left, and finds that it was shut down in order.
    let postgres = start(home.path()).await;
    assert_eq!(ask(&postgres, "SELECT 'here'").await, "here");
    let log = fs::read_to_string(home.path().join("server.log")).unwrap();
    assert!(log.contains("database system was shut down at"), "{log}");
}

/// Does nothing when it is run as a test.
#[tokio::test]
async fn the_copy_that_is_killed() {
    let Some(directory) = env::var_os(HOLD_IN) else { return };
    let postgres = start(Path::new(&directory)).await;
    let _open = client(&postgres, "postgres").await;
    writeln!(std::io::stdout(), "holding a server").unwrap();
    std::future::pending::<()>().await;
}
