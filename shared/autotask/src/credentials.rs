//! What an API user logs in with.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::transport::Header;

/// An API user's credentials. They neither print nor serialise.
#[derive(Clone)]
pub struct Credentials {
    username: String,
    secret: SecretString,
    integration_code: Option<SecretString>,
    /// What is sent in bodies and must not come back in the text of an error.
    hidden: Vec<SecretString>,
}

impl Credentials {
    /// The user name (e-mail-like), its secret, and the tracking identifier of the integration:
    /// the vendor's own, or the one that the tenant generated. Autotask answers nothing without
    /// one, so that `None` is only for what a test wants to see refused.
    pub fn new(username: impl Into<String>, secret: SecretString, integration_code: Option<SecretString>) -> Self {
        Self { username: username.into(), secret, integration_code, hidden: Vec::new() }
    }

    /// The API user's name, as used for zone discovery.
    pub fn username(&self) -> &str {
        &self.username
    }

    pub(crate) fn headers(&self) -> Vec<Header> {
        let mut headers = vec![
            Header::sensitive("UserName", self.username.clone().into()),
            Header::sensitive("Secret", self.secret.clone()),
        ];
        headers.extend(self.integration_code.clone().map(|code| Header::sensitive("ApiIntegrationCode", code)));
        headers
    }

    /// Whether they can be sent at all: a pasted line end, say, cannot.
    pub(crate) fn fit_into_headers(&self) -> bool {
        let fits = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        self.headers().iter().all(|header| fits(header.expose()))
    }

    pub(crate) fn hiding(mut self, secret: SecretString) -> Self {
        self.hidden.push(secret);
        self
    }

    /// Takes every secret out of a text that came from outside.
    pub(crate) fn scrub(&self, text: &mut String) {
        let secrets = [Some(&self.secret), self.integration_code.as_ref()].into_iter().flatten().chain(&self.hidden);
        for secret in secrets.map(ExposeSecret::expose_secret) {
            if !secret.is_empty() && text.contains(secret) {
                *text = text.replace(secret, "[redacted]");
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_print() {
        let credentials =
            Credentials::new("canary-user@msp.example", "canary-secret".into(), Some("canary-code".into()));
        let printed = format!("{credentials:?} {:?}", credentials.headers());
        assert!(!printed.contains("canary"), "{printed}");
    }
}
