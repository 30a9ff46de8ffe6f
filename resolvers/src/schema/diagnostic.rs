//! A problem in a schema: where, what, and the way out; as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A place in the schema's source; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The schema cannot be served.
    Error,
    /// It is served, but probably not what was meant.
    Warning,
}

impl Severity {
    /// The word in the rendered problem.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable code, e.g. `index-unknown-field`.
    pub code: &'static str,
    /// Where.
    pub span: Span,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do, one sentence.
    pub help: String,
}

/// The most characters of a source line that are shown; schemas on a single line are cut around the place.
const SHOWN: usize = 110;

impl Diagnostic {
    /// The problem as text: `file:line:column: error[code]: message`, the line with a caret, and the way out.
    #[must_use]
    pub fn render(&self, file: &str, source: &str) -> String {
        let Span { line, column } = self.span;
        let mut text = format!(
            "{file}:{line}:{column}: {}[{}]: {}\n",
            self.severity.name(),
            self.code,
            self.message
        );
        if let Some((shown, caret)) = excerpt(source, self.span) {
            let gutter = line.to_string();
            let blank = " ".repeat(gutter.len());
            // Writing to a string cannot fail.
            let _ = writeln!(text, " {gutter} | {shown}");
            let _ = writeln!(text, " {blank} | {}^", " ".repeat(caret));
        }
        let _ = writeln!(text, " help: {}", self.help);
        text
    }

    /// The problem as JSON, for editors and CI.
    #[must_use]
    pub fn to_json(&self, file: &str) -> Value {
        json!({
            "file": file,
            "line": self.span.line,
            "column": self.span.column,
            "severity": self.severity.name(),
            "code": self.code,
            "message": self.message,
            "help": self.help,
        })
    }
}

/// Several problems as text, one after another with an empty line between.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], file: &str, source: &str) -> String {
    let rendered: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.render(file, source))
        .collect();
    rendered.join("\n")
}

/// Several problems as a JSON array.
#[must_use]
pub fn to_json(diagnostics: &[Diagnostic], file: &str) -> Value {
    diagnostics
        .iter()
        .map(|diagnostic| diagnostic.to_json(file))
        .collect()
}

/// The line of a place, cut to [`SHOWN`] characters, and how many characters stand before the caret.
fn excerpt(source: &str, span: Span) -> Option<(String, usize)> {
    let line = source.lines().nth(span.line.checked_sub(1)?)?;
    let at = span.column.saturating_sub(1);
    let from = if line.len() <= SHOWN {
        0
    } else {
        at.saturating_sub(SHOWN / 2)
    };
    let mut characters = line.chars().skip(from);
    let cut: String = characters
        .by_ref()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if characters.next().is_some() {
        "…"
    } else {
        ""
    };
    let caret = (at - from).min(cut.chars().count()) + before.chars().count();
    Some((format!("{before}{}{after}", cut.trim_end()), caret))
}

/// Where the stages put what they find.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Diagnostic>);

impl Problems {
    /// The schema cannot be served because of this.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, code, span, message.into(), help.into());
    }

    /// The schema is served, but this is probably not what was meant.
    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, code, span, message.into(), help.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: String,
        help: String,
    ) {
        self.0.push(Diagnostic {
            severity,
            code,
            span,
            message,
            help,
        });
    }

    /// Everything found, in the order of the source: the warnings of a schema without errors, or else all of it.
    pub(crate) fn finish(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        self.0.sort_by_key(|problem| problem.span);
        self.0.dedup();
        let failed = self
            .0
            .iter()
            .any(|problem| problem.severity == Severity::Error);
        self.shorten();
        if failed { Err(self.0) } else { Ok(self.0) }
    }

    /// Nobody reads thousands of problems, and a generated or broken text may have that many.
    fn shorten(&mut self) {
        let more = self.0.len().saturating_sub(MOST);
        if more > 0 {
            let (span, severity) = (self.0[MOST].span, self.0[MOST].severity);
            self.0.truncate(MOST);
            self.push(
                severity,
                "more",
                span,
                format!("From here on there are {more} more problems."),
                "Mend the ones above and try again.".to_owned(),
            );
        }
    }
}

/// How many problems are told.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, column: usize) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-type",
            span: Span { line, column },
            message: "There is no type `Strng`.".to_owned(),
            help: "Did you mean `String`?".to_owned(),
        }
    }

    #[test]
    fn the_caret_stands_under_the_place_even_after_a_tab() {
        insta::assert_snapshot!(
            problem(2, 8).render("schema.graphql", "type A {\n\tä: at Strng\n}"),
            @r##"
schema.graphql:2:8: error[unknown-type]: There is no type `Strng`.
 2 |  ä: at Strng
   |        ^
 help: Did you mean `String`?
"##
        );
    }

    #[test]
    fn a_schema_on_one_endless_line_is_cut_around_the_place() {
        let source = format!("{}Strng{}", "a ".repeat(200), " b".repeat(200));
        insta::assert_snapshot!(problem(1, 401).render("s", &source), @r##"
s:1:401: error[unknown-type]: There is no type `Strng`.
 1 | … a a a a a a a a a a a a a a a a a a a a a a a a a a a Strng b b b b b b b b b b b b b b b b b b b b b b b b b…
   |                                                         ^
 help: Did you mean `String`?
"##);
    }

    #[test]
    fn a_place_outside_the_source_has_no_excerpt() {
        for span in [(0, 0), (9, 1)] {
            let text = problem(span.0, span.1).render("s", "type A");
            assert_eq!(text.lines().count(), 2, "{text}");
        }
    }

    #[test]
    fn problems_come_in_the_order_of_the_source() {
        let mut problems = Problems::default();
        let late = Span { line: 3, column: 1 };
        let early = Span { line: 2, column: 7 };
        problems.error("b", late, "late", "");
        problems.warning("a", early, "early", "");
        let found = problems.finish().expect_err("one of them is an error");
        let codes: Vec<_> = found.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["a", "b"]);
    }

    #[test]
    fn after_many_problems_the_rest_is_only_counted() {
        let mut problems = Problems::default();
        for line in 1..=MOST + 7 {
            problems.error("many", Span { line, column: 1 }, "again", "");
        }
        let found = problems.finish().expect_err("they are errors");
        assert_eq!(found.len(), MOST + 1);
        assert_eq!(
            found[MOST].message,
            "From here on there are 7 more problems."
        );
    }

    #[test]
    fn json_has_every_part() {
        assert_eq!(
            to_json(&[problem(1, 2)], "s.graphql"),
            json!([{
                "file": "s.graphql", "line": 1, "column": 2, "severity": "error", "code": "unknown-type",
                "message": "There is no type `Strng`.", "help": "Did you mean `String`?",
            }])
        );
    }
}
