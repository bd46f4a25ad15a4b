//! The campaigns: made from the seed and their number whenever they are asked for, so that ten million of them
//! cost no memory. The same seed and number make the same campaign.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

const STATUSES: [&str; 4] = ["active", "paused", "completed", "archived"];

/// What a name may hold: quotes, separators, markup, line breaks, and scripts of one to four bytes a character.
const NAMES: [&str; 12] = [
    "Brand awareness",
    "Summer \"Flash\" Sale",
    "O'Brien & Söhne, Straße",
    "Back\\slash; comma, tab\tand\nline break",
    "新年キャンペーン",
    "🚀 Launch 👩‍👩‍👧 ❤️",
    "Осенняя распродажа",
    "تخفيضات الصيف",
    "<b>Bold</b> {{name}} $1 %s",
    "Čokoláda a káva",
    "NULL",
    "  Padded  ",
];

/// 2020-01-01T00:00:00Z, when the first campaign was created at the earliest, in seconds.
const EPOCH: i64 = 1_577_836_800;
/// And the last one five years later.
const FIVE_YEARS: i64 = 5 * 365 * 86_400;

/// A campaign as the platform lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Campaign {
    /// `camp_000001`
    pub id: String,
    /// Any text.
    pub name: String,
    /// `active`, `paused`, `completed` or `archived`.
    pub status: &'static str,
    /// In hundredths; in JSON a number with two digits after the point.
    #[serde(rename = "budget", serialize_with = "decimal")]
    pub budget_cents: u64,
    /// At least `clicks`.
    pub impressions: u64,
    /// At least `conversions`.
    pub clicks: u64,
    /// At least 0.
    pub conversions: u64,
    /// RFC 3339, UTC, `Z`.
    pub created_at: String,
}

fn decimal<S: Serializer>(cents: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// Campaign `number`, counted from 1, of the platform with this seed.
pub fn campaign(seed: u64, number: u64) -> Campaign {
    // The odd factor spreads neighbours apart, so that seed 1 is not seed 0 shifted by one.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let impressions = random.random_range(0..5_000_000);
    let clicks = random.random_range(0..=impressions / 20);
    let created_at = jiff::Timestamp::from_second(EPOCH + random.random_range(0..FIVE_YEARS))
        .expect("a second of the years 2020 to 2025 is a timestamp");
    Campaign {
        id: id(number),
        name: format!("{} {number}", NAMES[random.random_range(0..NAMES.len())]),
        status: STATUSES[random.random_range(0..STATUSES.len())],
        budget_cents: random.random_range(1_000..100_000_000),
        impressions,
        clicks,
        conversions: random.random_range(0..=clicks / 10),
        created_at: created_at.to_string(),
    }
}

fn id(number: u64) -> String {
    format!("camp_{number:06}")
}

/// The number of the campaign with this id, where a platform of so many campaigns has one.
pub(crate) fn number(id_text: &str, campaigns: u64) -> Option<u64> {
    let number = id_text.strip_prefix("camp_")?.parse().ok()?;
    ((1..=campaigns).contains(&number) && id(number) == id_text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_campaign_and_nothing_else_does() {
        for known in [1, 99, 999_999, 1_000_000, 10_000_000] {
            assert_eq!(number(&campaign(7, known).id, 10_000_000), Some(known));
        }
        for unknown in ["camp_000000", "camp_000101", "camp_1", "camp_+00001", "camp_0000001", "000001", ""] {
            assert_eq!(number(unknown, 100), None, "{unknown}");
        }
    }

    #[test]
    fn the_same_seed_and_number_make_the_same_campaign_and_others_make_others() {
        assert_eq!(campaign(1, 5), campaign(1, 5));
        assert_ne!(campaign(1, 5).budget_cents, campaign(2, 5).budget_cents);
        assert_ne!(campaign(1, 5).budget_cents, campaign(1, 6).budget_cents);
        assert_ne!(campaign(0, 1).budget_cents, campaign(1, 0).budget_cents);
    }

    #[test]
    fn a_budget_is_a_json_number_with_two_digits() {
        let budget = |cents| {
            let campaign = Campaign { budget_cents: cents, ..campaign(1, 1) };
            let json = serde_json::to_string(&campaign).expect("a campaign is JSON");
            let after = json.split("\"budget\":").nth(1).expect("a budget");
            after.split(',').next().expect("a number").to_owned()
        };
        assert_eq!(budget(5), "0.05");
        assert_eq!(budget(123_450), "1234.50");
    }

    #[test]
    fn a_hundred_campaigns_show_the_variety_that_a_store_must_survive() {
        let all = (1..=100).map(|number| campaign(1, number)).collect::<Vec<_>>();
        for status in STATUSES {
            assert!(all.iter().any(|campaign| campaign.status == status), "{status}");
        }
        for text in ["\"", "'", "\\", "\n", "🚀", "新"] {
            assert!(all.iter().any(|campaign| campaign.name.contains(text)), "{text}");
        }
        assert!(all.iter().all(|one| one.conversions <= one.clicks && one.clicks <= one.impressions));
        assert!(all.iter().all(|one| one.created_at.ends_with('Z')));
    }
}
