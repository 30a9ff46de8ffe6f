//! Whole schemas.

use super::load;

const WHITEPAPER: &str = include_str!("../../../examples/whitepaper/schema.graphql");

#[test]
fn the_whitepaper_schema_loads() {
    let loaded = load(WHITEPAPER).expect("the example is served");
    assert_eq!(loaded.warnings, []);
    let models: Vec<&str> = loaded.schema.models.keys().map(String::as_str).collect();
    assert_eq!(models, ["Post", "Comment", "User", "Stock", "PostEditor"]);
}
