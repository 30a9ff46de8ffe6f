//! Subscriptions that the schema writes by hand (`realtime` 3 and 4.1, `resolvers` 2.4).

use serde_json::{Value, json};

use crate::support::server::Socket;
use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/published.graphql"));

/// Subscribed to one field.
async fn listener(site: &Site, field: &str) -> Socket {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization("aws-amplify/6.22.1");
    let query = format!("subscription {{ {field} }}");
    socket.subscribe("s", &query, &authorization).await;
    socket
}

/// The value of the next event.
async fn event(socket: &mut Socket) -> Value {
    let frame = socket.frame().await;
    assert_eq!(frame["type"], "data", "{frame}");
    assert_eq!(frame["payload"].get("errors"), None, "{frame}");
    let data = frame["payload"]["data"].as_object().expect("data").clone();
    data.values().next().expect("a field").clone()
}

/// Why a subscription is refused.
async fn refused(site: &Site, field: &str) -> Value {
    let mut socket = site.server.session().await;
    let authorization = site.server.authorization("aws-amplify/6.22.1");
    let query = format!("subscription {{ {field} }}");
    socket.start("s", &query, &authorization).await;
    let frame = socket.frame().await;
    assert_eq!(
        (&frame["type"], &frame["id"]),
        (&json!("error"), &json!("s"))
    );
    frame["payload"]["errors"][0].clone()
}

async fn message(site: &Site, mutation: &str, input: Value) {
    site.mutate(mutation, input, "id").await.value();
}

async fn publish(site: &Site, field: &str) -> Value {
    site.ask(&format!("mutation {{ {field} }}"), json!({}))
        .await
        .value()
}

on_both_stores! { PLAN;

/// One subscription of several generated mutations gets the whole record of each write, whatever the mutations select.
async fn one_subscription_is_told_of_several_generated_mutations(site: &Site) {
    let mut socket = listener(site, "onMessage(channel: \"a\") { id text rank _version _deleted place { city } author { id } }").await;
    message(site, "createMessage", json!({"id": "1", "channel": "b", "text": "elsewhere"})).await;
    message(site, "createMessage", json!({"id": "2", "channel": "a", "text": "x", "place": {"city": "Oslo"}, "authorMessagesId": "u"})).await;
    message(site, "updateMessage", json!({"id": "2", "rank": 5, "_version": 1})).await;
    message(site, "updateMessage", json!({"id": "1", "channel": "a", "_version": 1})).await;
    message(site, "deleteMessage", json!({"id": "2", "_version": 2})).await;
    let mut expected = json!({"id": "2", "text": "x", "rank": null, "_version": 1, "_deleted": null,
        "place": {"city": "Oslo"}, "author": {"id": "u"}});
    assert_eq!(event(&mut socket).await, expected);
    expected["rank"] = json!(5);
    expected["_version"] = json!(2);
    assert_eq!(event(&mut socket).await, expected);
    assert_eq!(event(&mut socket).await["text"], "elsewhere");
    expected["_version"] = json!(3);
    expected["_deleted"] = json!(true);
    assert_eq!(event(&mut socket).await, expected);
}

/// A model whose own subscriptions are switched off may still be listened to by hand, for some kinds of writes.
async fn a_model_without_subscriptions_is_listened_to_by_hand(site: &Site) {
    let mut socket = listener(site, "onQuiet { id _version }").await;
    message(site, "createQuiet", json!({"id": "q"})).await;
    message(site, "updateQuiet", json!({"id": "q", "_version": 1})).await;
    message(site, "deleteQuiet", json!({"id": "q", "_version": 2})).await;
    assert_eq!(event(&mut socket).await, json!({"id": "q", "_version": 3}));
}

/// Section 4.1: arguments are ANDed; one that is left out asks for nothing, null asks for null; numbers compare by value.
async fn arguments_are_what_the_fields_of_an_event_have_to_be(site: &Site) {
    let mut ranked = listener(site, "onMessage(channel: \"a\", rank: 7) { id }").await;
    let mut unranked = listener(site, "onMessage(channel: \"a\", rank: null) { id }").await;
    let mut all = listener(site, "onMessage(channel: \"a\") { id }").await;
    for (id, input) in [
        ("none", json!({})),
        ("null", json!({"rank": null})),
        ("seven", json!({"rank": 7})),
        ("eight", json!({"rank": 8})),
    ] {
        let mut whole = json!({"id": id, "channel": "a"});
        whole.as_object_mut().expect("an object").extend(input.as_object().expect("an object").clone());
        message(site, "createMessage", whole).await;
    }
    for id in ["none", "null", "seven", "eight"] {
        assert_eq!(event(&mut all).await, json!({"id": id}));
    }
    assert_eq!(event(&mut ranked).await, json!({"id": "seven"}));
    for id in ["none", "null"] {
        assert_eq!(event(&mut unranked).await, json!({"id": id}));
    }
    message(site, "createMessage", json!({"id": "last", "channel": "a", "rank": 7})).await;
    assert_eq!(event(&mut ranked).await, json!({"id": "last"}), "and nothing in between");
}

/// Only generated subscriptions have filters: by hand `filter` is an argument like any other.
async fn an_argument_called_filter_is_a_field_like_any_other(site: &Site) {
    let mut socket = listener(site, "onFiltered(filter: {city: \"Oslo\"}) { id }").await;
    let mut all = listener(site, "onFiltered { id }").await;
    message(site, "createMessage", json!({"id": "1", "channel": "a", "place": {"city": "Oslo"}})).await;
    assert_eq!(event(&mut all).await, json!({"id": "1"}));
    socket.send(json!({"type": "stop", "id": "s"})).await;
    assert_eq!(socket.frame().await["type"], "complete", "no record has such a field");
}

/// Section 2.4: a mutation without code that a subscription is told of answers its arguments and stores nothing.
async fn a_mutation_without_code_publishes_its_arguments(site: &Site) {
    let mut socket = listener(site, "onPlace { __typename name lat lng mood tags at { city lines } }").await;
    let selection = "name lat lng mood tags at { city lines }";
    let answer = publish(site, &format!("publishPlace(name: \"n\", lat: 1.50, mood: WILD, tags: [\"a\", null], at: {{city: \"Oslo\"}}) {{ {selection} }}")).await;
    let expected = json!({"name": "n", "lat": serde_json::from_str::<Value>("1.50").expect("a number"), "lng": null,
        "mood": "WILD", "tags": ["a", null], "at": {"city": "Oslo", "lines": null}});
    assert_eq!(answer, expected);
    let mut told = event(&mut socket).await;
    assert_eq!(told.as_object_mut().expect("an object").shift_remove("__typename"), Some(json!("Place")));
    assert_eq!(told, expected);
}

/// Section 2.4: where `input` is the only argument its members are what is published.
async fn the_members_of_an_input_are_published(site: &Site) {
    let mut socket = listener(site, "onPlace { name lat tags }").await;
    let answer = publish(site, "publishPlaces(input: {name: \"n\", lat: 3, tags: []}) { name lat tags }").await;
    assert_eq!(answer, json!({"name": "n", "lat": 3, "tags": []}));
    assert_eq!(event(&mut socket).await, answer);
}

/// Section 3: subscribers get what they select of what the mutation selects, by the names of fields; a required field that
/// the mutation leaves out keeps the event back.
async fn subscribers_see_what_the_mutation_selected(site: &Site) {
    let mut whole = listener(site, "onPlace { name lat tags at { city lines } }").await;
    let mut part = listener(site, "onPlace { position: lat at { lines } }").await;
    publish(site, "publishPlace(name: \"n\", lat: 1, lng: 2, tags: [\"t\"], at: {city: \"Oslo\", lines: [\"l\"]}) { called: name at { city } }").await;
    publish(site, "publishPlace(name: \"m\", lat: 2) { name lat }").await;
    let at = json!({"city": "Oslo", "lines": null});
    assert_eq!(event(&mut whole).await, json!({"name": "n", "lat": null, "tags": null, "at": at}));
    assert_eq!(event(&mut part).await, json!({"position": null, "at": {"lines": null}}));
    assert_eq!(event(&mut whole).await, json!({"name": "m", "lat": 2, "tags": null, "at": null}));
    assert_eq!(event(&mut part).await, json!({"position": 2, "at": null}));
    publish(site, "publishPlace(name: \"o\", lat: 3) { lat }").await;
    assert_eq!(event(&mut part).await, json!({"position": 3, "at": null}));
    publish(site, "publishPlace(name: \"p\") { name }").await;
    assert_eq!(event(&mut whole).await["name"], "p", "what was without a name is kept back");
}

/// Section 4.1: arguments are compared with the published fields, which the mutation has to select.
async fn arguments_are_compared_with_the_result(site: &Site) {
    let mut named = listener(site, "onPlace(name: \"here\") { name lat }").await;
    let mut at = listener(site, "onPlace(lat: 2, mood: CALM) { name }").await;
    for (fields, selection) in [
        ("name: \"there\", lat: 2, mood: WILD", "name lat mood"),
        ("name: \"here\", lat: 2, mood: CALM", "lat mood"),
        ("name: \"here\", lat: 2.0, mood: CALM", "name lat mood"),
    ] {
        publish(site, &format!("publishPlace({fields}) {{ {selection} }}")).await;
    }
    assert_eq!(event(&mut named).await, json!({"name": "here", "lat": serde_json::from_str::<Value>("2.0").expect("a number")}));
    assert_eq!(event(&mut at).await, json!({"name": "here"}));
}

/// Section 3: a mutation that answers null publishes nothing; neither does one that nobody is told of.
async fn what_answers_null_is_not_published(site: &Site) {
    let mut socket = listener(site, "onPlace { name }").await;
    assert_eq!(publish(site, "unheard(name: \"x\") { name }").await, Value::Null);
    let wrong = site.ask("mutation { publishPlace(name: null) { name } }", json!({})).await;
    wrong.invalid();
    let skipped = "mutation q($no: Boolean!) { publishPlace(name: \"skipped\") @include(if: $no) { name } unheard { name } }";
    assert_eq!(site.ask(skipped, json!({"no": false})).await.0["data"], json!({"unheard": null}));
    publish(site, "publishPlace(name: \"told\") { name }").await;
    assert_eq!(event(&mut socket).await, json!({"name": "told"}));
}

/// A subscription that could never be told anything is refused and says why.
async fn a_subscription_of_nothing_is_refused(site: &Site) {
    let error = refused(site, "onNothing { name }").await;
    assert_eq!(
        error["message"],
        "Nothing is published to 'onNothing': no mutation in its @aws_subscribe is served and of its type."
    );
    let error = refused(site, "onMessage { id }").await;
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("channel"), "{message}");
}

/// A stop ends it, a start with the same id replaces it, and a new schema goes on with what still fits.
async fn it_ends_is_replaced_and_outlives_a_schema_like_any_other(site: &mut Site) {
    let mut socket = listener(site, "onPlace { name }").await;
    let authorization = site.server.authorization("aws-amplify/6.22.1");
    socket.subscribe("s", "subscription { onPlace { tags } }", &authorization).await;
    publish(site, "publishPlace(name: \"1\", tags: [\"a\"]) { name tags }").await;
    assert_eq!(event(&mut socket).await, json!({"tags": ["a"]}));
    let wider = include_str!("../../schemas/published.graphql").replace("  lng: Float\n", "  lng: Float\n  height: Float\n");
    site.reload(&wider).await;
    publish(site, "publishPlace(name: \"2\", tags: [\"b\"]) { height tags }").await;
    assert_eq!(event(&mut socket).await, json!({"tags": ["b"]}));
    socket.send(json!({"type": "stop", "id": "s"})).await;
    assert_eq!(socket.frame().await, json!({"type": "complete", "id": "s"}));
    publish(site, "publishPlace(name: \"3\", tags: [\"c\"]) { tags }").await;
    socket.subscribe("t", "subscription { onPlace { tags } }", &authorization).await;
    publish(site, "publishPlace(name: \"4\", tags: [\"d\"]) { tags }").await;
    assert_eq!(event(&mut socket).await, json!({"tags": ["d"]}));
}
}
