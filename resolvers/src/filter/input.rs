//! A client's filter input → [`Filter`].

use serde_json::{Map, Value};

use super::{AttributeType, Filter, Test};
use crate::api::error::{ErrorType, FieldError};
use crate::schema::model::Model;

/// The predicate of a filter or condition input.
pub(super) fn filter(input: &Value, model: &Model) -> Result<Filter, FieldError> {
    let mut parts = Vec::new();
    match input {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                member(name, value, model, &mut parts)?;
            }
        }
        _ => return Err(unrecognized()),
    }
    Ok(all(parts))
}

/// Keys side by side are ANDed; a null or empty member asks for nothing.
fn member(
    name: &str,
    value: &Value,
    model: &Model,
    parts: &mut Vec<Filter>,
) -> Result<(), FieldError> {
    if value.is_null() {
        return Ok(());
    }
    match name {
        "and" => parts.extend(group(value, model)?),
        "or" => {
            let choices = group(value, model)?;
            if !choices.is_empty() {
                parts.push(Filter::Any(choices));
            }
        }
        "not" => parts.push(Filter::Not(Box::new(filter(value, model)?))),
        _ => field(name, value, model, parts)?,
    }
    Ok(())
}

/// The members of `and` and `or`; a bare object is a list of one (GraphQL's list coercion).
fn group(value: &Value, model: &Model) -> Result<Vec<Filter>, FieldError> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .map(|item| filter(item, model))
            .collect(),
        other => Ok(vec![filter(other, model)?]),
    }
}

fn field(
    name: &str,
    value: &Value,
    model: &Model,
    parts: &mut Vec<Filter>,
) -> Result<(), FieldError> {
    let is_relation = model
        .fields
        .get(name)
        .is_some_and(|field| field.relation.is_some());
    let operators = value
        .as_object()
        .filter(|_| !is_relation)
        .ok_or_else(unrecognized)?;
    for test in tests(operators)? {
        parts.push(Filter::Field {
            name: name.to_owned(),
            test,
        });
    }
    Ok(())
}

/// The tests of one field's operators.
fn tests(operators: &Map<String, Value>) -> Result<Vec<Test>, FieldError> {
    let mut tests = Vec::with_capacity(operators.len());
    for (operator, operand) in operators {
        match (operator.as_str(), operand) {
            ("size", Value::Object(sizes)) => {
                for test in self::tests(sizes)? {
                    tests.push(Test::Size(Box::new(size(test)?)));
                }
            }
            _ => tests.push(test(operator, operand).ok_or_else(unrecognized)?),
        }
    }
    Ok(tests)
}

/// Of a size only comparisons can be asked.
fn size(test: Test) -> Result<Test, FieldError> {
    let comparable = match &test {
        Test::Eq(value)
        | Test::Ne(value)
        | Test::Lt(value)
        | Test::Le(value)
        | Test::Gt(value)
        | Test::Ge(value) => value.is_number(),
        Test::Between(low, high) => low.is_number() && high.is_number(),
        _ => false,
    };
    comparable.then_some(test).ok_or_else(unrecognized)
}

fn test(operator: &str, operand: &Value) -> Option<Test> {
    let present = || (!operand.is_null()).then(|| operand.clone());
    Some(match operator {
        "eq" => Test::Eq(operand.clone()),
        "ne" => Test::Ne(operand.clone()),
        "lt" => Test::Lt(present()?),
        "le" => Test::Le(present()?),
        "gt" => Test::Gt(present()?),
        "ge" => Test::Ge(present()?),
        "between" => between(operand)?,
        "beginsWith" => Test::BeginsWith(operand.as_str()?.to_owned()),
        "contains" => Test::Contains(present()?),
        "notContains" => Test::NotContains(present()?),
        "in" => Test::In(operand.as_array()?.clone()),
        "notIn" => Test::NotIn(operand.as_array()?.clone()),
        "attributeExists" => Test::Exists(operand.as_bool()?),
        "attributeType" => Test::Type(attribute_type(operand.as_str()?)?),
        _ => return None,
    })
}

fn between(operand: &Value) -> Option<Test> {
    match operand.as_array()?.as_slice() {
        [low, high] if !low.is_null() && !high.is_null() => {
            Some(Test::Between(low.clone(), high.clone()))
        }
        _ => None,
    }
}

fn attribute_type(name: &str) -> Option<AttributeType> {
    Some(match name {
        "bool" => AttributeType::Bool,
        "list" => AttributeType::List,
        "map" => AttributeType::Map,
        "number" => AttributeType::Number,
        "string" => AttributeType::String,
        "_null" => AttributeType::Null,
        "binary" | "binarySet" | "numberSet" | "stringSet" => AttributeType::Never,
        _ => return None,
    })
}

fn all(mut parts: Vec<Filter>) -> Filter {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Filter::All(parts),
    }
}

fn unrecognized() -> FieldError {
    FieldError::new(
        ErrorType::UnrecognizedFilter,
        "Unable to process the filter expression",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(input: &Value) -> Result<Filter, FieldError> {
        filter(input, &crate::fixtures::post())
    }

    fn leaf(name: &str, test: Test) -> Filter {
        Filter::Field {
            name: name.to_owned(),
            test,
        }
    }

    #[test]
    fn an_empty_filter_is_everything() {
        let empty = [
            json!(null),
            json!({}),
            json!({"and": []}),
            json!({"or": []}),
            json!({"title": null}),
            json!({"title": {}}),
            json!({"and": [null], "not": null}),
        ];
        for input in empty {
            let filter = parse(&input).unwrap();
            assert!(
                filter.matches(&crate::fixtures::record(json!({}))),
                "{input}"
            );
        }
    }

    #[test]
    fn keys_and_operators_side_by_side_are_anded() {
        assert_eq!(
            parse(&json!({"rating": {"gt": 1, "lt": 5}, "title": {"eq": "x"}})).unwrap(),
            Filter::All(vec![
                leaf("rating", Test::Gt(json!(1))),
                leaf("rating", Test::Lt(json!(5))),
                leaf("title", Test::Eq(json!("x"))),
            ])
        );
    }

    #[test]
    fn groups_nest_as_datastore_sends_them() {
        assert_eq!(
            parse(&json!({"and": [{"not": {"status": {"eq": "DRAFT"}}}]})).unwrap(),
            Filter::Not(Box::new(leaf("status", Test::Eq(json!("DRAFT")))))
        );
        assert_eq!(
            parse(&json!({"or": [{"rating": {"in": [1, 2]}}, {"title": {"beginsWith": "a"}}]}))
                .unwrap(),
            Filter::Any(vec![
                leaf("rating", Test::In(vec![json!(1), json!(2)])),
                leaf("title", Test::BeginsWith("a".to_owned())),
            ])
        );
    }

    #[test]
    fn a_bare_object_is_a_group_of_one() {
        assert_eq!(
            parse(&json!({"and": {"rating": {"ge": 3}}})).unwrap(),
            leaf("rating", Test::Ge(json!(3)))
        );
    }

    #[test]
    fn size_takes_comparisons_of_numbers() {
        assert_eq!(
            parse(&json!({"title": {"size": {"between": [1, 3]}}})).unwrap(),
            leaf(
                "title",
                Test::Size(Box::new(Test::Between(json!(1), json!(3))))
            )
        );
    }

    #[test]
    fn what_is_no_predicate_is_refused() {
        let refused = [
            json!([]),
            json!("x"),
            json!({"rating": 3}),
            json!({"rating": {"between": [1]}}),
            json!({"rating": {"between": [1, null]}}),
            json!({"rating": {"between": 1}}),
            json!({"rating": {"gt": null}}),
            json!({"title": {"contains": null}}),
            json!({"title": {"beginsWith": 3}}),
            json!({"title": {"in": "a"}}),
            json!({"title": {"attributeType": "thing"}}),
            json!({"title": {"attributeExists": null}}),
            json!({"title": {"like": "a%"}}),
            json!({"title": {"size": {"contains": 3}}}),
            json!({"title": {"size": {"eq": "3"}}}),
            json!({"title": {"size": {"size": {"eq": 3}}}}),
            json!({"comments": {"eq": "x"}}),
            json!({"or": [{"rating": {"like": 1}}]}),
            json!({"not": {"rating": {"like": 1}}}),
        ];
        for input in refused {
            let error = parse(&input).expect_err(&input.to_string());
            assert_eq!(error.message, "Unable to process the filter expression");
            assert_eq!(error.error_type, Some(ErrorType::UnrecognizedFilter));
        }
    }
}
