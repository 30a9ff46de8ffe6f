//! What tools learn about the API (`transformer.md` 3, 4; the GraphQL specification 4).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/keys.graphql"));

/// What graphql-js's `getIntrospectionQuery` makes with all of its options on.
const FULL: &str = include_str!("../../../resolvers/src/api/introspection/full_query.graphql");

/// Every type by name.
async fn types(site: &Site) -> HashMap<String, Value> {
    let schema = site.read(FULL).await;
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["mutationType"]["name"], "Mutation");
    assert_eq!(schema["subscriptionType"]["name"], "Subscription");
    let types = schema["types"].as_array().expect("types");
    let named = |ty: &Value| (ty["name"].as_str().expect("a name").to_owned(), ty.clone());
    types.iter().map(named).collect()
}

/// A type reference as SDL writes it.
fn written(ty: &Value) -> String {
    match ty["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", written(&ty["ofType"])),
        Some("LIST") => format!("[{}]", written(&ty["ofType"])),
        _ => ty["name"].as_str().expect("a named type").to_owned(),
    }
}

fn members(ty: &Value, kind: &str) -> Vec<String> {
    let members = ty[kind].as_array().expect("members");
    members
        .iter()
        .map(|member| {
            format!(
                "{}: {}",
                member["name"].as_str().expect("a name"),
                written(&member["type"])
            )
        })
        .collect()
}

/// The innermost names of every type reference below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(object) => {
            if object.contains_key("ofType") && object["ofType"].is_null() {
                found.insert(object["name"].as_str().expect("a name").to_owned());
            }
            object.values().for_each(|member| references(member, found));
        }
        _ => {}
    }
}

on_both_stores! { PLAN;

/// Every type that is mentioned is described, as graphql-js's `buildClientSchema` demands.
async fn the_full_query_describes_every_type_it_mentions(site: &Site) {
    let types = types(site).await;
    let mut mentioned = BTreeSet::new();
    types.values().for_each(|ty| references(ty, &mut mentioned));
    let missing: Vec<_> = mentioned.iter().filter(|name| !types.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in ["Reading", "ModelReadingConnection", "AWSDate", "OrderState", "__Schema", "Boolean"] {
        assert!(types.contains_key(name), "{name}");
    }
    for ty in types.values().filter(|ty| ty["kind"] == "ENUM") {
        assert!(!ty["enumValues"].as_array().expect("values").is_empty(), "{ty}");
    }
}

/// Section 1.2, section 4: types, inputs and operations are the transformer's, with the metadata of sync.
async fn the_generated_types_are_the_transformers(site: &Site) {
    let types = types(site).await;
    assert_eq!(
        members(&types["Reading"], "fields"),
        [
            "device: ID!",
            "day: AWSDate!",
            "hour: Int!",
            "value: Float",
            "createdAt: AWSDateTime!",
            "updatedAt: AWSDateTime!",
            "_version: Int!",
            "_deleted: Boolean",
            "_lastChangedAt: AWSTimestamp!"
        ]
    );
    assert_eq!(
        members(&types["ModelReadingConnection"], "fields"),
        ["items: [Reading]!", "nextToken: String", "startedAt: AWSTimestamp"]
    );
    assert_eq!(
        members(&types["UpdateReadingInput"], "inputFields"),
        ["device: ID!", "day: AWSDate!", "hour: Int!", "value: Float", "_version: Int"]
    );
    assert_eq!(
        members(&types["DeleteReadingInput"], "inputFields"),
        ["device: ID!", "day: AWSDate!", "hour: Int!", "_version: Int"]
    );
    let filter = members(&types["ModelReadingFilterInput"], "inputFields");
    for member in ["id: ModelIDInput", "_deleted: ModelBooleanInput", "not: ModelReadingFilterInput", "and: [ModelReadingFilterInput]"] {
        assert!(filter.contains(&member.to_owned()), "{member}: {filter:?}");
    }
    let queries = types["Query"]["fields"].as_array().expect("fields");
    let arguments = |name: &str| {
        let field = queries.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{name}"));
        (members(field, "args"), written(&field["type"]))
    };
    assert_eq!(
        arguments("syncReadings"),
        (
            ["filter: ModelReadingFilterInput", "limit: Int", "nextToken: String", "lastSync: AWSTimestamp"]
                .map(str::to_owned)
                .to_vec(),
            "ModelReadingConnection".to_owned()
        )
    );
    assert_eq!(
        arguments("getReading"),
        (["device: ID!", "day: AWSDate!", "hour: Int!"].map(str::to_owned).to_vec(), "Reading".to_owned())
    );
}

/// `__type` and `__typename` answer beside data.
async fn parts_of_the_schema_can_be_asked_for_beside_data(site: &Site) {
    let query = "query q($name: String!) { __typename __type(name: $name) { kind enumValues { name } } none: __type(name: \"Nobody\") { name }
        listCoupons { __typename items { code } } }";
    let body = site.ask(query, json!({"name": "OrderState"})).await.0;
    assert_eq!(
        body,
        json!({"data": {"__typename": "Query",
            "__type": {"kind": "ENUM", "enumValues": [{"name": "OPEN"}, {"name": "PAID"}, {"name": "SENT"}]},
            "none": null, "listCoupons": {"__typename": "ModelCouponConnection", "items": []}}})
    );
}
}

/// Every definition of an SDL, its lines in an order of their own.
fn definitions(sdl: &str) -> BTreeSet<String> {
    let blocks = sdl.split("\n\n").map(str::trim);
    let sorted = blocks.filter(|block| !block.is_empty()).map(|block| {
        let (head, body) = block.split_once('{').unwrap_or((block, ""));
        let mut lines: Vec<_> = body.lines().map(str::trim).collect();
        lines.retain(|line| !line.is_empty() && *line != "}");
        lines.sort_unstable();
        format!("{} {}", head.trim(), lines.join(" | "))
    });
    sorted.collect()
}

/// A type that introspection describes, as SDL writes it.
fn described(ty: &Value) -> String {
    let name = ty["name"].as_str().expect("a name");
    let lines = |kind: &str, line: &dyn Fn(&Value) -> String| {
        let members = ty[kind].as_array().into_iter().flatten();
        let mut lines: Vec<_> = members.map(line).collect();
        lines.sort_unstable();
        lines.join(" | ")
    };
    let argument = |it: &Value| {
        let default = it["defaultValue"].as_str();
        let default = default.map(|it| format!(" = {it}")).unwrap_or_default();
        format!(
            "{}: {}{default}",
            it["name"].as_str().expect("a name"),
            written(&it["type"])
        )
    };
    let field = |it: &Value| {
        let mut arguments: Vec<_> = it["args"]
            .as_array()
            .expect("arguments")
            .iter()
            .map(argument)
            .collect();
        arguments.sort_unstable();
        let arguments = match arguments.join(", ") {
            none if none.is_empty() => none,
            some => format!("({some})"),
        };
        format!(
            "{}{arguments}: {}",
            it["name"].as_str().expect("a name"),
            written(&it["type"])
        )
    };
    let word = |it: &Value| it["name"].as_str().expect("a name").to_owned();
    match ty["kind"].as_str() {
        Some("OBJECT") => format!("type {name} {}", lines("fields", &field)),
        Some("INPUT_OBJECT") => format!("input {name} {}", lines("inputFields", &argument)),
        Some("ENUM") => format!("enum {name} {}", lines("enumValues", &word)),
        _ => format!("scalar {name} "),
    }
}

/// What a client is told of the API is what `schema sdl` prints, type by type; but for types that nothing leads to.
async fn introspection_is_the_sdl_on(site: &Site) {
    let schema = &site.server.app.loaded().schema;
    let api = driftless_resolvers::api::generate::generate(schema);
    let printed = definitions(&driftless_resolvers::api::sdl::sdl(&api));
    let types = types(site).await;
    let own = types.values().filter(|ty| {
        let name = ty["name"].as_str().expect("a name");
        !name.starts_with("__") && !["ID", "String", "Int", "Float", "Boolean"].contains(&name)
    });
    let told: BTreeSet<String> = own.map(described).collect();
    let unknown: Vec<_> = told.difference(&printed).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    for untold in printed.difference(&told) {
        let name = untold.split(' ').nth(1).expect("a name");
        let mentions = |line: &&String| {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.any(|word| word == name)
        };
        let leading = told.iter().find(mentions);
        assert_eq!(leading, None, "{name} is not described");
    }
}

mod of_keys {
    use super::*;

    on_both_stores! { PLAN;

    async fn introspection_is_the_sdl(site: &Site) {
        introspection_is_the_sdl_on(site).await;
    }
    }
}

mod of_written_operations {
    use super::*;

    on_both_stores! { Plan::of(include_str!("../../schemas/published.graphql"));

    async fn introspection_is_the_sdl(site: &Site) {
        introspection_is_the_sdl_on(site).await;
    }
    }
}
