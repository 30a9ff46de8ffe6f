use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use serde_json::json;

use super::*;
use crate::record::Record;
use crate::testing::{Case, object, rule};

fn record(fields: Value) -> Record {
    crate::testing::record(5, fields)
}

fn resolve(stored: &Record, incoming: Value) -> Fields {
    let mut case = Case::new(json!({}), incoming);
    case.stored = stored.clone();
    object(case.merged(&Automerge))
}

fn merge(stored: Value, incoming: Value) -> Value {
    Value::Object(resolve(&record(stored), incoming))
}

#[test]
fn a1_a_stored_scalar_wins() {
    assert_eq!(
        merge(json!({"jersey": 5}), json!({"jersey": 55})),
        json!({"jersey": 5})
    );
}

#[test]
fn a2_absent_fields_are_added() {
    assert_eq!(
        merge(
            json!({"name": "Nadia", "jersey": 5}),
            json!({"name": "Shaggy", "interests": ["breakfast", "lunch"], "points": [24, 30, 27]})
        ),
        json!({"name": "Nadia", "jersey": 5, "interests": ["breakfast", "lunch"], "points": [24, 30, 27]})
    );
}

/// Amplify never stores sets, so A3's `interests` cannot occur; its list does.
#[test]
fn a3_lists_append_and_keep_duplicates() {
    assert_eq!(
        merge(json!({"points": [24, 30, 27]}), json!({"points": [30, 35]})),
        json!({"points": [24, 30, 27, 30, 35]})
    );
}

#[test]
fn a4_maps_merge_member_by_member() {
    assert_eq!(
        merge(
            json!({"nested": {"ppg": 35.4, "apg": 6.3}}),
            json!({"nested": {"ppg": 25.7, "rpg": 6.9}})
        ),
        json!({"nested": {"ppg": 35.4, "apg": 6.3, "rpg": 6.9}})
    );
}

#[test]
fn a5_a_list_the_client_grew_is_appended_whole() {
    assert_eq!(
        merge(
            json!({"points": ["a", "b"]}),
            json!({"points": ["a", "b", "c"]})
        ),
        json!({"points": ["a", "b", "a", "b", "c"]})
    );
}

#[test]
fn a6_an_equal_list_is_appended_too() {
    assert_eq!(
        merge(
            json!({"name": "t", "points": [0, 1, 2]}),
            json!({"name": "x", "points": [0, 1, 2]})
        ),
        json!({"name": "t", "points": [0, 1, 2, 0, 1, 2]})
    );
}

#[test]
fn a7_a9_am_5_a_stale_scalar_loses_whoever_changed_it() {
    assert_eq!(
        merge(json!({"name": "theirs"}), json!({"name": "mine"})),
        json!({"name": "theirs"})
    );
}

#[test]
fn a10_a_stale_title_loses_though_only_another_field_was_changed() {
    assert_eq!(
        merge(
            json!({"name": "original", "blogId": "second"}),
            json!({"name": "post 0"})
        ),
        json!({"name": "original", "blogId": "second"})
    );
}

#[test]
fn a12_a_stored_foreign_key_stays() {
    assert_eq!(
        merge(
            json!({"name": "post 0", "blogId": "original"}),
            json!({"blogId": "second"})
        ),
        json!({"name": "post 0", "blogId": "original"})
    );
}

#[test]
fn a11_a_stored_null_counts_as_absent_and_keeps_its_place() {
    let merged = merge(
        json!({"name": "post 0", "blogId": null, "jersey": 1}),
        json!({"blogId": "second"}),
    );
    assert_eq!(
        merged.to_string(),
        r#"{"name":"post 0","blogId":"second","jersey":1}"#
    );
}

#[test]
fn a13_a_deleted_record_stays_as_it_was_deleted() {
    let mut stored = record(json!({"name": "n", "points": [1]}));
    stored.deleted = true;
    let merged = resolve(&stored, json!({"name": "x", "points": [2], "jersey": 5}));
    assert_eq!(merged, stored.fields);
}

#[test]
fn a15_a_stale_removal_is_lost() {
    assert_eq!(
        merge(json!({"name": "n"}), json!({"name": null})),
        json!({"name": "n"})
    );
    assert_eq!(merge(json!({}), json!({"name": null})), json!({}));
}

#[test]
fn a16_nested_values_follow_the_same_table() {
    assert_eq!(
        merge(
            json!({"nested": {"a": 1, "b": [1]}}),
            json!({"nested": {"a": 2, "b": [2], "c": 3}})
        ),
        json!({"nested": {"a": 1, "b": [1, 2], "c": 3}})
    );
}

#[test]
fn a17_json_text_merges_by_what_it_holds() {
    assert_eq!(
        merge(
            json!({"meta": "{\"k\":1}"}),
            json!({"meta": "{\"k\":2,\"z\":1}"})
        ),
        json!({"meta": "{\"k\":1,\"z\":1}"})
    );
    assert_eq!(
        merge(json!({"meta": "[1]"}), json!({"meta": "[2]"})),
        json!({"meta": "[1,2]"})
    );
    assert_eq!(
        merge(
            json!({"nested": {"meta": "{\"k\":1}"}}),
            json!({"nested": {"meta": "{\"z\":1}"}})
        ),
        json!({"nested": {"meta": "{\"k\":1,\"z\":1}"}})
    );
}

#[test]
fn json_text_that_does_not_change_keeps_its_spelling() {
    let stored = json!({"meta": "{ \"k\" : 1.0 }"});
    for text in ["{\"k\":2}", "{}", "[1]", "7", "null", "{broken"] {
        assert_eq!(
            merge(stored.clone(), json!({"meta": text})),
            stored,
            "{text}"
        );
    }
}

#[test]
fn json_null_is_replaced_by_what_the_client_sent() {
    assert_eq!(
        merge(json!({"meta": "null"}), json!({"meta": "{ \"k\": 1 }"})),
        json!({"meta": "{ \"k\": 1 }"})
    );
}

#[test]
fn a_plain_string_that_looks_like_json_is_a_scalar() {
    assert_eq!(
        merge(json!({"name": "{\"k\":1}"}), json!({"name": "{\"z\":1}"})),
        json!({"name": "{\"k\":1}"})
    );
}

#[test]
fn a18_values_of_different_types_keep_the_stored_one() {
    for (stored, incoming) in [
        (json!("x"), json!(["y"])),
        (json!(["x"]), json!("y")),
        (json!({"a": 1}), json!(["y"])),
        (json!(["x"]), json!({"a": 1})),
    ] {
        assert_eq!(
            merge(json!({"points": stored}), json!({"points": incoming})),
            json!({"points": stored})
        );
    }
}

#[test]
fn numbers_keep_their_text() {
    let stored: Value = serde_json::from_str(r#"{"points":[1.50],"jersey":1e+2}"#).unwrap();
    let incoming: Value = serde_json::from_str(r#"{"points":[2.00],"other":0.10}"#).unwrap();
    assert_eq!(
        merge(stored, incoming).to_string(),
        r#"{"points":[1.50,2.00],"jersey":1e+2,"other":0.10}"#
    );
}

/// What one row of the table in `sync-semantics` 6.1 says: the result, and AppSync's word for it.
#[track_caller]
#[allow(clippy::needless_pass_by_value)]
fn row(stored: Value, incoming: Value, result: Value, word: Option<Rule>) {
    let case = Case::new(json!({"f": stored}), json!({"f": incoming}));
    assert_eq!(case.merged(&Automerge), json!({"f": result}));
    assert_eq!(rule(&case.resolve(&Automerge), "f"), word);
}

#[test]
fn merge_row_1_an_omitted_field_is_kept() {
    let case = Case::new(json!({"f": 1, "g": [2]}), json!({}));
    assert_eq!(case.merged(&Automerge), json!({"f": 1, "g": [2]}));
    assert_eq!(case.resolve(&Automerge).verdicts, []);
}

#[test]
fn merge_row_2_a_stored_scalar_is_kept() {
    for (stored, incoming) in [
        (json!("a"), json!("b")),
        (json!(1), json!(2.5)),
        (json!(true), json!(false)),
        (json!(""), json!("b")),
        (json!(0), json!(1)),
    ] {
        row(stored.clone(), incoming, stored, Some(Rule::Rejected));
    }
}

#[test]
fn merge_row_3_an_absent_field_is_added() {
    for incoming in [json!("a"), json!(1), json!([1, 1]), json!({"a": 1})] {
        let case = Case::new(json!({}), json!({"f": incoming}));
        assert_eq!(case.merged(&Automerge), json!({"f": incoming}));
        assert_eq!(rule(&case.resolve(&Automerge), "f"), Some(Rule::Added));
    }
}

#[test]
fn merge_row_4_a_stored_null_counts_as_absent() {
    for incoming in [json!("a"), json!([1]), json!({"a": 1})] {
        row(Value::Null, incoming.clone(), incoming, Some(Rule::Added));
    }
}

#[test]
fn merge_row_5_lists_append_in_order_with_their_duplicates() {
    let appended = Some(Rule::Appended);
    row(json!([2, 1]), json!([1, 3]), json!([2, 1, 1, 3]), appended);
    row(json!([]), json!([1]), json!([1]), appended);
    row(json!([1]), json!([]), json!([1]), appended);
    let (one, other) = (json!([{"id": 1}]), json!([{"id": 1, "n": 2}]));
    row(one, other, json!([{"id": 1}, {"id": 1, "n": 2}]), appended);
}

/// DynamoDB's sets cannot occur: Amplify's resolvers never write any, and no GraphQL type is one. Whoever wants a union
/// names the policy.
#[test]
fn merge_row_6_a_set_is_a_policy_of_its_field() {
    use crate::policies::{Policies, Policy};
    let fields = [("f".to_owned(), Policy::SetUnion)].into();
    let union = Policies::new(fields, std::sync::Arc::new(Automerge));
    let case = Case::new(json!({"f": ["b", "a"]}), json!({"f": ["c", "a"]}));
    assert_eq!(case.merged(&union), json!({"f": ["b", "a", "c"]}));
}

#[test]
fn merge_row_7_maps_follow_the_same_table() {
    row(
        json!({"kept": 1, "both": 1, "list": [1], "null": null}),
        json!({"both": 2, "list": [1], "null": 3, "new": 4}),
        json!({"kept": 1, "both": 1, "list": [1, 1], "null": 3, "new": 4}),
        Some(Rule::Merged),
    );
}

#[test]
fn merge_row_8_a_stale_null_removes_nothing() {
    for stored in [json!("a"), json!([1]), json!({"a": 1})] {
        row(stored.clone(), Value::Null, stored, Some(Rule::Rejected));
    }
}

#[test]
fn merge_row_9_values_of_different_kinds_keep_the_stored_one() {
    let kinds = [json!("a"), json!([1]), json!({"a": 1})];
    for stored in &kinds {
        for incoming in kinds.iter().filter(|kind| *kind != stored) {
            row(
                stored.clone(),
                incoming.clone(),
                stored.clone(),
                Some(Rule::Rejected),
            );
        }
    }
}

/// The words of AppSync's conflict log.
#[test]
fn every_field_says_which_rule_decided_it() {
    let resolution = Case::new(
        json!({"name": "n", "points": [1], "nested": {"a": 1, "b": [1]}, "jersey": 5, "meta": "{}"}),
        json!({
            "name": "x", "points": [2], "nested": {"a": 2, "b": [2], "c": 3}, "jersey": 5,
            "meta": "[]", "note": "new", "gone": null
        }),
    )
    .resolve(&Automerge);
    for (field, expected) in [
        ("name", Rule::Rejected),
        ("points", Rule::Appended),
        ("nested", Rule::Merged),
        ("nested.a", Rule::Rejected),
        ("nested.b", Rule::Appended),
        ("nested.c", Rule::Added),
        ("jersey", Rule::Equal),
        ("meta", Rule::Rejected),
        ("note", Rule::Added),
        ("gone", Rule::Equal),
    ] {
        assert_eq!(rule(&resolution, field), Some(expected), "{field}");
    }
}

fn scalar() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ]
}

fn value() -> impl proptest::strategy::Strategy<Value = Value> {
    prop_oneof![scalar(), Just(Value::Null)].prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(
    value: impl proptest::strategy::Strategy<Value = Value>,
) -> impl proptest::strategy::Strategy<Value = Fields> {
    prop::collection::vec(("[a-e]", value), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn without_lists() -> impl proptest::strategy::Strategy<Value = Fields> {
    let value = scalar().prop_recursive(3, 24, 4, |inner| members(inner).prop_map(Value::Object));
    members(value)
}

proptest! {
    #[test]
    fn a_stored_value_is_never_lost(stored in members(value()), incoming in members(value())) {
        let merged = resolve(&record(Value::Object(stored.clone())), Value::Object(incoming));
        for (name, held) in stored.iter().filter(|(_, held)| !held.is_null()) {
            prop_assert!(contains(&merged[name], held), "{name}: {held} became {}", merged[name]);
        }
    }

    #[test]
    fn every_incoming_field_is_there_afterwards(stored in members(value()), incoming in members(value())) {
        let merged = resolve(&record(Value::Object(stored)), Value::Object(incoming.clone()));
        for (name, _) in incoming.iter().filter(|(_, sent)| !sent.is_null()) {
            prop_assert!(merged.get(name).is_some_and(|held| !held.is_null()));
        }
    }

    #[test]
    fn equal_documents_without_lists_do_not_change(fields in without_lists()) {
        let merged = resolve(&record(Value::Object(fields.clone())), Value::Object(fields.clone()));
        prop_assert_eq!(merged, fields);
    }

    #[test]
    fn merging_twice_adds_nothing_where_there_are_no_lists(stored in without_lists(), incoming in without_lists()) {
        let once = resolve(&record(Value::Object(stored)), Value::Object(incoming.clone()));
        let twice = resolve(&record(Value::Object(once.clone())), Value::Object(incoming));
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn json_text_merges_as_a_map_of_the_same_content_does(stored in members(value()), incoming in members(value())) {
        let text = |fields: &Fields| Value::String(Value::Object(fields.clone()).to_string());
        let as_text = merge(json!({"meta": text(&stored)}), json!({"meta": text(&incoming)}));
        let as_map = merge(json!({"nested": {"x": stored}}), json!({"nested": {"x": incoming}}));
        let parsed: Value = serde_json::from_str(as_text["meta"].as_str().unwrap()).unwrap();
        prop_assert_eq!(&parsed, &as_map["nested"]["x"]);
    }
}

/// Whether everything `held` says is still said: scalars equal, lists a prefix, maps member by member.
fn contains(merged: &Value, held: &Value) -> bool {
    match (merged, held) {
        (Value::Array(merged), Value::Array(held)) => merged.starts_with(held),
        (Value::Object(merged), Value::Object(held)) => held
            .iter()
            .filter(|(_, value)| !value.is_null())
            .all(|(name, value)| merged.get(name).is_some_and(|m| contains(m, value))),
        _ => merged == held,
    }
}
