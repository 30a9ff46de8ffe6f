//! The name that was probably meant.

/// The candidate nearest to a name, if any is near enough (the threshold is that of graphql-js).
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let threshold = name.chars().count() * 2 / 5 + 1;
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= threshold)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "Did you mean `x`?", or else the given sentence.
#[must_use]
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match nearest(name, candidates) {
        Some(candidate) => format!("Did you mean `{candidate}`?"),
        None => otherwise.to_owned(),
    }
}

/// How many letters to insert, drop, replace or swap with their neighbour; another case alone counts as one.
fn distance(from: &str, to: &str) -> usize {
    if from == to {
        return 0;
    }
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    if from == to {
        return 1;
    }
    // Longer words cannot be near, and names may be as long as the whole schema.
    if from.len().abs_diff(to.len()) > 20 || from.len() > 200 {
        return usize::MAX;
    }
    let mut rows: [Vec<usize>; 3] = [vec![], (0..=to.len()).collect(), vec![]];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[1][j] + usize::from(a != b);
            let mut best = replaced.min(row[j] + 1).min(rows[1][j + 1] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[0][j - 1] + 1);
            }
            row.push(best);
        }
        rows[2] = row;
        rows.rotate_left(1);
    }
    rows[1][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["AWSDateTime", "AWSTime", "String", "sortKeyFields"];
        let found = |name: &str| nearest(name, names);
        assert_eq!(found("DateTime"), Some("AWSDateTime"));
        assert_eq!(found("string"), Some("String"));
        assert_eq!(found("Strnig"), Some("String"));
        assert_eq!(found("sortKeyField"), Some("sortKeyFields"));
        assert_eq!(found("Elephant"), None);
        assert_eq!(found(&"x".repeat(100_000)), None);
    }
}
