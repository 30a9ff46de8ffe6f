//! Schemas at which the original's generator breaks off (a `TypeError`, a name made twice), though what they say is plain:
//! they are served.

use crate::schema::testing::codes;

#[test]
fn what_the_original_breaks_off_at_is_served() {
    let cases = [
        (
            "an enum in the key of a model that relations lead to",
            "enum E { X }
             type A @model { e: E! @primaryKey(sortKeyFields: [\"n\"]) n: Int! bs: [B] @hasMany one: C @hasOne }
             type B @model { a: A @belongsTo }
             type C @model { a: A @belongsTo }",
        ),
        (
            "an enum in a key that is referred to",
            "enum E { X }
             type A @model { e: E! @primaryKey bs: [B] @hasMany(references: [\"aE\"]) }
             type B @model { aE: E a: A @belongsTo(references: [\"aE\"]) }",
        ),
        (
            "relations of both styles between the same models",
            "type A @model { id: ID! bs: [B] @hasMany(references: [\"aId\"]) }
             type B @model { id: ID! aId: ID a: A @belongsTo(references: [\"aId\"]) otherId: ID other: A @belongsTo(fields: [\"otherId\"]) }",
        ),
        (
            "a list that is called like a timestamp",
            "type A @model { id: ID! createdAt: [AWSDateTime] updatedAt: [Int!]! }",
        ),
        (
            "single values where lists are usual",
            "type A @model(subscriptions: { onDelete: \"gone\" }) { id: ID! @primaryKey(sortKeyFields: \"n\") n: Int! bs: [B] @hasMany }
             type B @model { a: A @belongsTo }",
        ),
        (
            "a renamed model with rules",
            "type A @model @mapsTo(name: \"Old\") @auth(rules: [{ allow: public }]) { id: ID! }",
        ),
        (
            "a number as the id and in an index",
            "type A @model { id: Int! day: AWSDate @index(name: \"byDay\", sortKeyFields: [\"id\"]) }",
        ),
        (
            "a function that answers the owner field",
            "type A @model @auth(rules: [{ allow: owner }]) { id: ID! owner: String @function(name: \"who\") }",
        ),
    ];
    for (what, schema) in cases {
        assert_eq!(codes(schema), [""; 0], "{what}");
    }
}
