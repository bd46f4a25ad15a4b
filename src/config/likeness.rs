//! Which known name was meant by one that nobody knows.

/// Below this likeness (0 to 1) a suggestion would only confuse.
const ENOUGH: f64 = 0.7;

/// The known name that looks most like it, if one does.
pub(super) fn suggestion<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (likeness, name) = most_like(unknown, known)?;
    (likeness >= ENOUGH).then_some(name)
}

/// The known name that looks most like it, however little that is.
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(unknown, known).map(|(_, name)| name)
}

fn most_like<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<(f64, &'a str)> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(unknown, known);
    known.into_iter().map(|name| (likeness(name), name)).max_by(|one, other| one.0.total_cmp(&other.0))
}
