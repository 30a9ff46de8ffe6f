//! What documents mean, and which are refused.

use serde_json::json;

use super::serve;
use crate::api::Reply;

#[tokio::test]
async fn a_created_record_is_answered_synced_and_read_back() {
    let api = serve();
    let created = api
        .text(
            "mutation operation($input: CreatePostInput!) { createPost(input: $input) {
                id title rating score tags place { city lines } blogID _version _lastChangedAt _deleted } }",
            json!({"input": {"id": "p1", "title": "A \"quoted\" title", "score": 1.50, "tags": ["a", null],
                "place": {"city": "Kiel"}}}),
        )
        .await;
    assert_eq!(
        created,
        r#"{"data":{"createPost":{"id":"p1","title":"A \"quoted\" title","rating":null,"score":1.50,"tags":["a",null],"place":{"city":"Kiel","lines":null},"blogID":null,"_version":1,"_lastChangedAt":1700000000000,"_deleted":null}}}"#
            .replace("1.50", "1.5")
    );
    let synced = api
        .ask(
            "query operation($limit: Int, $nextToken: String, $lastSync: AWSTimestamp, $filter: ModelPostFilterInput) {
               syncPosts(limit: $limit nextToken: $nextToken lastSync: $lastSync filter: $filter) {
                 items { id _version } nextToken startedAt } }",
            json!({"limit": 1000, "nextToken": null, "lastSync": 0, "filter": null}),
        )
        .await;
    let page = &synced["data"]["syncPosts"];
    assert_eq!(page["items"], json!([{"id": "p1", "_version": 1}]));
    assert!(
        page["nextToken"].is_null() && page["startedAt"].is_i64(),
        "{page}"
    );
}

#[tokio::test]
async fn number_literals_keep_their_text() {
    let api = serve();
    let variables = serde_json::from_str(r#"{"input": {"id": "p", "score": 1.10}}"#).unwrap();
    let document = "mutation M($input: CreatePostInput!) { createPost(input: $input) { score } }";
    let answer = api.text(document, variables).await;
    assert_eq!(answer, r#"{"data":{"createPost":{"score":1.10}}}"#);
    let literal = "mutation { createPost(input: {id: \"q\", score: 0.50}) { score } }";
    assert_eq!(
        api.text(literal, json!({})).await,
        r#"{"data":{"createPost":{"score":0.50}}}"#
    );
}

#[tokio::test]
async fn a_delete_answers_the_whole_record_as_a_tombstone() {
    let api = serve();
    api.create("Post", json!({"id": "p", "title": "t"})).await;
    let deleted = api
        .ask(
            "mutation M($input: DeletePostInput!) { deletePost(input: $input) { id title _version _deleted } }",
            json!({"input": {"id": "p", "_version": 1}}),
        )
        .await;
    assert_eq!(
        deleted["data"]["deletePost"],
        json!({"id": "p", "title": "t", "_version": 2, "_deleted": true})
    );
}

#[tokio::test]
async fn aliases_fragments_and_repeated_fields_are_merged() {
    let api = serve();
    api.create(
        "Post",
        json!({"id": "p", "place": {"city": "Kiel", "lines": ["x"]}}),
    )
    .await;
    let answer = api
        .text(
            "query Q { one: getPost(id: \"p\") { ...F place { lines } key: id } __typename }
             fragment F on Post { __typename place { city } ... on Post { id } }",
            json!({}),
        )
        .await;
    assert_eq!(
        answer,
        r#"{"data":{"one":{"__typename":"Post","place":{"city":"Kiel","lines":["x"]},"id":"p","key":"p"},"__typename":"Query"}}"#
    );
}

#[tokio::test]
async fn include_and_skip_are_decided_per_request() {
    let api = serve();
    api.create(
        "Post",
        json!({"id": "p", "title": "t", "place": {"city": "Kiel"}}),
    )
    .await;
    let document = "query Q($a: Boolean!, $b: Boolean = false) { getPost(id: \"p\") {
        id @include(if: true) title @include(if: $a) rating @skip(if: true)
        ... @skip(if: $b) { place { city } }
        place @include(if: $a) { lines } } }";
    let cases = [
        (
            json!({"a": true, "b": true}),
            r#"{"id":"p","title":"t","place":{"lines":null}}"#,
        ),
        (json!({"a": false, "b": true}), r#"{"id":"p"}"#),
        (json!({"a": false}), r#"{"id":"p","place":{"city":"Kiel"}}"#),
        (
            json!({"a": true}),
            r#"{"id":"p","title":"t","place":{"city":"Kiel","lines":null}}"#,
        ),
    ];
    for (variables, post) in cases {
        let answer = api.text(document, variables).await;
        assert_eq!(answer, format!(r#"{{"data":{{"getPost":{post}}}}}"#));
    }
}

#[tokio::test]
async fn every_broken_rule_is_named_as_appsync_names_it() {
    let api = serve();
    let cases = [
        (
            "{ x }",
            "FieldUndefined: Field 'x' in type 'Query' is undefined @ 'x'",
        ),
        (
            "{ getPost(id: \"p\") { nope } }",
            "FieldUndefined: Field 'nope' in type 'Post' is undefined @ 'getPost/nope'",
        ),
        (
            "subscription S { onCreatePost(fliter: {}) { id } }",
            "UnknownArgument: Unknown field argument fliter @ 'onCreatePost'",
        ),
        (
            "{ getPost { id } }",
            "MissingFieldArgument: Missing field argument id @ 'getPost'",
        ),
        (
            "{ getPost(id: \"p\") }",
            "SubSelectionRequired: Sub selection required for type Post of field getPost @ 'getPost'",
        ),
        (
            "{ getPost(id: \"p\") { id { x } } }",
            "SubSelectionNotAllowed: Sub selection not allowed on leaf type ID of field id @ 'getPost/id'",
        ),
        (
            "query Q($x: Nope) { getPost(id: $x) { id } }",
            "UnknownType: Unknown type Nope",
        ),
        (
            "{ getPost(id: $x) { id } }",
            "UndefinedVariable: Undefined variable x @ 'getPost'",
        ),
        (
            "query Q($x: ID) { __typename }",
            "UnusedVariable: Unused variable x",
        ),
        (
            "{ __typename } fragment F on Post { id }",
            "UnusedFragment: Unused fragment F",
        ),
        ("{ ...F }", "UndefinedFragment: Undefined fragment F"),
        (
            "{ getPost(id: \"p\") { ... on Comment { id } } }",
            "InvalidFragmentType: Fragment cannot be spread here as objects of type Post can never be of type Comment @ 'getPost'",
        ),
        (
            "{ __typename } query B { __typename }",
            "LoneAnonymousOperationViolation: Anonymous operation with other operations.",
        ),
        (
            "query A { __typename } query A { __typename }",
            "DuplicateOperationName: There can be only one operation named 'A'",
        ),
        (
            "{ getPost(id: \"p\") { id: title id } }",
            "FieldsConflict: 'id' : 'title' and 'id' are different fields @ 'getPost'",
        ),
        (
            "{ getPost(id: \"p\") { id } getPost(id: \"q\") { id } }",
            "FieldsConflict: 'getPost' : fields have different arguments",
        ),
        (
            "{ getPost(id: \"p\") { id @nope } }",
            "UnknownDirective: Unknown directive nope @ 'getPost/id'",
        ),
        (
            "{ getPost(id: \"p\") { id @include } }",
            "MissingDirectiveArgument: Missing directive argument if @ 'getPost/id'",
        ),
        (
            "mutation { createPost(input: {rating: \"x\"}) { id } }",
            "WrongType: argument 'input.rating' with value 'StringValue{value='x'}' is not a valid 'Int' @ 'createPost'",
        ),
        (
            "mutation { createPost(input: {status: \"DRAFT\"}) { id } }",
            "WrongType: argument 'input.status' with value 'StringValue{value='DRAFT'}' is not a valid 'Status' @ 'createPost'",
        ),
        (
            "query Q($x: Int) { listPosts(nextToken: $x) { nextToken } }",
            "VariableTypeMismatch: Variable type 'Int' doesn't match expected type 'String' @ 'listPosts'",
        ),
        (
            "query Q($x: Post) { listPosts(filter: $x) { nextToken } }",
            "NonInputTypeOnVariable: Input variable x type Post is not an input type",
        ),
        (
            "query Q($x: Int = \"y\") { listPosts(limit: $x) { nextToken } }",
            "BadValueForDefaultArg: Bad default value for type Int",
        ),
        (
            "subscription S { onCreatePost { id } onUpdatePost { id } }",
            "SubscriptionMultipleRootFields: Subscription operation must have exactly one root field.",
        ),
    ];
    for (document, expected) in cases {
        let body = api.ask(document, json!({})).await;
        let messages: Vec<_> = body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{document} is accepted: {body}"))
            .iter()
            .map(|error| error["message"].as_str().unwrap())
            .collect();
        let expected = format!("Validation error of type {expected}");
        assert!(
            messages.contains(&expected.as_str()),
            "{document}: {messages:?}"
        );
        assert!(body["data"].is_null());
    }
}

#[tokio::test]
async fn a_validation_error_has_place_and_no_type() {
    let api = serve();
    assert_eq!(
        api.text("{\n  x\n}", json!({})).await,
        r#"{"data":null,"errors":[{"path":null,"locations":[{"line":2,"column":3,"sourceName":null}],"message":"Validation error of type FieldUndefined: Field 'x' in type 'Query' is undefined @ 'x'"}]}"#
    );
}

#[tokio::test]
async fn text_that_does_not_parse_is_a_malformed_request() {
    let api = serve();
    for text in [
        "",
        "{",
        "query Q { a",
        "nonsense",
        "fragment F on Post { id }",
    ] {
        let Reply::Malformed {
            error_type,
            message,
        } = api.reply(text, json!({})).await
        else {
            panic!("{text:?} is not malformed");
        };
        assert_eq!(error_type, "MalformedHttpRequestException");
        assert_eq!(message, "Unable to parse GraphQL query.");
    }
}

#[tokio::test]
async fn fragments_that_spread_each_other_are_refused() {
    let api = serve();
    let document = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }";
    assert_eq!(
        api.message(document, json!({})).await,
        "Validation error of type FragmentCycle: Fragment cycles not allowed"
    );
}

#[tokio::test]
async fn fragments_that_double_at_every_level_are_refused_quickly() {
    let api = serve();
    let mut document = "{ ...F0 } ".to_owned();
    for level in 0..60 {
        let next = level + 1;
        document += &format!("fragment F{level} on Query {{ ...F{next} ...F{next} }} ");
    }
    document += "fragment F60 on Query { __typename }";
    let body = api.ask(&document, json!({})).await;
    assert_eq!(
        body["errors"][0]["errorType"],
        "ResolverExecutionLimitReached"
    );
}

#[tokio::test]
async fn a_long_chain_of_fragments_overflows_nothing() {
    let api = serve();
    let mut document = "{ ...F0 } ".to_owned();
    for level in 0..5_000 {
        document += &format!("fragment F{level} on Query {{ ...F{} }} ", level + 1);
    }
    document += "fragment F5000 on Query { __typename }";
    let body = api.ask(&document, json!({})).await;
    assert_eq!(body["errors"][0]["errorType"], "QueryDepthLimitReached");
}

#[tokio::test]
async fn introspection_is_answered_beside_other_fields() {
    let api = serve();
    api.create("Post", json!({"id": "p"})).await;
    let body = api
        .ask(
            "query Q($n: String!) { t: __type(name: $n) { ...T } getPost(id: \"p\") { id } __schema { queryType { name } } }
             fragment T on __Type { name kind }",
            json!({"n": "Post"}),
        )
        .await;
    assert_eq!(
        body,
        json!({"data": {"t": {"name": "Post", "kind": "OBJECT"}, "getPost": {"id": "p"},
            "__schema": {"queryType": {"name": "Query"}}}})
    );
}

#[tokio::test]
async fn the_usual_introspection_queries_pass() {
    let api = serve();
    for document in [
        include_str!("../introspection/classic_query.graphql"),
        include_str!("../introspection/full_query.graphql"),
    ] {
        let body = api.ask(document, json!({})).await;
        assert_eq!(body.get("errors"), None);
        assert_eq!(body["data"]["__schema"]["queryType"]["name"], "Query");
    }
}

#[tokio::test]
async fn introspection_that_fans_out_is_refused() {
    let api = serve();
    let document = "{ __schema { types { fields { type { ...T } } } } } fragment T on __Type { fields { name } }";
    let message = api.message(document, json!({})).await;
    assert!(message.contains("good faith"), "{message}");
}

#[tokio::test]
async fn the_same_text_runs_the_operation_that_is_named() {
    let api = serve();
    let text = "query A { __typename } query B { b: __typename }";
    for (name, expected) in [("A", "__typename"), ("B", "b"), ("A", "__typename")] {
        let mut request = super::request(text, json!({}));
        request.operation_name = Some(name.to_owned());
        let Reply::Answer(body) = api.api.execute(&request, &api.caller).await else {
            panic!("no answer");
        };
        let expected = format!(r#"{{"data":{{"{expected}":"Query"}}}}"#);
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
