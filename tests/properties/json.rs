//! JSON as text, so that it can hold what no value of serde's holds: numbers of any size, halves of surrogates,
//! names that stand twice.

use proptest::prelude::*;

const FIELDS: [(&str, &str); 8] = [
    ("id", r#""c-1""#),
    ("name", r#""Spring""#),
    ("status", r#""active""#),
    ("budget", "1234.50"),
    ("impressions", "10"),
    ("clicks", "2"),
    ("conversions", "1"),
    ("created_at", r#""2024-01-02T03:04:05Z""#),
];

/// A good campaign but for one field.
pub(crate) fn campaign_with(field: &str, json: &str) -> String {
    let fields =
        FIELDS.map(|(name, good)| format!(r#""{name}":{}"#, if name == field { json } else { good }));
    format!("{{{}}}", fields.join(","))
}

/// The last page, of these entries.
pub(crate) fn page_of(entries: &[String]) -> String {
    format!(r#"{{"data":[{}],"pagination":{{"has_more":false}}}}"#, entries.join(","))
}

/// A page, or nearly one.
pub(crate) fn any_page() -> impl Strategy<Value = String> {
    let data = prop_oneof![9 => list(any_entry()), 1 => any_value()];
    let pagination = prop_oneof![
        6 => (any::<bool>(), prop_oneof![Just("null".to_owned()), number()])
            .prop_map(|(more, total)| format!(r#"{{"has_more":{more},"total":{total},"page":1}}"#)),
        3 => any::<bool>().prop_map(|more| format!(r#"{{"has_more":{more}}}"#)),
        1 => any_value(),
    ];
    let other = prop_oneof![Just(None), (string(), any_value()).prop_map(Some)];
    (data, pagination, other).prop_map(|(data, pagination, other)| {
        let mut members = vec![format!(r#""data":{data}"#), format!(r#""pagination" : {pagination}"#)];
        members.extend(other.map(|(name, value)| format!("{name}:{value}")));
        format!("{{{}}}", members.join(",\n"))
    })
}

/// A campaign, nearly one, or anything.
pub(crate) fn any_entry() -> impl Strategy<Value = String> {
    prop_oneof![4 => campaign(any_value().boxed()), 1 => any_value()]
}

/// An object with the fields of a campaign, most of them good. Some are left out, and some stand twice.
fn campaign(wrong: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let count = prop_oneof![20 => any::<i64>().prop_map(|count| count.to_string()), 1 => number()].boxed();
    let money = prop_oneof![3 => number(), 1 => number().prop_map(|number| format!("\"{number}\""))].boxed();
    let good: [BoxedStrategy<String>; 8] = [
        prop_oneof![string(), any::<u64>().prop_map(|id| id.to_string())].boxed(),
        string().boxed(),
        string().boxed(),
        money,
        count.clone(),
        count.clone(),
        count,
        time().boxed(),
    ];
    let values = good.map(|good| prop_oneof![50 => good, 1 => wrong.clone()]).to_vec();
    let kept = proptest::collection::vec(prop_oneof![120 => Just(1), 1 => Just(0), 1 => Just(2)], 8);
    (values, kept).prop_map(|(values, kept)| {
        let fields = FIELDS.iter().zip(values).zip(kept);
        let fields =
            fields.flat_map(|(((name, _), value), times)| vec![format!("\"{name}\": {value}"); times]);
        format!("{{{}}}", fields.collect::<Vec<_>>().join(" ,"))
    })
}

fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "null|true|false".prop_map(String::from),
        number(),
        string(),
        (1..200usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name =
            prop_oneof!["\"(id|name|budget|clicks|has_more|total)\"".prop_map(String::from), string(),];
        let member = (name, inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        let object =
            proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")));
        prop_oneof![list(inner), object]
    })
}

fn list(of: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::collection::vec(of, 0..6).prop_map(|values| format!("[{}]", values.join(" , ")))
}

/// Any that the grammar allows, most of them of a size that occurs.
pub(crate) fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?",
        2 => "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{1,60})?([eE][+-]?[0-9]{1,3})?",
        1 => "-?[1-9]([eE][+-]?[0-9]{1,6})",
    ]
}

/// In quotation marks, with every escape that there is and NULs, and sometimes with half of a surrogate pair.
fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        20 => "[a-z0-9 ]{1,8}".prop_map(String::from),
        4 => any::<char>().prop_map(|c| serde_json::Value::from(c.to_string()).to_string().trim_matches('"').to_owned())
            .prop_filter("a quotation mark is trimmed", |text| !text.is_empty() && text != "\\"),
        2 => r#"\\["\\/bfnrt]"#.prop_map(String::from),
        1 => Just(r"\ud83e\udd80".to_owned()),
        1 => r"\\u001b|\\u202e|\\u0061|\\u000a|\\u0000".prop_map(String::from),
    ];
    let half = prop_oneof![200 => Just(""), 1 => Just(r"\ud83e"), 1 => Just(r"\udd80")];
    (proptest::collection::vec(part, 1..6), half)
        .prop_map(|(parts, half)| format!("\"{}{half}\"", parts.concat()))
}

fn time() -> impl Strategy<Value = String> {
    let usual = (
        1970..2100u16,
        1..=12u8,
        1..=28u8,
        0..24u8,
        0..60u8,
        0..60u8,
        "(\\.[0-9]{1,9})?(Z|[+-]0[0-9]:[0-5][0-9])",
    );
    let usual = usual.prop_map(|(year, month, day, hour, minute, second, rest)| {
        format!("\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{rest}\"")
    });
    prop_oneof![
        20 => usual,
        1 => "\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\"",
        1 => r#""(-00999[0-9]|-004714|0000|9999)-(01|11|12)-(0[1-9]|2[0-9])T00:00:00Z""#,
    ]
}
