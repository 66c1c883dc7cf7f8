//! Brings Autotask to what is wanted: one webhook of each wanted kind, and none of any other.
//!
//! What is there is looked at before anything is made, and a webhook's URL says whose it is and which key it has. So every
//! step can be repeated, by whoever takes it up after a kill or after an answer that was lost.

use super::amend::{Desk, Tell};
use super::callout::WebhookEntity;
use super::changed::Around;
use super::installed::{InstalledWebhook, WebhookProblem, Webhooks, WebhooksState};
use super::rejected::RejectedRow;
use super::schedule;
use super::theirs::{Maker, Whose, fields, kind, name, of_kind, refusal};
use crate::ports::{Deadline, Order, PageRequest, Ports, Read};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Expect, Key, Write, load, load_page};
use crate::vendor::VendorProfile;
use autotask::{Field, Id, NewWebhook, Webhook, WebhookPatch};
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

    fn api(&self, entity: &WebhookEntity) -> std::result::Result<autotask::Webhooks, Stop> {
        let kind = kind(entity).ok_or_else(|| Stop::Other(Error::not_found("kind of webhook")))?;
        Ok(self.around.session.client.webhooks(kind))
    }

    /// Our webhooks of a kind, the one to keep first.
    async fn ours(
        &self,
        api: &autotask::Webhooks,
        record: &Webhooks,
    ) -> std::result::Result<Vec<(u32, Webhook)>, Stop> {
        let rows = of_kind(self.around.session, api.kind()).await?;
        let whose = |webhook: Webhook| match self.maker.whose(self.around.connection, &webhook) {
            Whose::Ours(generation) => Some((generation, webhook)),
            _ => None,
        };
        let mut ours: Vec<(u32, Webhook)> = rows.into_iter().filter_map(whose).collect();
        let known = |id| record.hooks.iter().find(|hook| hook.id == Some(id));
        ours.sort_by_key(|(generation, row)| {
            let id = row.id.get();
            let anothers = known(id).is_some_and(|hook| record.is_anothers(&hook.entity, id, self.username()));
            (anothers, known(id).is_none(), *generation != record.generation, id)
        });
        Ok(ours)
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

    /// One webhook of a kind, as it should be. Answers whether Autotask calls it.
    async fn have(&self, entity: &WebhookEntity) -> std::result::Result<bool, Stop> {
        let (api, record) = (self.api(entity)?, self.desk.webhooks().await?);
        let mut ours = self.ours(&api, &record).await?.into_iter();
        let kept = ours.next();
        for (_, surplus) in ours {
            self.delete(&api, entity, &surplus).await?;
        }
        self.notice(entity, record.hook(entity), kept.as_ref().map(|(_, row)| row)).await?;
        let mut replaced = None;
        let (row, touched) = match kept {
            Some((_, old)) if record.is_anothers(entity, old.id.get(), self.username()) => {
                let row = self.create(&api, entity, &record).await?;
                replaced = Some(old);
                (row, true)
            }
            Some((generation, row)) => self.update(&api, entity, &record, generation, row).await?,
            None => (self.create(&api, entity, &record).await?, true),
        };
        let (added, skipped) = self.give_fields(&api, entity, row.id).await?;
        self.exclude(&api, &row).await?;
        if let Some(old) = replaced {
            self.delete(&api, entity, &old).await?;
        }
        let ready = row.is_ready == Some(true) && row.is_active == Some(true);
        let row = match touched || added || !ready {
            true => api.get(row.id).await?.ok_or(Stop::Unsure)?,
            false => row,
        };
        self.desk
            .amend(|record| {
                record.hook_mut(entity).skipped.clone_from(&skipped);
                Ok(Vec::new())
            })
            .await?;
        self.settle(entity, &row).await.map_err(Stop::Other)
    }

    /// Says that a webhook that was there is gone, or that Autotask switched it off.
    async fn notice(
        &self,
        entity: &WebhookEntity,
        known: Option<&InstalledWebhook>,
        found: Option<&Webhook>,
    ) -> Result<()> {
        let Some(known) = known.filter(|known| known.id.is_some()) else { return Ok(()) };
        let why = match found {
            None => "missing",
            Some(row) if row.is_active == Some(false) && known.active => "switched_off",
            Some(_) => return Ok(()),
        };
        let now = self.now();
        self.desk
            .amend(|record| {
                let hook = record.hook_mut(entity);
                let mut tells = Vec::new();
                if std::mem::replace(&mut hook.active, false) {
                    let data = json!({"webhook": entity, "name": hook.name, "why": why});
                    tells.push(Tell::Event("webhook.disabled", data));
                    if why == "switched_off" {
                        let words = format!("The webhook of {entity} was found switched off.");
                        tells.push(Tell::Opens(subject(entity), Code::WebhookDisabledByAutotask, words));
                    }
                }
                if why == "missing" {
                    record.bury(entity, now);
                }
                record.ask_poll(now);
                Ok(tells)
            })
            .await?;
        tracing::warn!(connection.id = %self.desk.connection, webhook = %entity, why, "a webhook does not call");
        Ok(())
    }

    async fn create(
        &self,
        api: &autotask::Webhooks,
        entity: &WebhookEntity,
        record: &Webhooks,
    ) -> std::result::Result<Webhook, Stop> {
        let (connection, generation) = (self.around.connection, record.generation);
        let key = self.maker.key(connection, generation)?;
        let (url, off) = (self.maker.url(connection, generation), self.maker.deactivation_url(connection, generation));
        let id = match api.create(&NewWebhook::new(name(&self.vendor, entity), url, off, key)).await {
            Ok(id) => id,
            // It may be there all the same.
            Err(error) if error.may_have_been_applied() => {
                let ours = self.ours(api, record).await?;
                match ours.into_iter().find(|(made, _)| *made == generation) {
                    Some((_, row)) => row.id,
                    None => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let row = api.get(id).await?.ok_or(Stop::Unsure)?;
        self.remember(entity, &row, generation, true).await?;
        Ok(row)
    }

    /// Changes what is not as it should be, and nothing else.
    async fn update(
        &self,
        api: &autotask::Webhooks,
        entity: &WebhookEntity,
        record: &Webhooks,
        generation: u32,
        row: Webhook,
    ) -> std::result::Result<(Webhook, bool), Stop> {
        let (connection, present) = (self.around.connection, record.generation);
        let mut patch = WebhookPatch::new(row.id);
        let off = self.maker.deactivation_url(connection, present);
        let elsewhere = row.deactivation_url.as_deref().is_some_and(|url| url != off);
        let keyed_at = record.hook(entity).and_then(|hook| hook.keyed_at);
        let mistrusted = self.mistrusted_at.is_some_and(|at| keyed_at.is_none_or(|keyed_at| at > keyed_at));
        let rekeyed = generation != present || elsewhere || mistrusted;
        if rekeyed {
            // In one call, so that no callout is signed with a key that the URL does not go with for long.
            patch.webhook_url = Field::Set(self.maker.url(connection, present));
            patch.deactivation_url = Field::Set(off);
            patch.secret_key = Some(self.maker.key(connection, present)?);
        }
        let mut dirty = rekeyed;
        for (field, is) in [
            (&mut patch.is_active, row.is_active),
            (&mut patch.is_subscribed_to_create_events, row.is_subscribed_to_create_events),
            (&mut patch.is_subscribed_to_update_events, row.is_subscribed_to_update_events),
            (&mut patch.is_subscribed_to_delete_events, row.is_subscribed_to_delete_events),
        ] {
            if is == Some(false) {
                *field = Field::Set(true);
                dirty = true;
            }
        }
        if dirty {
            api.patch(&patch).await?;
        }
        self.remember(entity, &row, present, rekeyed).await?;
        Ok((row, dirty))
    }

    /// Notes which webhook it is, as soon as that is known.
    async fn remember(&self, entity: &WebhookEntity, row: &Webhook, generation: u32, keyed: bool) -> Result<()> {
        let now = self.now();
        let guid = row.webhook_guid.as_deref().map(str::to_ascii_lowercase);
        let made_by = self.username().to_owned();
        self.desk
            .amend(|record| {
                let before = record.hook_mut(entity).guid.clone().filter(|before| Some(before) != guid.as_ref());
                if let Some(before) = before {
                    let hook = record.hook_mut(entity);
                    (hook.complete_to, hook.look_from) = (None, None);
                    record.bury_guid(entity, &before, now);
                    record.ask_poll(now);
                }
                let hook = record.hook_mut(entity);
                hook.id = Some(row.id.get());
                hook.guid.clone_from(&guid);
                hook.name = row.name.clone().unwrap_or_default();
                hook.generation = generation;
                if keyed {
                    hook.keyed_at = Some(now);
                }
                hook.made_by = Some(made_by.clone());
                if let Some(owner) = row.owner_resource_id {
                    record.api_resource = Some(owner);
                }
                Ok(Vec::new())
            })
            .await?;
        Ok(())
    }

    /// Gives a webhook its fields, one after the other: Autotask takes three calls at once on an entity. Answers whether
    /// any was missing, and the names of those that Autotask does not know.
    async fn give_fields(
        &self,
        api: &autotask::Webhooks,
        entity: &WebhookEntity,
        webhook: Id<Webhook>,
    ) -> std::result::Result<(bool, Vec<String>), Stop> {
        let (ids, present) = (api.field_ids().await?, api.fields(webhook).await?);
        let (mut added, mut skipped) = (false, Vec::new());
        for (name, used) in fields(entity) {
            let Some(id) = ids.id_of(name) else {
                skipped.push((*name).to_owned());
                continue;
            };
            match present.iter().find(|field| field.field_id == Some(id)) {
                Some(field) if field.is_subscribed_field == Some(false) => api.remove_field(webhook, field.id).await?,
                Some(_) => continue,
                None => {}
            }
            match api.add_field(webhook, id, *used).await {
                Ok(_) => added = true,
                // One field is not worth a webhook: without any it does not become ready, and that is said.
                Err(error) => match Stop::from(error) {
                    Stop::Refused(code, _) if code != Code::WebhookPermissionMissing => {
                        skipped.push((*name).to_owned())
                    }
                    stop => return Err(stop),
                },
            }
        }
        Ok((added, skipped))
    }

    /// What our own user does is not told.
    async fn exclude(&self, api: &autotask::Webhooks, row: &Webhook) -> std::result::Result<(), Stop> {
        let Some(owner) = row.owner_resource_id else { return Ok(()) };
        let excluded = api.excluded_resources(row.id).await?;
        if !excluded.iter().any(|excluded| excluded.resource_id == Some(owner)) {
            api.exclude_resource(row.id, owner).await?;
        }
        Ok(())
    }

    /// Notes how a webhook is, and what is over. Answers whether Autotask calls it.
    async fn settle(&self, entity: &WebhookEntity, row: &Webhook) -> Result<bool> {
        let calls = row.is_active == Some(true) && row.is_ready == Some(true);
        self.desk.amend(|record| Ok(settled(record, entity, row))).await?;
        Ok(calls)
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

    /// Removes our webhooks of a kind that is no longer wanted.
    async fn remove(&self, entity: &WebhookEntity, known: bool) -> std::result::Result<bool, Stop> {
        let (api, record) = (self.api(entity)?, self.desk.webhooks().await?);
        let ours = match self.ours(&api, &record).await {
            // What this user may not see it did not make.
            Err(Stop::Refused(..)) if !known => return Ok(true),
            other => other?,
        };
        for (_, row) in &ours {
            self.delete(&api, entity, row).await?;
        }
        let now = self.now();
        self.desk
            .amend(|record| {
                let Some(hook) = record.hook(entity) else { return Ok(Vec::new()) };
                let mut tells = over(entity, hook);
                if !hook.active {
                    tells.push(Tell::Resolves(subject(entity), Code::WebhookDisabledByAutotask));
                }
                record.bury(entity, now);
                record.hooks.retain(|hook| hook.entity != *entity);
                Ok(tells)
            })
            .await?;
        Ok(true)
    }

    async fn delete(
        &self,
        api: &autotask::Webhooks,
        entity: &WebhookEntity,
        row: &Webhook,
    ) -> std::result::Result<(), Stop> {
        match api.delete(row.id).await {
            Ok(()) => {}
            // Gone, or not to be deleted by this user: which one, the next look shows.
            Err(autotask::Error::NotFound { .. }) if api.get(row.id).await?.is_none() => {}
            Err(error) => return Err(error.into()),
        }
        let (now, guid) = (self.now(), row.webhook_guid.as_deref().map(str::to_ascii_lowercase));
        if let Some(guid) = guid {
            self.desk
                .amend(|record| {
                    record.bury_guid(entity, &guid, now);
                    Ok(Vec::new())
                })
                .await?;
        }
        Ok(())
    }

    /// Notes that a webhook cannot be had, and why.
    async fn failed(&self, entity: &WebhookEntity, code: Code, words: &str) -> Result<()> {
        let now = self.now();
        self.desk
            .amend(|record| {
                let hook = record.hook_mut(entity);
                let before = hook.problem.as_ref().filter(|before| before.code == code);
                let since = before.map_or(now, |before| before.since);
                let problem = WebhookProblem { code, words: words.to_owned(), since };
                hook.problem = Some(problem.clone());
                let about = match code {
                    Code::WebhookPermissionMissing => {
                        record.problem = Some(problem);
                        ALL.to_owned()
                    }
                    _ => subject(entity),
                };
                Ok(vec![Tell::Opens(about, code, words.to_owned())])
            })
            .await?;
        tracing::warn!(connection.id = %self.desk.connection, webhook = %entity, code = code.as_str(), words, "no webhook");
        Ok(())
    }

    /// Notes that it is done, unless something else is wanted by now: then another message says so.
    async fn conclude(&self, asked: &Webhooks) -> Result<()> {
        let now = self.now();
        let slot = schedule::key(self.desk.partner, self.desk.connection);
        self.desk
            .amend(|record| {
                let mut tells = Vec::new();
                record.looked_at = Some(now);
                let refused = |hook: &InstalledWebhook| {
                    hook.problem.as_ref().is_some_and(|problem| problem.code == Code::WebhookPermissionMissing)
                };
                if !record.hooks.iter().any(refused) && record.problem.take().is_some() {
                    tells.push(Tell::Resolves(ALL.to_owned(), Code::WebhookPermissionMissing));
                }
                if record.wanted != asked.wanted || record.generation != asked.generation {
                    return Ok(tells);
                }
                record.state = match record.hooks.iter().any(|hook| hook.problem.is_some()) {
                    true => WebhooksState::Failed,
                    false if record.wanted.is_empty() => WebhooksState::Absent,
                    false => WebhooksState::Installed,
                };
                if record.state == WebhooksState::Absent {
                    (record.poll, record.complete_until) = (None, None);
                    tells.push(Tell::Resolves(ALL.to_owned(), Code::EventsLost));
                    tells.push(Tell::Also(Write::delete(slot.clone(), Expect::Any)));
                } else {
                    record.complete_until.get_or_insert(now);
                }
                Ok(tells)
            })
            .await?;
        Ok(())
    }
}

/// A webhook as Autotask has it now, in the record; with what is over by that.
fn settled(record: &mut Webhooks, entity: &WebhookEntity, row: &Webhook) -> Vec<Tell> {
    let hook = record.hook_mut(entity);
    let calls = row.is_active == Some(true) && row.is_ready == Some(true);
    hook.ready = row.is_ready == Some(true);
    if !calls {
        return Vec::new();
    }
    let mut tells = over(entity, hook);
    if !std::mem::replace(&mut hook.active, true) {
        tells.push(Tell::Event("webhook.recovered", json!({"webhook": entity, "name": hook.name})));
        tells.push(Tell::Resolves(subject(entity), Code::WebhookDisabledByAutotask));
    }
    hook.problem = None;
    tells
}

/// The issue of a webhook's problem, when that is gone.
fn over(entity: &WebhookEntity, hook: &InstalledWebhook) -> Vec<Tell> {
    let own = hook.problem.as_ref().filter(|problem| problem.code != Code::WebhookPermissionMissing);
    own.map(|problem| Tell::Resolves(subject(entity), problem.code)).into_iter().collect()
}

/// When a callout of this connection last came with a signature that none of its keys made, of late.
async fn mistrusted_at(desk: &Desk<'_>) -> Result<Option<Timestamp>> {
    let of = Collection::RejectedCallouts(Some((desk.partner.clone(), desk.connection.clone())));
    let page = PageRequest { limit: REFUSED_ROWS, after: None, order: Order::Descending, read: Read::Eventual };
    let (rows, _) = load_page::<RejectedRow>(&*desk.ports.storage, desk.scope, &of, page).await?;
    let wrong = |row: &RejectedRow| row.counts.contains_key(super::Refusal::BadSignature.as_str());
    Ok(rows.into_iter().find(|row| wrong(row)).map(|row| row.value.at))
}

/// Notes one webhook as Autotask has it now, for who looks at a single one.
///
/// # Errors
/// Those of the storage.
pub(super) async fn note(desk: &Desk<'_>, entity: &WebhookEntity, row: &Webhook) -> Result<()> {
    desk.amend(|record| Ok(settled(record, entity, row))).await?;
    Ok(())
}

/// Whether this deployment can have webhooks at all.
///
/// # Errors
/// `unavailable`.
pub(super) fn is_possible(ports: &Ports) -> Result<()> {
    Maker::of(ports).map(drop)
}
