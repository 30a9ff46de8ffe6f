//! What the schema writes itself: its types, its operations, its fields.

use indexmap::IndexMap;

use super::{Generator, base_name, by_name, type_ref};
use crate::api::types::{
    EnumDef, FieldDef, InputField, InputRole, InterfaceDef, ObjectDef, ObjectKind, Resolver,
    TypeDef, UnionDef,
};
use crate::schema::model::{Argument, Base, Field, Handler};

impl Generator<'_> {
    /// The enums, interfaces, unions, object types and inputs the schema declares.
    pub(super) fn declared_types(&mut self) {
        let schema = self.schema;
        for declared in schema.enums.values() {
            self.add(TypeDef::Enum(EnumDef {
                name: declared.name.clone(),
                values: declared.values.clone(),
                deprecated: declared.deprecated.clone(),
            }));
        }
        for declared in schema.inputs.values() {
            let fields = declared.fields.values().map(|field| InputField {
                name: field.name.clone(),
                ty: type_ref(&field.ty, &base_name(&field.ty.base)),
                default: field.default.clone(),
            });
            self.add_input(&declared.name, InputRole::Plain, fields.collect());
        }
        for declared in schema.interfaces.values() {
            let fields = self.object_fields(&declared.name, &declared.fields);
            self.add(TypeDef::Interface(InterfaceDef {
                name: declared.name.clone(),
                fields,
                interfaces: declared.interfaces.clone(),
            }));
        }
        for declared in schema.unions.values() {
            self.add(TypeDef::Union(UnionDef {
                name: declared.name.clone(),
                members: declared.members.clone(),
            }));
        }
        for declared in schema.types.values() {
            let fields = self.object_fields(&declared.name, &declared.fields);
            self.add(TypeDef::Object(ObjectDef {
                name: declared.name.clone(),
                fields,
                kind: ObjectKind::Nested,
                interfaces: declared.interfaces.clone(),
                gates: declared.gates.clone(),
                keeps_default: false,
            }));
        }
    }

    /// The operations the schema writes by hand. Without code of the user's behind them they have no resolver and are
    /// null (`transformer` 9), but for subscriptions, and for mutations that subscriptions are told of.
    pub(super) fn declared_operations(&mut self) {
        let schema = self.schema;
        for (root, fields) in schema.operations.iter() {
            let gates = schema.operations.gates.get(root);
            for field in fields.values() {
                let mut made = self.object_field(root, field);
                if field.handlers.is_empty() {
                    made.resolver = match root {
                        "Mutation" if self.is_heard(field) => Resolver::Echo,
                        "Subscription" => self.told(field),
                        _ => Resolver::Nothing,
                    };
                }
                self.add_operation(root, made);
            }
            if let (Some(gates), Some(TypeDef::Object(object))) = (gates, self.types.get_mut(root))
            {
                object.gates.clone_from(gates);
            }
        }
    }

    /// Whether a hand-written mutation publishes its arguments: a subscription of its type is told of it.
    fn is_heard(&self, mutation: &Field) -> bool {
        let mut subscriptions = self.schema.operations.subscriptions.values();
        matches!(mutation.ty.base, Base::Object(_))
            && subscriptions.any(|field| {
                field.subscribes.contains(&mutation.name) && is_of_one_type(field, mutation)
            })
    }

    /// What a hand-written subscription is told of: writes to the model of its type, or results of hand-written mutations
    /// of its type. Mutations of other types are not for it (`realtime` 3).
    fn told(&self, subscription: &Field) -> Resolver {
        let names = &subscription.subscribes;
        match &subscription.ty.base {
            Base::Model(model) if subscription.ty.list.is_none() => {
                let operations = self.schema.models[model].operations.writes();
                let told = operations.filter(|(name, _)| names.iter().any(|told| told == name));
                let told: Vec<_> = told.map(|(_, operation)| operation).collect();
                if told.is_empty() {
                    return Resolver::Nothing;
                }
                Resolver::Subscribe(model.clone(), told)
            }
            Base::Object(_) => {
                let mutations = &self.schema.operations.mutations;
                let told = names.iter().filter(|name| {
                    let mutation = mutations.get(*name);
                    mutation.is_some_and(|mutation| is_of_one_type(subscription, mutation))
                });
                let told: Vec<_> = told.cloned().collect();
                if told.is_empty() {
                    return Resolver::Nothing;
                }
                Resolver::Hear(told)
            }
            _ => Resolver::Nothing,
        }
    }

    fn object_fields(
        &mut self,
        owner: &str,
        fields: &IndexMap<String, Field>,
    ) -> IndexMap<String, FieldDef> {
        fields
            .values()
            .map(|field| (field.name.clone(), self.object_field(owner, field)))
            .collect()
    }

    /// A field of an object type. Connections get their types and arguments later.
    pub(super) fn object_field(&mut self, owner: &str, field: &Field) -> FieldDef {
        let (base, resolver) = match (&field.relation, &field.ty.base) {
            (Some(relation), _) => (relation.target.clone(), Resolver::Relation),
            (None, base @ (Base::Model(_) | Base::Abstract(_))) => {
                (base_name(base), Resolver::Nothing)
            }
            (None, base) => (base_name(base), Resolver::Property),
        };
        let resolver = match field.handlers.as_slice() {
            [] => resolver,
            [.., Handler::Function(_)] => Resolver::Unserved("A function (`@function`)"),
            [.., Handler::Http(_)] => Resolver::Unserved("A request (`@http`)"),
        };
        FieldDef {
            arguments: self.arguments(owner, field),
            gates: field.gates.clone(),
            subscribes: field.subscribes.clone(),
            deprecated: field.deprecated.clone(),
            ..FieldDef::new(&field.name, type_ref(&field.ty, &base), resolver)
        }
    }

    fn arguments(&mut self, owner: &str, field: &Field) -> IndexMap<String, InputField> {
        let http = field.handlers.iter().find_map(|handler| match handler {
            Handler::Http(http) => Some(http),
            Handler::Function(_) => None,
        });
        match http {
            Some(http) => self.http_arguments(owner, field, http),
            None => by_name(field.arguments.values().map(argument).collect()),
        }
    }
}

/// Whether both are single values of one type.
fn is_of_one_type(one: &Field, other: &Field) -> bool {
    let (one, other) = (&one.ty, &other.ty);
    one.base == other.base && one.list.is_none() && other.list.is_none()
}

/// An argument as it is declared.
pub(super) fn argument(argument: &Argument) -> InputField {
    InputField {
        name: argument.name.clone(),
        ty: type_ref(&argument.ty, &base_name(&argument.ty.base)),
        default: argument.default.clone(),
    }
}
