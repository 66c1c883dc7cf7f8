//! Files: what is too large for a record, by a name that we make.

use crate::actor::Scope;
use crate::ids::{ConnectionId, PartnerId};
use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fmt::Debug;
use std::time::Duration;
use url::Url;

/// SHA-256 of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Sum([u8; 32]);

impl Sha256Sum {
    /// The sum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The sum that 64 hexadecimal digits in small letters write.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if hex.len() != 64 || !hex.bytes().all(is_digit) {
            return None;
        }
        let mut sum = [0; 32];
        for (at, byte) in sum.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(sum))
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The name of one file. Made of identifiers, numbers and the content's sum, never of text from outside: the same
/// content has the same name, so that putting it twice is putting it once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey {
    partner: PartnerId,
    connection: ConnectionId,
    invoice: i64,
    sum: Sha256Sum,
}

impl BlobKey {
    /// The PDF of an invoice (`Invoices.id`).
    #[must_use]
    pub fn invoice_pdf(partner: &PartnerId, connection: &ConnectionId, invoice: i64, sum: Sha256Sum) -> Self {
        Self { partner: partner.clone(), connection: connection.clone(), invoice, sum }
    }

    /// Whose file it is.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// The folders it lies in and, last, its name: `pdf`, partner, connection, invoice, `{sum}.pdf`.
    #[must_use]
    pub fn parts(&self) -> [String; 5] {
        let Self { partner, connection, invoice, sum } = self;
        ["pdf".to_owned(), partner.to_string(), connection.to_string(), invoice.to_string(), format!("{sum}.pdf")]
    }
}

/// What whoever downloads a file is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobLabel {
    /// `application/pdf`.
    pub content_type: &'static str,
    /// The name to save it under; letters, digits, `.`, `_` and `-` only.
    pub file_name: String,
}

impl BlobLabel {
    /// A PDF under this name; whatever is no letter, digit, `.`, `_` or `-` becomes `-`.
    #[must_use]
    pub fn pdf(name: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = name.chars().map(plain).take(NAME_CHARS_MAX).collect();
        let name = name.trim_matches(['.', '-']);
        let name = if name.is_empty() { "invoice" } else { name };
        Self { content_type: "application/pdf", file_name: format!("{name}.pdf") }
    }

    /// The value of `Content-Disposition`: to be shown, or saved under the name.
    #[must_use]
    pub fn disposition(&self) -> String {
        format!("inline; filename=\"{}\"", self.file_name)
    }
}

/// Longest name that a file is saved under, in characters and without its ending: what every file system takes.
const NAME_CHARS_MAX: usize = 100;

/// Why a file could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// It is another partner's. Shown to callers as if it did not exist.
    #[error("the file is outside the caller's scope")]
    OutOfScope,
    /// The store did not answer as it should, after its own retries. What was put may be there or not.
    #[error("the file store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Files at rest.
#[async_trait]
pub trait Blobs: Send + Sync + Debug {
    /// Keeps a file, whole or not at all; one of that name is replaced.
    async fn put(&self, scope: &Scope, key: &BlobKey, bytes: Bytes, label: &BlobLabel) -> Result<(), BlobError>;
    /// Reads a whole file.
    async fn get(&self, scope: &Scope, key: &BlobKey) -> Result<Bytes, BlobError>;
    /// Deletes a file. Deleting what is not there is success.
    async fn delete(&self, scope: &Scope, key: &BlobKey) -> Result<(), BlobError>;
    /// A link that anybody can read the file by for a while; none where the store makes no links. Whether the file
    /// is there is not looked at.
    async fn link(&self, scope: &Scope, key: &BlobKey, lasting: Duration) -> Result<Option<Url>, BlobError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_back_as_it_was_written_and_nothing_else_is_one() {
        let sum = Sha256Sum::of(b"%PDF-1.4");
        let text = sum.to_string();
        assert_eq!(Sha256Sum::parse(&text), Some(sum));
        for bad in ["", "ab", &text[1..], &text.to_uppercase(), &format!("{}/", &text[1..]), &"é".repeat(32)] {
            assert_eq!(Sha256Sum::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_is_saved_under_a_name_that_means_nothing_to_a_shell_a_header_or_a_file_system() {
        for (given, name) in [
            ("INV-0091", "INV-0091.pdf"),
            ("2026/11 \"b\"\r\nSet-Cookie: x", "2026-11--b---Set-Cookie--x.pdf"),
            ("../../etc/passwd", "etc-passwd.pdf"),
            ("", "invoice.pdf"),
            ("…", "invoice.pdf"),
        ] {
            assert_eq!(BlobLabel::pdf(given).file_name, name);
        }
        assert_eq!(BlobLabel::pdf(&"x".repeat(5_000)).file_name.len(), NAME_CHARS_MAX + 4);
        assert_eq!(BlobLabel::pdf("INV-1").disposition(), "inline; filename=\"INV-1.pdf\"");
    }
}
