#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use actors::model::{Campaign, Listed};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const CAMPAIGN: &str = r#"{"id":"c-1","name":"Spring","status":"active","budget":1234.50,"impressions":10,"clicks":2,"conversions":1,"created_at":"2024-01-02T03:04:05Z"}"#;

/// Where nothing is secret.
fn page(body: &[u8]) -> Result<Page, String> {
    super::page(body, &Secrets::new([]))
}

fn page_of(entries: &str) -> Page {
    page(
        format!(r#"{{"data":[{entries}],"pagination":{{"page":1,"limit":10,"total":7,"has_more":true}}}}"#)
            .as_bytes(),
    )
    .unwrap()
}

fn only(entry: &str) -> Listed {
    let mut page = page_of(entry);
    assert_eq!(page.entries.len(), 1);
    page.entries.remove(0)
}

fn good(entry: &str) -> Campaign {
    match only(entry) {
        Listed::Campaign(campaign) => (*campaign).clone(),
        Listed::Malformed { message, .. } => panic!("{entry}: {message}"),
    }
}

/// The campaign above with one field's JSON replaced.
fn with(field: &str, json: &str) -> String {
    let mut fields: Vec<(String, Box<RawValue>)> =
        serde_json::from_str::<std::collections::BTreeMap<String, Box<RawValue>>>(CAMPAIGN)
            .unwrap()
            .into_iter()
            .collect();
    for (name, value) in &mut fields {
        if name == field {
            *value = RawValue::from_string(json.to_owned()).unwrap();
        }
    }
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn a_page_is_read_field_by_field() {
    let page = page_of(CAMPAIGN);
    assert!(page.has_more);
    assert_eq!(page.total, Some(7));
    let campaign = good(CAMPAIGN);
    assert_eq!(campaign.id.as_str(), "c-1");
    assert_eq!(campaign.name, "Spring");
    assert_eq!(campaign.status, "active");
    assert_eq!(&*campaign.budget, "1234.50");
    assert_eq!((campaign.impressions, campaign.clicks, campaign.conversions), (10, 2, 1));
    assert_eq!(campaign.created_at, SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645));
    assert_eq!(&*campaign.payload, CAMPAIGN);
}

#[test]
fn a_page_without_its_parts_does_not_parse() {
    for body in [
        "",
        "null",
        "[]",
        "<html></html>",
        r#"{"data":[]}"#,
        r#"{"pagination":{"has_more":false}}"#,
        r#"[[],{"has_more":false}]"#,
        r#"{"data":[],"pagination":[false,0]}"#,
        r#"{"data":[],"pagination":{}}"#,
        r#"{"data":[],"pagination":null}"#,
        r#"{"data":[],"pagination":{"has_more":"no"}}"#,
        r#"{"data":[],"pagination":{"has_more":false,"total":-1}}"#,
        r#"{"data":{},"pagination":{"has_more":false}}"#,
        r#"{"data":[],"pagination":{"has_more":false}"#,
        r#"{"data":[],"pagination":{"has_more":false}} and more"#,
    ] {
        assert!(page(body.as_bytes()).is_err(), "{body}");
    }
    assert!(page(b"{\"data\":[{\"x\":\"\xff\"}],\"pagination\":{\"has_more\":false}}").is_err());
    let minimal = page(br#"{"data":[],"pagination":{"has_more":false}}"#).unwrap();
    assert_eq!(minimal, Page { entries: vec![], has_more: false, total: None });
}

#[test]
fn what_is_said_of_a_malformed_entry_holds_no_secret_not_even_half_of_one() {
    let token = SecretString::from("s3cr3t-token");
    for before in [0, 150, 160, 170] {
        let entry = with("clicks", &format!("\"{}s3cr3t-token\"", "x".repeat(before)));
        let body = format!(r#"{{"data":[{entry}],"pagination":{{"has_more":false}}}}"#);
        let page = super::page(body.as_bytes(), &Secrets::new([&token])).unwrap();
        let Listed::Malformed { message, payload, .. } = &page.entries[0] else { panic!("{entry}") };
        assert!(message.contains("`clicks` must be") && !message.contains("s3"), "{message}");
        assert!(payload.contains("s3cr3t-token"), "the platform's own data");
    }
}

#[test]
fn a_malformed_entry_spoils_itself_and_not_the_page() {
    let page = page_of(&format!(
        r#"{CAMPAIGN},null,5,"text",[],["7","n","s",1,1,1,1,"2024-01-02T03:04:05Z"],{{}},{},{CAMPAIGN}"#,
        with("name", r#""\ud800""#)
    ));
    let fates: Vec<bool> = page.entries.iter().map(|entry| matches!(entry, Listed::Campaign(_))).collect();
    assert_eq!(fates, [true, false, false, false, false, false, false, false, true]);
}

#[test]
fn each_wrong_field_is_named_and_the_entry_keeps_its_id_and_payload() {
    let cases = [
        ("name", "5"),
        ("name", "null"),
        ("name", r#""\ud800""#),
        ("status", "false"),
        ("budget", "null"),
        ("budget", r#""1,000""#),
        ("budget", r#""""#),
        ("budget", r#"" 1""#),
        ("budget", r#""1e""#),
        ("budget", r#""NaN""#),
        ("budget", r#""true""#),
        ("budget", "true"),
        ("budget", "[1]"),
        ("impressions", "12.0"),
        ("impressions", "1e3"),
        ("impressions", r#""12""#),
        ("clicks", "9223372036854775808"),
        ("conversions", "-9223372036854775809"),
        ("conversions", "null"),
        ("created_at", "1704164645"),
        ("created_at", r#""yesterday""#),
        ("created_at", r#""2024-01-02""#),
        ("created_at", r#""2024-02-30T00:00:00Z""#),
    ];
    for (field, json) in cases {
        let entry = with(field, json);
        let Listed::Malformed { id, message, payload } = only(&entry) else { panic!("{entry}") };
        assert_eq!(id.as_str(), "c-1");
        assert!(message.contains(&format!("`{field}`")), "{message}");
        assert_eq!(*payload, entry);
    }
    let Listed::Malformed { message, .. } = only(r#"{"id":"c-1","name":"a"}"#) else { panic!() };
    assert_eq!(message, "`status` is missing");
}

#[test]
fn a_duplicated_field_is_malformed() {
    let entry = CAMPAIGN.replacen('{', r#"{"id":"c-2","#, 1);
    let Listed::Malformed { message, .. } = only(&entry) else { panic!() };
    assert!(message.contains("duplicate field `id`"), "{message}");
}

#[test]
fn an_id_is_a_string_or_an_integer_and_keeps_its_text() {
    let longest = "x".repeat(512);
    for (json, id) in [
        (r#""c-1""#, "c-1"),
        ("42", "42"),
        ("-7", "-7"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (r#""\u00e9/?#""#, "é/?#"),
        (&format!(r#""{longest}""#), &*longest),
    ] {
        assert_eq!(good(&with("id", json)).id.as_str(), id);
    }
}

#[test]
fn an_entry_without_a_usable_id_is_named_after_its_payload_always_the_same() {
    let too_long = format!(r#""{}""#, "x".repeat(513));
    for json in ["null", "1.5", "1e3", "true", "{}", r#""""#, r#""a\u0000b""#, r#""\ud800""#, &too_long] {
        let entry = with("id", json);
        let (once, again) = (only(&entry), only(&entry));
        assert!(matches!(once, Listed::Malformed { .. }), "{entry}");
        assert_eq!(once.id(), again.id());
        assert!(once.id().as_str().starts_with("malformed-"), "{}", once.id());
    }
    assert_ne!(only("null").id(), only("5").id());
}

#[test]
fn a_budget_is_kept_to_the_letter() {
    for number in
        ["0", "-1", "0.10", "1234567890123456789012345678901234567890.12345678901234567890", "1e400", "1E-7"]
    {
        assert_eq!(&*good(&with("budget", number)).budget, number);
        assert_eq!(&*good(&with("budget", &format!(r#""{number}""#))).budget, number);
    }
}

#[test]
fn names_keep_whatever_json_can_carry() {
    assert_eq!(good(&with("name", r#""a\u0000b \"\ud83d\ude00\" é""#)).name, "a\0b \"😀\" é");
}

#[test]
fn the_extremes_of_bigint_are_campaigns() {
    assert_eq!(good(&with("impressions", "9223372036854775807")).impressions, i64::MAX);
    assert_eq!(good(&with("clicks", "-9223372036854775808")).clicks, i64::MIN);
}

#[test]
fn unknown_fields_are_ignored_and_kept_in_the_payload() {
    let entry = CAMPAIGN.replacen('{', r#"{"colour":{"deep":[1,2]},"#, 1);
    assert_eq!(*good(&entry).payload, entry);
}

#[test]
fn a_login_yields_a_token_and_its_life() {
    let life = |json: &str| login(json.as_bytes()).map(|login| login.expires_in.as_secs_f64());
    assert_eq!(life(r#"{"access_token":"t","token_type":"Bearer","expires_in":60,"issued_at":0}"#), Ok(60.0));
    assert_eq!(life(r#"{"access_token":"t"}"#), Ok(3600.0));
    assert_eq!(life(r#"{"access_token":"t","expires_in":null}"#), Ok(3600.0));
    assert_eq!(life(r#"{"access_token":"t","expires_in":"90"}"#), Ok(90.0));
    assert_eq!(life(r#"{"access_token":"t","expires_in":1.5}"#), Ok(1.5));
    assert_eq!(life(r#"{"access_token":"t","expires_in":0.001}"#), Ok(1.0));
    assert_eq!(life(r#"{"access_token":"t","expires_in":1e300}"#), Ok(2_592_000.0));
    for json in ["0", "-1", "true", r#""soon""#, r#""NaN""#, "{}"] {
        assert!(life(&format!(r#"{{"access_token":"t","expires_in":{json}}}"#)).is_err(), "{json}");
    }
    let token = login(br#"{"access_token":"a.b-c_d~e+f/g="}"#).unwrap().token;
    assert_eq!(token.expose_secret(), "a.b-c_d~e+f/g=");
}

#[test]
fn a_login_without_a_token_is_an_error_that_quotes_nothing() {
    let too_long = format!(r#"{{"access_token":"{}"}}"#, "SECRET".repeat(2000));
    for body in [
        "SECRET",
        r#"["SECRET"]"#,
        r#"["SECRET",60]"#,
        r#"{"token":"SECRET"}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":{"value":"SECRET"}}"#,
        r#"{"access_token":"SECRET\r\nx: y"}"#,
        r#"{"access_token":"SECRET two"}"#,
        r#"{"access_token":"SECRETé"}"#,
        r#"{"access_token":"SECRET","expires_in":"SECRET"}"#,
        r#"{"access_token":"SECRET""#,
        &too_long,
    ] {
        let error = login(body.as_bytes()).unwrap_err();
        assert!(!error.contains("SECRET"), "{error}");
    }
}

#[test]
fn a_sync_answer_must_be_a_success_about_the_same_campaign() {
    let id = CampaignId::from("42");
    let at = |json: &str| synced_at(json.as_bytes(), &id);
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645);
    let answer = r#"{"success":true,"campaign_id":"42","synced_at":"2024-01-02T03:04:05Z","message":"ok"}"#;
    assert_eq!(at(answer), Ok(moment));
    assert_eq!(at(&answer.replace(r#""42""#, "42")), Ok(moment));
    assert_eq!(at(&answer.replace("03:04:05Z", "05:04:05+02:00")), Ok(moment));
    for (wrong, says) in [
        (answer.replace("true", "false"), "`success` is false"),
        (answer.replace("true", r#""true""#), "invalid type"),
        (answer.replace(r#""42""#, r#""43""#), "another campaign"),
        (answer.replace(r#""42""#, "null"), "`campaign_id` is missing"),
        (answer.replace("2024", "soon"), "`synced_at`"),
        (answer.replace("synced_at", "at"), "`synced_at` is missing"),
        (answer.replace('}', ""), "EOF"),
        ("{}".to_owned(), "missing field `success`"),
        (r#"[true,"42","2024-01-02T03:04:05Z"]"#.to_owned(), "not a JSON object"),
    ] {
        let error = at(&wrong).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_sync_request_spells_any_id_as_json() {
    assert_eq!(sync_request(&CampaignId::from("a\"b\n😀")), r#"{"campaign_id":"a\"b\n😀"}"#.as_bytes());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let names = prop_oneof![
            "id|name|status|budget|impressions|clicks|conversions|created_at",
            ".*".prop_map(String::from)
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::hash_map(names, inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_in_a_page_is_an_entry_with_an_id_and_its_payload(entries in proptest::collection::vec(any_json(), 0..6)) {
        let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
        let page = page_of(&texts.join(","));
        prop_assert_eq!(page.entries.len(), texts.len());
        for (entry, text) in page.entries.iter().zip(&texts) {
            let id = entry.id().as_str();
            prop_assert!(!id.is_empty() && id.len() <= MAX_ID_BYTES);
            let payload = match entry {
                Listed::Campaign(campaign) => &campaign.payload,
                Listed::Malformed { payload, .. } => payload,
            };
            prop_assert_eq!(&**payload, text);
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (login(&body), page(&body), synced_at(&body, &CampaignId::from("1")));
    }

    #[test]
    fn any_decimal_is_kept_to_the_letter(number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?") {
        let campaign = good(&with("budget", &number));
        prop_assert_eq!(&*campaign.budget, number);
    }
}
