//! The configuration file.

mod accounts;
#[cfg(feature = "age")]
mod age;
mod keys;
mod refusals;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A configuration file of the test's own.
pub(super) struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    pub(super) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c.toml"), text).unwrap();
        fs::write(folder.path().join("ca.pem"), ca()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        for (name, text) in [("server.pem", certificate), ("server-key.pem", key.serialize_pem())] {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("c.toml")
    }

    /// `run` with it; in messages it is called `c.toml`.
    pub(super) fn run(&self, flags: &str, variables: &[(&str, &str)]) -> Result<RunConfig, Vec<String>> {
        let path = self.path().display().to_string();
        run_bare(&format!("--config {path} {flags}"), &environment(variables, ""))
            .map_err(|problems| problems.iter().map(|problem| problem.replace(&path, "c.toml")).collect())
    }
}

fn run_file(text: &str, flags: &str, variables: &[(&str, &str)]) -> Result<RunConfig, Vec<String>> {
    Written::new(text).run(flags, variables)
}

/// What is wrong with the file, with the login in the environment.
fn problems(text: &str) -> Vec<String> {
    run_file(text, "", &REQUIRED).unwrap_err()
}

pub(super) fn ids(config: &RunConfig) -> Vec<&str> {
    config.accounts.iter().map(|account| account.platform.account.as_str()).collect()
}
