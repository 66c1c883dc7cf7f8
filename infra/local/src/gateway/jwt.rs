//! The local issuer and authorizer: HS256 tokens with the claims that the cloud's issuer gives.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::fmt;

/// How long a token is valid by default: 30 days.
pub const VALID: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Length of the signing key, in bytes: that of the hash.
pub const KEY_BYTES: usize = 32;
/// Longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 8_192;
/// `iss` and `aud`.
const ISSUER: &str = "https://local.invalid/";
const AUDIENCE: &str = "local";

/// Signs and checks tokens.
#[derive(Clone)]
pub struct Issuer {
    key: [u8; KEY_BYTES],
}

/// What a token says of its bearer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Whose partner; none for vendor roles.
    #[serde(default)]
    pub partner_id: Option<String>,
    /// One of `domain::Role`'s names; none to see what a token without a role may do.
    #[serde(default)]
    pub role: Option<String>,
    /// Whether it is the partner's main account.
    #[serde(default)]
    pub main_account: Option<bool>,
    /// Who; made of role and partner by default.
    #[serde(default)]
    pub sub: Option<String>,
    /// Seconds of real time; negative for an expired token.
    #[serde(default)]
    pub expires_in_seconds: Option<i64>,
}

/// A token that is not accepted. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is missing, forged or expired")]
pub struct Unauthorized;

#[derive(Serialize, Deserialize)]
struct Head {
    alg: String,
}

impl Issuer {
    /// Signs with this key.
    #[must_use]
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// A token that says this; `now` is real time.
    #[must_use]
    pub fn issue(&self, grant: &Grant, now: Timestamp) -> String {
        let valid = grant.expires_in_seconds.unwrap_or(VALID.as_secs());
        let (issued, expires) = (now.as_second(), now.as_second().saturating_add(valid));
        let mut claims = Map::new();
        let role = grant.role.as_deref().unwrap_or("nobody");
        let sub = grant.sub.clone().unwrap_or_else(|| match &grant.partner_id {
            Some(partner) => format!("{role}@{partner}"),
            None => role.to_owned(),
        });
        claims.insert("sub".to_owned(), Value::String(sub));
        let named = [("partner_id", &grant.partner_id), ("role", &grant.role)];
        for (name, value) in named {
            if let Some(value) = value {
                claims.insert(name.to_owned(), Value::String(value.clone()));
            }
        }
        if let Some(main) = grant.main_account {
            claims.insert("main_account".to_owned(), Value::Bool(main));
        }
        for (name, value) in
            [("iss", json!(ISSUER)), ("aud", json!(AUDIENCE)), ("iat", json!(issued)), ("exp", json!(expires))]
        {
            claims.insert(name.to_owned(), value);
        }
        let head = json!({"alg": "HS256", "typ": "JWT"});
        let signed = format!("{}.{}", encode(&head), encode(&Value::Object(claims)));
        let signature = BASE64.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The claims of an `Authorization` header's value; `now` is real time.
    ///
    /// # Errors
    /// [`Unauthorized`] if there is none, or it is not ours, or it has expired.
    pub fn authorize(&self, header: Option<&str>, now: Timestamp) -> Result<Map<String, Value>, Unauthorized> {
        let header = header.ok_or(Unauthorized)?;
        let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or(header);
        self.verify(token.trim(), now)
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Map<String, Value>, Unauthorized> {
        if token.len() > TOKEN_MAX {
            return Err(Unauthorized);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Unauthorized)?;
        let (head, claims) = signed.split_once('.').ok_or(Unauthorized)?;
        let signature = BASE64.decode(signature).map_err(|_| Unauthorized)?;
        self.mac(signed).verify_slice(&signature).map_err(|_| Unauthorized)?;
        let head: Head = decode(head)?;
        let claims: Map<String, Value> = decode(claims)?;
        let expires = claims.get("exp").and_then(Value::as_i64).ok_or(Unauthorized)?;
        let is_ours = head.alg == "HS256"
            && claims.get("iss").and_then(Value::as_str) == Some(ISSUER)
            && claims.get("aud").and_then(Value::as_str) == Some(AUDIENCE);
        if is_ours && now.as_second() < expires { Ok(claims) } else { Err(Unauthorized) }
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(signed.as_bytes());
        mac
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Unauthorized> {
    let bytes = BASE64.decode(part).map_err(|_| Unauthorized)?;
    serde_json::from_slice(&bytes).map_err(|_| Unauthorized)
}
