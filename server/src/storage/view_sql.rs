//! The view over a model's records, with a column per field: for people who ask with SQL. Tombstones are not in it.
//!
//! A stored value may be older than the schema and of another type; it is NULL then, and never an error that would keep
//! all other records from whoever asks.

use std::collections::HashSet;

use driftless_resolvers::schema::model::{Base, Field, Model, Scalar};

use super::database::Dialect;
use super::table::{LONGEST, Table, cut, digest, quoted};

/// What a value is shown as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Text,
    Integer,
    Float,
    Boolean,
    Date,
    DateTime,
    /// A number of seconds.
    Instant,
    /// A text that holds JSON.
    JsonText,
    /// A list or an object.
    Json,
}

impl Shown {
    fn of(field: &Field) -> Self {
        if field.ty.list.is_some() {
            return Shown::Json;
        }
        match field.ty.base {
            Base::Object(_) | Base::Model(_) | Base::Abstract(_) => Shown::Json,
            Base::Enum(_) => Shown::Text,
            Base::Scalar(scalar) => match scalar {
                Scalar::Int => Shown::Integer,
                Scalar::Float => Shown::Float,
                Scalar::Boolean => Shown::Boolean,
                Scalar::AwsDate => Shown::Date,
                Scalar::AwsDateTime => Shown::DateTime,
                Scalar::AwsTimestamp => Shown::Instant,
                Scalar::AwsJson => Shown::JsonText,
                Scalar::Id
                | Scalar::String
                | Scalar::AwsTime
                | Scalar::AwsEmail
                | Scalar::AwsUrl
                | Scalar::AwsPhone
                | Scalar::AwsIpAddress => Shown::Text,
            },
        }
    }
}

/// The query of a model's view.
pub(super) fn query(dialect: Dialect, model: &Model, table: &Table) -> String {
    let fields: Vec<&Field> = model.stored_fields().collect();
    let mut taken = HashSet::new();
    let mut columns: Vec<String> = fields
        .iter()
        .map(|field| {
            let value = match dialect {
                Dialect::Postgres => postgres(field),
                Dialect::Sqlite => sqlite(field),
            };
            format!("{value} as {}", quoted(&alias(&field.name, &mut taken)))
        })
        .collect();
    let changed = match dialect {
        Dialect::Postgres => "to_timestamp(t.changed_ms / 1000.0)",
        Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', t.changed_ms / 1000.0, 'unixepoch')",
    };
    for (value, name) in [("t.version", "_version"), (changed, "_lastChangedAt")] {
        columns.push(format!("{value} as {}", quoted(&alias(name, &mut taken))));
    }
    let (columns, name) = (columns.join(", "), &table.name);
    match dialect {
        Dialect::Postgres => format!(
            "select {columns} from {name} as t cross join lateral json_to_record(t.doc::json) as r({}) \
             where not t.deleted",
            record(&fields)
        ),
        Dialect::Sqlite => format!("select {columns} from {name} as t where not t.deleted"),
    }
}

/// The name of a column: the field's, cut where Postgres would cut it without a word.
fn alias(field: &str, taken: &mut HashSet<String>) -> String {
    let mut name = cut(field, LONGEST);
    if name != field || taken.contains(&name) {
        name = format!("{}_{}", cut(field, LONGEST - 20), digest(field));
    }
    taken.insert(name.clone());
    name
}

/// The columns that a document is taken apart into, all at once.
fn record(fields: &[&Field]) -> String {
    let columns = fields.iter().filter(|field| field.name.len() <= LONGEST);
    let columns: Vec<String> = columns
        .map(|field| {
            let ty = if is_text(Shown::of(field)) {
                "text"
            } else {
                "json"
            };
            format!("{} {ty}", quoted(&field.name))
        })
        .collect();
    columns.join(", ")
}

fn is_text(shown: Shown) -> bool {
    matches!(
        shown,
        Shown::Text | Shown::Date | Shown::DateTime | Shown::JsonText
    )
}

fn postgres(field: &Field) -> String {
    let shown = Shown::of(field);
    let value = if field.name.len() <= LONGEST {
        format!("r.{}", quoted(&field.name))
    } else if is_text(shown) {
        format!("t.doc::json ->> '{}'", field.name)
    } else {
        format!("t.doc::json -> '{}'", field.name)
    };
    match shown {
        Shown::Text | Shown::Json => value,
        Shown::Integer => format!("value_integer({value})"),
        Shown::Float => format!("value_float({value})"),
        Shown::Boolean => format!("value_boolean({value})"),
        Shown::Date => format!("value_date({value})"),
        Shown::DateTime => format!("value_timestamp({value})"),
        Shown::Instant => format!("value_instant({value})"),
        Shown::JsonText => format!("value_json({value})"),
    }
}

fn sqlite(field: &Field) -> String {
    let path = format!("'$.\"{}\"'", field.name);
    let value = format!("t.doc ->> {path}");
    let number = format!("json_type(t.doc, {path}) in ('integer', 'real')");
    match Shown::of(field) {
        Shown::Text | Shown::JsonText => value,
        Shown::Json => format!("nullif(t.doc -> {path}, 'null')"),
        Shown::Integer => format!("case when {number} then cast({value} as integer) end"),
        Shown::Float => format!("case when {number} then cast({value} as real) end"),
        Shown::Boolean => {
            format!("case json_type(t.doc, {path}) when 'true' then 1 when 'false' then 0 end")
        }
        Shown::Date => format!("date(substr({value}, 1, 10))"),
        Shown::DateTime => format!("strftime('%Y-%m-%dT%H:%M:%fZ', {value})"),
        Shown::Instant => format!(
            "case when {number} then strftime('%Y-%m-%dT%H:%M:%fZ', {value}, 'unixepoch') end"
        ),
    }
}
