//! The inputs of fields that are answered over HTTP (`transformer` 9): parameters of the path, query, body.

use indexmap::IndexMap;

use super::declared::argument;
use super::{Generator, by_name, input, named, non_null, nullable};
use crate::api::types::{InputField, InputRole};
use crate::schema::model::{Argument, Base, Field, Http, HttpMethod};
use crate::schema::naming::http_input;

impl Generator<'_> {
    /// What takes the place of the declared arguments. Parameters are texts; beside them only scalars are sent.
    pub(super) fn http_arguments(
        &mut self,
        owner: &str,
        field: &Field,
        http: &Http,
    ) -> IndexMap<String, InputField> {
        let mut arguments = Vec::new();
        if !http.params.is_empty() {
            let name = http_input(owner, &field.name, "Params");
            let params = http.params.iter();
            let params = params.map(|param| input(param, non_null(named("String"))));
            self.add_input(&name, InputRole::Plain, params.collect());
            arguments.push(input("params", non_null(named(&name))));
        }
        let sent: Vec<&Argument> = field
            .arguments
            .values()
            .filter(|argument| http.params.is_empty() || is_sent(argument, http))
            .collect();
        if !sent.is_empty() {
            arguments.extend(self.query_and_body(owner, field, http, &sent));
        }
        if arguments.is_empty() {
            return by_name(field.arguments.values().map(argument).collect());
        }
        by_name(arguments)
    }

    fn query_and_body(
        &mut self,
        owner: &str,
        field: &Field,
        http: &Http,
        sent: &[&Argument],
    ) -> Vec<InputField> {
        let strict = http.method == HttpMethod::Get;
        let kinds: &[(&str, &str)] = if http.method.has_body() {
            &[("Query", "query"), ("Body", "body")]
        } else {
            &[("Query", "query")]
        };
        let required = strict && sent.iter().any(|argument| argument.ty.required);
        let mut arguments = Vec::new();
        for (kind, name) in kinds {
            let members = sent.iter().map(|sent| {
                let mut member = argument(sent);
                if !strict {
                    member.ty = nullable(member.ty);
                }
                member
            });
            let input_name = http_input(owner, &field.name, kind);
            self.add_input(&input_name, InputRole::Plain, members.collect());
            let ty = named(&input_name);
            arguments.push(input(name, if required { non_null(ty) } else { ty }));
        }
        arguments
    }
}

fn is_sent(argument: &Argument, http: &Http) -> bool {
    matches!(argument.ty.base, Base::Scalar(_)) && !http.params.contains(&argument.name)
}
