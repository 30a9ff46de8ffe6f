//! The directives of the first generation of the GraphQL Transformer, read as what took their place: `@key`,
//! `@connection`, `@versioned`. Each gets a warning that names the new form (`errata.md` row 59).

use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{
    Applied, Argument, DeclaredType, Document, FieldNode, Kind, TypeNode, Value,
};
use crate::schema::naming::{foreign_key, lower_first, upper_first};

/// Rewrites the old forms of a document.
pub(crate) fn translate(document: &mut Document, problems: &mut Problems) {
    for node in document.types.values_mut() {
        drop_versioned(node, problems);
        keys(node, problems);
    }
    connections(document, problems);
}

fn outdated(problems: &mut Problems, name: &str, span: Span, help: String) {
    problems.warning(
        "first-generation",
        span,
        format!("`@{name}` is from the first generation of the GraphQL Transformer."),
        help,
    );
}

/// Every model is versioned.
fn drop_versioned(node: &mut TypeNode, problems: &mut Problems) {
    node.directives.retain(|applied| {
        let old = applied.name == "versioned";
        if old {
            let help = "Remove it: every model is versioned.".to_owned();
            outdated(problems, "versioned", applied.span, help);
        }
        !old
    });
}

/// `@key(fields: ["a", "b"])` is `@primaryKey` on the first field, or `@index` if it has a name; without a `queryField`
/// it has no query.
fn keys(node: &mut TypeNode, problems: &mut Problems) {
    let (old, kept) = std::mem::take(&mut node.directives)
        .into_iter()
        .partition(|applied: &Applied| applied.name == "key");
    node.directives = kept;
    for key in old {
        let span = key.span;
        let fields: Vec<(String, Span)> = key
            .texts("fields")
            .unwrap_or_default()
            .into_iter()
            .map(|(name, span)| (name.to_owned(), span))
            .collect();
        let Some(((partition, at), sort)) = fields.split_first() else {
            problems.error(
                "missing-argument",
                span,
                "`@key` needs `fields`.",
                "Write `@primaryKey` behind the type of a field instead.",
            );
            continue;
        };
        let mut arguments = Vec::new();
        if !sort.is_empty() {
            let names = sort.iter().map(|(name, at)| text(name, *at)).collect();
            arguments.push(argument("sortKeyFields", Kind::List(names), span));
        }
        let name = match key.text("name") {
            Some(index) => {
                arguments.insert(0, argument("name", Kind::Text(index.to_owned()), span));
                let query = key.text("queryField");
                let query = query.map_or(Kind::Null, |query| Kind::Text(query.to_owned()));
                arguments.push(argument("queryField", query, span));
                "index"
            }
            None => "primaryKey",
        };
        let new = applied(name, arguments, span);
        let help = format!(
            "Write `{}` behind the type of `{partition}`.",
            written(&new)
        );
        outdated(problems, "key", span, help);
        match node
            .fields
            .iter_mut()
            .find(|field| field.name == *partition)
        {
            Some(field) => field.directives.push(new),
            None => problems.error(
                "key-unknown-field",
                *at,
                format!("`{}` has no field `{partition}`.", node.name),
                "Declare the field.",
            ),
        }
    }
}

/// A `@connection`, and where it stands.
#[derive(Clone)]
struct Connection {
    owner: String,
    field: String,
    target: String,
    many: bool,
    required: bool,
    applied: Applied,
}

impl Connection {
    fn name(&self) -> Option<&str> {
        self.applied.text("name")
    }
}

fn connections(document: &mut Document, problems: &mut Problems) {
    let mut all = Vec::new();
    for node in document.types.values_mut() {
        for field in &mut node.fields {
            let Some(at) = field
                .directives
                .iter()
                .position(|it| it.name == "connection")
            else {
                continue;
            };
            all.push(Connection {
                owner: node.name.clone(),
                field: field.name.clone(),
                target: field.ty.base.clone(),
                many: field.ty.list.is_some(),
                required: field.ty.required,
                applied: field.directives.remove(at),
            });
        }
    }
    for one in &all {
        let new = relation(document, one, &all);
        let help = format!("Write `{}`.", written(&new));
        outdated(problems, "connection", one.applied.span, help);
        if let Some(field) = field_of(document, &one.owner, &one.field) {
            field.directives.push(new);
        }
    }
}

fn field_of<'d>(document: &'d mut Document, owner: &str, field: &str) -> Option<&'d mut FieldNode> {
    let node = document.types.get_mut(owner)?;
    node.fields.iter_mut().find(|known| known.name == field)
}

/// The relation a connection is, with the fields it makes if it names none.
fn relation(document: &mut Document, one: &Connection, all: &[Connection]) -> Applied {
    let span = one.applied.span;
    let mut arguments = Vec::new();
    let limit = one.applied.argument("limit").filter(|_| one.many);
    let fields = one.applied.argument("fields").filter(|it| !it.is_null());
    let other = all.iter().find(|other| {
        let named = other.name() == one.name() && one.name().is_some();
        (other.owner != one.owner || other.field != one.field)
            && other.owner == one.target
            && other.target == one.owner
            && (named || (fields.is_some() && other.many))
    });
    let name = match (one.many, other) {
        (true, _) => "hasMany",
        (false, Some(other)) if other.many || other.field < one.field => "belongsTo",
        (false, _) => "hasOne",
    };
    match (fields, other) {
        (Some(fields), _) => {
            if let Some(index) = one.applied.argument("keyName") {
                arguments.push(argument("indexName", index.kind.clone(), span));
            }
            arguments.push(argument("fields", fields.kind.clone(), span));
        }
        // Both sides have a name: the single side's field names the foreign key, which is not in the schema.
        (None, Some(other)) if one.many != other.many => {
            let (many, single) = if one.many { (one, other) } else { (other, one) };
            let (key, index) = named_pair(document, many, single);
            let names = if one.many {
                vec!["id"]
            } else {
                vec![key.as_str()]
            };
            if one.many {
                arguments.push(argument("indexName", Kind::Text(index), span));
            }
            let names = names.into_iter().map(|name| text(name, span)).collect();
            arguments.push(argument("fields", Kind::List(names), span));
        }
        (None, _) => {}
    }
    if let Some(limit) = limit {
        arguments.push(argument("limit", limit.kind.clone(), span));
    }
    applied(name, arguments, span)
}

/// Makes the foreign key and the index of two sides with one name; their names.
fn named_pair(document: &mut Document, many: &Connection, single: &Connection) -> (String, String) {
    let given = [single, many].map(|side| side.applied.text("keyField").map(str::to_owned));
    let key = given
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| foreign_key(&single.owner, &single.field, "id"));
    let index = format!("{}{}", lower_first(&many.owner), upper_first(&many.field));
    let span = single.applied.span;
    if let Some(parent) = document.types.get_mut(&many.owner)
        && parent.field("id").is_none()
    {
        parent.fields.insert(0, id("id", true, span));
    }
    if let Some(child) = document.types.get_mut(&single.owner) {
        if child.field(&key).is_none() {
            child.fields.push(id(&key, single.required, span));
        }
        let name = argument("name", Kind::Text(index.clone()), span);
        let query = argument("queryField", Kind::Null, span);
        let made = applied("index", vec![name, query], span);
        let field = child.fields.iter_mut().find(|field| field.name == key);
        if let Some(field) = field
            && !field
                .directives
                .iter()
                .any(|it| it.text("name") == Some(&index))
        {
            field.directives.push(made);
        }
    }
    (key, index)
}

fn id(name: &str, required: bool, span: Span) -> FieldNode {
    FieldNode {
        name: name.to_owned(),
        span,
        description: None,
        ty: DeclaredType {
            span,
            base: "ID".to_owned(),
            list: None,
            inner: Vec::new(),
            required,
        },
        directives: Vec::new(),
        arguments: Vec::new(),
        default: None,
        extends: false,
    }
}

fn applied(name: &str, arguments: Vec<Argument>, span: Span) -> Applied {
    Applied {
        name: name.to_owned(),
        span,
        arguments,
    }
}

fn argument(name: &str, kind: Kind, span: Span) -> Argument {
    Argument {
        name: name.to_owned(),
        span,
        value: Value { span, kind },
    }
}

fn text(text: &str, span: Span) -> Value {
    Value {
        span,
        kind: Kind::Text(text.to_owned()),
    }
}

/// A directive as it is written.
fn written(applied: &Applied) -> String {
    let arguments: Vec<String> = applied
        .arguments
        .iter()
        .map(|argument| format!("{}: {}", argument.name, argument.value.to_json()))
        .collect();
    if arguments.is_empty() {
        return format!("@{}", applied.name);
    }
    format!("@{}({})", applied.name, arguments.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::schema::model::{RelationKind, Via};
    use crate::schema::testing::{codes, model, warnings};

    const OPEN: &str = "@auth(rules: [{ allow: public }])";

    #[test]
    fn keys_are_primary_keys_and_indexes() {
        let text = format!(
            r#"type A @model {OPEN} @versioned @key(fields: ["a", "b"]) @key(name: "byC", fields: ["c", "a"], queryField: "asByC") @key(name: "byB", fields: ["b"]) {{ a: ID! b: Int! c: String }}"#
        );
        let a = model(&text, "A");
        assert_eq!(a.key.fields().collect::<Vec<_>>(), ["a", "b"]);
        let indexes: Vec<_> = a
            .indexes
            .iter()
            .map(|index| (index.name.as_str(), index.query_field.as_deref()))
            .collect();
        assert_eq!(indexes, [("byB", None), ("byC", Some("asByC"))]);
        assert_eq!(warnings(&text), ["first-generation"; 4]);
        assert_eq!(
            codes(r#"type A @model @key(fields: ["x"]) { id: ID! }"#),
            ["key-unknown-field"]
        );
    }

    #[test]
    fn connections_by_fields_go_by_these_fields() {
        let text = format!(
            r#"type Post @model {OPEN} {{ id: ID! comments: [Comment] @connection(keyName: "byPost", fields: ["id"], limit: 7) }}
            type Comment @model {OPEN} @key(name: "byPost", fields: ["postID"]) {{ id: ID! postID: ID! post: Post @connection(fields: ["postID"]) }}"#
        );
        let comments = model(&text, "Post").fields["comments"].relation.clone();
        let comments = comments.expect("a relation");
        assert_eq!(
            comments.via,
            Via::Index("byPost".to_owned(), vec!["id".to_owned()])
        );
        assert_eq!(comments.default_limit, 7);
        let post = model(&text, "Comment").fields["post"].relation.clone();
        let post = post.expect("a relation");
        assert_eq!(post.kind, RelationKind::BelongsTo);
        assert_eq!(post.via, Via::Key(vec!["postID".to_owned()]));
    }

    #[test]
    fn connections_of_one_name_share_the_foreign_key_of_the_single_side() {
        let text = format!(
            r#"type Post @model {OPEN} {{ comments: [Comment] @connection(name: "PostComments") }}
            type Comment @model {OPEN} {{ post: Post! @connection(name: "PostComments") }}"#
        );
        let comment = model(&text, "Comment");
        assert!(comment.fields["commentPostId"].ty.required);
        let post = comment.fields["post"].relation.clone().expect("a relation");
        assert_eq!(post.via, Via::Key(vec!["commentPostId".to_owned()]));
        let comments = model(&text, "Post").fields["comments"].relation.clone();
        let via = comments.expect("a relation").via;
        assert_eq!(
            via,
            Via::Index("postComments".to_owned(), vec!["id".to_owned()])
        );
    }

    #[test]
    fn connections_without_arguments_make_their_foreign_keys() {
        let text = format!(
            "type Todo @model {OPEN} {{ id: ID! kids: [Kid] @connection one: Kid @connection }} type Kid @model {OPEN} {{ id: ID! }}"
        );
        assert!(model(&text, "Kid").fields.contains_key("todoKidsId"));
        assert!(model(&text, "Todo").fields.contains_key("todoOneId"));
        assert_eq!(warnings(&text), ["first-generation"; 2]);
    }
}
