//! The body of a callout, escaped as Autotask's serialiser does, and its signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;

/// `{"name":value,…}` in this order.
pub(super) fn object<'n>(members: impl IntoIterator<Item = (&'n str, Value)>) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_text(&mut text, name);
        text.push(':');
        push(&mut text, &value);
    }
    text.push('}');
    text
}

fn push(text: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::String(own) => push_text(text, own),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                push(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push_str(&object(members.iter().map(|(name, value)| (name.as_str(), value.clone()))));
        }
    }
}

/// Quotes a text. What HTML could take amiss and all that is not ASCII becomes `\uXXXX` of UTF-16, in upper case.
fn push_text(text: &mut String, own: &str) {
    text.push('"');
    for unit in own.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\\') => text.push_str("\\\\"),
            Ok(0x08) => text.push_str("\\b"),
            Ok(b'\t') => text.push_str("\\t"),
            Ok(b'\n') => text.push_str("\\n"),
            Ok(0x0c) => text.push_str("\\f"),
            Ok(b'\r') => text.push_str("\\r"),
            Ok(byte) if (byte == b' ' || byte.is_ascii_graphic()) && !b"&<>'\"`+".contains(&byte) => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("\\u{unit:04X}")),
        }
    }
    text.push('"');
}

/// `sha1=…`, what `X-Hook-Signature` holds.
pub(super) fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    format!("sha1={}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_escaped_as_autotask_does() {
        for (text, escaped) in [
            ("Blue Kite & Sons", r#""Blue Kite \u0026 Sons""#),
            ("<b>'quoted'</b>", r#""\u003Cb\u003E\u0027quoted\u0027\u003C/b\u003E""#),
            (r#"a "b" \ c"#, r#""a \u0022b\u0022 \\ c""#),
            ("`+49`", r#""\u0060\u002B49\u0060""#),
            ("Zürich — 日本", r#""Z\u00FCrich \u2014 \u65E5\u672C""#),
            ("🙂", r#""\uD83D\uDE42""#),
            ("line\r\nnext\ttab\u{8}\u{c}\u{1}\u{7f}", r#""line\r\nnext\ttab\b\f\u0001\u007F""#),
            ("a/b=c;~", r#""a/b=c;~""#),
        ] {
            let mut own = String::new();
            push_text(&mut own, text);
            assert_eq!(own, escaped);
            assert_eq!(serde_json::from_str::<String>(&own).ok().as_deref(), Some(text), "any reader gets it back");
        }
    }

    #[test]
    fn members_keep_their_order_and_numbers_their_form() {
        let body = object([("Id", json!(7)), ("Fields", json!({ "Price": [70.0, null, true] })), ("A", json!("+"))]);
        assert_eq!(body, r#"{"Id":7,"Fields":{"Price":[70.0,null,true]},"A":"\u002B"}"#);
    }

    /// Computed with `openssl dgst -sha1 -hmac` and `base64`.
    #[test]
    fn a_signature_is_that_of_the_escaped_bytes() {
        assert_eq!(signature("SECRET-1", r#"{"Name":"Blue Kite \u0026 Sons"}"#), "sha1=qilcfTax448ndNG08kRNnlAHd48=");
        assert_eq!(
            signature("key", "The quick brown fox jumps over the lazy dog"),
            "sha1=3nybhbi3iqa8ino29wqQcBydtNk="
        );
    }
}
