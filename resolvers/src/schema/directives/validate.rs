//! `@validate(type: …, value: "…")`: what the values of a field must be (`transformer` 6.5).

use super::{DEFAULT, Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{Applied, FieldNode, TypeNode, Value};
use crate::schema::model::{Base, Check, Model, Pattern, Scalar, Validation};

/// See the module.
pub(crate) const VALIDATE: Directive = Directive {
    name: "validate",
    sites: &[Site::ModelField],
    repeatable: true,
    parameters: &[
        Parameter::required("type", Shape::Word(TYPES)),
        Parameter::required("value", Shape::Text),
        Parameter::optional("errorMessage", Shape::Text),
    ],
};

const TYPES: &[&str] = &[
    "gt",
    "lt",
    "gte",
    "lte",
    "minLength",
    "maxLength",
    "startsWith",
    "endsWith",
    "matches",
];

/// Gives the fields of a model their validations.
pub(crate) fn apply(node: &TypeNode, model: &mut Model, problems: &mut Problems) {
    for declared in &node.fields {
        let mut seen: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for (at, applied) in declared.directives.iter().enumerate() {
            if applied.name != VALIDATE.name {
                continue;
            }
            let Some(ty) = applied.argument("type").and_then(Value::word) else {
                continue;
            };
            let after = declared.directives[at..].iter();
            if seen.contains(&ty) {
                problems.error(
                    "validate-repeated",
                    applied.span,
                    format!(
                        "`{}.{}` is validated by `{ty}` already.",
                        node.name, declared.name
                    ),
                    "Keep one of the two.",
                );
            } else if after.clone().any(|later| later.name == DEFAULT.name) {
                problems.error(
                    "validate-before-default",
                    applied.span,
                    "`@validate` stands before `@default`.",
                    "Write `@default` first.",
                );
            } else if let Some(field) = model.fields.get(&declared.name)
                && fits(declared, &field.ty.base, ty, applied, problems)
            {
                found.extend(read(applied, ty, problems));
            }
            seen.push(ty);
        }
        if let Some(field) = model.fields.get_mut(&declared.name) {
            field.validations = found;
        }
    }
}

/// Whether values of this type can be validated like this.
fn fits(
    field: &FieldNode,
    base: &Base,
    ty: &str,
    applied: &Applied,
    problems: &mut Problems,
) -> bool {
    let number = matches!(ty, "gt" | "lt" | "gte" | "lte");
    let fits = match base {
        Base::Scalar(Scalar::Int | Scalar::Float) => number,
        Base::Scalar(Scalar::String) => !number,
        _ => false,
    };
    if fits && field.ty.list.is_none() {
        return true;
    }
    let types = if number {
        "single numbers (`Int`, `Float`)"
    } else {
        "single texts (`String`)"
    };
    problems.error(
        "validate-type",
        applied.span,
        format!(
            "`{}` cannot be validated by `{ty}`, which is for {types}.",
            field.name
        ),
        "Remove it, or change the type of the field.",
    );
    false
}

fn read(applied: &Applied, ty: &str, problems: &mut Problems) -> Option<Validation> {
    let value = applied.argument("value")?;
    let operand = value.text()?;
    let check = match ty {
        "gt" => number(operand).map(Check::GreaterThan),
        "lt" => number(operand).map(Check::LessThan),
        "gte" => number(operand).map(Check::AtLeast),
        "lte" => number(operand).map(Check::AtMost),
        "minLength" => length(operand, f64::ceil).map(Check::MinLength),
        "maxLength" => length(operand, f64::floor).map(Check::MaxLength),
        "startsWith" => Some(Check::StartsWith(operand.to_owned())),
        "endsWith" => Some(Check::EndsWith(operand.to_owned())),
        _ => return pattern(applied, operand, value.span, problems),
    };
    if check.is_none() {
        let help = if ty.ends_with("Length") {
            "Write a whole number, such as \"10\"."
        } else {
            "Write a number, such as \"1.5\"."
        };
        problems.error(
            "validate-value",
            value.span,
            format!("\"{operand}\" is nothing to compare with by `{ty}`."),
            help,
        );
    }
    Some(validation(applied, operand, check?))
}

fn pattern(
    applied: &Applied,
    operand: &str,
    span: Span,
    problems: &mut Problems,
) -> Option<Validation> {
    match Pattern::new(operand) {
        Ok(pattern) => Some(validation(applied, operand, Check::Matches(pattern))),
        Err(reason) => {
            problems.error(
                "validate-pattern",
                span,
                format!("\"{operand}\" is no regular expression: {reason}."),
                "Correct it; backslashes are doubled inside of quotation marks.",
            );
            None
        }
    }
}

fn validation(applied: &Applied, operand: &str, check: Check) -> Validation {
    let message = applied.text("errorMessage").filter(|text| !text.is_empty());
    Validation {
        check,
        operand: operand.to_owned(),
        message: message.map(str::to_owned),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

/// A length; of a broken one the whole lengths on the right side of it are meant.
fn length(text: &str, round: fn(f64) -> f64) -> Option<usize> {
    let length = round(number(text).filter(|length| *length >= 0.0)?);
    // Nothing is longer than this.
    let length = length.min(f64::from(u32::MAX));
    format!("{length:.0}").parse().ok()
}
