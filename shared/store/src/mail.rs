//! [`Mailer`] on SES, and mails as they travel.

use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use domain::mail::{Address, Mail, MailError, Mailer};
use domain::ports::Clock;
use jiff::Timestamp;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::raw::Raw;
use std::fmt;
use std::sync::Arc;

/// What SES calls a mail that it will not take however often it is sent.
const REFUSALS: &[&str] = &[
    "MessageRejected",
    "MailFromDomainNotVerifiedException",
    "AccountSuspendedException",
    "SendingPausedException",
    "BadRequestException",
    "NotFoundException",
];

/// Mails by SES.
pub struct Ses {
    client: Client,
    sender: Address,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Ses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ses").field("sender", &self.sender).finish_non_exhaustive()
    }
}

impl Ses {
    /// Mails from `sender`, whose address or domain SES has verified.
    #[must_use]
    pub fn new(client: Client, sender: Address, clock: Arc<dyn Clock>) -> Self {
        Self { client, sender, clock }
    }
}

#[async_trait]
impl Mailer for Ses {
    fn sender(&self) -> Option<&Address> {
        Some(&self.sender)
    }

    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let data = mime(&self.sender, mail, self.clock.now());
        let raw =
            RawMessage::builder().data(Blob::new(data)).build().map_err(|error| MailError::Refused(error.into()))?;
        // The envelope is ours and not read from the headers: nothing in a mail can add a recipient.
        let to = mail.to.iter().map(|address| address.as_str().to_owned()).collect();
        let request = self
            .client
            .send_email()
            .from_email_address(self.sender.as_str())
            .destination(Destination::builder().set_to_addresses(Some(to)).build())
            .content(EmailContent::builder().raw(raw).build());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code().is_some_and(|code| REFUSALS.contains(&code)) => {
                Err(MailError::Refused(Box::new(error)))
            }
            Err(error) => Err(MailError::Unavailable(Box::new(error))),
        }
    }
}

/// A mail as it travels (RFC 5322, MIME): plain text, attachments as files.
#[must_use]
pub fn mime(sender: &Address, mail: &Mail, now: Timestamp) -> Vec<u8> {
    let to = mail.to.iter().map(|address| Mailbox::new_address(None::<&str>, address.as_str())).collect();
    let mut message = MessageBuilder::new()
        .message_id(format!("{}@{}", mail.id, sender.domain()))
        .date(now.as_second())
        .from(Mailbox::new_address(None::<&str>, sender.as_str()))
        .to(Mailbox::new_list(to))
        .subject(mail.subject())
        // Out-of-office machines keep quiet (RFC 3834).
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .text_body(mail.text());
    for file in &mail.attachments {
        message = message.attachment("text/csv; charset=utf-8", file.name(), file.content().as_bytes());
    }
    message.write_to_vec().expect("a Vec takes every write")
}
