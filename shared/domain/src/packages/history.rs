//! A month's daily counts, and what each counting rule makes of them by now.

use super::CountRule;
use super::counting::{Counted, count, counting_month};
use crate::actor::Scope;
use crate::calendar::day_of;
use crate::connections::load_connection;
use crate::ids::{AccountId, ConnectionId, PackageId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Error, Result};
use crate::records::{Key, load};
use crate::vendor::{Account, DayCount, Package, Usage, UsageMonth, partner_zone};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// What is known of one account's package in one month.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageHistory {
    /// The month's first day.
    pub month: Date,
    /// IANA name of the zone that days and months are of: the partner's.
    pub zone: String,
    /// The newest count, of whatever month.
    pub newest: Option<Usage>,
    /// The count that the month began with.
    pub opening: Option<i64>,
    /// The counts of its days, by day of the month.
    pub days: BTreeMap<i8, DayCount>,
    /// What each rule makes of it by now; none where nothing was counted, or nothing is prepaid.
    pub rules: Vec<(CountRule, Option<Counted>)>,
}

/// Reads a month of counts; where none is named, the one that a run of today would bill.
///
/// # Errors
/// `not_found` for a connection, account or package that is not there.
pub async fn usage_history(
    ports: &Ports,
    scope: &Scope,
    partner: &PartnerId,
    connection: &ConnectionId,
    (account, package): (&AccountId, &PackageId),
    month: Option<Date>,
) -> Result<UsageHistory> {
    load_connection(ports, scope, partner, connection).await?;
    let storage = &*ports.storage;
    let key = Key::Account(partner.clone(), account.clone());
    let known = load::<Account>(storage, scope, &key).await?.ok_or_else(|| Error::not_found("account"))?.value;
    let key = Key::Package(package.clone());
    load::<Package>(storage, scope, &key).await?.ok_or_else(|| Error::not_found("package"))?;
    let (zone, now) = (partner_zone(ports, scope, partner).await?, ports.clock.now());
    let month = month.map_or_else(|| counting_month(day_of(now, &zone)), Date::first_of_month);
    let key = Key::Usage(partner.clone(), account.clone(), package.clone());
    let newest = load::<Usage>(storage, scope, &key).await?.map(|usage| usage.value);
    let key = Key::UsageMonth(partner.clone(), account.clone(), package.clone(), month);
    let daily = load::<UsageMonth>(storage, scope, &key).await?.map(|month| month.value);
    let prepaid = prepaid(&known, package);
    let made = |rule| (rule, count(rule, newest.as_ref(), daily.as_ref(), now, &zone, prepaid));
    let rules = CountRule::ALL.iter().copied().map(made).collect();
    let (opening, days) = daily.map(|daily| (daily.opening, daily.days)).unwrap_or_default();
    Ok(UsageHistory { month, zone: zone.iana_name().unwrap_or("UTC").to_owned(), newest, opening, days, rules })
}

/// The quantity of a package that an account has, and when that was stated; none where it has none by quantity.
#[must_use]
pub fn prepaid(account: &Account, package: &PackageId) -> Option<(i64, Timestamp)> {
    let own = account.packages.iter().find(|own| own.id == *package)?;
    let stated = own.stamp.as_ref().map(|stamp| stamp.at).or(account.packages_at);
    Some((own.quantity?, stated.unwrap_or(account.updated_at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChangeId;
    use crate::vendor::{AccountPackage, Stamp};

    #[test]
    fn a_prepaid_quantity_is_as_old_as_its_statement() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let id = |text: &str| PackageId::new(text).unwrap();
        let changed = Stamp { at: at("2026-11-10T00:00:00Z"), change: ChangeId::new("c1").unwrap() };
        let mut account = Account {
            partner: PartnerId::new("acme").unwrap(),
            id: AccountId::new("a1").unwrap(),
            name: "Umbrella".to_owned(),
            contact_email: None,
            packages: vec![
                AccountPackage { stamp: Some(changed), ..AccountPackage::new(id("changed"), Some(3)) },
                AccountPackage::new(id("told"), Some(4)),
                AccountPackage::new(id("counted"), None),
            ],
            removed: Vec::new(),
            told: std::collections::BTreeSet::new(),
            packages_at: Some(at("2026-11-05T00:00:00Z")),
            active: true,
            updated_at: at("2026-11-20T00:00:00Z"),
        };
        for (package, known) in [
            ("changed", Some((3, at("2026-11-10T00:00:00Z")))),
            ("told", Some((4, at("2026-11-05T00:00:00Z")))),
            ("counted", None),
            ("another", None),
        ] {
            assert_eq!(prepaid(&account, &id(package)), known, "{package}");
        }
        account.packages_at = None;
        assert_eq!(prepaid(&account, &id("told")), Some((4, at("2026-11-20T00:00:00Z"))));
    }
}
