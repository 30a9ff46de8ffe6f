//! Plans by document text and operation name, so that a document is parsed and validated once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::plan::Plan;

/// So many plans per generation.
const CAPACITY: usize = 512;

/// Longer documents are planned every time; clients never send them.
const LONGEST: usize = 64 * 1024;

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
    size: usize,
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
        if text.len() <= LONGEST {
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

impl Generations {
    fn keep(&mut self, text: &str, operation: Option<String>, plan: &Arc<Plan>) {
        if self.size >= CAPACITY {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        self.size += 1;
        let operations = self.young.entry(text.to_owned()).or_default();
        operations.insert(operation, Arc::clone(plan));
    }
}
