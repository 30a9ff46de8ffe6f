//! The schema while it is being built: models with their fields, before keys and relations.

use indexmap::IndexMap;

use super::diagnostic::{Problems, Span};
use super::document::{DeclaredType, Document, FieldNode, TypeNode};
use super::model::{
    Base, Field, FieldType, Index, KeyFields, Model, ObjectType, Operations, Origin, Scalar,
    Timestamps,
};
use super::suggestion::did_you_mean;
use super::{input_default, naming};

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
}

impl<'a> Draft<'a> {
    /// Every type with its declared fields.
    pub(crate) fn new(document: &'a Document, problems: &mut Problems) -> Self {
        let mut draft = Draft {
            document,
            models: IndexMap::new(),
            types: IndexMap::new(),
            inputs: IndexMap::new(),
        };
        for node in document.types.values() {
            if node.is_model() {
                let fields = draft.fields(node, Owner::Model, problems);
                draft.models.insert(node.name.clone(), model(node, fields));
            } else {
                let object = draft.object(node, Owner::Type, problems);
                draft.types.insert(node.name.clone(), object);
            }
        }
        for node in document.inputs.values() {
            let object = draft.object(node, Owner::Input, problems);
            draft.inputs.insert(node.name.clone(), object);
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
            if reserved(node, field, owner, problems) {
                continue;
            }
            if let Some(base) = self.base(&field.ty, owner, problems) {
                let mut made = declared_field(field, base);
                made.default = input_default::checked(self.document, &made, field, problems);
                fields.insert(field.name.clone(), made);
            }
        }
        fields
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
        let refusal = match (document.types.get(name), document.inputs.get(name), owner) {
            (Some(node), _, Owner::Model) if node.is_model() => {
                return Some(Base::Model(name.clone()));
            }
            (Some(node), _, Owner::Model | Owner::Type) if !node.is_model() => {
                return Some(Base::Object(name.clone()));
            }
            (None, Some(_), Owner::Input) => return Some(Base::Object(name.clone())),
            (Some(_), _, Owner::Type) => Some((
                "model-in-type",
                format!("A type without `@model` cannot hold records of `{name}`."),
                format!(
                    "Hold the id instead, for example `{}ID: ID`.",
                    naming::lower_first(name)
                ),
            )),
            (Some(_), _, _) => Some((
                "type-in-input",
                format!("`{name}` is no input type, so an input cannot have it."),
                format!("Declare an input with the fields of `{name}`."),
            )),
            (None, Some(_), _) => Some((
                "input-as-field",
                format!("`{name}` is an input type, so a field cannot have it."),
                format!("Declare `{name}` with `type` instead of `input`."),
            )),
            (None, None, _) if document.refused.contains(name) => return None,
            (None, None, _) => None,
        };
        let (code, message, help) = refusal.unwrap_or_else(|| self.unknown_type(name));
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
            let ty = FieldType {
                base,
                list: None,
                required,
            };
            let field = generated(name, ty, Origin::ForeignKey, span);
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
            });
        }
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
    Model,
    Type,
    Input,
}

/// The fields sync adds to every model, which nobody else may.
const SYNC_FIELDS: [&str; 3] = ["_version", "_deleted", "_lastChangedAt"];

fn reserved(node: &TypeNode, field: &FieldNode, owner: Owner, problems: &mut Problems) -> bool {
    let sync = owner == Owner::Model && SYNC_FIELDS.contains(&field.name.as_str());
    let reserved = sync || field.name.starts_with("__");
    if reserved {
        problems.error(
            "reserved-field",
            field.span,
            format!("`{}.{}` is a reserved name.", node.name, field.name),
            if sync {
                "Remove it: every model has it already."
            } else {
                "Choose a name that does not begin with `__`."
            },
        );
    }
    reserved
}

fn declared_field(field: &FieldNode, base: Base) -> Field {
    Field {
        name: field.name.clone(),
        ty: FieldType {
            base,
            list: field.ty.list,
            required: field.ty.required,
        },
        origin: Origin::Declared,
        default: None,
        relation: None,
        auth: None,
        span: field.span,
        description: field.description.clone(),
    }
}

/// A field nobody declared.
pub(crate) fn generated(name: &str, ty: FieldType, origin: Origin, span: Span) -> Field {
    Field {
        name: name.to_owned(),
        ty,
        origin,
        default: None,
        relation: None,
        auth: None,
        span,
        description: None,
    }
}

/// A required scalar.
pub(crate) fn required(scalar: Scalar) -> FieldType {
    FieldType {
        base: Base::Scalar(scalar),
        list: None,
        required: true,
    }
}

fn model(node: &TypeNode, fields: IndexMap<String, Field>) -> Model {
    Model {
        fields,
        description: node.description.clone(),
        ..empty_model(&node.name, node.span)
    }
}

/// A model with nothing in it yet.
pub(crate) fn empty_model(name: &str, span: Span) -> Model {
    Model {
        name: name.to_owned(),
        fields: IndexMap::new(),
        key: KeyFields {
            partition: "id".to_owned(),
            sort: Vec::new(),
        },
        custom_key: false,
        indexes: Vec::new(),
        auth: Vec::new(),
        operations: Operations::default(),
        timestamps: Timestamps::default(),
        span,
        description: None,
    }
}
