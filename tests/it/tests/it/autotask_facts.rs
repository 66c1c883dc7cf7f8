//! Holds the client's names against the project's copy of the facts about Autotask: every field
//! against the vendor's models, every path and method against the list of its operations.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use autotask::{
    BillingCode, BillingItem, Child, Client, Company, CompanyPatch, CompanyType, ConfigurationItem, Contact,
    ContactPatch, Contract, ContractPatch, ContractService, ContractServiceAdjustment, ContractServiceBundle,
    ContractServiceBundleAdjustment, ContractServiceBundlePatch, ContractServiceBundleUnit, ContractServicePatch,
    ContractServiceUnit, ContractStatus, ContractType, Create, Credentials, Currency, Entity, FieldUse, Filter,
    HostPolicy, Id, Invoice, InvoicePatch, InvoiceReplacement, NewCompany, NewContact, NewContract, NewContractService,
    NewContractServiceBundle, NewService, NewTicket, NewTicketNote, NewWebhook, Patch, PicklistValue, Product,
    ProductPatch, Replace, Request, Response, Service, ServiceBundle, ServiceBundlePatch, ServicePatch, Ticket,
    TicketNote, TicketPatch, Transport, TransportError, Webhook, WebhookEventErrorLog, WebhookExcludedResource,
    WebhookField, WebhookKey, WebhookKind, WebhookPatch, WebhookUdfField, zone,
};
use jiff::civil::date;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

const MODELS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/autotask/models.json"));
const OPERATIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/autotask/operations.tsv"));

/// Fields that the models of 2020 do not have under this name, their kind, and why we use them.
const ALLOWED: &[(&str, &str, &str, &str)] = &[
    ("Contract", "lastModifiedDateTime", "date-time", "newer than 2020, in the Swagger of 2026"),
    ("Product", "sku", "string", "the copy has `sKU`: its camelCase was made word by word"),
    ("Product", "msrp", "double", "the copy has `mSRP`: its camelCase was made word by word"),
];

/// Paths that the client writes in another case than the list.
const OTHER_CASE: &[(&str, &str)] =
    &[("/V1.0/zoneInformation", "as in the vendor's help; Autotask's paths have no case")];

type Kinds = BTreeMap<String, String>;

fn kinds(model: &str) -> Kinds {
    let models: BTreeMap<String, Kinds> = serde_json::from_str(MODELS).unwrap();
    let mut kinds = models.get(model).unwrap_or_else(|| panic!("no model {model}")).clone();
    for (_, field, kind, _) in ALLOWED.iter().filter(|(of, ..)| *of == model) {
        assert!(kinds.insert((*field).to_owned(), (*kind).to_owned()).is_none(), "{model}.{field} needs no exception");
    }
    kinds
}

fn operations() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lines = OPERATIONS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('\t').unwrap()).map(|(path, verbs)| (path, verbs.split(' ').collect())).collect()
}

fn sample(kind: &str) -> Value {
    match kind {
        "int32" | "int64" => json!(7),
        "double" => json!(12.3456),
        "string" => json!("text"),
        "boolean" => json!(true),
        "date-time" => json!("2026-11-01T00:00:00Z"),
        "array" => json!([{"name": "Portal Id", "value": "c_81"}]),
        other => panic!("unknown kind {other}"),
    }
}

/// Reads a value of each field's kind and writes it again: nothing may get lost or change its kind.
fn keeps_kinds<T: Serialize + DeserializeOwned>(model: &str, fields: &[&str]) {
    let kinds = kinds(model);
    let row: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let kind = kinds.get(*field).unwrap_or_else(|| panic!("the facts have no {model}.{field}"));
            ((*field).to_owned(), sample(kind))
        })
        .collect();
    let read: T = serde_json::from_value(row.clone().into()).unwrap_or_else(|error| panic!("{model}: {error}"));
    let written = serde_json::to_value(&read).unwrap();
    let written = written.as_object().unwrap();
    assert_eq!(
        written.keys().collect::<BTreeSet<_>>(),
        row.keys().collect::<BTreeSet<_>>(),
        "{model}: FIELDS and serde"
    );
    for (field, sent) in row {
        let same = match (&sent, &written[&field]) {
            // Calendar dates are written without a zone.
            (Value::String(a), Value::String(b)) => a.trim_end_matches('Z') == b.trim_end_matches('Z'),
            (a, b) => a == b,
        };
        assert!(same, "{model}.{field}: {sent} became {}", written[&field]);
    }
}

fn entity<T: Entity + Serialize>() {
    keeps_kinds::<T>(T::MODEL, T::FIELDS);
    for field in T::READ_FIELDS {
        assert!(T::FIELDS.contains(field), "{}.{field} is read but not typed", T::MODEL);
    }
    let operations = operations();
    let has = |path: String, verb: &str| operations.get(path.as_str()).is_some_and(|verbs| verbs.contains(verb));
    let name = T::NAME;
    assert_eq!(T::QUERYABLE, has(format!("/V1.0/{name}/query"), "POST"), "{name} query");
    assert_eq!(T::QUERYABLE, has(format!("/V1.0/{name}/query/count"), "POST"), "{name} count");
    assert_eq!(T::QUERYABLE, has(format!("/V1.0/{name}/{{id}}"), "GET"), "{name} get");
    assert_eq!(T::ROOT_CREATE, has(format!("/V1.0/{name}"), "POST"), "{name} create");
    assert_eq!(T::ROOT_PATCH, has(format!("/V1.0/{name}"), "PATCH"), "{name} patch");
    assert!(!T::ROOT_DELETE || has(format!("/V1.0/{name}/{{id}}"), "DELETE"), "{name} delete");
}

fn child<T: Child>() {
    let operations = operations();
    let path = format!("/V1.0/{}/{{parentId}}/{}", T::Parent::NAME, T::CHILD_PATH);
    let has = |path: &str, verb: &str| operations.get(path).is_some_and(|verbs| verbs.contains(verb));
    assert_eq!(T::CREATE, has(&path, "POST"), "{path} create");
    assert_eq!(T::PATCH, has(&path, "PATCH"), "{path} patch");
    assert_eq!(T::DELETE, has(&format!("{path}/{{id}}"), "DELETE"), "{path} delete");
}

fn create<B: Create + DeserializeOwned>() {
    keeps_kinds::<B>(B::Entity::MODEL, B::FIELDS);
}

fn patch<P: Patch>() {
    let kinds = kinds(P::Entity::MODEL);
    for field in P::FIELDS {
        assert!(kinds.contains_key(*field), "the facts have no {}.{field}", P::Entity::MODEL);
    }
}

/// A replacement always has every field in its body: what is missing would be cleared.
fn replacement<R: Replace>(row: &R) {
    let kinds = kinds(R::Entity::MODEL);
    for field in R::FIELDS {
        assert!(kinds.contains_key(*field), "the facts have no {}.{field}", R::Entity::MODEL);
    }
    let body = serde_json::to_value(row).unwrap();
    let sent: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sent, R::FIELDS.iter().copied().collect());
}

fn invoice() -> Invoice {
    Invoice { invoice_number: Some("INV-1".to_owned()), ..Invoice::with_id(1) }
}

#[test]
fn every_typed_field_is_in_the_vendors_models_and_keeps_its_kind() {
    entity::<Company>();
    entity::<Contact>();
    entity::<Contract>();
    entity::<ContractService>();
    entity::<ContractServiceUnit>();
    entity::<ContractServiceAdjustment>();
    entity::<ContractServiceBundle>();
    entity::<ContractServiceBundleUnit>();
    entity::<ContractServiceBundleAdjustment>();
    entity::<Service>();
    entity::<ServiceBundle>();
    entity::<Product>();
    entity::<BillingCode>();
    entity::<Invoice>();
    entity::<BillingItem>();
    entity::<Currency>();
    entity::<Ticket>();
    entity::<TicketNote>();
    entity::<ConfigurationItem>();
    entity::<WebhookEventErrorLog>();
    // The copy of the models has webhooks of companies and contacts only; those of the others are alike.
    for of in ["Company", "Contact"] {
        keeps_kinds::<Webhook>(&format!("{of}Webhook"), Webhook::FIELDS);
        keeps_kinds::<WebhookField>(&format!("{of}WebhookField"), WebhookField::FIELDS);
        keeps_kinds::<WebhookUdfField>(&format!("{of}WebhookUdfField"), WebhookUdfField::FIELDS);
        let excluded = format!("{of}WebhookExcludedResource");
        keeps_kinds::<WebhookExcludedResource>(&excluded, WebhookExcludedResource::FIELDS);
    }
    for field in Company::CUSTOMER_FIELDS {
        assert!(Company::FIELDS.contains(field), "{field}");
    }
    for field in Contact::CUSTOMER_FIELDS {
        assert!(Contact::FIELDS.contains(field), "{field}");
    }
    for field in ContractServiceUnit::PERIOD_FIELDS {
        assert!(ContractServiceUnit::FIELDS.contains(field), "{field}");
    }
    for field in ContractServiceBundleUnit::PERIOD_FIELDS {
        assert!(ContractServiceBundleUnit::FIELDS.contains(field), "{field}");
    }
}

#[test]
fn every_field_that_is_sent_is_in_the_vendors_models() {
    create::<NewCompany>();
    create::<NewContact>();
    create::<NewContract>();
    create::<NewContractService>();
    create::<NewContractServiceBundle>();
    create::<NewService>();
    create::<ContractServiceAdjustment>();
    create::<ContractServiceBundleAdjustment>();
    patch::<CompanyPatch>();
    patch::<ContactPatch>();
    patch::<ContractPatch>();
    patch::<ContractServicePatch>();
    patch::<ContractServiceBundlePatch>();
    patch::<ServicePatch>();
    patch::<ServiceBundlePatch>();
    patch::<ProductPatch>();
    patch::<InvoicePatch>();
    create::<NewTicket>();
    create::<NewTicketNote>();
    patch::<TicketPatch>();
    let kinds = kinds("CompanyWebhook");
    for field in NewWebhook::FIELDS {
        assert!(kinds.contains_key(*field), "the facts have no CompanyWebhook.{field}");
    }
    let whole = NewWebhook { notification_email_address: Some("a@b.example".to_owned()), ..webhook() };
    let sent = serde_json::to_value(&whole).unwrap();
    let sent: BTreeSet<&str> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sent, NewWebhook::FIELDS.iter().copied().collect());
    replacement(&InvoiceReplacement::of(&invoice(), None).unwrap());
}

#[test]
fn children_are_written_where_the_list_of_operations_says() {
    child::<Contact>();
    child::<ContractService>();
    child::<ContractServiceBundle>();
    child::<ContractServiceAdjustment>();
    child::<ContractServiceBundleAdjustment>();
    child::<TicketNote>();
}

/// Refuses everything, and remembers what was asked.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let path = request.url.path().trim_start_matches("/ATServicesRest").to_owned();
        self.0.lock().unwrap().push((request.method.as_str().to_owned(), path));
        Ok(Response { status: 400, headers: Vec::new(), body: Default::default() })
    }
}

async fn reads<T: Entity>(client: &Client) {
    let _ = client.entity_information::<T>().await;
    let _ = client.fields::<T>().await;
    let _ = client.user_defined_fields::<T>().await;
}

async fn queries<T: Entity>(client: &Client) {
    const { assert!(T::QUERYABLE) };
    reads::<T>(client).await;
    let _ = client.get(Id::<T>::new(71)).await;
    let _ = client.raw_query(T::NAME, Filter::everything()).await;
}

macro_rules! queries {
    ($client:expr => $($entity:ty),+) => {$(
        queries::<$entity>($client).await;
        let _ = $client.query::<$entity>().all().await;
        let _ = $client.query::<$entity>().count().await;
    )+};
}

async fn writes(client: &Client) {
    let (company, contract, code) = (Id::new(51), Id::new(52), Id::<BillingCode>::new(53));
    let day = date(2026, 11, 1);
    let kind = CompanyType::Customer;
    let _ = client.create(&NewCompany::new("n", kind, "p", 1)).await;
    let in_effect = ContractStatus::InEffect;
    let _ =
        client.create(&NewContract::new(company, "n", ContractType::RecurringService, in_effect, day, day, 0)).await;
    let _ = client.create(&NewService::new("n", Decimal::ONE, PicklistValue::Number(1), code)).await;
    let _ = client.create_under(company, &NewContact::new(company, "f", "l", 1)).await;
    let _ = client.create_under(contract, &NewContractService::new(contract, 4)).await;
    let _ = client.create_under(contract, &NewContractServiceBundle::new(contract, 4)).await;
    let units = ContractServiceAdjustment::of_line(contract, Id::new(5), 1, day);
    let _ = client.create(&units).await;
    let _ = client.create_under(contract, &units).await;
    let bundles = ContractServiceBundleAdjustment::of_line(contract, Id::new(5), 1, day);
    let _ = client.create(&bundles).await;
    let _ = client.create_under(contract, &bundles).await;
    let _ = client.patch(&CompanyPatch::new(1)).await;
    let _ = client.patch(&ContractPatch::new(1)).await;
    let _ = client.patch(&ServicePatch::new(1)).await;
    let _ = client.patch(&ServiceBundlePatch::new(1)).await;
    let _ = client.patch(&ProductPatch::new(1)).await;
    let _ = client.patch(&InvoicePatch::new(1)).await;
    let _ = client.replace(&InvoiceReplacement::of(&invoice(), None).unwrap()).await;
    let _ = client.patch_under(company, &ContactPatch::new(1)).await;
    let _ = client.patch_under(contract, &ContractServicePatch::new(1)).await;
    let _ = client.patch_under(contract, &ContractServiceBundlePatch::new(1)).await;
    let _ = client.delete_under::<Contact>(company, Id::new(71)).await;
    let _ = client.create(&NewTicket::new(company, "t", 1, 1)).await;
    let _ = client.patch(&TicketPatch::new(1)).await;
    let ticket = Id::<Ticket>::new(54);
    let _ = client.create_under(ticket, &NewTicketNote::new(ticket, "d", 1, 1)).await;
    let _ = client.delete(Id::<WebhookEventErrorLog>::new(71)).await;
}

fn webhook() -> NewWebhook {
    let key = WebhookKey::new("key".into()).unwrap();
    NewWebhook::new("n", "https://hooks.example/a", "https://hooks.example/b", key)
}

/// Everything that is done with webhooks of a kind.
async fn webhooks(client: &Client, kind: WebhookKind) {
    let (webhooks, of) = (client.webhooks(kind), Id::new(55));
    let used = FieldUse { subscribed: true, always_shown: true };
    let _ = webhooks.information().await;
    let _ = webhooks.field_ids().await;
    let _ = webhooks.udf_field_ids().await;
    let _ = webhooks.query(Filter::everything()).await;
    let _ = webhooks.get(Id::new(71)).await;
    let _ = webhooks.create(&webhook()).await;
    let _ = webhooks.patch(&WebhookPatch::new(1)).await;
    let _ = webhooks.delete(Id::new(71)).await;
    let _ = webhooks.fields(of).await;
    let _ = webhooks.add_field(of, 1, used).await;
    let _ = webhooks.remove_field(of, Id::new(71)).await;
    let _ = webhooks.udf_fields(of).await;
    let _ = webhooks.add_udf_field(of, 1, used).await;
    let _ = webhooks.remove_udf_field(of, Id::new(71)).await;
    let _ = webhooks.excluded_resources(of).await;
    let _ = webhooks.exclude_resource(of, 1).await;
    let _ = webhooks.remove_excluded_resource(of, Id::new(71)).await;
}

/// `/V1.0/Contracts/52/Services` as the list writes it: `/V1.0/Contracts/{parentId}/Services`.
fn template(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let last = parts.len() - 1;
    let named = parts.iter().enumerate().map(|(n, part)| match part.parse::<i64>() {
        Ok(_) if n == last || parts[last] == "InvoicePdf" => "{id}",
        Ok(_) => "{parentId}",
        Err(_) => part,
    });
    named.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_path_and_method_that_the_client_calls_is_in_the_list_of_operations() {
    let recorder = Arc::new(Recorder::default());
    let url = HostPolicy::autotask().check("https://webservices99.autotask.net/ATServicesRest/").unwrap();
    let client = Client::new(recorder.clone(), url, Credentials::new("u", "s".into(), Some("c".into())));

    queries!(&client => Company, Contact, Contract, ContractService, ContractServiceUnit, ContractServiceBundle,
        ContractServiceBundleUnit, Service, ServiceBundle, Product, BillingCode, Invoice, BillingItem, Ticket,
        TicketNote, ConfigurationItem, WebhookEventErrorLog);
    reads::<ContractServiceAdjustment>(&client).await;
    reads::<ContractServiceBundleAdjustment>(&client).await;
    writes(&client).await;
    for kind in WebhookKind::ALL {
        webhooks(&client, kind).await;
    }
    let _ = client.invoice_pdf(Id::new(71)).await;
    let _ = client.threshold().await;
    let _ = client.versions().await;
    let _ = zone::discover(&*recorder, &HostPolicy::autotask(), &zone::ENTRY.parse().unwrap(), "u").await;

    let calls: BTreeSet<_> =
        recorder.0.lock().unwrap().iter().map(|(verb, path)| (verb.clone(), template(path))).collect();
    // 17 entities of 6 reads, 2 of 3, 25 writes, 5 kinds of webhooks of which one has no user-defined fields, 4 others.
    assert_eq!(calls.len(), 17 * 6 + 2 * 3 + 25 + (5 * 17 - 4) + 4, "{calls:#?}");
    let operations = operations();
    for (verb, path) in calls {
        let listed = operations.iter().find(|(listed, _)| {
            **listed == path || (OTHER_CASE.iter().any(|(own, _)| *own == path) && listed.eq_ignore_ascii_case(&path))
        });
        let (_, verbs) = listed.unwrap_or_else(|| panic!("the list has no {path}"));
        assert!(verbs.contains(verb.as_str()), "the list has no {verb} {path}");
    }
}
