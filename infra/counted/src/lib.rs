#![doc = include_str!("../README.md")]

use domain::mac::MacKey;
use domain::webhooks::{GENERATION_FIRST, Hook, HookMaster, check, is_signed_with, sign};
use domain::{ConnectionId, PartnerId};
use secrecy::SecretString;
use std::hint::black_box;

/// A callout of the usual size, as Autotask escapes it.
const BODY: &[u8] = br#"{"Action":"Update","Guid":"5d6ab4e0-9f1c-4a57-8a0e-6f1b2c3d4e5f","EntityType":"Account","Id":29683542,"Fields":{"companyName":"S\u00F8ren \u0026 S\u00F8ns \u003C\u0022Caf\u00E9\u0022\u003E","isActive":true,"phone":"\u002B43 1 234567","city":"Graz","ownerResourceID":29682885},"EventTime":"2026-11-20T10:15:30Z","SequenceNumber":48213,"PersonID":29682911}"#;

/// Does one thing so many times. How often it came out as it should; `None` for something unknown.
#[must_use]
pub fn run(what: &str, times: u32) -> Option<u32> {
    let master = HookMaster::new(MacKey::new(SecretString::from("k".repeat(64))).ok()?);
    let hook = Hook {
        partner: PartnerId::new("northwind-it").ok()?,
        connection: ConnectionId::new("con_019a9f0e7c2b7d309d0a5b1f6c3e8a42").ok()?,
        generation: GENERATION_FIRST,
    };
    let (token, key) = (master.token(&hook), master.key(&hook));
    let signature = sign(&key, BODY);
    let forged = sign(&key, &BODY[1..]);
    let one = |what: &str| {
        let (token, body) = (black_box(token.as_str()), black_box(BODY));
        match what {
            // The signature alone, by the code that checks it.
            "hmac" => is_signed_with([&key], signature.as_bytes(), body),
            "check" => check(&master, token, Some(signature.as_bytes()), body).is_ok(),
            "forged" => check(&master, token, Some(forged.as_bytes()), body).is_err(),
            _ => false,
        }
    };
    let known = ["hmac", "check", "forged", "nothing"].contains(&what);
    known.then(|| (0..times).map(|_| u32::from(black_box(what == "nothing" || one(what)))).sum())
}
