//! What mutations let subscribers know, where that is what their callers selected (`realtime` 3).

use std::sync::Arc;

use super::execute::Run;
use super::outcome::Resolved;
use super::plan::{Field, Selection, Source};
use super::project::Projection;
use super::types::Resolver;
use super::variables::Variables;
use crate::asked::Selected;
use crate::engine::Published;
use crate::notice::{self, Notice};

impl Run<'_> {
    /// Lets subscribers know of the result of a hand-written mutation, unless the answer shows none.
    pub(super) fn tell(self, field: &Field, resolved: &Resolved) {
        let (Source::Root(Resolver::Echo), Resolved::Record(result), Some(selection)) =
            (&field.source, resolved, field.selection())
        else {
            return;
        };
        let mut projection = Projection::new(self.viewer(), self.variables);
        if projection.alone(selection, result).is_ok() {
            let fields = selected(selection, self.variables).part(&result.fields);
            self.api.engine.bulletin.put_up(Notice {
                mutation: field.name.clone(),
                result: Arc::new(notice::plain(fields)),
            });
        }
    }

    /// What subscribers are told of the record that a generated mutation writes; `None` is all of it.
    pub(super) fn selected(self, field: &Field) -> Option<Arc<Selected>> {
        match self.api.engine.settings.published {
            Published::FullRow => None,
            Published::Selection => {
                let selection = field.selection().filter(|_| self.redacts)?;
                Some(Arc::new(selected(selection, self.variables)))
            }
        }
    }
}

/// What a selection asks for, by the names of its fields.
fn selected(selection: &Selection, variables: &Variables) -> Selected {
    let mut selected = Selected::default();
    let asked = selection.fields.iter();
    for field in asked.filter(|field| field.selected(variables)) {
        let below = field.selection();
        selected.add(
            &field.name,
            below.map(|below| self::selected(below, variables)),
        );
    }
    selected
}
