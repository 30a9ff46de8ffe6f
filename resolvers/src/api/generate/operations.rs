//! The fields of `Query`, `Mutation` and `Subscription` (`transformer` section 4).

use super::inputs::key_arguments;
use super::model::WrittenPage;
use super::{Generator, base_name, by_name, input, named, non_null};
use crate::api::types::{FieldDef, InputField, Resolver};
use crate::feed::Operation;
use crate::schema::model::{Model, ModelOperation};
use crate::schema::roles::{Matrix, Role};

impl Generator<'_> {
    /// `getX`, `listXs`, `syncXs`.
    pub(super) fn queries(&mut self, model: &Model) {
        if let Some(name) = &model.operations.get {
            let get = Resolver::Get(model.name.clone());
            self.query(name, key_arguments(model), &model.name, get);
        }
        if let Some(name) = &model.operations.list {
            let (page, filter) = self.page(model);
            let arguments = self.list_arguments(model, &filter);
            self.query(name, arguments, &page, Resolver::List(model.name.clone()));
        }
        if let Some(name) = &model.operations.sync
            && !self.schema.unsynced
        {
            let (page, filter) = self.page(model);
            let mut arguments = page_arguments(&filter);
            arguments.push(input("lastSync", named("AWSTimestamp")));
            self.query(name, arguments, &page, Resolver::Sync(model.name.clone()));
        }
        if let Some(name) = &model.operations.search {
            self.search_query(model, name);
        }
        self.key_inputs(model);
    }

    fn list_arguments(&mut self, model: &Model, filter: &str) -> Vec<InputField> {
        let mut arguments = Vec::with_capacity(6);
        if model.custom_key {
            arguments.extend(partition_argument(model, &model.key.partition, false));
            arguments.extend(self.sort_argument(model, &model.key, None));
        }
        arguments.extend(page_arguments(filter));
        if model.custom_key {
            arguments.push(input("sortDirection", named("ModelSortDirection")));
        }
        arguments
    }

    /// The inputs of every declared key exist even where no field takes them.
    fn key_inputs(&mut self, model: &Model) {
        if model.custom_key {
            self.sort_argument(model, &model.key, None);
        }
        for index in model.indexes.iter().filter(|index| index.declared) {
            self.sort_argument(model, &index.key, Some(&index.name));
        }
    }

    /// The query of each index that has one.
    pub(super) fn index_queries(&mut self, model: &Model) {
        for index in &model.indexes {
            let Some(name) = &index.query_field else {
                continue;
            };
            let (page, filter) = self.written_page(model, WrittenPage::Index);
            let mut arguments = Vec::with_capacity(6);
            arguments.extend(partition_argument(model, &index.key.partition, true));
            arguments.extend(self.sort_argument(model, &index.key, Some(&index.name)));
            arguments.push(input("sortDirection", named("ModelSortDirection")));
            arguments.extend(page_arguments(&filter));
            let resolver = Resolver::Index(model.name.clone(), index.name.clone());
            self.query(name, arguments, &page, resolver);
        }
    }

    fn query(&mut self, name: &str, arguments: Vec<InputField>, ty: &str, resolver: Resolver) {
        self.add_operation("Query", operation(name, arguments, ty, resolver));
    }

    /// `createX`, `updateX`, `deleteX`.
    pub(super) fn mutations(&mut self, model: &Model) {
        if let Some(name) = &model.operations.create {
            let input = self.create_input(model);
            self.mutation(model, name, &input, Resolver::Create(model.name.clone()));
        }
        if let Some(name) = &model.operations.update {
            let input = self.update_input(model);
            self.mutation(model, name, &input, Resolver::Update(model.name.clone()));
        }
        if let Some(name) = &model.operations.delete {
            let input = self.delete_input(model);
            self.mutation(model, name, &input, Resolver::Delete(model.name.clone()));
        }
    }

    fn mutation(&mut self, model: &Model, name: &str, input_type: &str, resolver: Resolver) {
        let condition = self.condition(model);
        let arguments = vec![
            input("input", non_null(named(input_type))),
            input("condition", named(&condition)),
        ];
        let field = operation(name, arguments, &model.name, resolver);
        self.add_operation("Mutation", field);
    }

    /// `onCreateX`, `onUpdateX`, `onDeleteX`.
    pub(super) fn subscriptions(&mut self, model: &Model) {
        let operations = &model.operations;
        for (names, mutation, event) in [
            (&operations.on_create, &operations.create, Operation::Create),
            (&operations.on_update, &operations.update, Operation::Update),
            (&operations.on_delete, &operations.delete, Operation::Delete),
        ] {
            for name in names {
                let filter = self.subscription_filter(model);
                let mut arguments = vec![input("filter", named(&filter))];
                arguments.extend(owner_arguments(model));
                let resolver = Resolver::Subscribe(model.name.clone(), vec![event]);
                let field = FieldDef {
                    subscribes: mutation.iter().cloned().collect(),
                    ..operation(name, arguments, &model.name, resolver)
                };
                self.add_operation("Subscription", field);
            }
        }
    }
}

/// A subscriber may say whose records it wants, once per owner field that is no list (`transformer` 4).
fn owner_arguments(model: &Model) -> Vec<InputField> {
    if model.operations.open_subscriptions {
        return Vec::new();
    }
    let matrix = Matrix::of(model);
    let owners = matrix
        .allowed(ModelOperation::Listen)
        .filter_map(Role::owner_field);
    let single = owners.filter(|name| {
        let field = model.fields.get(*name);
        // A list of records is a page by then.
        field.is_none_or(|field| field.ty.list.is_none() || field.relation.is_some())
    });
    single.map(|name| input(name, named("String"))).collect()
}

fn operation(name: &str, arguments: Vec<InputField>, ty: &str, resolver: Resolver) -> FieldDef {
    FieldDef {
        arguments: by_name(arguments),
        ..FieldDef::new(name, named(ty), resolver)
    }
}

fn page_arguments(filter: &str) -> Vec<InputField> {
    vec![
        input("filter", named(filter)),
        input("limit", named("Int")),
        input("nextToken", named("String")),
    ]
}

fn partition_argument(model: &Model, partition: &str, required: bool) -> Option<InputField> {
    let base = base_name(&model.fields.get(partition)?.ty.base);
    let ty = named(&base);
    Some(input(partition, if required { non_null(ty) } else { ty }))
}
