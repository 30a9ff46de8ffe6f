//! Validation of a parsed document, with AppSync's wording (`sync-semantics` 8.3).
//!
//! Fields that cannot be merged are found by [`super::plan`], which merges them.

mod directives;
mod fragments;
mod rule;

use std::collections::HashSet;

use async_graphql::parser::types::{
    ExecutableDocument, Field, FragmentDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned};
use async_graphql_value::Value as Literal;
use indexmap::IndexMap;

use super::coerce::{Inputs, Leniency};
use super::document::location;
use super::error::GraphqlError;
use super::literal;
use super::types::{FieldDef, InputField, Resolver, TypeDef, TypeSystem};
use super::variables::{self, Found};
use directives::Place;

pub(crate) use rule::{Rule, violation};

/// More errors than this help nobody.
const ERROR_LIMIT: usize = 50;

/// Every violation of the rules, in document order; an empty list lets the document through.
pub(crate) fn validate(inputs: Inputs<'_>, document: &ExecutableDocument) -> Vec<GraphqlError> {
    let mut validator = Validator::new(inputs, document);
    validator.fragments();
    if validator.errors.is_empty() {
        // Its walks rely on fragments that exist and end.
        validator.operations();
    }
    let mut errors = validator.errors;
    errors.sort_by_key(place);
    errors.truncate(ERROR_LIMIT);
    errors
}

fn place(error: &GraphqlError) -> Option<(usize, usize)> {
    let first = error.locations.as_ref()?.first()?;
    Some((first.line, first.column))
}

/// The root type of an operation.
pub(crate) fn root_name(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// Whether a field of this object is answered by introspection.
pub(crate) fn is_introspection(object: &str, field: &str) -> bool {
    object == "Query" && matches!(field, "__schema" | "__type")
}

/// Whether this is the query DataStore sends after a discarded conflict: `getX(id: $id)` on a model whose key is another
/// (`errata.md` row 55). The variable's name, if it is.
pub(crate) fn keyless_get<'f>(
    inputs: Inputs<'_>,
    def: &FieldDef,
    field: &'f Field,
) -> Option<&'f str> {
    let Resolver::Get(model) = &def.resolver else {
        return None;
    };
    let custom_key = inputs.schema.models.get(model)?.custom_key;
    match field.arguments.as_slice() {
        [(name, value)] if name.node == "id" && custom_key && !def.arguments.contains_key("id") => {
            match &value.node {
                Literal::Variable(variable) => Some(variable.as_str()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A type that selections are made on.
#[derive(Clone, Copy)]
struct Composite<'a> {
    name: &'a str,
    /// Its fields; a union has none.
    fields: Option<&'a IndexMap<String, FieldDef>>,
}

impl<'a> Composite<'a> {
    fn of(definition: &'a TypeDef) -> Option<Self> {
        let fields = match definition {
            TypeDef::Object(object) => Some(&object.fields),
            TypeDef::Interface(interface) => Some(&interface.fields),
            TypeDef::Union(_) => None,
            TypeDef::Input(_) | TypeDef::Enum(_) | TypeDef::Scalar(_) => return None,
        };
        Some(Composite {
            name: definition.name(),
            fields,
        })
    }

    /// Whether one object can be of both types.
    fn overlaps(self, other: Composite<'_>, types: &TypeSystem) -> bool {
        self.name == other.name
            || types
                .possible(self.name)
                .any(|one| types.possible(other.name).any(|two| one.name == two.name))
    }
}

struct Validator<'a> {
    inputs: Inputs<'a>,
    document: &'a ExecutableDocument,
    fragments: Vec<(&'a Name, &'a Positioned<FragmentDefinition>)>,
    path: Vec<&'a str>,
    found: Found,
    errors: Vec<GraphqlError>,
}

impl<'a> Validator<'a> {
    fn new(inputs: Inputs<'a>, document: &'a ExecutableDocument) -> Self {
        let mut fragments: Vec<_> = document.fragments.iter().collect();
        fragments.sort_by_key(|(_, fragment)| fragment.pos);
        Validator {
            inputs,
            document,
            fragments,
            path: Vec::new(),
            found: Found::default(),
            errors: Vec::new(),
        }
    }

    fn report(&mut self, rule: Rule, detail: impl std::fmt::Display, pos: Pos) {
        if self.errors.len() < ERROR_LIMIT {
            self.errors.push(violation(rule, detail, &self.path, pos));
        }
    }

    fn operations(&mut self) {
        for (name, fragment) in self.fragments.clone() {
            self.path = vec![name.as_str()];
            self.found.enter_fragment(name.as_str());
            self.directives(&fragment.node.directives, Place::FragmentDefinition);
            let condition = &fragment.node.type_condition.node.on;
            if condition.node.starts_with("__") {
                self.opaque(&fragment.node.selection_set.node);
                continue;
            }
            if let Some(object) = self.condition(condition, Rule::FragmentTypeConditionInvalid) {
                self.selections(object, &fragment.node.selection_set.node);
            }
        }
        let mut operations: Vec<_> = self.document.operations.iter().collect();
        operations.sort_by_key(|(_, operation)| operation.pos);
        for (_, operation) in operations {
            self.path.clear();
            self.found.enter_operation();
            self.directives(&operation.node.directives, Place::Operation);
            let selections = &operation.node.selection_set.node;
            let root = root_name(operation.node.ty);
            let root = self.inputs.types.types.get(root);
            match root.and_then(Composite::of) {
                Some(root) => self.selections(root, selections),
                None => self.no_root(operation.node.ty, operation.pos),
            }
            if operation.node.ty == OperationType::Subscription {
                self.single_root(selections, operation.pos);
            }
            self.path.clear();
            let defects = variables::check(
                self.inputs,
                &operation.node.variable_definitions,
                &self.found,
            );
            self.errors.extend(defects);
        }
    }

    fn no_root(&mut self, operation: OperationType, pos: Pos) {
        let kind = root_name(operation).to_lowercase();
        let kind = if kind == "query" {
            "querie".to_owned()
        } else {
            kind
        };
        self.errors.push(GraphqlError {
            path: None,
            data: None,
            error_type: None,
            custom: None,
            locations: Some(vec![location(pos)]),
            message: format!("Schema is not configured for {kind}s."),
        });
    }

    /// Root fields behind fragments are counted when the subscription is admitted.
    fn single_root(&mut self, selections: &SelectionSet, pos: Pos) {
        if selections.items.len() > 1 {
            let detail = "Subscription operation must have exactly one root field.";
            self.report(Rule::SubscriptionMultipleRootFields, detail, pos);
        }
    }

    fn selections(&mut self, object: Composite<'a>, selections: &'a SelectionSet) {
        for selection in &selections.items {
            match &selection.node {
                Selection::Field(field) => self.field(object, field),
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.node.directives, Place::Selection);
                    let inner = match &fragment.node.type_condition {
                        None => Some(object),
                        Some(condition) => {
                            let rule = Rule::InlineFragmentTypeConditionInvalid;
                            self.condition(&condition.node.on, rule)
                        }
                    };
                    if let Some(inner) = inner {
                        self.same_type(object, inner, fragment.pos);
                        self.selections(inner, &fragment.node.selection_set.node);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives, Place::Selection);
                    let name = spread.node.fragment_name.node.as_str();
                    self.found.spread(name);
                    let on = self.document.fragments.get(name);
                    let on = on.map(|fragment| &fragment.node.type_condition.node.on.node);
                    let on = on.and_then(|on| self.inputs.types.types.get(on.as_str()));
                    if let Some(inner) = on.and_then(Composite::of) {
                        self.same_type(object, inner, spread.pos);
                    }
                }
            }
        }
    }

    fn condition(&mut self, on: &Positioned<Name>, rule: Rule) -> Option<Composite<'a>> {
        let definition = self.inputs.types.types.get(on.node.as_str());
        if let Some(composite) = definition.and_then(Composite::of) {
            return Some(composite);
        }
        match definition {
            Some(_) => self.report(
                rule,
                "Invalid type condition, must be on Object/Interface/Union",
                on.pos,
            ),
            None => self.report(
                Rule::UnknownType,
                format!("Unknown type {}", on.node),
                on.pos,
            ),
        }
        None
    }

    fn same_type(&mut self, outer: Composite<'_>, inner: Composite<'_>, pos: Pos) {
        if !outer.overlaps(inner, self.inputs.types) {
            let detail = format!(
                "Fragment cannot be spread here as objects of type {} can never be of type {}",
                outer.name, inner.name
            );
            self.report(Rule::InvalidFragmentType, detail, pos);
        }
    }

    fn field(&mut self, object: Composite<'a>, field: &'a Positioned<Field>) {
        let name = field.node.name.node.as_str();
        self.path.push(name);
        self.directives(&field.node.directives, Place::Selection);
        if is_introspection(object.name, name) {
            self.opaque_field(&field.node);
        } else if name == "__typename" {
            self.unknown_arguments(&IndexMap::new(), &field.node);
            self.leaf("String", &field.node);
        } else if let Some(def) = object.fields.and_then(|fields| fields.get(name)) {
            self.arguments(def, &field.node, field.pos);
            let inner = self.inputs.types.types.get(def.ty.name());
            match inner.and_then(Composite::of) {
                Some(inner) => self.composite(inner, field),
                None => self.leaf(def.ty.name(), &field.node),
            }
        } else {
            let detail = format!("Field '{name}' in type '{}' is undefined", object.name);
            self.report(Rule::FieldUndefined, detail, field.pos);
        }
        self.path.pop();
    }

    /// Selections on introspection's own types: their rules are checked where they are answered, only what belongs to
    /// the whole document is noted here.
    fn opaque(&mut self, selections: &'a SelectionSet) {
        for selection in &selections.items {
            self.directives(selection.node.directives(), Place::Selection);
            match &selection.node {
                Selection::Field(field) => self.opaque_field(&field.node),
                Selection::InlineFragment(inline) => {
                    self.opaque(&inline.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    self.found.spread(spread.node.fragment_name.node.as_str());
                }
            }
        }
    }

    fn opaque_field(&mut self, field: &'a Field) {
        for (_, value) in &field.arguments {
            if let Literal::Variable(name) = &value.node {
                self.found.use_anything(name.as_str());
            }
        }
        self.opaque(&field.selection_set.node);
    }

    fn leaf(&mut self, ty: &str, field: &Field) {
        if !field.selection_set.node.items.is_empty() {
            let detail = format!(
                "Sub selection not allowed on leaf type {ty} of field {}",
                field.name.node
            );
            self.report(
                Rule::SubSelectionNotAllowed,
                detail,
                field.selection_set.pos,
            );
        }
    }

    fn composite(&mut self, inner: Composite<'a>, field: &'a Positioned<Field>) {
        let selections = &field.node.selection_set.node;
        if selections.items.is_empty() {
            let name = &field.node.name.node;
            let detail = format!(
                "Sub selection required for type {} of field {name}",
                inner.name
            );
            self.report(Rule::SubSelectionRequired, detail, field.pos);
        }
        self.selections(inner, selections);
    }

    fn arguments(&mut self, def: &'a FieldDef, field: &'a Field, pos: Pos) {
        if let Some(variable) = keyless_get(self.inputs, def, field) {
            self.found.use_anything(variable);
            return;
        }
        self.unknown_arguments(&def.arguments, field);
        let leniency = Leniency {
            numeric_text: matches!(def.resolver, Resolver::Get(_)),
            wide_int: false,
        };
        for (name, argument) in &def.arguments {
            match field
                .arguments
                .iter()
                .find(|(given, _)| given.node == name.as_str())
            {
                Some((_, value)) => self.argument(argument, value, leniency),
                None if argument.ty.is_non_null() && argument.default.is_none() => {
                    let detail = format!("Missing field argument {name}");
                    self.report(Rule::MissingFieldArgument, detail, pos);
                }
                None => {}
            }
        }
    }

    fn unknown_arguments(&mut self, known: &IndexMap<String, InputField>, field: &Field) {
        let mut seen = HashSet::new();
        for (name, _) in &field.arguments {
            if !known.contains_key(name.node.as_str()) {
                let detail = format!("Unknown field argument {}", name.node);
                self.report(Rule::UnknownArgument, detail, name.pos);
            } else if !seen.insert(name.node.as_str()) {
                let detail = format!("There can be only one argument named '{}'", name.node);
                self.report(Rule::DuplicateArgumentNames, detail, name.pos);
            }
        }
    }

    fn argument(&mut self, argument: &InputField, value: &Positioned<Literal>, leniency: Leniency) {
        let mut usages = Vec::new();
        let checked = literal::check(self.inputs, argument, &value.node, leniency, &mut usages);
        self.found.usages(usages, value.pos, &self.path);
        if let Err(misfit) = checked {
            let mut place = vec![argument.name.clone()];
            place.extend(misfit.path);
            let (place, value_text) = (place.join("."), misfit.value);
            let detail = format!(
                "argument '{place}' with value '{value_text}' {}",
                misfit.complaint
            );
            self.report(Rule::WrongType, detail, value.pos);
        }
    }
}
