//! Every scalar, by a table of what it takes and what it refuses: AppSync's grammar, over HTTP. What is taken is echoed as
//! it was written, in the answer, by get and by sync, alone and in a list.

use serde_json::{Value, json};

use crate::support::site::{Plan, Site, on_both_stores};

const PLAN: Plan = Plan::of(
    "type Kept @model @auth(rules: [{ allow: public }]) {
  id: ID!
  aID: ID aString: String aInt: Int aFloat: Float aBoolean: Boolean
  aAWSDate: AWSDate aAWSTime: AWSTime aAWSDateTime: AWSDateTime aAWSTimestamp: AWSTimestamp
  aAWSEmail: AWSEmail aAWSJSON: AWSJSON aAWSURL: AWSURL aAWSPhone: AWSPhone aAWSIPAddress: AWSIPAddress
  lID: [ID] lString: [String] lInt: [Int] lFloat: [Float] lBoolean: [Boolean]
  lAWSDate: [AWSDate] lAWSTime: [AWSTime] lAWSDateTime: [AWSDateTime] lAWSTimestamp: [AWSTimestamp]
  lAWSEmail: [AWSEmail] lAWSJSON: [AWSJSON] lAWSURL: [AWSURL] lAWSPhone: [AWSPhone] lAWSIPAddress: [AWSIPAddress]
}",
);

/// A scalar, the JSON it takes and the JSON it refuses.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const TABLE: [Row; 14] = [
    (
        "ID",
        &[r#""""#, r#""a#b::c""#, r#""é😀""#],
        &["1.5", "true", "[[]]", "{}"],
    ),
    (
        "String",
        &[r#""""#, r#"" \t\n\u0001é😀\\\" ""#, r#""null""#],
        &["1", "true", "{}", r#""\u0000""#],
    ),
    (
        "Int",
        &["0", "-0", "2147483647", "-2147483648"],
        &[
            "2147483648",
            "-2147483649",
            "1.0",
            "1.5",
            "1e3",
            r#""1""#,
            "true",
        ],
    ),
    (
        "Float",
        &[
            "0",
            "-0.0",
            "1.50",
            "0.1",
            "12345678901234567890.123",
            "1e-7",
        ],
        &[r#""1.5""#, "true", "{}", "1e999"],
    ),
    (
        "Boolean",
        &["true", "false"],
        &["0", "1", r#""true""#, r#""""#],
    ),
    (
        "AWSDate",
        &[
            r#""1970-01-01""#,
            r#""1970-01-01Z""#,
            r#""1970-01-01-07:00""#,
            r#""1970-01-01+05:30:45""#,
            r#""2024-02-29""#,
            r#""-0044-03-15""#,
            r#""+12345-01-01""#,
            r#""0000-01-01""#,
        ],
        &[
            r#""""#,
            r#""1970""#,
            r#""1970-1-1""#,
            r#""2023-02-29""#,
            r#""1970-13-01""#,
            r#""1970-01-32""#,
            r#""1970-01-01T00:00Z""#,
            r#""1970-01-01+19:00""#,
            r#""yesterday""#,
            "0",
            "19700101",
        ],
    ),
    (
        "AWSTime",
        &[
            r#""12:30""#,
            r#""12:30Z""#,
            r#""12:30:24""#,
            r#""12:30:24.1""#,
            r#""12:30:24.123456789""#,
            r#""12:30:24-07:00""#,
            r#""12:30:24.500+05:30""#,
            r#""00:00:00""#,
            r#""23:59:59.999999999Z""#,
        ],
        &[
            r#""""#,
            r#""12""#,
            r#""24:00""#,
            r#""12:60""#,
            r#""12:30:60""#,
            r#""12:30:24.""#,
            r#""12:30:24.1234567890""#,
            r#""1:30""#,
            r#""noon""#,
            "12",
        ],
    ),
    (
        "AWSDateTime",
        &[
            r#""2024-02-29T12:30Z""#,
            r#""2024-02-29T12:30:45Z""#,
            r#""2024-02-29T12:30:45.123Z""#,
            r#""2024-02-29T12:30:45.000000000Z""#,
            r#""2024-02-29T12:30:45.48+05:30""#,
            r#""2024-02-29T12:30:45-07:00:30""#,
            r#""-0044-03-15T12:00Z""#,
        ],
        &[
            r#""""#,
            r#""2024-02-29""#,
            r#""2024-02-29T12:30:45""#,
            r#""2024-02-29 12:30Z""#,
            r#""2023-02-29T12:30Z""#,
            r#""2024-02-29T25:00Z""#,
            "1709209800",
        ],
    ),
    (
        "AWSTimestamp",
        &["0", "-1", "1700000000", "1700000000000"],
        &["1.5", r#""0""#, "true", "1e3", "99999999999999999999"],
    ),
    (
        "AWSEmail",
        &[
            r#""a@b.co""#,
            r#""first.last+tag@example.com""#,
            r#""o'hara@example.org""#,
        ],
        &[
            r#""""#,
            r#""a""#,
            r#""@b.co""#,
            r#""a@""#,
            r#""a b@c.de""#,
            r#""A <a@b.co>""#,
            r#""a@@b.co""#,
            "1",
        ],
    ),
    (
        "AWSJSON",
        &[
            r#""{}""#,
            r#""[]""#,
            r#""null""#,
            r#""{ \"b\" : 1.50 , \"a\":[ ] }""#,
            r#""[1,\"é\\ud83d\\ude00\"]""#,
        ],
        &[
            r#""""#,
            r#""{a:1}""#,
            r#""{} x""#,
            r#""[1,]""#,
            r#""5""#,
            r#""\"text\"""#,
            r#""true""#,
            "5",
            "{}",
        ],
    ),
    (
        "AWSURL",
        &[
            r#""https://www.example.com/dp/B000?x=1#y""#,
            r#""http://localhost:3000""#,
            r#""mailto:a@b.co""#,
            r#""https://EXAMPLE.com/%7e""#,
        ],
        &[
            r#""""#,
            r#""example.com""#,
            r#""//example.com/a""#,
            r#""/a/b""#,
            r#""https://""#,
            r#""https://exa mple.com""#,
            r#""https://example.com/a//b""#,
            "1",
        ],
    ),
    (
        "AWSPhone",
        &[
            r#""+12065550100""#,
            r#""+1 206-555-0100""#,
            r#""206-555-0100""#,
            r#""+49 30 901820""#,
        ],
        &[
            r#""""#,
            r#""+""#,
            r#""abc""#,
            r#""555-0100""#,
            r#""+999 12345678""#,
            "2065550100",
        ],
    ),
    (
        "AWSIPAddress",
        &[
            r#""123.45.67.89""#,
            r#""123.45.67.89/16""#,
            r#""::1""#,
            r#""1a2B:3c4b::1234:4567/128""#,
            r#""::ffff:1.2.3.4""#,
        ],
        &[
            r#""""#,
            r#""1.2.3""#,
            r#""256.1.1.1""#,
            r#""1.2.3.4/33""#,
            r#""[::1]""#,
            r#""::1/129""#,
            "1",
        ],
    ),
];

/// Sends fields as text, so that values keep their spelling.
async fn create(site: &Site, id: &str, fields: &str) -> Value {
    let query = "mutation m($input: CreateKeptInput!) { createKept(input: $input) { id } }";
    let body = format!(
        "{{\"query\":{},\"variables\":{{\"input\":{{\"id\":\"{id}\",{fields}}}}}}}",
        json!(query)
    );
    let (status, _, answer) = site.post(body).await;
    assert_eq!(status, 200, "{fields}");
    answer
}

/// JSON without the spelling of its escapes, but with that of its numbers.
fn spelled(json: &str) -> String {
    let value: Value = serde_json::from_str(json).expect("JSON");
    value.to_string()
}

on_both_stores! { PLAN;

/// What a scalar takes is stored and echoed as it was written.
async fn what_a_scalar_takes_is_echoed_as_it_was_written(site: &Site) {
    for (scalar, taken, _) in TABLE {
        for (number, value) in taken.iter().enumerate() {
            let id = format!("{scalar}{number}");
            let answer = create(site, &id, &format!("\"a{scalar}\":{value},\"l{scalar}\":[{value},null]")).await;
            assert!(answer.get("errors").is_none(), "{scalar} takes {value}: {answer}");
            let fields = format!("a{scalar} l{scalar}");
            let got = site.read(&format!("{{ getKept(id: \"{id}\") {{ {fields} }} }}")).await;
            let value = spelled(value);
            assert_eq!(got[format!("a{scalar}")].to_string(), value);
            assert_eq!(got[format!("l{scalar}")].to_string(), format!("[{value},null]"));
            // What DataStore for JavaScript could not bear is told to it as a bad item; others get it as it is.
            let list = format!("{{ listKepts(filter: {{id: {{eq: \"{id}\"}}}}) {{ items {{ {fields} }} }} }}");
            assert_eq!(site.read(&list).await["items"], json!([got]));
        }
    }
}

/// What a scalar refuses is refused as a variable and in a document, alone and in a list, and nothing is stored.
async fn what_a_scalar_refuses_is_not_stored(site: &Site) {
    for (scalar, _, refused) in TABLE {
        for value in refused {
            for fields in [format!("\"a{scalar}\":{value}"), format!("\"l{scalar}\":[{value}]")] {
                let answer = create(site, "x", &fields).await;
                assert_eq!(answer["data"], Value::Null, "{fields}: {answer}");
                let errors = answer["errors"].as_array().expect("errors");
                assert_eq!(errors.len(), 1, "{answer}");
                let message = errors[0]["message"].as_str().expect("a message");
                assert!(message.starts_with("Variable '"), "{message}");
            }
            if value.starts_with('{') || *value == "1e999" || value.contains("\\u0000") {
                continue;
            }
            let document = format!("mutation {{ createKept(input: {{id: \"x\", a{scalar}: {value}}}) {{ id }} }}");
            let answer = site.ask(&document, json!({})).await.0;
            assert_eq!(answer["data"], Value::Null, "{document}: {answer}");
        }
    }
    assert_eq!(site.read("{ listKepts { items { id } } }").await["items"], json!([]));
}
}
