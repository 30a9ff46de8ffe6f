//! Notes why each field came out as it did, while a merge walks through it.

use crate::decision::{Rule, Verdict};

/// The verdicts so far, and where in the document the merge is.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    path: Vec<String>,
    verdicts: Vec<Verdict>,
}

impl Trail {
    /// Goes into a nested value.
    pub(crate) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    /// Comes out of it.
    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes what became of a member of the value the merge is in.
    pub(crate) fn note(&mut self, name: &str, rule: Rule) {
        let mut field = self.path.join(".");
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(name);
        self.verdicts.push(Verdict { field, rule });
    }

    /// Everything noted.
    pub(crate) fn verdicts(self) -> Vec<Verdict> {
        self.verdicts
    }
}
