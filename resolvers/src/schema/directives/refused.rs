//! Directives we know of but do not serve: each with its reason and the way out. Serving one means moving its line from
//! here to a file of its own.

/// A directive that is not served.
pub(crate) struct Refused {
    names: &'static [&'static str],
    /// The code of the problem.
    pub(crate) code: &'static str,
    /// Why, as the end of a sentence.
    pub(crate) why: &'static str,
    /// What to do.
    pub(crate) help: &'static str,
}

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { names: &["refersTo"], code: "unsupported-directive", why: "is for models in SQL databases", help: "Remove it, or name the model's first name with `@mapsTo`." },
    Refused { names: &["predictions", "sql", "generation", "conversation"], code: "unsupported-directive", why: "needs a service of AWS and is not served", help: "Remove it." },
    Refused { names: &["specifiedBy"], code: "unsupported-directive", why: "says nothing that is used here", help: "Remove it." },
];

/// The refusal of a directive, if it is a known one.
pub(crate) fn find(name: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|refused| refused.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::REFUSED;
    use crate::schema::load;

    #[test]
    fn every_directive_that_is_not_served_is_refused_where_it_stands() {
        for name in REFUSED.iter().flat_map(|refused| refused.names) {
            let text = format!("type A @model {{ id: ID!\n b: Int @{name}(x: 1) }}");
            let found = load(&text).expect_err("it is not served");
            let places: Vec<_> = found.iter().map(|p| (p.span.line, p.span.column)).collect();
            assert_eq!(places, [(1, 6), (2, 9)], "@{name}");
        }
    }
}
