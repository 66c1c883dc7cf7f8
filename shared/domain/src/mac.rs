//! One key of the stack, used for different things under different labels.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Shortest key that is taken, in bytes: as long as the MAC itself.
pub const KEY_BYTES_MIN: usize = 32;

/// A key for message authentication codes. It neither prints nor serialises.
#[derive(Debug, Clone)]
pub struct MacKey(SecretString);

/// The key is shorter than [`KEY_BYTES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a MAC key has at least {KEY_BYTES_MIN} bytes")]
pub struct ShortKey;

impl MacKey {
    /// Takes a key from the stack's secret.
    ///
    /// # Errors
    /// [`ShortKey`].
    pub fn new(secret: SecretString) -> Result<Self, ShortKey> {
        if secret.expose_secret().len() < KEY_BYTES_MIN { Err(ShortKey) } else { Ok(Self(secret)) }
    }

    /// The code over `parts`; each part is framed by its length, so that no two lists of parts give the
    /// same bytes. `label` keeps codes for one thing from being good for another.
    #[must_use]
    pub fn code(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.over(label, parts).finalize().into_bytes().into()
    }

    /// Whether `code` is the code over `parts`, compared in constant time.
    #[must_use]
    pub fn verify(&self, label: &str, parts: &[&[u8]], code: &[u8]) -> bool {
        self.over(label, parts).verify_slice(code).is_ok()
    }

    fn over(&self, label: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}
