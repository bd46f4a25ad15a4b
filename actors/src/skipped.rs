//! `Skipped`: the campaigns that the listing has shown and that earlier processes of the run had stored, each counted
//! once however often it is shown. They are known by number, so a bit for each is enough: a megabyte for eight
//! million, and a bit more for each number that was given and is not used. Pure.

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    /// By number, in words of 64; as long as the highest number seen needs.
    seen: Vec<u64>,
    count: u64,
}

impl Skipped {
    /// The listing shows the campaign with this number. Whether for the first time.
    pub(crate) fn see(&mut self, number: u64) -> bool {
        let word = usize::try_from(number / 64).expect("a number that fits into memory");
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let bit = 1 << (number % 64);
        let first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.count += u64::from(first);
        first
    }

    /// How many different ones were shown.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_number_is_counted_once_in_any_order(numbers in prop::collection::vec(0_u64..300, 0..600)) {
            let (mut skipped, mut seen) = (Skipped::default(), HashSet::new());
            for number in numbers {
                prop_assert_eq!(skipped.see(number), seen.insert(number));
            }
            prop_assert_eq!(skipped.count(), seen.len() as u64);
        }
    }
}
