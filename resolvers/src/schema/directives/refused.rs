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

const NOT_YET: &str = "is not served yet";
const FIRST_GENERATION: &str =
    "is from the first generation of the GraphQL Transformer and is not served";

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { names: &["key"], code: "first-generation", why: FIRST_GENERATION, help: "Write `@primaryKey(sortKeyFields: […])` or `@index(name: \"…\")` behind the key's first field." },
    Refused { names: &["connection"], code: "first-generation", why: FIRST_GENERATION, help: "Write `@hasOne`, `@hasMany`, `@belongsTo` or `@manyToMany` instead." },
    Refused { names: &["versioned"], code: "first-generation", why: FIRST_GENERATION, help: "Remove it: every model is versioned." },
    Refused { names: &["function"], code: "unsupported-directive", why: NOT_YET, help: "Remove the field." },
    Refused { names: &["http"], code: "unsupported-directive", why: NOT_YET, help: "Remove the field." },
    Refused { names: &["searchable"], code: "unsupported-directive", why: NOT_YET, help: "Remove it and use `@index`, or filter the list query." },
    Refused { names: &["validate"], code: "unsupported-directive", why: NOT_YET, help: "Remove it and check the value in the client." },
    Refused { names: &["mapsTo", "refersTo"], code: "unsupported-directive", why: NOT_YET, help: "Give the type or field the name that is stored." },
    Refused { names: &["predictions", "sql", "generation", "conversation"], code: "unsupported-directive", why: "needs a service of AWS and is not served", help: "Remove it." },
    Refused { names: &["aws_subscribe", "aws_publish"], code: "unsupported-directive", why: "belongs to custom operations, which are not served yet", help: "Remove the field; subscriptions are made from the models." },
    Refused { names: &["aws_api_key", "aws_auth", "aws_cognito_user_pools", "aws_iam", "aws_lambda", "aws_oidc"], code: "unsupported-directive", why: "is made from the rules of `@auth` and cannot be written by hand yet", help: "Remove it and use `@auth`." },
    Refused { names: &["deprecated", "specifiedBy"], code: "unsupported-directive", why: NOT_YET, help: "Remove it." },
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
