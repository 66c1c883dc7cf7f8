//! The last part of a webhook's URL, and the key that its callouts are signed with: both are computed from one secret of
//! the stack, so that a wrong one is recognised without asking anybody.

use crate::ids::{ConnectionId, PartnerId};
use crate::mac::MacKey;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ctutils::CtEq;
use secrecy::{ExposeSecret, SecretString};
use std::str::FromStr;

/// The generation of a connection's first key.
pub const GENERATION_FIRST: u32 = 1;
/// Longest token that is looked at, in characters: version, generation, two identifiers of 64 and the code.
const TOKEN_CHARS_MAX: usize = 256;
/// Version of the token's layout.
const VERSION: u8 = 1;
/// Half of the code stands in the token, 128 bits; the other half is the key.
const TAG_BYTES: usize = 16;
/// What the code is for.
const LABEL: &str = "autotask webhook";

/// What a hook token names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hook {
    /// Whose.
    pub partner: PartnerId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Of which generation of its keys: rotation is the next one.
    pub generation: u32,
}

impl Hook {
    /// The same hook with another generation of its key.
    #[must_use]
    pub fn at(&self, generation: u32) -> Self {
        Self { generation, ..self.clone() }
    }
}

/// The stack's secret that tokens and keys are made of. Does not print.
#[derive(Debug, Clone)]
pub struct HookMaster(MacKey);

/// The key that Autotask signs a connection's callouts with (`secretKey`, at most 64 characters): 22 characters, 128 bits.
#[derive(Debug, Clone)]
pub struct HookKey(SecretString);

impl HookKey {
    /// The key as Autotask is given it.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// The key as HMAC wants it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl HookMaster {
    /// From the stack's key.
    #[must_use]
    pub fn new(key: MacKey) -> Self {
        Self(key)
    }

    /// A hook's token: 1 + 4 + 1 bytes, the two identifiers and 16 bytes of code, in URL-safe base64.
    #[must_use]
    pub fn token(&self, hook: &Hook) -> String {
        let mut bytes = plain(hook);
        bytes.extend_from_slice(&self.code(hook)[..TAG_BYTES]);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A hook's key.
    #[must_use]
    pub fn key(&self, hook: &Hook) -> HookKey {
        key_of(&self.code(hook))
    }

    /// What a token names, with its key; `None` for any that was not made by [`HookMaster::token`].
    #[must_use]
    pub fn open(&self, token: &str) -> Option<(Hook, HookKey)> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (named, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let hook = read(named)?;
        let code = self.code(&hook);
        let genuine = code[..TAG_BYTES].ct_eq(tag).to_bool();
        genuine.then(|| (hook, key_of(&code)))
    }

    fn code(&self, hook: &Hook) -> [u8; 32] {
        self.0.code(LABEL, &[&plain(hook)])
    }
}

fn key_of(code: &[u8; 32]) -> HookKey {
    HookKey(SecretString::from(BASE64_URL_SAFE_NO_PAD.encode(&code[TAG_BYTES..])))
}

/// Version, generation, length of the partner's identifier, both identifiers.
fn plain(hook: &Hook) -> Vec<u8> {
    let (partner, connection) = (hook.partner.as_str().as_bytes(), hook.connection.as_str().as_bytes());
    let mut bytes = Vec::with_capacity(6 + partner.len() + connection.len() + TAG_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&hook.generation.to_be_bytes());
    bytes.push(u8::try_from(partner.len()).expect("identifiers have at most 64 characters"));
    bytes.extend_from_slice(partner);
    bytes.extend_from_slice(connection);
    bytes
}

fn read(bytes: &[u8]) -> Option<Hook> {
    let (&version, rest) = bytes.split_first()?;
    let (generation, rest) = rest.split_first_chunk::<4>()?;
    let (&length, rest) = rest.split_first()?;
    let (partner, connection) = rest.split_at_checked(usize::from(length))?;
    (version == VERSION).then_some(())?;
    Some(Hook {
        partner: PartnerId::from_str(std::str::from_utf8(partner).ok()?).ok()?,
        connection: ConnectionId::from_str(std::str::from_utf8(connection).ok()?).ok()?,
        generation: u32::from_be_bytes(*generation),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(text: &str) -> HookMaster {
        HookMaster::new(MacKey::new(SecretString::from(text.repeat(32))).unwrap())
    }

    fn hook(partner: &str, connection: &str, generation: u32) -> Hook {
        Hook {
            partner: PartnerId::new(partner).unwrap(),
            connection: ConnectionId::new(connection).unwrap(),
            generation,
        }
    }

    #[test]
    fn a_token_names_its_hook_and_fits_into_autotasks_url() {
        let longest = hook(&"p".repeat(64), &"c".repeat(64), u32::MAX);
        for hook in [hook("acme", "con_1", 1), hook("a", "b", 0), longest] {
            let token = master("k").token(&hook);
            assert!(token.len() <= TOKEN_CHARS_MAX, "{} characters", token.len());
            let (found, key) = master("k").open(&token).unwrap();
            assert_eq!(found, hook);
            assert_eq!(key.bytes(), master("k").key(&hook).bytes());
            assert_eq!(key.bytes().len(), 22);
        }
    }

    #[test]
    fn a_token_with_any_bit_changed_names_nothing() {
        let token = master("k").token(&hook("acme", "con_1", 7));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[at / 8] ^= 1 << (at % 8);
            assert!(master("k").open(&BASE64_URL_SAFE_NO_PAD.encode(other)).is_none(), "bit {at}");
        }
        for cut in 0..token.len() {
            assert!(master("k").open(&token[..cut]).is_none(), "{cut} characters");
        }
        assert!(master("x").open(&token).is_none(), "another stack's");
        assert!(master("k").open(&format!("{token}=")).is_none());
    }

    #[test]
    fn keys_differ_by_connection_and_generation_and_are_not_in_the_token() {
        let keys: std::collections::BTreeSet<Vec<u8>> =
            [hook("acme", "con_1", 1), hook("acme", "con_1", 2), hook("acme", "con_2", 1), hook("acm", "econ_1", 1)]
                .iter()
                .map(|hook| master("k").key(hook).bytes().to_vec())
                .collect();
        assert_eq!(keys.len(), 4);
        let of = hook("acme", "con_1", 1);
        assert!(
            !format!("{:?}", master("k").key(&of)).contains(std::str::from_utf8(master("k").key(&of).bytes()).unwrap())
        );
    }
}
