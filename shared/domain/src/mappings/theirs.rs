//! Reading companies, contracts and lines from Autotask, with few fields and in batches.

use super::broken::sees_all;
use super::context::Context;
use super::facts::{ContractFacts, ContractLabels, LineFacts, Today, judge, mark_duplicates};
use crate::autotask_session::{self, Session};
use crate::budget::Mode;
use crate::connections::{Connection, Settings};
use crate::ids::LineRef;
use crate::problem::{Code, Error, Result};
use crate::records::{Key, Versioned, load};
use crate::vendor::VendorProfile;
use autotask::{
    BillingCode, Client, Company, Contract, ContractService, ContractServiceBundle, ContractServiceBundleUnit,
    ContractServiceUnit, DateValue, Entity, Filter, Query, Service, ServiceBundle,
};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the billing code where the vendor has no profile yet.
const SAAS_BILLING_CODE: &str = "Software as a Service";
/// How far a date-only value may lie before its day: the easternmost zone's midnight.
const EAST_MAX: SignedDuration = SignedDuration::from_hours(14);

const COMPANY_FIELDS: &[&str] = &["id", "companyName", "companyNumber", "companyType", "isActive"];
const CONTRACT_FIELDS: &[&str] = &[
    "id",
    "companyID",
    "contractName",
    "contractNumber",
    "contractType",
    "contractPeriodType",
    "status",
    "startDate",
    "endDate",
    "renewedContractID",
];

/// A session with Autotask for the picker and the mapper. Close it.
#[derive(Debug)]
pub(crate) struct Theirs<'a> {
    context: Context<'a>,
    pub(crate) connection: Versioned<Connection>,
    pub(super) settings: Settings,
    pub(super) today: Today,
    session: Session,
}

/// Units of a line today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnitsToday {
    pub(super) units: i64,
    pub(super) billed: bool,
    from: Option<Date>,
}

impl<'a> Theirs<'a> {
    /// Opens a session. No call is made for a connection that needs new credentials.
    pub(crate) async fn open(context: Context<'a>) -> Result<Theirs<'a>> {
        Self::open_as(context, Mode::Background).await
    }

    /// The same where the caller says who waits.
    pub(super) async fn open_as(context: Context<'a>, mode: Mode) -> Result<Theirs<'a>> {
        let connection = context.connection().await?;
        let settings = context.settings().await?;
        let session = autotask_session::open_as(context.ports, context.scope, &connection, mode).await?;
        let zone = settings.zone();
        let date = context.ports.clock.now().to_zoned(zone.clone()).date();
        Ok(Theirs { context, connection, settings, today: Today { date, zone }, session })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.session.client
    }

    /// Calls made so far.
    pub(super) fn calls(&self) -> u32 {
        self.session.calls()
    }

    /// Gives the slots back.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    /// A failure as the caller is told it; one about the credentials goes the way of all such.
    pub(crate) async fn told(&self, doing: &'static str, error: autotask::Error) -> Error {
        tracing::warn!(connection.id = %self.connection.id, doing, %error, "Autotask did not do as asked");
        let Context { ports, scope, actor, .. } = self.context;
        autotask_session::settle(ports, scope, actor, &self.connection, error).await
    }

    pub(crate) async fn all<T: Entity>(&self, doing: &'static str, query: Query<T>) -> Result<Vec<T>> {
        match query.all().await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.told(doing, error).await),
        }
    }

    /// What to say of a row that is not there: gone, or out of this API user's sight.
    pub(crate) async fn gone<T: Entity>(&self, code: Code, detail: String) -> Error {
        match sees_all::<T>(self.client()).await {
            Ok(true) => Error::problem(code, detail),
            Ok(false) => {
                let words = format!("{detail} The API user may not see all rows of {}.", T::NAME);
                Error::problem(Code::PermissionMissing, words)
            }
            Err(error) => self.told("asking what the API user may see", error).await,
        }
    }

    /// Whether this API user sees all rows of an entity; no where it may not even ask.
    pub(super) async fn sees<T: Entity>(&self) -> Result<bool> {
        match sees_all::<T>(self.client()).await {
            Ok(sees) => Ok(sees),
            Err(autotask::Error::Forbidden { .. } | autotask::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.told("asking what the API user may see", error).await),
        }
    }

    /// Contracts by id.
    pub(super) async fn contracts_by_id(&self, ids: impl IntoIterator<Item = i64>) -> Result<Vec<Contract>> {
        let query = self.client().query::<Contract>().include(CONTRACT_FIELDS).any_of("id", ids);
        self.all("reading contracts", query).await
    }

    /// Contracts that point at one of these by `renewedContractID`.
    pub(super) async fn contracts_linked(&self, to: impl IntoIterator<Item = i64>) -> Result<Vec<Contract>> {
        let query = self.client().query::<Contract>().include(CONTRACT_FIELDS).any_of("renewedContractID", to);
        self.all("reading renewals", query).await
    }

    /// The picklists of companies.
    pub(super) async fn company_labels(&self) -> Result<Labels> {
        match self.client().fields::<Company>().await {
            Ok(fields) => Ok(Labels { fields }),
            Err(error) => Err(self.told("reading the picklists of companies", error).await),
        }
    }

    /// The filters of the connection's company scope (never the partner's own company, id 0); none where the scope
    /// names types that this database does not have, so that nothing can pass.
    pub(super) fn scope_filters(&self, labels: &Labels) -> Option<Vec<Filter>> {
        let scope = &self.settings.company_scope;
        let mut filters = vec![Filter::gt("id", 0_i64)];
        if scope.active {
            filters.push(Filter::eq("isActive", true));
        }
        if !scope.types.is_empty() {
            let numbers: BTreeSet<i64> = scope.types.iter().filter_map(|t| labels.number("companyType", t)).collect();
            if numbers.is_empty() {
                return None;
            }
            filters.push(Filter::is_in("companyType", numbers));
        }
        Some(filters)
    }

    /// Companies that pass all filters.
    pub(super) async fn companies(&self, filters: Vec<Filter>, ids: Option<Vec<i64>>) -> Result<Vec<Company>> {
        let mut query = self.client().query::<Company>().include(COMPANY_FIELDS);
        for filter in filters {
            query = query.filter(filter);
        }
        if let Some(ids) = ids {
            query = query.any_of("id", ids);
        }
        self.all("reading companies", query).await
    }

    /// At most `limit` companies that pass all filters, lowest ids first.
    pub(super) async fn some_companies(&self, filters: Vec<Filter>, limit: usize) -> Result<Vec<Company>> {
        use futures::StreamExt;
        let mut query = self.client().query::<Company>().include(COMPANY_FIELDS).page_size(limit);
        for filter in filters {
            query = query.filter(filter);
        }
        let mut stream = std::pin::pin!(query.stream().take(limit));
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            match row {
                Ok(row) => rows.push(row),
                Err(error) => return Err(self.told("searching companies", error).await),
            }
        }
        Ok(rows)
    }

    /// A company that may be mapped: there and active.
    pub(super) async fn usable_company(&self, id: i64) -> Result<Company> {
        let found = self.companies(vec![Filter::eq("id", id)], None).await?.pop();
        match found {
            None => Err(self.gone::<Company>(Code::CompanyInactiveOrGone, format!("There is no company {id}.")).await),
            Some(company) if company.is_active == Some(false) => {
                let name = company.company_name.unwrap_or_default();
                Err(Error::problem(Code::CompanyInactiveOrGone, format!("The company {id} ({name}) is inactive.")))
            }
            Some(company) => Ok(company),
        }
    }

    /// The contracts of companies, recurring ones only where `recurring` says so.
    pub(super) async fn contracts_of(&self, companies: Vec<i64>, recurring: bool) -> Result<Vec<Contract>> {
        let mut query = self.client().query::<Contract>().include(CONTRACT_FIELDS).any_of("companyID", companies);
        if recurring {
            query = query.filter(Filter::eq("contractType", autotask::ContractType::RecurringService));
        }
        self.all("reading contracts", query).await
    }

    /// A contract, whosever it is.
    pub(super) async fn contract(&self, id: i64) -> Result<Option<Contract>> {
        let query = self.client().query::<Contract>().include(CONTRACT_FIELDS).filter(Filter::eq("id", id));
        Ok(self.all("reading a contract", query).await?.pop())
    }

    /// The picklists of contracts.
    pub(super) async fn contract_labels(&self) -> Result<ContractLabels> {
        match self.client().fields::<Contract>().await {
            Ok(fields) => Ok(ContractLabels::new(fields)),
            Err(error) => Err(self.told("reading the picklists of contracts", error).await),
        }
    }

    /// Contracts, judged.
    pub(super) fn judged(&self, contracts: &[Contract], labels: &ContractLabels) -> Vec<ContractFacts> {
        contracts.iter().map(|contract| judge(contract, contracts, labels, &self.today)).collect()
    }

    /// The ids of billing codes that mark a vendor's line.
    pub(crate) async fn vendor_codes(&self) -> Result<BTreeSet<i64>> {
        let Context { ports, scope, .. } = self.context;
        let profile = load::<VendorProfile>(&*ports.storage, scope, &Key::VendorProfile).await?;
        let name = profile.map(|p| p.value.saas_billing_code).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| SAAS_BILLING_CODE.to_owned());
        let query = self.client().query::<BillingCode>().include(&["id", "name", "isActive"]);
        let codes = self.all("reading billing codes", query.filter(Filter::eq("name", name))).await?;
        Ok(codes.into_iter().filter(|code| code.is_active != Some(false)).map(|code| code.id.get()).collect())
    }

    /// The lines of contracts, services first, without units.
    pub(super) async fn lines_of(&self, contracts: &[i64], codes: &BTreeSet<i64>) -> Result<Vec<LineFacts>> {
        let fields = &["id", "contractID", "serviceID", "unitPrice", "unitCost"];
        let query = self.client().query::<ContractService>().include(fields);
        let services = self.all("reading lines", query.any_of("contractID", contracts.iter().copied())).await?;
        let fields = &["id", "contractID", "serviceBundleID", "unitPrice"];
        let query = self.client().query::<ContractServiceBundle>().include(fields);
        let bundles = self.all("reading bundle lines", query.any_of("contractID", contracts.iter().copied())).await?;
        let mut lines: Vec<LineFacts> = services.into_iter().filter_map(service_line).collect();
        lines.extend(bundles.into_iter().filter_map(bundle_line));
        self.name_lines(&mut lines, codes).await?;
        mark_duplicates(&mut lines);
        Ok(lines)
    }

    /// Lines by their own ids, without units; what is gone is not among them.
    pub(super) async fn lines_by_id(&self, wanted: &[LineRef]) -> Result<Vec<LineFacts>> {
        let of = |kind| wanted.iter().filter(move |l| l.kind == kind).map(|l| l.id);
        let query = self.client().query::<ContractService>().include(&["id", "contractID", "serviceID"]);
        let services = self.all("reading lines", query.any_of("id", of(crate::ids::LineKind::Service))).await?;
        let query = self.client().query::<ContractServiceBundle>().include(&["id", "contractID", "serviceBundleID"]);
        let bundles = self.all("reading bundle lines", query.any_of("id", of(crate::ids::LineKind::Bundle))).await?;
        let mut lines: Vec<LineFacts> = services.into_iter().filter_map(service_line).collect();
        lines.extend(bundles.into_iter().filter_map(bundle_line));
        self.name_lines(&mut lines, &BTreeSet::new()).await?;
        Ok(lines)
    }

    async fn name_lines(&self, lines: &mut [LineFacts], codes: &BTreeSet<i64>) -> Result<()> {
        let of = |kind| lines.iter().filter(move |l| l.line.kind == kind).map(|l| l.service_id).collect::<Vec<_>>();
        let (services, bundles) = (of(crate::ids::LineKind::Service), of(crate::ids::LineKind::Bundle));
        let fields = &["id", "name", "isActive", "billingCodeID"];
        let query = self.client().query::<Service>().include(fields).any_of("id", services);
        let mut known = BTreeMap::new();
        for s in self.all("reading services", query).await? {
            known.insert((crate::ids::LineKind::Service, s.id.get()), (s.name, s.is_active, s.billing_code_id));
        }
        let query = self.client().query::<ServiceBundle>().include(fields).any_of("id", bundles);
        for s in self.all("reading service bundles", query).await? {
            known.insert((crate::ids::LineKind::Bundle, s.id.get()), (s.name, s.is_active, s.billing_code_id));
        }
        for line in lines {
            if let Some((name, active, code)) = known.get(&(line.line.kind, line.service_id)) {
                line.name.clone_from(name);
                line.service_active = *active != Some(false);
                line.vendor_line = code.is_some_and(|code| codes.contains(&code.get()));
            }
        }
        Ok(())
    }

    /// Today's units of lines, by whole contracts.
    pub(super) async fn units_today(&self, contracts: &[i64]) -> Result<BTreeMap<LineRef, UnitsToday>> {
        let mut units = BTreeMap::new();
        let fields = ContractServiceUnit::PERIOD_FIELDS;
        let query = self.client().query::<ContractServiceUnit>().include(fields);
        let query = self.covering(query).any_of("contractID", contracts.iter().copied());
        for row in self.all("reading units", query).await? {
            let span = (row.start_date, row.end_date);
            if let (Some(id), Some(count)) = (row.contract_service_id, row.units) {
                self.keep(&mut units, LineRef::service(id.get()), count, span, row.approve_and_post_date.is_some());
            }
        }
        let fields = ContractServiceBundleUnit::PERIOD_FIELDS;
        let query = self.client().query::<ContractServiceBundleUnit>().include(fields);
        let query = self.covering(query).any_of("contractID", contracts.iter().copied());
        for row in self.all("reading units of bundles", query).await? {
            let span = (row.start_date, row.end_date);
            if let (Some(id), Some(count)) = (row.contract_service_bundle_id, row.units) {
                self.keep(&mut units, LineRef::bundle(id.get()), count, span, row.approve_and_post_date.is_some());
            }
        }
        Ok(units)
    }

    /// Rows that may cover today, whatever zone their dates were written in; which one does is chosen in code.
    fn covering<T: Entity>(&self, query: Query<T>) -> Query<T> {
        let at = |time: jiff::civil::DateTime| jiff::tz::Offset::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX);
        let midnight = at(self.today.date.at(0, 0, 0, 0));
        query
            .filter(Filter::lte("startDate", at(self.today.date.at(23, 59, 59, 0))))
            .filter(Filter::gte("endDate", midnight - EAST_MAX))
    }

    fn keep(
        &self,
        units: &mut BTreeMap<LineRef, UnitsToday>,
        line: LineRef,
        count: i64,
        (start, end): (Option<DateValue>, Option<DateValue>),
        billed: bool,
    ) {
        let day = |value: Option<DateValue>| value.map(|v| v.calendar_date(&self.today.zone));
        let (from, to) = (day(start), day(end));
        let covers = from.is_none_or(|d| d <= self.today.date) && to.is_none_or(|d| d >= self.today.date);
        let newer = units.get(&line).is_none_or(|present| present.from < from);
        if covers && newer {
            units.insert(line, UnitsToday { units: count, billed, from });
        }
    }
}

/// Company picklists.
#[derive(Debug)]
pub(super) struct Labels {
    fields: autotask::metadata::Fields,
}

impl Labels {
    /// The number of a value given as a label or as a number.
    pub(super) fn number(&self, field: &str, text: &str) -> Option<i64> {
        let list = self.fields.picklist(field);
        list.and_then(|list| list.value_of_label(text)).or_else(|| text.trim().parse().ok())
    }

    /// The label of a number.
    pub(super) fn label(&self, field: &str, value: i64) -> String {
        let label = self.fields.picklist(field).and_then(|list| list.label_of(value));
        label.map_or_else(|| value.to_string(), str::to_owned)
    }
}

fn service_line(row: ContractService) -> Option<LineFacts> {
    let (contract, service) = (row.contract_id?.get(), row.service_id?.get());
    Some(LineFacts {
        unit_price: row.unit_price,
        unit_cost: row.unit_cost,
        ..line(LineRef::service(row.id.get()), contract, service)
    })
}

fn bundle_line(row: ContractServiceBundle) -> Option<LineFacts> {
    let (contract, bundle) = (row.contract_id?.get(), row.service_bundle_id?.get());
    Some(LineFacts { unit_price: row.unit_price, ..line(LineRef::bundle(row.id.get()), contract, bundle) })
}

fn line(line: LineRef, contract_id: i64, service_id: i64) -> LineFacts {
    LineFacts {
        line,
        contract_id,
        service_id,
        name: None,
        service_active: true,
        unit_price: None,
        unit_cost: None,
        units: None,
        period_billed: false,
        vendor_line: false,
        duplicate_line: false,
    }
}
