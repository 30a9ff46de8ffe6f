//! What was found out about a credential, for as long as it holds: nothing on the way of a request is computed or
//! asked for twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// So many entries per generation.
const CAPACITY: usize = 4_096;

/// The digest of a credential: the memory holds no secrets.
pub(super) type Fingerprint = [u8; 32];

/// The fingerprint of a credential.
pub(super) fn fingerprint(text: &str) -> Fingerprint {
    Sha256::digest(text.as_bytes()).into()
}

/// A bounded memory of two generations: when the young one is full it becomes the old one, and what nobody asks for
/// until the next change is forgotten.
#[derive(Debug)]
pub(super) struct Recall<V> {
    capacity: usize,
    generations: Mutex<Generations<V>>,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<Fingerprint, V>,
    old: HashMap<Fingerprint, V>,
}

impl<V: Clone> Recall<V> {
    pub(super) fn new() -> Self {
        Recall::with_capacity(CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Recall {
            capacity,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    pub(super) fn get(&self, of: &Fingerprint) -> Option<V> {
        let mut generations = self.lock();
        if let Some(found) = generations.young.get(of) {
            return Some(found.clone());
        }
        let found = generations.old.remove(of)?;
        self.keep(&mut generations, *of, found.clone());
        Some(found)
    }

    pub(super) fn put(&self, of: Fingerprint, value: V) {
        self.keep(&mut self.lock(), of, value);
    }

    pub(super) fn forget(&self, of: &Fingerprint) {
        let mut generations = self.lock();
        generations.young.remove(of);
        generations.old.remove(of);
    }

    fn keep(&self, generations: &mut Generations<V>, of: Fingerprint, value: V) {
        if generations.young.len() >= self.capacity {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(of, value);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<V>> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes_when_there_is_more_than_fits() {
        let recall = Recall::with_capacity(2);
        let name = |number: u8| fingerprint(&number.to_string());
        for number in 0..20_u8 {
            recall.put(name(number), number);
            assert_eq!(recall.get(&name(0)), Some(0), "asked for all the time");
        }
        assert_eq!(recall.get(&name(1)), None);
        recall.forget(&name(0));
        assert_eq!(recall.get(&name(0)), None);
    }
}
