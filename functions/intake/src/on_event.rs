//! The events of the vendor's core, by the same calls as HTTP.

use crate::accounts::AccountBody;
use crate::changes::PackageChangeBody;
use crate::packages::PackageBody;
use crate::payments::{CreditData, PaymentData, PaymentRef};
use crate::usage::UsageBody;
use domain::decoding::from_value;
use domain::ids::ConnectionId;
use domain::invoices::payments::{self, Refund, Unknown};
use domain::packages;
use domain::ports::Deadline;
use domain::vendor::{self, AccountItem, UsageItem};
use domain::{AccountId, Actor, Code, Error, PackageId, PartnerId, Problem, Result, Scope};
use jiff::Timestamp;
use runtime::App;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The envelope of 5.5; what `data` holds depends on the event.
#[derive(Debug, Deserialize)]
struct Envelope {
    id: String,
    occurred_at: Timestamp,
    #[serde(default)]
    partner_id: Option<PartnerId>,
    #[serde(default)]
    connection_id: Option<ConnectionId>,
    data: Value,
}

/// `account.created`, `account.updated`: the account, whole.
#[derive(Debug, Deserialize)]
struct AccountData {
    account_id: AccountId,
    #[serde(flatten)]
    account: AccountBody,
}

/// `account.deleted`.
#[derive(Debug, Deserialize)]
struct AccountRef {
    account_id: AccountId,
}

/// `usage.recorded`.
#[derive(Debug, Deserialize)]
struct UsageData {
    account_id: AccountId,
    package_id: PackageId,
    #[serde(flatten)]
    usage: UsageBody,
}

/// `package.catalogue_changed`: a package of the catalogue, or which ones a partner may use.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CatalogueData {
    Allowed {
        packages: Vec<PackageId>,
    },
    Package {
        package_id: PackageId,
        #[serde(flatten)]
        package: PackageBody,
    },
}

/// `psa.account_claimed`, `psa.account_released`.
#[derive(Debug, Deserialize)]
struct ClaimData {
    account_id: AccountId,
    psa: String,
}

/// Takes one event of the vendor's core. Unknown kinds and events that can never be right are logged and dropped;
/// twice the same changes nothing.
///
/// # Errors
/// Records; and `not_found` for an event about something that is not known yet, so that it is delivered again.
pub async fn on_event(app: &App, detail_type: &str, detail: Value, _deadline: &dyn Deadline) -> Result<()> {
    let result = take(app, detail_type, detail).await;
    match &result {
        Err(error) if matches!(error.code(), Some(Code::InvalidInput | Code::IdempotencyMismatch)) => {
            tracing::warn!(event.kind = detail_type, error = %error, "dropped an event that cannot be right");
            Ok(())
        }
        // Told late, or again: the deletion came first, and stands.
        Err(error) if error.code() == Some(Code::PaymentDeleted) => {
            tracing::info!(event.kind = detail_type, error = %error, "dropped an event of what was deleted");
            Ok(())
        }
        _ => result,
    }
}

async fn take(app: &App, detail_type: &str, detail: Value) -> Result<()> {
    if !KNOWN.contains(&detail_type) {
        tracing::info!(event.kind = detail_type, "dropped an event of an unknown kind");
        return Ok(());
    }
    let envelope: Envelope = parsed(detail)?;
    let actor = runtime::bus::actor(detail_type, &envelope.id);
    let on = On {
        app,
        scope: runtime::bus::scope(),
        actor,
        partner: envelope.partner_id,
        connection: envelope.connection_id,
        at: envelope.occurred_at,
    };
    match detail_type {
        "account.created" | "account.updated" => on.account(parsed(envelope.data)?).await,
        "account.package_changed" => on.package_changed(parsed(envelope.data)?).await,
        "account.deleted" => on.account_deleted(parsed(envelope.data)?).await,
        "usage.recorded" => on.usage(parsed(envelope.data)?).await,
        "package.catalogue_changed" => on.catalogue(parsed(envelope.data)?).await,
        "partner.deactivated" => on.partner_deactivated().await,
        "payment.succeeded" | "payment.partially_paid" => on.paid(parsed(envelope.data)?).await,
        "payment.deleted" => on.unpaid(&parsed(envelope.data)?, Some(Refund::Whole)).await,
        "payment.refunded" => on.unpaid(&parsed(envelope.data)?, None).await,
        "credit.recorded" => on.credited(parsed(envelope.data)?).await,
        "credit.deleted" => on.uncredited(&parsed(envelope.data)?).await,
        "psa.account_claimed" => on.claimed(parsed(envelope.data)?).await,
        _ => on.released(parsed(envelope.data)?).await,
    }
}

const KNOWN: &[&str] = &[
    "account.created",
    "account.updated",
    "account.deleted",
    "account.package_changed",
    "usage.recorded",
    "package.catalogue_changed",
    "partner.deactivated",
    "payment.succeeded",
    "payment.partially_paid",
    "payment.deleted",
    "payment.refunded",
    "credit.recorded",
    "credit.deleted",
    "psa.account_claimed",
    "psa.account_released",
];

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T> {
    Ok(from_value(value)?)
}

/// An event on its way.
struct On<'a> {
    app: &'a App,
    scope: Scope,
    actor: Actor,
    partner: Option<PartnerId>,
    connection: Option<ConnectionId>,
    at: Timestamp,
}

impl On<'_> {
    fn partner(&self) -> Result<&PartnerId> {
        self.partner.as_ref().ok_or_else(|| Error::from(Problem::field("/partner_id", "is required")))
    }

    async fn account(&self, data: AccountData) -> Result<()> {
        let partner = self.partner()?.clone();
        let item = AccountItem { partner, id: data.account_id, input: data.account.into(), at: Some(self.at) };
        vendor::put_account(&self.app.ports, &self.scope, &self.actor, item, None).await.map(|_| ())
    }

    async fn account_deleted(&self, data: AccountRef) -> Result<()> {
        let of = (self.partner()?, &data.account_id);
        let at = Some(self.at);
        vendor::deactivate_account(&self.app.ports, &self.scope, &self.actor, of, at, None).await.map(|_| ())
    }

    async fn package_changed(&self, data: PackageChangeBody) -> Result<()> {
        let change = data.of_partner(self.partner()?.clone());
        packages::tell_change(&self.app.ports, &self.scope, &self.actor, change).await.map(|_| ())
    }

    async fn usage(&self, data: UsageData) -> Result<()> {
        let partner = self.partner()?.clone();
        let UsageData { account_id, package_id, usage } = data;
        let item = UsageItem { partner, account: account_id, package: package_id, input: usage.into() };
        vendor::record_usage(&self.app.ports, &self.scope, &self.actor, item).await.map(|_| ())
    }

    async fn catalogue(&self, data: CatalogueData) -> Result<()> {
        let (ports, scope, actor) = (&self.app.ports, &self.scope, &self.actor);
        match data {
            CatalogueData::Allowed { packages } => {
                let partner = self.partner()?;
                vendor::put_partner_packages(ports, scope, actor, partner, packages, None).await.map(|_| ())
            }
            CatalogueData::Package { package_id, package } => {
                vendor::put_package(ports, scope, actor, &package_id, package.into(), None).await.map(|_| ())
            }
        }
    }

    async fn partner_deactivated(&self) -> Result<()> {
        let partner = self.partner()?;
        vendor::deactivate_partner(&self.app.ports, &self.scope, &self.actor, partner).await.map(|_| ())
    }

    async fn paid(&self, data: PaymentData) -> Result<()> {
        let (partner, input) = (self.partner()?, data.input(self.connection.as_ref())?);
        let (ports, scope, actor) = (&self.app.ports, &self.scope, &self.actor);
        payments::record_payment(ports, scope, actor, partner, input, Unknown::Keep).await.map(|_| ())
    }

    async fn unpaid(&self, data: &PaymentRef, refund: Option<Refund>) -> Result<()> {
        let what = (&data.payment_id, refund.unwrap_or_else(|| data.refund()));
        let (ports, scope, actor) = (&self.app.ports, &self.scope, &self.actor);
        payments::delete_payment(ports, scope, actor, self.partner()?, what, Unknown::Keep, None).await.map(|_| ())
    }

    async fn credited(&self, data: CreditData) -> Result<()> {
        let connection = data.connection(self.connection.as_ref())?;
        let of = (self.partner()?, &connection, data.autotask_invoice_id);
        let (ports, scope, actor) = (&self.app.ports, &self.scope, &self.actor);
        payments::record_credit(ports, scope, actor, of, data.input(self.at)?, Unknown::Keep).await.map(|_| ())
    }

    async fn uncredited(&self, data: &CreditData) -> Result<()> {
        let connection = data.connection(self.connection.as_ref())?;
        let of = (self.partner()?, &connection, data.autotask_invoice_id);
        let (ports, scope, actor) = (&self.app.ports, &self.scope, &self.actor);
        payments::delete_credit(ports, scope, actor, of, &data.credit_id, Unknown::Keep, None).await.map(|_| ())
    }

    async fn claimed(&self, data: ClaimData) -> Result<()> {
        let of = (self.partner()?, &data.account_id);
        vendor::claim_account(&self.app.ports, &self.scope, &self.actor, of, &data.psa).await
    }

    async fn released(&self, data: ClaimData) -> Result<()> {
        let of = (self.partner()?, &data.account_id);
        vendor::release_account(&self.app.ports, &self.scope, &self.actor, of, &data.psa).await
    }
}
