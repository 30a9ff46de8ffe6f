//! Sort key conditions: arguments → tests of the stored sort value (`transformer.md` 5).

use serde_json::{Map, Value};

use super::invalid;
use crate::api::error::FieldError;
use crate::api::generate::composite_argument;
use crate::api::outcome::Arguments;
use crate::filter::Test;
use crate::storage::attributes;

/// An argument that is there and not null.
pub(crate) fn given<'a>(args: &'a Arguments, name: &str) -> Option<&'a Value> {
    args.get(name).filter(|value| !value.is_null())
}

/// The sort fields of a key or index, of which a relation may fix the leading ones.
pub(crate) struct SortKey<'a> {
    /// All sort fields; two or more are stored as one string.
    fields: &'a [String],
    /// The values of the leading ones.
    fixed: &'a [Value],
}

impl<'a> SortKey<'a> {
    pub(crate) fn new(fields: &'a [String], fixed: &'a [Value]) -> Self {
        SortKey { fields, fixed }
    }

    /// Whether the caller's argument holds several fields.
    pub(super) fn is_composite(&self) -> bool {
        self.open().len() > 1
    }

    /// The name of the caller's argument: the field, or the camel-cased names of several (`transformer.md` 2).
    pub(super) fn argument(&self) -> Option<String> {
        match self.open() {
            [] => None,
            [field] => Some(field.clone()),
            several => Some(composite_argument(several)),
        }
    }

    /// The tests the stored sort value must pass.
    pub(crate) fn tests(&self, args: &Arguments) -> Result<Vec<Test>, FieldError> {
        match (self.fields, self.fixed) {
            ([_], [value]) => Ok(vec![Test::Eq(value.clone())]),
            (fields, fixed) if fields.len() > 1 && fixed.len() == fields.len() => {
                Ok(vec![Test::Eq(Value::String(joined(fixed)))])
            }
            _ => {
                let mut tests = self.prefix_test();
                if let Some(argument) = self.argument()
                    && let Some(condition) = given(args, &argument)
                {
                    self.condition(&argument, condition, &mut tests)?;
                }
                Ok(tests)
            }
        }
    }

    /// The fields the caller may put a condition on.
    fn open(&self) -> &'a [String] {
        self.fields.get(self.fixed.len()..).unwrap_or_default()
    }

    /// Composite values begin with the fixed ones.
    fn prefix_test(&self) -> Vec<Test> {
        match self.fixed {
            [] => Vec::new(),
            _ => vec![Test::BeginsWith(self.prefix())],
        }
    }

    fn prefix(&self) -> String {
        match self.fixed {
            [] => String::new(),
            fixed => format!("{}#", joined(fixed)),
        }
    }

    fn condition(
        &self,
        argument: &str,
        condition: &Value,
        tests: &mut Vec<Test>,
    ) -> Result<(), FieldError> {
        let empty = Map::new();
        let operators: Vec<_> = condition
            .as_object()
            .unwrap_or(&empty)
            .iter()
            .filter(|(_, operand)| !operand.is_null())
            .collect();
        if self.is_composite() && operators.len() > 1 {
            return Err(invalid(format!(
                "Argument {argument} must specify at most one key condition operation."
            )));
        }
        for (operator, operand) in operators {
            tests.push(self.test(argument, operator, operand)?);
        }
        Ok(())
    }

    fn test(&self, argument: &str, operator: &str, operand: &Value) -> Result<Test, FieldError> {
        let path = format!("{argument}.{operator}");
        if operator == "between" {
            return match operand.as_array().map(Vec::as_slice) {
                Some([low, high]) => Ok(Test::Between(
                    self.value(&path, low)?,
                    self.value(&path, high)?,
                )),
                _ => Err(invalid(format!(
                    "Argument '{path}' expects exactly two elements."
                ))),
            };
        }
        let value = self.value(&path, operand)?;
        Ok(match operator {
            "eq" => Test::Eq(value),
            "lt" => Test::Lt(value),
            "le" => Test::Le(value),
            "gt" => Test::Gt(value),
            "ge" => Test::Ge(value),
            "beginsWith" => Test::BeginsWith(text(&value)),
            _ => {
                return Err(invalid(format!(
                    "Argument '{path}' is not a key condition operation."
                )));
            }
        })
    }

    /// An operand as the sort value is stored: typed for one field, a string joined with `#` for several.
    fn value(&self, path: &str, operand: &Value) -> Result<Value, FieldError> {
        if self.fields.len() == 1 {
            return Ok(operand.clone());
        }
        let parts = match operand {
            Value::Object(parts) if self.is_composite() => self.leading(path, parts)?,
            other => vec![other.clone()],
        };
        Ok(Value::String(format!(
            "{}{}",
            self.prefix(),
            joined(&parts)
        )))
    }

    /// The parts of a composite operand; a later one needs the earlier ones.
    fn leading(&self, path: &str, parts: &Map<String, Value>) -> Result<Vec<Value>, FieldError> {
        let mut values = Vec::new();
        let mut missing: Option<&str> = None;
        for field in self.open() {
            match (given(parts, field), missing) {
                (Some(value), None) => values.push(value.clone()),
                (Some(_), Some(earlier)) => {
                    return Err(invalid(format!(
                        "When providing argument '{path}.{field}' you must also provide '{path}.{earlier}'."
                    )));
                }
                (None, None) => missing = Some(field),
                (None, Some(_)) => {}
            }
        }
        Ok(values)
    }
}

fn joined(values: &[Value]) -> String {
    values.iter().map(text).collect::<Vec<_>>().join("#")
}

/// A value inside a composite sort value, where numbers are text too.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => attributes::number(number),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::error::ErrorType;
    use crate::fixtures::object;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn tests(fields: &[&str], fixed: &[Value], args: Value) -> Result<Vec<Test>, String> {
        SortKey::new(&names(fields), fixed)
            .tests(&object(args))
            .map_err(|error| {
                assert_eq!(error.error_type, Some(ErrorType::InvalidArguments));
                error.message
            })
    }

    #[test]
    fn one_sort_field_keeps_its_type_and_takes_several_operators() {
        assert_eq!(
            tests(&["n"], &[], json!({"n": {"ge": 1, "lt": 10}})),
            Ok(vec![Test::Ge(json!(1)), Test::Lt(json!(10))])
        );
        assert_eq!(
            tests(&["n"], &[], json!({"n": {"between": [1, 2], "eq": null}})),
            Ok(vec![Test::Between(json!(1), json!(2))])
        );
        assert_eq!(tests(&["n"], &[], json!({"n": null})), Ok(vec![]));
    }

    #[test]
    fn several_sort_fields_are_one_string() {
        let cases = [
            (json!({"eq": {"day": "d", "n": 9}}), Test::Eq(json!("d#9"))),
            (json!({"eq": {"day": "d"}}), Test::Eq(json!("d"))),
            (
                json!({"beginsWith": {"day": "d"}}),
                Test::BeginsWith("d".into()),
            ),
            (
                json!({"between": [{"day": "a"}, {"day": "b", "n": 2}]}),
                Test::Between(json!("a"), json!("b#2")),
            ),
        ];
        for (condition, expected) in cases {
            assert_eq!(
                tests(&["day", "n"], &[], json!({"dayN": condition})),
                Ok(vec![expected])
            );
        }
    }

    #[test]
    fn a_composite_condition_has_its_rules() {
        let refused =
            |condition: Value| tests(&["day", "n"], &[], json!({"dayN": condition})).unwrap_err();
        assert_eq!(
            refused(json!({"eq": {"n": 1}})),
            "When providing argument 'dayN.eq.n' you must also provide 'dayN.eq.day'."
        );
        assert_eq!(
            refused(json!({"ge": {"day": "a"}, "le": {"day": "b"}})),
            "Argument dayN must specify at most one key condition operation."
        );
        assert_eq!(
            refused(json!({"between": [{"day": "a"}]})),
            "Argument 'dayN.between' expects exactly two elements."
        );
    }

    #[test]
    fn a_relation_fixes_the_leading_sort_fields() {
        assert_eq!(
            tests(&["n"], &[json!(3)], json!({})),
            Ok(vec![Test::Eq(json!(3))])
        );
        assert_eq!(
            tests(&["a", "b"], &[json!("x"), json!(3)], json!({})),
            Ok(vec![Test::Eq(json!("x#3"))])
        );
        assert_eq!(
            tests(&["a", "b"], &[json!("x")], json!({"b": {"gt": 3}})),
            Ok(vec![Test::BeginsWith("x#".into()), Test::Gt(json!("x#3"))])
        );
    }
}
