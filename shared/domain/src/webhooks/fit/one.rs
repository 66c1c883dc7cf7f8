//! One webhook of a kind, as it should be.

use super::noted::over;
use super::{Fitting, Stop, subject};
use crate::problem::{Code, Error, Result};
use crate::webhooks::amend::Tell;
use crate::webhooks::callout::WebhookEntity;
use crate::webhooks::installed::{InstalledWebhook, Webhooks};
use crate::webhooks::theirs::{Whose, fields, kind, name, of_kind};
use autotask::{Field, Id, NewWebhook, Webhook, WebhookPatch};

impl Fitting<'_> {
    pub(super) fn api(&self, entity: &WebhookEntity) -> std::result::Result<autotask::Webhooks, Stop> {
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

    /// One webhook of a kind, as it should be. Answers whether Autotask calls it.
    pub(super) async fn have(&self, entity: &WebhookEntity) -> std::result::Result<bool, Stop> {
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
                    let from = hook.waits_from();
                    (hook.complete_to, hook.look_from) = (None, None);
                    record.bury_guid(entity, &before, from, now);
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

    /// Removes our webhooks of a kind that is no longer wanted.
    pub(super) async fn remove(&self, entity: &WebhookEntity, known: bool) -> std::result::Result<bool, Stop> {
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
                    let known = record.hook(entity).filter(|hook| hook.guid.as_ref() == Some(&guid));
                    let from = known.map_or(0, InstalledWebhook::waits_from);
                    record.bury_guid(entity, &guid, from, now);
                    Ok(Vec::new())
                })
                .await?;
        }
        Ok(())
    }
}
