//! Brings Autotask to what is wanted: one webhook of each wanted kind, and none of any other.
//!
//! What is there is looked at before anything is made, and a webhook's URL says whose it is and which key it has. So every
//! step can be repeated, by whoever takes it up after a kill or after an answer that was lost.

mod noted;
mod one;

pub(super) use noted::note;

use super::amend::{Desk, Tell};
use super::callout::WebhookEntity;
use super::changed::Around;
use super::installed::{InstalledWebhook, Webhooks};
use super::rejected::RejectedRow;
use super::theirs::{Maker, refusal};
use crate::ports::{Deadline, Order, PageRequest, Ports, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Key, load, load_page};
use crate::vendor::VendorProfile;
use autotask::Id;
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// How often readiness is looked at before somebody else comes back for it.
const READY_LOOKS: u32 = 5;
/// Pause between two such looks.
const READY_PAUSE: Duration = Duration::from_secs(2);
/// When readiness is looked at again after that.
const READY_LATER: Duration = Duration::from_secs(60);
/// How long a request whose answer was lost may still take effect, with room: looked at again after that.
const UNSURE_LATER: Duration = Duration::from_secs(300);
/// How often a fit is put off before it is called failed; the hourly look tries again.
const ROUNDS_MAX: u32 = 6;
/// A kind is not begun with less time than this: some thirty calls, one after the other.
const KIND_TIME_MIN: Duration = Duration::from_secs(60);
/// Rows of refused callouts that are looked at for a wrong signature.
const REFUSED_ROWS: u32 = 20;

/// The subject of what is wrong with all webhooks.
pub(super) const ALL: &str = "webhooks";

/// The subject of what is wrong with one.
pub(super) fn subject(entity: &WebhookEntity) -> String {
    format!("webhook/{entity}")
}

/// What a fit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitted {
    /// All is as it can be.
    Done,
    /// Autotask has to be looked at again after a while.
    Later(Duration),
}

/// Why work on one webhook stopped.
enum Stop {
    /// Autotask refuses it.
    Refused(Code, String),
    /// Nobody knows whether it was done.
    Unsure,
    /// It is not about this webhook.
    Other(Error),
}

impl From<autotask::Error> for Stop {
    fn from(source: autotask::Error) -> Self {
        match refusal(&source) {
            Some((code, words)) => Stop::Refused(code, words),
            None if source.may_have_been_applied() => Stop::Unsure,
            None => Stop::Other(Error::Autotask { doing: "looking after webhooks", source }),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Other(error)
    }
}

/// Which kinds a fit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of Autotask's: what a kill left behind is found.
    All,
    /// Those that are wanted or known.
    Known,
}

/// Brings Autotask to what is wanted. A kind that cannot be had does not stop the others.
///
/// # Errors
/// A failed call that is about no webhook in particular; storage's own.
pub(super) async fn fit(around: &Around<'_>, deadline: &dyn Deadline, reach: Reach, round: u32) -> Result<Fitted> {
    let fitting = Fitting::new(around).await?;
    fitting.follow_the_user().await?;
    let asked = fitting.desk.webhooks().await?;
    let (mut waiting, mut unsure) = (Vec::new(), Vec::new());
    for entity in WebhookEntity::ALL {
        let (wanted, known) = (asked.wanted.contains(&entity), asked.hook(&entity).is_some());
        if !wanted && !known && reach == Reach::Known {
            continue;
        }
        if deadline.remaining() < KIND_TIME_MIN {
            return Ok(Fitted::Later(Duration::ZERO));
        }
        let done = if wanted { fitting.have(&entity).await } else { fitting.remove(&entity, known).await };
        match done {
            Ok(true) => {}
            Ok(false) => waiting.push(entity),
            Err(Stop::Refused(code, words)) => fitting.failed(&entity, code, &words).await?,
            Err(Stop::Unsure) => unsure.push(entity),
            Err(Stop::Other(error)) => return Err(error),
        }
    }
    let waiting = fitting.wait(waiting).await?;
    if round < ROUNDS_MAX && !unsure.is_empty() {
        return Ok(Fitted::Later(UNSURE_LATER));
    }
    if round < ROUNDS_MAX && !waiting.is_empty() {
        return Ok(Fitted::Later(READY_LATER));
    }
    for entity in waiting {
        fitting.failed(&entity, Code::WebhookNotReady, &fitting.why_not_ready(&entity).await?).await?;
    }
    for entity in unsure {
        fitting.failed(&entity, Code::RejectedByAutotask, "Autotask does not say whether it did it.").await?;
    }
    fitting.conclude(&asked).await?;
    Ok(Fitted::Done)
}
struct Fitting<'a> {
    around: &'a Around<'a>,
    desk: Desk<'a>,
    maker: Maker<'a>,
    vendor: String,
    /// When a callout last came with a signature that our key did not make.
    mistrusted_at: Option<Timestamp>,
}

impl<'a> Fitting<'a> {
    async fn new(around: &'a Around<'a>) -> Result<Self> {
        let Around { ports, scope, .. } = *around;
        let profile = load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?;
        let vendor = profile.map_or_else(String::new, |profile| profile.value.integration_vendor);
        let desk = around.desk();
        let mistrusted_at = mistrusted_at(&desk).await?;
        Ok(Self { around, desk, maker: Maker::of(ports)?, vendor, mistrusted_at })
    }

    fn now(&self) -> Timestamp {
        self.desk.ports.clock.now()
    }

    fn username(&self) -> &str {
        &self.around.connection.username
    }

    /// A connection that got another API user gets webhooks of that user's: those of before would be switched off with
    /// the user who made them. URLs are new, as Autotask takes no URL twice; those of before are taken until theirs are
    /// gone.
    async fn follow_the_user(&self) -> Result<()> {
        let anothers = |record: &Webhooks| {
            let is = |hook: &InstalledWebhook| {
                hook.id.is_some_and(|id| record.is_anothers(&hook.entity, id, self.username()))
            };
            record.is_of_one_generation() && record.hooks.iter().any(is)
        };
        if !anothers(&self.desk.webhooks().await?) {
            return Ok(());
        }
        self.desk
            .amend(|record| {
                if !anothers(record) {
                    return Ok(Vec::new());
                }
                let before = json!({"generation": record.generation});
                record.generation = record.generation.saturating_add(1);
                Ok(vec![Tell::Audit("webhooks.follow_user", before, json!({"generation": record.generation}))])
            })
            .await?;
        Ok(())
    }

    /// Waits a little for Autotask to be done with webhooks. Answers those that are not ready.
    async fn wait(&self, mut waiting: Vec<WebhookEntity>) -> Result<Vec<WebhookEntity>> {
        for _ in 0..READY_LOOKS {
            if waiting.is_empty() {
                break;
            }
            self.desk.ports.clock.pause(READY_PAUSE).await;
            let mut still = Vec::new();
            for entity in waiting {
                match self.is_ready_now(&entity).await {
                    Ok(true) => {}
                    Ok(false) | Err(Stop::Refused(..) | Stop::Unsure) => still.push(entity),
                    Err(Stop::Other(error)) => return Err(error),
                }
            }
            waiting = still;
        }
        Ok(waiting)
    }

    async fn is_ready_now(&self, entity: &WebhookEntity) -> std::result::Result<bool, Stop> {
        let record = self.desk.webhooks().await?;
        let Some(id) = record.hook(entity).and_then(|hook| hook.id) else { return Ok(false) };
        let Some(row) = self.api(entity)?.get(Id::new(id)).await? else { return Ok(false) };
        Ok(self.settle(entity, &row).await?)
    }

    async fn why_not_ready(&self, entity: &WebhookEntity) -> Result<String> {
        let record = self.desk.webhooks().await?;
        let skipped = record.hook(entity).map(|hook| hook.skipped.join(", ")).unwrap_or_default();
        Ok(match skipped.is_empty() {
            true => "Autotask has it and does not say that it is ready.".to_owned(),
            false => {
                format!("Autotask has it and does not say that it is ready. It took no field of these: {skipped}.")
            }
        })
    }
}

/// When a callout of this connection last came with a signature that none of its keys made, of late.
async fn mistrusted_at(desk: &Desk<'_>) -> Result<Option<Timestamp>> {
    let of = Collection::RejectedCallouts(Some((desk.partner.clone(), desk.connection.clone())));
    let page = PageRequest { limit: REFUSED_ROWS, after: None, order: Order::Descending, read: Read::Eventual };
    let (rows, _) = load_page::<RejectedRow>(&*desk.ports.storage, desk.scope, &of, page).await?;
    let wrong = |row: &RejectedRow| row.counts.contains_key(super::Refusal::BadSignature.as_str());
    Ok(rows.into_iter().find(|row| wrong(row)).map(|row| row.value.at))
}

/// Whether this deployment can have webhooks at all.
///
/// # Errors
/// `unavailable`.
pub(super) fn is_possible(ports: &Ports) -> Result<()> {
    Maker::of(ports).map(drop)
}
