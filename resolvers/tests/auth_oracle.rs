//! What rules decide is what the templates of the real Amplify transformer decide.
//!
//! `auth` holds schemas with what the published tools' templates answered to many callers and requests. Where the large
//! collection of such cases lies beside the checkout, all of it is compared too, and so is the folder that
//! `DRIFTLESS_TEST_AUTH_CASES` names. [`EXCEPTIONS`] names what differs on purpose.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "everything here is part of a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftless_resolvers::authz::{Access, Reading, Refused, Rules, Settings};
use driftless_resolvers::filter::{Filter, Test};
use driftless_resolvers::identity::{
    AuthMode, IamIdentity, Identity, LambdaIdentity, TokenIdentity,
};
use driftless_resolvers::schema::model::{Base, Model, ModelOperation};
use driftless_resolvers::schema::{Options, Schema, load_with};
use driftless_resolvers::{Fields, Record, Timestamp, Version};
use serde_json::{Map, Value, json};

/// Fields of the collection whose decisions differ on purpose: (collection, type or root field, why).
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// What was decided, in a form that can be compared.
#[derive(Debug, Clone, PartialEq)]
enum Decision {
    Refused(Refusal),
    Allowed {
        /// The input with what was added to it, for creates.
        input: Option<Value>,
        /// The records found, as field and value; `None` is all of them.
        rows: Option<BTreeSet<(String, String)>>,
        /// What a field shows.
        value: Option<Value>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Refusal {
    Whole,
    Fields(BTreeSet<String>),
}

fn allowed() -> Decision {
    Decision::Allowed {
        input: None,
        rows: None,
        value: None,
    }
}

fn mode(name: &str) -> AuthMode {
    match name {
        "API_KEY" => AuthMode::ApiKey,
        "AMAZON_COGNITO_USER_POOLS" => AuthMode::UserPool,
        "OPENID_CONNECT" => AuthMode::Oidc,
        "AWS_IAM" => AuthMode::Iam,
        "AWS_LAMBDA" => AuthMode::Lambda,
        other => panic!("unknown mode {other}"),
    }
}

fn identity(caller: &Value) -> Identity {
    let given = &caller["identity"];
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let token = || {
        Arc::new(TokenIdentity {
            issuer: "https://issuer.example".to_owned(),
            subject: text("sub").unwrap(),
            claims: given["claims"].as_object().unwrap().clone(),
        })
    };
    match mode(caller["mode"].as_str().unwrap()) {
        AuthMode::ApiKey => Identity::ApiKey {
            id: "key".to_owned(),
        },
        AuthMode::UserPool => Identity::UserPool(token()),
        AuthMode::Oidc => Identity::Oidc(token()),
        AuthMode::Iam => Identity::Iam(Arc::new(IamIdentity {
            user_arn: text("userArn").unwrap(),
            identity_id: text("cognitoIdentityId"),
            identity_pool_id: text("cognitoIdentityPoolId"),
            authenticated: text("cognitoIdentityAuthType").map(|word| word == "authenticated"),
            ..IamIdentity::default()
        })),
        AuthMode::Lambda => Identity::Lambda(Arc::new(LambdaIdentity::default())),
    }
}

/// A schema, its rules and the cases about them.
struct Collection {
    name: String,
    schema: Schema,
    rules: Rules,
    callers: BTreeMap<String, Identity>,
    cases: Vec<Value>,
}

impl Collection {
    fn read(name: &str, schema: &Path, cases: &Path) -> Result<Collection, String> {
        let cases: Value = serde_json::from_slice(&fs::read(cases).unwrap()).unwrap();
        let modes = cases["auth"].as_array().unwrap();
        let options = Options {
            modes: modes
                .iter()
                .map(|name| mode(name.as_str().unwrap()))
                .collect(),
            sandbox: cases["sandbox"] == true,
            ..Options::default()
        };
        let source = fs::read_to_string(schema).unwrap();
        let loaded = load_with(&source, &options).map_err(|problems| {
            let codes: BTreeSet<&str> = problems.iter().map(|problem| problem.code).collect();
            codes.into_iter().collect::<Vec<_>>().join(", ")
        })?;
        let callers = cases["callers"].as_object().unwrap().iter();
        Ok(Collection {
            name: name.to_owned(),
            rules: Rules::of(&loaded.schema, &Settings::default()),
            schema: loaded.schema,
            callers: callers
                .map(|(name, caller)| (name.clone(), identity(caller)))
                .collect(),
            cases: cases["cases"].as_array().unwrap().clone(),
        })
    }

    /// The model and operation behind a root field.
    fn operation(&self, field: &str) -> Option<(&Model, ModelOperation, Vec<String>)> {
        self.schema.models.values().find_map(|model| {
            let operations = &model.operations;
            let is = |name: &Option<String>| name.as_deref() == Some(field);
            let key = || model.key.fields().map(str::to_owned).collect();
            let listens = |names: &[String]| names.iter().any(|name| name == field);
            let none = Vec::new;
            let (operation, keys) = if is(&operations.get) {
                (ModelOperation::Get, key())
            } else if is(&operations.list) {
                (ModelOperation::List, key())
            } else if is(&operations.sync) {
                (ModelOperation::Sync, none())
            } else if is(&operations.create) {
                (ModelOperation::Create, none())
            } else if is(&operations.update) {
                (ModelOperation::Update, none())
            } else if is(&operations.delete) {
                (ModelOperation::Delete, none())
            } else if listens(&operations.on_create)
                || listens(&operations.on_update)
                || listens(&operations.on_delete)
            {
                (ModelOperation::Listen, none())
            } else {
                let index = model.indexes.iter().find(|index| is(&index.query_field))?;
                let keys = index.key.fields().map(str::to_owned).collect();
                (ModelOperation::List, keys)
            };
            Some((&**model, operation, keys))
        })
    }

    /// Whether a case is about a mutation that creates.
    fn creates(&self, case: &Value) -> bool {
        let operation = self.operation(case["field"].as_str().unwrap());
        case["type"] == "Mutation"
            && operation.is_some_and(|(_, operation, _)| operation == ModelOperation::Create)
    }

    fn decide(&self, case: &Value) -> Decision {
        let caller = &self.callers[case["caller"].as_str().unwrap()];
        let (ty, field) = (
            case["type"].as_str().unwrap(),
            case["field"].as_str().unwrap(),
        );
        let args = object(&case["args"]);
        let is_root = ["Query", "Mutation", "Subscription"].contains(&ty);
        if case["written"] == true || (is_root && self.operation(field).is_none()) {
            return match self.rules.reaches(ty, field, caller) {
                true => allowed(),
                false => Decision::Refused(Refusal::Whole),
            };
        }
        if !is_root {
            if case["relation"] == true {
                return self.decide_relation(ty, field, caller, object(&case["source"]));
            }
            return self.decide_field(ty, field, caller, object(&case["source"]));
        }
        let (model, operation, keys) = self
            .operation(field)
            .unwrap_or_else(|| panic!("{}: there is no {field}", self.name));
        let input = args.get("input").map(object).unwrap_or_default();
        let stored = case["stored"].as_object();
        let rules = &self.rules;
        match operation {
            ModelOperation::Create => {
                let asked = with_defaults(model, &input);
                let verdict = rules.create(model, caller, &asked);
                verdict.map_or_else(refused, |added| {
                    let mut input = asked.clone();
                    input.extend(added);
                    Decision::Allowed {
                        input: Some(input.into()),
                        rows: None,
                        value: None,
                    }
                })
            }
            ModelOperation::Update => {
                let verdict = rules.update(model, caller, &input, stored);
                verdict.map_or_else(refused, |()| allowed())
            }
            ModelOperation::Delete => {
                let verdict = rules.delete(model, caller, stored);
                verdict.map_or_else(refused, |()| allowed())
            }
            ModelOperation::Listen => found(rules.listen(&model.name, caller, &args)),
            reading => {
                let value = |name: &String| match args.get(name)? {
                    Value::Object(condition) => condition.get("eq").cloned(),
                    value => Some(value.clone()),
                };
                let named: Vec<_> = keys
                    .iter()
                    .filter_map(|name| Some((name.clone(), value(name)?)))
                    .collect();
                found(rules.read(&model.name, Reading::Operation(reading, &named), caller))
            }
        }
    }

    /// Where a relation leads: the rules of its field first, then those of the model behind it.
    fn decide_relation(
        &self,
        ty: &str,
        field: &str,
        caller: &Identity,
        mut source: Fields,
    ) -> Decision {
        let in_mutation = source.shift_remove("__operation").is_some();
        let record = record(source);
        let sight = self.rules.sight(ty, caller);
        if !self.rules.reaches_type(ty, caller) || !sight.shows(field, &record) {
            return Decision::Refused(Refusal::Whole);
        }
        let Base::Model(target) = &self.schema.models[ty].fields[field].ty.base else {
            panic!("{}: {ty}.{field} leads to no model", self.name);
        };
        match self.rules.read(target, Reading::Relation, caller) {
            Access::Allow | Access::Rows(_) if in_mutation && sight.redacts(field) => hidden(),
            access => found(access),
        }
    }

    fn decide_field(
        &self,
        ty: &str,
        field: &str,
        caller: &Identity,
        mut source: Fields,
    ) -> Decision {
        let in_mutation = source.shift_remove("__operation").is_some();
        let record = record(source);
        let sight = self.rules.sight(ty, caller);
        if !self.rules.reaches_type(ty, caller) || !sight.shows(field, &record) {
            return Decision::Refused(Refusal::Whole);
        }
        let stored = record.fields.get(field).unwrap_or(&Value::Null);
        let shown = if in_mutation && sight.redacts(field) {
            Value::Null
        } else {
            sight.rewritten(field, stored).unwrap_or(stored.clone())
        };
        Decision::Allowed {
            input: None,
            rows: None,
            value: Some(shown),
        }
    }
}

fn record(fields: Fields) -> Record {
    Record {
        fields,
        version: Version::FIRST,
        last_changed_at: Timestamp(0),
        deleted: false,
    }
}

/// A relation that the answer of a mutation shows as if it led nowhere.
fn hidden() -> Decision {
    Decision::Allowed {
        input: None,
        rows: None,
        value: Some(Value::Null),
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn with_defaults(model: &Model, input: &Fields) -> Fields {
    let mut input = input.clone();
    for field in model.stored_fields() {
        if let Some(default) = &field.default
            && input.get(&field.name).is_none_or(Value::is_null)
        {
            input.insert(field.name.clone(), default.clone());
        }
    }
    input
}

fn refused(refused: Refused) -> Decision {
    Decision::Refused(match refused {
        Refused::Operation => Refusal::Whole,
        Refused::Fields(fields) => Refusal::Fields(fields.into_iter().collect()),
    })
}

fn found(access: Access) -> Decision {
    let rows = match access {
        Access::Deny => return Decision::Refused(Refusal::Whole),
        Access::Allow => None,
        Access::Rows(filter) => {
            let mut clauses = BTreeSet::new();
            collect(&filter, &mut clauses);
            Some(clauses)
        }
    };
    Decision::Allowed {
        input: None,
        rows,
        value: None,
    }
}

/// The fields and values of a row filter.
fn collect(filter: &Filter, clauses: &mut BTreeSet<(String, String)>) {
    let mut add = |name: &str, value: &Value| {
        clauses.insert((name.to_owned(), value.as_str().unwrap().to_owned()));
    };
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().for_each(|part| collect(part, clauses));
        }
        Filter::Not(_) => panic!("no rule is a negation"),
        Filter::Field { name, test } => match test {
            Test::In(values) => values.iter().for_each(|value| add(name, value)),
            Test::Contains(value) | Test::Eq(value) => add(name, value),
            Test::Type(_) => {}
            other => panic!("no rule tests {other:?}"),
        },
    }
}

/// The same of the original's `{or: [{field: {operator: value}}, …]}`.
fn clauses(filter: &Value) -> BTreeSet<(String, String)> {
    let mut clauses = BTreeSet::new();
    for clause in filter["or"].as_array().unwrap() {
        let (field, test) = clause.as_object().unwrap().iter().next().unwrap();
        let value = test.as_object().unwrap().values().next().unwrap();
        let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        for value in values {
            clauses.insert((field.clone(), value.as_str().unwrap().to_owned()));
        }
    }
    clauses
}

/// The owners the original looks for by itself, where an index is sorted by owner and the request does not name one.
fn owner_conditions(case: &Value) -> Option<BTreeSet<(String, String)>> {
    if case["type"] != "Query" {
        return None;
    }
    let after = case["argsAfter"].as_object()?.iter();
    let added = after.filter(|(name, _)| case["args"].get(name.as_str()).is_none());
    let owners = added.map(|(name, condition)| {
        let owner = condition["eq"].as_str().unwrap();
        (name.clone(), owner.to_owned())
    });
    Some(owners.collect())
}

/// What the original decided.
fn expected(case: &Value, creates: bool) -> Decision {
    if case["gate"] == false {
        return Decision::Refused(Refusal::Whole);
    }
    if let Some(message) = case["error"]["message"].as_str() {
        assert_eq!(case["error"]["errorType"], "Unauthorized");
        let Some(fields) = message.strip_prefix("Unauthorized on [") else {
            let (ty, field) = (&case["type"], &case["field"]);
            let (ty, field) = (ty.as_str().unwrap(), field.as_str().unwrap());
            assert_eq!(
                message,
                format!("Not Authorized to access {field} on type {ty}")
            );
            return Decision::Refused(Refusal::Whole);
        };
        let fields = fields.trim_end_matches(']').split(", ").map(str::to_owned);
        return Decision::Refused(Refusal::Fields(fields.collect()));
    }
    if case["denied"] == true {
        return hidden();
    }
    let ty = case["type"].as_str().unwrap();
    let after = case.get("argsAfter").unwrap_or(&case["args"]);
    let rows = match ty {
        "Subscription" => match &after["filter"] {
            Value::Object(filter) if filter.contains_key("or") => Some(clauses(&after["filter"])),
            Value::Object(filter) if filter.contains_key("and") => Some(clauses(&filter["and"][0])),
            _ => None,
        },
        _ => case
            .get("authFilter")
            .map(clauses)
            .or_else(|| owner_conditions(case)),
    };
    Decision::Allowed {
        input: creates.then(|| without_joined_keys(&after["input"])),
        rows,
        value: match ty {
            "Query" | "Mutation" | "Subscription" => None,
            _ if case["relation"] == true || case["written"] == true => None,
            _ => Some(case["value"].clone()),
        },
    }
}

/// The original stores several sort fields as one, besides each of them (`transformer` 5).
fn without_joined_keys(input: &Value) -> Value {
    let mut input = object(input);
    input.retain(|name, _| !name.contains('#'));
    input.into()
}

/// Whether a case is decided by something else than rules: `@validate` comes before them in the original's templates.
fn is_of_validation(case: &Value) -> bool {
    case["gate"] != false
        && case
            .get("error")
            .is_some_and(|error| error["errorType"].is_null())
}

/// Whether two decisions are one. Two times the original looks for one form of an owner where here every form that names
/// the caller is found: a subscription's owners are compared by what events show (the last part of what is stored), or by
/// its owner argument alone; and an index that is sorted by owner is asked for the whole identity.
fn same(case: &Value, theirs: &Decision, ours: &Decision) -> bool {
    if theirs == ours {
        return true;
    }
    let (Decision::Allowed { rows: theirs, .. }, Decision::Allowed { rows: ours, .. }) =
        (theirs, ours)
    else {
        return false;
    };
    if case["type"] != "Subscription" && owner_conditions(case).is_none() {
        return false;
    }
    let fields = |rows: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        rows.iter().map(|(field, _)| field.clone()).collect()
    };
    match (theirs, ours) {
        (Some(theirs), Some(ours)) => fields(theirs) == fields(ours) && theirs.is_subset(ours),
        (None, Some(ours)) => fields(ours)
            .iter()
            .any(|field| case["args"][field].is_string()),
        _ => false,
    }
}

/// Compares everything and prints a table of what differs.
fn compare(collections: &[Collection]) -> usize {
    let mut unexplained = 0;
    for collection in collections {
        let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut explained = 0;
        for case in &collection.cases {
            if is_of_validation(case) {
                continue;
            }
            let creates = collection.creates(case);
            let (theirs, ours) = (expected(case, creates), collection.decide(case));
            if same(case, &theirs, &ours) {
                continue;
            }
            let (ty, field) = (
                case["type"].as_str().unwrap(),
                case["field"].as_str().unwrap(),
            );
            let place = format!("{ty}.{field}");
            let is_known = |(name, at, _): &&(&str, &str, &str)| {
                *name == collection.name && (*at == place || *at == ty || *at == field)
            };
            if EXCEPTIONS.iter().any(|exception| is_known(&exception)) {
                explained += 1;
                continue;
            }
            let line = format!("{case}\n        theirs {theirs:?}\n        ours   {ours:?}");
            differing.entry(place).or_default().push(line);
        }
        let count: usize = differing.values().map(Vec::len).sum();
        unexplained += count;
        println!(
            "{:40} {:6} cases, {count:5} differ, {explained:5} on purpose",
            collection.name,
            collection.cases.len()
        );
        for (place, lines) in differing {
            println!(
                "    {place}: {} differ, such as\n        {}",
                lines.len(),
                lines[0]
            );
        }
    }
    unexplained
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/auth")
}

/// The schemas of a folder, each with its cases.
fn read(found: impl Iterator<Item = (String, PathBuf, PathBuf)>) -> Vec<Collection> {
    let mut found: Vec<_> = found.collect();
    found.sort();
    let read = found.into_iter().filter_map(|(name, schema, cases)| {
        match Collection::read(&name, &schema, &cases) {
            Ok(collection) => Some(collection),
            Err(codes) => {
                println!("not served: {name} ({codes})");
                None
            }
        }
    });
    read.collect()
}

#[test]
fn rules_decide_what_the_originals_templates_decide() {
    let more = std::env::var("DRIFTLESS_TEST_AUTH_CASES").map(PathBuf::from);
    let folders = std::iter::once(own()).chain(more);
    let folders = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let folders = folders.map(|entry| entry.unwrap().path());
    let found = folders.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, path.join("schema.graphql"), path.join("cases.json"))
    });
    let collections = read(found);
    assert!(!collections.is_empty());
    assert_eq!(compare(&collections), 0);
}

#[test]
fn the_large_collection_is_decided_alike() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let Ok(files) = fs::read_dir(shared.join("auth-cases")) else {
        println!("NOT COMPARED: there is no {}", shared.display());
        return;
    };
    let found = files.map(|entry| {
        let cases = entry.unwrap().path();
        let name = cases.file_stem().unwrap().to_string_lossy().into_owned();
        let schema = shared.join("schemas").join(&name).join("schema.graphql");
        (name, schema, cases)
    });
    assert_eq!(compare(&read(found)), 0);
}

#[test]
fn the_comparison_tells_decisions_apart() {
    let case = json!({"type": "Query", "field": "getA", "args": {}, "ok": true});
    assert!(!same(
        &case,
        &expected(&case, false),
        &Decision::Refused(Refusal::Whole)
    ));
    let filtered = json!({"type": "Query", "field": "getA", "args": {}, "ok": true,
        "authFilter": {"or": [{"owner": {"eq": "a"}}]}});
    assert!(!same(&filtered, &expected(&filtered, false), &allowed()));
}
