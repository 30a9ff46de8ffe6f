//! Strings that were cut inside of a character.
//!
//! JavaScript counts an emoji as two units, and where an app cuts a text between them half of it is left. In JSON that is
//! `\ud83d`, which is no character, so that no text of ours can hold it.

use std::borrow::Cow;

use serde_json::Value;

/// What stands for half a character: no scalar takes it either.
const NOTHING: &[u8] = br"\u0000";
/// The length of `\u0000`.
const ESCAPE: usize = 6;

/// The value of a JSON text. Halves of characters become U+0000 in it, so that the field that holds one is refused by its
/// name, and not the whole request without a word about it (`errata.md` 2.2).
pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes).or_else(|error| match without_halves(bytes) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(whole) => serde_json::from_slice(&whole),
    })
}

fn without_halves(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut whole = Cow::Borrowed(bytes);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += match (unit(rest), rest.get(ESCAPE..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                // Of the same length, so that places stay where they are.
                whole.to_mut()[at..at + ESCAPE].copy_from_slice(NOTHING);
                ESCAPE
            }
            // The backslash may be escaped itself.
            _ if rest.starts_with(b"\\") => 2,
            _ => 1,
        };
    }
    whole
}

/// The unit of UTF-16 that is written here as `\u….`
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(br"\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn halves_of_characters_become_nothing_and_whole_ones_stay() {
        let text =
            br#"["\ud83d", "a\uDE00b", "\ud83d\ud83d\ude00", "\\ud83d", "\ud83d\ude00 \u00e9"]"#;
        let expected = json!(["\0", "a\0b", "\0😀", "\\ud83d", "😀 é"]);
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_json_for_another_reason_stays_so() {
        for text in [r#"["\ud83d""#, r#"["\u12"]"#, r#"["\"#, r#"["\ud83d\"#, ""] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
