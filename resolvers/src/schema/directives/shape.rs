//! What arguments look like, and whether they do.

use crate::schema::diagnostic::{Problems, Span};
use crate::schema::document::{Argument, Kind, Value};
use crate::schema::suggestion::did_you_mean;

/// An argument of a directive, or a field of an object inside one.
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) shape: Shape,
    /// Whether it must be given.
    pub(crate) required: bool,
}

impl Parameter {
    /// A parameter that may be left out.
    pub(crate) const fn optional(name: &'static str, shape: Shape) -> Self {
        Parameter {
            name,
            shape,
            required: false,
        }
    }

    /// A parameter that must be given.
    pub(crate) const fn required(name: &'static str, shape: Shape) -> Self {
        Parameter {
            name,
            shape,
            required: true,
        }
    }
}

/// What a value looks like. Lists take a single value too, as GraphQL's input coercion does.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A whole number.
    Whole,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// An object with these fields.
    Object(&'static [Parameter]),
    /// A list of objects with these fields.
    Objects(&'static [Parameter]),
}

/// Reports arguments that are unknown, missing, or not of their shape.
pub(crate) fn check_arguments(
    parameters: &[Parameter],
    given: &[Argument],
    span: Span,
    what: &str,
    problems: &mut Problems,
) {
    for argument in given {
        let known = parameters
            .iter()
            .find(|parameter| parameter.name == argument.name);
        match known {
            Some(parameter) => check_value(parameter, &argument.value, what, problems),
            None => unknown_argument(parameters, argument, what, problems),
        }
    }
    for parameter in parameters.iter().filter(|parameter| parameter.required) {
        if !given.iter().any(|argument| argument.name == parameter.name) {
            problems.error(
                "missing-argument",
                span,
                format!("{what} needs `{}`.", parameter.name),
                format!("Add `{}: {}`.", parameter.name, example(parameter.shape)),
            );
        }
    }
}

fn unknown_argument(
    parameters: &[Parameter],
    argument: &Argument,
    what: &str,
    problems: &mut Problems,
) {
    let names = parameters.iter().map(|parameter| parameter.name);
    let list: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
    let otherwise = match list.as_slice() {
        [] => "Remove it; nothing is expected here.".to_owned(),
        list => format!("Remove it; {what} takes {}.", list.join(", ")),
    };
    problems.error(
        "unknown-argument",
        argument.span,
        format!("{what} has no argument `{}`.", argument.name),
        did_you_mean(&argument.name, names, &otherwise),
    );
}

fn check_value(parameter: &Parameter, value: &Value, what: &str, problems: &mut Problems) {
    if value.is_null() {
        if parameter.required {
            wrong(parameter, value, what, problems);
        }
        return;
    }
    match parameter.shape {
        Shape::Text | Shape::Whole | Shape::Word(_) | Shape::Object(_) => {
            check_single(parameter, value, what, problems);
        }
        Shape::Texts | Shape::Words(_) | Shape::Objects(_) => {
            for item in value.items().unwrap_or_default() {
                check_single(parameter, item, what, problems);
            }
        }
    }
}

fn check_single(parameter: &Parameter, value: &Value, what: &str, problems: &mut Problems) {
    match (parameter.shape, &value.kind) {
        (Shape::Text | Shape::Texts, Kind::Text(_)) => {}
        (Shape::Whole, Kind::Number(number)) if number.as_i64().is_some() => {}
        (Shape::Word(words) | Shape::Words(words), Kind::Word(word)) => {
            if !words.contains(&word.as_str()) {
                problems.error(
                    "unknown-word",
                    value.span,
                    format!("`{}` cannot be `{word}`.", parameter.name),
                    did_you_mean(
                        word,
                        words.iter().copied(),
                        &format!("It is one of {}.", words.join(", ")),
                    ),
                );
            }
        }
        (Shape::Object(fields) | Shape::Objects(fields), Kind::Object(given)) => {
            let inner = format!("`{}` of {what}", parameter.name);
            check_arguments(fields, given, value.span, &inner, problems);
        }
        _ => wrong(parameter, value, what, problems),
    }
}

fn wrong(parameter: &Parameter, value: &Value, what: &str, problems: &mut Problems) {
    problems.error(
        "wrong-argument",
        value.span,
        format!(
            "`{}` of {what} is not {}.",
            parameter.name,
            expected(parameter.shape)
        ),
        format!("Write `{}: {}`.", parameter.name, example(parameter.shape)),
    );
}

fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "a string",
        Shape::Texts => "a list of strings",
        Shape::Whole => "a whole number",
        Shape::Word(_) => "one of the words it may be",
        Shape::Words(_) => "a list of words",
        Shape::Object(_) => "an object",
        Shape::Objects(_) => "a list of objects",
    }
}

/// How a value of the shape may look.
fn example(shape: Shape) -> String {
    let field = |fields: &[Parameter]| {
        let first = fields
            .iter()
            .find(|field| field.required)
            .or(fields.first());
        first.map_or_else(String::new, |field| {
            format!("{}: {}", field.name, example(field.shape))
        })
    };
    match shape {
        Shape::Text => "\"…\"".to_owned(),
        Shape::Texts => "[\"…\"]".to_owned(),
        Shape::Whole => "100".to_owned(),
        Shape::Word(words) => words.first().copied().unwrap_or_default().to_owned(),
        Shape::Words(words) => format!("[{}]", words.first().copied().unwrap_or_default()),
        Shape::Object(fields) => format!("{{ {} }}", field(fields)),
        Shape::Objects(fields) => format!("[{{ {} }}]", field(fields)),
    }
}
