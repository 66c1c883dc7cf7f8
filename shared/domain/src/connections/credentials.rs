//! How a connection's credentials lie in the secret store: JSON with a schema version.

use crate::problem::{Code, Error, Result};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// The version that is written.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    schema_version: u32,
    username: String,
    secret: String,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The secret's text for a user name and its secret.
pub(crate) fn encode(username: &str, secret: &SecretString) -> Result<SecretString> {
    let stored = Stored {
        schema_version: SCHEMA_VERSION,
        username: username.to_owned(),
        secret: secret.expose_secret().to_owned(),
    };
    serde_json::to_string(&stored).map(SecretString::from).map_err(|_| malformed())
}

/// The user name and its secret.
///
/// # Errors
/// `secret_store_unavailable` if the text is not ours; its content is never part of the error.
pub(crate) fn decode(text: &SecretString) -> Result<(String, SecretString)> {
    let stored: Stored = serde_json::from_str(text.expose_secret()).map_err(|_| malformed())?;
    if stored.schema_version != SCHEMA_VERSION {
        return Err(malformed());
    }
    let secret = Zeroizing::new(stored.secret.clone());
    Ok((stored.username.clone(), SecretString::from(secret.as_str().to_owned())))
}

fn malformed() -> Error {
    Error::problem(Code::SecretStoreUnavailable, "The stored credentials cannot be read.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_back_as_they_went_in_and_what_is_malformed_is_not_repeated() {
        let text = encode("key@msp.example", &SecretString::from("q\"uoted".to_owned())).unwrap();
        let (username, secret) = decode(&text).unwrap();
        assert_eq!((username.as_str(), secret.expose_secret()), ("key@msp.example", "q\"uoted"));
        let error = decode(&SecretString::from("{\"canary\":1}".to_owned())).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
