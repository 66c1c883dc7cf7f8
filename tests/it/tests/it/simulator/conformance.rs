use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The entities of the simulator: where they lie at the root, and under a parent.
const ROOTS: &[&str] = &[
    "BillingCodes",
    "BillingItems",
    "Companies",
    "CompanyWebhookExcludedResources",
    "CompanyWebhookFields",
    "CompanyWebhookUdfFields",
    "CompanyWebhooks",
    "ConfigurationItemWebhookExcludedResources",
    "ConfigurationItemWebhookFields",
    "ConfigurationItemWebhookUdfFields",
    "ConfigurationItemWebhooks",
    "ConfigurationItems",
    "ContactWebhookExcludedResources",
    "ContactWebhookFields",
    "ContactWebhookUdfFields",
    "ContactWebhooks",
    "Contacts",
    "ContractServiceAdjustments",
    "ContractServiceBundleAdjustments",
    "ContractServiceBundleUnits",
    "ContractServiceBundles",
    "ContractServiceUnits",
    "ContractServices",
    "Contracts",
    "Currencies",
    "InvoiceTemplates",
    "Invoices",
    "PaymentTerms",
    "Products",
    "Resources",
    "ServiceBundleServices",
    "ServiceBundles",
    "Services",
    "TaxCategories",
    "TaxRegions",
    "Taxes",
    "TicketNoteWebhookExcludedResources",
    "TicketNoteWebhookFields",
    "TicketNoteWebhooks",
    "TicketNotes",
    "TicketWebhookExcludedResources",
    "TicketWebhookFields",
    "TicketWebhookUdfFields",
    "TicketWebhooks",
    "Tickets",
    "WebhookEventErrorLogs",
];
const CHILDREN: &[&str] = &[
    "Companies/{parentId}/Contacts",
    "Contracts/{parentId}/Services",
    "Contracts/{parentId}/ServiceUnits",
    "Contracts/{parentId}/ServiceAdjustments",
    "Contracts/{parentId}/ServiceBundles",
    "Contracts/{parentId}/ServiceBundleUnits",
    "Contracts/{parentId}/ServiceBundleAdjustments",
    "ServiceBundles/{parentId}/Services",
    "Tickets/{parentId}/Notes",
    "CompanyWebhooks/{parentId}/ExcludedResources",
    "CompanyWebhooks/{parentId}/Fields",
    "CompanyWebhooks/{parentId}/UdfFields",
    "ConfigurationItemWebhooks/{parentId}/ExcludedResources",
    "ConfigurationItemWebhooks/{parentId}/Fields",
    "ConfigurationItemWebhooks/{parentId}/UdfFields",
    "ContactWebhooks/{parentId}/ExcludedResources",
    "ContactWebhooks/{parentId}/Fields",
    "ContactWebhooks/{parentId}/UdfFields",
    "TicketNoteWebhooks/{parentId}/ExcludedResources",
    "TicketNoteWebhooks/{parentId}/Fields",
    "TicketWebhooks/{parentId}/ExcludedResources",
    "TicketWebhooks/{parentId}/Fields",
    "TicketWebhooks/{parentId}/UdfFields",
];
/// Fields that the models of 2020 do not have: the facts name them as new in the Swagger of 2026.
const LATER: &[(&str, &str, &str)] =
    &[("Contract", "lastModifiedDateTime", "date-time"), ("Invoice", "taxRegionID", "int32")];
const SINGLE: &[&str] =
    &["/V1.0/ThresholdInformation", "/V1.0/Version", "/V1.0/ZoneInformation", "/VersionInformation"];

/// The project's own copy of the facts, read here independently of the simulator.
fn facts() -> BTreeMap<String, BTreeSet<String>> {
    include_str!("../../../../fixtures/autotask/operations.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(path, verbs)| (path.to_owned(), verbs.split_whitespace().map(str::to_owned).collect()))
        .collect()
}

fn models() -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut models: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(include_str!("../../../../fixtures/autotask/models.json")).unwrap();
    // Newer than 2020 as a whole, and like those of companies.
    for of in ["ConfigurationItem", "Ticket", "TicketNote"] {
        for part in ["Webhook", "WebhookField", "WebhookUdfField", "WebhookExcludedResource"] {
            let alike = models[&format!("Company{part}")].clone();
            let known = models.insert(format!("{of}{part}"), alike);
            assert!(known.is_none(), "{of}{part} is no longer an exception");
        }
    }
    for (entity, field, kind) in LATER {
        let known = models.get_mut(*entity).unwrap().insert((*field).to_owned(), json!(kind));
        assert!(known.is_none(), "{entity}.{field} is no longer an exception");
    }
    models
}

fn belongs(path: &str) -> bool {
    let under = |base: &str| {
        path.strip_prefix(&format!("/V1.0/{base}")).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let elsewhere = ["{parentId}", "invoiceSettings", "InvoiceMarkup"];
    let own = |root: &&str| under(root) && !elsewhere.iter().any(|part| path.contains(part));
    SINGLE.contains(&path) || ROOTS.iter().any(own) || CHILDREN.iter().any(|child| under(child))
}

#[test]
fn the_simulator_answers_exactly_the_routes_of_the_facts() {
    let expected: BTreeMap<_, _> = facts().into_iter().filter(|(path, _)| belongs(path)).collect();
    assert!(expected.len() > 120, "{}", expected.len());
    assert_eq!(::simulator::operations(), expected);

    let world = world();
    for (path, verbs) in &expected {
        let path = path.replace("/V1.0/", "").replace("/VersionInformation", "../VersionInformation");
        let path = path.replace("{parentId}", "0").replace("{id}", "0");
        for verb in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let method: Method = verb.parse().unwrap();
            let url = match path.strip_prefix("../") {
                Some(path) => format!("/ATServicesRest/{path}"),
                None => format!("/ATServicesRest/V1.0/{path}"),
            };
            let outcome = world.simulator.handle(signed(WireRequest::new(method, &url)).json(&json!({})));
            let answer = outcome.response().unwrap();
            let html = answer.body.starts_with(b"<");
            assert!(!html, "{verb} {path} is no unknown route");
            assert_eq!(answer.status == 405, !verbs.contains(verb), "{verb} {path}: {}", answer.status);
        }
    }
}

#[test]
fn routes_of_other_entities_are_unknown() {
    let world = world();
    for (path, verbs) in facts().into_iter().filter(|(path, _)| !belongs(path)).step_by(7) {
        let path = path.replace("/V1.0/", "").replace("{parentId}", "1").replace("{id}", "1");
        let method: Method = verbs.first().unwrap().parse().unwrap();
        let answer = world.call(method, &path, Some(&json!({})));
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.starts_with(b"<"), "{path}");
    }
}

#[test]
fn every_field_that_is_served_exists_in_the_models_and_every_model_field_is_served() {
    let models = models();
    let served = ::simulator::served_fields();
    assert_eq!(served.len(), ROOTS.len());
    for (entity, fields) in &served {
        let lower = |names: Vec<String>| names.into_iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>();
        let mut expected = lower(models[entity].keys().cloned().collect());
        expected.remove("userdefinedfields");
        assert_eq!(lower(fields.clone()), expected, "{entity}");
    }
}

#[test]
fn rows_hold_the_fields_that_metadata_describes() {
    let world = world();
    world.line(3);
    world.invoice(&[("Seats", "3", "12.50")]);
    world.service_desk();
    world.webhook("Company", &["companyName"]);
    world.webhook("TicketNote", &["title"]);
    let models = models();
    for (entity, model) in [
        ("Companies", "Company"),
        ("Contracts", "Contract"),
        ("ContractServices", "ContractService"),
        ("ContractServiceUnits", "ContractServiceUnit"),
        ("Services", "Service"),
        ("BillingCodes", "BillingCode"),
        ("Invoices", "Invoice"),
        ("BillingItems", "BillingItem"),
        ("Tickets", "Ticket"),
        ("TicketNotes", "TicketNote"),
        ("ConfigurationItems", "ConfigurationItem"),
        ("CompanyWebhooks", "CompanyWebhook"),
        ("TicketNoteWebhooks", "TicketNoteWebhook"),
        ("CompanyWebhookFields", "CompanyWebhookField"),
    ] {
        let described = world.get(&format!("{entity}/entityInformation/fields")).value();
        let described: BTreeSet<String> = described["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap().to_owned())
            .collect();
        let row = world.query(entity, &match_all()).value()["items"][0].clone();
        let shown: BTreeSet<String> = row.as_object().unwrap().keys().cloned().collect();
        assert_eq!(shown, described, "{entity}");
        for (name, value) in row.as_object().unwrap() {
            let (_, kind) = models[model].iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).unwrap();
            let fits = match kind.as_str().unwrap() {
                "int32" | "int64" => value.is_i64(),
                "double" => value.is_f64(),
                "boolean" => value.is_boolean(),
                _ => value.is_string(),
            };
            assert!(value.is_null() || fits, "{entity}.{name} is {value}");
        }
    }
    let paged = world.post("Companies/query", &json!({ "filter": match_all() })).value();
    let details: BTreeSet<&str> = paged["pageDetails"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(details, BTreeSet::from(["count", "nextPageUrl", "prevPageUrl", "requestCount"]));
}
