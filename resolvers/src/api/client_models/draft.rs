//! The models as the client's generator sees them before relations are worked out.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::attributes::{argument, arguments, names, text};
use crate::schema::document::{Applied, Document, FieldNode, TypeNode};
use crate::schema::naming::{client_join_field, foreign_key, join_index, lower_first, upper_first};
use crate::schema::overrides::plural_of;

/// The models by name, join models last.
pub(super) struct Models(IndexMap<String, Model>);

/// A model.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    /// The primary key's fields.
    pub(super) key: Vec<String>,
    /// Its directives but `@auth`, with their arguments.
    pub(super) directives: Vec<(String, Value)>,
    /// Its keys: the primary key, if a directive names it, and its indexes.
    pub(super) keys: Vec<Key>,
    /// The arguments of its `@auth`.
    pub(super) auth: Vec<Value>,
}

/// A key as the client hears of it.
pub(super) struct Key {
    /// Its name; the primary key has none.
    pub(super) name: Option<String>,
    /// The query field, if the directive says one (null included).
    pub(super) query_field: Option<Value>,
    pub(super) fields: Vec<String>,
}

/// A field.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// The name of its innermost type.
    pub(super) ty: String,
    /// Whether the innermost type is non-null.
    pub(super) required: bool,
    /// For lists: whether the list may be null.
    pub(super) nullable_list: Option<bool>,
    pub(super) read_only: bool,
    pub(super) relation: Option<Directive>,
    pub(super) association: Option<Value>,
}

/// A relation directive.
#[derive(Clone)]
pub(super) struct Directive {
    /// `hasOne`, `hasMany`, `belongsTo` or `manyToMany`.
    pub(super) name: String,
    pub(super) index: Option<String>,
    pub(super) fields: Vec<String>,
    pub(super) references: Vec<String>,
    /// All its arguments, as they are written; a single one of `references` is a list.
    pub(super) arguments: Value,
    /// The join model of a `@manyToMany`.
    join: Option<String>,
}

impl Models {
    /// The `@model` types of a schema.
    pub(super) fn of(document: &Document) -> Self {
        let models = document.types.values().filter(|node| node.is_model());
        Models(
            models
                .map(|node| {
                    let plural = plural_of(&document.overrides, &node.name);
                    (node.name.clone(), Model::declared(node, &plural))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&Model> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Model> {
        self.0.get_mut(name)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Adds the join models and turns each `@manyToMany` into a `@hasMany` of its join model.
    pub(super) fn join_models(&mut self) {
        let mut sides: IndexMap<String, Vec<String>> = IndexMap::new();
        for model in self.0.values_mut() {
            for field in &mut model.fields {
                let Some(directive) = &mut field.relation else {
                    continue;
                };
                if let Some(join) = directive.join.take() {
                    sides
                        .entry(join.clone())
                        .or_default()
                        .push(model.name.clone());
                    field.ty = join;
                    directive.name = "hasMany".to_owned();
                    let index = join_index(&model.name);
                    directive.arguments = json!({ "indexName": index, "fields": model.key });
                    directive.index = Some(index);
                    directive.fields = model.key.clone();
                }
            }
        }
        for (name, sides) in sides {
            let sides: Vec<&Model> = sides.iter().filter_map(|side| self.0.get(side)).collect();
            let model = Model::join(&name, &sides);
            self.0.insert(name, model);
        }
    }
}

impl Model {
    fn declared(node: &TypeNode, plural: &str) -> Self {
        let mut model = Model {
            name: node.name.clone(),
            fields: node.fields.iter().map(Field::declared).collect(),
            key: vec!["id".to_owned()],
            directives: Vec::new(),
            keys: Vec::new(),
            auth: Vec::new(),
        };
        for applied in &node.directives {
            if applied.name == "auth" {
                model.auth.push(arguments(applied));
            } else {
                model
                    .directives
                    .push((applied.name.clone(), arguments(applied)));
            }
        }
        model.primary_key(node);
        model.indexes(node, plural);
        model.timestamps(node.directive("model"));
        model.id_first();
        model
    }

    fn primary_key(&mut self, node: &TypeNode) {
        let declared = node.fields.iter().find_map(|field| {
            let applied = field.directive("primaryKey")?;
            Some(key_fields(&field.name, applied))
        });
        match declared {
            Some(fields) => {
                self.key.clone_from(&fields);
                self.keys.push(Key {
                    name: None,
                    query_field: None,
                    fields,
                });
            }
            None => match self.fields.iter_mut().find(|field| field.name == "id") {
                Some(id) => id.required = true,
                None => self.fields.insert(0, Field::new("id", "ID", true)),
            },
        }
    }

    fn indexes(&mut self, node: &TypeNode, plural: &str) {
        for field in &node.fields {
            for applied in field.directives.iter().filter(|it| it.name == "index") {
                let fields = key_fields(&field.name, applied);
                let name = text(applied, "name").unwrap_or_else(|| index_name(plural, &fields));
                self.keys.push(Key {
                    name: Some(name),
                    query_field: argument(applied, "queryField"),
                    fields,
                });
            }
        }
    }

    /// The generator writes both timestamps unless `timestamps` itself is null.
    fn timestamps(&mut self, applied: Option<&Applied>) {
        let names = applied.and_then(|applied| argument(applied, "timestamps"));
        if names == Some(Value::Null) {
            return;
        }
        for default in ["createdAt", "updatedAt"] {
            let name = names
                .as_ref()
                .and_then(|names| names[default].as_str())
                .unwrap_or(default);
            let field = Field {
                read_only: true,
                ..Field::new(name, "AWSDateTime", false)
            };
            self.add(field);
        }
    }

    fn id_first(&mut self) {
        self.fields.sort_by_key(|field| field.name != "id");
    }

    /// Adds a field unless there is one of that name.
    pub(super) fn add(&mut self, field: Field) {
        if self.field(&field.name).is_none() {
            self.fields.push(field);
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The primary key's fields, in order.
    pub(super) fn key_fields(&self) -> impl Iterator<Item = &Field> {
        self.key.iter().filter_map(|name| self.field(name))
    }

    fn join(name: &str, sides: &[&Model]) -> Self {
        let mut model = Model {
            name: name.to_owned(),
            fields: vec![Field::new("id", "ID", true)],
            key: vec!["id".to_owned()],
            directives: vec![("model".to_owned(), Value::Object(Default::default()))],
            keys: Vec::new(),
            auth: Vec::new(),
        };
        let mut relations = Vec::new();
        for side in sides {
            let mut fields = Vec::new();
            for (position, key) in side.key_fields().enumerate() {
                let (field, ty) = if position == 0 {
                    (
                        format!("{}{}", lower_first(&side.name), upper_first(&key.name)),
                        "ID",
                    )
                } else {
                    (
                        format!("{}{}", lower_first(&side.name), key.name),
                        key.ty.as_str(),
                    )
                };
                model.add(Field::new(&field, ty, false));
                fields.push(field);
            }
            model.keys.push(Key {
                name: Some(join_index(&side.name)),
                query_field: None,
                fields: fields.clone(),
            });
            relations.push(Field {
                relation: Some(Directive::belongs_to(fields)),
                ..Field::new(&client_join_field(&side.name), &side.name, true)
            });
            for rules in &side.auth {
                if !model.auth.contains(rules) {
                    model.auth.push(rules.clone());
                }
            }
        }
        relations.into_iter().for_each(|field| model.add(field));
        model.timestamps(None);
        model
    }
}

impl Field {
    fn new(name: &str, ty: &str, required: bool) -> Self {
        Field {
            name: name.to_owned(),
            ty: ty.to_owned(),
            required,
            nullable_list: None,
            read_only: false,
            relation: None,
            association: None,
        }
    }

    /// A foreign key the generator adds.
    pub(super) fn foreign_key(name: &str, ty: &str, required: bool) -> Self {
        Field::new(name, ty, required)
    }

    pub(super) fn declared(node: &FieldNode) -> Self {
        let ty = &node.ty;
        let innermost = ty.inner.last().copied().or(ty.list);
        Field {
            required: innermost.map_or(ty.required, |elements| elements.0),
            nullable_list: ty.list.map(|_| !ty.required),
            relation: node.directives.iter().find_map(Directive::of),
            ..Field::new(&node.name, &ty.base, false)
        }
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.nullable_list.is_some()
    }

    /// Whether it has this relation directive.
    pub(super) fn has(&self, directive: &str) -> bool {
        self.relation
            .as_ref()
            .is_some_and(|relation| relation.name == directive)
    }
}

impl Directive {
    fn of(applied: &Applied) -> Option<Self> {
        let join = text(applied, "relationName").map(|name| upper_first(&name));
        matches!(
            applied.name.as_str(),
            "hasOne" | "hasMany" | "belongsTo" | "manyToMany"
        )
        .then(|| Directive {
            name: applied.name.clone(),
            index: text(applied, "indexName"),
            fields: names(applied, "fields"),
            references: names(applied, "references"),
            arguments: relation_arguments(applied),
            join,
        })
    }

    fn belongs_to(fields: Vec<String>) -> Self {
        Directive {
            name: "belongsTo".to_owned(),
            index: None,
            arguments: json!({ "fields": fields }),
            fields,
            references: Vec::new(),
            join: None,
        }
    }
}

fn relation_arguments(applied: &Applied) -> Value {
    let mut arguments = arguments(applied);
    let references = &mut arguments["references"];
    if references.is_string() {
        *references = json!([references.take()]);
    } else if references.is_null()
        && let Value::Object(arguments) = &mut arguments
    {
        arguments.shift_remove("references");
    }
    arguments
}

fn key_fields(partition: &str, applied: &Applied) -> Vec<String> {
    let mut fields = vec![partition.to_owned()];
    fields.extend(names(applied, "sortKeyFields"));
    fields
}

/// What the generator calls an index without a name.
fn index_name(plural: &str, fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| upper_first(field)).collect();
    format!("{}By{}", lower_first(plural), fields.join("And"))
}

/// The names of a relation's own foreign key: one per field of the other side's primary key.
pub(super) fn foreign_keys(owner: &str, field: &str, key: &Model) -> Vec<String> {
    key.key
        .iter()
        .map(|part| foreign_key(owner, field, part))
        .collect()
}
