//! What filters and conditions accept beyond the fields their input types declare (`errata.md` row 41).
//!
//! JavaScript clients send `in`, `notIn`, `not` and list operators to every kind of predicate and retry without end when
//! they are refused, while the declared types must stay the ones Amplify generates.

use super::coerce::Inputs;
use super::types::{InputDef, InputField, InputRole, Operand, TypeRef};
use crate::schema::model::{Base, Scalar};

/// The field `name` that the role of `def` adds to its declared ones.
pub(crate) fn extra_field(inputs: Inputs<'_>, def: &InputDef, name: &str) -> Option<InputField> {
    let ty = match &def.role {
        InputRole::Predicate(model) => predicate_field(inputs, def, model, name)?,
        InputRole::Operators(operand) => operator(operand, name)?,
        InputRole::Plain | InputRole::Key | InputRole::Delete(_) => return None,
    };
    Some(InputField {
        name: name.to_owned(),
        ty,
        default: None,
    })
}

fn predicate_field(inputs: Inputs<'_>, def: &InputDef, model: &str, name: &str) -> Option<TypeRef> {
    let itself = TypeRef::Named(def.name.clone());
    match name {
        "and" | "or" => return Some(list(itself)),
        "not" => return Some(itself),
        "_deleted" => return Some(named("ModelBooleanInput")),
        "_version" | "_lastChangedAt" => return Some(named("ModelIntInput")),
        _ => {}
    }
    let field = inputs.schema.models.get(model)?.fields.get(name)?;
    let operators = match &field.ty.base {
        Base::Scalar(scalar) => operators_of(*scalar),
        Base::Enum(name) => {
            let of_enum = format!("Model{name}Input");
            return Some(named(if inputs.types.types.contains_key(&of_enum) {
                &of_enum
            } else {
                "ModelStringInput"
            }));
        }
        Base::Object(_) | Base::Model(_) | Base::Abstract(_) => return None,
    };
    Some(named(operators))
}

fn operators_of(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Id => "ModelIDInput",
        Scalar::Int | Scalar::AwsTimestamp => "ModelIntInput",
        Scalar::Float => "ModelFloatInput",
        Scalar::Boolean => "ModelBooleanInput",
        _ => "ModelStringInput",
    }
}

fn operator(operand: &Operand, name: &str) -> Option<TypeRef> {
    let value = match operand {
        Operand::String => named("String"),
        Operand::Id => named("ID"),
        Operand::Int | Operand::Size => named("Int"),
        Operand::Float => named("Float"),
        Operand::Boolean => named("Boolean"),
        Operand::Enum(name) => named(name),
    };
    match name {
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => Some(value),
        "between" | "in" | "notIn" => Some(list(value)),
        _ if *operand == Operand::Size => None,
        // Of the word of an enum these compare a part.
        "contains" | "notContains" if matches!(operand, Operand::Enum(_)) => Some(named("String")),
        "contains" | "notContains" => Some(value),
        "beginsWith" => Some(named("String")),
        "attributeExists" => Some(named("Boolean")),
        "attributeType" => Some(named("ModelAttributeTypes")),
        "size" => Some(named("ModelSizeInput")),
        _ => None,
    }
}

fn named(name: &str) -> TypeRef {
    TypeRef::Named(name.to_owned())
}

fn list(inner: TypeRef) -> TypeRef {
    TypeRef::List(Box::new(inner))
}
