//! `X-Hook-Signature: sha1=<base64 of HMAC-SHA1(secretKey, body)>`, over the body's bytes as they came: Autotask escapes
//! strings in its own way, so that a body written again from its JSON has another code.

use super::token::HookKey;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// The header's name.
pub const SIGNATURE_HEADER: &str = "x-hook-signature";
/// What stands before the code.
const PREFIX: &str = "sha1=";
/// Characters of 20 bytes in base64.
const CODE_CHARS: usize = 28;

/// Whether a header's value is the signature of `body` by one of `keys`; compared in constant time.
#[must_use]
pub fn is_signed_with<'k>(keys: impl IntoIterator<Item = &'k HookKey>, header: &[u8], body: &[u8]) -> bool {
    let Some(code) = code(header) else { return false };
    keys.into_iter().any(|key| over(key, body).verify_slice(&code).is_ok())
}

/// The header's value for a body.
#[must_use]
pub fn sign(key: &HookKey, body: &[u8]) -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(over(key, body).finalize().into_bytes()))
}

fn code(header: &[u8]) -> Option<Vec<u8>> {
    let text = header.strip_prefix(PREFIX.as_bytes())?;
    // The decoder is strict: one code has one spelling.
    (text.len() == CODE_CHARS).then(|| BASE64_STANDARD.decode(text).ok()).flatten()
}

fn over(key: &HookKey, body: &[u8]) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac
}
