//! Fragments as a whole: all known, all used, none spreading itself. Without recursion over them, since a chain can be
//! as long as the document.

use std::collections::{HashMap, HashSet};

use async_graphql::Pos;
use async_graphql::parser::types::{Selection, SelectionSet};

use super::{Rule, Validator};

/// By name of a fragment: what it spreads, and where.
type Spreads<'a> = HashMap<&'a str, Vec<(&'a str, Pos)>>;

impl<'a> Validator<'a> {
    pub(super) fn fragments(&mut self) {
        let mut spreads = HashMap::new();
        for (name, fragment) in self.fragments.clone() {
            let mut inside = Vec::new();
            collect_spreads(&fragment.node.selection_set.node, &mut inside);
            spreads.insert(name.as_str(), inside);
        }
        let mut used = Vec::new();
        for (_, operation) in self.document.operations.iter() {
            collect_spreads(&operation.node.selection_set.node, &mut used);
        }
        for (name, pos) in used.iter().chain(spreads.values().flatten()) {
            if !self.document.fragments.contains_key(*name) {
                self.report(
                    Rule::UndefinedFragment,
                    format!("Undefined fragment {name}"),
                    *pos,
                );
            }
        }
        self.cycles(&spreads);
        let reached = reach(used.iter().map(|(name, _)| *name), &spreads);
        for (name, fragment) in self.fragments.clone() {
            if !reached.contains(name.as_str()) {
                self.report(
                    Rule::UnusedFragment,
                    format!("Unused fragment {name}"),
                    fragment.pos,
                );
            }
        }
    }

    /// Takes away fragments that spread nothing that is left; what remains spreads itself.
    fn cycles(&mut self, spreads: &Spreads<'a>) {
        let mut waiting: HashMap<&str, usize> = HashMap::new();
        let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, inside) in spreads {
            let known = inside
                .iter()
                .filter(|(inner, _)| spreads.contains_key(inner));
            waiting.insert(name, known.clone().count());
            for (inner, _) in known {
                users.entry(inner).or_default().push(name);
            }
        }
        let mut free: Vec<&str> = waiting
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| *name)
            .collect();
        while let Some(name) = free.pop() {
            waiting.remove(name);
            for user in users.get(name).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        free.push(user);
                    }
                }
            }
        }
        let first = self
            .fragments
            .iter()
            .find(|(name, _)| waiting.contains_key(name.as_str()));
        if let Some((_, fragment)) = first {
            self.report(
                Rule::FragmentCycle,
                "Fragment cycles not allowed",
                fragment.pos,
            );
        }
    }
}

fn collect_spreads<'a>(selections: &'a SelectionSet, into: &mut Vec<(&'a str, Pos)>) {
    for selection in &selections.items {
        match &selection.node {
            Selection::Field(field) => collect_spreads(&field.node.selection_set.node, into),
            Selection::InlineFragment(inline) => {
                collect_spreads(&inline.node.selection_set.node, into);
            }
            Selection::FragmentSpread(spread) => {
                into.push((spread.node.fragment_name.node.as_str(), spread.pos));
            }
        }
    }
}

/// The fragments that these lead to.
fn reach<'a>(from: impl Iterator<Item = &'a str>, spreads: &Spreads<'a>) -> HashSet<&'a str> {
    let mut reached = HashSet::new();
    let mut open: Vec<&str> = from.collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(
                spreads
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(|(inner, _)| *inner),
            );
        }
    }
    reached
}
