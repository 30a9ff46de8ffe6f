//! Each kind of change, alone and together.

use pretty_assertions::assert_eq;

use super::*;
use crate::api::client_models::client_models;
use crate::schema::load;

const BASE: &str = r#"
type Post @model @auth(rules: [{allow: public}]) {
  id: ID!
  title: String!
  rating: Int
  status: Status
  tags: [String]
  meta: Meta
  note: String @index(name: "byNote", queryField: "postsByNote", sortKeyFields: ["title"])
  blog: Blog @belongsTo
}
type Blog @model @auth(rules: [{allow: public}]) { id: ID! name: String posts: [Post] @hasMany }
enum Status { DRAFT DONE }
type Meta { lines: Int }
"#;

fn between(old: &str, new: &str) -> Vec<Change> {
    let schema = |source: &str| match load(source) {
        Ok(loaded) => loaded.schema,
        Err(problems) => panic!("{problems:#?}"),
    };
    let version = |source: &str| client_models(source).map(|models| models["version"].clone());
    diff(&schema(old), &schema(new), version(old) == version(new))
}

/// `class[+resync] code subject` of every row, after replacing a part of the schema.
fn rows(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from), "{from}");
    let changes = between(BASE, &BASE.replace(from, to));
    let row = |change: &Change| {
        let resync = if change.resync { "+resync" } else { "" };
        let (class, code) = (change.class.name(), change.kind.code());
        format!("{class}{resync} {code} {}", change.subject)
    };
    changes.iter().map(row).collect()
}

#[test]
fn equal_schemas_differ_in_nothing_whatever_their_text() {
    let commented = BASE.replace("type Blog", "# a word\ntype Blog");
    assert_eq!(between(BASE, &commented), []);
}

#[test]
fn what_only_adds_is_safe() {
    for (from, to, expected) in [
        (
            "rating: Int",
            "rating: Int stars: Int",
            "safe+resync field-added Post.stars",
        ),
        (
            "lines: Int",
            "lines: Int words: Int",
            "safe+resync field-added Meta.words",
        ),
        (
            "DRAFT DONE",
            "DRAFT DONE LATE",
            "safe value-added Status.LATE",
        ),
        (
            "type Meta",
            "type More { a: Int } type Meta",
            "safe+resync type-added More",
        ),
        (
            "type Meta",
            "type Tag @model @auth(rules: [{allow: public}]) { id: ID! } type Meta",
            "safe+resync model-added Tag",
        ),
        (
            "rating: Int",
            r#"rating: Int @index(name: "byRating")"#,
            "safe index-added Post.byRating",
        ),
        (
            "rating: Int",
            "rating: Int @default(value: \"3\")",
            "safe default-changed Post.rating",
        ),
        (
            "rating: Int",
            "rating: Float",
            "safe+resync field-changed Post.rating",
        ),
        (
            "status: Status",
            "status: String",
            "safe+resync field-changed Post.status",
        ),
        (
            "[{allow: public}]) {\n",
            "[{allow: public, operations: [read]}]) {\n",
            "safe rules-changed Post",
        ),
    ] {
        let rows = rows(from, to);
        assert!(rows.iter().any(|row| row == expected), "{to}: {rows:#?}");
        assert!(
            rows.iter().all(|row| row.starts_with("safe")),
            "{to}: {rows:#?}"
        );
    }
}

#[test]
fn what_takes_away_or_may_not_fit_stored_records_needs_confirmation() {
    for (from, to, expected) in [
        (
            "rating: Int",
            "",
            "confirm+resync field-removed Post.rating",
        ),
        (
            "rating: Int",
            "rating: Int!",
            "confirm+resync field-changed Post.rating",
        ),
        (
            "title: String!",
            "title: String",
            "confirm+resync field-changed Post.title",
        ),
        (
            "rating: Int",
            "rating: String",
            "confirm+resync field-changed Post.rating",
        ),
        (
            "rating: Int",
            "rating: [Int]",
            "confirm+resync field-changed Post.rating",
        ),
        (
            "tags: [String]",
            "tags: [String!]",
            "confirm+resync field-changed Post.tags",
        ),
        (
            "rating: Int",
            "rating: Int stars: Int!",
            "confirm+resync field-added Post.stars",
        ),
        (
            "lines: Int",
            "pages: Int",
            "confirm+resync field-removed Meta.lines",
        ),
        ("DRAFT DONE", "DRAFT", "confirm value-removed Status.DONE"),
        (
            r#"note: String @index(name: "byNote", queryField: "postsByNote", sortKeyFields: ["title"])"#,
            "note: String",
            "confirm index-removed Post.byNote",
        ),
        (
            r#", sortKeyFields: ["title"]"#,
            "",
            "confirm index-changed Post.byNote",
        ),
        (
            "postsByNote",
            "postsOfNote",
            "confirm index-changed Post.byNote",
        ),
        (
            "type Blog @model",
            "type Blog @model(queries: {list: null, get: \"getBlog\"})",
            "confirm operation-removed Blog.listBlogs",
        ),
    ] {
        let rows = rows(from, to);
        assert!(rows.iter().any(|row| row == expected), "{to}: {rows:#?}");
    }
    let without_blog = BASE
        .lines()
        .filter(|line| !line.starts_with("type Blog") && !line.contains("@belongsTo"))
        .collect::<Vec<_>>()
        .join("\n");
    let changes = between(BASE, &without_blog);
    assert_eq!(gravest(&changes), Class::Confirm);
    assert!(
        changes
            .iter()
            .any(|change| change.kind == Kind::ModelRemoved && change.subject == "Blog")
    );
    assert!(
        changes
            .iter()
            .any(|change| change.kind == Kind::RelationRemoved)
    );
}

#[test]
fn a_model_that_says_what_it_was_called_keeps_its_records() {
    let renamed = BASE
        .replace(
            "type Blog @model",
            "type Site @model @mapsTo(name: \"Blog\")",
        )
        .replace("blog: Blog", "blog: Site");
    let changes = between(BASE, &renamed);
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert!(kinds.contains(&Kind::ModelRenamed), "{changes:#?}");
    assert!(!kinds.contains(&Kind::ModelRemoved), "{changes:#?}");
    assert!(!kinds.contains(&Kind::ModelAdded), "{changes:#?}");
    let further = renamed.replace("name: String", "name: String motto: String");
    let changes = between(&renamed, &further);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0].subject, "Site.motto");
}

#[test]
fn operations_that_are_written_by_hand_are_compared() {
    let with = |fields: &str| format!("{BASE} type Query {{ {fields} }}");
    let old = with(
        "hello(name: String): String @function(name: \"f\") bye: String @function(name: \"f\")",
    );
    let new = with(
        "hello(name: String!): String @function(name: \"f\") ask: [Int] @function(name: \"f\")",
    );
    let changes = between(&old, &new);
    let rows: Vec<_> = changes
        .iter()
        .map(|change| (change.kind, change.subject.as_str(), change.class))
        .collect();
    let expected = [
        (Kind::OperationChanged, "Query.hello", Class::Confirm),
        (Kind::OperationAdded, "Query.ask", Class::Safe),
        (Kind::OperationRemoved, "Query.bye", Class::Confirm),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn another_key_is_refused() {
    for (from, to) in [
        (
            "id: ID!\n  title",
            "id: ID! @primaryKey(sortKeyFields: [\"title\"])\n  title",
        ),
        (
            "id: ID!\n  title: String!",
            "id: ID!\n  title: String! @primaryKey",
        ),
        ("id: ID!\n  title", "id: Int! @primaryKey\n  title"),
    ] {
        let changes = between(BASE, &BASE.replace(from, to));
        let key = changes
            .iter()
            .find(|change| change.kind == Kind::KeyChanged);
        let key = key.unwrap_or_else(|| panic!("{to}: {changes:#?}"));
        assert_eq!((key.class, key.subject.as_str()), (Class::Refused, "Post"));
        assert!(key.help.is_some());
    }
    let text = BASE.replace("id: ID!\n  title", "id: String! @primaryKey\n  title");
    assert!(
        between(BASE, &text)
            .iter()
            .all(|change| change.kind != Kind::KeyChanged)
    );
}

/// Apps clear their store exactly when the version of their models changes, so a row says it exactly then.
#[test]
fn a_row_promises_a_resync_exactly_when_the_version_of_the_models_changes() {
    let variants = [
        ("rating: Int", "rating: Int stars: Int"),
        ("rating: Int", "rating: Float"),
        ("DRAFT DONE", "DRAFT DONE LATE"),
        ("postsByNote", "postsOfNote"),
        ("rating: Int", r#"rating: Int @index(name: "byRating")"#),
        ("@hasMany", "@hasMany(limit: 7)"),
        (
            "type Blog @model",
            "type Blog @model(timestamps: {createdAt: \"made\"})",
        ),
        (
            "[{allow: public}]) {\n",
            "[{allow: public, operations: [read]}]) {\n",
        ),
    ];
    for (from, to) in variants {
        let new = BASE.replace(from, to);
        let version = |source: &str| client_models(source).map(|models| models["version"].clone());
        let promised = between(BASE, &new).iter().any(|change| change.resync);
        assert_eq!(promised, version(BASE) != version(&new), "{to}");
    }
}

#[test]
fn rows_are_aligned_and_helped() {
    let new = BASE
        .replace("rating: Int", "stars: Int!")
        .replace("DRAFT DONE", "DRAFT DONE LATE");
    insta::assert_snapshot!(render(&between(BASE, &new)));
}
