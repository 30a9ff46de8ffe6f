use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::json;

use super::*;
use crate::automerge::Automerge;
use crate::conflict::Step;
use crate::last_writer::LastWriterWins;
use crate::optimistic::OptimisticConcurrency;
use crate::testing::{Case, record, rule};

fn policies<const N: usize>(fields: [(&str, Policy); N]) -> Policies {
    let fields = fields.map(|(name, policy)| (name.to_owned(), policy));
    Policies::new(BTreeMap::from(fields), Arc::new(Automerge))
}

#[allow(clippy::needless_pass_by_value)]
fn with(policy: Policy, base: Value, stored: Value, incoming: Value) -> Value {
    let case = Case::over(
        json!({"f": base}),
        json!({"f": stored}),
        json!({"f": incoming}),
    );
    case.merged(&policies([("f", policy)]))["f"].clone()
}

#[test]
fn a_counter_adds_what_the_client_added() {
    let count = |base, stored, incoming| with(Policy::Counter, base, stored, incoming);
    assert_eq!(count(json!(100), json!(97), json!(99)), json!(96));
    assert_eq!(count(json!(100), json!(97), json!(100)), json!(97));
    assert_eq!(count(json!(null), json!(3), json!(2)), json!(5));
    assert_eq!(count(json!(0.1), json!(0.3), json!(0.4)), json!(0.6));
}

#[test]
fn a_counter_never_counts_beyond_its_type() {
    let count = |ty: &str, stored: i32, incoming: i32| {
        let mut case = Case::over(
            json!({"f": 0}),
            json!({ "f": stored }),
            json!({ "f": incoming }),
        );
        case.request.types = BTreeMap::from([("f".to_owned(), ty.to_owned())]);
        case.merged(&policies([("f", Policy::Counter)]))["f"].clone()
    };
    for ty in ["Int", "Int!"] {
        assert_eq!(count(ty, i32::MAX - 1, 1), json!(i32::MAX));
        assert_eq!(count(ty, i32::MAX, 1), json!(i32::MAX));
        assert_eq!(count(ty, i32::MIN, -1), json!(i32::MIN));
    }
    assert_eq!(count("Float", i32::MAX, 1), json!(1_i64 << 31));
}

#[test]
fn without_the_clients_version_a_counter_stays() {
    let case = Case::new(json!({"f": 5}), json!({"f": 7}));
    let strategy = policies([("f", Policy::Counter)]);
    assert_eq!(case.merged(&strategy), json!({"f": 5}));
    assert_eq!(rule(&case.resolve(&strategy), "f"), Some(Rule::Rejected));
}

/// The device counted twice before it heard of its first count.
#[test]
fn a_counter_counts_a_devices_own_earlier_count_once() {
    let mut case = Case::over(json!({"f": 100}), json!({"f": 90}), json!({"f": 98}));
    case.request.device = Some("me".to_owned());
    let step = |version, count, writer: &str| Step {
        record: record(version, json!({"f": count})),
        writer: Some(writer.to_owned()),
    };
    case.steps = vec![step(5, 91, "other"), step(6, 90, "me")];
    case.stored = record(6, json!({"f": 90}));
    assert_eq!(
        case.merged(&policies([("f", Policy::Counter)])),
        json!({"f": 89})
    );
}

#[test]
fn the_greatest_and_the_least_are_told_by_value() {
    for (policy, stored, incoming, result) in [
        (Policy::Max, json!(9), json!(10), json!(10)),
        (Policy::Max, json!(10), json!(9), json!(10)),
        (Policy::Min, json!(10), json!(9), json!(9)),
        (
            Policy::Max,
            json!("2026-01-01"),
            json!("2026-01-02"),
            json!("2026-01-02"),
        ),
        (Policy::Max, json!("text"), json!(9), json!("text")),
        (Policy::Max, json!(9), json!(null), json!(9)),
    ] {
        assert_eq!(with(policy, json!(1), stored, incoming), result);
    }
}

#[test]
fn a_set_holds_every_element_once_and_not_what_was_taken_out() {
    let set = |base, stored, incoming| with(Policy::SetUnion, base, stored, incoming);
    assert_eq!(
        set(json!(["a"]), json!(["a", "b"]), json!(["a", "c", "c"])),
        json!(["a", "b", "c"])
    );
    assert_eq!(
        set(json!(["a", "b"]), json!(["a", "b", "c"]), json!(["a"])),
        json!(["a", "c"])
    );
}

#[test]
fn values_are_kept_taken_or_appended() {
    let old = || json!("old");
    assert_eq!(with(Policy::Keep, json!(1), old(), json!("new")), old());
    assert_eq!(
        with(Policy::LastWriter, json!(1), old(), json!("new")),
        json!("new")
    );
    assert_eq!(
        with(Policy::LastWriter, json!(1), old(), json!(null)),
        json!(null)
    );
    assert_eq!(
        with(Policy::Append, json!([1]), json!([1]), json!([1])),
        json!([1, 1])
    );
}

#[test]
fn the_rest_goes_by_the_strategy() {
    let case = Case::over(
        json!({"f": 1, "name": "a"}),
        json!({"f": 2, "name": "b"}),
        json!({"f": 2, "name": "c", "updatedAt": "now"}),
    );
    let fields = BTreeMap::from([("f".to_owned(), Policy::Counter)]);
    let merging = Policies::new(fields.clone(), Arc::new(Automerge));
    assert_eq!(
        case.merged(&merging),
        json!({"f": 3, "name": "b", "updatedAt": "now"})
    );
    let last = Policies::new(fields.clone(), Arc::new(LastWriterWins));
    assert_eq!(case.merged(&last)["name"], json!("c"));
    assert_eq!(case.merged(&last)["f"], json!(3));
    let refusing = Policies::new(fields, Arc::new(OptimisticConcurrency));
    assert_eq!(case.resolve(&refusing).decision, Decision::reject());
}

#[test]
fn where_policies_decide_everything_a_refusing_strategy_is_not_asked() {
    let case = Case::over(
        json!({"f": 1}),
        json!({"f": 2}),
        json!({"f": 2, "updatedAt": "now"}),
    );
    let fields = BTreeMap::from([("f".to_owned(), Policy::Counter)]);
    let refusing = Policies::new(fields, Arc::new(OptimisticConcurrency));
    assert_eq!(case.merged(&refusing), json!({"f": 3, "updatedAt": "now"}));
}

#[test]
fn a_deleted_record_stays_as_it_was_deleted() {
    let mut case = Case::over(json!({"f": 1}), json!({"f": 2}), json!({"f": 3}));
    case.stored.deleted = true;
    assert_eq!(
        case.merged(&policies([("f", Policy::Counter)])),
        json!({"f": 2})
    );
}

#[test]
fn policies_have_names() {
    assert_eq!(Policy::named("set-union"), Some(Policy::SetUnion));
    assert_eq!(Policy::named("set_union"), Some(Policy::SetUnion));
    assert_eq!(Policy::named("sum"), None);
}

proptest! {
    /// However the writes of several devices that saw one version fall, their counts add up.
    #[test]
    fn concurrent_counts_add_up(start in any::<i16>(), deltas in proptest::collection::vec(any::<i8>(), 1..12)) {
        let strategy = policies([("f", Policy::Counter)]);
        let mut stored = i64::from(start);
        for delta in &deltas {
            let sent = i64::from(start) + i64::from(*delta);
            let case = Case::over(json!({"f": start}), json!({"f": stored}), json!({"f": sent}));
            stored = case.merged(&strategy)["f"].as_i64().unwrap();
        }
        let sum: i64 = deltas.iter().map(|delta| i64::from(*delta)).sum();
        prop_assert_eq!(stored, i64::from(start) + sum);
    }

    #[test]
    fn the_greatest_does_not_depend_on_the_order(values in proptest::collection::vec(any::<i32>(), 1..8)) {
        let mut stored = json!(values[0]);
        for value in &values {
            stored = with(Policy::Max, json!(0), stored, json!(value));
        }
        prop_assert_eq!(stored, json!(values.iter().max()));
    }
}
