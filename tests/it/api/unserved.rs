//! What the API has and no code stands behind: answered null, and said clearly (`transformer.md` 9).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/unserved.graphql"));

/// Data and the path and message of each error; none of them has a type.
async fn answer(site: &Site, query: &str) -> (Value, Vec<(Value, String)>) {
    let body = site.ask(query, json!({})).await.0;
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let errors = errors.iter().map(|error| {
        assert_eq!(
            (&error["errorType"], &error["data"]),
            (&Value::Null, &Value::Null),
            "{error}"
        );
        assert_eq!(
            error["locations"].as_array().map(Vec::len),
            Some(1),
            "{error}"
        );
        let message = error["message"].as_str().expect("a message");
        (error["path"].clone(), message.to_owned())
    });
    (body["data"].clone(), errors.collect())
}

fn told(path: Value, what: &str) -> (Value, String) {
    (path, format!("{what} is not served yet."))
}

const FUNCTION: &str = "A function (`@function`)";
const REQUEST: &str = "A request (`@http`)";
const SEARCH: &str = "Searching (`@searchable`)";

on_both_stores! { PLAN;

/// Operations behind functions, requests and searches are null with an error; the rest of the request is answered.
async fn operations_that_are_not_served_are_null_and_say_so(site: &Site) {
    let query = "{ similar(title: \"x\") { id } weather(params: {city: \"Oslo\"}) { text } searchBooks(limit: 1) { items { id } total } nothing { text } listBooks { items { id } } }";
    let (data, errors) = answer(site, query).await;
    assert_eq!(
        data,
        json!({"similar": null, "weather": null, "searchBooks": null, "nothing": null, "listBooks": {"items": []}})
    );
    assert_eq!(
        errors,
        [told(json!(["similar"]), FUNCTION), told(json!(["weather"]), REQUEST), told(json!(["searchBooks"]), SEARCH)]
    );
    let query = "mutation { enrich(id: \"b\") { id } order(query: {id: \"b\"}, body: {id: \"b\"}) { text } quiet createBook(input: {id: \"b\", title: \"t\"}) { title } }";
    let (data, errors) = answer(site, query).await;
    assert_eq!(data, json!({"enrich": null, "order": null, "quiet": null, "createBook": {"title": "t"}}));
    assert_eq!(errors, [told(json!(["enrich"]), FUNCTION), told(json!(["order"]), REQUEST)]);
}

/// A required operation takes everything with it, as the specification says.
async fn a_required_operation_that_is_not_served_leaves_no_data(site: &Site) {
    let (data, errors) = answer(site, "{ must { text } listBooks { items { id } } }").await;
    assert_eq!(data, Value::Null);
    assert_eq!(errors, [told(json!(["must"]), FUNCTION)]);
}

/// Fields of records too; where an error would harm, in syncs, answers of mutations and events, they are null alone.
async fn fields_that_are_not_served_are_null_and_say_so_where_that_harms_nobody(site: &Site) {
    let fields = "title summary(length: 3) rating";
    let made = site.mutate("createBook", json!({"id": "b", "title": "t"}), fields).await.value();
    assert_eq!(made, json!({"title": "t", "summary": null, "rating": null}));
    let synced = site.read(&format!("{{ syncBooks {{ items {{ {fields} }} }} }}")).await;
    assert_eq!(synced["items"], json!([made]));
    let (data, errors) = answer(site, &format!("{{ getBook(id: \"b\") {{ {fields} }} }}")).await;
    assert_eq!(data["getBook"], made);
    assert_eq!(
        errors,
        [told(json!(["getBook", "summary"]), FUNCTION), told(json!(["getBook", "rating"]), REQUEST)]
    );
    let (_, errors) = answer(site, "{ listBooks { items { summary } } }").await;
    assert_eq!(errors, [told(json!(["listBooks", "items", 0, "summary"]), FUNCTION)]);
}

/// A subscription of a mutation that is not served is refused, and says so.
async fn a_subscription_of_what_is_not_served_is_refused(site: &Site) {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization("aws-amplify/6.22.1");
    socket.start("s", "subscription { onEnrich { id } }", &authorization).await;
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "error", "{frame}");
    let message = &frame["payload"]["errors"][0]["message"];
    assert_eq!(
        *message,
        "Nothing is published to 'onEnrich': no mutation in its @aws_subscribe is served and of its type."
    );
}
}
