//! Relations of every style, in reads, in answers of mutations and in rejections (`transformer.md` 4.3, 5.1).

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(include_str!("../../schemas/relations.graphql"));

async fn save(site: &Site, model: &str, input: Value) {
    let answer = site
        .mutate(&format!("create{model}"), input, "_version")
        .await;
    assert_eq!(answer.value()["_version"], 1);
}

/// One post of one blog with seven comments, ranked 0 to 6.
async fn discussion(site: &Site) {
    save(site, "Blog", json!({"id": "b", "name": "blog"})).await;
    save(
        site,
        "Post",
        json!({"id": "p", "title": "post", "blogPostsId": "b"}),
    )
    .await;
    save(
        site,
        "Post",
        json!({"id": "q", "title": "other", "blogPostsId": "b"}),
    )
    .await;
    for n in 0..7 {
        save(
            site,
            "Comment",
            json!({"id": format!("c{n}"), "postID": "p", "rank": n, "content": "x"}),
        )
        .await;
    }
}

async fn ranks(site: &Site, arguments: &str) -> Vec<i64> {
    let query =
        format!("{{ getPost(id: \"p\") {{ comments{arguments} {{ items {{ rank }} }} }} }}");
    let post = site.read(&query).await;
    let items = post["comments"]["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["rank"].as_i64().expect("a rank"))
        .collect()
}

on_both_stores! { PLAN;

/// I3: implicit foreign keys lead both ways, and a child may come before its parent.
async fn an_implicit_foreign_key_leads_both_ways(site: &Site) {
    save(site, "Post", json!({"id": "p", "title": "first", "blogPostsId": "b"})).await;
    let query = "{ getPost(id: \"p\") { blogPostsId blog { name } } }";
    assert_eq!(site.read(query).await, json!({"blogPostsId": "b", "blog": null}));
    save(site, "Blog", json!({"id": "b", "name": "blog"})).await;
    assert_eq!(site.read(query).await["blog"], json!({"name": "blog"}));
    let blog = site.read("{ getBlog(id: \"b\") { posts { items { title blog { id } } nextToken } } }").await;
    assert_eq!(blog["posts"], json!({"items": [{"title": "first", "blog": {"id": "b"}}], "nextToken": null}));
    let moved = json!({"id": "p", "blogPostsId": null, "_version": 1});
    let moved = site.mutate("updatePost", moved, "blog { id } blogPostsId").await.value();
    assert_eq!(moved, json!({"blog": null, "blogPostsId": null}));
    let blog = site.read("{ getBlog(id: \"b\") { posts { items { id } } } }").await;
    assert_eq!(blog["posts"]["items"], json!([]));
}

/// Section 5.1: children come in the index's order, with the directive's limit unless told otherwise.
async fn children_take_condition_direction_filter_and_limit(site: &Site) {
    discussion(site).await;
    assert_eq!(ranks(site, "").await, [0, 1, 2]);
    assert_eq!(ranks(site, "(limit: 9)").await, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(ranks(site, "(sortDirection: DESC)").await, [6, 5, 4]);
    assert_eq!(ranks(site, "(limit: 9, rank: {between: [2, 4]})").await, [2, 3, 4]);
    assert_eq!(ranks(site, "(limit: 9, rank: {gt: 1}, sortDirection: DESC, filter: {rank: {ne: 5}})").await, [6, 4, 3, 2]);
    assert_eq!(ranks(site, "(limit: 9, filter: {content: {eq: \"y\"}})").await, [] as [i64; 0]);
}

/// Pages of children are walked by a token that belongs to their parent.
async fn children_are_paged_per_parent(site: &Site) {
    discussion(site).await;
    let page = |parent: &'static str, next: Value| {
        format!("{{ getPost(id: \"{parent}\") {{ comments(limit: 3, nextToken: {next}) {{ items {{ rank }} nextToken }} }} }}")
    };
    let (mut seen, mut next, mut first_token) = (Vec::new(), Value::Null, Value::Null);
    loop {
        let post = site.read(&page("p", next)).await;
        seen.extend(post["comments"]["items"].as_array().expect("items").clone());
        next = post["comments"]["nextToken"].clone();
        if first_token.is_null() {
            first_token = next.clone();
        }
        if next.is_null() {
            break;
        }
    }
    assert_eq!(seen, (0..7).map(|n| json!({"rank": n})).collect::<Vec<_>>());
    let answer = site.ask(&page("q", first_token), json!({})).await.0;
    assert_eq!(answer["data"], json!({"getPost": {"comments": null}}));
    assert_eq!(answer["errors"][0]["path"], json!(["getPost", "comments"]));
    assert_eq!(answer["errors"][0]["errorType"], "DynamoDB:UserIllegalArgumentException");
}

/// Q-5: deleted children and parents are shown, marked as deleted.
async fn deleted_relatives_are_shown_as_deleted(site: &Site) {
    discussion(site).await;
    for (mutation, id) in [("deleteComment", "c1"), ("deletePost", "p")] {
        site.mutate(mutation, json!({"id": id, "_version": 1}), "id").await.value();
    }
    let blog = site
        .read("{ getBlog(id: \"b\") { posts { items { id _deleted comments { items { id _deleted post { id title _deleted } } } } } } }")
        .await;
    let posts = blog["posts"]["items"].as_array().expect("items");
    let post = posts.iter().find(|post| post["id"] == "p").expect("the post");
    assert_eq!(post["_deleted"], true);
    let comments = post["comments"]["items"].as_array().expect("items");
    let dead: Vec<_> = comments.iter().map(|comment| comment["_deleted"].clone()).collect();
    assert_eq!(dead, [Value::Null, json!(true), Value::Null]);
    assert_eq!(comments[0]["post"], json!({"id": "p", "title": "post", "_deleted": true}));
}

/// `errata.md` row 6: DataStore selects the parent's key, which the child holds itself; a null would cut its relation.
async fn the_key_of_a_missing_parent_is_answered_from_the_child(site: &Site) {
    let input = json!({"id": "c", "postID": "gone", "rank": 1, "content": "x"});
    let selection = "id content post { id _deleted __typename } _version";
    let made = site.mutate("createComment", input, selection).await.value();
    let key = json!({"id": "gone", "_deleted": null, "__typename": "Post"});
    assert_eq!(made["post"], key);
    let read = site.read(&format!("{{ syncComments {{ items {{ {selection} }} }} }}")).await;
    assert_eq!(read["items"], json!([made]));
    let stale = json!({"id": "c", "_version": 7});
    let error = site.mutate("deleteComment", stale, selection).await.refusal();
    assert_eq!(error["data"]["post"], key);
    let whole = site.read("{ getComment(id: \"c\") { post { id title } } }").await;
    assert_eq!(whole["post"], Value::Null);
}

/// Section 4.3: the join model of a many-to-many relation is a model like any other and leads to both sides.
async fn many_to_many_goes_through_its_join_model(site: &Site) {
    for (id, title) in [("p", "one"), ("q", "two")] {
        save(site, "Post", json!({"id": id, "title": title})).await;
    }
    for label in ["red", "blue"] {
        save(site, "Tag", json!({"id": label, "label": label})).await;
    }
    for (id, post, tag) in [("1", "p", "red"), ("2", "p", "blue"), ("3", "q", "red")] {
        save(site, "PostTag", json!({"id": id, "postId": post, "tagId": tag})).await;
    }
    let post = site.read("{ getPost(id: \"p\") { tags { items { tag { label } post { title } } } } }").await;
    let mut labels: Vec<_> = post["tags"]["items"].as_array().expect("items").iter().map(ToString::to_string).collect();
    labels.sort();
    assert_eq!(
        labels,
        [
            r#"{"tag":{"label":"blue"},"post":{"title":"one"}}"#,
            r#"{"tag":{"label":"red"},"post":{"title":"one"}}"#
        ]
    );
    let red = site.read("{ postTagsByTagId(tagId: \"red\") { items { post { title } } } }").await;
    assert_eq!(red["items"].as_array().expect("items").len(), 2);
    site.mutate("deletePostTag", json!({"id": "1", "_version": 1}), "id").await.value();
    let tag = site.read("{ getTag(id: \"red\") { posts(filter: {_deleted: {ne: true}}) { items { postId } } } }").await;
    assert_eq!(tag["posts"]["items"], json!([{"postId": "q"}]));
    let joins = site.read("{ syncPostTags { items { id _deleted } } }").await;
    assert_eq!(joins["items"].as_array().expect("items").len(), 3);
}

/// Section 4.3: one to one, with a foreign key on each side.
async fn one_to_one_goes_by_each_sides_own_foreign_key(site: &Site) {
    save(site, "Ship", json!({"id": "s", "name": "Beagle", "shipCaptainId": "f"})).await;
    save(site, "Captain", json!({"id": "f", "name": "FitzRoy", "captainShipId": "s"})).await;
    let captain = site.read("{ getCaptain(id: \"f\") { ship { name captain { name } } } }").await;
    assert_eq!(captain, json!({"ship": {"name": "Beagle", "captain": {"name": "FitzRoy"}}}));
}

/// Section 4.3: relations by references keep the foreign key on the belongsTo side.
async fn relations_by_references_read_the_other_side(site: &Site) {
    save(site, "Customer", json!({"id": "c"})).await;
    let empty = site.read("{ getCustomer(id: \"c\") { cart { id } visits { items { id } } } }").await;
    assert_eq!(empty, json!({"cart": null, "visits": {"items": []}}));
    save(site, "Cart", json!({"id": "k", "items": 2, "customerId": "c"})).await;
    save(site, "Visit", json!({"id": "v", "page": "/", "customerId": "c"})).await;
    let customer = site
        .read("{ getCustomer(id: \"c\") { cart { items customer { id } } visits { items { page customer { id } } } } }")
        .await;
    assert_eq!(
        customer,
        json!({"cart": {"items": 2, "customer": {"id": "c"}},
            "visits": {"items": [{"page": "/", "customer": {"id": "c"}}]}})
    );
}

/// Section 5.1: keys of two fields lead both ways; half a key leads nowhere.
async fn relations_follow_composite_keys(site: &Site) {
    for number in [1, 2] {
        save(site, "Site", json!({"country": "no", "number": number, "name": format!("n{number}")})).await;
    }
    for (id, country, number) in [("x", json!("no"), json!(1)), ("y", json!("no"), json!(2)), ("z", json!("no"), Value::Null)] {
        save(site, "Probe", json!({"id": id, "country": country, "number": number})).await;
    }
    let found = site.read("{ getSite(country: \"no\", number: 2) { probes { items { id site { name } } } } }").await;
    assert_eq!(found["probes"]["items"], json!([{"id": "y", "site": {"name": "n2"}}]));
    assert_eq!(site.read("{ getProbe(id: \"z\") { site { name } } }").await, json!({"site": null}));
}

/// Section 4.3: a model may refer to itself, as deep as the document goes.
async fn a_model_may_refer_to_itself(site: &Site) {
    for (id, parent) in [("root", Value::Null), ("etc", json!("root")), ("ssh", json!("etc"))] {
        save(site, "Folder", json!({"id": id, "name": id, "parentID": parent})).await;
    }
    let up = site.read("{ getFolder(id: \"ssh\") { parent { name parent { name parent { name } } } } }").await;
    assert_eq!(up, json!({"parent": {"name": "etc", "parent": {"name": "root", "parent": null}}}));
    let down = site.read("{ getFolder(id: \"root\") { folders { items { name folders { items { name } } } } } }").await;
    assert_eq!(
        down,
        json!({"folders": {"items": [{"name": "etc", "folders": {"items": [{"name": "ssh"}]}}]}})
    );
}
}
