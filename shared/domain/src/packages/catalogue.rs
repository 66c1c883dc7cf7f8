//! Autotask's catalogue: services, bundles and products, live.

use super::ServiceTarget;
use super::standing::mapped;
use crate::ids::{LineKind, PackageId};
use crate::mappings::{Context, Theirs, is_monthly};
use crate::problem::{Problem, Result};
use autotask::metadata::Fields;
use autotask::{Entity, Filter, PicklistValue, Product, Query, Service, ServiceBundle};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Most entries of one search; more than that is a search to be refined.
pub const CATALOGUE_MAX: usize = 50;
/// Longest search text, in characters: a service's name in Autotask.
pub const CATALOGUE_Q_CHARS_MAX: usize = 150;
/// Most services that are read to find those of the names of one search's products: one page.
const NAMESAKES_MAX: usize = 500;

const SERVICE_FIELDS: &[&str] = &["id", "name", "periodType", "billingCodeID", "isActive", "unitCost", "unitPrice"];
const PRODUCT_FIELDS: &[&str] = &[
    "id",
    "name",
    "sku",
    "vendorProductNumber",
    "periodType",
    "productBillingCodeID",
    "isActive",
    "unitCost",
    "unitPrice",
];

/// What a package can be mapped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueKind {
    /// A service.
    Service,
    /// A service bundle.
    Bundle,
    /// A product, for the service of its name or SKU.
    Product,
}

/// A service by id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedService {
    /// `Services.id`.
    pub id: i64,
    /// Its name.
    pub name: String,
}

/// An entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueItem {
    /// What it is.
    pub kind: CatalogueKind,
    /// `Services.id`, `ServiceBundles.id` or `Products.id`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Of products.
    pub sku: Option<String>,
    /// Of products: the vendor's number for it.
    pub vendor_product_number: Option<String>,
    /// Whether it can be used.
    pub active: bool,
    /// Price of one unit.
    pub unit_price: Option<Decimal>,
    /// Cost of one unit, where readable.
    pub unit_cost: Option<Decimal>,
    /// Label of its billing period, its value where there is none.
    pub period_type: Option<String>,
    /// Its billing code.
    pub billing_code_id: Option<i64>,
    /// Whether that is the vendor's.
    pub vendor_code: bool,
    /// Of products: the one active service of its name or SKU, which it would be billed as.
    pub billable: Option<NamedService>,
    /// The package that is mapped to it already.
    pub mapped_to: Option<PackageId>,
}

impl CatalogueItem {
    /// Whether its period is known to be another than a month.
    #[must_use]
    pub fn is_not_monthly(&self) -> bool {
        self.period_type.as_deref().is_some_and(|label| !is_monthly(label))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.sku.as_deref())
    }
}

/// Searches Autotask's catalogue by a part of the name (products also by their whole SKU or vendor's number); active
/// entries only. At most [`CATALOGUE_MAX`], those with the vendor's billing code first, then by name; the second value
/// says whether there are more. Takes three calls, of products four.
///
/// # Errors
/// `invalid_input` for a text too long; Autotask's own.
pub async fn search_catalogue(
    context: Context<'_>,
    kind: CatalogueKind,
    q: &str,
) -> Result<(Vec<CatalogueItem>, bool)> {
    let q = q.trim();
    if q.chars().count() > CATALOGUE_Q_CHARS_MAX {
        return Err(Problem::field("q", format!("must have at most {CATALOGUE_Q_CHARS_MAX} characters")).into());
    }
    let theirs = Theirs::open(context).await?;
    let found = find(&theirs, kind, q).await;
    theirs.close().await;
    let (mut items, more) = found?;
    let mapped = mapped(context.ports, context.scope, context.partner, context.connection).await?;
    for item in &mut items {
        let is_target = |t: &ServiceTarget| match item.kind {
            CatalogueKind::Service => t.is(LineKind::Service, item.id),
            CatalogueKind::Bundle => t.is(LineKind::Bundle, item.id),
            CatalogueKind::Product => t.product_id == Some(item.id),
        };
        let holder = mapped.iter().find(|(_, mapping)| mapping.target.as_ref().is_some_and(is_target));
        item.mapped_to = holder.map(|(package, _)| package.clone());
    }
    Ok((items, more))
}

async fn find(theirs: &Theirs<'_>, kind: CatalogueKind, q: &str) -> Result<(Vec<CatalogueItem>, bool)> {
    let mut filters = vec![Filter::eq("isActive", true)];
    if !q.is_empty() {
        filters.push(match kind {
            CatalogueKind::Product => {
                Filter::any([Filter::contains("name", q), Filter::eq("sku", q), Filter::eq("vendorProductNumber", q)])
            }
            CatalogueKind::Service | CatalogueKind::Bundle => Filter::contains("name", q),
        });
    }
    let mut items = entries(theirs, kind, filters, CATALOGUE_MAX + 1).await?;
    let more = items.len() > CATALOGUE_MAX;
    items.truncate(CATALOGUE_MAX);
    if items.is_empty() {
        return Ok((items, more));
    }
    let codes = theirs.vendor_codes().await?;
    let services = match kind {
        CatalogueKind::Product => namesakes(theirs, &items, NAMESAKES_MAX).await?,
        CatalogueKind::Service | CatalogueKind::Bundle => Vec::new(),
    };
    for item in &mut items {
        item.vendor_code = item.billing_code_id.is_some_and(|code| codes.contains(&code));
        item.billable = match pick(item, &services).as_slice() {
            [one] => Some((*one).clone()),
            _ => None,
        };
    }
    items.sort_by_cached_key(|item| (!item.vendor_code, item.name.to_lowercase(), item.id));
    Ok((items, more))
}

/// At most `limit` entries that pass all filters, lowest ids first, with their periods' labels.
pub(super) async fn entries(
    theirs: &Theirs<'_>,
    kind: CatalogueKind,
    filters: Vec<Filter>,
    limit: usize,
) -> Result<Vec<CatalogueItem>> {
    let mut items: Vec<(CatalogueItem, Option<PicklistValue>)> = match kind {
        CatalogueKind::Service => {
            let rows = some(theirs, "reading services", query::<Service>(theirs, SERVICE_FIELDS, filters), limit);
            rows.await?.into_iter().map(of_service).collect()
        }
        CatalogueKind::Bundle => {
            let query = query::<ServiceBundle>(theirs, SERVICE_FIELDS, filters);
            let rows = some(theirs, "reading service bundles", query, limit);
            rows.await?.into_iter().map(of_bundle).collect()
        }
        CatalogueKind::Product => {
            let rows = some(theirs, "reading products", query::<Product>(theirs, PRODUCT_FIELDS, filters), limit);
            rows.await?.into_iter().map(of_product).collect()
        }
    };
    let fields =
        if items.iter().any(|(_, period)| period.is_some()) { fields(theirs, kind).await? } else { Fields::default() };
    for (item, period) in &mut items {
        item.period_type = period.as_ref().map(|period| label(&fields, period));
    }
    Ok(items.into_iter().map(|(item, _)| item).collect())
}

async fn fields(theirs: &Theirs<'_>, kind: CatalogueKind) -> Result<Fields> {
    let fields = match kind {
        CatalogueKind::Service => theirs.client().fields::<Service>().await,
        CatalogueKind::Bundle => theirs.client().fields::<ServiceBundle>().await,
        CatalogueKind::Product => theirs.client().fields::<Product>().await,
    };
    match fields {
        Ok(fields) => Ok(fields),
        Err(error) => Err(theirs.told("reading the picklists of the catalogue", error).await),
    }
}

fn query<T: Entity>(theirs: &Theirs<'_>, fields: &[&str], filters: Vec<Filter>) -> Query<T> {
    filters.into_iter().fold(theirs.client().query::<T>().include(fields), Query::filter)
}

/// At most `limit` rows, lowest ids first.
async fn some<T: Entity>(theirs: &Theirs<'_>, doing: &'static str, query: Query<T>, limit: usize) -> Result<Vec<T>> {
    use futures::{StreamExt, TryStreamExt};
    match query.page_size(limit).stream().take(limit).try_collect().await {
        Ok(rows) => Ok(rows),
        Err(error) => Err(theirs.told(doing, error).await),
    }
}

/// A picklist value as people know it.
fn label(fields: &Fields, period: &PicklistValue) -> String {
    let list = fields.picklist("periodType");
    match period {
        PicklistValue::Number(number) => {
            let label = list.and_then(|list| list.label_of(*number).map(str::to_owned));
            label.unwrap_or_else(|| number.to_string())
        }
        PicklistValue::Name(name) => {
            let entry = list.and_then(|l| l.entries().iter().find(|e| e.value.eq_ignore_ascii_case(name)));
            entry.and_then(|entry| entry.label.clone()).unwrap_or_else(|| name.clone())
        }
    }
}

/// At most `limit` active services that are called like one of the products or like its SKU.
pub(super) async fn namesakes(
    theirs: &Theirs<'_>,
    products: &[CatalogueItem],
    limit: usize,
) -> Result<Vec<NamedService>> {
    let names: Vec<&str> =
        products.iter().flat_map(CatalogueItem::names).map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let filters = vec![Filter::eq("isActive", true), Filter::is_in("name", names)];
    services(theirs, filters, limit).await
}

/// At most `limit` services that pass all filters.
pub(super) async fn services(theirs: &Theirs<'_>, filters: Vec<Filter>, limit: usize) -> Result<Vec<NamedService>> {
    let rows = some(theirs, "reading services", query::<Service>(theirs, &["id", "name"], filters), limit).await?;
    let named = |row: Service| Some(NamedService { id: row.id.get(), name: row.name? });
    Ok(rows.into_iter().filter_map(named).collect())
}

/// The services that a product stands for: those of its name; where there are none, those that are called like its
/// SKU, since services have no SKU of their own. Blanks around a name and case do not count.
pub(super) fn pick<'a>(product: &CatalogueItem, services: &'a [NamedService]) -> Vec<&'a NamedService> {
    let plain = |text: &str| text.trim().to_lowercase();
    let called = |name: &str| {
        let name = plain(name);
        services.iter().filter(|s| !name.is_empty() && plain(&s.name) == name).collect::<Vec<_>>()
    };
    product.names().map(called).find(|found| !found.is_empty()).unwrap_or_default()
}

/// The words of a name that are worth searching by: at most `limit`, longest first.
pub(super) fn words(name: &str, limit: usize) -> Vec<String> {
    /// Shorter words are in every other name.
    const WORD_CHARS_MIN: usize = 3;
    let lower = name.to_lowercase();
    let mut words: Vec<String> = Vec::new();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() >= WORD_CHARS_MIN) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(limit);
    words
}

/// The services that share most words with a name, at most `limit`.
pub(super) fn nearest(words: &[String], services: Vec<NamedService>, limit: usize) -> Vec<NamedService> {
    let by_id: BTreeMap<i64, NamedService> = services.into_iter().map(|s| (s.id, s)).collect();
    let shared = |service: &NamedService| {
        let name = service.name.to_lowercase();
        words.iter().filter(|word| name.contains(word.as_str())).count()
    };
    let mut found: Vec<NamedService> = by_id.into_values().collect();
    found.sort_by_cached_key(|s| (std::cmp::Reverse(shared(s)), s.name.to_lowercase(), s.id));
    found.truncate(limit);
    found
}

fn blank(kind: CatalogueKind, id: i64, name: Option<String>) -> CatalogueItem {
    let called = match kind {
        CatalogueKind::Service => "Service",
        CatalogueKind::Bundle => "Service bundle",
        CatalogueKind::Product => "Product",
    };
    CatalogueItem {
        kind,
        id,
        name: name.unwrap_or_else(|| format!("{called} {id}")),
        sku: None,
        vendor_product_number: None,
        active: true,
        unit_price: None,
        unit_cost: None,
        period_type: None,
        billing_code_id: None,
        vendor_code: false,
        billable: None,
        mapped_to: None,
    }
}

fn of_service(row: Service) -> (CatalogueItem, Option<PicklistValue>) {
    let item = CatalogueItem {
        active: row.is_active != Some(false),
        unit_price: row.unit_price,
        unit_cost: row.unit_cost,
        billing_code_id: row.billing_code_id.map(|id| id.get()),
        ..blank(CatalogueKind::Service, row.id.get(), row.name)
    };
    (item, row.period_type)
}

fn of_bundle(row: ServiceBundle) -> (CatalogueItem, Option<PicklistValue>) {
    let item = CatalogueItem {
        active: row.is_active != Some(false),
        unit_price: row.unit_price,
        unit_cost: row.unit_cost,
        billing_code_id: row.billing_code_id.map(|id| id.get()),
        ..blank(CatalogueKind::Bundle, row.id.get(), row.name)
    };
    (item, row.period_type)
}

fn of_product(row: Product) -> (CatalogueItem, Option<PicklistValue>) {
    let text = |value: Option<String>| value.filter(|text| !text.trim().is_empty());
    let item = CatalogueItem {
        sku: text(row.sku),
        vendor_product_number: text(row.vendor_product_number),
        active: row.is_active != Some(false),
        unit_price: row.unit_price,
        unit_cost: row.unit_cost,
        billing_code_id: row.product_billing_code_id.map(|id| id.get()),
        ..blank(CatalogueKind::Product, row.id.get(), row.name)
    };
    (item, row.period_type.map(PicklistValue::Number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(services: &[(i64, &str)]) -> Vec<NamedService> {
        services.iter().map(|(id, name)| NamedService { id: *id, name: (*name).to_owned() }).collect()
    }

    #[test]
    fn a_product_stands_for_the_services_of_its_name_and_else_of_its_sku() {
        type Row<'a> = (&'a str, Option<&'a str>, &'a [(i64, &'a str)], &'a [i64]);
        let table: &[Row] = &[
            ("Training", None, &[(1, "Training"), (2, "Backup")], &[1]),
            (" training ", None, &[(1, "TRAINING  ")], &[1]),
            ("Training", Some("TRN-1"), &[(1, "TRN-1"), (2, "Training")], &[2]),
            ("Training", Some("trn-1"), &[(1, "TRN-1")], &[1]),
            ("Training", None, &[(1, "Training"), (2, "training")], &[1, 2]),
            ("Training", Some(" "), &[(1, "Trainings"), (2, " ")], &[]),
        ];
        for (name, sku, services, ids) in table {
            let product = CatalogueItem {
                sku: sku.map(str::to_owned),
                ..blank(CatalogueKind::Product, 7, Some((*name).to_owned()))
            };
            let services = named(services);
            let found: Vec<i64> = pick(&product, &services).iter().map(|s| s.id).collect();
            assert_eq!(found, *ids, "{name:?} {sku:?}");
        }
    }

    #[test]
    fn near_names_share_words_and_those_that_share_most_come_first() {
        let words = words("Security Awareness Training (per user)", 4);
        assert_eq!(words, ["awareness", "security", "training", "user"]);
        let services = named(&[(1, "User Backup"), (2, "Awareness training"), (3, "Security Awareness Training")]);
        let ids = |limit| nearest(&words, services.clone(), limit).iter().map(|s| s.id).collect::<Vec<_>>();
        assert_eq!(ids(10), [3, 2, 1]);
        assert_eq!(ids(1), [3]);
        assert!(super::words("a b-c 7", 4).is_empty());
    }
}
