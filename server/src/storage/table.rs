//! What a model's table is called and which columns it has.

use sha2::{Digest, Sha256};

use driftless_resolvers::schema::model::Model;
use driftless_resolvers::storage::attributes::{Attribute, Attributes, Kind};

/// The longest identifier Postgres keeps whole.
pub(super) const LONGEST: usize = 63;

/// A model's table as it is in the database.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The number of the model, in the system tables and in locks.
    pub(super) shard: i64,
    /// Its quoted name.
    pub(super) name: String,
    /// Every column that holds an index attribute, those of former schemas included.
    pub(super) columns: Vec<Column>,
    /// What the shard's row calls this layout: on Postgres the quoted name of the function that writes the table.
    pub(super) layout: String,
}

/// A column that holds an index attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Its quoted name.
    pub(super) name: String,
    /// The quoted name of the column beside it that says where in the log its value changed last; NULL if it has not since
    /// the record came into being.
    pub(super) moved: String,
    /// What it holds.
    pub(super) attribute: Attribute,
}

impl Table {
    /// The name of a model's table. The number keeps `Todo` and `TODO` apart where case does not count, and is there
    /// first so that a cut at the end cannot make two names equal.
    pub(super) fn name_for(shard: i64, model: &str) -> String {
        quoted(&cut(&format!("m{shard}_{model}"), LONGEST))
    }

    /// A name for something that belongs to the table: an index or a function, by what it is made of.
    pub(super) fn part_name(&self, what: &str, content: &str) -> String {
        quoted(&format!("m{}_{what}_{}", self.shard, digest(content)))
    }
}

impl Column {
    /// The column for an attribute: the same for every schema, so that indexes that share an attribute share it.
    pub(super) fn of(attribute: Attribute) -> Column {
        let prefix = match attribute.kind {
            Kind::Text => 't',
            Kind::Number => 'n',
        };
        let fields = attribute.fields.join("#");
        let readable = cut(&attribute.fields.join("_"), LONGEST - 20);
        let name = format!("{prefix}_{readable}_{}", digest(&fields));
        Column {
            moved: quoted(&format!("{name}_seq")),
            name: quoted(&name),
            attribute,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        self.attribute.kind == Kind::Number
    }
}

/// The attributes of every index of a model, and of its key where queries can walk a part of it.
pub(super) fn indexes(model: &Model) -> Vec<Attributes> {
    let keys = model.indexes.iter().map(|index| &index.key);
    let primary = (!model.key.sort.is_empty()).then_some(&model.key);
    primary
        .into_iter()
        .chain(keys)
        .map(|key| Attributes::of(model, key))
        .collect()
}

/// The attributes by which rules divide a model among its callers, so that a sync walks over one part
/// (`sync-design.md` R7).
pub(super) fn parts(model: &Model) -> impl Iterator<Item = Attribute> {
    let fields = model.dividing_fields();
    fields.map(|name| Attribute::of_field(model, name))
}

/// An identifier that means itself, whatever it holds.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text without its end, where it is longer than so many bytes.
pub(super) fn cut(text: &str, longest: usize) -> String {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A short name for a content.
pub(super) fn digest(content: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content.as_bytes())[..6]
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_field(field: &str) -> Column {
        Column::of(Attribute {
            fields: vec![field.to_owned()],
            kind: Kind::Text,
        })
    }

    fn column(field: &str) -> String {
        of_field(field).name.to_lowercase()
    }

    #[test]
    fn fields_that_differ_only_in_case_or_at_the_end_get_their_own_columns() {
        assert_ne!(column("postID"), column("postId"));
        let long = "a".repeat(80);
        assert_ne!(column(&format!("{long}x")), column(&format!("{long}y")));
        assert!(of_field(&long).moved.len() <= LONGEST + 2);
    }

    #[test]
    fn a_quote_in_a_name_stays_inside_the_name() {
        assert_eq!(quoted(r#"a"; drop"#), r#""a""; drop""#);
    }
}
