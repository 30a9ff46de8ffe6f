//! How credentials become callers, from outside (`auth` 1, 2).

mod authorizer;
mod components;
mod limits;
mod modes;
mod revocation;
mod signatures;
mod tokens;

use serde_json::Value;

/// Asks for something that every recognised caller may ask.
const WHO: &str = "{ __typename }";
/// Notes for those whom an authorizer lets in.
const NOTES: &str = "
    type Note @model @auth(rules: [{ allow: custom }, { allow: public }]) {
      id: ID!
      text: String
      secret: String
    }";

/// Status, errorType of the header, and message.
async fn refusal(response: reqwest::Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let header = response.headers().get("x-amzn-errortype");
    let error_type = header.map_or("", |value| value.to_str().expect("a text"));
    let error_type = error_type.to_owned();
    let text = response.text().await.expect("a body");
    let body: Value = serde_json::from_str(&text).expect("every answer is JSON");
    let message = body["errors"][0]["message"].as_str();
    (status, error_type, message.unwrap_or_default().to_owned())
}
