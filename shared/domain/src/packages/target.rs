//! What a package is to be billed as, as Autotask has it now.

use super::ServiceTarget;
use super::catalogue::{
    CatalogueItem, CatalogueKind, NamedService, entries, namesakes, nearest, pick, services, words,
};
use super::put::at;
use crate::ids::LineKind;
use crate::mappings::{Remark, Theirs};
use crate::problem::{Code, Error, Problem, Result};
use autotask::{Filter, Product, Service, ServiceBundle};
use serde_json::json;

/// Most services that are named where a product stands for none.
const NEAR_MAX: usize = 10;
/// Most services that are looked at to find those.
const NEAR_ROWS_MAX: usize = 50;
/// Most words of a product's name that near services are searched by.
const NEAR_WORDS_MAX: usize = 4;

/// A target that a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedTarget {
    /// What it is.
    pub kind: CatalogueKind,
    /// `Services.id`, `ServiceBundles.id` or `Products.id`.
    pub id: i64,
}

/// Reads the target that a person chose, in at most five calls. A product becomes the service that it stands for.
///
/// # Errors
/// `invalid_input` at `/target/id` for what is not there (`permission_missing` where the API user may not see all),
/// `service_inactive`, `product_not_billable_as_service` with `near`; Autotask's own.
pub(super) async fn read_target(theirs: &Theirs<'_>, wanted: WantedTarget) -> Result<(ServiceTarget, Vec<Remark>)> {
    let found = entry(theirs, wanted).await?;
    let (kind, found, product_id) = match wanted.kind {
        CatalogueKind::Service => (LineKind::Service, found, None),
        CatalogueKind::Bundle => (LineKind::Bundle, found, None),
        CatalogueKind::Product => {
            let service = service_of(theirs, &found).await?;
            let service = entry(theirs, WantedTarget { kind: CatalogueKind::Service, id: service.id }).await?;
            (LineKind::Service, service, Some(found.id))
        }
    };
    let mut warnings = Vec::new();
    if let Some(period) = found.period_type.as_deref().filter(|_| found.is_not_monthly()) {
        let detail = format!("The billing period of {} is {period}.", found.name);
        warnings.push(Remark::new(Code::ContractNotMonthly, detail));
    }
    Ok((ServiceTarget { kind, id: found.id, name: found.name, product_id }, warnings))
}

/// An entry of the catalogue that can be used.
async fn entry(theirs: &Theirs<'_>, wanted: WantedTarget) -> Result<CatalogueItem> {
    let WantedTarget { kind, id } = wanted;
    match entries(theirs, kind, vec![Filter::eq("id", id)], 1).await?.pop() {
        Some(found) if found.active => Ok(found),
        Some(found) => {
            let detail = format!("{} ({id}) is inactive.", found.name);
            Err(at("/target/id", Problem::new(Code::ServiceInactive, detail)).into())
        }
        None => Err(gone(theirs, kind, id).await),
    }
}

/// A wrong id, or one that this API user may not see.
async fn gone(theirs: &Theirs<'_>, kind: CatalogueKind, id: i64) -> Error {
    let error = match kind {
        CatalogueKind::Service => {
            theirs.gone::<Service>(Code::InvalidInput, format!("There is no service {id}.")).await
        }
        CatalogueKind::Bundle => {
            theirs.gone::<ServiceBundle>(Code::InvalidInput, format!("There is no service bundle {id}.")).await
        }
        CatalogueKind::Product => {
            theirs.gone::<Product>(Code::InvalidInput, format!("There is no product {id}.")).await
        }
    };
    match error {
        Error::Problem(problem) if problem.code == Code::InvalidInput => {
            Problem::field("/target/id", format!("must be of this Autotask database: {}", problem.detail)).into()
        }
        other => other,
    }
}

/// The one active service that a product stands for.
async fn service_of(theirs: &Theirs<'_>, product: &CatalogueItem) -> Result<NamedService> {
    let named = namesakes(theirs, std::slice::from_ref(product), NEAR_ROWS_MAX).await?;
    let mut picked = pick(product, &named);
    let words = words(&product.name, NEAR_WORDS_MAX);
    let near = match picked.as_slice() {
        [one] => return Ok((*one).clone()),
        [] if words.is_empty() => Vec::new(),
        [] => {
            let shares_a_word = Filter::any(words.iter().map(|word| Filter::contains("name", word.as_str())));
            let filters = vec![Filter::eq("isActive", true), shares_a_word];
            services(theirs, filters, NEAR_ROWS_MAX).await?
        }
        _ => Vec::new(),
    };
    // A service with blanks around its name is not found by the name itself.
    if picked.is_empty() {
        picked = pick(product, &near);
    }
    match picked.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let detail = format!("No active service is called {}.", product.name.trim());
            Err(not_billable(detail, &nearest(&words, near, NEAR_MAX)))
        }
        several => {
            let detail = format!("{} active services are called {}.", several.len(), several[0].name.trim());
            let several: Vec<NamedService> = several.iter().take(NEAR_MAX).map(|s| (*s).clone()).collect();
            Err(not_billable(detail, &several))
        }
    }
}

fn not_billable(detail: String, near: &[NamedService]) -> Error {
    let near: Vec<_> = near.iter().map(|s| json!({"id": s.id, "name": s.name})).collect();
    at("/target", Problem::new(Code::ProductNotBillableAsService, detail)).with("near", near).into()
}
