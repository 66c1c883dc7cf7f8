//! Connect: one action runs discovery, the credential test and the save. Nothing is kept unless all of it
//! went well.

use super::findings::{Findings, Warning};
use super::input::{NewConnection, Valid};
use super::probe::{ProbeError, probe};
use super::record::{Connection, ConnectionStatus, PsaGuard, ZoneRecord};
use super::settings::{Settings, SettingsRecord};
use super::{PSA, credentials, invoice_schedule, schedule};
use crate::actor::{Actor, Scope};
use crate::autotask_session::{Login, discover, explain, explain_zone, secrets_problem};
use crate::change::Change;
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::filtering::{self, Checked};
use crate::ports::{Ports, SecretName, SecretVersion, StorageError};
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Key, load};
use crate::vendor::Partner;
use jiff::tz::TimeZone;
use serde_json::json;

/// A connection that has just been made.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The record, in its first version.
    pub connection: Connection,
    /// Its settings, in their first version.
    pub settings: Settings,
    /// What works only in part.
    pub warnings: Vec<Warning>,
}

/// Connects a partner to its Autotask.
///
/// # Errors
/// Those that a request to connect can be refused with. After any of them nothing is saved; a secret whose record
/// could not be written is deleted at once or by the daily sweep.
pub async fn connect(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    input: NewConnection,
) -> Result<Connected> {
    let input = input.check(ports.clock.now().to_zoned(TimeZone::UTC).date())?;
    refuse_second(ports, scope, partner).await?;
    let zone = discover(ports, &input.username).await.map_err(|error| explain_zone(&error))?;
    let login = Login::entered(ports, scope, &input.username, input.secret.clone()).await?;
    let session = login.session(ports, zone.url.clone());
    let found = probe(ports, scope, &session.client).await;
    let filters = match (&found, &input.filters) {
        (Ok(_), Some(filters)) => Some(filtering::resolve(&session.client, filters).await),
        (Ok(_), None) | (Err(_), _) => None,
    };
    session.close().await;
    let findings = found.map_err(probe_problem)?;
    let filters = filters.map(|resolved| known_to_autotask(resolved.map_err(explain)?)).transpose()?;
    let id = ConnectionId::new(format!("con_{}", ports.ids.uuid())).map_err(|_| super::conflict())?;
    let (connection, settings) = assemble(ports, scope, partner, &id, &input, &zone, &findings).await?;
    let made = Made { connection, settings, filters };
    save(ports, scope, actor, made, &input, &findings).await
}

/// Filters, or what of them Autotask does not know.
fn known_to_autotask(resolved: std::result::Result<Checked, Vec<FieldError>>) -> Result<Checked> {
    resolved.map_err(|errors| {
        let problem = filtering::refused(filtering::below(errors));
        problem.map_or_else(super::conflict, Error::from)
    })
}

/// What a new connection consists of.
struct Made {
    connection: Connection,
    settings: Settings,
    filters: Option<Checked>,
}

/// What a failed probe is told.
pub(super) fn probe_problem(error: ProbeError) -> Error {
    match error {
        ProbeError::Autotask(error) => explain(error),
        ProbeError::Ours(error) => error,
    }
}

/// The zone as it is kept.
pub(super) fn zone_record(ports: &Ports, zone: &autotask::Zone) -> ZoneRecord {
    ZoneRecord {
        url: zone.url.as_str().to_owned(),
        web_url: zone.web_url.clone(),
        ci: zone.ci,
        discovered_at: ports.clock.now(),
    }
}

/// Stores credentials as a new version of the connection's secret.
pub(super) async fn put_secret(
    ports: &Ports,
    partner: &PartnerId,
    id: &ConnectionId,
    username: &str,
    secret: &secrecy::SecretString,
) -> Result<SecretVersion> {
    let name = SecretName::Connection(partner.clone(), id.clone());
    let text = credentials::encode(username, secret)?;
    ports.secrets.put(&name, text).await.map_err(secrets_problem)
}

async fn refuse_second(ports: &Ports, scope: &Scope, partner: &PartnerId) -> Result<()> {
    let key = Key::ConnectionOfPsa(partner.clone(), PSA.to_owned());
    match load::<PsaGuard>(&*ports.storage, scope, &key).await? {
        Some(guard) => Err(already_connected(&guard.value.connection)),
        None => Ok(()),
    }
}

pub(super) fn already_connected(id: &ConnectionId) -> Error {
    Problem::new(Code::AlreadyConnected, format!("The connection {id} exists."))
        .with("connection_id", id.as_str())
        .with("connection", format!("/v1/connections/{id}"))
        .into()
}

async fn assemble(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
    input: &Valid,
    zone: &autotask::Zone,
    findings: &Findings,
) -> Result<(Connection, Settings)> {
    let now = ports.clock.now();
    let mut connection = Connection {
        partner: partner.clone(),
        id: id.clone(),
        psa: PSA.to_owned(),
        status: ConnectionStatus::Connected,
        username: input.username.clone(),
        secret: SecretVersion(String::new()),
        zone: zone_record(ports, zone),
        priority: input.priority,
        email: input.email.clone(),
        features: input.features.clone(),
        profile: input.profile,
        permissions: Vec::new(),
        costs_readable: None,
        saas_billing_code_present: None,
        probed_at: None,
        automap_ran: false,
        last_ok_at: None,
        needs_relink_since: None,
        created_at: now,
        updated_at: now,
    };
    findings.apply(&mut connection);
    let known = load::<Partner>(&*ports.storage, scope, &Key::Partner(partner.clone())).await?;
    let mut settings = input.profile.settings();
    settings.invoice_reference = input.invoice_reference;
    if let Some(partner) = known {
        // Checked when it was stored; a name that this version's time zone data lacks must not stop anybody.
        if jiff::tz::TimeZone::get(&partner.value.time_zone).is_ok() {
            settings.time_zone = partner.value.time_zone;
        }
    }
    Ok((connection, settings))
}

/// The secret first: a record must never name a secret that is not there. A secret without a record is only litter.
async fn save(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    mut made: Made,
    input: &Valid,
    findings: &Findings,
) -> Result<Connected> {
    let (partner, id) = (made.connection.partner.clone(), made.connection.id.clone());
    made.connection.secret = put_secret(ports, &partner, &id, &input.username, &input.secret).await?;
    let change = change(ports, scope, actor, &made, findings).await;
    let written = match change {
        Ok(change) => change.commit(scope).await.map_err(Error::from),
        Err(error) => Err(error),
    };
    let Err(error) = written else {
        let Made { connection, settings, filters } = made;
        tracing::info!(connection.id = %id, zone = connection.zone.url, "a partner connected its Autotask");
        let mut warnings = findings.warnings(&connection.features);
        let unsure = filters.map(|filters| filters.warnings).unwrap_or_default();
        warnings.extend(unsure.into_iter().map(|warning| Warning {
            code: "filter_label_inactive",
            detail: format!("/filters{}: {}", warning.pointer, warning.detail),
            action: "Nothing, if companies of that label are meant.".to_owned(),
        }));
        return Ok(Connected { connection, settings, warnings });
    };
    // An answer that was lost may have been a success: then the record names this secret, and only the sweep can
    // tell. Any other failure means that nothing was written.
    if !matches!(error, Error::Storage(StorageError::Unavailable(_))) {
        let name = SecretName::Connection(partner.clone(), id);
        if let Err(error) = ports.secrets.delete(&name).await {
            tracing::warn!(error = %error, "a secret without a record stays until the sweep");
        }
    }
    if matches!(error, Error::Storage(StorageError::Conflict { .. })) {
        refuse_second(ports, scope, &partner).await?;
    }
    Err(error)
}

async fn change<'a>(
    ports: &'a Ports,
    scope: &Scope,
    actor: &'a Actor,
    Made { connection, settings, filters }: &Made,
    findings: &Findings,
) -> Result<Change<'a>> {
    let (partner, id) = (&connection.partner, &connection.id);
    let guard = PsaGuard { partner: partner.clone(), psa: PSA.to_owned(), connection: id.clone() };
    let record = SettingsRecord {
        partner: partner.clone(),
        connection: id.clone(),
        settings: settings.clone(),
        auto_sync_since: None,
    };
    let mut change = Change::of_connection(ports, actor, partner, id)
        .create(connection)?
        .create(&guard)?
        .create(&record)?
        .audit("connection.connected", "connection", json!(null), audited(connection))?
        .event("connection.connected", told(connection))?;
    if let Some(schedule) = schedule::first(connection, settings, ports.clock.now())? {
        change = change.create(&schedule)?;
    }
    for schedule in invoice_schedule::first(connection, settings, ports.clock.now()) {
        change = change.create(&schedule)?;
    }
    if let Some(filters) = filters {
        change = change.create(&filters.record(partner, id, ports.clock.now()))?;
    }
    findings.issues(change, ports, scope, connection).await
}

/// What the audit trail keeps of a connection: nothing secret.
pub(super) fn audited(connection: &Connection) -> serde_json::Value {
    json!({
        "status": connection.status,
        "username": connection.masked_username(),
        "zone": connection.zone.url,
        "database": connection.zone.ci,
        "features": connection.features,
    })
}

/// What the vendor's core is told of a connection.
pub(super) fn told(connection: &Connection) -> serde_json::Value {
    json!({"psa": connection.psa, "zone": connection.zone.url, "features": connection.features})
}
