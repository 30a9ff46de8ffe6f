//! Laws that hold for every strategy, over documents made at random. Those of one strategy alone stand beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;
use serde_json::{Value, json};

use crate::automerge::Automerge;
use crate::conflict::{Kind, Operation};
use crate::decision::{Decision, Rule};
use crate::handler::Strategy;
use crate::last_writer::LastWriterWins;
use crate::optimistic::OptimisticConcurrency;
use crate::policies::{Policies, Policy};
use crate::record::Fields;
use crate::testing::{Case, object, rule};
use crate::three_way::ThreeWay;

fn policy(policy: Policy) -> Policies {
    let fields = BTreeMap::from([("f".to_owned(), policy)]);
    Policies::new(fields, Arc::new(Automerge))
}

/// Everything that writes something of a stale update.
fn writing() -> Vec<Box<dyn Strategy>> {
    let mut all: Vec<Box<dyn Strategy>> = vec![
        Box::new(Automerge),
        Box::new(ThreeWay),
        Box::new(LastWriterWins),
    ];
    for (_, name) in Policy::ALL {
        all.push(Box::new(policy(name)));
    }
    all
}

fn scalar() -> impl Generator<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ]
}

fn list() -> impl Generator<Value = Value> {
    prop::collection::vec(0_u8..5, 0..5).prop_map(Value::from)
}

fn value() -> impl Generator<Value = Value> {
    prop_oneof![3 => scalar(), 2 => list(), 1 => scalar().prop_map(|inner| json!({"a": inner}))]
}

/// Documents of a few fields, so that the sides of a conflict often speak of the same ones.
fn document(value: impl Generator<Value = Value>) -> impl Generator<Value = Fields> {
    prop::collection::btree_map("[d-h]", value, 0..5)
        .prop_map(|members| members.into_iter().collect())
}

/// What a client sends: values and nulls.
fn sent() -> impl Generator<Value = Fields> {
    document(prop_oneof![4 => value(), 1 => proptest::strategy::Just(Value::Null)])
}

fn case(base: &Fields, stored: &Fields, incoming: &Fields) -> Case {
    Case::over(
        base.clone().into(),
        stored.clone().into(),
        incoming.clone().into(),
    )
}

fn elements(list: &Value) -> BTreeSet<String> {
    let elements = list.as_array().map(Vec::as_slice).unwrap_or_default();
    elements.iter().map(Value::to_string).collect()
}

proptest! {
    /// A field that the client did not send is no business of any strategy's.
    #[test]
    fn what_was_not_sent_stays(base in document(value()), stored in document(value()), incoming in sent()) {
        let case = case(&base, &stored, &incoming);
        for strategy in writing() {
            let merged = object(case.merged(strategy.as_ref()));
            for (name, held) in stored.iter().filter(|(name, _)| !incoming.contains_key(*name)) {
                prop_assert_eq!(merged.get(name), Some(held), "{} lost {}", strategy.name(), name);
            }
            for name in merged.keys() {
                prop_assert!(stored.contains_key(name) || incoming.contains_key(name), "{name}");
            }
        }
    }

    /// Whoever wonders where a value went finds a reason.
    #[test]
    fn every_field_that_was_sent_has_exactly_one_verdict(base in document(value()), stored in document(value()), incoming in sent()) {
        let case = case(&base, &stored, &incoming);
        for strategy in writing() {
            let verdicts = case.resolve(strategy.as_ref()).verdicts;
            for name in incoming.keys() {
                let found = verdicts.iter().filter(|verdict| verdict.field == *name).count();
                prop_assert_eq!(found, 1, "{}: {}", strategy.name(), name);
            }
        }
        prop_assert_eq!(case.resolve(&OptimisticConcurrency).verdicts.len(), incoming.len());
    }

    /// A verdict that says that nothing changes is true, and where something changed a verdict says so.
    #[test]
    fn verdicts_tell_what_became_of_a_field(base in document(value()), stored in document(value()), incoming in sent()) {
        let case = case(&base, &stored, &incoming);
        for strategy in writing() {
            let resolution = case.resolve(strategy.as_ref());
            let merged = object(case.merged(strategy.as_ref()));
            for name in incoming.keys() {
                let before = stored.get(name).unwrap_or(&Value::Null);
                let after = merged.get(name).unwrap_or(&Value::Null);
                let verdict = rule(&resolution, name);
                let quiet = matches!(verdict, Some(Rule::Rejected | Rule::Equal | Rule::Untouched));
                prop_assert!(!quiet || before == after, "{} {name}: {before} became {after}", strategy.name());
                let taken = matches!(verdict, Some(Rule::Added | Rule::Applied));
                let removed = after.is_null() && incoming[name].is_null();
                prop_assert!(!taken || *after == incoming[name] || removed, "{}: {name}", strategy.name());
            }
        }
    }

    /// A conflict is decided by what is in it: the same again comes out the same.
    #[test]
    fn decisions_are_functions_of_the_conflict(base in document(value()), stored in document(value()), incoming in sent()) {
        let case = case(&base, &stored, &incoming);
        for strategy in writing() {
            prop_assert_eq!(case.resolve(strategy.as_ref()), case.resolve(strategy.as_ref()));
        }
    }

    /// A deleted record stays as it was deleted, whoever decides, but for those whose word is the last one.
    #[test]
    fn no_merge_changes_a_deleted_record(base in document(value()), stored in document(value()), incoming in sent()) {
        let mut case = case(&base, &stored, &incoming);
        case.stored.deleted = true;
        for strategy in writing().iter().filter(|strategy| strategy.name() != LastWriterWins.name()) {
            prop_assert_eq!(object(case.merged(strategy.as_ref())), stored.clone(), "{}", strategy.name());
        }
    }

    #[test]
    fn only_the_last_writer_deletes_what_it_has_not_seen(stored in document(value())) {
        let mut case = Case::new(stored.into(), json!({}));
        case.operation = Operation::Delete;
        let decided = |strategy: &dyn Strategy| case.ask(|conflict| strategy.resolve_delete(conflict).decision);
        prop_assert_eq!(decided(&LastWriterWins), Decision::Remove);
        for strategy in [&Automerge as &dyn Strategy, &ThreeWay, &OptimisticConcurrency, &policy(Policy::Counter)] {
            prop_assert_eq!(decided(strategy), Decision::reject(), "{}", strategy.name());
        }
    }

    #[test]
    fn optimistic_concurrency_writes_nothing_whatever_was_sent(stored in document(value()), incoming in sent()) {
        let case = Case::new(stored.into(), incoming.into());
        prop_assert_eq!(case.resolve(&OptimisticConcurrency).decision, Decision::reject());
    }

    #[test]
    fn automerge_keeps_every_stored_scalar(stored in document(scalar()), incoming in sent()) {
        let merged = object(Case::new(stored.clone().into(), incoming.into()).merged(&Automerge));
        for (name, held) in &stored {
            prop_assert_eq!(&merged[name], held);
        }
    }

    #[test]
    fn automerge_appends_every_list_that_was_sent(stored in list(), incoming in list()) {
        let merged = Case::new(json!({"f": stored}), json!({"f": incoming})).merged(&Automerge);
        let joined: Vec<_> = [stored, incoming].iter().flat_map(|list| list.as_array().unwrap().clone()).collect();
        prop_assert_eq!(&merged["f"], &Value::Array(joined));
    }

    /// Nobody else changed the field: the client's word counts, a null as removal.
    #[test]
    fn three_way_takes_what_only_the_client_changed(base in document(value()), stored in document(value()), incoming in sent()) {
        let mut stored = stored;
        stored.retain(|name, _| !incoming.contains_key(name));
        for name in incoming.keys() {
            if let Some(value) = base.get(name) {
                stored.insert(name.clone(), value.clone());
            }
        }
        let merged = object(case(&base, &stored, &incoming).merged(&ThreeWay));
        for (name, value) in &incoming {
            prop_assert_eq!(merged.get(name).unwrap_or(&Value::Null), value, "{}", name);
        }
    }

    /// The client changed nothing of the field: the others' word counts.
    #[test]
    fn three_way_keeps_what_only_the_others_changed(base in document(value()), stored in document(value())) {
        let merged = object(case(&base, &stored, &base).merged(&ThreeWay));
        prop_assert_eq!(merged, stored);
    }

    #[test]
    fn three_way_keeps_the_stored_scalar_where_both_changed_it(seen in 0..9, theirs in 10..19, mine in 20..29) {
        let case = Case::over(json!({"f": seen}), json!({"f": theirs}), json!({"f": mine}));
        prop_assert_eq!(case.merged(&ThreeWay), json!({"f": theirs}));
        prop_assert_eq!(rule(&case.resolve(&ThreeWay), "f"), Some(Rule::Rejected));
    }

    /// Both sides only added: every addition is there, and nothing twice that was there once.
    #[test]
    fn three_way_keeps_the_additions_of_both_sides(base in list(), theirs in list(), mine in list()) {
        let joined = |added: &Value| {
            let both = [&base, added].into_iter();
            Value::Array(both.flat_map(|list| list.as_array().unwrap().clone()).collect())
        };
        let mut case = Case::over(json!({"points": base}), json!({"points": joined(&theirs)}), json!({"points": joined(&mine)}));
        case.kinds.insert("points".to_owned(), Kind::List);
        let merged = case.merged(&ThreeWay)["points"].as_array().unwrap().clone();
        let count = |list: &[Value], element: &Value| list.iter().filter(|other| *other == element).count();
        for element in &merged {
            let [base, theirs, mine] = [&base, &theirs, &mine].map(|list| count(list.as_array().unwrap(), element));
            // Where both sides hold the same list it is taken as one change.
            let expected = base + theirs + mine;
            let once = base + theirs.max(mine);
            prop_assert!([expected, once].contains(&count(&merged, element)), "{element} in {merged:?}");
        }
        prop_assert!(merged.len() >= base.as_array().unwrap().len());
    }

    #[test]
    fn the_last_writer_gets_what_it_asked_for(base in document(value()), stored in document(value()), incoming in sent()) {
        let merged = object(case(&base, &stored, &incoming).merged(&LastWriterWins));
        for (name, value) in &incoming {
            prop_assert_eq!(merged.get(name).unwrap_or(&Value::Null), value);
        }
    }

    #[test]
    fn a_union_holds_every_element_once(base in list(), stored in list(), incoming in list()) {
        let case = Case::over(json!({"f": base}), json!({"f": stored}), json!({"f": incoming}));
        let merged = case.merged(&policy(Policy::SetUnion))["f"].clone();
        let (had, has, sent, is) = (elements(&base), elements(&stored), elements(&incoming), elements(&merged));
        prop_assert_eq!(is.len(), merged.as_array().unwrap().len(), "a double in {}", merged);
        let taken_out: BTreeSet<_> = had.difference(&sent).cloned().collect();
        let all: BTreeSet<_> = has.union(&sent).filter(|element| !taken_out.contains(*element)).cloned().collect();
        prop_assert_eq!(is, all);
    }

    #[test]
    fn a_union_of_additions_does_not_depend_on_their_order(lists in prop::collection::vec(list(), 1..6)) {
        let union = |lists: &mut dyn Iterator<Item = &Value>| {
            lists.fold(json!([]), |stored, sent| {
                let case = Case::over(json!({"f": []}), json!({"f": stored}), json!({"f": sent}));
                case.merged(&policy(Policy::SetUnion))["f"].clone()
            })
        };
        prop_assert_eq!(elements(&union(&mut lists.iter())), elements(&union(&mut lists.iter().rev())));
    }

    #[test]
    fn the_least_does_not_depend_on_the_order(values in prop::collection::vec(any::<i32>(), 1..8)) {
        let least = values.iter().fold(json!(values[0]), |stored, value| {
            let case = Case::new(json!({"f": stored}), json!({"f": value}));
            case.merged(&policy(Policy::Min))["f"].clone()
        });
        prop_assert_eq!(least, json!(values.iter().min()));
    }

    #[test]
    fn what_is_kept_stays_and_what_is_the_last_writers_is_taken(stored in value(), incoming in value()) {
        let case = Case::new(json!({"f": stored}), json!({"f": incoming}));
        prop_assert_eq!(&case.merged(&policy(Policy::Keep))["f"], &stored);
        prop_assert_eq!(&case.merged(&policy(Policy::LastWriter))["f"], &incoming);
    }
}
