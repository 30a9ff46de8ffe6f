//! What writes fill in, check and leave alone (`transformer.md` 6.1 to 6.5).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/writing.graphql"));

async fn create(site: &Site, model: &str, input: Value, selection: &str) -> Value {
    site.mutate(&format!("create{model}"), input, selection)
        .await
        .value()
}

async fn update(site: &Site, model: &str, input: Value, selection: &str) -> Value {
    site.mutate(&format!("update{model}"), input, selection)
        .await
        .value()
}

/// The message of a refusal that has no type.
async fn refused(site: &Site, mutation: &str, input: Value) -> String {
    let error = site.mutate(mutation, input, "id").await.refusal();
    assert_eq!(error["errorType"], Value::Null, "{error}");
    error["message"].as_str().expect("a message").to_owned()
}

async fn ids(site: &Site, query: &str) -> Vec<Value> {
    let page = site
        .read(&format!("{{ {query} {{ items {{ id }} }} }}"))
        .await;
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].clone()).collect()
}

on_both_stores! { PLAN;

/// 6.1: an `id` that is text or of type ID is made, also beside another key; a client's own wins; a number is not made.
async fn ids_are_made_where_they_are_text(site: &Site) {
    for (model, input) in [
        ("Plain", json!({"title": "t"})),
        ("Named", json!({"title": "t"})),
        ("Coded", json!({"code": "c"})),
    ] {
        let made = create(site, model, input, "id").await;
        let id = uuid::Uuid::parse_str(made["id"].as_str().expect("an id")).expect("a UUID");
        assert_eq!(id.get_version_num(), 4, "{model}");
    }
    assert_eq!(create(site, "Plain", json!({"id": "mine"}), "id").await, json!({"id": "mine"}));
    assert_eq!(create(site, "Coded", json!({"code": "d", "id": "mine"}), "id").await, json!({"id": "mine"}));
    let message = site.mutate("createNumbered", json!({"title": "t"}), "id").await.invalid();
    assert!(message.contains("coerced Null value for NonNull type 'Int!'"), "{message}");
    assert_eq!(create(site, "Numbered", json!({"id": 7}), "id").await, json!({"id": 7}));
}

/// A number given for an ID is its text; text given for a number is refused, but for keys (`client-native` R25).
async fn numbers_are_ids_and_text_is_a_number_in_keys_only(site: &Site) {
    assert_eq!(create(site, "Plain", json!({"id": 12}), "id").await, json!({"id": "12"}));
    assert_eq!(site.read("{ getPlain(id: 12) { id } }").await, json!({"id": "12"}));
    assert_eq!(ids(site, "listPlains(filter: {id: {eq: 12}})").await, [json!("12")]);
    site.mutate("createNumbered", json!({"id": "7"}), "id").await.invalid();
    create(site, "Numbered", json!({"id": 7}), "id").await;
    site.mutate("updateNumbered", json!({"id": "7", "_version": 1}), "id").await.invalid();
    assert_eq!(site.read("{ getNumbered(id: \"7\") { id } }").await, json!({"id": 7}));
    let gone = json!({"id": "7", "_version": 1});
    assert_eq!(site.mutate("deleteNumbered", gone, "id").await.value(), json!({"id": 7}));
}

/// 6.1, 6.2: both timestamps are one instant of a create; an update moves `updatedAt` alone; a client's own win if the
/// schema declares them, an explicit null too.
async fn timestamps_are_filled_in_and_moved(site: &Site) {
    let times = "createdAt updatedAt";
    let made = create(site, "Plain", json!({"id": "p"}), times).await;
    assert_eq!(made["createdAt"], made["updatedAt"]);
    let moved = loop {
        let version = site.read("{ getPlain(id: \"p\") { _version } }").await;
        let moved = update(site, "Plain", json!({"id": "p", "_version": version["_version"]}), times).await;
        if moved["updatedAt"] != made["updatedAt"] {
            break moved;
        }
    };
    assert_eq!(moved["createdAt"], made["createdAt"]);
    assert!(moved["updatedAt"].as_str() > made["updatedAt"].as_str());
    let mine = json!({"createdAt": "2001-02-03T04:05:06Z", "updatedAt": "2002-02-03T04:05:06.7+01:00"});
    let mut input = mine.clone();
    input["id"] = json!("s");
    assert_eq!(create(site, "Stamped", input, times).await, mine);
    let touched = update(site, "Stamped", json!({"id": "s", "createdAt": "2003-01-01T00:00:00Z", "_version": 1}), times).await;
    assert_eq!(touched["createdAt"], "2003-01-01T00:00:00Z");
    assert_ne!(touched["updatedAt"], mine["updatedAt"]);
    let cleared = create(site, "Stamped", json!({"createdAt": null}), times).await;
    assert_eq!(cleared["createdAt"], Value::Null);
    assert!(cleared["updatedAt"].is_string());
    let message = site.ask("{ listUntimeds { items { createdAt } } }", json!({})).await.invalid();
    assert!(message.contains("'createdAt' in type 'Untimed' is undefined"), "{message}");
    create(site, "Untimed", json!({"id": "u"}), "id").await;
}

/// 6.1, 6.4: defaults come before keys, so a record is found by what it was given; a required field stays required.
async fn defaults_are_part_of_keys(site: &Site) {
    let made = create(site, "Task", json!({"id": "t", "title": "x"}), "state rank").await;
    assert_eq!(made, json!({"state": "OPEN", "rank": 1}));
    create(site, "Task", json!({"id": "n", "title": "x", "state": null, "rank": null}), "state").await;
    create(site, "Task", json!({"id": "d", "title": "x", "state": "DONE", "rank": 0}), "state").await;
    assert_eq!(ids(site, "tasksByState(state: OPEN, rank: {eq: 1})").await.len(), 2);
    assert_eq!(ids(site, "tasksByState(state: DONE)").await, [json!("d")]);
    let message = site.mutate("createTask", json!({"id": "r"}), "title").await.invalid();
    assert!(message.contains("coerced Null value for NonNull type 'String!'"), "{message}");
}

/// 6.1, 6.2: what is in a composite key counts as given if it is a timestamp; null for an indexed field leaves the index.
async fn a_composite_key_may_hold_a_timestamp(site: &Site) {
    let task = json!({"id": "t", "title": "x", "board": "b"});
    create(site, "Task", task, "id").await;
    create(site, "Task", json!({"id": "null", "title": "x", "board": null}), "id").await;
    let on_board = "tasksByBoard(board: \"b\", stateCreatedAt: {beginsWith: {state: OPEN}})";
    assert_eq!(ids(site, on_board).await, [json!("t")]);
    update(site, "Task", json!({"id": "t", "rank": 5, "_version": 1}), "id").await;
    assert_eq!(ids(site, on_board).await, [json!("t")]);
    update(site, "Task", json!({"id": "t", "board": null, "_version": 2}), "id").await;
    assert_eq!(ids(site, on_board).await, [] as [Value; 0]);
}

/// 6.2: a null of a create is kept as null, one of an update takes the attribute away; what is not sent stays; lists and
/// nested values are replaced whole.
async fn an_update_sets_removes_and_replaces(site: &Site) {
    let place = json!({"city": "Oslo", "lines": ["a", "b"]});
    let task = json!({"id": "t", "title": "x", "tags": ["a"], "place": place, "board": "b"});
    create(site, "Task", task, "id").await;
    create(site, "Task", json!({"id": "n", "title": "x", "tags": null, "place": null}), "id").await;
    let changed = json!({"id": "t", "tags": null, "place": {"lines": []}, "_version": 1});
    let changed = update(site, "Task", changed, "title tags place { city lines } board").await;
    assert_eq!(changed, json!({"title": "x", "tags": null, "place": {"city": null, "lines": []}, "board": "b"}));
    assert_eq!(ids(site, "listTasks(filter: {tags: {attributeExists: true}})").await, [json!("n")]);
    assert_eq!(ids(site, "listTasks(filter: {tags: {attributeExists: false}})").await, [json!("t")]);
}

/// 6.2, 6.3: a record that is not there is a failed condition.
async fn what_is_not_there_is_neither_updated_nor_deleted(site: &Site) {
    for mutation in ["updateTask", "deleteTask"] {
        let error = site.mutate(mutation, json!({"id": "none", "_version": 1}), "id").await.refusal();
        assert_eq!(error["errorType"], "ConditionalCheckFailedException");
        assert_eq!(error["data"], Value::Null);
    }
    let fields = "mutation { createTask(input: {id: \"x\", title: \"t\", _deleted: true}) { id } }";
    let message = site.ask(fields, json!({})).await.invalid();
    assert!(message.contains("_deleted"), "{message}");
}

/// 6.5: on creates and updates, of values that are sent, in schema order, in the words of the schema or the original's.
async fn values_that_fail_their_validation_are_refused(site: &Site) {
    for (field, good, bad, message) in [
        ("count", json!(1), json!(0), "Field count of type Checked must be greater than 0"),
        ("count", json!(10), json!(11), "At most ten."),
        ("ratio", json!(0.5), json!(0.4999), "Field ratio of type Checked must be greater than or equal to 0.5"),
        ("ratio", json!(0.9999), json!(1.0), "Field ratio of type Checked must be less than 1"),
        ("name", json!("ab"), json!("a"), "Field name of type Checked must have a minimum length of 2"),
        ("name", json!("abcd"), json!("abcde"), "Field name of type Checked must have a maximum length of 4"),
        ("code", json!("A-1Z"), json!("B-1Z"), "Field code of type Checked must start with A-"),
        ("code", json!("A-22Z"), json!("A-1"), "Field code of type Checked must end with Z"),
        ("code", json!("A-333Z"), json!("A-xZ"), "A code is A-…Z."),
    ] {
        let id = format!("{field}{good}");
        assert_eq!(refused(site, "createChecked", json!({"id": id, field: bad})).await, message);
        create(site, "Checked", json!({"id": id, field: good}), "id").await;
        assert_eq!(refused(site, "updateChecked", json!({"id": id, field: bad, "_version": 1})).await, message);
        let cleared = update(site, "Checked", json!({"id": id, field: null, "_version": 1}), "_version").await;
        assert_eq!(cleared["_version"], 2, "null is asked nothing");
    }
    let several = json!({"id": "x", "code": "no", "name": "a", "count": 99});
    assert_eq!(refused(site, "createChecked", several).await, "At most ten.");
    assert_eq!(ids(site, "listCheckeds(filter: {id: {eq: \"x\"}})").await, [] as [Value; 0]);
    let made = create(site, "Checked", json!({"id": "d"}), "kind").await;
    assert_eq!(made, json!({"kind": "xx"}), "a default passes");
}
}
