//! Whatever could have taken a secret along: what programs said, what is in files and tables, what others were sent, and
//! what every process of the machine shows of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// See the module.
#[derive(Default)]
pub(crate) struct Evidence {
    said: Vec<(String, String)>,
    /// By what a process showed, because it is looked at many times.
    shown: BTreeMap<String, String>,
}

impl Evidence {
    /// From this place, text or not: what is no text becomes none, and text within it stays.
    pub(crate) fn add(&mut self, place: impl Into<String>, bytes: &[u8]) {
        self.said.push((place.into(), String::from_utf8_lossy(bytes).into_owned()));
    }

    /// Every file below, but for those that the test itself has put there.
    pub(crate) fn add_files(&mut self, folder: &Path, ours: &[PathBuf]) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            self.add("a file's name", path.as_os_str().as_encoded_bytes());
            if path.is_dir() {
                self.add_files(&path, ours);
            } else if path.is_file() && !ours.contains(&path) {
                let bytes = fs::read(&path).unwrap();
                self.add(format!("the file {}", path.display()), &bytes);
            }
        }
    }

    /// The command line of every process, and the environment of each but of those that are given secrets in it: who runs
    /// this program, and who is asked by it for a secret in these words, which is as if the user had run it.
    pub(crate) fn add_processes(&mut self, given_secrets: &Path, asked: &str) {
        for process in fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path())) {
            // Any process may end meanwhile. A new one is its parent until it runs its own program: so that is asked first.
            let program = fs::read_link(process.join("exe"));
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let commands = fs::read(process.join("cmdline")).unwrap_or_default();
            if commands.is_empty() {
                continue;
            }
            let commands = String::from_utf8_lossy(&commands).into_owned();
            if program.is_ok_and(|program| program != given_secrets) && !commands.contains(asked) {
                let environment = String::from_utf8_lossy(&environment).into_owned();
                self.shown.entry(environment).or_insert_with(|| format!("the environment of {commands:?}"));
            }
            self.shown.entry(commands).or_insert_with(|| "a command line".to_owned());
        }
    }

    /// Whether there is something of this place that says this: a search of nothing finds nothing.
    pub(crate) fn has(&self, place: &str, words: &str) -> bool {
        self.said.iter().any(|(name, text)| name.starts_with(place) && text.contains(words))
    }

    /// Each secret in each place where it can be read, as a sentence.
    pub(crate) fn leaks<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> Vec<String> {
        let shown = self.shown.iter().map(|(text, place)| (place, text));
        let all: Vec<_> = self.said.iter().map(|(place, text)| (place, text)).chain(shown).collect();
        let of = |secret: &Secret| -> Vec<String> {
            all.iter().filter_map(|(place, text)| secret.read_in(place, text)).collect()
        };
        secrets.into_iter().flat_map(of).collect()
    }
}
