//! Which fields of two models belong together, in the client's words.

use serde_json::{Value, json};

use super::draft::{Directive, Field, Key, Model, Models, foreign_keys};
use crate::schema::naming::relation_index;

impl Models {
    /// Works out the association of every relation and adds the foreign keys they need.
    pub(super) fn associate(&mut self) {
        for name in self.names() {
            let Some(model) = self.get(&name) else {
                continue;
            };
            let relations: Vec<String> = model
                .fields
                .iter()
                .filter(|field| field.relation.is_some())
                .map(|field| field.name.clone())
                .collect();
            for field in relations {
                self.associate_field(&name, &field);
            }
            self.drop_unrelated(&name);
        }
    }

    /// A field typed with a model but without a relation directive is unknown to the client.
    fn drop_unrelated(&mut self, name: &str) {
        let models = self.names();
        if let Some(model) = self.get_mut(name) {
            model
                .fields
                .retain(|field| field.association.is_some() || !models.contains(&field.ty));
        }
    }

    fn associate_field(&mut self, name: &str, field: &str) {
        let Some(found) = self.found(name, field) else {
            return;
        };
        if let Some(model) = self.get_mut(name) {
            if let Some(field) = model.fields.iter_mut().find(|it| it.name == field) {
                field.association = Some(found.association);
            }
            found.own_keys.into_iter().for_each(|key| model.add(key));
        }
        if let Some(target) = self.get_mut(&found.target) {
            found.their_keys.into_iter().for_each(|key| target.add(key));
            target.keys.extend(found.their_index);
        }
    }

    fn found(&self, name: &str, field: &str) -> Option<Found> {
        let model = self.get(name)?;
        let field = model.field(field)?;
        let directive = field.relation.as_ref()?;
        let target = self.get(&field.ty)?;
        Some(match directive.name.as_str() {
            "hasMany" => has_many(model, field, directive, target),
            "hasOne" => has_one(model, field, directive, target),
            _ => belongs_to(model, field, directive, target),
        })
    }
}

/// What a relation comes to.
struct Found {
    association: Value,
    target: String,
    /// Foreign keys the model itself must have.
    own_keys: Vec<Field>,
    /// Foreign keys the target must have.
    their_keys: Vec<Field>,
    /// The index the target has because of it.
    their_index: Option<Key>,
}

fn has_many(model: &Model, field: &Field, directive: &Directive, target: &Model) -> Found {
    let mut their_keys = Vec::new();
    let associated = if !directive.references.is_empty() {
        directive.references.clone()
    } else if !directive.fields.is_empty() {
        vec![associated_by_fields(model, directive, target)]
    } else {
        let names = foreign_keys(&model.name, &field.name, model);
        for (name, key) in names.iter().zip(model.key_fields()) {
            their_keys.push(Field::foreign_key(name, &key.ty, false));
        }
        names
    };
    // Without a belongsTo, or an index to name, the client makes up an index for its own store.
    let returns = target
        .fields
        .iter()
        .find(|theirs| theirs.ty == model.name)
        .is_some_and(|theirs| theirs.has("belongsTo"));
    let their_index = (!returns && directive.index.is_none()).then(|| Key {
        name: Some(relation_index(&model.name, &field.name)),
        query_field: None,
        fields: associated.clone(),
    });
    Found {
        association: json!({ "connectionType": "HAS_MANY", "associatedWith": associated }),
        target: target.name.clone(),
        own_keys: Vec::new(),
        their_keys,
        their_index,
    }
}

/// With `fields`: the belongsTo that uses the index's (or primary key's) partition field, else that field itself.
fn associated_by_fields(model: &Model, directive: &Directive, target: &Model) -> String {
    let key = target.keys.iter().find(|key| key.name == directive.index);
    let partition = key.and_then(|key| key.fields.first()).cloned();
    let belongs_to = |field: &&Field| field.ty == model.name && field.has("belongsTo");
    let partition = partition
        .or_else(|| {
            let parent = target.fields.iter().find(belongs_to);
            parent.map(|field| field.name.clone())
        })
        .unwrap_or_else(|| "id".to_owned());
    let same_key = |field: &&Field| {
        field.relation.as_ref().and_then(|it| it.fields.first()) == Some(&partition)
    };
    let parent = target.fields.iter().filter(belongs_to).find(same_key);
    parent.map_or(partition, |field| field.name.clone())
}

fn has_one(model: &Model, field: &Field, directive: &Directive, target: &Model) -> Found {
    let mut association = json!({ "connectionType": "HAS_ONE" });
    let mut own_keys = Vec::new();
    if directive.references.is_empty() {
        let names = if directive.fields.is_empty() {
            foreign_keys(&model.name, &field.name, target)
        } else {
            directive.fields.clone()
        };
        own_keys = own_foreign_keys(&names, target, field);
        association["associatedWith"] = json!(target.key);
        association["targetNames"] = json!(names);
    } else {
        association["associatedWith"] = json!(directive.references);
    }
    Found {
        association,
        target: target.name.clone(),
        own_keys,
        their_keys: Vec::new(),
        their_index: None,
    }
}

fn belongs_to(model: &Model, field: &Field, directive: &Directive, target: &Model) -> Found {
    let mut names = directive.fields.clone();
    names.extend(directive.references.iter().cloned());
    if names.is_empty() {
        names = implicit_parent_keys(model, field, target);
    }
    Found {
        association: json!({ "connectionType": "BELONGS_TO", "targetNames": names }),
        target: target.name.clone(),
        own_keys: own_foreign_keys(&names, target, field),
        their_keys: Vec::new(),
        their_index: None,
    }
}

/// The foreign key of the first has-many that points here, else one of its own, as a has-one's.
fn implicit_parent_keys(model: &Model, field: &Field, target: &Model) -> Vec<String> {
    let other = target.fields.iter().find(|theirs| {
        theirs.ty == model.name
            && if theirs.is_list() {
                theirs.has("hasMany")
            } else {
                theirs.has("hasOne")
            }
    });
    match other {
        Some(theirs) if theirs.is_list() => foreign_keys(&target.name, &theirs.name, target),
        _ => foreign_keys(&model.name, &field.name, target),
    }
}

fn own_foreign_keys(names: &[String], target: &Model, field: &Field) -> Vec<Field> {
    names
        .iter()
        .zip(target.key_fields())
        .map(|(name, key)| Field::foreign_key(name, &key.ty, field.required))
        .collect()
}
