//! The records of a page.

use super::super::plan::Field;
use super::super::types::TypeRef;
use super::{EMPTY, NoValue, Object, PageParts, Projection, Step, Treatment, Written};

/// The path to the items of a page that is a root field: its key, and `items`.
const ROOT_PAGE_DEPTH: usize = 2;

impl<'a> Projection<'a> {
    /// The records of a page. In a sync page an item that violates its type must neither end the sync nor go unseen
    /// (`errata.md` row 4).
    pub(super) fn items(&mut self, field: &'a Field, page: PageParts<'a>, nth: usize) -> Written {
        let Some(selection) = field.selection() else {
            return Err(NoValue);
        };
        let layer = page.column.layers.get(nth).unwrap_or(&EMPTY);
        let tolerant = self.treatment == Treatment::Sync && self.path.len() == ROOT_PAGE_DEPTH;
        let (start, errors) = (self.mark(), self.errors.len());
        let (mut good, mut bad) = (0, 0);
        self.out.push(b'[');
        for (position, index) in (page.start..page.end).enumerate() {
            let before = self.mark();
            if before > start + 1 {
                self.out.push(b',');
            }
            self.path.push(Step::Index(position));
            let item = self.mark();
            let record = Object::Record(&page.column.records[index]);
            let mut written = self.object(selection, record, layer, index);
            self.path.pop();
            if tolerant && std::mem::take(&mut self.spoiled) {
                written = Err(NoValue);
            }
            if written.is_ok() {
                good += 1;
                continue;
            }
            bad += 1;
            if tolerant && self.is_native() {
                self.out.truncate(before);
            } else {
                self.settle(element(&field.ty), item, written)?;
            }
        }
        if tolerant && good == 0 && bad > 0 && !self.is_native() {
            // JavaScript repeats a page without good items for minutes if it holds an error.
            self.out.truncate(start + 1);
            self.errors.truncate(errors);
        }
        if bad > 0 {
            tracing::warn!(
                model = selection.type_name,
                bad,
                "records violate their type"
            );
        }
        self.out.push(b']');
        Ok(())
    }

    fn is_native(&self) -> bool {
        self.family.is_native()
    }

    /// Whether what is written now is stored by DataStore for JavaScript.
    pub(super) fn is_for_javascript(&self) -> bool {
        matches!(self.treatment, Treatment::Sync | Treatment::Event) && !self.is_native()
    }
}

/// The type of a list's elements.
fn element(ty: &TypeRef) -> &TypeRef {
    match ty {
        TypeRef::NonNull(inner) => element(inner),
        TypeRef::List(inner) => inner,
        TypeRef::Named(_) => ty,
    }
}
