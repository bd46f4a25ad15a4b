use std::collections::BTreeMap;
use std::sync::Arc;

use actors::model::AccountId;

use super::row::Row;
use super::*;

fn rows(accounts: &[(&str, Condition)]) -> Rows {
    let row = |(id, condition): &(&str, Condition)| {
        let html = format!("<tr data-id=\"{id}\"></tr>");
        (AccountId::from(*id), Arc::new(Row { condition: *condition, html }))
    };
    Arc::new(accounts.iter().map(row).collect::<BTreeMap<_, _>>())
}

fn shown(rows: &Rows, filter: &Filter) -> Vec<String> {
    let drawn = accounts(rows, filter).into_string();
    let ids = drawn.split("<tr data-id=\"").skip(1);
    ids.filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned()).collect()
}

fn filter(search: &str, state: &str, after: &str) -> Filter {
    Filter { search: search.to_owned(), state: state.to_owned(), after: after.to_owned() }
}

#[test]
fn accounts_are_narrowed_by_a_part_of_their_id_and_by_their_state() {
    let rows = rows(&[
        ("Acme-de", Condition::Idle),
        ("acme-fr", Condition::Failing),
        ("globex", Condition::Failing),
    ]);
    assert_eq!(shown(&rows, &Filter::default()), ["Acme-de", "acme-fr", "globex"]);
    assert_eq!(shown(&rows, &filter("ACME", "", "")), ["Acme-de", "acme-fr"]);
    assert_eq!(shown(&rows, &filter("acme", "failing", "")), ["acme-fr"]);
    assert_eq!(shown(&rows, &filter("", "no such state", "")), [""; 0]);
    let drawn = accounts(&rows, &filter("nobody", "", "")).into_string();
    assert!(drawn.contains("<p id=\"none\">No account is like this.</p>"), "{drawn}");
}

#[test]
fn the_totals_are_those_of_all_accounts_whatever_is_shown() {
    let rows = rows(&[("a", Condition::Idle), ("b", Condition::Failing), ("c", Condition::Failing)]);
    let drawn = accounts(&rows, &filter("a", "", "")).into_string();
    assert!(drawn.contains("value=\"\" checked> all <span class=\"total\">3</span>"), "{drawn}");
    assert!(drawn.contains("failing <span class=\"total\">2</span>"), "{drawn}");
}

#[test]
fn more_than_a_thousand_accounts_are_pages_that_leave_out_none() {
    let ids: Vec<String> = (0..2_500).map(|n| format!("account-{n:04}")).collect();
    let accounts_of: Vec<_> = ids.iter().map(|id| (id.as_str(), Condition::Idle)).collect();
    let rows = rows(&accounts_of);
    let mut seen = vec![];
    let mut next = filter("", "idle", "");
    loop {
        let some = shown(&rows, &next);
        let Some(last) = some.last() else { break };
        assert!(some.len() <= MAX_ROWS);
        next.after = last.clone();
        seen.extend(some);
    }
    assert_eq!(seen, ids);
    let first = accounts(&rows, &filter("", "idle", "")).into_string();
    assert!(first.contains("href=\"/?search=&amp;state=idle&amp;after=account-0999\""), "no next page");
    // Whoever has not all of them cannot narrow them: the server is asked.
    assert!(!first.contains("data-whole"));
}

#[test]
fn what_is_searched_for_is_text_on_the_page() {
    let drawn = accounts(&rows(&[]), &filter("\"><script>alert(1)</script>", "", "")).into_string();
    assert!(drawn.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""), "{drawn}");
}
