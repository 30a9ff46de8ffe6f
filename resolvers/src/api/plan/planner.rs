//! From a validated document to a [`Plan`]: fragments expanded within limits, equal response keys merged.

use async_graphql::Positioned;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field as Node, Selection as Item, SelectionSet,
};
use async_graphql_value::{ConstValue, Value as Literal};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::super::coerce::{Inputs, Leniency};
use super::super::document::{
    self, Rejection, location, no_introspection, too_deep, too_many_fields, too_many_roots,
};
use super::super::literal::{json, type_ref};
use super::super::types::{FieldDef, ObjectDef, ObjectKind, Resolver, TypeDef, TypeRef};
use super::super::validate::{Rule, is_introspection, keyless_get, root_name, validate, violation};
use super::super::variables::Variable;
use super::{Argument, Field, Plan, Selection, Shape, Source, Switch, good_faith, weight};
use crate::engine::Settings;
use crate::schema::model::{RelationKind, Scalar};

/// Fragments may spread fragments this deep inside one selection set.
const SPREAD_LIMIT: usize = 64;

/// Parses, validates and plans an operation.
pub(crate) fn plan(
    inputs: Inputs<'_>,
    limits: &Settings,
    text: &str,
    operation_name: Option<&str>,
) -> Result<Plan, Rejection> {
    let document = document::parse(text, limits)?;
    let operation = &document::choose(&document, operation_name)?.node;
    let errors = validate(inputs, &document);
    if !errors.is_empty() {
        return Err(Rejection::Invalid(errors));
    }
    let mut planner = Planner {
        inputs,
        limits,
        document: &document,
        left: limits.field_limit,
        literals_left: weight::literal_allowance(text),
        path: Vec::new(),
        forgiven: Vec::new(),
    };
    let root = inputs
        .types
        .object(root_name(operation.ty))
        .ok_or_else(|| Rejection::Invalid(Vec::new()))?;
    let whole = [(Vec::new(), &operation.selection_set.node)];
    let root = planner.selection(root, &whole)?;
    if root.fields.len() > limits.root_limit {
        return Err(too_many_roots(limits));
    }
    let describes = |field: &Field| field.source == Source::Introspection;
    if !limits.introspection && root.fields.iter().any(describes) {
        return Err(no_introspection());
    }
    let forgiven = planner.forgiven;
    let variables = operation.variable_definitions.iter().map(|definition| {
        let node = &definition.node;
        let ty = type_ref(&node.var_type.node);
        let name = node.name.node.to_string();
        Variable {
            default: default_value(inputs, &ty, &name, node.default_value.as_ref()),
            forgiven: forgiven.contains(&name),
            location: location(definition.pos),
            name,
            ty,
        }
    });
    Ok(Plan {
        operation: operation.ty,
        variables: variables.collect(),
        root,
    })
}

fn default_value(
    inputs: Inputs<'_>,
    ty: &TypeRef,
    name: &str,
    default: Option<&Positioned<ConstValue>>,
) -> Option<Value> {
    let value = json(&default?.node.clone().into_value(), &Map::new())?;
    inputs.coerce(ty, &value, name, Leniency::default()).ok()
}

/// The switches around a selection; all of them must hold.
type Around = Vec<Switch>;

/// The places in a document that give one response key, in order.
type Occurrences<'a> = Vec<(Around, &'a Positioned<Node>)>;

struct Planner<'a> {
    inputs: Inputs<'a>,
    limits: &'a Settings,
    document: &'a ExecutableDocument,
    left: usize,
    literals_left: usize,
    path: Vec<&'a str>,
    forgiven: Vec<String>,
}

impl<'a> Planner<'a> {
    fn selection(
        &mut self,
        object: &'a ObjectDef,
        sets: &[(Around, &'a SelectionSet)],
    ) -> Result<Selection, Rejection> {
        if self.path.len() >= self.limits.depth_limit {
            return Err(too_deep(self.limits));
        }
        let mut keys = IndexMap::new();
        for (around, set) in sets {
            self.collect(set, around, 0, &mut keys)?;
        }
        let mut fields = Vec::with_capacity(keys.len());
        for (key, occurrences) in keys {
            self.path.push(occurrences[0].1.node.name.node.as_str());
            fields.push(self.field(object, key, &occurrences)?);
            self.path.pop();
        }
        let model = match &object.kind {
            ObjectKind::Model(name) | ObjectKind::Connection(name) => {
                self.inputs.schema.models.get(name).cloned()
            }
            ObjectKind::Root | ObjectKind::Nested => None,
        };
        Ok(Selection {
            type_name: object.name.clone(),
            kind: object.kind.clone(),
            model,
            fields,
        })
    }

    fn collect(
        &mut self,
        set: &'a SelectionSet,
        around: &Around,
        spreads: usize,
        keys: &mut IndexMap<&'a str, Occurrences<'a>>,
    ) -> Result<(), Rejection> {
        if spreads > SPREAD_LIMIT {
            return Err(too_deep(self.limits));
        }
        for item in &set.items {
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| too_many_fields(self.limits))?;
            let Some(around) = within(around, item.node.directives()) else {
                continue;
            };
            match &item.node {
                Item::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    keys.entry(key).or_default().push((around, field));
                }
                Item::InlineFragment(fragment) => {
                    let inner = &fragment.node.selection_set.node;
                    self.collect(inner, &around, spreads + 1, keys)?;
                }
                Item::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name) {
                        let inner = &fragment.node.selection_set.node;
                        self.collect(inner, &around, spreads + 1, keys)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        object: &'a ObjectDef,
        key: &str,
        occurrences: &Occurrences<'a>,
    ) -> Result<Field, Rejection> {
        let first = occurrences[0].1;
        for (_, other) in &occurrences[1..] {
            self.mergeable(key, first, other)?;
        }
        let name = first.node.name.node.as_str();
        if is_introspection(&object.name, name) {
            return self.introspection(key, occurrences);
        }
        let ty = TypeRef::NonNull(Box::new(TypeRef::Named("String".to_owned())));
        let typename = FieldDef::new(name, ty, Resolver::Property);
        // Validation has seen every field; what is in no type is `__typename`.
        let def = object.fields.get(name);
        let shape = self.shape(def.map_or("String", |def| def.ty.name()), occurrences)?;
        let def = def.unwrap_or(&typename);
        let arguments = arguments(def, &first.node);
        self.literals_left = self
            .literals_left
            .checked_sub(weight::of_literals(&arguments))
            .ok_or_else(|| too_many_fields(self.limits))?;
        Ok(Field {
            key: key.to_owned(),
            name: name.to_owned(),
            location: location(first.pos),
            ty: def.ty.clone(),
            source: self.source(object, def, &first.node, &shape),
            shape,
            arguments,
            leniency: Leniency {
                numeric_text: matches!(def.resolver, Resolver::Get(_)),
                wide_int: false,
            },
            conditions: alternatives(occurrences),
        })
    }

    fn introspection(
        &mut self,
        key: &str,
        occurrences: &Occurrences<'a>,
    ) -> Result<Field, Rejection> {
        let first = occurrences[0].1;
        for (_, node) in occurrences {
            good_faith::check(
                self.document,
                self.limits,
                &mut self.left,
                &node.node.selection_set.node,
            )?;
        }
        Ok(Field {
            key: key.to_owned(),
            name: first.node.name.node.to_string(),
            location: location(first.pos),
            ty: TypeRef::Named("__Type".to_owned()),
            shape: Shape::Json,
            source: Source::Introspection,
            arguments: Vec::new(),
            leniency: Leniency::default(),
            conditions: alternatives(occurrences),
        })
    }

    fn mergeable(
        &self,
        key: &str,
        first: &Positioned<Node>,
        other: &Positioned<Node>,
    ) -> Result<(), Rejection> {
        let (one, two) = (&first.node.name.node, &other.node.name.node);
        let detail = if one != two {
            format!("'{key}' : '{one}' and '{two}' are different fields")
        } else if sorted(&first.node) != sorted(&other.node) {
            format!("'{key}' : fields have different arguments")
        } else {
            return Ok(());
        };
        let above = &self.path[..self.path.len() - 1];
        Err(violation(Rule::FieldsConflict, detail, above, first.pos).into())
    }

    fn shape(&mut self, ty: &str, occurrences: &Occurrences<'a>) -> Result<Shape, Rejection> {
        let types = self.inputs.types;
        Ok(match types.types.get(ty) {
            Some(TypeDef::Object(inner)) => {
                let alike = occurrences
                    .iter()
                    .all(|(around, _)| *around == occurrences[0].0);
                let sets: Vec<_> = occurrences
                    .iter()
                    .map(|(around, node)| {
                        let around = if alike { Around::new() } else { around.clone() };
                        (around, &node.node.selection_set.node)
                    })
                    .collect();
                Shape::Object(self.selection(inner, &sets)?)
            }
            Some(TypeDef::Enum(def)) => Shape::Enum(def.values.clone()),
            Some(TypeDef::Scalar(scalar)) => Shape::Scalar(*scalar),
            Some(TypeDef::Interface(_) | TypeDef::Union(_)) => Shape::Abstract,
            Some(TypeDef::Input(_)) | None => Shape::Scalar(Scalar::String),
        })
    }

    fn source(&mut self, object: &ObjectDef, def: &FieldDef, node: &Node, shape: &Shape) -> Source {
        if let Some(variable) = keyless_get(self.inputs, def, node) {
            self.forgiven.push(variable.to_owned());
            let detail = "Unknown field argument id";
            let error = violation(Rule::UnknownArgument, detail, &self.path, node.name.pos);
            return Source::KeylessGet {
                variable: variable.to_owned(),
                complaint: error.message,
            };
        }
        match (&object.kind, &def.resolver, def.name.as_str()) {
            (_, _, "__typename") => Source::TypeName,
            (_, Resolver::Nothing, _) => Source::Nothing,
            (_, Resolver::Unserved(what), _) => Source::Unserved(what),
            (_, Resolver::Relation, _) => Source::Relation {
                key_only: self.key_only(object, &def.name, shape),
            },
            (ObjectKind::Root, resolver, _) => Source::Root(resolver.clone()),
            (ObjectKind::Connection(_), _, "items") => Source::Items,
            (ObjectKind::Connection(_), _, "nextToken") => Source::NextToken,
            (ObjectKind::Connection(_), _, "startedAt") => Source::StartedAt,
            (ObjectKind::Model(_), _, "_version") => Source::Version,
            (ObjectKind::Model(_), _, "_lastChangedAt") => Source::LastChangedAt,
            (ObjectKind::Model(_), _, "_deleted") => Source::Deleted,
            _ => Source::Attribute,
        }
    }

    fn key_only(&self, object: &ObjectDef, name: &str, shape: &Shape) -> bool {
        let (ObjectKind::Model(parent), Shape::Object(selection)) = (&object.kind, shape) else {
            return false;
        };
        let parent = self.inputs.schema.models.get(parent);
        let relation = parent
            .and_then(|parent| parent.fields.get(name))
            .and_then(|field| field.relation.as_ref());
        let single = relation.is_some_and(|relation| relation.kind != RelationKind::HasMany);
        single
            && selection.model.as_ref().is_some_and(|target| {
                selection.fields.iter().all(|field| {
                    matches!(field.source, Source::TypeName | Source::Deleted)
                        || target.key.fields().any(|key| key == field.name)
                })
            })
    }
}

/// The switches around a selection that has these directives, or `None` if it can never be selected.
fn within(around: &Around, directives: &[Positioned<Directive>]) -> Option<Around> {
    let mut all = around.clone();
    for directive in directives {
        let wanted = directive.node.name.node == "include";
        match &directive.node.get_argument("if")?.node {
            Literal::Boolean(value) if *value == wanted => {}
            Literal::Variable(name) => all.push(Switch {
                variable: name.to_string(),
                wanted,
            }),
            _ => return None,
        }
    }
    Some(all)
}

/// When a field with these occurrences is selected; empty for always.
fn alternatives(occurrences: &Occurrences<'_>) -> Vec<Vec<Switch>> {
    if occurrences.iter().any(|(around, _)| around.is_empty()) {
        return Vec::new();
    }
    occurrences
        .iter()
        .map(|(around, _)| around.clone())
        .collect()
}

fn arguments(def: &FieldDef, node: &Node) -> Vec<Argument> {
    let given = |name: &str| node.get_argument(name).map(|value| value.node.clone());
    def.arguments
        .values()
        .map(|definition| Argument {
            definition: definition.clone(),
            given: given(&definition.name),
        })
        .collect()
}

/// Arguments in an order that does not depend on the writer.
fn sorted(node: &Node) -> Vec<(&str, &Literal)> {
    let mut all: Vec<_> = node
        .arguments
        .iter()
        .map(|(name, value)| (name.node.as_str(), &value.node))
        .collect();
    all.sort_by_key(|(name, _)| *name);
    all
}
