//! `@http(url: "…")`: a request to an HTTP server answers the field (`transformer` 9).

use super::{Directive, Parameter, Shape, Site};
use crate::schema::diagnostic::Problems;
use crate::schema::document::{Applied, Value};
use crate::schema::model::{Http, HttpMethod};

/// See the module.
pub(crate) const HTTP: Directive = Directive {
    name: "http",
    sites: &[Site::ModelField, Site::TypeField, Site::RootField],
    repeatable: false,
    parameters: &[
        Parameter::optional(
            "method",
            Shape::Word(&["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ),
        Parameter::required("url", Shape::Text),
        Parameter::optional(
            "headers",
            Shape::Objects(&[
                Parameter::optional("key", Shape::Text),
                Parameter::optional("value", Shape::Text),
            ]),
        ),
    ],
};

/// The request of a directive.
pub(crate) fn read(applied: &Applied, problems: &mut Problems) -> Option<Http> {
    let value = applied.argument("url")?;
    let url = value.text()?;
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        problems.error(
            "http-url",
            value.span,
            format!("`{url}` is no address of an HTTP server."),
            "Write `https://` in front of it.",
        );
        return None;
    };
    let method = applied.argument("method").and_then(Value::word);
    let headers = applied.argument("headers").and_then(Value::items);
    let headers = headers.unwrap_or_default().iter().filter_map(|header| {
        let text = |name: &str| header.get(name).and_then(Value::text).map(str::to_owned);
        Some((text("key")?, text("value").unwrap_or_default()))
    });
    Some(Http {
        method: match method {
            Some("POST") => HttpMethod::Post,
            Some("PUT") => HttpMethod::Put,
            Some("DELETE") => HttpMethod::Delete,
            Some("PATCH") => HttpMethod::Patch,
            _ => HttpMethod::Get,
        },
        url: url.to_owned(),
        params: params(rest),
        headers: headers.collect(),
    })
}

/// The `:names` in the path of an address.
fn params(rest: &str) -> Vec<String> {
    let path = rest.find('/').map_or("", |start| &rest[start..]);
    let mut names = Vec::new();
    for part in path.split(':').skip(1) {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = &part[..end.unwrap_or(part.len())];
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::params;
    use crate::schema::testing::codes;

    #[test]
    fn the_parameters_of_a_path_are_found() {
        assert_eq!(
            params("x.example/a/:id/b/:what_2?c=:d"),
            ["id", "what_2", "d"]
        );
        assert_eq!(params("x.example:8080/a"), [""; 0]);
        assert_eq!(params("x.example"), [""; 0]);
    }

    #[test]
    fn an_address_has_its_scheme() {
        let url = |url: &str| codes(&format!("type Query {{ a: Int @http(url: \"{url}\") }}"));
        assert_eq!(url("https://x.example/:a"), [""; 0]);
        assert_eq!(url("ftp://x.example"), ["http-url"]);
        assert_eq!(url("x.example"), ["http-url"]);
    }
}
