//! Mails: what is sent to people, and the port that sends it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fmt::Debug;

/// Longest address, in characters: SMTP's own bound of a path, without its brackets (RFC 5321).
const ADDRESS_CHARS_MAX: usize = 254;
/// Longest part before the `@` (RFC 5321).
const LOCAL_CHARS_MAX: usize = 64;
/// Longest label of a domain (RFC 1035).
const LABEL_CHARS_MAX: usize = 63;
/// Longest subject, in characters: more is not shown by any mail program.
pub const SUBJECT_CHARS_MAX: usize = 160;
/// Longest text of a mail, in characters.
pub const TEXT_CHARS_MAX: usize = 50_000;
/// Most bytes of all attachments together: with their encoding a mail stays below 10 MB, which most mail servers take.
pub const ATTACHED_BYTES_MAX: usize = 6_000_000;
/// Characters that may stand before the `@` besides letters and digits. RFC 5321 has more, quoted ones too, which are
/// good for nothing but smuggling.
const LOCAL_SIGNS: &str = ".!#$&'*+-/=?^_`{|}~%";

/// A checked e-mail address: one mailbox, ASCII, without a name. Nothing in it can end a header or begin another
/// recipient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// A text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address")]
pub struct NoAddress;

impl Address {
    /// The address that a text is, with white space around it cut off.
    ///
    /// # Errors
    /// [`NoAddress`].
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(NoAddress)?;
        let sign = |c: char| c.is_ascii_alphanumeric() || LOCAL_SIGNS.contains(c);
        let dots = |part: &str| part.split('.').all(|label| !label.is_empty());
        let label = |label: &str| {
            label.len() <= LABEL_CHARS_MAX
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let is_local = (1..=LOCAL_CHARS_MAX).contains(&local.len()) && local.chars().all(sign) && dots(local);
        let is_domain = domain.contains('.') && dots(domain) && domain.split('.').all(label);
        if is_local && is_domain && text.len() <= ADDRESS_CHARS_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoAddress)
        }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is behind the `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Address {
    type Error = NoAddress;
    fn try_from(text: String) -> Result<Self, NoAddress> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

/// A CSV file that goes with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    name: String,
    csv: String,
}

impl Attachment {
    /// A CSV file under this name; whatever is no letter, digit, `_` or `-` becomes `-`.
    #[must_use]
    pub fn csv(name: &str, csv: String) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
        Self { name: format!("{}.csv", name.chars().map(plain).take(100).collect::<String>()), csv }
    }

    /// The name to save it under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.csv
    }
}

/// One mail in plain text. Who sends it is the port's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The same for a mail that is sent again because nobody knows whether it went out.
    pub id: String,
    /// To whom; they see each other.
    pub to: Vec<Address>,
    subject: String,
    text: String,
    /// What goes with it.
    pub attachments: Vec<Attachment>,
}

impl Mail {
    /// A mail without attachments. Whatever would break a line in the subject becomes a space; what is too long is cut.
    #[must_use]
    pub fn new(id: impl Into<String>, to: Vec<Address>, subject: &str, text: &str) -> Self {
        let text = text.chars().filter(|c| !c.is_control() || *c == '\n').take(TEXT_CHARS_MAX).collect();
        Self { id: id.into(), to, subject: one_line(subject, SUBJECT_CHARS_MAX), text, attachments: Vec::new() }
    }

    /// One line.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Lines that end in `\n`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Text from outside on one line: runs of white space and control characters become one space, and what is longer than
/// `most` characters is cut.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line = text.split(breaks).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The deployment has no address to send from.
    #[error("this deployment sends no mail")]
    Off,
    /// It will not be taken as it is: an address that is blocked, a sender that is not verified.
    #[error("the mail was refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail service is away or busy. The mail may have gone out or not.
    #[error("the mail service is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends mails.
#[async_trait]
pub trait Mailer: Send + Sync + Debug {
    /// The address that mails come from; none where the deployment sends no mail.
    fn sender(&self) -> Option<&Address>;

    /// Sends one mail. `Ok`: the mail service has it, and goes on trying by itself.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// No mails: a deployment without an address to send from, and functions that send none.
#[derive(Debug, Clone, Copy)]
pub struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    fn sender(&self) -> Option<&Address> {
        None
    }
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_mailbox_and_nothing_that_could_be_more() {
        for good in ["a@b.example", "first.last+tag@sub.msp.example", " ops@x-y.example ", "o'hara@msp.example"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@msp.example", "a".repeat(65));
        let bad = [
            "",
            "a",
            "a@b",
            "@b.example",
            "a@",
            "a@b@c.example",
            "a@.example",
            "a@b..c",
            ".a@b.example",
            "a..b@c.example",
            "a@-b.example",
            "a b@c.example",
            "a@b.example,c@d.example",
            "a@b.example;c@d.example",
            "Name <a@b.example>",
            "\"a b\"@c.example",
            "a@b.example\r\nBcc: x@evil.example",
            "a\n@b.example",
            "a\0@b.example",
            "ä@b.example",
            "a@[127.0.0.1]",
            long.as_str(),
        ];
        for text in bad {
            assert_eq!(Address::parse(text), Err(NoAddress), "{text:?}");
        }
        assert!(serde_json::from_str::<Address>("\"a@b.example\\r\\nBcc: c@d.example\"").is_err());
    }

    #[test]
    fn whatever_would_break_a_line_of_a_subject_becomes_a_space() {
        let mail = Mail::new("m1", Vec::new(), "Acme\r\nBcc: x@evil.example\u{2028}\u{85}\tand\0more", "a\r\nb\0\x1b");
        assert_eq!(mail.subject(), "Acme Bcc: x@evil.example and more");
        assert_eq!(mail.text(), "a\nb");
        let long = Mail::new("m2", Vec::new(), &"x".repeat(500), "");
        assert_eq!(long.subject().chars().count(), SUBJECT_CHARS_MAX);
    }

    #[test]
    fn the_name_of_an_attachment_leads_nowhere() {
        assert_eq!(Attachment::csv("../run\"\r\n1", String::new()).name(), "---run---1.csv");
    }
}
