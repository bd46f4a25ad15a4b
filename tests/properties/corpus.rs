//! What fuzzing starts from and what it found: every file of `fuzz/corpus/`, and each of them
//! with changes, has the property of its target.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::properties;

type Property = fn(&[u8]);

const TARGETS: [(&str, Property); 7] = [
    ("auth_answer", properties::auth_answer::holds),
    ("campaign", properties::campaign::holds),
    ("error_body", properties::error_body::holds),
    ("hint_headers", properties::hint_headers::holds),
    ("page", properties::page::holds),
    ("storable", properties::storable::holds),
    ("sync_answer", properties::sync_answer::holds),
];

fn in_fuzz(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(place)
}

fn names(directory: &str) -> BTreeSet<String> {
    let files = fs::read_dir(in_fuzz(directory)).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The target's inputs; which of them is tried is printed where a test fails.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(in_fuzz("corpus").join(target)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has a corpus");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_target_has_a_property_here_and_a_corpus() {
    let here: BTreeSet<_> = TARGETS.iter().map(|(target, _)| target.to_string()).collect();
    assert_eq!(names("fuzz_targets"), here);
    assert_eq!(names("corpus"), here);
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "a failure has to name its file, and only the last line is of interest"
)]
fn every_file_of_the_corpus_has_the_property_of_its_target() {
    for (target, property) in TARGETS {
        for (path, input) in corpus(target) {
            println!("{}", path.display());
            property(&input);
        }
    }
}

#[test]
fn the_corpus_has_its_properties_however_it_is_changed() {
    for (target, property) in TARGETS {
        let corpus = corpus(target);
        let changes = proptest::collection::vec(change(), 1..4);
        let mut runner =
            TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() });
        let outcome = runner.run(&(any::<Index>(), any::<Index>(), changes), |(file, other, changes)| {
            let (input, other) = (&file.get(&corpus).1, &other.get(&corpus).1);
            property(&changes.iter().fold(input.clone(), |input, change| change.of(&input, other)));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{target}: {failure}"));
    }
}

/// From a place to another place, something else.
#[derive(Debug)]
struct Change {
    from: Index,
    to: Index,
    instead: Instead,
}

#[derive(Clone, Debug)]
enum Instead {
    /// Of bytes that mean something somewhere.
    Bytes(Vec<u8>),
    /// A part of another file.
    Part(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let instead = prop_oneof![
        Just(Instead::Bytes(Vec::new())),
        r#"[-{}\[\]",:;=\\./0-9eEnu\n T]{1,4}"#.prop_map(|text| Instead::Bytes(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 1..4).prop_map(Instead::Bytes),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Instead::Part(from, to)),
    ];
    (any::<Index>(), any::<Index>(), instead).prop_map(|(from, to, instead)| Change { from, to, instead })
}

impl Change {
    fn of(&self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let Range { start, end } = range(input, self.from, self.to);
        let instead = match &self.instead {
            Instead::Bytes(bytes) => &bytes[..],
            Instead::Part(from, to) => &other[range(other, *from, *to)],
        };
        // Most changes are small, as mistakes are.
        let end = if instead.len() < 5 { end.min(start + 4) } else { end };
        [&input[..start], instead, &input[end..]].concat()
    }
}

fn range(bytes: &[u8], one: Index, other: Index) -> Range<usize> {
    let (one, other) = (one.index(bytes.len() + 1), other.index(bytes.len() + 1));
    one.min(other)..one.max(other)
}
