//! Asks Autotask what the API user may do: by metadata and by reading a few rows, never by writing. One call
//! after the other, at most 14: 10 entities, 2 for costs, 2 for the billing code; retries of failed reads on top.

use super::billing_codes;
use super::findings::{Access, AccessOf, Findings};
use crate::actor::Scope;
use crate::ports::Ports;
use crate::records::{Key, load};
use crate::vendor::VendorProfile;
use autotask::{
    BillingCode, BillingItem, Client, Company, Contact, Contract, ContractService, ContractServiceAdjustment,
    ContractServiceUnit, Entity, Invoice, Service,
};

/// Rows of which one must show a cost, so that costs count as readable.
const COST_ROWS: usize = 25;
/// The billing code's name where the vendor has set none.
const DEFAULT_BILLING_CODE: &str = "Software as a Service";

/// Why a probe failed.
pub(super) enum ProbeError {
    /// Autotask.
    Autotask(autotask::Error),
    /// Ours.
    Ours(crate::problem::Error),
}

impl From<autotask::Error> for ProbeError {
    fn from(error: autotask::Error) -> Self {
        ProbeError::Autotask(error)
    }
}

/// Proves the login by the first call and finds out the rights by the others.
pub(super) async fn probe(ports: &Ports, scope: &Scope, client: &Client) -> Result<Findings, ProbeError> {
    let access = AccessOf {
        companies: access::<Company>(client).await?,
        contacts: access::<Contact>(client).await?,
        contracts: access::<Contract>(client).await?,
        contract_services: access::<ContractService>(client).await?,
        units: access::<ContractServiceUnit>(client).await?,
        adjustments: access::<ContractServiceAdjustment>(client).await?,
        services: access::<Service>(client).await?,
        billing_codes: access::<BillingCode>(client).await?,
        invoices: access::<Invoice>(client).await?,
        billing_items: access::<BillingItem>(client).await?,
    };
    let costs = costs_readable(client).await?;
    let name = billing_code_name(ports, scope).await.map_err(ProbeError::Ours)?;
    let code = match access.billing_codes.view {
        super::findings::Grant::None => None,
        _ => Some(billing_codes::find(client, &name).await?.is_some()),
    };
    Ok(Findings::new(&access, costs, code, name, ports.clock.now()))
}

/// The name of the billing code that the vendor's lines carry.
pub(crate) async fn billing_code_name(ports: &Ports, scope: &Scope) -> crate::problem::Result<String> {
    let profile = load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?;
    let name = profile.map(|profile| profile.value.saas_billing_code).filter(|name| !name.trim().is_empty());
    Ok(name.unwrap_or_else(|| DEFAULT_BILLING_CODE.to_owned()))
}

async fn access<T: Entity>(client: &Client) -> autotask::Result<Access> {
    match client.entity_information::<T>().await {
        Ok(info) => Ok(Access::of(&info)),
        // The login was taken: only this object is closed to it, or its module is not active.
        Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. }) => Ok(Access::NONE),
        Err(other) => Err(other),
    }
}

/// Costs that may not be seen come as blanks, not as errors. The catalogue is asked first, then lines.
async fn costs_readable(client: &Client) -> autotask::Result<Option<bool>> {
    use futures::{StreamExt, TryStreamExt};
    let services: Vec<Service> = match client
        .query::<Service>()
        .include(&["id", "unitCost"])
        .page_size(COST_ROWS)
        .stream()
        .take(COST_ROWS)
        .try_collect()
        .await
    {
        Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. }) => Vec::new(),
        other => other?,
    };
    if services.iter().any(|service| service.unit_cost.is_some()) {
        return Ok(Some(true));
    }
    let lines: Vec<ContractService> = match client
        .query::<ContractService>()
        .include(&["id", "unitCost"])
        .page_size(COST_ROWS)
        .stream()
        .take(COST_ROWS)
        .try_collect()
        .await
    {
        Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. }) => Vec::new(),
        other => other?,
    };
    if lines.iter().any(|line| line.unit_cost.is_some()) {
        return Ok(Some(true));
    }
    Ok((!services.is_empty() || !lines.is_empty()).then_some(false))
}
