//! Which fields may be part of a key.

use super::diagnostic::{Problems, Span};
use super::model::{Base, KeyFields, Model, Scalar};
use super::suggestion::did_you_mean;

/// The key of a field and its sort fields, each of them checked.
pub(crate) fn checked(
    model: &Model,
    partition: (&str, Span),
    sort: &[(&str, Span)],
    what: &str,
    problems: &mut Problems,
) -> Option<KeyFields> {
    let mut usable = may_be_key(model, partition, what, problems);
    let mut fields = vec![partition.0];
    for (name, span) in sort {
        if fields.contains(name) {
            problems.error(
                "key-repeated-field",
                *span,
                format!("{what} has the field `{name}` twice."),
                "Leave it out of `sortKeyFields`.",
            );
            usable = false;
        } else {
            usable &= may_be_key(model, (*name, *span), what, problems);
        }
        fields.push(name);
    }
    usable.then(|| KeyFields {
        partition: partition.0.to_owned(),
        sort: sort.iter().map(|(name, _)| (*name).to_owned()).collect(),
    })
}

fn may_be_key(
    model: &Model,
    (name, span): (&str, Span),
    what: &str,
    problems: &mut Problems,
) -> bool {
    let Some(field) = model.fields.get(name) else {
        let known = model.fields.keys().map(String::as_str);
        let help = match name {
            "createdAt" | "updatedAt" => {
                format!("Declare it on the model: `{name}: AWSDateTime!`.")
            }
            _ => did_you_mean(name, known, "Declare the field, or leave it out."),
        };
        problems.error(
            "key-unknown-field",
            span,
            format!("{what}: `{}` has no field `{name}`.", model.name),
            help,
        );
        return false;
    };
    let scalar = match field.ty.base {
        Base::Scalar(scalar) => Some(scalar),
        Base::Enum(_) => None,
        Base::Object(_) | Base::Model(_) | Base::Abstract(_) => {
            return not_scalar(model, name, span, what, problems);
        }
    };
    if field.ty.list.is_some() {
        return not_scalar(model, name, span, what, problems);
    }
    if scalar == Some(Scalar::Boolean) {
        problems.error(
            "key-boolean",
            span,
            format!(
                "{what}: `{}.{name}` is a Boolean, which cannot be part of a key.",
                model.name
            ),
            "Use an enum with two values, or leave the field out.",
        );
        return false;
    }
    true
}

fn not_scalar(model: &Model, name: &str, span: Span, what: &str, problems: &mut Problems) -> bool {
    problems.error(
        "key-not-scalar",
        span,
        format!(
            "{what}: `{}.{name}` is neither a scalar nor an enum.",
            model.name
        ),
        "Use a field with a single scalar or enum value.",
    );
    false
}
