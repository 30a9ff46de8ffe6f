//! `@model(queries:, mutations:, subscriptions:, timestamps:)`: which operations a model has and what they are called.

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, Kind, TypeNode, Value};
use crate::schema::model::{Base, Field, FieldType, Model, Operations, Origin, Scalar, Timestamps};
use crate::schema::naming;
use crate::schema::overrides::{Overrides, plural_of};
use crate::schema::source::is_name;

/// See the module.
pub(crate) const MODEL: Directive = Directive {
    name: "model",
    sites: &[Site::Model],
    repeatable: false,
    parameters: &[
        Parameter::optional(
            "queries",
            Shape::Object(&[
                Parameter::optional("get", Shape::Text),
                Parameter::optional("list", Shape::Text),
            ]),
        ),
        Parameter::optional(
            "mutations",
            Shape::Object(&[
                Parameter::optional("create", Shape::Text),
                Parameter::optional("update", Shape::Text),
                Parameter::optional("delete", Shape::Text),
            ]),
        ),
        Parameter::optional(
            "subscriptions",
            Shape::Object(&[
                Parameter::optional("onCreate", Shape::Texts),
                Parameter::optional("onUpdate", Shape::Texts),
                Parameter::optional("onDelete", Shape::Texts),
                Parameter::optional("level", Shape::Word(&["on", "off", "public"])),
            ]),
        ),
        Parameter::optional(
            "timestamps",
            Shape::Object(&[
                Parameter::optional("createdAt", Shape::Text),
                Parameter::optional("updatedAt", Shape::Text),
            ]),
        ),
    ],
};

/// Names the model's operations.
pub(crate) fn name_operations(
    node: &TypeNode,
    overrides: &Overrides,
    model: &mut Model,
    problems: &mut Problems,
) {
    let mut names = naming::operations(&model.name, &plural_of(overrides, &model.name));
    if let Some(sync) = overrides.get(&model.name).and_then(|it| it.sync.clone()) {
        names.sync = Some(sync);
    }
    if let Some(applied) = node.directive(MODEL.name) {
        queries(applied, &mut names, problems);
        mutations(applied, &mut names, problems);
        subscriptions(applied, &mut names, problems);
    }
    model.operations = names;
}

fn queries(applied: &Applied, names: &mut Operations, problems: &mut Problems) {
    let Some(given) = applied.argument("queries") else {
        return;
    };
    if given.is_null() {
        // There is no switch for the sync query alone: it goes with all queries (`transformer` 4.1).
        names.sync = None;
    }
    operation(&mut names.get, given, "get", problems);
    operation(&mut names.list, given, "list", problems);
}

fn mutations(applied: &Applied, names: &mut Operations, problems: &mut Problems) {
    let Some(given) = applied.argument("mutations") else {
        return;
    };
    operation(&mut names.create, given, "create", problems);
    operation(&mut names.update, given, "update", problems);
    operation(&mut names.delete, given, "delete", problems);
}

/// As [`rename`]; an empty name switches off too.
fn operation(name: &mut Option<String>, given: &Value, word: &str, problems: &mut Problems) {
    if given.get(word).and_then(Value::text) == Some("") {
        *name = None;
    } else {
        rename(name, given, word, problems);
    }
}

/// Takes over a name from `{get: "n"}`; `null`, for one or for all, switches off.
fn rename(name: &mut Option<String>, given: &Value, word: &str, problems: &mut Problems) {
    if given.is_null() {
        *name = None;
    } else if let Some(value) = given.get(word) {
        *name = value.text().map(str::to_owned);
        check_name(value, problems);
    }
}

fn subscriptions(applied: &Applied, names: &mut Operations, problems: &mut Problems) {
    let given = applied.argument("subscriptions");
    let level = level(applied);
    let off = given.is_some_and(Value::is_null) || level == Some("off");
    names.open_subscriptions = level == Some("public");
    let mutations = [&names.create, &names.update, &names.delete].map(Option::is_some);
    let events = [
        ("onCreate", &mut names.on_create),
        ("onUpdate", &mut names.on_update),
        ("onDelete", &mut names.on_delete),
    ];
    for ((word, name), mutation) in events.into_iter().zip(mutations) {
        if off || !mutation {
            name.clear();
        } else if let Some(value) = given.and_then(|given| given.get(word)) {
            rename_events(name, value, problems);
        }
    }
}

fn level(applied: &Applied) -> Option<&str> {
    let given = applied.argument("subscriptions")?;
    given.get("level").and_then(Value::word)
}

/// The `level` of a model's subscriptions, if it says one.
pub(crate) fn subscription_level(node: &TypeNode) -> Option<&str> {
    node.directive(MODEL.name).and_then(level)
}

/// `["a", "b"]` are the names, `null` is off, and `[]` means the default name.
fn rename_events(names: &mut Vec<String>, given: &Value, problems: &mut Problems) {
    let items = given.items();
    for item in items.unwrap_or_default() {
        check_name(item, problems);
    }
    let texts = given.texts().unwrap_or_default();
    if items.is_none() || !texts.is_empty() {
        *names = texts.into_iter().map(|(text, _)| text.to_owned()).collect();
    }
}

fn check_name(value: &Value, problems: &mut Problems) {
    if let Kind::Text(name) = &value.kind
        && (!is_name(name) || name.starts_with("__"))
    {
        problems.error(
            "operation-name",
            value.span,
            format!("`{name}` cannot be the name of an operation or field."),
            "Use letters, digits and `_`, not beginning with a digit or `__`.",
        );
    }
}

/// Gives the model its timestamps, as fields unless they are declared.
pub(crate) fn add_timestamps(node: &TypeNode, model: &mut Model, problems: &mut Problems) {
    let given = node
        .directive(MODEL.name)
        .and_then(|applied| applied.argument("timestamps"));
    let mut name = |word: &str| {
        let mut name = Some(word.to_owned());
        if let Some(given) = given {
            rename(&mut name, given, word, problems);
        }
        name
    };
    let (created, updated) = (name("createdAt"), name("updatedAt"));
    if let (Some(given), true) = (given, created.is_some() && created == updated) {
        problems.error(
            "timestamps-same",
            given.span,
            "Both timestamps have the same name.",
            "Give them different names, or switch one off with `null`.",
        );
    }
    let mut unfit = Vec::new();
    let mut made = |name: Option<String>| {
        let name = name?;
        if timestamp(model, &name, problems) {
            return Some(name);
        }
        unfit.push(name);
        None
    };
    let (created, updated) = (made(created), made(updated));
    model.timestamps = Timestamps {
        created,
        updated,
        unfit,
    };
}

/// Makes the field unless it is declared; a declared one of another type is left alone, with a warning. Whether the field
/// can hold a timestamp.
fn timestamp(model: &mut Model, name: &str, problems: &mut Problems) -> bool {
    let Some(field) = model.fields.get(name) else {
        let field = Field::new(
            name,
            FieldType::required(Scalar::AwsDateTime),
            Origin::Timestamp,
            model.span,
        );
        model.fields.insert(name.to_owned(), field);
        return true;
    };
    let fits = matches!(
        field.ty.base,
        Base::Scalar(Scalar::String | Scalar::AwsDateTime)
    );
    if fits && field.ty.list.is_none() {
        return true;
    }
    problems.warning(
        "timestamp-type",
        field.span,
        format!(
            "`{}.{name}` is not filled in, because it is neither String nor AWSDateTime.",
            model.name
        ),
        format!("Use `{name}: AWSDateTime`, or fill it in from the client."),
    );
    false
}

#[cfg(test)]
mod tests {
    use crate::schema::testing::{codes, model, warnings};

    #[test]
    fn operations_are_renamed_or_switched_off() {
        let operations = model(
            r#"type Post @model(
                queries: {get: "fetchPost"},
                mutations: {create: "addPost", update: "", delete: null},
                subscriptions: {onCreate: ["added", "addedToo"], onUpdate: []}
            ) { id: ID! }"#,
            "Post",
        )
        .operations;
        assert_eq!(operations.get.as_deref(), Some("fetchPost"));
        assert_eq!(operations.list.as_deref(), Some("listPosts"));
        assert_eq!(operations.sync.as_deref(), Some("syncPosts"));
        assert_eq!(operations.create.as_deref(), Some("addPost"));
        assert_eq!(operations.delete, None);
        assert_eq!(operations.on_create, ["added", "addedToo"]);
        assert_eq!(operations.update, None);
        assert_eq!(operations.on_update, [""; 0]);
        assert_eq!(operations.on_delete, [""; 0]);
        let text = "type Post @model(subscriptions: {onUpdate: []}) { id: ID! }";
        assert_eq!(model(text, "Post").operations.on_update, ["onUpdatePost"]);
    }

    #[test]
    fn null_switches_a_group_off() {
        let operations = model(
            "type Post @model(queries: null, mutations: null) { id: ID! }",
            "Post",
        )
        .operations;
        assert_eq!(operations, crate::schema::model::Operations::default());
        let level = |level: &str| {
            let text = format!("type Post @model(subscriptions: {{level: {level}}}) {{ id: ID! }}");
            model(&text, "Post").operations
        };
        assert!(level("off").on_create.is_empty());
        assert!(level("public").open_subscriptions);
        assert_eq!(
            level("on"),
            crate::schema::naming::operations("Post", "Posts")
        );
    }

    #[test]
    fn the_sync_query_stays_when_get_and_list_go() {
        let operations = model(
            "type Post @model(queries: {get: null, list: null}) { id: ID! }",
            "Post",
        )
        .operations;
        assert_eq!(operations.sync.as_deref(), Some("syncPosts"));
    }

    #[test]
    fn timestamps_are_added_last_renamed_or_left_out() {
        let names = |arguments: &str| {
            let text = format!("type Post @model{arguments} {{ id: ID! createdAt: AWSDateTime }}");
            let post = model(&text, "Post");
            let fields: Vec<String> = post.fields.keys().cloned().collect();
            (
                fields.join(","),
                post.timestamps.created,
                post.timestamps.updated,
            )
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            names(""),
            (
                "id,createdAt,updatedAt".to_owned(),
                some("createdAt"),
                some("updatedAt")
            )
        );
        assert_eq!(
            names("(timestamps: null)"),
            ("id,createdAt".to_owned(), None, None)
        );
        assert_eq!(
            names("(timestamps: {createdAt: null, updatedAt: \"touched\"})"),
            ("id,createdAt,touched".to_owned(), None, some("touched"))
        );
    }

    #[test]
    fn a_timestamp_of_another_type_is_not_filled_in() {
        let text = "type Post @model @auth(rules: [{ allow: public }]) { id: ID! createdAt: Int }";
        assert_eq!(model(text, "Post").timestamps.created, None);
        assert_eq!(warnings(text), ["timestamp-type"]);
    }

    #[test]
    fn bad_names_are_refused() {
        for (arguments, code) in [
            ("queries: {get: \"a b\"}", "operation-name"),
            ("queries: {got: \"a\"}", "unknown-argument"),
            ("mutations: {create: 1}", "wrong-argument"),
            ("timestamps: {createdAt: \"\"}", "operation-name"),
            ("subscriptions: {level: loud}", "unknown-word"),
            (
                "timestamps: {createdAt: \"at\", updatedAt: \"at\"}",
                "timestamps-same",
            ),
            (
                "mutations: {create: \"x\", update: \"x\"}",
                "duplicate-operation",
            ),
        ] {
            let text = format!("type Post @model({arguments}) {{ id: ID! }}");
            assert_eq!(codes(&text), [code], "{arguments}");
        }
    }
}
