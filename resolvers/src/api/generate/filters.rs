//! Filters of queries and subscriptions, conditions of mutations (`transformer` sections 3, 4).

use super::model::{WrittenPage, implicit_index_of};
use super::names::{condition, subscription_filter};
use super::operators::{Family, scalar_operators_name};
use super::{Generator, input, list, named};
use crate::api::types::{InputField, InputRole};
use crate::schema::model::{Allow, Base, Field, Model, Origin, RelationKind, Scalar};
use crate::schema::naming::upper_first;
use crate::schema::roles::{Matrix, Role};

impl Generator<'_> {
    /// The filter of `list` and `sync`.
    pub(super) fn add_filter(&mut self, name: &str, model: &Model) {
        let mut fields = self.field_operators(model.stored_fields(), Family::Query, false);
        fields.push(input("id", named("ModelIDInput")));
        fields.extend(owner_operators(model));
        fields.extend(combinators(name, true));
        fields.extend(self.deleted());
        self.add_predicate(name, model, fields);
    }

    /// The filter of index queries and relations where the model's name is not written in upper case, or where it has
    /// neither list nor sync: declared fields only (`transformer` 2.2).
    pub(super) fn add_written_filter(&mut self, name: &str, model: &Model, user: WrittenPage) {
        // Foreign keys and owners are added under the name in upper case.
        let is_upper = upper_first(&model.name) == model.name;
        let declared = model.stored_fields().filter(|field| {
            field.origin == Origin::Declared || (is_upper && field.origin == Origin::ForeignKey)
        });
        let any_list = user == WrittenPage::Index;
        let mut fields = self.field_operators(declared, Family::Query, any_list);
        if is_upper {
            fields.extend(owner_operators(model));
        }
        fields.extend(combinators(name, true));
        if user == WrittenPage::Relation {
            fields.extend(self.deleted());
        }
        self.add_predicate(name, model, fields);
    }

    /// The condition of mutations; its name. The primary key is not in it, though the operators of its types are made.
    pub(super) fn condition(&mut self, model: &Model) -> String {
        let name = condition(&model.name);
        if !self.has(&name) {
            let mut fields = self.field_operators(model.stored_fields(), Family::Query, false);
            // A timestamp is text here, also where the declared field of its name is of another kind.
            let timestamps = [&model.timestamps.created, &model.timestamps.updated];
            let text = scalar_operators_name(Scalar::String, Family::Query);
            let timestamps = timestamps.into_iter().flatten();
            let timestamps = timestamps.chain(&model.timestamps.unfit);
            fields.extend(timestamps.map(|name| input(name, named(&text))));
            fields.retain(|field| !is_hidden_from_condition(model, &field.name));
            fields.extend(owner_operators(model));
            fields.extend(combinators(&name, true));
            fields.extend(self.deleted());
            self.add_predicate(&name, model, fields);
        }
        name
    }

    /// The filter of subscriptions; its name.
    pub(super) fn subscription_filter(&mut self, model: &Model) -> String {
        let name = subscription_filter(&model.name);
        if !self.has(&name) {
            let foreign = self.foreign_has_many_keys(model);
            let stored = model
                .stored_fields()
                .filter(|field| !foreign.contains(&field.name));
            let mut fields = self.field_operators(stored, Family::Subscription, false);
            fields.push(input("id", named("ModelSubscriptionIDInput")));
            fields.extend(self.own_has_many_keys(model));
            // What rules compare is taken out, and owner fields are put back as plain strings (`transformer` 4).
            let compared = fields_of_rules(model);
            fields.retain(|field| !compared.contains(&field.name));
            fields.extend(owner_operators(model));
            fields.extend(combinators(&name, false));
            fields.extend(self.deleted());
            self.add_predicate(&name, model, fields);
        }
        name
    }

    /// The generated foreign keys this model holds for another model's has-many. The original puts them into the
    /// subscription filter of the model that declares the relation, not of the one that holds them.
    fn foreign_has_many_keys(&self, model: &Model) -> Vec<String> {
        let mut names = Vec::new();
        for owner in self.schema.models.values() {
            for (_, key) in has_many_keys(owner, |target| (target == model.name).then_some(model)) {
                names.extend(
                    key.fields()
                        .filter(|name| is_generated_foreign_key(model, name))
                        .map(str::to_owned),
                );
            }
        }
        names
    }

    /// The foreign keys this model's own has-many relations make on the other side.
    fn own_has_many_keys(&mut self, model: &Model) -> Vec<InputField> {
        let schema = self.schema;
        let mut fields = Vec::new();
        for (target, key) in has_many_keys(model, |name| schema.models.get(name).map(AsRef::as_ref))
        {
            let held = key.fields().filter_map(|name| target.fields.get(name));
            fields.extend(self.field_operators(held, Family::Subscription, false));
        }
        fields
    }

    /// `_deleted` has the queries' operators even in subscription filters (`transformer` 1.1).
    fn deleted(&self) -> Option<InputField> {
        (!self.schema.unsynced).then(|| input("_deleted", named("ModelBooleanInput")))
    }

    fn field_operators<'f>(
        &mut self,
        fields: impl Iterator<Item = &'f Field>,
        family: Family,
        any_list: bool,
    ) -> Vec<InputField> {
        fields
            .filter(|field| field.origin != Origin::Owner)
            .filter_map(|field| {
                let operators = self.operators_of(&field.ty, family, any_list)?;
                Some(input(&field.name, named(&operators)))
            })
            .collect()
    }

    fn add_predicate(&mut self, name: &str, model: &Model, fields: Vec<InputField>) {
        self.add_input(name, InputRole::Predicate(model.name.clone()), fields);
    }
}

/// The fields owner rules compare, as plain strings: those that are in a predicate already stay what they are.
fn owner_operators(model: &Model) -> Vec<InputField> {
    let ty = scalar_operators_name(Scalar::String, Family::Query);
    let owners = Matrix::of(model);
    let owners = owners.roles().filter_map(Role::owner_field);
    owners.map(|field| input(field, named(&ty))).collect()
}

/// The fields that any rule compares with the caller.
fn fields_of_rules(model: &Model) -> Vec<String> {
    let matrix = Matrix::of(model);
    let fields = matrix.roles().filter_map(|role| match &role.allow {
        Allow::Owner { field, .. } | Allow::GroupsField { field, .. } => Some(field.clone()),
        _ => None,
    });
    fields.collect()
}

/// The has-many relations of a model that make their own foreign key, as the target and that key.
fn has_many_keys<'t>(
    owner: &Model,
    target: impl Fn(&str) -> Option<&'t Model>,
) -> Vec<(&'t Model, &'t crate::schema::model::KeyFields)> {
    let many = owner.fields.values().filter_map(|field| {
        let relation = field.relation.as_ref()?;
        let target = target(&relation.target)?;
        (relation.kind == RelationKind::HasMany)
            .then(|| implicit_index_of(owner, field, target))
            .flatten()
            .map(|key| (target, key))
    });
    many.collect()
}

fn is_generated_foreign_key(model: &Model, field: &str) -> bool {
    model
        .fields
        .get(field)
        .is_some_and(|field| field.origin == Origin::ForeignKey)
}

/// What a condition leaves out: an `id` of type ID (of any type once the model has a key or index directive), and the
/// fields of a custom key. A model whose name is written in lower case keeps the latter: the original looks for its
/// condition under a name that does not exist.
fn is_hidden_from_condition(model: &Model, name: &str) -> bool {
    let keyed = upper_first(&model.name) == model.name
        && (model.custom_key || model.indexes.iter().any(|index| index.declared));
    if name == "id" {
        let id = model.fields.get(name);
        return keyed || id.is_some_and(|id| id.ty.base == Base::Scalar(Scalar::Id));
    }
    keyed && model.custom_key && model.key.fields().any(|key| key == name)
}

/// `and`, `or`, and `not` outside subscriptions.
fn combinators(name: &str, not: bool) -> Vec<InputField> {
    let mut fields = vec![
        input("and", list(named(name))),
        input("or", list(named(name))),
    ];
    if not {
        fields.push(input("not", named(name)));
    }
    fields
}
