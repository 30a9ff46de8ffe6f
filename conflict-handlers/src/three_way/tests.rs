use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::strategy::Strategy as _;
use serde_json::json;

use super::*;
use crate::conflict::Step;
use crate::record::Version;
use crate::testing::{Case, object, record, rule};

fn merge(base: Value, stored: Value, incoming: Value) -> Value {
    Case::over(base, stored, incoming).merged(&ThreeWay)
}

#[test]
fn a_field_the_client_did_not_change_is_ignored() {
    assert_eq!(
        merge(
            json!({"name": "old", "jersey": 1}),
            json!({"name": "new", "jersey": 1}),
            json!({"name": "old", "jersey": 2})
        ),
        json!({"name": "new", "jersey": 2})
    );
}

/// `sync-semantics` 6.4 A6: what Automerge doubles.
#[test]
fn a6_a_whole_model_from_a_native_client_doubles_nothing() {
    let seen = json!({"name": "t", "points": [0, 1, 2]});
    let sent = json!({"name": "x", "points": [0, 1, 2], "jersey": null});
    let stored = json!({"name": "t", "points": [0, 1, 2], "note": "n"});
    assert_eq!(
        merge(seen, stored, sent),
        json!({"name": "x", "points": [0, 1, 2], "note": "n"})
    );
}

#[test]
fn a5_a_list_the_client_grew_gets_what_it_added() {
    assert_eq!(
        merge(
            json!({"points": ["a", "b"]}),
            json!({"points": ["a", "b", "z"]}),
            json!({"points": ["a", "b", "c"]})
        ),
        json!({"points": ["a", "b", "z", "c"]})
    );
}

#[test]
fn elements_the_client_took_out_are_taken_out_once_each() {
    assert_eq!(
        merge(
            json!({"points": [1, 1, 2, 3]}),
            json!({"points": [1, 1, 2, 3, 4]}),
            json!({"points": [1, 3]})
        ),
        json!({"points": [1, 3, 4]})
    );
}

#[test]
fn a10_a_title_that_nobody_else_changed_is_stored() {
    assert_eq!(
        merge(
            json!({"name": "original"}),
            json!({"name": "original", "blogId": "second"}),
            json!({"name": "post 0"})
        ),
        json!({"name": "post 0", "blogId": "second"})
    );
}

#[test]
fn a15_a_field_the_client_cleared_is_gone_unless_somebody_changed_it() {
    let seen = json!({"name": "n", "note": "n"});
    assert_eq!(
        merge(seen.clone(), seen.clone(), json!({"note": null})),
        json!({"name": "n"})
    );
    let stored = json!({"name": "n", "note": "other"});
    assert_eq!(merge(seen, stored.clone(), json!({"note": null})), stored);
}

#[test]
fn where_both_changed_a_scalar_the_stored_one_stays() {
    let case = Case::over(
        json!({"name": "a"}),
        json!({"name": "b"}),
        json!({"name": "c", "updatedAt": "now"}),
    );
    assert_eq!(case.merged(&ThreeWay), json!({"name": "b"}));
    let resolution = case.resolve(&ThreeWay);
    assert_eq!(rule(&resolution, "name"), Some(Rule::Rejected));
    assert_eq!(rule(&resolution, "updatedAt"), Some(Rule::Rejected));
}

#[test]
fn nested_values_and_json_text_merge_by_member() {
    assert_eq!(
        merge(
            json!({"nested": {"a": 1, "b": [1]}, "meta": "{\"k\":1,\"l\":[1]}"}),
            json!({"nested": {"a": 5, "b": [1]}, "meta": "{\"k\":5,\"l\":[1]}"}),
            json!({"nested": {"a": 1, "b": [1, 2]}, "meta": "{\"k\":1,\"l\":[1,2]}"})
        ),
        json!({"nested": {"a": 5, "b": [1, 2]}, "meta": "{\"k\":5,\"l\":[1,2]}"})
    );
}

#[test]
fn json_text_that_was_only_spelled_anew_is_untouched() {
    assert_eq!(
        merge(
            json!({"meta": "{\"k\":1}"}),
            json!({"meta": "{\"k\":2}"}),
            json!({"meta": "{ \"k\": 1.0 }"})
        ),
        json!({"meta": "{\"k\":2}"})
    );
}

#[test]
fn the_time_of_change_follows_a_change() {
    assert_eq!(
        merge(
            json!({"name": "a", "updatedAt": "1"}),
            json!({"name": "a", "updatedAt": "2"}),
            json!({"name": "b", "updatedAt": "3"})
        ),
        json!({"name": "b", "updatedAt": "3"})
    );
}

#[test]
fn without_the_clients_version_automerge_decides() {
    let case = Case::new(json!({"points": [1]}), json!({"points": [1]}));
    assert_eq!(case.merged(&ThreeWay), json!({"points": [1, 1]}));
}

#[test]
fn a13_a_deleted_record_stays_as_it_was_deleted() {
    let mut case = Case::over(
        json!({"name": "a"}),
        json!({"name": "a"}),
        json!({"name": "b"}),
    );
    case.stored.deleted = true;
    assert_eq!(case.merged(&ThreeWay), json!({"name": "a"}));
}

/// A device edits again before the answer to its last edit is there, and names the version before both.
#[test]
fn a_device_may_change_again_what_it_changed_last() {
    let mut case = Case::over(
        json!({"name": "a"}),
        json!({"name": "b"}),
        json!({"name": "c"}),
    );
    case.steps[0].writer = Some("me".to_owned());
    case.request.device = Some("me".to_owned());
    assert_eq!(case.merged(&ThreeWay), json!({"name": "c"}));
    case.steps.push(Step {
        record: record(6, json!({"name": "other"})),
        writer: Some("somebody else".to_owned()),
    });
    case.stored = record(6, json!({"name": "other"}));
    assert_eq!(case.merged(&ThreeWay), json!({"name": "other"}));
    assert_eq!(case.stored.version, Version(6));
}

fn document() -> impl proptest::strategy::Strategy<Value = Fields> {
    let value = proptest::prop_oneof![
        any::<u8>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        proptest::collection::vec(0_u8..4, 0..4).prop_map(Value::from),
    ];
    proptest::collection::btree_map("[a-e]", value, 0..5)
        .prop_map(|members| members.into_iter().collect())
}

fn sorted(mut fields: Fields) -> Value {
    fields.sort_keys();
    Value::Object(fields)
}

proptest! {
    #[test]
    fn sending_what_was_seen_changes_nothing(base in document(), stored in document()) {
        let case = Case::over(base.clone().into(), stored.clone().into(), base.into());
        prop_assert_eq!(object(case.merged(&ThreeWay)), stored);
    }

    #[test]
    fn a_change_nobody_contradicts_is_stored_whole(base in document(), sent in document()) {
        let case = Case::over(base.clone().into(), base.clone().into(), sent.clone().into());
        let mut expected = base;
        expected.extend(sent);
        prop_assert_eq!(sorted(object(case.merged(&ThreeWay))), sorted(expected));
    }

    #[test]
    fn an_equal_document_changes_nothing(base in document(), stored in document()) {
        let case = Case::over(base.into(), stored.clone().into(), stored.clone().into());
        prop_assert_eq!(object(case.merged(&ThreeWay)), stored);
    }
}
