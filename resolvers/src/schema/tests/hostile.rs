//! No text panics, hangs or ends the process, and every problem has a place in it.

use proptest::prelude::*;

use super::WHITEPAPER;
use crate::schema::{diagnostic, load};

/// A schema with every directive there is.
const EVERYTHING: &str = r#"
input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
type A @model(queries: {get: "a", list: null}, mutations: {create: "b"}, subscriptions: {onCreate: ["c"], level: on}, timestamps: {createdAt: "d"}) {
  id: ID! @primaryKey(sortKeyFields: ["e"])
  e: Int!
  f: [B!]! @hasMany
  g: B @hasOne(fields: ["h"])
  h: ID @index(name: "byH", sortKeyFields: ["e"], queryField: "i") @default(value: "x")
  j: [C] @manyToMany(relationName: "k", limit: 3)
}
type B @model @auth(rules: [{allow: public, operations: [read]}]) { a: A @belongsTo l: [C] @hasMany(references: ["bID"]) }
type C @model { bID: ID b: B @belongsTo(references: "bID") as: [A] @manyToMany(relationName: "k") n: N }
type N { o: E p: [N!] q: AWSJSON }
enum E { F G }
input I { r: E = F }
extend type N { s: Int }
"#;

/// Loads a text and checks what must hold of every answer.
pub(super) fn survive(text: &str) {
    match load(text) {
        Ok(loaded) => assert!(
            loaded
                .warnings
                .windows(2)
                .all(|pair| pair[0].span <= pair[1].span)
        ),
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.windows(2).all(|pair| pair[0].span <= pair[1].span));
            for problem in &problems {
                assert!(!problem.help.is_empty() && !problem.message.is_empty());
            }
            let shown = diagnostic::render(&problems, "schema.graphql", text);
            assert!(shown.lines().count() >= 2 * problems.len());
        }
    }
}

#[test]
fn the_schema_with_everything_loads() {
    assert_eq!(load(EVERYTHING).map(|_| ()), Ok(()));
}

#[test]
fn deep_nesting_is_refused_wherever_it_stands() {
    for open in [
        "[",
        "{",
        "(",
        "{a:",
        "[{a:",
        "@a(b:[",
        "type A { a: [",
        "type A @model(a: ",
        "input I { a: [I] = [",
    ] {
        survive(&open.repeat(200_000));
        survive(&format!("type A @b(c: {}", open.repeat(100_000)));
        survive(&format!("type A {{ b: {}", open.repeat(100_000)));
    }
}

#[test]
fn large_schemas_load_in_time() {
    let models: String = (0..500)
        .map(|n| {
            format!(
                "type M{n} @model {{ id: ID! next: [M{}] @hasMany a: T }}\n",
                n + 1
            )
        })
        .collect();
    survive(&format!(
        "{models} type M500 @model {{ id: ID! }} type T {{ a: Int }}"
    ));
    let chain: String = (0..2000)
        .map(|n| format!("type T{n} {{ a: T{}! }}\n", n + 1))
        .collect();
    survive(&format!("{chain} type T2000 {{ a: Int }}"));
    survive(&format!(
        "type A @model {{ id: ID! {} }}",
        "a: Strin ".repeat(5000)
    ));
    survive(&format!(
        "type A @model {{ id: ID! a: {} }}",
        "x".repeat(200_000)
    ));
    survive(&"type ".repeat(50_000));
    survive(&"\"".repeat(50_001));
    survive(&"#".repeat(50_000));
}

#[test]
fn every_beginning_of_a_schema_has_an_answer() {
    for source in [WHITEPAPER, EVERYTHING] {
        for (at, _) in source.char_indices() {
            survive(&source[..at]);
        }
    }
}

/// Words a schema is made of; strung together at random they get further than random letters.
const WORDS: [&str; 48] = [
    "type",
    "enum",
    "input",
    "extend",
    "interface",
    "union",
    "scalar",
    "schema",
    "directive",
    "A",
    "B",
    "a",
    "id",
    "ID",
    "String",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "=",
    "|",
    "&",
    "@model",
    "@auth",
    "rules",
    "allow",
    "public",
    "@hasMany",
    "@hasOne",
    "@belongsTo",
    "@manyToMany",
    "relationName",
    "@index",
    "name",
    "fields",
    "references",
    "@primaryKey",
    "sortKeyFields",
    "@default",
    "\"a\"",
    "\"id\"",
    "null",
    "-1.5e3",
    "\n",
];

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn any_words_have_an_answer(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..80)) {
        survive(&words.join(" "));
    }

    #[test]
    fn a_schema_with_words_exchanged_has_an_answer(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&WORDS[..])), 1..6)
    ) {
        let mut words: Vec<&str> = EVERYTHING.split_inclusive([' ', '(', ')', '[', ']', ':', ',', '"']).collect();
        for (at, word) in edits {
            let at = at.index(words.len());
            words[at] = word;
        }
        survive(&words.join(""));
    }

    #[test]
    fn a_schema_with_letters_exchanged_has_an_answer(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..6)
    ) {
        let mut letters: Vec<char> = EVERYTHING.chars().collect();
        for (at, letter) in edits {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        survive(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn a_schema_with_a_piece_cut_out_has_an_answer(from in any::<prop::sample::Index>(), length in 1_usize..60) {
        let letters: Vec<char> = EVERYTHING.chars().collect();
        let from = from.index(letters.len());
        let kept = letters.iter().take(from).chain(letters.iter().skip(from + length));
        survive(&kept.collect::<String>());
    }
}
