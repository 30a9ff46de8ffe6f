//! The inputs every API has, and those that come with an enum or a key.

use super::names::filtered_as;
use super::{Generator, input, list, named, non_null};
use crate::api::types::{EnumDef, InputField, InputRole, Operand, TypeDef};
use crate::schema::model::{Base, FieldType, Scalar};

const COMPARISONS: [&str; 6] = ["ne", "eq", "le", "lt", "ge", "gt"];
const TEXT: [&str; 4] = ["contains", "notContains", "between", "beginsWith"];
const MEMBERSHIP: [&str; 2] = ["in", "notIn"];
const KEY_COMPARISONS: [&str; 6] = ["eq", "le", "lt", "ge", "gt", "between"];

/// Which family of operators a filter uses (`transformer` section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Filters of queries and conditions of mutations.
    Query,
    /// Filters of subscriptions.
    Subscription,
}

impl Generator<'_> {
    /// The types that are there even without a model.
    pub(super) fn constant_types(&mut self) {
        self.add_input(
            "AmplifyAIConversationTurnErrorInput",
            InputRole::Plain,
            ["errorType", "message"]
                .map(|name| input(name, non_null(named("String"))))
                .into(),
        );
        self.add_enum("ModelSortDirection", &["ASC", "DESC"]);
        self.add_enum(
            "ModelAttributeTypes",
            &[
                "binary",
                "binarySet",
                "bool",
                "list",
                "map",
                "number",
                "numberSet",
                "string",
                "stringSet",
                "_null",
            ],
        );
        let size = COMPARISONS.iter().chain(&["between"]);
        self.add_input(
            "ModelSizeInput",
            InputRole::Operators(Operand::Size),
            size.map(|name| operator(name, "Int")).collect(),
        );
        for scalar in [
            Scalar::String,
            Scalar::Id,
            Scalar::Int,
            Scalar::Float,
            Scalar::Boolean,
        ] {
            self.scalar_operators(scalar, Family::Query);
            self.scalar_operators(scalar, Family::Subscription);
        }
    }

    fn add_enum(&mut self, name: &str, values: &[&str]) {
        self.add(TypeDef::Enum(EnumDef {
            deprecated: Default::default(),
            name: name.to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        }));
    }

    fn scalar_operators(&mut self, scalar: Scalar, family: Family) {
        let (operand, names): (Operand, Vec<&str>) = match scalar {
            Scalar::Boolean => (Operand::Boolean, vec!["ne", "eq"]),
            Scalar::Int => (Operand::Int, comparisons(&["between"])),
            Scalar::Float => (Operand::Float, comparisons(&["between"])),
            Scalar::Id => (Operand::Id, comparisons(&TEXT)),
            _ => (Operand::String, comparisons(&TEXT)),
        };
        let mut fields: Vec<InputField> = names
            .into_iter()
            .map(|name| operator(name, scalar.name()))
            .collect();
        match family {
            Family::Subscription if scalar != Scalar::Boolean => {
                fields.extend(MEMBERSHIP.map(|name| operator(name, scalar.name())));
            }
            Family::Subscription => {}
            Family::Query => {
                fields.push(input("attributeExists", named("Boolean")));
                fields.push(input("attributeType", named("ModelAttributeTypes")));
                if matches!(scalar, Scalar::String | Scalar::Id) {
                    fields.push(input("size", named("ModelSizeInput")));
                }
            }
        }
        let name = scalar_operators_name(scalar, family);
        self.add_input(&name, InputRole::Operators(operand), fields);
    }

    /// The operators input of a field, made if it is not there yet; `None` for fields that cannot be filtered by.
    ///
    /// `any_list` is the index queries' reading of enum lists, which takes required lists for lists; everybody else
    /// takes them for single values (`transformer` section 12).
    pub(super) fn operators_of(
        &mut self,
        ty: &FieldType,
        family: Family,
        any_list: bool,
    ) -> Option<String> {
        match (&ty.base, family) {
            (Base::Scalar(scalar), _) => Some(scalar_operators_name(filtered_as(*scalar), family)),
            (Base::Enum(_), Family::Subscription) => {
                Some(scalar_operators_name(Scalar::String, family))
            }
            (Base::Enum(name), Family::Query) => {
                let many = ty.list.is_some() && (any_list || !ty.required);
                Some(self.enum_operators(name, many))
            }
            (Base::Object(_) | Base::Model(_) | Base::Abstract(_), _) => None,
        }
    }

    fn enum_operators(&mut self, name: &str, many: bool) -> String {
        let input_name = format!("Model{name}{}Input", if many { "List" } else { "" });
        let whole = |operator: &str| {
            let ty = named(name);
            input(operator, if many { list(ty) } else { ty })
        };
        let mut fields = vec![whole("eq"), whole("ne")];
        if many {
            fields.extend(["contains", "notContains"].map(|name_| input(name_, named(name))));
        }
        let role = InputRole::Operators(Operand::Enum(name.to_owned()));
        self.add_input(&input_name, role, fields);
        input_name
    }

    /// The condition on a key's only sort field, made if it is not there yet.
    pub(super) fn key_condition(&mut self, base: &Base) -> String {
        let scalar = match base {
            Base::Scalar(scalar) => filtered_as(*scalar),
            _ => Scalar::String,
        };
        let name = format!("Model{}KeyConditionInput", scalar.name());
        let fields = key_operators(matches!(scalar, Scalar::String | Scalar::Id))
            .map(|operator_name| operator(operator_name, scalar.name()))
            .collect();
        self.add_input(&name, InputRole::Key, fields);
        name
    }
}

/// The operators of a key condition; only text can be asked for its beginning.
pub(super) fn key_operators(text: bool) -> impl Iterator<Item = &'static str> {
    KEY_COMPARISONS
        .into_iter()
        .chain(text.then_some("beginsWith"))
}

/// An operator: `between`, `in` and `notIn` take lists of nullable items.
pub(super) fn operator(name: &str, operand: &str) -> InputField {
    let ty = named(operand);
    let many = matches!(name, "between" | "in" | "notIn");
    input(name, if many { list(ty) } else { ty })
}

fn comparisons(more: &[&'static str]) -> Vec<&'static str> {
    COMPARISONS.iter().chain(more).copied().collect()
}

/// The name of a scalar's operators input.
pub(super) fn scalar_operators_name(scalar: Scalar, family: Family) -> String {
    let prefix = match family {
        Family::Query => "",
        Family::Subscription => "Subscription",
    };
    format!("Model{prefix}{}Input", scalar.name())
}
