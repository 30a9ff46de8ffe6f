//! How generated types and fields are called (`transformer` section 2).

use crate::schema::model::Scalar;
use crate::schema::naming::{lower_first as lower, upper_first as upper};

/// The page type `list`, `get` and `sync` use.
pub(super) fn connection(model: &str) -> String {
    written_connection(&upper(model))
}

/// The page type index queries and relations use: the name as written (`transformer` 2.2).
pub(super) fn written_connection(model: &str) -> String {
    format!("Model{model}Connection")
}

/// The filter `list` and `sync` take.
pub(super) fn filter(model: &str) -> String {
    written_filter(&upper(model))
}

/// The filter index queries and relations take: the name as written (`transformer` 2.2).
pub(super) fn written_filter(model: &str) -> String {
    format!("Model{model}FilterInput")
}

pub(super) fn condition(model: &str) -> String {
    format!("Model{}ConditionInput", upper(model))
}

pub(super) fn subscription_filter(model: &str) -> String {
    format!("ModelSubscription{}FilterInput", upper(model))
}

/// `CreateXInput` and its like; `verb` is `Create`, `Update` or `Delete`.
pub(super) fn mutation_input(verb: &str, model: &str) -> String {
    format!("{verb}{}Input", upper(model))
}

/// A nested type as an input.
pub(crate) fn nested_input(name: &str) -> String {
    format!("{}Input", upper(name))
}

/// The argument several sort fields share: `bCD` for `b`, `c`, `d`.
pub(crate) fn composite_argument(sort: &[String]) -> String {
    let joined: String = sort.iter().map(|field| upper(field)).collect();
    lower(&joined)
}

/// The inputs of a key with several sort fields: the operators, and the fields. `None` is the primary key.
pub(super) fn composite_inputs(model: &str, index: Option<&str>) -> (String, String) {
    let key = index.map_or_else(|| "Primary".to_owned(), upper);
    (
        format!("Model{model}{key}CompositeKeyConditionInput"),
        format!("Model{model}{key}CompositeKeyInput"),
    )
}

/// Which of GraphQL's own scalars a scalar is filtered as.
pub(super) fn filtered_as(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Id | Scalar::Int | Scalar::Float | Scalar::Boolean => scalar,
        Scalar::AwsTimestamp => Scalar::Int,
        Scalar::String
        | Scalar::AwsDate
        | Scalar::AwsTime
        | Scalar::AwsDateTime
        | Scalar::AwsJson
        | Scalar::AwsEmail
        | Scalar::AwsUrl
        | Scalar::AwsPhone
        | Scalar::AwsIpAddress => Scalar::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sort_fields_share_one_camel_case_argument() {
        let sort = ["b", "c_x", "Day"].map(str::to_owned);
        assert_eq!(composite_argument(&sort), "bC_xDay");
    }
}
