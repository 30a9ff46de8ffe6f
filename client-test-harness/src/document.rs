//! The GraphQL documents a DataStore client sends, in its own printed form (`client-js` 8.2, 8.3).

use std::fmt::Write as _;

use crate::schema::{Field, Kind, Model};

/// What a mutation does; also names the three subscriptions of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `createX` / `onCreateX`.
    Create,
    /// `updateX` / `onUpdateX`.
    Update,
    /// `deleteX` / `onDeleteX`.
    Delete,
}

impl Operation {
    /// All three, in the order clients subscribe.
    pub const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Delete];

    fn word(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }

    /// `createPost`.
    pub fn mutation_field(self, model: &Model) -> String {
        format!("{}{}", self.word().to_lowercase(), model.name)
    }

    /// `onCreatePost`.
    pub fn subscription_field(self, model: &Model) -> String {
        format!("on{}{}", self.word(), model.name)
    }
}

/// `syncPosts`.
pub fn sync_field(model: &Model) -> String {
    format!("sync{}", model.plural)
}

/// `getPost`.
pub fn get_field(model: &Model) -> String {
    format!("get{}", model.name)
}

/// The sync query.
pub fn sync(model: &Model) -> String {
    let (name, field) = (&model.name, sync_field(model));
    format!(
        "query operation($limit: Int, $nextToken: String, $lastSync: AWSTimestamp, $filter: Model{name}FilterInput) {{\n  \
         {field}(\n    limit: $limit\n    nextToken: $nextToken\n    lastSync: $lastSync\n    filter: $filter\n  ) {{\n    \
         items {{\n{}    }}\n    nextToken\n    startedAt\n  }}\n}}\n",
        selection(model, 6)
    )
}

/// The mutation of that operation; a create has no condition.
pub fn mutation(operation: Operation, model: &Model) -> String {
    let (word, name) = (operation.word(), &model.name);
    let field = operation.mutation_field(model);
    let (declared, passed) = match operation {
        Operation::Create => (String::new(), ""),
        Operation::Update | Operation::Delete => (
            format!(", $condition: Model{name}ConditionInput"),
            ", condition: $condition",
        ),
    };
    format!(
        "mutation operation($input: {word}{name}Input!{declared}) {{\n  {field}(input: $input{passed}) {{\n{}  }}\n}}\n",
        selection(model, 4)
    )
}

/// The subscription of that operation, without filter or owner argument.
pub fn subscription(operation: Operation, model: &Model) -> String {
    format!(
        "subscription operation {{\n  {} {{\n{}  }}\n}}\n",
        operation.subscription_field(model),
        selection(model, 4)
    )
}

/// The query a JS client sends after giving up on a conflict; only models with a single `id` have it.
pub fn get(model: &Model) -> String {
    let field = get_field(model);
    format!(
        "query operation($id: ID!) {{\n  {field}(id: $id) {{\n{}  }}\n}}\n",
        selection(model, 4)
    )
}

fn selection(model: &Model, indent: usize) -> String {
    let mut text = String::new();
    let (nested, plain): (Vec<_>, Vec<_>) = model
        .fields
        .iter()
        .partition(|field| matches!(field.kind, Kind::Object(_)));
    write_fields(&mut text, &plain, indent);
    write_line(&mut text, indent, "createdAt");
    write_line(&mut text, indent, "updatedAt");
    write_fields(&mut text, &nested, indent);
    for meta in ["_version", "_lastChangedAt", "_deleted"] {
        write_line(&mut text, indent, meta);
    }
    for parent in &model.parents {
        write_line(&mut text, indent, &format!("{} {{", parent.field));
        write_line(&mut text, indent + 2, &parent.key);
        write_line(&mut text, indent + 2, "_deleted");
        write_line(&mut text, indent, "}");
    }
    text
}

fn write_fields(text: &mut String, fields: &[&Field], indent: usize) {
    for field in fields {
        if let Kind::Object(inner) = &field.kind {
            write_line(text, indent, &format!("{} {{", field.name));
            write_fields(text, &inner.iter().collect::<Vec<_>>(), indent + 2);
            write_line(text, indent, "}");
        } else {
            write_line(text, indent, &field.name);
        }
    }
}

fn write_line(text: &mut String, indent: usize, line: &str) {
    writeln!(text, "{:indent$}{line}", "").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn an_update_document_reads_as_the_client_prints_it() {
        let schema = Schema::whitepaper();
        let text = mutation(Operation::Update, schema.model("Comment").unwrap());
        let expected = "mutation operation($input: UpdateCommentInput!, $condition: ModelCommentConditionInput) {\n  \
            updateComment(input: $input, condition: $condition) {\n    id\n    postID\n    content\n    createdAt\n    \
            updatedAt\n    _version\n    _lastChangedAt\n    _deleted\n    post {\n      id\n      _deleted\n    }\n  }\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn nested_types_follow_the_scalars_and_come_before_the_metadata() {
        let schema = Schema::whitepaper();
        let text = subscription(Operation::Create, schema.model("Post").unwrap());
        let place = text.find("place {").unwrap();
        assert!(text.find("updatedAt").unwrap() < place && place < text.find("_version").unwrap());
    }
}
