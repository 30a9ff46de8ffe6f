//! Real schemas with a few words out of place: nothing panics or hangs, neither in reading them nor in what is made of
//! those that still load.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::hostile::survive;
use crate::api::{client_models, generate, sdl};
use crate::schema::load;
use crate::schema::overrides::Overrides;

/// The golden schemas as words, with the blanks behind each.
static GOLDENS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path().join("schema.graphql"))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| words(&fs::read_to_string(file).expect("a schema")))
        .collect()
});

/// Names, texts, and each other letter alone.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '"' | '-' | '.');
    let mut before = ' ';
    for c in text.chars() {
        let goes_on = c.is_whitespace() || c == ',' || (is_inner(c) && is_inner(before));
        if !goes_on {
            words.push(String::new());
        }
        words.last_mut().expect("there is one").push(c);
        before = c;
    }
    words
}

/// What happens to a word.
#[derive(Debug, Clone)]
enum Edit {
    Leave,
    Double,
    Exchange(prop::sample::Index),
    Replace(prop::sample::Index),
    Nest(&'static str, &'static str, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let brackets =
        prop::sample::select(&[("[", "]"), ("{", "}"), ("(", ")"), ("[", ""), ("{", "")][..]);
    prop_oneof![
        Just(Edit::Leave),
        Just(Edit::Double),
        any::<prop::sample::Index>().prop_map(Edit::Exchange),
        any::<prop::sample::Index>().prop_map(Edit::Replace),
        (brackets, 1_usize..100).prop_map(|((open, close), depth)| Edit::Nest(open, close, depth)),
    ]
}

fn edited(words: &[String], edits: &[(prop::sample::Index, Edit)]) -> String {
    let mut words = words.to_vec();
    for (at, edit) in edits {
        let at = at.index(words.len());
        match edit {
            Edit::Leave => words[at].clear(),
            Edit::Double => words[at] = words[at].repeat(2),
            Edit::Exchange(with) => {
                let with = with.index(words.len());
                words.swap(at, with);
            }
            Edit::Replace(by) => {
                let by = by.index(words.len());
                words[at] = words[by].clone();
            }
            Edit::Nest(open, close, depth) => {
                let word = &words[at];
                words[at] = format!("{}{word}{}", open.repeat(*depth), close.repeat(*depth));
            }
        }
    }
    words.concat()
}

/// Everything that is made of a text: problems, or an API and the models of clients.
fn use_up(text: &str) {
    survive(text);
    if let Ok(loaded) = load(text) {
        let types = generate::generate(&loaded.schema);
        assert!(!sdl::sdl_with_directives(&types).is_empty());
    }
    // Clients' generators read schemas that do not load, too.
    let models = client_models::client_models(text);
    let introspection = client_models::model_introspection(text, &Overrides::new());
    assert_eq!(models.is_some(), introspection.is_some());
}

#[test]
fn the_goldens_are_their_words() {
    for words in GOLDENS.iter() {
        assert!(words.len() > 50);
        use_up(&words.concat());
    }
}

proptest! {
    #[test]
    fn a_real_schema_with_words_out_of_place_has_an_answer(
        golden in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..5),
    ) {
        use_up(&edited(&GOLDENS[golden.index(GOLDENS.len())], &edits));
    }
}
