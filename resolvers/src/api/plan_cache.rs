//! Plans by document text and operation name, so that a document is parsed and validated once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::plan::Plan;

/// So many plans per generation.
const CAPACITY: usize = 512;

/// So many bytes per generation, about.
const MEMORY: usize = 16 * 1024 * 1024;

/// Plans that would push many others out are made every time; clients never ask for them.
const HEAVIEST: usize = MEMORY / 16;

/// A bounded cache of two generations: when the young one is full it becomes the old one, and what is not asked for
/// until the next change is forgotten.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: Plans,
    old: Plans,
    /// Plans put into the young generation.
    count: usize,
    /// What they weigh.
    weight: usize,
}

/// Document text, then operation name.
type Plans = HashMap<String, HashMap<Option<String>, Arc<Plan>>>;

impl PlanCache {
    /// The plan of a document seen before.
    pub(crate) fn get(&self, text: &str, operation: Option<&str>) -> Option<Arc<Plan>> {
        let operation = operation.map(str::to_owned);
        let mut generations = self.lock();
        if let Some(plan) = find(&generations.young, text, &operation) {
            return Some(plan);
        }
        let plan = find(&generations.old, text, &operation)?;
        generations.keep(text, operation, &plan);
        Some(plan)
    }

    /// Remembers a plan.
    pub(crate) fn put(&self, text: &str, operation: Option<&str>, plan: &Arc<Plan>) {
        if weight(text, plan) <= HEAVIEST {
            self.lock().keep(text, operation.map(str::to_owned), plan);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(plans: &Plans, text: &str, operation: &Option<String>) -> Option<Arc<Plan>> {
    plans.get(text)?.get(operation).cloned()
}

/// What a plan takes up in the cache.
fn weight(text: &str, plan: &Plan) -> usize {
    text.len() + plan.weight()
}

impl Generations {
    fn keep(&mut self, text: &str, operation: Option<String>, plan: &Arc<Plan>) {
        let weight = weight(text, plan);
        if self.count >= CAPACITY || self.weight + weight > MEMORY {
            self.old = std::mem::take(&mut self.young);
            (self.count, self.weight) = (0, 0);
        }
        self.count += 1;
        self.weight += weight;
        let operations = self.young.entry(text.to_owned()).or_default();
        operations.insert(operation, Arc::clone(plan));
    }

    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        let all = [&self.young, &self.old];
        let entries = all.iter().flat_map(|plans| plans.iter());
        entries.fold((0, 0), |(count, bytes), (text, operations)| {
            let own: usize = operations.values().map(|plan| weight(text, plan)).sum();
            (count + operations.len(), bytes + own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::coerce::Inputs;
    use crate::api::{generate, plan};
    use crate::engine::Settings;
    use crate::fixtures;

    /// A cache that has been asked to keep documents of so many fields.
    fn filled(documents: usize, fields: usize) -> PlanCache {
        let schema = fixtures::schema();
        let types = generate::generate(&schema);
        let inputs = Inputs {
            types: &types,
            schema: &schema,
        };
        let selected: Vec<_> = (0..fields)
            .map(|n| format!("a{n}:getPost(id:\"p\"){{id}}"))
            .collect();
        let body = selected.join(" ");
        let query = format!("query Q {{ {body} }}");
        let settings = Settings {
            root_limit: fields,
            ..Settings::default()
        };
        let plan = Arc::new(plan::plan(inputs, &settings, &query, None).unwrap());
        let cache = PlanCache::default();
        for n in 0..documents {
            cache.put(&format!("{query}#{n}"), None, &plan);
        }
        cache
    }

    #[test]
    fn a_plan_is_found_by_text_and_operation() {
        let cache = filled(1, 1);
        let text = "query Q { a0:getPost(id:\"p\"){id} }#0";
        assert!(cache.get(text, None).is_some());
        assert!(cache.get(text, Some("Q")).is_none());
        assert!(cache.get("{ x }", None).is_none());
    }

    #[test]
    fn the_cache_is_bounded_by_plans_and_by_bytes() {
        let (count, _) = filled(5_000, 1).lock().held();
        assert!((CAPACITY..=2 * CAPACITY).contains(&count), "{count}");
        let (count, bytes) = filled(500, 300).lock().held();
        assert!(
            count > 0 && bytes <= 2 * MEMORY,
            "{count} plans of {bytes} bytes"
        );
        let heavy = filled(2, 4_000).lock().held();
        assert_eq!(heavy, (0, 0));
    }
}
