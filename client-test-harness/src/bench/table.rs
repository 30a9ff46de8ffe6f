//! Results as a Markdown table, each figure beside the limit program's from the same run.

use std::fmt::Write as _;

/// One measured figure in several alternated rounds.
#[derive(Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// On which store.
    pub store: &'static str,
    /// Unit of the figures.
    pub unit: &'static str,
    /// Pairs of (limit program, server), one per round.
    pub rounds: Vec<(f64, f64)>,
}

impl Row {
    /// Median of the server's figure over the limit's, round by round.
    pub fn ratio(&self) -> f64 {
        median(self.rounds.iter().map(|(limit, server)| server / limit))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The rows as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text =
        "| measured | store | unit | limit | driftless | ratio |\n|---|---|---|---:|---:|---:|\n"
            .to_owned();
    for row in rows {
        let limit = median(row.rounds.iter().map(|round| round.0));
        let server = median(row.rounds.iter().map(|round| round.1));
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.2} |",
            row.what,
            row.store,
            row.unit,
            figure(limit),
            figure(server),
            row.ratio()
        )
        .expect("writing to a String cannot fail");
    }
    text
}

fn figure(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let row = Row {
            what: "creates".into(),
            store: "SQLite",
            unit: "1/s",
            rounds: vec![(100.0, 50.0), (10.0, 9.0), (1000.0, 600.0)],
        };
        assert_eq!(
            markdown(&[row]).lines().last().unwrap(),
            "| creates | SQLite | 1/s | 100 | 50.0 | 0.60 |"
        );
    }
}
