//! Inputs made up from what an API says of itself.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::support::site::Site;

/// What graphql-js's `getIntrospectionQuery` makes.
const FULL: &str = include_str!("../../../resolvers/src/api/introspection/full_query.graphql");

/// The types of an API by name.
pub(super) struct Types(HashMap<String, Value>);

impl Types {
    pub(super) async fn of(site: &Site) -> Types {
        let schema = site.read(FULL).await;
        let types = schema["types"].as_array().expect("types");
        let named = types.iter().map(|ty| {
            let name = ty["name"].as_str().expect("a name");
            (name.to_owned(), ty.clone())
        });
        Types(named.collect())
    }

    /// The name of the innermost type of a field of `Query`, `Mutation` or `Subscription`, if it has that field.
    pub(super) fn result(&self, root: &str, field: &str) -> Option<&str> {
        let fields = self.0[root]["fields"].as_array()?;
        let field = fields.iter().find(|known| known["name"] == field)?;
        let mut ty = &field["type"];
        while !ty["ofType"].is_null() {
            ty = &ty["ofType"];
        }
        ty["name"].as_str()
    }

    /// The field of `Query` that begins with `prefix` and answers this type.
    pub(super) fn query(&self, prefix: &str, ty: &str) -> Option<&str> {
        let fields = self.0["Query"]["fields"].as_array()?;
        let mut names = fields.iter().filter_map(|field| field["name"].as_str());
        names.find(|name| name.starts_with(prefix) && self.result("Query", name) == Some(ty))
    }

    /// An input of this type: these values as far as it takes them, and something for whatever else is required.
    pub(super) fn input(&self, name: &str, given: &Map<String, Value>) -> Map<String, Value> {
        let ty = self.0.get(name).unwrap_or_else(|| panic!("no type {name}"));
        let mut input = Map::new();
        for field in ty["inputFields"].as_array().expect("fields") {
            let name = field["name"].as_str().expect("a name");
            let ty = &field["type"];
            match given.get(name).filter(|value| !value.is_null()) {
                Some(value) => drop(input.insert(name.to_owned(), number(ty, value))),
                None if ty["kind"] == "NON_NULL" => {
                    input.insert(name.to_owned(), self.value(ty));
                }
                None => {}
            }
        }
        input
    }

    fn value(&self, ty: &Value) -> Value {
        match (ty["kind"].as_str(), ty["name"].as_str()) {
            (Some("NON_NULL"), _) => self.value(&ty["ofType"]),
            (Some("LIST"), _) => json!([]),
            (Some("ENUM"), Some(name)) => self.0[name]["enumValues"][0]["name"].clone(),
            (Some("INPUT_OBJECT"), Some(name)) => self.input(name, &Map::new()).into(),
            (_, Some(name)) => scalar(name),
            (_, None) => panic!("no type: {ty}"),
        }
    }
}

/// Some clients send the numbers of keys as text.
fn number(ty: &Value, value: &Value) -> Value {
    let name = ty["name"].as_str().or(ty["ofType"]["name"].as_str());
    match (name, value) {
        (Some("Int" | "Float"), Value::String(text)) => {
            serde_json::from_str(text).expect("a number")
        }
        _ => value.clone(),
    }
}

fn scalar(name: &str) -> Value {
    match name {
        "Int" | "AWSTimestamp" => json!(1),
        "Float" => json!(1.5),
        "Boolean" => json!(true),
        "AWSDate" => json!("2024-02-29"),
        "AWSTime" => json!("10:20:30"),
        "AWSDateTime" => json!("2024-02-29T10:20:30.000Z"),
        "AWSEmail" => json!("a@example.org"),
        "AWSJSON" => json!("{}"),
        "AWSURL" => json!("https://example.org"),
        "AWSPhone" => json!("+12065550100"),
        "AWSIPAddress" => json!("192.0.2.1"),
        _ => json!("sample"),
    }
}
