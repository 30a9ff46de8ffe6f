//! The text before it is parsed: its tokens with their places.
//!
//! The parser is grammar-driven and recursive, knows no places inside directive arguments and wants list types written
//! without blanks. A flat walk over the tokens makes up for all three: it bounds the nesting, finds the place of each
//! value inside an argument, and closes the blanks in `[ Post ! ]`.

use std::collections::{HashMap, HashSet};

use super::diagnostic::Span;

/// Deeper nesting than any schema needs; keeps the parser's recursion far from the end of the stack.
const MAX_DEPTH: usize = 64;

/// A token: where it starts, counted for people and in bytes, and its text.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    span: Span,
    offset: usize,
    text: &'a str,
}

/// The tokens of a schema: punctuation, names, numbers and strings; blanks, commas and comments left out.
struct Tokens<'a> {
    source: &'a str,
    offset: usize,
    span: Span,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a str) -> Self {
        Tokens {
            source,
            offset: 0,
            span: Span { line: 1, column: 1 },
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.offset..]
    }

    fn advance(&mut self, bytes: usize) {
        let text = &self.rest()[..bytes];
        let mut previous = self.source[..self.offset].chars().next_back();
        for c in text.chars() {
            match c {
                '\n' if previous == Some('\r') => {}
                '\n' | '\r' => {
                    self.span.line += 1;
                    self.span.column = 1;
                }
                _ => self.span.column += 1,
            }
            previous = Some(c);
        }
        self.offset += bytes;
    }

    fn skip_ignored(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len()
                - rest
                    .trim_start_matches([' ', '\t', ',', '\n', '\r', '\u{feff}'])
                    .len();
            let comment = if rest[blank..].starts_with('#') {
                rest[blank..]
                    .find(['\n', '\r'])
                    .unwrap_or(rest.len() - blank)
            } else {
                0
            };
            if blank + comment == 0 {
                return;
            }
            self.advance(blank + comment);
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_ignored();
        let rest = self.rest();
        let length = token_length(rest)?;
        let token = Token {
            span: self.span,
            offset: self.offset,
            text: &rest[..length],
        };
        self.advance(length);
        Some(token)
    }
}

/// How many bytes the token at the start of a text has; `None` at its end.
fn token_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    Some(if text.starts_with("\"\"\"") {
        block_string_length(text)
    } else if first == '"' {
        string_length(text)
    } else if word(first) || first == '-' {
        let inner = |c: char| word(c) || matches!(c, '.' | '+' | '-');
        text.find(|c| !inner(c)).unwrap_or(text.len())
    } else {
        first.len_utf8()
    })
}

fn block_string_length(text: &str) -> usize {
    let mut from = 3;
    while let Some(found) = text[from..].find("\"\"\"") {
        let at = from + found;
        if text[..at].ends_with('\\') {
            from = at + 3;
        } else {
            return at + 3;
        }
    }
    text.len()
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' | '\r' => return at,
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// Where nesting goes deeper than any schema needs, if anywhere.
pub(crate) fn too_deep(source: &str) -> Option<Span> {
    let mut depth = 0_usize;
    for token in Tokens::new(source) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(token.span);
        }
    }
    None
}

/// The same text with list types written as the parser wants them: `[ Post ! ] !` becomes `[Post!]!` and the blanks
/// follow behind, so that lines, and all places outside the type, stay what they were.
pub(crate) fn close_types(source: &str) -> String {
    let tokens: Vec<Token<'_>> = Tokens::new(source).collect();
    let mut closed = String::with_capacity(source.len());
    let mut copied = 0;
    for (at, token) in tokens.iter().enumerate() {
        let Some(end) = type_after(&tokens, at).filter(|_| token.text == ":") else {
            continue;
        };
        let (start, end) = (tokens[at + 1].offset, end.offset + end.text.len());
        let text = &source[start..end];
        if start < copied || text.contains('#') || !text.contains(char::is_whitespace) {
            continue;
        }
        closed.push_str(&source[copied..start]);
        closed.extend(text.chars().filter(|c| !c.is_whitespace()));
        closed.extend(text.chars().filter(|c| c.is_whitespace()));
        copied = end;
    }
    closed.push_str(&source[copied..]);
    closed
}

/// The last token of the type that follows a colon, if a type follows and has more than one token.
fn type_after<'t, 'a>(tokens: &'t [Token<'a>], colon: usize) -> Option<&'t Token<'a>> {
    let mut open = 0_usize;
    let mut last = None;
    let mut named = false;
    for token in &tokens[colon + 1..] {
        match token.text {
            "[" if !named => open += 1,
            "]" if named && open > 0 => open -= 1,
            "!" if named => {}
            name if !named && is_name(name) => named = true,
            _ => break,
        }
        last = Some(token);
    }
    last.filter(|_| named && open == 0)
}

/// Whether a text is a GraphQL name.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where the parts of a value stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    /// Where the value starts.
    pub(crate) span: Span,
    /// Its elements or fields.
    pub(crate) parts: Vec<Part>,
}

impl Place {
    /// Where an element stands; the list itself if it is not known.
    pub(crate) fn element(&self, at: usize) -> &Place {
        self.parts.get(at).map_or(self, |part| &part.place)
    }

    /// Where a field's name and value stand; the object itself if they are not known.
    pub(crate) fn field(&self, name: &str) -> (Span, &Place) {
        self.parts
            .iter()
            .rev()
            .find_map(|part| match &part.key {
                Some((key, span)) if key == name => Some((*span, &part.place)),
                _ => None,
            })
            .unwrap_or((self.span, self))
    }
}

impl Place {
    /// The fields that an object in it has twice: the parser keeps only the last of them.
    pub(crate) fn repeated(&self) -> Vec<&(String, Span)> {
        let mut repeated = Vec::new();
        let mut seen = HashSet::new();
        for part in &self.parts {
            repeated.extend(part.key.iter().filter(|(name, _)| !seen.insert(name)));
            repeated.extend(part.place.repeated());
        }
        repeated
    }
}

/// An element of a list or a field of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    /// A field's name and where that stands.
    pub(crate) key: Option<(String, Span)>,
    /// Where the value stands.
    pub(crate) place: Place,
}

/// The places of all values that start at some point of a schema.
pub(crate) struct Places<'a> {
    tokens: Vec<Token<'a>>,
    by_span: HashMap<Span, usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let tokens: Vec<Token<'a>> = Tokens::new(source).collect();
        let by_span = tokens
            .iter()
            .enumerate()
            .map(|(at, token)| (token.span, at))
            .collect();
        Places { tokens, by_span }
    }

    /// The parts of the value that starts here.
    pub(crate) fn of(&self, span: Span) -> Place {
        match self.by_span.get(&span) {
            Some(at) => self.read(*at, 0).0,
            None => Place {
                span,
                parts: Vec::new(),
            },
        }
    }

    /// The value at a token, and the token behind it.
    fn read(&self, at: usize, depth: usize) -> (Place, usize) {
        let mut place = Place::default();
        let Some(token) = self.tokens.get(at) else {
            return (place, at);
        };
        place.span = token.span;
        if !matches!(token.text, "[" | "{") || depth > MAX_DEPTH {
            return (place, at + 1);
        }
        let mut next = at + 1;
        while let Some(inner) = self.tokens.get(next) {
            if matches!(inner.text, "]" | "}") {
                return (place, next + 1);
            }
            let key = (token.text == "{").then(|| (inner.text.to_owned(), inner.span));
            if key.is_some() {
                next += 2;
            }
            let (value, behind) = self.read(next, depth + 1);
            place.parts.push(Part { key, place: value });
            next = behind;
        }
        (place, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_strings_and_comments() {
        let deep = "[".repeat(100);
        assert_eq!(
            too_deep(&format!("\"{deep}\" # {deep}\n\"\"\"{deep}\"\"\"")),
            None
        );
        assert_eq!(
            too_deep(&format!("type A\n{deep}")),
            Some(Span {
                line: 2,
                column: 65
            })
        );
        assert_eq!(too_deep(&"{}()[]".repeat(1000)), None);
    }

    #[test]
    fn list_types_may_be_written_with_blanks() {
        assert_eq!(
            close_types("type A { b: [ B ! ] !, c(d: Int = 1): [\nC ] x: [ \"a\" ] }"),
            "type A { b: [B!]!    , c(d: Int = 1): [C]\n  x: [ \"a\" ] }"
        );
    }

    #[test]
    fn the_parts_of_a_value_have_places() {
        let source = "x: [{ a: 1, b: [\"}\"] },\n {a: 2}]";
        let place = Places::new(source).of(Span { line: 1, column: 4 });
        let second = &place.parts[1].place;
        assert_eq!(second.span, Span { line: 2, column: 2 });
        let key = second.parts[0].key.clone();
        assert_eq!(key, Some(("a".to_owned(), Span { line: 2, column: 3 })));
        let text = &place.parts[0].place.parts[1].place;
        assert_eq!(
            text.span,
            Span {
                line: 1,
                column: 16
            }
        );
    }
}
