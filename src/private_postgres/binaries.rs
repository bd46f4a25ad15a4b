//! Finds the installed server programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::PrivatePostgresError;

/// Where packages put what they keep out of `PATH`: Debian and Ubuntu, Red Hat, Homebrew on ARM and on Intel,
/// Postgres.app. The `*` stands for one path component's rest.
const USUAL_PLACES: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The directory of `postgres` and `initdb`: of the given major version, else of the first found.
pub(super) fn find(cluster: Option<(u32, PathBuf)>) -> Result<PathBuf, PrivatePostgresError> {
    let found = candidates();
    let Some((wanted, data)) = cluster else {
        return found.into_iter().next().ok_or_else(|| PrivatePostgresError::NoServerPrograms {
            looked_in: format!("PATH, pg_config --bindir, {}", USUAL_PLACES.join(", ")),
        });
    };
    let mut versions: Vec<String> = Vec::new();
    for bin in found {
        match major_version(&bin) {
            Some(version) if version == wanted => return Ok(bin),
            Some(version) => versions.push(version.to_string()),
            None => {}
        }
    }
    versions.dedup();
    let installed = if versions.is_empty() { "no other version".to_owned() } else { versions.join(", ") };
    Err(PrivatePostgresError::WrongVersion { cluster: wanted, installed, data })
}

/// In the order of preference, without repeats.
fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&path).collect();
    places.extend(pg_config());
    places.extend(USUAL_PLACES.iter().flat_map(|pattern| expand(pattern)));
    let mut found = Vec::new();
    for place in places {
        // A link in PATH leads to the directory where the server finds the rest of itself.
        let Ok(postgres) = fs::canonicalize(place.join("postgres")) else { continue };
        let Some(bin) = postgres.parent().map(Path::to_owned) else { continue };
        if bin.join("initdb").exists() && !found.contains(&bin) {
            found.push(bin);
        }
    }
    found
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let bindir = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(bindir.trim()))
}

/// The directories that a pattern with one `*` stands for, the newest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let (before, after) = pattern.split_once('*').expect("each usual place has a star");
    let (parent, prefix) = before.rsplit_once('/').expect("each usual place is absolute");
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| std::cmp::Reverse(number_in(name)));
    names.iter().map(|name| Path::new(parent).join(name).join(&after[1..])).collect()
}

/// `postgresql@17` -> 17
fn number_in(name: &str) -> u32 {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` -> 15
fn major_version(bin: &Path) -> Option<u32> {
    let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version.split_once("(PostgreSQL) ").map(|(_, number)| number_in(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_not_words() {
        assert_eq!(number_in("postgresql@17"), 17);
        assert_eq!(number_in("pgsql-9.6"), 9);
        assert_eq!(number_in("15.18 (Debian 15.18-0)"), 15);
        assert_eq!(number_in("none"), 0);
    }

    #[test]
    fn the_newest_of_a_usual_place_comes_first() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for name in ["9", "16", "15", "other"] {
            fs::create_dir(root.path().join(name)).expect("a directory");
        }
        let found = expand(&format!("{}/*/bin", root.path().display()));
        let names: Vec<_> = found.iter().map(|bin| bin.strip_prefix(root.path()).expect("inside")).collect();
        assert_eq!(names, ["16/bin", "15/bin", "9/bin", "other/bin"].map(Path::new));
    }

    #[test]
    fn a_cluster_of_a_version_that_is_not_installed_is_an_error_that_names_both() {
        let error = find(Some((3, "/data".into()))).expect_err("nobody has PostgreSQL 3");
        let message = error.to_string();
        assert!(message.contains("PostgreSQL 3,") && message.contains("/data"), "{message}");
    }
}
