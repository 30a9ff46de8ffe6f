//! What mutations take: `CreateXInput`, `UpdateXInput`, `DeleteXInput`, and nested types as inputs.

use super::names::{mutation_input, nested_input};
use super::{Generator, base_name, input, named, non_null, nullable, type_ref};
use crate::api::types::{InputField, InputRole};
use crate::schema::model::{Base, Field, Model, Origin, Scalar};

impl Generator<'_> {
    /// The nested types of some fields as inputs, all the way down. An input the schema declares itself is used instead.
    pub(super) fn nested_inputs<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) {
        for field in fields {
            let Base::Object(name) = &field.ty.base else {
                continue;
            };
            let input_name = nested_input(name);
            if self.has(&input_name) {
                continue;
            }
            let schema = self.schema;
            let Some(nested) = schema.types.get(name) else {
                continue;
            };
            let members = nested.fields.values().filter_map(input_field).collect();
            self.add_input(&input_name, InputRole::Plain, members);
            self.nested_inputs(nested.fields.values());
        }
    }

    /// `CreateXInput`; its name.
    pub(super) fn create_input(&mut self, model: &Model) -> String {
        let mut fields: Vec<InputField> = model
            .fields
            .values()
            .filter(|field| is_input(field))
            .filter_map(|field| {
                let mut member = input_field(field)?;
                if is_filled_in(model, field) {
                    member.ty = nullable(member.ty);
                }
                Some(member)
            })
            .collect();
        if has_generated_id(model) {
            fields.push(input("id", named("ID")));
        }
        fields.extend(self.version());
        self.add_mutation_input("Create", model, fields)
    }

    /// `UpdateXInput`; its name.
    pub(super) fn update_input(&mut self, model: &Model) -> String {
        let mut fields: Vec<InputField> = model
            .fields
            .values()
            .filter(|field| is_input(field))
            .filter_map(|field| {
                let mut member = input_field(field)?;
                member.ty = nullable(member.ty);
                if is_key_of_update(model, &field.name) {
                    member.ty = non_null(member.ty);
                }
                Some(member)
            })
            .collect();
        if has_generated_id(model) {
            fields.push(input("id", non_null(named("ID"))));
        }
        fields.extend(self.version());
        self.add_mutation_input("Update", model, fields)
    }

    /// `DeleteXInput`; its name. Without a custom key `id` is an `ID` whatever the type says.
    pub(super) fn delete_input(&mut self, model: &Model) -> String {
        let mut fields = key_arguments(model);
        fields.extend(self.version());
        let name = mutation_input("Delete", &model.name);
        self.add_input(&name, InputRole::Delete(model.name.clone()), fields);
        name
    }

    fn version(&self) -> Option<InputField> {
        (!self.schema.unsynced).then(|| input("_version", named("Int")))
    }

    fn add_mutation_input(&mut self, verb: &str, model: &Model, fields: Vec<InputField>) -> String {
        let name = mutation_input(verb, &model.name);
        self.add_input(&name, InputRole::Plain, fields);
        name
    }
}

/// The primary key's fields, required: what `getX` and `DeleteXInput` take.
pub(super) fn key_arguments(model: &Model) -> Vec<InputField> {
    if !model.custom_key {
        return vec![input("id", non_null(named("ID")))];
    }
    model
        .key
        .fields()
        .filter_map(|name| model.fields.get(name))
        .map(|field| input(&field.name, non_null(named(&base_name(&field.ty.base)))))
        .collect()
}

/// Whether a field of a model can be written: declared ones and foreign keys, relations aside.
fn is_input(field: &Field) -> bool {
    field.relation.is_none() && (field.origin.is_written() || field.origin == Origin::ForeignKey)
}

/// A field as a member of an input; `None` for fields typed with a model.
fn input_field(field: &Field) -> Option<InputField> {
    let base = match &field.ty.base {
        Base::Object(name) => nested_input(name),
        Base::Model(_) => return None,
        other => base_name(other),
    };
    Some(input(&field.name, type_ref(&field.ty, &base)))
}

/// Whether the server fills a declared field in on create: an `id`, and timestamps of a type that can hold one.
fn is_filled_in(model: &Model, field: &Field) -> bool {
    // A timestamp that is switched off or renamed is nullable all the same.
    let timestamps = [&model.timestamps.created, &model.timestamps.updated];
    let timestamp = matches!(field.name.as_str(), "createdAt" | "updatedAt")
        || timestamps
            .into_iter()
            .any(|name| name.as_ref() == Some(&field.name));
    match field.ty.base {
        Base::Scalar(Scalar::String) => field.name == "id" || timestamp,
        Base::Scalar(Scalar::Id) => field.name == "id",
        Base::Scalar(Scalar::AwsDateTime) => timestamp,
        _ => false,
    }
}

fn is_key_of_update(model: &Model, field: &str) -> bool {
    model.key.fields().any(|key| key == field)
}

fn has_generated_id(model: &Model) -> bool {
    model
        .fields
        .get("id")
        .is_some_and(|field| field.origin == Origin::GeneratedId)
}
