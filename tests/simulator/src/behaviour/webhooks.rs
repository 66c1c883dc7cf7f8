//! Webhooks: who may have how many, which ones are the same, and what they get from Autotask itself.

use url::Url;

use crate::cell::Cell;
use crate::faults::mix;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::state::Tenant;
use crate::switches::Allow;
use crate::table::Row;
use crate::tables::KINDS;
use crate::webhooks::{ACTIONS, is_set};

/// Active webhooks of one kind in one database.
const ACTIVE_MAX: usize = 50;

/// The API user may have so many.
pub(super) fn before_create(tenant: &Tenant) -> Result<(), Refusal> {
    let Some(most) = tenant.db.meta.webhooks_max else { return Ok(()) };
    let own = |entity: &Entity| {
        let rows = tenant.db.table(entity).rows.values();
        rows.filter(|row| row.get(entity, "ownerResourceID").int() == Some(tenant.actor)).count()
    };
    let held: usize = KINDS.iter().map(|kind| own(catalogue().known(kind.webhooks))).sum();
    if u32::try_from(held).is_ok_and(|held| held < most) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("The logged in Resource has reached the maximum number of webhooks ({most}).")))
}

/// A GUID that is the same in every run, and an owner.
pub(super) fn complete(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    if row.get(entity, "webhookGUID").is_null() {
        let number = u64::try_from(tenant.db.table(entity).next_id).unwrap_or_default();
        let kind = u64::try_from(entity.id).unwrap_or_default();
        let high = mix(mix(tenant.ci()) ^ mix(kind));
        let (high, low) = (mix(high ^ number), mix(high.wrapping_add(1) ^ number));
        row.set(entity, "webhookGUID", Cell::text(&guid(high, low)));
    }
    if row.get(entity, "ownerResourceID").is_null() {
        row.set(entity, "ownerResourceID", Cell::Int(tenant.actor));
    }
}

fn guid(high: u64, low: u64) -> String {
    let digits = format!("{high:016x}{low:016x}");
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..32]);
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

/// URLs that can be called, nobody's events twice, and no more active ones than Autotask takes.
pub(super) fn check(tenant: &Tenant, entity: &Entity, row: &Row) -> Result<(), Refusal> {
    for field in ["webhookUrl", "deactivationUrl"] {
        if let Cell::Text(text) = row.get(entity, field)
            && !Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            return Err(Refusal::dangling(field, text));
        }
    }
    if is_set(entity, row, "sendThresholdExceededNotification") && row.get(entity, "notificationEmailAddress").is_null()
    {
        return Err(Refusal::missing_field("notificationEmailAddress"));
    }
    let others = || tenant.db.table(entity).rows.values().filter(|other| other.id(entity) != row.id(entity));
    // Autotask counts inactive ones, too.
    let same = |other: &Row| {
        let kind_of_event = |(_, field): &(&str, &str)| is_set(entity, row, field) && is_set(entity, other, field);
        other.get(entity, "webhookUrl") == row.get(entity, "webhookUrl") && ACTIONS.iter().any(kind_of_event)
    };
    if tenant.switches.repeat_webhook == Allow::Refused && others().any(same) {
        return Err(Refusal::invalid("A webhook with this URL and this type of event exists already."));
    }
    let active = others().filter(|other| is_set(entity, other, "isActive")).count();
    if is_set(entity, row, "isActive") && active >= ACTIVE_MAX {
        return Err(Refusal::invalid(format!("There can be at most {ACTIVE_MAX} active webhooks per entity.")));
    }
    Ok(())
}
