//! Texts that several people edit: changes of different lines are all kept.
//!
//! Against the text that the client had seen, its change and the others' are each one stretch of lines. Stretches that
//! do not meet are both applied; where they meet, both texts stay, the stored one first. All other fields are merged as
//! AppSync does.
//!
//! `config = { fields = "notes" }` names the texts.

wit_bindgen::generate!({ path: "../../../../wit", world: "handler" });

use driftless::conflict::host::config;
use driftless::conflict::types::Operation;
use serde_json::{Map, Value};

struct TextMerge;

export!(TextMerge);

impl Guest for TextMerge {
    fn init() -> Result<u32, String> {
        match config("fields") {
            Some(_) => Ok(1),
            None => Err("tell it which texts to merge: config = { fields = \"notes\" }".to_owned()),
        }
    }

    fn resolve(conflict: Conflict) -> Result<Decision, String> {
        let (Some(base), Some(merged), Operation::Update) = (
            &conflict.base_item,
            &conflict.automerge_result,
            conflict.operation,
        ) else {
            return Ok(Decision::Automerge);
        };
        let (base, stored, sent) = (
            object(base)?,
            object(&conflict.existing_item)?,
            object(&conflict.incoming)?,
        );
        let mut result = object(merged)?;
        for name in config("fields")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
        {
            if let Some(ours) = sent.get(name).and_then(Value::as_str) {
                let text = merge(text(&base, name), text(&stored, name), ours);
                result.insert(name.to_owned(), Value::String(text));
            }
        }
        Ok(Decision::Resolve(Value::Object(result).to_string()))
    }
}

/// One stretch of lines that was replaced: from line, to line (not included), by these.
struct Change<'a> {
    from: usize,
    to: usize,
    lines: Vec<&'a str>,
}

fn merge(base: &str, stored: &str, sent: &str) -> String {
    let old: Vec<&str> = base.lines().collect();
    let theirs = change(&old, stored);
    let ours = change(&old, sent);
    if ours.from == ours.to && ours.lines.is_empty() {
        return stored.to_owned();
    }
    if theirs.from == theirs.to && theirs.lines.is_empty() || stored == sent {
        return sent.to_owned();
    }
    let (first, second) = if ours.to <= theirs.from && ours.from < theirs.from {
        (ours, theirs)
    } else if theirs.to <= ours.from {
        (theirs, ours)
    } else {
        let (from, to) = (theirs.from.min(ours.from), theirs.to.max(ours.to));
        let mut lines = old[from..theirs.from].to_vec();
        lines.extend(theirs.lines);
        lines.extend(ours.lines);
        lines.extend(&old[ours.to.max(theirs.to)..to]);
        return apply(&old, &[Change { from, to, lines }]);
    };
    apply(&old, &[first, second])
}

/// What became of the old lines, as one stretch.
fn change<'a>(old: &[&str], text: &'a str) -> Change<'a> {
    let new: Vec<&str> = text.lines().collect();
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let from = old.iter().zip(&new).take_while(same).count();
    let rest = (old.len() - from).min(new.len() - from);
    let end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(same)
        .count()
        .min(rest);
    Change {
        from,
        to: old.len() - end,
        lines: new[from..new.len() - end].to_vec(),
    }
}

fn apply(old: &[&str], changes: &[Change<'_>]) -> String {
    let (mut lines, mut at) = (Vec::<&str>::new(), 0);
    for change in changes {
        lines.extend(&old[at..change.from]);
        lines.extend(&change.lines);
        at = change.to;
    }
    lines.extend(&old[at..]);
    lines.join("\n")
}

fn text<'a>(item: &'a Map<String, Value>, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
