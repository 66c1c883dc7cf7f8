//! What a fit finds and does, in the connection's record, with the issues and events that tell of it.

use super::{ALL, Fitting, subject};
use crate::problem::{Code, Result};
use crate::records::{Expect, Write};
use crate::webhooks::amend::{Desk, Tell};
use crate::webhooks::callout::WebhookEntity;
use crate::webhooks::installed::{InstalledWebhook, WebhookProblem, Webhooks, WebhooksState};
use crate::webhooks::schedule;
use autotask::Webhook;
use serde_json::json;

impl Fitting<'_> {
    /// Says that a webhook that was there is gone, or that Autotask switched it off.
    pub(super) async fn notice(
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

    /// Notes how a webhook is, and what is over. Answers whether Autotask calls it.
    pub(super) async fn settle(&self, entity: &WebhookEntity, row: &Webhook) -> Result<bool> {
        let calls = row.is_active == Some(true) && row.is_ready == Some(true);
        self.desk.amend(|record| Ok(settled(record, entity, row))).await?;
        Ok(calls)
    }

    /// Notes that a webhook cannot be had, and why.
    pub(super) async fn failed(&self, entity: &WebhookEntity, code: Code, words: &str) -> Result<()> {
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
    pub(super) async fn conclude(&self, asked: &Webhooks) -> Result<()> {
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
pub(super) fn over(entity: &WebhookEntity, hook: &InstalledWebhook) -> Vec<Tell> {
    let own = hook.problem.as_ref().filter(|problem| problem.code != Code::WebhookPermissionMissing);
    own.map(|problem| Tell::Resolves(subject(entity), problem.code)).into_iter().collect()
}

/// Notes one webhook as Autotask has it now, for who looks at a single one.
///
/// # Errors
/// Those of the storage.
pub(in crate::webhooks) async fn note(desk: &Desk<'_>, entity: &WebhookEntity, row: &Webhook) -> Result<()> {
    desk.amend(|record| Ok(settled(record, entity, row))).await?;
    Ok(())
}
