#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::fake::{Fake, ZONE, body};
use crate::*;

const FILE: &[u8] = b"%PDF-1.4\n\xfb\xff\xfe\n%%EOF\n";

fn pdf_answer(data: &str) -> String {
    json!({ "item": { "id": 6100, "contentType": "application/pdf", "fileName": "INV-0091.pdf", "fileSize": FILE.len(), "data": data } })
        .to_string()
}

async fn pdf_of(status: u16, answer: impl Into<String>) -> Result<InvoicePdf> {
    Fake::script(vec![(status, answer.into())]).client().invoice_pdf(Id::new(6100)).await
}

async fn sent(patch: &InvoicePatch) -> Value {
    let fake = Fake::script(vec![(200, r#"{"itemId":6100}"#.to_owned())]);
    assert_eq!(fake.client().patch(patch).await.unwrap(), 6100);
    let sent = fake.sent();
    assert_eq!((sent[0].method, sent[0].url.as_str()), (Method::Patch, format!("{ZONE}V1.0/Invoices").as_str()));
    body(&sent[0])
}

#[test]
fn the_invoice_of_the_facts_is_read_and_so_is_a_line_without_costs() {
    let invoice: Invoice = serde_json::from_str(
        r#"{"id":6100,"batchID":512,"comments":"","companyID":4101,"createDateTime":"2026-11-02T10:00:00Z","dueDate":"2026-12-02T00:00:00Z","invoiceNumber":"INV-0091","invoiceTotal":150.0,"isVoided":false,"paidDate":null,"totalTaxValue":25.01,"voidedDate":null}"#,
    )
    .unwrap();
    assert_eq!((invoice.id, invoice.company_id), (Id::new(6100), Some(Id::new(4101))));
    assert_eq!((invoice.invoice_total, invoice.total_tax_value), (Some(150.into()), Some(Decimal::new(2501, 2))));
    assert_eq!((invoice.paid_date, invoice.is_voided), (None, Some(false)));

    let line: BillingItem = serde_json::from_str(
        r#"{"id":71,"invoiceID":6100,"ourCost":null,"quantity":10.0,"rate":12.5,"totalAmount":125.0,"billingItemType":1,"nonBillable":0}"#,
    )
    .unwrap();
    assert_eq!((line.invoice_id, line.our_cost), (Some(Id::new(6100)), None));
    assert_eq!((line.quantity, line.rate), (Some(10.into()), Some(Decimal::new(125, 1))));
    assert_eq!(line.billing_item_type, Some(BillingItemType::Labour));
}

#[tokio::test]
async fn a_patch_sends_null_for_what_is_cleared_and_nothing_for_what_is_left() {
    let mut patch = InvoicePatch::new(6100);
    patch.paid_date = Field::Null;
    assert_eq!(sent(&patch).await, json!({ "id": 6100, "paidDate": null }));
    patch.paid_date = date(2026, 11, 20).into();
    patch.invoice_number = "INV-1".to_owned().into();
    assert_eq!(sent(&patch).await, json!({ "id": 6100, "paidDate": "2026-11-20T00:00:00", "invoiceNumber": "INV-1" }));
}

#[tokio::test]
async fn a_replacement_keeps_number_and_web_service_date_of_the_row_read() {
    let at = "2026-11-02T10:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let read = Invoice {
        invoice_number: Some("INV-0091".to_owned()),
        paid_date: Some(at.into()),
        web_service_date: Some(at.into()),
        ..Invoice::with_id(6100)
    };
    let fake = Fake::script(vec![(200, r#"{"itemId":6100}"#.to_owned())]);
    fake.client().replace(&InvoiceReplacement::of(&read, None).unwrap()).await.unwrap();
    let sent = fake.sent();
    assert_eq!(sent[0].method, Method::Put);
    assert_eq!(
        body(&sent[0]),
        json!({ "id": 6100, "invoiceNumber": "INV-0091", "paidDate": null, "webServiceDate": "2026-11-02T10:00:00Z" })
    );
    assert_eq!(InvoiceReplacement::of(&Invoice::with_id(6100), None), None, "an unread number would be cleared");
}

#[tokio::test]
async fn fields_that_autotask_takes_in_no_filter_are_refused_before_anything_is_sent() {
    let fake = Fake::script(vec![(500, String::new())]);
    let due = Filter::lt("DueDate", date(2026, 11, 1));
    let nested = Filter::not_exist("paidDate").and(due.clone()).or(Filter::gt("id", 1_i64));
    for refused in [
        fake.client().query::<Invoice>().filter(due).all().await,
        fake.client().query::<Invoice>().filter(nested).all().await,
        fake.client().query::<Invoice>().any_of("taxRegionID", [1_i64]).all().await,
    ] {
        assert!(matches!(refused, Err(Error::OutOfBounds { .. })), "{refused:?}");
    }
    assert!(fake.client().query::<Invoice>().filter(Filter::exist("taxRegionID")).count().await.is_err());
    let items = fake.client().query::<BillingItem>().filter(Filter::exist("lineItemFullDescription"));
    assert!(items.first().await.is_err());
    assert_eq!(fake.sent().len(), 0);
}

#[tokio::test]
async fn lines_of_many_invoices_are_asked_for_within_the_500_conditions() {
    let rows = (1..=1000_i64).map(|n| json!({ "id": n, "invoiceID": 6000 + n })).collect();
    let fake = Fake::table(rows);
    let invoices = (6001..=7000_i64).map(Id::<Invoice>::new);
    let query = fake.client().query::<BillingItem>().any_of("invoiceID", invoices).include(BillingItem::READ_FIELDS);
    assert_eq!(query.all().await.unwrap().len(), 1000);
    assert_eq!(fake.sent().len(), 1000_usize.div_ceil(OR_IDS_MAX));
}

#[tokio::test]
async fn a_pdf_is_read_with_what_autotask_says_of_it() {
    let fake = Fake::script(vec![(200, pdf_answer(&STANDARD.encode(FILE)))]);
    let pdf = fake.client().invoice_pdf(Id::new(6100)).await.unwrap();
    assert_eq!(pdf.bytes, FILE);
    assert_eq!(
        (pdf.file_name.as_deref(), pdf.content_type.as_deref()),
        (Some("INV-0091.pdf"), Some("application/pdf"))
    );
    assert_eq!(pdf.declared_size, Some(19));
    assert!(pdf.is_whole_pdf());
    assert_eq!(fake.sent()[0].url.as_str(), format!("{ZONE}V1.0/Invoices/6100/InvoicePdf"));
    assert!(!format!("{pdf:?}").contains("INV-0091"));

    let other_size = InvoicePdf { declared_size: Some(20), ..pdf.clone() };
    let other_file = InvoicePdf { bytes: b"<html></html>".to_vec(), declared_size: None, ..pdf.clone() };
    assert!(!other_size.is_whole_pdf() && !other_file.is_whole_pdf());
    assert!(InvoicePdf { declared_size: None, ..pdf }.is_whole_pdf());
}

#[tokio::test]
async fn base64_is_read_however_json_escapes_it() {
    let data = STANDARD.encode(FILE);
    assert!(data.contains('+') && data.contains('/') && data.contains('='), "{data}");
    for (plus, slash, equals) in
        [("\\u002B", "\\/", "="), ("\\u002b", "\\u002f", "\\u003d"), ("+", "\\u002F", "\\u003D")]
    {
        let escaped = data.replace('/', slash).replace('=', equals).replace('+', plus);
        let answer = pdf_answer("@").replace('@', &escaped).replace("INV-0091", r#"a\\u002b\"\n"#);
        let pdf = pdf_of(200, answer).await.unwrap();
        assert_eq!(pdf.bytes, FILE, "{escaped}");
        assert_eq!(pdf.file_name.as_deref(), Some("a\\u002b\"\n.pdf"));
    }
}

#[tokio::test]
async fn what_is_no_pdf_answer_is_refused_and_not_asked_for_again() {
    let too_large = pdf_answer(&"A".repeat((INVOICE_PDF_MAX / 3 + 2) * 4));
    for (what, answer) in [
        ("a web page", "<!DOCTYPE html><html></html>".to_owned()),
        ("no base64", pdf_answer("JVBERi0x!")),
        ("cut base64", pdf_answer("JVBER")),
        ("other escapes", pdf_answer("JVBE\n")),
        ("no data", pdf_answer("")),
        ("null data", pdf_answer("@").replace("\"@\"", "null")),
        ("no item", "{}".to_owned()),
        ("no object", "7".to_owned()),
        ("nothing", String::new()),
        ("cut off", pdf_answer("JVBERi0x")[..60].to_owned()),
    ] {
        let fake = Fake::script(vec![(200, answer)]);
        let refused = fake.client().invoice_pdf(Id::new(6100)).await;
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{what}: {refused:?}");
        assert_eq!(fake.sent().len(), 1, "{what}");
    }
    assert!(matches!(pdf_of(200, too_large).await, Err(Error::OutOfBounds { .. })));
    assert!(matches!(pdf_of(503, "").await, Err(Error::Unavailable { status: Some(503), .. })));
}

#[tokio::test]
async fn a_missing_invoice_has_no_pdf_and_the_thread_limit_is_told_with_any_status() {
    for (status, answer) in [(200, r#"{"item":null}"#), (404, ""), (404, r#"{"errors":["There is no such Invoice."]}"#)]
    {
        let refused = pdf_of(status, answer).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })), "{status} {answer}: {refused:?}");
    }
    let limit = r#"{"errors":["API thread threshold of 3 threads has been exceeded"]}"#;
    for status in [200, 429, 500] {
        assert!(matches!(pdf_of(status, limit).await, Err(Error::ThreadLimit { .. })), "{status}");
    }
}
