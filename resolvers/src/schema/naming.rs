//! The names the transformer makes (`transformer` 2): clients build the same ones, so they are part of the contract.

use md5::{Digest, Md5};

use super::model::{KeyFields, Operations};

/// The first letter upper, the rest as it is.
pub(crate) fn upper_first(name: &str) -> String {
    change_first(name, |first| first.to_ascii_uppercase())
}

/// The first letter lower, the rest as it is.
pub(crate) fn lower_first(name: &str) -> String {
    change_first(name, |first| first.to_ascii_lowercase())
}

fn change_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", change(first), letters.as_str())
    })
}

/// `blogPostsId`: what implicit relations call the field that holds one part of the other side's key.
pub(crate) fn foreign_key(owner: &str, field: &str, key_field: &str) -> String {
    format!(
        "{}{}{}",
        lower_first(owner),
        upper_first(field),
        upper_first(key_field)
    )
}

/// `gsi-Blog.posts`: the index of an implicit has-many, and of relations by `references`.
pub(crate) fn relation_index(owner: &str, field: &str) -> String {
    format!("gsi-{owner}.{field}")
}

/// `ordersByCustomerIdAndStatus`: the query of an index that does not name one.
pub(crate) fn index_query(plural: &str, key: &KeyFields) -> String {
    let sort: String = key
        .sort
        .iter()
        .map(|field| format!("And{}", upper_first(field)))
        .collect();
    format!(
        "{}By{}{sort}",
        lower_first(plural),
        upper_first(&key.partition)
    )
}

/// The field of a join model that leads to one side.
pub(crate) fn join_field(side: &str) -> String {
    lower_first(side)
}

/// What the generator of client models calls the field of a join model that leads to one side: it splits the name into
/// words where the API only changes the first letter, so for `tag_item` the two disagree.
pub(crate) fn client_join_field(side: &str) -> String {
    let mut name = String::new();
    for (position, word) in words(side).into_iter().enumerate() {
        let word = word.to_ascii_lowercase();
        match word.as_bytes().first() {
            _ if position == 0 => name.push_str(&word),
            Some(first) if first.is_ascii_digit() => {
                name.push('_');
                name.push_str(&word);
            }
            _ => name.push_str(&upper_first(&word)),
        }
    }
    name
}

/// The words of a name: parted by `_`, between a lower and an upper letter, and before the last of several upper
/// letters.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins || *letter == '_' {
            words.push(String::new());
        }
        if *letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.push(*letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The fields of a join model that hold one side's key. Sort fields are appended as they are, not capitalised.
pub(crate) fn join_key(side: &str, key: &KeyFields) -> Vec<String> {
    let side_name = lower_first(side);
    let partition = format!("{side_name}{}", upper_first(&key.partition));
    std::iter::once(partition)
        .chain(key.sort.iter().map(|field| format!("{side_name}{field}")))
        .collect()
}

/// The index of a join model over one side's key.
pub(crate) fn join_index(side: &str) -> String {
    format!("by{side}")
}

/// The operations of a model whose `@model` has no arguments.
pub(crate) fn operations(model: &str, plural: &str) -> Operations {
    let one = upper_first(model);
    let many = upper_first(plural);
    Operations {
        get: Some(format!("get{one}")),
        list: Some(format!("list{many}")),
        sync: Some(format!("sync{many}")),
        create: Some(format!("create{one}")),
        update: Some(format!("update{one}")),
        delete: Some(format!("delete{one}")),
        search: None,
        on_create: vec![subscription("onCreate", model)],
        on_update: vec![subscription("onUpdate", model)],
        on_delete: vec![subscription("onDelete", model)],
        open_subscriptions: false,
    }
}

/// The search query of a searchable model.
pub(crate) fn search_query(plural: &str) -> String {
    format!("search{}", upper_first(plural))
}

/// An input of a field that is answered over HTTP; `kind` is `Params`, `Query` or `Body`.
pub(crate) fn http_input(owner: &str, field: &str, kind: &str) -> String {
    format!("{}{}{kind}Input", upper_first(owner), upper_first(field))
}

/// The longest a generated subscription name may be.
const SUBSCRIPTION_LENGTH: usize = 50;

/// `onCreatePost`; a name that would be too long ends in five hex digits of its MD5.
fn subscription(event: &str, model: &str) -> String {
    let name = format!("{event}{}", upper_first(model));
    if name.len() <= SUBSCRIPTION_LENGTH {
        return name;
    }
    let digest = Md5::digest(name.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{}", &name[..SUBSCRIPTION_LENGTH - 5], &hex[..5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::plural::plural;

    fn key(fields: &[&str]) -> KeyFields {
        KeyFields {
            partition: fields[0].to_owned(),
            sort: fields[1..]
                .iter()
                .map(|field| (*field).to_owned())
                .collect(),
        }
    }

    #[test]
    fn operations_are_named_after_the_model() {
        let names = |model: &str| {
            let operations = operations(model, &plural(model));
            [operations.get, operations.list, operations.sync]
                .map(|name| name.expect("all operations are on"))
        };
        assert_eq!(names("Person"), ["getPerson", "listPeople", "syncPeople"]);
        assert_eq!(names("todo"), ["getTodo", "listTodos", "syncTodos"]);
        assert_eq!(
            names("snake_lower"),
            ["getSnake_lower", "listSnake_lowers", "syncSnake_lowers"]
        );
    }

    #[test]
    fn a_subscription_name_over_fifty_characters_ends_in_a_hash() {
        let model = "AnExtraordinarilyLongModelNameForASubscription";
        let name = &operations(model, model).on_create[0];
        assert_eq!(name, "onCreateAnExtraordinarilyLongModelNameForASub3a7ea");
    }

    #[test]
    fn index_queries_list_their_fields() {
        assert_eq!(
            index_query("Orders", &key(&["customerId", "status", "date"])),
            "ordersByCustomerIdAndStatusAndDate"
        );
    }

    #[test]
    fn foreign_keys_are_named_after_relation_and_key() {
        assert_eq!(foreign_key("Blog", "posts", "id"), "blogPostsId");
        assert_eq!(
            foreign_key("my_blog", "all_posts", "id"),
            "my_blogAll_postsId"
        );
        assert_eq!(
            join_key("Course", &key(&["courseId", "term"])),
            ["courseCourseId", "courseterm"]
        );
    }
}
