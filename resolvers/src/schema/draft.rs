//! The schema while it is being built: models with their fields, before keys and relations.

use indexmap::IndexMap;

use super::diagnostic::{Problems, Span};
use super::directives::{appsync, function, http};
use super::document::{DeclaredType, Document, FieldNode, TypeNode, UnionNode};
use super::input_default;
use super::model::{
    Argument, Base, Field, FieldType, Handler, Index, KeyFields, Model, ObjectType, Origin,
    RootFields, Scalar, UnionType,
};
use super::suggestion::did_you_mean;

/// The page size of lists, indexes and connections unless a directive says otherwise (`transformer` 5).
pub(crate) const DEFAULT_LIMIT: usize = 100;

/// Models being built, over the definitions they come from.
pub(crate) struct Draft<'a> {
    /// What the schema declares.
    pub(crate) document: &'a Document,
    /// The models so far, declared ones first.
    pub(crate) models: IndexMap<String, Model>,
    /// Object types that are no models.
    pub(crate) types: IndexMap<String, ObjectType>,
    /// Declared input types.
    pub(crate) inputs: IndexMap<String, ObjectType>,
    /// Interfaces.
    pub(crate) interfaces: IndexMap<String, ObjectType>,
    /// Unions.
    pub(crate) unions: IndexMap<String, UnionType>,
    /// Hand-written operations.
    pub(crate) operations: RootFields,
}

impl<'a> Draft<'a> {
    /// Every type with its declared fields.
    pub(crate) fn new(document: &'a Document, problems: &mut Problems) -> Self {
        let mut draft = Draft {
            document,
            models: IndexMap::new(),
            types: IndexMap::new(),
            inputs: IndexMap::new(),
            interfaces: IndexMap::new(),
            unions: IndexMap::new(),
            operations: RootFields::default(),
        };
        for node in document.types.values() {
            if node.is_root() {
                let gates = appsync::gates(&node.directives);
                draft.operations.gates.insert(node.name.clone(), gates);
            }
            match node.name.as_str() {
                "Query" => draft.operations.queries = draft.fields(node, Owner::Type, problems),
                "Mutation" => {
                    draft.operations.mutations = draft.fields(node, Owner::Type, problems);
                }
                "Subscription" => {
                    draft.operations.subscriptions = draft.fields(node, Owner::Type, problems);
                }
                _ if node.is_model() => {
                    let fields = draft.fields(node, Owner::Model, problems);
                    draft.models.insert(node.name.clone(), model(node, fields));
                }
                _ => {
                    let object = draft.object(node, Owner::Type, problems);
                    draft.types.insert(node.name.clone(), object);
                }
            }
        }
        for node in document.inputs.values() {
            let object = draft.object(node, Owner::Input, problems);
            draft.inputs.insert(node.name.clone(), object);
        }
        for node in document.interfaces.values() {
            let object = draft.object(node, Owner::Type, problems);
            draft.interfaces.insert(node.name.clone(), object);
        }
        for node in document.unions.values() {
            draft
                .unions
                .insert(node.name.clone(), draft.union(node, problems));
        }
        draft
    }

    /// The declared models, in source order.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &'a TypeNode> + use<'a> {
        self.document.types.values().filter(|node| node.is_model())
    }

    fn object(&self, node: &TypeNode, owner: Owner, problems: &mut Problems) -> ObjectType {
        ObjectType {
            name: node.name.clone(),
            fields: self.fields(node, owner, problems),
            interfaces: interfaces(node),
            gates: appsync::gates(&node.directives),
            description: node.description.clone(),
        }
    }

    fn union(&self, node: &UnionNode, problems: &mut Problems) -> UnionType {
        for (name, span) in &node.members {
            if !self.document.types.contains_key(name) && !self.document.refused.contains(name) {
                let (code, message, help) = if self.document.places.contains_key(name) {
                    (
                        "union-member",
                        format!(
                            "`{name}` is no object type, so union `{}` cannot have it.",
                            node.name
                        ),
                        "Name types that are declared with `type`.".to_owned(),
                    )
                } else {
                    self.unknown_type(name)
                };
                problems.error(code, *span, message, help);
            }
        }
        UnionType {
            name: node.name.clone(),
            members: node.members.iter().map(|(name, _)| name.clone()).collect(),
            description: node.description.clone(),
        }
    }

    fn fields(
        &self,
        node: &TypeNode,
        owner: Owner,
        problems: &mut Problems,
    ) -> IndexMap<String, Field> {
        let mut fields = IndexMap::new();
        for field in &node.fields {
            let sync = owner == Owner::Model && !self.document.unsynced;
            if reserved(&node.name, field, sync, problems) {
                continue;
            }
            if let Some(base) = self.base(&field.ty, owner, problems) {
                let mut made = declared_field(field, base);
                made.default = input_default::checked(self.document, &made, field, problems);
                made.arguments = self.arguments(node, field, problems);
                made.handlers = handlers(field, problems);
                fields.insert(field.name.clone(), made);
            }
        }
        fields
    }

    fn arguments(
        &self,
        node: &TypeNode,
        field: &FieldNode,
        problems: &mut Problems,
    ) -> IndexMap<String, Argument> {
        let owner = format!("{}.{}", node.name, field.name);
        let mut arguments = IndexMap::new();
        for argument in &field.arguments {
            if !reserved(&owner, argument, false, problems)
                && let Some(base) = self.base(&argument.ty, Owner::Input, problems)
            {
                let made = declared_field(argument, base);
                let default = input_default::checked(self.document, &made, argument, problems);
                let made = Argument {
                    name: made.name,
                    ty: made.ty,
                    default,
                };
                arguments.insert(argument.name.clone(), made);
            }
        }
        arguments
    }

    /// What a type name means for a field of this owner.
    fn base(&self, ty: &DeclaredType, owner: Owner, problems: &mut Problems) -> Option<Base> {
        let name = &ty.base;
        let document = self.document;
        if let Some(scalar) = Scalar::named(name) {
            return Some(Base::Scalar(scalar));
        }
        if document.enums.contains_key(name) {
            return Some(Base::Enum(name.clone()));
        }
        if document.refused.contains(name) {
            return None;
        }
        let is_abstract =
            document.interfaces.contains_key(name) || document.unions.contains_key(name);
        let (code, message, help) = match (document.types.get(name), owner) {
            (Some(_), Owner::Input) => (
                "type-in-input",
                format!("`{name}` is no input type, so an input cannot have it."),
                format!("Declare an input with the fields of `{name}`."),
            ),
            (Some(node), _) if node.is_model() => return Some(Base::Model(name.clone())),
            (Some(node), _) if node.is_root() => (
                "root-as-field",
                format!("`{name}` is the type of operations, so a field cannot have it."),
                "Use the type of what the field holds.".to_owned(),
            ),
            (Some(_), _) => return Some(Base::Object(name.clone())),
            (None, Owner::Input) if document.inputs.contains_key(name) => {
                return Some(Base::Object(name.clone()));
            }
            (None, Owner::Type) if is_abstract => return Some(Base::Abstract(name.clone())),
            (None, Owner::Model) if is_abstract => (
                "abstract-in-model",
                format!("`{name}` stands for several types, so a record cannot store it."),
                "Use one type with a nullable field for each case.".to_owned(),
            ),
            (None, _) if is_abstract => (
                "type-in-input",
                format!("`{name}` is no input type, so an input cannot have it."),
                "Use an input type.".to_owned(),
            ),
            (None, _) if document.inputs.contains_key(name) => (
                "input-as-field",
                format!("`{name}` is an input type, so a field cannot have it."),
                format!("Declare `{name}` with `type` instead of `input`."),
            ),
            (None, _) => self.unknown_type(name),
        };
        problems.error(code, ty.span, message, help);
        None
    }

    fn unknown_type(&self, name: &str) -> (&'static str, String, String) {
        let mut names: Vec<&str> = self.document.places.keys().map(String::as_str).collect();
        names.extend(Scalar::ALL.map(Scalar::name));
        names.sort_unstable();
        (
            "unknown-type",
            format!("There is no type `{name}`."),
            did_you_mean(
                name,
                names,
                "Declare it, or use a built-in scalar such as `String`.",
            ),
        )
    }

    /// Adds a foreign key unless a field of that name is there already (then that one is used, with its type).
    pub(crate) fn add_foreign_key(
        &mut self,
        model: &str,
        name: &str,
        base: Base,
        required: bool,
        span: Span,
    ) {
        if let Some(model) = self.models.get_mut(model)
            && !model.fields.contains_key(name)
        {
            let ty = FieldType::single(base, required);
            let field = Field::new(name, ty, Origin::ForeignKey, span);
            model.fields.insert(name.to_owned(), field);
        }
    }

    /// Adds an index unless one of that name is there already.
    pub(crate) fn add_index(&mut self, model: &str, name: &str, fields: &[String]) {
        let Some((partition, sort)) = fields.split_first() else {
            return;
        };
        if let Some(model) = self.models.get_mut(model)
            && model.index(name).is_none()
        {
            model.indexes.push(Index {
                name: name.to_owned(),
                key: KeyFields {
                    partition: partition.clone(),
                    sort: sort.to_vec(),
                },
                query_field: None,
                default_limit: DEFAULT_LIMIT,
                declared: false,
            });
        }
    }

    /// The fields of a model's primary key with the types that fields referring to them are made with: a key nobody
    /// declared is an `ID`, whatever type its `id` has (`transformer` 4.3).
    pub(crate) fn referred_key(&self, model: &str) -> Vec<(String, Base)> {
        let custom = self.models.get(model).is_some_and(|model| model.custom_key);
        let key = self.key(model).into_iter();
        key.map(|(name, base)| {
            let base = if custom {
                base
            } else {
                Base::Scalar(Scalar::Id)
            };
            (name, base)
        })
        .collect()
    }

    /// The fields of a model's primary key with their types.
    pub(crate) fn key(&self, model: &str) -> Vec<(String, Base)> {
        self.models.get(model).map_or_else(Vec::new, |model| {
            model
                .key
                .fields()
                .map(|name| (name.to_owned(), base_of(model, name)))
                .collect()
        })
    }
}

/// The type of a field; `ID` if the field could not be made.
pub(crate) fn base_of(model: &Model, field: &str) -> Base {
    model
        .fields
        .get(field)
        .map_or(Base::Scalar(Scalar::Id), |field| field.ty.base.clone())
}

/// What a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A model.
    Model,
    /// Another object type, a root type or an interface.
    Type,
    /// An input type, or the arguments of a field.
    Input,
}

/// The fields sync adds to every model, which nobody else may.
const SYNC_FIELDS: [&str; 3] = ["_version", "_deleted", "_lastChangedAt"];

fn reserved(of: &str, field: &FieldNode, synced: bool, problems: &mut Problems) -> bool {
    let sync = synced && SYNC_FIELDS.contains(&field.name.as_str());
    let reserved = sync || field.name.starts_with("__");
    if reserved {
        problems.error(
            "reserved-field",
            field.span,
            format!("`{of}.{}` is a reserved name.", field.name),
            if sync {
                "Remove it: every model has it already."
            } else {
                "Choose a name that does not begin with `__`."
            },
        );
    }
    reserved
}

fn interfaces(node: &TypeNode) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in &node.implements {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The user's code that answers a field, in order.
fn handlers(field: &FieldNode, problems: &mut Problems) -> Vec<Handler> {
    let handlers = field.directives.iter().filter_map(|applied| {
        if applied.name == function::FUNCTION.name {
            function::read(applied).map(Handler::Function)
        } else if applied.name == http::HTTP.name {
            http::read(applied, problems).map(Handler::Http)
        } else {
            None
        }
    });
    handlers.collect()
}

fn declared_field(field: &FieldNode, base: Base) -> Field {
    let ty = FieldType {
        base,
        list: field.ty.list,
        inner: field.ty.inner.clone(),
        required: field.ty.required,
    };
    let origin = if field.extends {
        Origin::Extension
    } else {
        Origin::Declared
    };
    Field {
        gates: appsync::gates(&field.directives),
        subscribes: appsync::subscribes(field),
        deprecated: appsync::deprecated(field),
        description: field.description.clone(),
        ..Field::new(&field.name, ty, origin, field.span)
    }
}

fn model(node: &TypeNode, fields: IndexMap<String, Field>) -> Model {
    Model {
        fields,
        interfaces: interfaces(node),
        gates: appsync::gates(&node.directives),
        description: node.description.clone(),
        ..Model::new(&node.name, node.span)
    }
}
