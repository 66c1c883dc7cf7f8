//! Partners, as the vendor's back end makes them known.

use super::check::{Checks, NAME_CHARS_MAX, Put, PutOutcome, narrowed, over, precondition, unless_overtaken};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::connections::{self, Connection, ConnectionStatus};
use crate::ids::PartnerId;
use crate::ports::{Ports, Read};
use crate::problem::{Error, Result};
use crate::records::{Collection, Key, Versioned, Write, load, load_all};
use crate::vendor::Partner;
use serde_json::{Value, json};

/// What the vendor says of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerInput {
    /// Its name.
    pub name: String,
    /// IANA name of its time zone.
    pub time_zone: String,
    /// Whether it still is a customer.
    pub active: bool,
}

/// Makes a partner known or changes it. One that is no longer active has its connections paused; being
/// active again resumes nothing: a person does that.
///
/// # Errors
/// `invalid_input` for an empty name or an unknown time zone; `precondition_failed` for another version.
pub async fn put_partner(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    id: &PartnerId,
    input: PartnerInput,
    if_match: Option<u64>,
) -> Result<Put<Partner>> {
    let scope = narrowed(scope, id)?;
    let wanted = checked(id, input)?;
    let put: Put<Partner> = unless_overtaken!(if_match, try_put(ports, &scope, actor, &wanted, if_match).await)?;
    if !put.record.active {
        pause_connections(ports, &scope, actor, id).await?;
    }
    Ok(put)
}

/// Notes that a partner is no longer a customer, and pauses its connections.
///
/// # Errors
/// `not_found` for a partner that nobody made known.
pub async fn deactivate_partner(ports: &Ports, scope: &Scope, actor: &Actor, id: &PartnerId) -> Result<Put<Partner>> {
    let own = narrowed(scope, id)?;
    let found: Option<Versioned<Partner>> = load(&*ports.storage, &own, &Key::Partner(id.clone())).await?;
    let partner = found.ok_or_else(|| Error::not_found("partner"))?.value;
    let input = PartnerInput { name: partner.name, time_zone: partner.time_zone, active: false };
    put_partner(ports, scope, actor, id, input, None).await
}

fn checked(id: &PartnerId, input: PartnerInput) -> Result<Partner> {
    let mut checks = Checks::default();
    let name = checks.name("/name", &input.name, NAME_CHARS_MAX);
    if jiff::tz::TimeZone::get(&input.time_zone).is_err() {
        checks.refuse("/time_zone", "must be an IANA time zone name, for example `Europe/London`");
    }
    checks.done()?;
    Ok(Partner { id: id.clone(), name, time_zone: input.time_zone, active: input.active })
}

async fn try_put(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    wanted: &Partner,
    if_match: Option<u64>,
) -> Result<Put<Partner>> {
    let found = load::<Partner>(&*ports.storage, scope, &wanted.key_of()).await?;
    precondition(found.as_ref().map(|f| f.v), if_match)?;
    if let Some(found) = &found
        && found.value == *wanted
    {
        return Ok(Put { record: found.clone(), outcome: PutOutcome::Unchanged });
    }
    let present = found.as_ref().map(|f| f.v);
    let before = found.map_or(Value::Null, |f| shown(&f.value));
    let (expect, outcome) = over(present);
    Change::of_partner(ports, actor, &wanted.id)
        .write(Write::put(wanted, expect)?)
        .audit("partner.saved", format!("partner/{}", wanted.id), before, shown(wanted))?
        .commit(scope)
        .await?;
    Ok(Put { record: Versioned { v: present.unwrap_or_default() + 1, value: wanted.clone() }, outcome })
}

fn shown(partner: &Partner) -> Value {
    json!({"name": partner.name, "time_zone": partner.time_zone, "active": partner.active})
}

impl Partner {
    fn key_of(&self) -> Key {
        Key::Partner(self.id.clone())
    }
}

/// Pauses the connections that work. One that somebody changed in between is read again.
async fn pause_connections(ports: &Ports, scope: &Scope, actor: &Actor, partner: &PartnerId) -> Result<()> {
    let of = Collection::Connections(partner.clone());
    for found in load_all::<Connection>(&*ports.storage, scope, &of, Read::Strong).await? {
        if found.status != ConnectionStatus::Disconnected {
            unless_overtaken!(None, connections::pause(ports, scope, actor, partner, &found.id, None).await)?;
        }
    }
    Ok(())
}
