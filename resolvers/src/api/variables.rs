//! Variables: their definitions against their uses once, their values for every request.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::VariableDefinition;
use async_graphql::{Pos, Positioned};
use async_graphql_value::ConstValue;
use serde_json::{Map, Value};

use super::coerce::{Inputs, Leniency};
use super::document::Rejection;
use super::error::{GraphqlError, Location};
use super::literal::{self, Usage};
use super::types::{InputField, TypeDef, TypeRef};
use super::validate::{Rule, violation};

/// Coerced variables; one that was not sent and has no default is not in here.
pub(crate) type Variables = Map<String, Value>;

/// A variable of a planned operation.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: TypeRef,
    /// Its coerced default.
    pub(crate) default: Option<Value>,
    /// Where it is defined.
    pub(crate) location: Location,
    /// Whether it may be missing although its type forbids it (`errata.md` row 55).
    pub(crate) forgiven: bool,
}

/// Coerces what was sent. Variables the operation does not declare are ignored (`client-native` R15).
pub(crate) fn coerce(
    inputs: Inputs<'_>,
    definitions: &[Variable],
    sent: &Map<String, Value>,
) -> Result<Variables, Rejection> {
    let mut coerced = Variables::new();
    for definition in definitions {
        let name = &definition.name;
        let value = match (sent.get(name), &definition.default) {
            (None | Some(Value::Null), _) if definition.forgiven => continue,
            (None, Some(default)) => default.clone(),
            (None, None) if !definition.ty.is_non_null() => continue,
            (given, _) => inputs
                .coerce(
                    &definition.ty,
                    given.unwrap_or(&Value::Null),
                    name,
                    Leniency::default(),
                )
                .map_err(|fault| {
                    let missing = given.is_none_or(Value::is_null);
                    request_error(fault.message(), missing.then_some(definition.location))
                })?,
        };
        coerced.insert(name.clone(), value);
    }
    Ok(coerced)
}

fn request_error(message: String, location: Option<Location>) -> Rejection {
    Rejection::from(GraphqlError {
        path: None,
        data: None,
        error_type: None,
        custom: None,
        locations: location.map(|location| vec![location]),
        message,
    })
}

/// The uses of variables, per operation and fragment, as validation finds them.
#[derive(Default)]
pub(crate) struct Found {
    fragments: HashMap<String, Scope>,
    operation: Scope,
    current: Option<String>,
}

#[derive(Default)]
struct Scope {
    uses: Vec<Use>,
    anywhere: Vec<String>,
    spreads: Vec<String>,
}

struct Use {
    usage: Usage,
    pos: Pos,
    path: String,
}

impl Found {
    /// What follows is found in this fragment.
    pub(crate) fn enter_fragment(&mut self, name: &str) {
        self.current = Some(name.to_owned());
    }

    /// What follows is found in an operation; what the previous one held is forgotten.
    pub(crate) fn enter_operation(&mut self) {
        self.current = None;
        self.operation = Scope::default();
    }

    /// A fragment is spread here.
    pub(crate) fn spread(&mut self, fragment: &str) {
        self.scope().spreads.push(fragment.to_owned());
    }

    /// A variable is used where any type will do.
    pub(crate) fn use_anything(&mut self, variable: &str) {
        self.scope().anywhere.push(variable.to_owned());
    }

    /// Variables are used within an argument.
    pub(crate) fn usages(&mut self, usages: Vec<Usage>, pos: Pos, path: &[&str]) {
        let found = usages.into_iter().map(|usage| Use {
            usage,
            pos,
            path: path.join("/"),
        });
        let found: Vec<Use> = found.collect();
        self.scope().uses.extend(found);
    }

    fn scope(&mut self) -> &mut Scope {
        match &self.current {
            Some(name) => self.fragments.entry(name.clone()).or_default(),
            None => &mut self.operation,
        }
    }

    /// The operation's scope and those of the fragments it leads to.
    fn reached(&self) -> Vec<&Scope> {
        let mut scopes = vec![&self.operation];
        let mut seen = HashSet::new();
        let mut at = 0;
        while let Some(scope) = scopes.get(at) {
            let new = scope
                .spreads
                .iter()
                .filter(|name| seen.insert(name.as_str()));
            let new: Vec<&Scope> = new.filter_map(|name| self.fragments.get(name)).collect();
            scopes.extend(new);
            at += 1;
        }
        scopes
    }
}

/// Every violation of the rules about variables in one operation.
pub(crate) fn check(
    inputs: Inputs<'_>,
    definitions: &[Positioned<VariableDefinition>],
    found: &Found,
) -> Vec<GraphqlError> {
    let mut errors = Vec::new();
    let mut defined: HashMap<&str, &VariableDefinition> = HashMap::new();
    for definition in definitions {
        let name = definition.node.name.node.as_str();
        if defined.insert(name, &definition.node).is_some() {
            let detail = format!("There can be only one variable named '{name}'");
            errors.push(violation(
                Rule::DuplicateVariableName,
                detail,
                &[],
                definition.pos,
            ));
        }
        errors.extend(ill_defined(inputs, definition));
    }
    let scopes = found.reached();
    let mut used: HashSet<&str> = HashSet::new();
    for scope in scopes {
        used.extend(scope.anywhere.iter().map(String::as_str));
        for usage in &scope.uses {
            used.insert(usage.usage.variable.as_str());
            errors.extend(misused(&defined, usage));
        }
    }
    for definition in definitions {
        let name = definition.node.name.node.as_str();
        if !used.contains(name) {
            let detail = format!("Unused variable {name}");
            errors.push(violation(Rule::UnusedVariable, detail, &[], definition.pos));
        }
    }
    errors
}

fn ill_defined(
    inputs: Inputs<'_>,
    definition: &Positioned<VariableDefinition>,
) -> Option<GraphqlError> {
    let node = &definition.node;
    let ty = literal::type_ref(&node.var_type.node);
    let error = |rule, detail: String| Some(violation(rule, detail, &[], definition.pos));
    match inputs.types.types.get(ty.name()) {
        None => return error(Rule::UnknownType, format!("Unknown type {}", ty.name())),
        Some(TypeDef::Object(_) | TypeDef::Interface(_) | TypeDef::Union(_)) => {
            let detail = format!(
                "Input variable {} type {ty} is not an input type",
                node.name.node
            );
            return error(Rule::NonInputTypeOnVariable, detail);
        }
        Some(_) => {}
    }
    if let Some(directive) = node.directives.first() {
        let detail = format!("Directive {} not allowed here", directive.node.name.node);
        return error(Rule::MisplacedDirective, detail);
    }
    let default = node.default_value.as_ref()?.node.clone().into_value();
    let place = InputField {
        name: node.name.node.to_string(),
        ty,
        default: None,
    };
    let checked = literal::check(
        inputs,
        &place,
        &default,
        Leniency::default(),
        &mut Vec::new(),
    );
    let detail = format!("Bad default value for type {}", place.ty);
    checked
        .err()
        .and_then(|_| error(Rule::BadValueForDefaultArg, detail))
}

fn misused(defined: &HashMap<&str, &VariableDefinition>, found: &Use) -> Option<GraphqlError> {
    let usage = &found.usage;
    let name = usage.variable.as_str();
    let Some(definition) = defined.get(name) else {
        let detail = format!("Undefined variable {name}");
        return Some(violation(
            Rule::UndefinedVariable,
            detail,
            &[&found.path],
            found.pos,
        ));
    };
    let ty = literal::type_ref(&definition.var_type.node);
    let default = definition.default_value.as_ref();
    let never_null = default.is_some_and(|default| default.node != ConstValue::Null);
    if fits(&ty, never_null, usage) {
        return None;
    }
    let detail = format!(
        "Variable type '{ty}' doesn't match expected type '{}'",
        usage.expected
    );
    Some(violation(
        Rule::VariableTypeMismatch,
        detail,
        &[&found.path],
        found.pos,
    ))
}

/// Whether a variable of this type may stand at its place (October 2021, 5.8.5), or Swift would put it there:
/// it declares `$id: ID!` for keys of every type (`client-native` R25).
fn fits(ty: &TypeRef, never_null: bool, usage: &Usage) -> bool {
    let nullable = |ty: &TypeRef| match ty {
        TypeRef::NonNull(inner) => inner.as_ref().clone(),
        other => other.clone(),
    };
    let expected = match &usage.expected {
        TypeRef::NonNull(inner) if !ty.is_non_null() && (never_null || usage.defaulted) => inner,
        expected => expected,
    };
    let key_of_any_type = usage.leniency.numeric_text
        && nullable(ty) == TypeRef::Named("ID".to_owned())
        && matches!(nullable(expected), TypeRef::Named(_))
        && (ty.is_non_null() || !expected.is_non_null());
    compatible(ty, expected) || key_of_any_type
}

fn compatible(ty: &TypeRef, expected: &TypeRef) -> bool {
    match (ty, expected) {
        (TypeRef::NonNull(ty), TypeRef::NonNull(expected)) => compatible(ty, expected),
        (TypeRef::NonNull(ty), _) => compatible(ty, expected),
        (TypeRef::List(ty), TypeRef::List(expected)) => compatible(ty, expected),
        (TypeRef::Named(ty), TypeRef::Named(expected)) => ty == expected,
        _ => false,
    }
}
