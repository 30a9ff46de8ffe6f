//! Numbers as clients wrote them: compared by value, added without losing digits.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// How many digits behind the point are added exactly; more are added as floating point numbers.
const EXACT_DIGITS: usize = 18;

/// A decimal number: `units` times ten to the power of minus `scale`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    units: i128,
    scale: usize,
}

impl Decimal {
    /// `None` for exponents and for more digits than are exact.
    fn read(number: &Number) -> Option<Decimal> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if fraction.len() > EXACT_DIGITS {
            return None;
        }
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Decimal {
            units,
            scale: fraction.len(),
        })
    }

    fn units_at(self, scale: usize) -> Option<i128> {
        let power = u32::try_from(scale.checked_sub(self.scale)?).ok()?;
        self.units.checked_mul(10_i128.checked_pow(power)?)
    }

    fn text(units: i128, scale: usize) -> String {
        let sign = if units < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// `start` plus every change `to - from`, exact for decimal numbers of ordinary length. `None` where the sum is no
/// number.
pub(crate) fn plus(start: &Number, changes: &[(&Number, &Number)]) -> Option<Number> {
    let exact = || {
        let all = changes.iter().flat_map(|(to, from)| [*to, *from]);
        let decimals: Vec<Decimal> = std::iter::once(start)
            .chain(all)
            .map(Decimal::read)
            .collect::<Option<_>>()?;
        let scale = decimals.iter().map(|decimal| decimal.scale).max()?;
        let mut units = decimals.iter().map(|decimal| decimal.units_at(scale));
        let mut sum = units.next()??;
        while let (Some(to), Some(from)) = (units.next(), units.next()) {
            sum = sum.checked_add(to?)?.checked_sub(from?)?;
        }
        Decimal::text(sum, scale).parse().ok()
    };
    exact().or_else(|| {
        let mut sum = start.as_f64()?;
        for (to, from) in changes {
            sum += to.as_f64()? - from.as_f64()?;
        }
        Number::from_f64(sum)
    })
}

/// Numbers by value, texts by their characters; `None` for anything else and for mixtures.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => numbers(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn numbers(left: &Number, right: &Number) -> Option<Ordering> {
    let exact = || {
        let (left, right) = (Decimal::read(left)?, Decimal::read(right)?);
        let scale = left.scale.max(right.scale);
        Some(left.units_at(scale)?.cmp(&right.units_at(scale)?))
    };
    exact().or_else(|| left.as_f64()?.partial_cmp(&right.as_f64()?))
}

/// Whether two values mean the same: numbers by value, null as absent inside of objects.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || numbers(left, right) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            let null = &Value::Null;
            left.keys().chain(right.keys()).all(|name| {
                same(
                    left.get(name).unwrap_or(null),
                    right.get(name).unwrap_or(null),
                )
            })
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn sums_lose_no_digits() {
        for (start, to, from, sum) in [
            ("99", "99", "100", "98"),
            ("0.1", "0.3", "0.1", "0.3"),
            ("19.90", "5", "7.5", "17.40"),
            ("-1", "0", "1", "-2"),
            ("0.05", "0", "0.1", "-0.05"),
            ("1e2", "2", "1", "101.0"),
            ("9007199254740993", "1", "0", "9007199254740994"),
        ] {
            let result = plus(&number(start), &[(&number(to), &number(from))]).unwrap();
            assert_eq!(result.to_string(), sum, "{start} + {to} - {from}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let value = |text: &str| Value::Number(number(text));
        assert_eq!(
            compare(&value("10"), &value("9.5")),
            Some(Ordering::Greater)
        );
        assert!(same(&value("1.0"), &value("1")));
        assert!(same(&value("1e2"), &value("100")));
        assert_eq!(compare(&value("1"), &Value::from("1")), None);
    }
}
