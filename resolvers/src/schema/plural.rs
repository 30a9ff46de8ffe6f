//! English plurals exactly as `pluralize` 8.0.0 makes them, because clients build `listXs` and `syncXs` with it
//! (`transformer` 2.1). The rules are data of that MIT-licensed package; what is here matches, replaces and restores
//! letter case as it does.

/// The plural of a type's name.
pub(crate) fn plural(word: &str) -> String {
    // GraphQL names are ASCII; in what follows a word and its lower case have the same length.
    if !word.is_ascii() {
        return word.to_owned();
    }
    let lower = word.to_ascii_lowercase();
    if IRREGULAR.iter().any(|(_, many)| *many == lower) {
        return with_case_of(word, &lower);
    }
    if let Some((_, many)) = IRREGULAR.iter().find(|(one, _)| *one == lower) {
        return with_case_of(word, many);
    }
    if lower.is_empty() || UNCOUNTABLE.contains(&lower.as_str()) {
        return word.to_owned();
    }
    if UNCOUNTABLE_ENDINGS
        .iter()
        .any(|ending| ends_with(&lower, ending).is_some())
    {
        return word.to_owned();
    }
    RULES
        .iter()
        .find_map(|rule| rule.apply(word, &lower))
        .unwrap_or_else(|| with_s(word))
}

/// Any of the stems, then any of the endings, at the end of the word: the ending is replaced.
///
/// Stems and endings may contain classes (`[aeiou]`, `[^aeiou]`); a stem that begins with `^` is the whole word.
struct Rule {
    stems: &'static [&'static str],
    endings: &'static [&'static str],
    replacement: &'static str,
}

impl Rule {
    fn apply(&self, word: &str, lower: &str) -> Option<String> {
        let (stem, end) = self
            .endings
            .iter()
            .filter_map(|ending| ends_with(lower, ending))
            .flat_map(|end| {
                self.stems
                    .iter()
                    .filter_map(move |stem| Some((ends_with(&lower[..end], stem)?, end)))
            })
            .min()?;
        let replaced = format!("{}{}", &word[stem..end], self.replacement);
        Some(format!(
            "{}{}",
            &word[..stem],
            with_case_of(&word[stem..], &replaced)
        ))
    }
}

/// Where the pattern begins, if the word ends with it.
fn ends_with(word: &str, pattern: &str) -> Option<usize> {
    let (whole, pattern) = match pattern.strip_prefix('^') {
        Some(pattern) => (true, pattern),
        None => (false, pattern),
    };
    let mut letters = word.char_indices().rev();
    let mut start = word.len();
    let mut pattern = pattern.chars().rev();
    while let Some(expected) = pattern.next() {
        let (at, letter) = letters.next()?;
        let matches = if expected == ']' {
            let class: Vec<char> = pattern.by_ref().take_while(|c| *c != '[').collect();
            match class.split_last() {
                Some(('^', others)) => !others.contains(&letter),
                _ => class.contains(&letter),
            }
        } else {
            expected == letter
        };
        if !matches {
            return None;
        }
        start = at;
    }
    (!whole || start == 0).then_some(start)
}

/// The last rule: an `s`, unless there is one, in the case of the letter before it.
fn with_s(word: &str) -> String {
    match word.chars().next_back() {
        Some(last) if last.eq_ignore_ascii_case(&'s') => word.to_owned(),
        Some(last) => format!("{word}{}", with_case_of(&last.to_string(), "s")),
        None => String::new(),
    }
}

/// A word in the letter case of another: all lower, all upper, or like a title.
fn with_case_of(model: &str, word: &str) -> String {
    if model == word {
        word.to_owned()
    } else if model == model.to_lowercase() {
        word.to_lowercase()
    } else if model == model.to_uppercase() {
        word.to_uppercase()
    } else if model.chars().next().is_some_and(|c| !c.is_lowercase()) {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase()
        })
    } else {
        word.to_lowercase()
    }
}

#[rustfmt::skip]
const IRREGULAR: [(&str, &str); 47] = [
    ("i", "we"), ("me", "us"), ("he", "they"), ("she", "they"), ("them", "them"), ("myself", "ourselves"),
    ("yourself", "yourselves"), ("itself", "themselves"), ("herself", "themselves"), ("himself", "themselves"),
    ("themself", "themselves"), ("is", "are"), ("was", "were"), ("has", "have"), ("this", "these"), ("that", "those"),
    ("echo", "echoes"), ("dingo", "dingoes"), ("volcano", "volcanoes"), ("tornado", "tornadoes"), ("torpedo", "torpedoes"),
    ("genus", "genera"), ("viscus", "viscera"), ("stigma", "stigmata"), ("stoma", "stomata"), ("dogma", "dogmata"),
    ("lemma", "lemmata"), ("schema", "schemata"), ("anathema", "anathemata"), ("ox", "oxen"), ("axe", "axes"),
    ("die", "dice"), ("yes", "yeses"), ("foot", "feet"), ("eave", "eaves"), ("goose", "geese"), ("tooth", "teeth"),
    ("quiz", "quizzes"), ("human", "humans"), ("proof", "proofs"), ("carve", "carves"), ("valve", "valves"),
    ("looey", "looies"), ("thief", "thieves"), ("groove", "grooves"), ("pickaxe", "pickaxes"), ("passerby", "passersby"),
];

#[rustfmt::skip]
const UNCOUNTABLE: &[&str] = &[
    "adulthood", "advice", "agenda", "aid", "aircraft", "alcohol", "ammo", "analytics", "anime", "athletics", "audio",
    "bison", "blood", "bream", "buffalo", "butter", "carp", "cash", "chassis", "chess", "clothing", "cod", "commerce",
    "cooperation", "corps", "debris", "diabetes", "digestion", "elk", "energy", "equipment", "excretion", "expertise",
    "firmware", "flounder", "fun", "gallows", "garbage", "graffiti", "hardware", "headquarters", "health", "herpes",
    "highjinks", "homework", "housework", "information", "jeans", "justice", "kudos", "labour", "literature",
    "machinery", "mackerel", "mail", "media", "mews", "moose", "music", "mud", "manga", "news", "only", "personnel",
    "pike", "plankton", "pliers", "police", "pollution", "premises", "rain", "research", "rice", "salmon", "scissors",
    "series", "sewage", "shambles", "shrimp", "software", "species", "staff", "swine", "tennis", "traffic",
    "transportation", "trout", "tuna", "wealth", "welfare", "whiting", "wildebeest", "wildlife", "you",
];

#[rustfmt::skip]
const UNCOUNTABLE_ENDINGS: &[&str] = &[
    "sheep", "pox", "o[iu]s", "measles", "fish", "deer", "[^aeiou]ese", "pokemon",
];

/// In the order they are tried: the package tries its latest rule first.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { stems: &["^"], endings: &["thou"], replacement: "you" },
    Rule { stems: &["m"], endings: &["an", "en"], replacement: "en" },
    Rule { stems: &["eaux"], endings: &[""], replacement: "" },
    Rule { stems: &["child"], endings: &["ren", ""], replacement: "ren" },
    Rule { stems: &["pe"], endings: &["rson", "ople"], replacement: "ople" },
    Rule { stems: &["^titm", "^m", "^l"], endings: &["ice", "ouse"], replacement: "ice" },
    Rule { stems: &["matr", "cod", "mur", "sil", "vert", "ind", "append"], endings: &["ix", "ex"], replacement: "ices" },
    Rule { stems: &["x", "ch", "ss", "sh", "zz"], endings: &[""], replacement: "es" },
    Rule { stems: &["[^ch][ieo][ln]"], endings: &["ey"], replacement: "ies" },
    Rule { stems: &["[^aeiouy]", "qu"], endings: &["y"], replacement: "ies" },
    Rule { stems: &["kni", "wi", "li"], endings: &["fe"], replacement: "ves" },
    Rule { stems: &["ar", "l", "ea", "eo", "oa", "hoo"], endings: &["f"], replacement: "ves" },
    Rule { stems: &[""], endings: &["sis"], replacement: "ses" },
    Rule { stems: &["apheli", "hyperbat", "periheli", "asyndet", "noumen", "phenomen", "criteri", "organ", "prolegomen", "hedr", "automat"], endings: &["a", "on"], replacement: "a" },
    Rule { stems: &["agend", "addend", "millenni", "dat", "extrem", "bacteri", "desiderat", "strat", "candelabr", "errat", "ov", "symposi", "curricul", "automat", "quor"], endings: &["a", "um"], replacement: "a" },
    Rule { stems: &["her", "at", "gr"], endings: &["o"], replacement: "oes" },
    Rule { stems: &["seraph", "cherub"], endings: &["im", ""], replacement: "im" },
    Rule { stems: &["alumn", "alg", "vertebr"], endings: &["a", "ae"], replacement: "ae" },
    Rule { stems: &["alumn", "syllab", "vir", "radi", "nucle", "fung", "cact", "stimul", "termin", "bacill", "foc", "uter", "loc", "strat"], endings: &["us", "i"], replacement: "i" },
    Rule { stems: &["[^l]ias", "[aeiou]las", "[ejzr]as", "[iu]am"], endings: &[""], replacement: "" },
    Rule { stems: &["e[mn]u"], endings: &["s", ""], replacement: "s" },
    Rule { stems: &["alias", "[^aou]us", "tlas", "tmas", "gas", "ris"], endings: &[""], replacement: "es" },
    Rule { stems: &["ax", "test"], endings: &["is"], replacement: "es" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_plurals_clients_ask_for() {
        let pairs = [
            ("Post", "Posts"),
            ("Person", "People"),
            ("Data", "Data"),
            ("todo", "todos"),
            ("URL", "URLS"),
            ("X", "XES"),
            ("SubCategory", "SubCategories"),
            ("UserHero", "UserHeroes"),
            ("WorkMan", "WorkMen"),
            ("German", "Germen"),
            ("JobSeries", "JobSeries"),
            ("Schema", "Schemata"),
            ("Criteria", "Criteria"),
            ("Metadata", "Metadata"),
            ("Feedback", "Feedbacks"),
            ("Quiz", "Quizzes"),
            ("Staff", "Staff"),
            ("Mouse", "Mice"),
            ("BlogMouse", "BlogMouses"),
            ("Knife", "Knives"),
            ("Status", "Statuses"),
            ("Address", "Addresses"),
            ("Child", "Children"),
            ("ID", "IDS"),
            ("My_Person", "My_People"),
            ("Chinese", "Chinese"),
            ("People", "People"),
            ("Thou", "You"),
            ("thief", "thieves"),
            ("passerby", "passersby"),
            ("Looey", "Looies"),
            ("pickaxe", "pickaxes"),
            ("Groove", "Grooves"),
        ];
        for (one, many) in pairs {
            assert_eq!(plural(one), many, "the plural of {one}");
        }
    }

    #[test]
    fn strange_words_have_a_plural_too() {
        for word in ["", "_", "1", "é", "ß", "ǅ", "İ", "s", "S", "[", "^"] {
            plural(word);
        }
    }
}
