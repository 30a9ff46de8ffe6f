//! From text to the definitions of a schema: what is declared, with places, and nothing of what it means.

mod fields;

use async_graphql::Positioned;
use async_graphql::parser::types as ast;

use super::diagnostic::{Problems, Span};
use super::directives::{first_generation, is_known};
use super::document::{Document, ROOTS, TypeNode, UnionNode};
use super::model::{EnumType, Scalar};
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
    let mut document = reader.document;
    first_generation::translate(&mut document, problems);
    Some(document)
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
                ast::TypeSystemDefinition::Schema(schema) => self.schema_definition(&schema),
                ast::TypeSystemDefinition::Directive(directive) => {
                    self.directive_definition(&directive.node.name);
                }
            }
        }
        for extension in extensions {
            self.extend(extension);
        }
    }

    /// A declaration adds nothing: whoever uses a directive that is not built in is told so there.
    fn directive_definition(&mut self, name: &Positioned<async_graphql::Name>) {
        let (at, name) = (span(name), name.node.as_str());
        if is_known(name) {
            self.problems.error(
                "directive-definition",
                at,
                format!("Directive `@{name}` is built in."),
                "Leave the declaration out.",
            );
        } else {
            self.problems.warning(
                "directive-definition",
                at,
                format!("Directive `@{name}` means nothing here."),
                "Leave the declaration out: all directives a schema may use are built in.",
            );
        }
    }

    /// `schema { query: Query }` says nothing new; other names would be other types.
    fn schema_definition(&mut self, schema: &Positioned<ast::SchemaDefinition>) {
        let roots = [
            &schema.node.query,
            &schema.node.mutation,
            &schema.node.subscription,
        ];
        for (root, usual) in roots.into_iter().zip(ROOTS) {
            if let Some(name) = root
                && name.node.as_str() != usual
            {
                self.problems.error(
                    "schema-definition",
                    span(name),
                    format!(
                        "The root type is called `{}` instead of `{usual}`.",
                        name.node
                    ),
                    format!("Call it `{usual}`, and leave `schema {{ … }}` out."),
                );
            }
        }
        self.no_directives(&schema.node.directives, "the schema");
    }

    fn define(&mut self, definition: ast::TypeDefinition) {
        let (name, at) = (definition.name.node.to_string(), span(&definition.name));
        if !self.admit(&name, at, &definition.kind) {
            return;
        }
        let description = definition.description.as_ref().map(|d| d.node.clone());
        let mut node = TypeNode {
            description: description.clone(),
            ..TypeNode::undeclared(&name, at)
        };
        match definition.kind {
            ast::TypeKind::Object(object) => {
                node.implements = self.implements(&object.implements);
                node.fields = self.object_fields(&name, object.fields, &[]);
                node.directives = self.directives(definition.directives);
                self.document.types.insert(name, node);
            }
            ast::TypeKind::InputObject(input) => {
                node.fields = self.input_fields(&name, input.fields, &[]);
                node.directives = self.directives(definition.directives);
                self.document.inputs.insert(name, node);
            }
            ast::TypeKind::Interface(interface) => {
                node.implements = self.implements(&interface.implements);
                node.fields = self.object_fields(&name, interface.fields, &[]);
                self.no_directives(&definition.directives, "an interface");
                self.document.interfaces.insert(name, node);
            }
            ast::TypeKind::Union(union) => {
                self.no_directives(&definition.directives, "a union");
                let members = self.members(&name, &union.members, &[]);
                let union = UnionNode {
                    name: name.clone(),
                    description,
                    members,
                };
                self.document.unions.insert(name, union);
            }
            ast::TypeKind::Enum(values) => {
                let mut declared = EnumType {
                    name: name.clone(),
                    values: Vec::new(),
                    deprecated: Default::default(),
                    description,
                };
                self.enum_values(&mut declared, values.values);
                self.no_directives_but_deprecated(&definition.directives, "an enum");
                self.document.enums.insert(name, declared);
            }
            ast::TypeKind::Scalar => {}
        }
    }

    fn implements(&self, names: &[Positioned<async_graphql::Name>]) -> Vec<(String, Span)> {
        let names = names.iter();
        names
            .map(|name| (name.node.to_string(), span(name)))
            .collect()
    }

    fn members(
        &mut self,
        union: &str,
        names: &[Positioned<async_graphql::Name>],
        known: &[(String, Span)],
    ) -> Vec<(String, Span)> {
        let mut members = known.to_vec();
        for (name, at) in self.implements(names) {
            if members.iter().any(|(known, _)| *known == name) {
                self.problems.error(
                    "duplicate-member",
                    at,
                    format!("Union `{union}` has `{name}` twice."),
                    "Remove one of the two.",
                );
            } else {
                members.push((name, at));
            }
        }
        members
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
        if matches!(kind, ast::TypeKind::Scalar) {
            self.document.refused.insert(name.to_owned());
            self.problems.error(
                "unsupported-scalar",
                at,
                format!("Scalar `{name}` is not known."),
                "Use one of the built-in scalars, for example `String` or `AWSJSON`.",
            );
            return false;
        }
        if ROOTS.contains(&name) && !matches!(kind, ast::TypeKind::Object(_)) {
            self.document.refused.insert(name.to_owned());
            self.problems.error(
                "reserved-name",
                at,
                format!("`{name}` is the type of operations."),
                format!("Declare it with `type {name}`, or choose another name."),
            );
            return false;
        }
        true
    }

    fn extend(&mut self, extension: ast::TypeDefinition) {
        let (name, at) = (extension.name.node.to_string(), span(&extension.name));
        if self.document.refused.contains(&name) {
            return;
        }
        let names = |node: &TypeNode| node.field_names().map(str::to_owned).collect::<Vec<_>>();
        match extension.kind {
            ast::TypeKind::Object(object) if self.document.types.contains_key(&name) => {
                let implements = self.implements(&object.implements);
                let known = names(&self.document.types[&name]);
                let mut fields = self.object_fields(&name, object.fields, &known);
                for field in &mut fields {
                    field.extends = true;
                }
                let directives = self.directives(extension.directives);
                self.extension_directives(&name, &fields, &directives);
                let node = &mut self.document.types[&name];
                node.fields.extend(fields);
                node.directives.extend(directives);
                node.implements.extend(implements);
            }
            ast::TypeKind::Interface(interface) if self.document.interfaces.contains_key(&name) => {
                let known = names(&self.document.interfaces[&name]);
                let fields = self.object_fields(&name, interface.fields, &known);
                self.no_directives(&extension.directives, "an interface");
                self.document.interfaces[&name].fields.extend(fields);
            }
            ast::TypeKind::InputObject(input) if self.document.inputs.contains_key(&name) => {
                let known = names(&self.document.inputs[&name]);
                let fields = self.input_fields(&name, input.fields, &known);
                self.no_directives(&extension.directives, "an input");
                self.document.inputs[&name].fields.extend(fields);
            }
            ast::TypeKind::Enum(values) if self.document.enums.contains_key(&name) => {
                self.no_directives(&extension.directives, "an extension of an enum");
                let mut declared = self.document.enums[&name].clone();
                let former = declared.values.len();
                self.enum_values(&mut declared, values.values);
                // In client models the values of an extension come before those there are.
                declared.values.rotate_left(former);
                self.document.enums.insert(name, declared);
            }
            ast::TypeKind::Union(union) if self.document.unions.contains_key(&name) => {
                self.no_directives(&extension.directives, "a union");
                let known = self.document.unions[&name].members.clone();
                self.document.unions[&name].members = self.members(&name, &union.members, &known);
            }
            _ if self.document.places.contains_key(&name) => self.problems.error(
                "unsupported-extension",
                at,
                format!("`{name}` is of another kind, so it cannot be extended like this."),
                format!("Write the additions into the declaration of `{name}`."),
            ),
            _ => self.problems.error(
                "extension-without-type",
                at,
                format!("There is no type `{name}` to extend."),
                "Declare the type itself, without `extend`.",
            ),
        }
    }

    /// What a directive makes of a type is worked out from its declaration, so extensions have none but those that say
    /// who may reach them; fields of root types have no such context.
    fn extension_directives(
        &mut self,
        name: &str,
        fields: &[super::document::FieldNode],
        on_type: &[super::document::Applied],
    ) {
        let on_fields = fields.iter().flat_map(|field| &field.directives);
        let on_fields = on_fields.filter(|_| !ROOTS.contains(&name));
        for applied in on_type.iter().chain(on_fields) {
            if applied.name != "deprecated" && !applied.name.starts_with("aws_") {
                self.problems.error(
                    "extension-directive",
                    applied.span,
                    format!("`@{}` may not stand in an extension.", applied.name),
                    format!("Write this into the declaration of `{name}`."),
                );
            }
        }
    }
}
