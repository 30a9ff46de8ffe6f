//! From text to the definitions of a schema: what is declared, with places, and nothing of what it means.

use std::collections::HashSet;

use async_graphql::parser::types as ast;
use async_graphql::{Positioned, Value as ConstValue};

use super::diagnostic::{Problems, Span};
use super::document::{Applied, Argument, DeclaredType, Document, FieldNode, TypeNode, Value};
use super::model::{ElementsRequired, EnumType, Scalar};
use super::source::Places;
use super::syntax;

/// Reads a schema; `None` if its text cannot be read at all.
pub(crate) fn document(text: &str, problems: &mut Problems) -> Option<Document> {
    let (text, parsed) = syntax::parse(text, problems)?;
    let mut reader = Reader {
        places: Places::new(&text),
        document: Document::default(),
        problems,
    };
    reader.read(parsed);
    Some(reader.document)
}

fn span<T>(node: &Positioned<T>) -> Span {
    node.pos.into()
}

/// Walks the parser's tree.
struct Reader<'a> {
    places: Places<'a>,
    document: Document,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn read(&mut self, parsed: ast::ServiceDocument) {
        let mut extensions = Vec::new();
        for definition in parsed.definitions {
            match definition {
                ast::TypeSystemDefinition::Type(ty) if ty.node.extend => extensions.push(ty.node),
                ast::TypeSystemDefinition::Type(ty) => self.define(ty.node),
                ast::TypeSystemDefinition::Schema(schema) => self.problems.error(
                    "schema-definition",
                    span(&schema),
                    "The schema declares its root types.",
                    "Leave `schema { … }` out: `Query`, `Mutation` and `Subscription` are made from the models.",
                ),
                ast::TypeSystemDefinition::Directive(directive) => self.problems.error(
                    "directive-definition",
                    span(&directive.node.name),
                    format!("Directive `@{}` is declared here.", directive.node.name.node),
                    "Leave the declaration out: all directives a schema may use are built in.",
                ),
            }
        }
        for extension in extensions {
            self.extend(extension);
        }
    }

    fn define(&mut self, definition: ast::TypeDefinition) {
        let (name, at) = (definition.name.node.to_string(), span(&definition.name));
        if !self.admit(&name, at, &definition.kind) {
            return;
        }
        let description = definition.description.as_ref().map(|d| d.node.clone());
        match definition.kind {
            ast::TypeKind::Object(object) => {
                self.refuse_implements(&object.implements);
                let node = TypeNode {
                    fields: self.object_fields(&name, object.fields, &[]),
                    directives: self.directives(definition.directives),
                    span: at,
                    description,
                    name: name.clone(),
                };
                self.document.types.insert(name, node);
            }
            ast::TypeKind::InputObject(input) => {
                let node = TypeNode {
                    fields: self.input_fields(&name, input.fields),
                    directives: self.directives(definition.directives),
                    span: at,
                    description,
                    name: name.clone(),
                };
                self.document.inputs.insert(name, node);
            }
            ast::TypeKind::Enum(values) => {
                let values = self.enum_values(&name, values.values);
                self.no_directives(&definition.directives, "an enum");
                self.document.enums.insert(
                    name.clone(),
                    EnumType {
                        name,
                        values,
                        description,
                    },
                );
            }
            ast::TypeKind::Interface(_) | ast::TypeKind::Union(_) | ast::TypeKind::Scalar => {}
        }
    }

    /// Whether a definition may go in: its name is free and its kind served.
    fn admit(&mut self, name: &str, at: Span, kind: &ast::TypeKind) -> bool {
        if let Some(first) = self.document.places.get(name) {
            self.problems.error(
                "duplicate-type",
                at,
                format!("There is a type `{name}` already, in line {}.", first.line),
                format!("Give one of them another name, or add fields with `extend type {name}`."),
            );
            return false;
        }
        if Scalar::named(name).is_some() || name.starts_with("__") {
            self.document.refused.insert(name.to_owned());
            self.problems.error(
                "reserved-name",
                at,
                format!("`{name}` is built in."),
                "Leave the declaration out, or give the type another name.",
            );
            return false;
        }
        self.document.places.insert(name.to_owned(), at);
        if let Some((code, what, help)) = refused_kind(name, kind) {
            self.document.refused.insert(name.to_owned());
            self.problems
                .error(code, at, format!("{what} `{name}` is not served."), help);
            return false;
        }
        true
    }

    fn extend(&mut self, extension: ast::TypeDefinition) {
        let (name, at) = (extension.name.node.to_string(), span(&extension.name));
        if self.document.refused.contains(&name) {
            return;
        }
        match extension.kind {
            ast::TypeKind::Object(object) if self.document.types.contains_key(&name) => {
                self.refuse_implements(&object.implements);
                let known: Vec<String> = self.document.types[&name]
                    .field_names()
                    .map(str::to_owned)
                    .collect();
                let fields = self.object_fields(&name, object.fields, &known);
                let directives = self.directives(extension.directives);
                let node = &mut self.document.types[&name];
                node.fields.extend(fields);
                node.directives.extend(directives);
            }
            _ if self.document.places.contains_key(&name) => self.problems.error(
                "unsupported-extension",
                at,
                format!("`{name}` cannot be extended like this."),
                format!("Write the additions into the declaration of `{name}`."),
            ),
            _ if ROOTS.contains(&name.as_str()) => {
                self.document.refused.insert(name.clone());
                self.problems.error(
                    "unsupported-operations",
                    at,
                    format!("Root type `{name}` is not served."),
                    NO_CUSTOM_OPERATIONS,
                );
            }
            _ => self.problems.error(
                "extension-without-type",
                at,
                format!("There is no type `{name}` to extend."),
                "Declare the type itself, without `extend`.",
            ),
        }
    }

    fn refuse_implements(&mut self, implements: &[Positioned<async_graphql::Name>]) {
        if let Some(first) = implements.first() {
            self.problems.error(
                "unsupported-interface",
                span(first),
                "Types that implement interfaces are not served.",
                format!("Remove `implements {}`.", first.node),
            );
        }
    }

    fn object_fields(
        &mut self,
        type_name: &str,
        fields: Vec<Positioned<ast::FieldDefinition>>,
        known: &[String],
    ) -> Vec<FieldNode> {
        let mut seen: HashSet<String> = known.iter().cloned().collect();
        let mut nodes = Vec::new();
        for field in fields {
            let field = field.node;
            let (name, at) = (field.name.node.to_string(), span(&field.name));
            if let Some(argument) = field.arguments.first() {
                self.problems.error(
                    "field-arguments",
                    span(&argument.node.name),
                    format!("Field `{type_name}.{name}` takes arguments, which is not served."),
                    "Remove the arguments.",
                );
            }
            if self.is_new(&mut seen, "duplicate-field", type_name, &name, at)
                && let Some(ty) = self.field_type(&field.ty)
            {
                nodes.push(FieldNode {
                    ty,
                    directives: self.directives(field.directives),
                    description: field.description.map(|d| d.node),
                    default: None,
                    span: at,
                    name,
                });
            }
        }
        nodes
    }

    fn input_fields(
        &mut self,
        type_name: &str,
        fields: Vec<Positioned<ast::InputValueDefinition>>,
    ) -> Vec<FieldNode> {
        let mut seen = HashSet::new();
        let mut nodes = Vec::new();
        for field in fields {
            let field = field.node;
            let (name, at) = (field.name.node.to_string(), span(&field.name));
            if self.is_new(&mut seen, "duplicate-field", type_name, &name, at)
                && let Some(ty) = self.field_type(&field.ty)
            {
                nodes.push(FieldNode {
                    ty,
                    directives: self.directives(field.directives),
                    description: field.description.map(|d| d.node),
                    default: field.default_value.map(|value| self.value(&value)),
                    span: at,
                    name,
                });
            }
        }
        nodes
    }

    fn enum_values(
        &mut self,
        name: &str,
        values: Vec<Positioned<ast::EnumValueDefinition>>,
    ) -> Vec<String> {
        let mut seen = HashSet::new();
        for value in &values {
            let at = span(&value.node.value);
            self.no_directives(&value.node.directives, "an enum value");
            self.is_new(
                &mut seen,
                "duplicate-enum-value",
                name,
                &value.node.value.node,
                at,
            );
        }
        values
            .into_iter()
            .map(|value| value.node.value.node.to_string())
            .collect()
    }

    fn is_new(
        &mut self,
        seen: &mut HashSet<String>,
        code: &'static str,
        owner: &str,
        name: &str,
        at: Span,
    ) -> bool {
        let new = seen.insert(name.to_owned());
        if !new {
            self.problems.error(
                code,
                at,
                format!("`{owner}.{name}` is declared twice."),
                "Remove one of the two.",
            );
        }
        new
    }

    fn field_type(&mut self, ty: &Positioned<ast::Type>) -> Option<DeclaredType> {
        let at = span(ty);
        let required = !ty.node.nullable;
        let (list, base) = match &ty.node.base {
            ast::BaseType::Named(name) => (None, name.to_string()),
            ast::BaseType::List(inner) => match &inner.base {
                ast::BaseType::Named(name) => {
                    (Some(ElementsRequired(!inner.nullable)), name.to_string())
                }
                ast::BaseType::List(_) => {
                    self.problems.error(
                        "nested-list",
                        at,
                        format!("`{}` is a list of lists, which is not served.", ty.node),
                        "Use a list of a type that has a list field, or `AWSJSON`.",
                    );
                    return None;
                }
            },
        };
        Some(DeclaredType {
            span: at,
            base,
            list,
            required,
        })
    }

    fn no_directives(&mut self, directives: &[Positioned<ast::ConstDirective>], on: &str) {
        for directive in directives {
            self.problems.error(
                "directive-misplaced",
                span(directive),
                format!("`@{}` may not stand on {on}.", directive.node.name.node),
                "Remove it.",
            );
        }
    }

    fn directives(&mut self, directives: Vec<Positioned<ast::ConstDirective>>) -> Vec<Applied> {
        directives
            .into_iter()
            .map(|directive| Applied {
                span: span(&directive),
                name: directive.node.name.node.to_string(),
                arguments: directive
                    .node
                    .arguments
                    .iter()
                    .map(|(name, value)| Argument {
                        name: name.node.to_string(),
                        span: span(name),
                        value: self.value(value),
                    })
                    .collect(),
            })
            .collect()
    }

    fn value(&self, value: &Positioned<ConstValue>) -> Value {
        Value::located(&value.node, &self.places.of(span(value)))
    }
}

/// The types whose fields are operations.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

const NO_CUSTOM_OPERATIONS: &str =
    "Remove it: operations are made from the models, custom ones are not served yet.";

/// Why definitions of this kind are not served, and the way out.
fn refused_kind(
    name: &str,
    kind: &ast::TypeKind,
) -> Option<(&'static str, &'static str, &'static str)> {
    match kind {
        ast::TypeKind::Object(_) if ROOTS.contains(&name) => {
            Some(("unsupported-operations", "Root type", NO_CUSTOM_OPERATIONS))
        }
        ast::TypeKind::Interface(_) => Some((
            "unsupported-interface",
            "Interface",
            "Write its fields into each type instead.",
        )),
        ast::TypeKind::Union(_) => Some((
            "unsupported-union",
            "Union",
            "Use one type with a nullable field for each case instead.",
        )),
        ast::TypeKind::Scalar => Some((
            "unsupported-scalar",
            "Scalar",
            "Use one of the built-in scalars, for example `String` or `AWSJSON`.",
        )),
        _ => None,
    }
}
