//! Settings as a partner reads and changes them: JSON merge patch, every wrong value told at once, the schedule
//! moved in the same transaction.

use super::input::{PRIORITY_RULE, email_error, error, feature_errors, priority, without_doubles};
use super::record::{Connection, Priority};
use super::settings::{FreezeWindow, Settings, SettingsRecord};
use super::{check_version, conflict, invoice_schedule, load_connection, schedule};
use crate::actor::{Actor, Role, Scope};
use crate::change::{Change, conflict_as};
use crate::decoding::{escaped, rule};
use crate::ids::{ConnectionId, PartnerId};
use crate::mappings::topology;
use crate::notify::{Notifications, notifications_of};
use crate::ports::Ports;
use crate::problem::{Code, Error, FieldError, Problem, Result};
use crate::records::{Key, Versioned, load};
use crate::tickets::check_settings;
use crate::webhooks::{WebhookEntity, load_webhooks};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What `partner_billing` may change: how money is written, not where the connection stands.
pub const PATCH_BILLING_KEYS: &[&str] = &[
    "billing_auto_sync",
    "approval_mode",
    "guards",
    "drift",
    "overwrite_cost",
    "effective_date",
    "create_missing_lines",
    "initial_sync_gate",
    "renewal",
    "renewal_notice_days",
    "pilot_accounts",
    "freeze",
    "kill_switch",
    "payment_writeback",
];

/// Longest pilot list.
const PILOT_ACCOUNTS_MAX: usize = 1_000;
/// Longest list of company types.
const COMPANY_TYPES_MAX: usize = 50;
/// Largest bound of units that a guard takes.
const UNITS_BOUND_MAX: i64 = 1_000_000;
/// Largest bound of a change in per cent: a hundredfold.
const PERCENT_BOUND_MAX: i64 = 10_000;
/// Decimal places of a bound in money: cents.
const MONEY_PLACES_MAX: u32 = 2;
/// Longest notice of a contract's end, in days: half a year, and a month ahead is usual.
const RENEWAL_NOTICE_MAX: i64 = 180;
/// Longest overlap of a fetch of new invoices, in days: each is compared again every hour.
const LOOKBACK_DAYS_MAX: i64 = 60;
/// Oldest count that may be allowed, in hours: a year.
const USAGE_AGE_MAX: i64 = 24 * 366;

/// Settings whose home is the connection's own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsHead {
    /// Whether Autotask is the partner's first PSA.
    pub priority: Priority,
    /// Which jobs are on.
    pub features: Vec<String>,
    /// Notification contact.
    pub email: Option<String>,
}

/// Settings with their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchedSettings {
    /// The version, for `ETag`.
    pub v: u64,
    /// What lies in the connection's record.
    pub head: SettingsHead,
    /// The settings.
    pub settings: Settings,
    /// Whom mails go to, and of what: shown here, changed at their own home.
    pub notifications: Notifications,
    /// What Autotask calls us about: shown here, changed by installing and uninstalling.
    pub webhooks: WebhookSettings,
}

/// What a connection's settings show of its webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WebhookSettings {
    /// The kinds of which a webhook is installed.
    pub entities: Vec<WebhookEntity>,
}

/// A connection's settings.
///
/// # Errors
/// `not_found`.
pub async fn read_settings(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<PatchedSettings> {
    let (connection, settings) = load_both(ports, scope, partner, id).await?;
    let (head, v, settings) = (head(&connection), settings.v, settings.value.settings);
    let notifications = notifications_of(ports, scope, partner, id).await?.value;
    let webhooks = webhooks_of(ports, scope, partner, id).await?;
    Ok(PatchedSettings { v, head, settings, notifications, webhooks })
}

/// Applies a merge patch (RFC 7396); null brings a default back. A patch that changes nothing writes nothing.
///
/// # Errors
/// `invalid_input` with every wrong value, `forbidden_role`, `precondition_failed`, `conflict`; `topology_in_use` for
/// topologies that mappings do not fit.
pub async fn patch_settings(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    id: &ConnectionId,
    if_match: Option<u64>,
    patch: &Map<String, Value>,
) -> Result<PatchedSettings> {
    let (connection, stored) = load_both(ports, scope, partner, id).await?;
    check_version(if_match, stored.v)?;
    let notifications = notifications_of(ports, scope, partner, id).await?.value;
    let webhooks = webhooks_of(ports, scope, partner, id).await?;
    // What was read may be sent back as it is.
    let mut patch = patch.clone();
    for (name, shown) in [("notifications", json!(notifications)), ("webhooks", json!(webhooks))] {
        if patch.get(name) == Some(&shown) {
            patch.remove(name);
        }
    }
    check_role(actor.role, &patch)?;
    let before = (head(&connection), stored.value.settings.clone());
    let after = merged(&before.0, &before.1, &patch)?;
    if after == before {
        let (head, settings) = before;
        return Ok(PatchedSettings { v: stored.v, head, settings, notifications, webhooks });
    }
    let tickets = &after.1.failure_ticket;
    if tickets.enabled && *tickets != before.1.failure_ticket {
        check_settings(ports, scope, actor, &connection, tickets).await?;
    }
    let mut changed = connection.value.clone();
    changed.priority = after.0.priority;
    changed.features.clone_from(&after.0.features);
    changed.email.clone_from(&after.0.email);
    changed.updated_at = ports.clock.now();
    // What was told while automatic billing sync was off waits for a person: switching on pushes nothing.
    let auto_sync_since = match (before.1.billing_auto_sync, after.1.billing_auto_sync) {
        (false, true) => Some(changed.updated_at),
        (true, true) => stored.value.auto_sync_since,
        (_, false) => None,
    };
    let record = SettingsRecord { settings: after.1.clone(), auto_sync_since, ..stored.value.clone() };
    let mut change = Change::of_connection(ports, actor, partner, id).replace(&record, stored.v)?.audit(
        "settings.changed",
        "settings",
        shown(&before.0, &before.1)?,
        shown(&after.0, &after.1)?,
    )?;
    if after.0 != before.0 {
        change = change.replace(&changed, connection.v)?;
    }
    if after.1.topologies != before.1.topologies {
        change = change.write(topology::switch(ports, scope, (partner, id), &after.1.topologies).await?);
    }
    if moves_schedule(&before, &after) {
        let present = schedule::load_schedule(ports, scope, &connection).await?;
        let write = schedule::rewrite(&changed, &after.1, present.as_ref(), ports.clock.now(), true)?;
        if let Some(write) = write {
            change = change.write(write);
        }
        for write in invoice_schedule::rewrite(ports, scope, &changed, &after.1).await? {
            change = change.write(write);
        }
    }
    change.commit(scope).await.map_err(|error| conflict_as(error, conflict))?;
    let (head, settings) = after;
    Ok(PatchedSettings { v: stored.v + 1, head, settings, notifications, webhooks })
}

async fn webhooks_of(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ConnectionId) -> Result<WebhookSettings> {
    let found = load_webhooks(ports, scope, partner, id).await?;
    let hooks = found.into_iter().flat_map(|found| found.value.hooks);
    let mut entities: Vec<WebhookEntity> = hooks.filter(|hook| hook.id.is_some()).map(|hook| hook.entity).collect();
    // In the order of our own list, in whatever order they were made.
    entities.sort_by_key(|entity| WebhookEntity::ALL.iter().position(|known| known == entity));
    Ok(WebhookSettings { entities })
}

async fn load_both(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    id: &ConnectionId,
) -> Result<(Versioned<Connection>, Versioned<SettingsRecord>)> {
    let connection = load_connection(ports, scope, partner, id).await?;
    let key = Key::Settings(partner.clone(), id.clone());
    let settings = load::<SettingsRecord>(&*ports.storage, scope, &key).await?;
    Ok((connection, settings.ok_or_else(|| Error::not_found("connection"))?))
}

fn head(connection: &Connection) -> SettingsHead {
    SettingsHead {
        priority: connection.priority,
        features: connection.features.clone(),
        email: connection.email.clone(),
    }
}

fn moves_schedule(before: &(SettingsHead, Settings), after: &(SettingsHead, Settings)) -> bool {
    before.1.schedule != after.1.schedule
        || before.1.time_zone != after.1.time_zone
        || before.0.features != after.0.features
}

fn check_role(role: Role, patch: &Map<String, Value>) -> Result<()> {
    if role != Role::PartnerBilling {
        return Ok(());
    }
    let beyond: Vec<&str> = patch.keys().map(String::as_str).filter(|key| !PATCH_BILLING_KEYS.contains(key)).collect();
    if beyond.is_empty() {
        return Ok(());
    }
    let detail = format!("The role partner_billing may not change {}; partner_admin may.", beyond.join(", "));
    Err(Problem::new(Code::ForbiddenRole, detail).with("required_roles", json!(["partner_admin"])).into())
}

/// Head and settings as one JSON object, as partners see them.
fn shown(head: &SettingsHead, settings: &Settings) -> Result<Value> {
    let mut value = serde_json::to_value(settings).map_err(|_| conflict())?;
    if let Some(object) = value.as_object_mut() {
        object.insert("priority".to_owned(), json!(head.priority));
        object.insert("features".to_owned(), json!(head.features));
        object.insert("email".to_owned(), json!(head.email));
    }
    Ok(value)
}

/// The patched settings, or every field that is wrong. Pure.
fn merged(head: &SettingsHead, settings: &Settings, patch: &Map<String, Value>) -> Result<(SettingsHead, Settings)> {
    let mut errors = Vec::new();
    let mut patch = patch.clone();
    let head = merge_head(head, &mut patch, &mut errors);
    let mut value = serde_json::to_value(settings).map_err(|_| conflict())?;
    let defaults = serde_json::to_value(Settings::default()).map_err(|_| conflict())?;
    for (key, new) in &patch {
        merge_key(&mut value, &defaults, key, new, &mut errors);
    }
    let settings = match serde_json::from_value::<Settings>(value) {
        Ok(settings) => settings,
        Err(_) if !errors.is_empty() => settings.clone(),
        Err(error) => return Err(rule("", &error.to_string()).into()),
    };
    check_ranges(&settings, &mut errors);
    match Problem::fields(errors) {
        Some(problem) => Err(problem.into()),
        None => Ok((head, settings)),
    }
}

fn merge_head(head: &SettingsHead, patch: &mut Map<String, Value>, errors: &mut Vec<FieldError>) -> SettingsHead {
    let mut head = head.clone();
    match patch.remove("priority") {
        None => {}
        Some(Value::Null) => head.priority = Priority::Primary,
        Some(value) => match value.as_str().and_then(priority) {
            Some(priority) => head.priority = priority,
            None => errors.push(error("/priority", PRIORITY_RULE)),
        },
    }
    match patch.remove("email") {
        None => {}
        Some(Value::Null) => head.email = None,
        Some(Value::String(text)) => {
            errors.extend(email_error(Some(&text)));
            head.email = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        }
        Some(_) => errors.push(error("/email", "must be text")),
    }
    match patch.remove("features") {
        None => {}
        Some(value) => match serde_json::from_value::<Vec<String>>(value) {
            Ok(features) => {
                errors.extend(feature_errors(&features));
                head.features = without_doubles(features);
            }
            Err(_) => errors.push(error("/features", "must be a list of features")),
        },
    }
    head
}

/// Merges one top-level key, leaf by leaf, each leaf checked by itself so that all of them can be told.
fn merge_key(value: &mut Value, defaults: &Value, key: &str, new: &Value, errors: &mut Vec<FieldError>) {
    let pointer = format!("/{}", escaped(key));
    let Some(default) = defaults.get(key) else {
        let rule = match key {
            "notifications" => "is set by PUT …/notifications",
            "webhooks" => "is set by POST …/webhooks/install and …/webhooks/uninstall",
            _ => "is no setting",
        };
        errors.push(error(&pointer, rule));
        return;
    };
    match (default, new) {
        (_, Value::Null) => value[key] = default.clone(),
        (Value::Object(known), Value::Object(leaves)) => {
            for (leaf, new) in leaves {
                let pointer = format!("{pointer}/{}", escaped(leaf));
                let Some(default) = known.get(leaf) else {
                    errors.push(error(&pointer, "is no setting"));
                    continue;
                };
                let mut candidate = value.clone();
                candidate[key][leaf] = if new.is_null() { default.clone() } else { new.clone() };
                take(value, candidate, &pointer, errors);
            }
        }
        _ => {
            let mut candidate = value.clone();
            match (&mut candidate[key], new) {
                // `freeze` is an object or nothing: what is there is merged, what is not is taken whole.
                (Value::Object(present), Value::Object(new)) => {
                    for (leaf, new) in new {
                        present.insert(leaf.clone(), new.clone());
                    }
                }
                (present, new) => *present = new.clone(),
            }
            take(value, candidate, &pointer, errors);
        }
    }
}

fn take(value: &mut Value, candidate: Value, pointer: &str, errors: &mut Vec<FieldError>) {
    match serde_path_to_error::deserialize::<_, Settings>(candidate.clone()) {
        Ok(_) => *value = candidate,
        Err(refused) => errors.extend(rule(pointer, &refused.into_inner().to_string()).errors),
    }
}

fn check_ranges(settings: &Settings, errors: &mut Vec<FieldError>) {
    let mut range = |pointer: &str, value: i64, low: i64, high: i64| {
        if !(low..=high).contains(&value) {
            errors.push(error(pointer, &format!("must be {low} to {high}")));
        }
    };
    let schedule = &settings.schedule;
    range("/schedule/day", schedule.day.into(), 1, 28);
    range("/schedule/hour", schedule.hour.into(), 0, 23);
    range("/schedule/minute", schedule.minute.into(), 0, 59);
    let guards = &settings.guards;
    range("/guards/max_units", guards.max_units, 0, UNITS_BOUND_MAX);
    range("/guards/max_percent", guards.max_percent, 0, PERCENT_BOUND_MAX);
    range("/guards/stop_run_percent", guards.stop_run_percent, 0, 100);
    range("/guards/usage_max_age_hours", guards.usage_max_age_hours, 1, USAGE_AGE_MAX);
    range("/renewal_notice_days", settings.renewal_notice_days, 1, RENEWAL_NOTICE_MAX);
    range("/lookback_days", settings.lookback_days, 1, LOOKBACK_DAYS_MAX);
    range("/api_share_percent", settings.api_share_percent, 1, 100);
    if guards.max_money.is_some_and(|money| money.is_sign_negative() || money.normalize().scale() > MONEY_PLACES_MAX) {
        errors.push(error("/guards/max_money", "must be 0 or more, with at most 2 decimals"));
    }
    if jiff::tz::TimeZone::get(&settings.time_zone).is_err() {
        errors.push(error("/time_zone", "is no IANA time zone, such as Europe/London"));
    }
    errors.extend(settings.failure_ticket.errors());
    if settings.pilot_accounts.len() > PILOT_ACCOUNTS_MAX {
        errors.push(error("/pilot_accounts", "has at most 1000 accounts"));
    }
    let types = &settings.company_scope.types;
    if types.len() > COMPANY_TYPES_MAX {
        errors.push(error("/company_scope/types", "has at most 50 types"));
    }
    if types.iter().any(|label| label.trim().is_empty() || label.chars().count() > 100) {
        errors.push(error("/company_scope/types", "has an entry that is empty or longer than 100 characters"));
    }
    if let Some(FreezeWindow { from, to }) = &settings.freeze
        && from > to
    {
        errors.push(error("/freeze/to", "is before the first day"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SettingsHead {
        SettingsHead { priority: Priority::Primary, features: vec!["seat_sync".to_owned()], email: None }
    }

    fn patched(patch: Value) -> Result<(SettingsHead, Settings)> {
        merged(&head(), &Settings::default(), patch.as_object().unwrap())
    }

    fn pointers(patch: Value) -> Vec<String> {
        let Err(Error::Problem(problem)) = patched(patch) else { panic!("it was taken") };
        assert_eq!(problem.code, Code::InvalidInput);
        problem.errors.into_iter().map(|e| e.pointer).collect()
    }

    #[test]
    fn every_wrong_value_of_a_patch_is_told_at_once() {
        let told = pointers(json!({
            "time_zone": "Mars/Olympus",
            "schedule": {"day": 31, "hour": "noon", "frobs": 1},
            "guards": {"stop_run_percent": 101},
            "api_share_percent": 0,
            "drift": "shrug",
            "nonsense": true,
            "features": ["frobs"],
            "email": "nobody",
        }));
        let mut told = told;
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "/api_share_percent",
                "/drift",
                "/email",
                "/features/0",
                "/guards/stop_run_percent",
                "/nonsense",
                "/schedule/day",
                "/schedule/frobs",
                "/schedule/hour",
                "/time_zone"
            ]
        );
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_brings_the_default_back() {
        let (_, settings) = patched(json!({"schedule": {"day": 3}, "overwrite_cost": true})).unwrap();
        assert_eq!((settings.schedule.day, settings.schedule.minute, settings.overwrite_cost), (3, 15, true));
        let back = json!({"schedule": {"day": null}, "overwrite_cost": null});
        let (_, again) = merged(&head(), &settings, back.as_object().unwrap()).unwrap();
        assert_eq!(again, Settings::default());
    }

    #[test]
    fn a_bound_in_money_is_text_with_cents_and_goes_again() {
        let (_, bound) = patched(json!({"guards": {"max_money": "250.50"}})).unwrap();
        assert_eq!(serde_json::to_value(&bound).unwrap()["guards"]["max_money"], "250.50");
        let (_, none) = merged(&head(), &bound, json!({"guards": {"max_money": null}}).as_object().unwrap()).unwrap();
        assert_eq!(none, Settings::default());
        for money in ["0", "0.00", "1000000.10", "3.10000"] {
            assert!(patched(json!({"guards": {"max_money": money}})).is_ok(), "{money}");
        }
        for money in [json!("-0.01"), json!("0.001"), json!("much"), json!(250.5), json!(250), json!(""), json!([1])] {
            assert_eq!(pointers(json!({"guards": {"max_money": money}})), ["/guards/max_money"], "{money}");
        }
    }

    #[test]
    fn each_setting_of_package_billing_is_checked_where_it_stands() {
        let good = json!({
            "schedule": {"kind": "weekly", "weekday": "friday"},
            "effective_date": {"increase": "actual_date", "package_change_decrease": "period_start"},
            "topologies": {"many_accounts_per_company": "sum", "contract_per_package": true},
            "renewal": "auto_remap", "renewal_notice_days": 180, "initial_sync_gate": "all_packages",
            "second_approver": true, "create_missing_lines": false,
        });
        let (_, settings) = patched(good.clone()).unwrap();
        for (key, value) in good.as_object().unwrap() {
            let taken = &serde_json::to_value(&settings).unwrap()[key];
            let leaves = value.as_object().into_iter().flatten();
            assert!(leaves.clone().all(|(leaf, value)| taken[leaf] == *value), "{key}");
            assert!(value.is_object() || taken == value, "{key}");
        }
        // What was not named stays.
        assert_eq!(settings.effective_date.decrease, Settings::default().effective_date.decrease);
        let mut told = pointers(json!({
            "schedule": {"kind": "hourly", "weekday": "someday"},
            "effective_date": {"increase": "now", "sometimes": "actual_date"},
            "topologies": {"many_accounts_per_company": true, "contract_per_package": "yes"},
            "renewal": "ignore", "renewal_notice_days": 0, "initial_sync_gate": 1, "second_approver": "me",
            "create_missing_lines": "never",
        }));
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "/create_missing_lines",
                "/effective_date/increase",
                "/effective_date/sometimes",
                "/initial_sync_gate",
                "/renewal",
                "/renewal_notice_days",
                "/schedule/kind",
                "/schedule/weekday",
                "/second_approver",
                "/topologies/contract_per_package",
                "/topologies/many_accounts_per_company",
            ]
        );
        assert_eq!(pointers(json!({"renewal_notice_days": 181})), ["/renewal_notice_days"]);
    }

    #[test]
    fn a_freeze_window_is_set_changed_and_lifted() {
        let (_, frozen) = patched(json!({"freeze": {"from": "2026-12-24", "to": "2027-01-02"}})).unwrap();
        let longer = json!({"freeze": {"to": "2027-01-05"}});
        let (_, longer) = merged(&head(), &frozen, longer.as_object().unwrap()).unwrap();
        assert_eq!(longer.freeze.as_ref().unwrap().to.to_string(), "2027-01-05");
        assert_eq!(longer.freeze.unwrap().from.to_string(), "2026-12-24");
        assert_eq!(pointers(json!({"freeze": {"from": "2026-12-24"}})), ["/freeze/to"], "it is required");
        assert_eq!(pointers(json!({"freeze": {"from": "2026-12-24", "to": "2026-12-01"}})), ["/freeze/to"]);
        let (_, lifted) = merged(&head(), &frozen, json!({"freeze": null}).as_object().unwrap()).unwrap();
        assert_eq!(lifted.freeze, None);
    }

    #[test]
    fn a_billing_role_changes_billing_keys_only() {
        let ok = json!({"guards": {"max_units": 50}, "kill_switch": true});
        assert!(check_role(Role::PartnerBilling, ok.as_object().unwrap()).is_ok());
        let beyond = json!({"time_zone": "Europe/London", "drift": "hold"});
        let refused = check_role(Role::PartnerBilling, beyond.as_object().unwrap()).unwrap_err();
        assert_eq!(refused.code(), Some(Code::ForbiddenRole));
        assert!(check_role(Role::PartnerAdmin, beyond.as_object().unwrap()).is_ok());
        for key in ["effective_date", "create_missing_lines", "renewal", "renewal_notice_days", "initial_sync_gate"] {
            assert!(check_role(Role::PartnerBilling, json!({key: null}).as_object().unwrap()).is_ok(), "{key}");
        }
        // Who must agree, where the connection stands, and when it runs.
        for key in ["second_approver", "topologies", "schedule", "features", "time_zone"] {
            assert!(check_role(Role::PartnerBilling, json!({key: null}).as_object().unwrap()).is_err(), "{key}");
        }
    }
}
