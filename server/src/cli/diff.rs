//! How changes of a schema are shown, by whatever command.

use serde_json::{Value, json};

use driftless_resolvers::schema::diff::{Change, Class, render};

/// The rows, then what they come to.
pub(super) fn text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing changes".to_owned();
    }
    let count = |class| {
        changes
            .iter()
            .filter(|change| change.class == class)
            .count()
    };
    let mut text = render(changes);
    text.push_str(&format!(
        "\n{} safe, {} to confirm, {} refused",
        count(Class::Safe),
        count(Class::Confirm),
        count(Class::Refused)
    ));
    text.push_str(if resyncs(changes) {
        "\nresync: apps that are built with the new models clear their local store and sync anew"
    } else {
        "\nno resync: apps that are built with the new models keep their local store"
    });
    text
}

/// The same for programs.
pub(super) fn json(changes: &[Change]) -> Value {
    json!({
        "changes": changes.iter().map(Change::to_json).collect::<Vec<_>>(),
        "resync": resyncs(changes),
    })
}

fn resyncs(changes: &[Change]) -> bool {
    changes.iter().any(|change| change.resync)
}
