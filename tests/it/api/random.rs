//! Random documents: most make some sense, many none. Whatever is asked, the answer has AppSync's form, and comes.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const RELATIONS: Plan = Plan::of(include_str!("../../schemas/relations.graphql"));
const PUBLISHED: Plan = Plan::of(include_str!("../../schemas/published.graphql"));
const SCALARS: Plan = Plan::of(include_str!("../../schemas/scalars.graphql"));

const FULL: &str = include_str!("../../../resolvers/src/api/introspection/full_query.graphql");

/// So many documents per schema and store.
const DOCUMENTS: u64 = 250;
/// Far more than any of them may take.
const LONGEST: Duration = Duration::from_secs(15);

/// A writer of documents over an API, all from one seed.
struct Writer<'a> {
    types: &'a HashMap<String, Value>,
    random: StdRng,
    declared: Vec<String>,
    variables: Map<String, Value>,
    /// Whether this document holds things that make no sense.
    wild: bool,
}

impl Writer<'_> {
    /// Whether something that happens so many times out of a hundred happens.
    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    /// The same, in documents that hold things that make no sense.
    fn mischance(&mut self, percent: u32) -> bool {
        self.wild && self.chance(percent)
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        let word = words.choose(&mut self.random).expect("a word");
        (*word).to_owned()
    }

    /// A document and its variables.
    fn document(&mut self) -> (String, Value) {
        self.declared.clear();
        self.variables.clear();
        self.wild = self.chance(50);
        let kinds = [
            "query",
            "query",
            "query",
            "mutation",
            "mutation",
            "subscription",
        ];
        let kind = self.one_of(&kinds);
        let root = format!("{}{}", kind[..1].to_uppercase(), &kind[1..]);
        let selection = self.selection(&root, 4);
        let declared = match self.declared.join(", ") {
            none if none.is_empty() => none,
            some => format!("({some})"),
        };
        let mut text = format!("{kind} q{declared} {selection}");
        if self.mischance(20) {
            let at = self.random.random_range(0..text.len());
            let at = text.floor_char_boundary(at);
            let junk = self.one_of(&[
                "{", "}", "(", ")", "$x", "...", "@skip", "\"", "\u{0}", "😀", "null", ":", "#",
                "!", "\"\"\"",
            ]);
            if self.chance(50) {
                text.insert_str(at, &junk);
            } else {
                text.truncate(at);
            }
        }
        (text, Value::Object(std::mem::take(&mut self.variables)))
    }

    fn selection(&mut self, ty: &str, depth: u32) -> String {
        let mut text = "{ ".to_owned();
        let fields = self.types.get(ty).and_then(|ty| ty["fields"].as_array());
        let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
            return "{ __typename }".to_owned();
        };
        for _ in 0..self.random.random_range(1..=4) {
            let field = fields.choose(&mut self.random).expect("a field").clone();
            self.field(&mut text, &field, depth);
        }
        if self.chance(15) {
            text.push_str("__typename ");
        }
        if self.mischance(5) {
            text.push_str("nothing(at: all) { x } ");
        }
        text.push('}');
        text
    }

    fn field(&mut self, text: &mut String, field: &Value, depth: u32) {
        let inner = innermost(&field["type"]);
        let composite = matches!(inner["kind"].as_str(), Some("OBJECT"));
        if composite && depth == 0 {
            return;
        }
        if self.chance(25) {
            let alias = self.one_of(&["a", "b", "c", "id"]);
            let _ = write!(text, "{alias}{}: ", self.random.random_range(0..50));
        }
        let _ = write!(text, "{}", field["name"].as_str().expect("a name"));
        self.arguments(text, field);
        if self.chance(8) {
            let words = ["@include(if: true)", "@skip(if: false)", "@skip(if: true)"];
            let junk = ["@include(if: 1)", "@never"];
            let directive = if self.mischance(20) {
                self.one_of(&junk)
            } else {
                self.one_of(&words)
            };
            let _ = write!(text, " {directive}");
        }
        if composite && !self.mischance(2) {
            let name = inner["name"].as_str().expect("a name");
            let selection = self.selection(name, depth - 1);
            let _ = write!(text, " {selection}");
        }
        text.push(' ');
    }

    fn arguments(&mut self, text: &mut String, field: &Value) {
        let mut written = Vec::new();
        for argument in field["args"].as_array().into_iter().flatten() {
            let required = argument["type"]["kind"] == "NON_NULL";
            let given = required && !self.mischance(4) || self.chance(25);
            if !given {
                continue;
            }
            let name = argument["name"].as_str().expect("a name");
            let value = if self.chance(30) {
                self.variable(&argument["type"])
            } else {
                let value = self.value(&argument["type"], 4);
                self.literal(&value)
            };
            written.push(format!("{name}: {value}"));
        }
        if !written.is_empty() {
            let _ = write!(text, "({})", written.join(", "));
        }
    }

    fn variable(&mut self, ty: &Value) -> String {
        let name = format!("v{}", self.declared.len());
        let ty_text = if self.mischance(8) {
            self.one_of(&["Int", "[ID!]!", "Nobody", "Boolean! = true"])
        } else {
            written(ty)
        };
        self.declared.push(format!("${name}: {ty_text}"));
        let required = ty["kind"] == "NON_NULL";
        if required && !self.mischance(8) || self.chance(80) {
            let value = self.value(ty, 4);
            self.variables.insert(name.clone(), value);
        }
        format!("${name}")
    }

    /// A value of a type, or of any.
    fn value(&mut self, ty: &Value, depth: u32) -> Value {
        if self.mischance(6) {
            return self.junk();
        }
        let name = ty["name"].as_str().unwrap_or_default().to_owned();
        match ty["kind"].as_str() {
            Some("NON_NULL") => self.value(&ty["ofType"], depth),
            _ if self.mischance(5) => Value::Null,
            Some("LIST") => {
                let count = self.random.random_range(0..3);
                (0..count)
                    .map(|_| self.value(&ty["ofType"], depth))
                    .collect()
            }
            Some("ENUM") => {
                let values = self.types[&name]["enumValues"].as_array().expect("values");
                values.choose(&mut self.random).expect("a value")["name"].clone()
            }
            Some("INPUT_OBJECT") if depth == 0 => json!({}),
            Some("INPUT_OBJECT") => {
                let fields = self.types[&name]["inputFields"]
                    .as_array()
                    .expect("fields")
                    .clone();
                let mut input = Map::new();
                for field in fields {
                    let required = field["type"]["kind"] == "NON_NULL";
                    if required && !self.mischance(3) || self.chance(25) {
                        let value = self.value(&field["type"], depth - 1);
                        input.insert(field["name"].as_str().expect("a name").to_owned(), value);
                    }
                }
                input.into()
            }
            _ => self.scalar(&name),
        }
    }

    fn scalar(&mut self, name: &str) -> Value {
        match name {
            "Int" => json!(self.random.random_range(-3..12)),
            "AWSTimestamp" => json!(self.random.random_range(-1..2_000_000_000_000_i64)),
            "Float" => json!(self.random.random_range(-2.0..9.0)),
            "Boolean" => json!(self.chance(50)),
            "AWSDate" => "2024-02-29".into(),
            "AWSTime" => "10:00".into(),
            "AWSDateTime" => "2024-02-29T10:00Z".into(),
            "AWSEmail" => "a@example.org".into(),
            "AWSJSON" => self.one_of(&["{}", "[1]"]).into(),
            "AWSURL" => "https://example.org".into(),
            "AWSPhone" => "+12065550100".into(),
            "AWSIPAddress" => "::1".into(),
            // Few ids, so that documents speak of the same records.
            _ => self
                .one_of(&["1", "2", "3", "a", "é😀", "", "a#b", "%_\\'\""])
                .into(),
        }
    }

    fn junk(&mut self) -> Value {
        let junk = [
            json!(null),
            json!(true),
            json!(1e300),
            json!(-1),
            json!(i64::MAX),
            json!("x\u{0}y"),
            json!([[[]]]),
            json!({"and": [{"or": [{}]}]}),
            json!({"eq": null}),
            json!("x".repeat(2_000)),
            json!([null, 1, "x"]),
        ];
        junk.choose(&mut self.random).expect("something").clone()
    }

    /// A value as documents write it; enum values are words where they are in capitals.
    fn literal(&mut self, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.literal(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.literal(value)))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
            Value::String(word)
                if word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase()) =>
            {
                word.clone()
            }
            other => other.to_string(),
        }
    }
}

fn innermost(ty: &Value) -> &Value {
    match &ty["ofType"] {
        Value::Null => ty,
        inner => innermost(inner),
    }
}

/// A type reference as a document writes it.
fn written(ty: &Value) -> String {
    match ty["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&ty["ofType"])),
        Some("LIST") => format!("[{}]", written(&ty["ofType"])),
        _ => ty["name"].as_str().expect("a name").to_owned(),
    }
}

/// What is not AppSync's form about an answer.
fn misformed(status: u16, kind: Option<&str>, body: &Value) -> Option<&'static str> {
    let errors = body["errors"].as_array();
    match (status, kind) {
        (200, None) => {}
        (400, Some(kind)) if errors.is_some_and(|errors| errors[0]["errorType"] == kind) => {
            return None;
        }
        _ => return Some("status and type do not go together"),
    }
    let Some(answer) = body.as_object() else {
        return Some("the answer is no object");
    };
    if !answer.contains_key("data") || answer.keys().any(|key| key != "data" && key != "errors") {
        return Some("there is more, or less, than data and errors");
    }
    if answer.contains_key("errors") && errors.is_none_or(Vec::is_empty) {
        return Some("errors is no list of some");
    }
    if body["data"].is_null() && errors.is_none() {
        return Some("there is neither data nor an error");
    }
    errors.into_iter().flatten().find_map(misformed_error)
}

fn misformed_error(error: &Value) -> Option<&'static str> {
    let known = [
        "path",
        "data",
        "errorType",
        "errorInfo",
        "locations",
        "message",
    ];
    let Some(entry) = error.as_object() else {
        return Some("an error is no object");
    };
    if entry.keys().any(|key| !known.contains(&key.as_str())) {
        return Some("an error has other members");
    }
    if error["message"].as_str().is_none_or(str::is_empty) {
        return Some("an error has no message");
    }
    if !error["errorInfo"].is_null() {
        return Some("errorInfo stops native clients");
    }
    if !(error["data"].is_null() || error["data"].is_object()) {
        return Some("data is neither null nor an object");
    }
    if !(error["errorType"].is_null() || error["errorType"].is_string())
        || error["errorType"] == "InternalFailure"
    {
        return Some("errorType is no type that a client can cause");
    }
    let step = |step: &Value| step.is_string() || step.is_u64();
    if !(error["path"].is_null()
        || error["path"]
            .as_array()
            .is_some_and(|path| path.iter().all(step)))
    {
        return Some("path is no path");
    }
    let place = |place: &Value| place["line"].is_u64() && place["column"].is_u64();
    if !(error["locations"].is_null()
        || error["locations"]
            .as_array()
            .is_some_and(|places| places.iter().all(place)))
    {
        return Some("locations are no places");
    }
    None
}

/// A value at a path of the data, as far as there is one.
fn at<'v>(data: &'v Value, path: &Value) -> &'v Value {
    let mut value = data;
    for step in path.as_array().into_iter().flatten() {
        value = match step {
            Value::String(key) => &value[key],
            Value::Number(index) => {
                &value[usize::try_from(index.as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX)]
            }
            _ => &Value::Null,
        };
    }
    value
}

/// Asks so many random documents; every one is answered in form, in time, and the server goes on.
async fn ask_at_random(site: &Site, seed: u64) {
    let schema = site.read(FULL).await;
    let types = schema["types"].as_array().expect("types").iter();
    let types = types.map(|ty| (ty["name"].as_str().expect("a name").to_owned(), ty.clone()));
    let types: HashMap<_, _> = types.collect();
    let mut writer = Writer {
        types: &types,
        random: StdRng::seed_from_u64(seed),
        declared: Vec::new(),
        variables: Map::new(),
        wild: false,
    };
    let (mut whole, mut partial) = (0, 0);
    for number in 0..DOCUMENTS {
        let (document, variables) = writer.document();
        let body = json!({"query": document, "variables": variables}).to_string();
        let asked = tokio::time::timeout(LONGEST, site.post(body)).await;
        let told = format!("seed {seed}, document {number}: {document}\n{variables}");
        let (status, kind, answer) = asked.unwrap_or_else(|_| panic!("no answer: {told}"));
        let wrong = misformed(status, kind.as_deref(), &answer);
        assert_eq!(wrong, None, "{told}\n{status} {kind:?} {answer:#}");
        for error in answer["errors"].as_array().into_iter().flatten() {
            let value = at(&answer["data"], &error["path"]);
            assert!(
                error["path"].is_null() || value.is_null(),
                "{told}\n{answer:#}"
            );
        }
        match (&answer["data"], answer.get("errors")) {
            (Value::Object(_), None) => whole += 1,
            (Value::Object(_), Some(_)) => partial += 1,
            _ => {}
        }
    }
    // Documents that are all refused would show nothing.
    assert!(
        whole * 10 > DOCUMENTS && partial > 5,
        "{whole} answered, {partial} in part"
    );
    let query = "{ __typename }";
    assert_eq!(
        site.ask(query, json!({})).await.0,
        json!({"data": {"__typename": "Query"}})
    );
}

on_both_stores! { RELATIONS;

/// Over relations of every style.
async fn random_documents_over_relations_are_answered_in_form(site: &Site) {
    ask_at_random(site, 1).await;
}
}

on_both_stores! { PUBLISHED;

/// Over operations that are written by hand.
async fn random_documents_over_written_operations_are_answered_in_form(site: &Site) {
    ask_at_random(site, 2).await;
}
}

on_both_stores! { SCALARS;

/// Over every scalar, and operations that are renamed and switched off.
async fn random_documents_over_scalars_are_answered_in_form(site: &Site) {
    ask_at_random(site, 3).await;
}
}
