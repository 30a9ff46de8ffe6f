//! What a searchable model's query takes and answers. The search itself is not served yet.

use super::names::filtered_as;
use super::{Generator, by_name, input, list, named, non_null};
use crate::api::types::{
    EnumDef, FieldDef, InputField, InputRole, ObjectDef, ObjectKind, Resolver, TypeDef, TypeRef,
    UnionDef,
};
use crate::schema::model::{Base, Model, Origin, Scalar};

const TEXT_OPERATORS: [&str; 14] = [
    "ne",
    "gt",
    "lt",
    "gte",
    "lte",
    "eq",
    "match",
    "matchPhrase",
    "matchPhrasePrefix",
    "multiMatch",
    "exists",
    "wildcard",
    "regexp",
    "range",
];
const NUMBER_OPERATORS: [&str; 7] = ["ne", "gt", "lt", "gte", "lte", "eq", "range"];
const BOOLEAN_OPERATORS: [&str; 2] = ["eq", "ne"];

impl Generator<'_> {
    /// `searchXs` with everything it mentions.
    pub(super) fn search_query(&mut self, model: &Model, name: &str) {
        self.constant_search_types();
        let ty = |kind: &str| format!("Searchable{}{kind}", model.name);
        let searched = searched(model, !self.schema.unsynced);
        self.search_filter(&searched, &ty("FilterInput"));
        let sortable = searched.iter().filter(|field| !field.is_enum);
        let sortable = sortable.map(|field| field.name.clone()).collect();
        self.add_words(&ty("SortableFields"), sortable);
        let all = searched.into_iter().map(|field| field.name).collect();
        self.add_words(&ty("AggregateField"), all);
        let sort = vec![
            input("field", named(&ty("SortableFields"))),
            input("direction", named("SearchableSortDirection")),
        ];
        self.add_input(&ty("SortInput"), InputRole::Plain, sort);
        let aggregation = vec![
            input("name", non_null(named("String"))),
            input("type", non_null(named("SearchableAggregateType"))),
            input("field", non_null(named(&ty("AggregateField")))),
        ];
        self.add_input(&ty("AggregationInput"), InputRole::Plain, aggregation);
        self.search_object(
            &ty("Connection"),
            vec![
                ("items", non_null(list(named(&model.name)))),
                ("nextToken", named("String")),
                ("total", named("Int")),
                (
                    "aggregateItems",
                    non_null(list(named("SearchableAggregateResult"))),
                ),
            ],
        );
        let arguments = vec![
            input("filter", named(&ty("FilterInput"))),
            input("sort", list(named(&ty("SortInput")))),
            input("limit", named("Int")),
            input("nextToken", named("String")),
            input("from", named("Int")),
            input("aggregates", list(named(&ty("AggregationInput")))),
        ];
        let resolver = Resolver::Unserved("Searching (`@searchable`)");
        let field = FieldDef {
            arguments: by_name(arguments),
            ..FieldDef::new(name, named(&ty("Connection")), resolver)
        };
        self.add_operation("Query", field);
    }

    fn search_filter(&mut self, searched: &[Searched], name: &str) {
        let mut members: Vec<InputField> = Vec::with_capacity(searched.len() + 3);
        for field in searched {
            let operators = self.search_operators(field.operand);
            members.push(input(&field.name, named(&operators)));
        }
        members.push(input("and", list(named(name))));
        members.push(input("or", list(named(name))));
        members.push(input("not", named(name)));
        self.add_input(name, InputRole::Plain, members);
    }

    fn search_operators(&mut self, scalar: Scalar) -> String {
        let name = format!("Searchable{}FilterInput", scalar.name());
        let operators: &[&str] = match scalar {
            Scalar::Boolean => &BOOLEAN_OPERATORS,
            Scalar::Int | Scalar::Float => &NUMBER_OPERATORS,
            _ => &TEXT_OPERATORS,
        };
        let members = operators.iter().map(|operator| {
            let ty = match *operator {
                "range" => list(named(scalar.name())),
                "exists" => named("Boolean"),
                _ => named(scalar.name()),
            };
            input(operator, ty)
        });
        self.add_input(&name, InputRole::Plain, members.collect());
        name
    }

    fn add_words(&mut self, name: &str, values: Vec<String>) {
        self.add(TypeDef::Enum(EnumDef {
            name: name.to_owned(),
            values,
            deprecated: Default::default(),
        }));
    }

    fn search_object(&mut self, name: &str, fields: Vec<(&str, TypeRef)>) {
        let fields = fields.into_iter().map(|(field, ty)| {
            let definition = FieldDef::new(field, ty, Resolver::Property);
            (field.to_owned(), definition)
        });
        self.add(TypeDef::Object(ObjectDef {
            name: name.to_owned(),
            fields: fields.collect(),
            kind: ObjectKind::Nested,
            interfaces: Vec::new(),
            gates: Vec::new(),
            keeps_default: false,
        }));
    }

    /// What every API with a search has.
    fn constant_search_types(&mut self) {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        for scalar in [
            Scalar::String,
            Scalar::Id,
            Scalar::Int,
            Scalar::Float,
            Scalar::Boolean,
        ] {
            self.search_operators(scalar);
        }
        self.add_words("SearchableSortDirection", words(&["asc", "desc"]));
        self.add_words(
            "SearchableAggregateType",
            words(&["terms", "avg", "min", "max", "sum", "cardinality"]),
        );
        self.search_object(
            "SearchableAggregateResult",
            vec![
                ("name", non_null(named("String"))),
                ("result", named("SearchableAggregateGenericResult")),
            ],
        );
        self.search_object(
            "SearchableAggregateScalarResult",
            vec![("value", non_null(named("Float")))],
        );
        self.search_object(
            "SearchableAggregateBucketResult",
            vec![(
                "buckets",
                list(named("SearchableAggregateBucketResultItem")),
            )],
        );
        self.search_object(
            "SearchableAggregateBucketResultItem",
            vec![
                ("key", non_null(named("String"))),
                ("doc_count", non_null(named("Int"))),
            ],
        );
        self.add(TypeDef::Union(UnionDef {
            name: "SearchableAggregateGenericResult".to_owned(),
            members: vec![
                "SearchableAggregateScalarResult".to_owned(),
                "SearchableAggregateBucketResult".to_owned(),
            ],
        }));
    }
}

/// A field that can be searched by.
struct Searched {
    name: String,
    operand: Scalar,
    is_enum: bool,
}

/// Scalars and enums, those of sync included.
fn searched(model: &Model, synced: bool) -> Vec<Searched> {
    let fields = model.stored_fields();
    let fields = fields.filter(|field| field.origin != Origin::Owner);
    let fields = fields.filter_map(|field| {
        let (operand, is_enum) = match field.ty.base {
            Base::Scalar(scalar) => (filtered_as(scalar), false),
            Base::Enum(_) => (Scalar::String, true),
            _ => return None,
        };
        Some(Searched {
            name: field.name.clone(),
            operand,
            is_enum,
        })
    });
    let of_sync = [
        ("_version", Scalar::Int),
        ("_deleted", Scalar::Boolean),
        ("_lastChangedAt", Scalar::Int),
    ];
    let of_sync = of_sync.into_iter().map(|(name, operand)| Searched {
        name: name.to_owned(),
        operand,
        is_enum: false,
    });
    fields.chain(of_sync.filter(|_| synced)).collect()
}
