//! Webhooks as Autotask has them: which are ours, and which are nobody's.

use super::callout::WebhookEntity;
use super::token::{Hook, HookMaster};
use crate::actor::Scope;
use crate::autotask_session::Session;
use crate::connections::{Connection, ConnectionStatus};
use crate::ports::{HookConfig, Ports};
use crate::problem::{Code, Error, Result};
use crate::records::{Key, load};
use autotask::{FieldUse, Filter, Webhook, WebhookKind};
use secrecy::SecretString;
use url::Url;

/// Below the receiver's address: what stands before the token.
const PATH: &str = "hooks/autotask/";
/// After the token, where Autotask says that it switched a webhook off.
const DEACTIVATED: &str = "/deactivated";
/// Most characters of a vendor's name in a webhook's: Autotask takes 50, and the kind's name follows.
const VENDOR_CHARS_MAX: usize = 28;
/// What stands in place of a token.
const MASK: &str = "…";

/// How URLs and keys of a connection are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maker<'a> {
    master: &'a HookMaster,
    base: &'a Url,
}

/// Whose a webhook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// This connection's, with this generation of its key.
    Ours(u32),
    /// Another connection's.
    Another(Hook),
    /// It points at us with a token that we did not make.
    Nobodys,
    /// It does not point at us.
    Foreign,
}

impl<'a> Maker<'a> {
    /// Of a deployment.
    ///
    /// # Errors
    /// `unavailable` where this function has no secret or no address.
    pub(super) fn of(ports: &'a Ports) -> Result<Self> {
        let config = ports.config.hooks.as_ref();
        match config {
            Some(HookConfig { master, base: Some(base) }) => Ok(Self { master, base }),
            _ => Err(Error::problem(Code::Unavailable, "Webhooks are not set up in this deployment.")),
        }
    }

    fn root(&self) -> String {
        let base = self.base.as_str();
        format!("{base}{}{PATH}", if base.ends_with('/') { "" } else { "/" })
    }

    /// Where Autotask calls for a generation of a connection's hook.
    pub(super) fn url(&self, connection: &Connection, generation: u32) -> String {
        format!("{}{}", self.root(), self.master.token(&hook(connection, generation)))
    }

    /// Where it says that it switched the webhook off.
    pub(super) fn deactivation_url(&self, connection: &Connection, generation: u32) -> String {
        format!("{}{DEACTIVATED}", self.url(connection, generation))
    }

    /// What it signs with.
    ///
    /// # Errors
    /// Never for keys that we make.
    pub(super) fn key(&self, connection: &Connection, generation: u32) -> autotask::Result<autotask::WebhookKey> {
        let key: SecretString = self.master.key(&hook(connection, generation)).secret().clone();
        autotask::WebhookKey::new(key)
    }

    /// Whose a webhook is, by its URL.
    pub(super) fn whose(&self, connection: &Connection, webhook: &Webhook) -> Whose {
        let url = webhook.webhook_url.as_deref().unwrap_or_default();
        let Some(token) = url.strip_prefix(self.root().as_str()) else { return Whose::Foreign };
        match self.master.open(token.trim_end_matches('/')) {
            Some((hook, _)) if hook.partner == connection.partner && hook.connection == connection.id => {
                Whose::Ours(hook.generation)
            }
            Some((hook, _)) => Whose::Another(hook),
            None => Whose::Nobodys,
        }
    }

    /// A URL of ours without its token, which lets whoever has it say that something happened.
    pub(super) fn masked(&self, url: &str) -> String {
        let root = self.root();
        if url.starts_with(&root) { format!("{root}{MASK}") } else { url.to_owned() }
    }
}

fn hook(connection: &Connection, generation: u32) -> Hook {
    Hook { partner: connection.partner.clone(), connection: connection.id.clone(), generation }
}

/// Autotask's name of a kind; none of what it has no webhooks for.
pub(super) fn kind(entity: &WebhookEntity) -> Option<WebhookKind> {
    Some(match entity {
        WebhookEntity::Companies => WebhookKind::Company,
        WebhookEntity::Contacts => WebhookKind::Contact,
        WebhookEntity::ConfigurationItems => WebhookKind::ConfigurationItem,
        WebhookEntity::Tickets => WebhookKind::Ticket,
        WebhookEntity::TicketNotes => WebhookKind::TicketNote,
        WebhookEntity::Other(_) => return None,
    })
}

/// What a webhook is called in Autotask.
pub(super) fn name(vendor: &str, entity: &WebhookEntity) -> String {
    let vendor: String = vendor.trim().chars().take(VENDOR_CHARS_MAX).collect();
    format!("{} {}", vendor.trim_end(), entity.as_str().replace('_', " ")).trim_start().to_owned()
}

const CHANGE: FieldUse = FieldUse { subscribed: true, always_shown: false };
const CHANGE_SHOWN: FieldUse = FieldUse { subscribed: true, always_shown: true };

/// The fields whose change is worth a callout: what our copies hold, and what tells the vendor's core where to look.
pub(super) fn fields(entity: &WebhookEntity) -> &'static [(&'static str, FieldUse)] {
    match entity {
        WebhookEntity::Companies => &[
            ("companyName", CHANGE),
            ("companyNumber", CHANGE),
            ("companyType", CHANGE),
            ("classification", CHANGE),
            ("isActive", CHANGE_SHOWN),
            ("parentCompanyID", CHANGE),
            ("phone", CHANGE),
            ("webAddress", CHANGE),
            ("address1", CHANGE),
            ("address2", CHANGE),
            ("city", CHANGE),
            ("state", CHANGE),
            ("postalCode", CHANGE),
            ("countryID", CHANGE),
            ("currencyID", CHANGE),
            ("taxID", CHANGE),
            ("isTaxExempt", CHANGE),
        ],
        WebhookEntity::Contacts => &[
            ("companyID", CHANGE_SHOWN),
            ("isActive", CHANGE_SHOWN),
            ("firstName", CHANGE),
            ("lastName", CHANGE),
            ("title", CHANGE),
            ("emailAddress", CHANGE),
            ("emailAddress2", CHANGE),
            ("emailAddress3", CHANGE),
            ("phone", CHANGE),
            ("mobilePhone", CHANGE),
            ("primaryContact", CHANGE),
        ],
        WebhookEntity::ConfigurationItems => &[
            ("companyID", CHANGE_SHOWN),
            ("isActive", CHANGE_SHOWN),
            ("contractID", CHANGE),
            ("productID", CHANGE),
            ("referenceTitle", CHANGE),
            ("serialNumber", CHANGE),
        ],
        WebhookEntity::Tickets => &[
            ("companyID", CHANGE_SHOWN),
            ("status", CHANGE_SHOWN),
            ("title", CHANGE),
            ("priority", CHANGE),
            ("queueID", CHANGE),
            ("assignedResourceID", CHANGE),
            ("dueDateTime", CHANGE),
            ("completedDate", CHANGE),
        ],
        WebhookEntity::TicketNotes => {
            &[("ticketID", CHANGE_SHOWN), ("title", CHANGE), ("description", CHANGE), ("publish", CHANGE)]
        }
        WebhookEntity::Other(_) => &[],
    }
}

/// All webhooks of a kind that Autotask shows.
///
/// # Errors
/// As a query's.
pub(super) async fn of_kind(session: &Session, kind: WebhookKind) -> autotask::Result<Vec<Webhook>> {
    session.client.webhooks(kind).query(Filter::everything()).await
}

/// A webhook that points at us and is nobody's.
#[derive(Debug, Clone)]
pub(super) struct Orphan {
    pub(super) entity: WebhookEntity,
    pub(super) webhook: Webhook,
}

/// Whether a webhook points at us and is nobody's: its token is not ours, or its connection is gone or has ended. What
/// belongs to another partner is not looked at.
///
/// # Errors
/// Those of the storage.
pub(super) async fn is_orphan(ports: &Ports, scope: &Scope, own: &Connection, whose: &Whose) -> Result<bool> {
    match whose {
        Whose::Nobodys => Ok(true),
        Whose::Another(hook) if hook.partner == own.partner => {
            let key = Key::Connection(hook.partner.clone(), hook.connection.clone());
            let found = load::<Connection>(&*ports.storage, scope, &key).await?;
            Ok(found.is_none_or(|found| found.status == ConnectionStatus::Disconnected))
        }
        Whose::Another(_) | Whose::Ours(_) | Whose::Foreign => Ok(false),
    }
}

/// Why Autotask does not do what a webhook needs, where that is the webhook's own matter.
pub(super) fn refusal(error: &autotask::Error) -> Option<(Code, String)> {
    use autotask::Error as E;
    let texts = error.texts().join("; ");
    let said = texts.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let code = match error {
        E::Forbidden { .. } => Code::WebhookPermissionMissing,
        E::UnknownOutcome { .. } if texts.is_empty() => return None,
        E::Rejected { .. } | E::UnknownOutcome { .. } | E::NotFound { .. } => {
            if says(&["permission", "not allowed", "not authorized", "security level"]) {
                Code::WebhookPermissionMissing
            } else if says(&["maximum", "at most", "limit", "too many"]) {
                Code::WebhookLimitReached
            } else if says(&["already exist", "exists already", "duplicate"]) {
                Code::WebhookDuplicate
            } else {
                Code::RejectedByAutotask
            }
        }
        E::OutOfBounds { what } => return Some((Code::RejectedByAutotask, what.clone())),
        _ => return None,
    };
    let words = if texts.is_empty() { error.to_string() } else { format!("Autotask says: {texts}") };
    Some((code, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_whatever_the_vendor_is_called() {
        for vendor in ["Sentinel Awareness", "", &"ä".repeat(200)] {
            for entity in WebhookEntity::ALL {
                let name = name(vendor, &entity);
                assert!((5..=autotask::WEBHOOK_NAME_MAX).contains(&name.chars().count()), "{name}");
                assert_eq!(name.trim(), name);
            }
        }
    }

    #[test]
    fn autotasks_words_say_what_is_the_matter() {
        let rejected = |text: &str| autotask::Error::Rejected { status: 500, texts: vec![text.to_owned()] };
        for (text, code) in [
            ("There can be at most 50 active webhooks per entity.", Code::WebhookLimitReached),
            ("The logged in Resource has reached the maximum number of webhooks (5).", Code::WebhookLimitReached),
            ("A webhook with this URL and this type of event exists already.", Code::WebhookDuplicate),
            ("You do not have permission to do that.", Code::WebhookPermissionMissing),
            ("Something else.", Code::RejectedByAutotask),
        ] {
            assert_eq!(refusal(&rejected(text)).map(|(code, _)| code), Some(code), "{text}");
        }
        let forbidden = autotask::Error::Forbidden { texts: Vec::new() };
        assert_eq!(refusal(&forbidden).map(|(code, _)| code), Some(Code::WebhookPermissionMissing));
        assert_eq!(refusal(&autotask::Error::Unauthorised { texts: Vec::new() }), None);
    }
}
