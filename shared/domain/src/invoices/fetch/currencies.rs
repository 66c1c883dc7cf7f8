//! Names of currencies: read once, when a customer first has one that is not known.

use super::place::Place;
use crate::invoices::customer::{Currencies, CurrencyNames};
use crate::problem::{Error, Result};
use crate::records::{Expect, Key, Write, load};
use autotask::{Company, Currency};
use jiff::SignedDuration;

/// A number that Autotask did not name is asked about again after a day: somebody may have added it, or the right to
/// see it.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What is known of the currencies of these companies. At most one call a day.
pub(super) async fn of(place: &Place<'_>, rows: &[Company]) -> Result<CurrencyNames> {
    if rows.is_empty() {
        return Ok(CurrencyNames::default());
    }
    let key = Key::Currencies(place.partner().clone(), place.id().clone());
    let known = load::<Currencies>(&*place.ports.storage, place.scope, &key).await?;
    let now = place.ports.clock.now();
    if let Some(known) = known {
        let lacks = rows.iter().any(|row| known.names.of(row.currency_id).is_none());
        let lately = now.duration_since(known.asked_at) < ASKED_AGAIN_AFTER;
        if !lacks || lately {
            return Ok(known.value.names);
        }
    }
    let query = place.client().query::<Currency>().include(Currency::READ_FIELDS);
    let rows = match query.all().await {
        Ok(rows) => rows,
        Err(source) if source.is_transient() || matches!(source, autotask::Error::Unauthorised { .. }) => {
            return Err(Error::Autotask { doing: "reading currencies", source });
        }
        // Invoices come without the name of their currency rather than not at all.
        Err(error) => {
            tracing::warn!(connection.id = %place.id(), %error, "the API user cannot read currencies");
            Vec::new()
        }
    };
    let mut names = CurrencyNames::default();
    for row in rows {
        let Some(name) = row.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) else { continue };
        if row.is_internal_currency == Some(true) {
            names.own = Some(name.clone());
        }
        names.by_id.insert(row.id.get(), name);
    }
    let (partner, connection) = (place.partner().clone(), place.id().clone());
    let record = Currencies { partner, connection, names, asked_at: now };
    place.ports.storage.write(place.scope, vec![Write::put(&record, Expect::Any)?]).await?;
    Ok(record.names)
}
