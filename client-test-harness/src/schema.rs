//! What the client knows of the models it syncs: names, keys and kinds of fields, as generated client code would.

use serde::Deserialize;

/// The models under test, parents before children (a client syncs them in this order).
#[derive(Clone, Debug, Deserialize)]
pub struct Schema {
    /// The models in sync order.
    pub models: Vec<Model>,
}

/// One `@model` type as a client's generated code describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    /// Type name, e.g. `Post`.
    pub name: String,
    /// The plural used in `syncPosts`; clients take it from generated code and never compute it.
    pub plural: String,
    /// Names of the primary key's fields, in order: texts, whole numbers, or one of some names.
    pub key: Vec<String>,
    /// All fields a client selects and may write, key fields included.
    pub fields: Vec<Field>,
    /// Relations selected as `parent { <key> _deleted }` (`client-js` 8.3).
    #[serde(default)]
    pub parents: Vec<Parent>,
}

/// One field of a model or of a nested type.
#[derive(Clone, Debug, Deserialize)]
pub struct Field {
    /// Field name.
    pub name: String,
    /// What values it takes and how Automerge treats them.
    pub kind: Kind,
    /// Whether the schema says `!`.
    #[serde(default)]
    pub required: bool,
}

/// The kinds of values a client edits.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any text scalar.
    Text,
    /// A whole number.
    Int,
    /// Seconds since 1970; the real clients refuse negative ones.
    Timestamp,
    /// JSON in a text (`AWSJSON`): an object, an array or null. Automerge merges what it means.
    Json,
    /// True or false.
    Boolean,
    /// One of the named values.
    Enum(Vec<String>),
    /// A list of texts; Automerge appends it on a conflict.
    List,
    /// A nested type; Automerge merges it field by field on a conflict.
    Object(Vec<Field>),
    /// The key of a record of another model (a foreign key).
    Reference(String),
}

/// A belongs-to relation: the nested object overrides the foreign key on the client.
#[derive(Clone, Debug, Deserialize)]
pub struct Parent {
    /// The relation's field name.
    pub field: String,
    /// The scalar field that holds the parent's key.
    pub foreign_key: String,
    /// The parent's own key field.
    pub key: String,
}

impl Schema {
    /// The models of `examples/whitepaper/schema.graphql` that DataStore would sync.
    pub fn whitepaper() -> Self {
        Self::from_json(WHITEPAPER).expect("the built-in description is valid JSON of this shape")
    }

    /// Reads a description of other models.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl Model {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether the field is part of the primary key.
    pub fn is_key(&self, field: &str) -> bool {
        self.key.iter().any(|name| name == field)
    }

    /// Fields a client may change after creation.
    pub fn editable(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !self.is_key(&field.name))
    }
}

const WHITEPAPER: &str = r#"{"models": [
  {"name": "Post", "plural": "Posts", "key": ["id"], "fields": [
    {"name": "id", "kind": "text", "required": true},
    {"name": "title", "kind": "text", "required": true},
    {"name": "rating", "kind": "int", "required": true},
    {"name": "status", "kind": {"enum": ["ACTIVE", "INACTIVE"]}, "required": true},
    {"name": "tags", "kind": "list"},
    {"name": "place", "kind": {"object": [
      {"name": "city", "kind": "text", "required": true},
      {"name": "country", "kind": "text"},
      {"name": "lines", "kind": "list"}]}}]},
  {"name": "User", "plural": "Users", "key": ["id"], "fields": [
    {"name": "id", "kind": "text", "required": true},
    {"name": "username", "kind": "text", "required": true}]},
  {"name": "Stock", "plural": "Stocks", "key": ["sku", "warehouse"], "fields": [
    {"name": "sku", "kind": "text", "required": true},
    {"name": "warehouse", "kind": "text", "required": true},
    {"name": "count", "kind": "int", "required": true},
    {"name": "note", "kind": "text"}]},
  {"name": "Comment", "plural": "Comments", "key": ["id"], "fields": [
    {"name": "id", "kind": "text", "required": true},
    {"name": "postID", "kind": {"reference": "Post"}},
    {"name": "content", "kind": "text", "required": true}],
   "parents": [{"field": "post", "foreign_key": "postID", "key": "id"}]}
]}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_description_names_every_synced_model_and_a_composite_key() {
        let schema = Schema::whitepaper();
        let names: Vec<_> = schema
            .models
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(names, ["Post", "User", "Stock", "Comment"]);
        let stock = schema.model("Stock").unwrap();
        assert!(stock.is_key("warehouse") && !stock.is_key("count"));
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        let text = r#"{"models":[{"name":"A","plural":"As","key":["id"],"fields":[{"name":"id","kind":"blob"}]}]}"#;
        assert!(Schema::from_json(text).is_err());
    }
}
