//! Invoices: what the API shows and takes of them, and what people do to them meanwhile.

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use super::client::client;
use super::*;

const LATER: Date = date(2026, 12, 24);

impl World {
    fn item(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}");
        answer.value()["item"].clone()
    }

    fn amounts(&self, invoice: i64) -> [Value; 2] {
        let row = self.item(&format!("Invoices/{invoice}"));
        ["invoiceTotal", "totalTaxValue"].map(|field| row[field].clone())
    }

    fn lines_of(&self, invoice: i64) -> Vec<i64> {
        self.ids("BillingItems", &json!([{ "op": "eq", "field": "invoiceID", "value": invoice }]))
    }

    fn by_hand(&self, path: &str, body: Option<&Value>) -> Response {
        let request = WireRequest::new(Method::POST, &format!("/_sim/databases/{}/invoice/{path}", self.database.ci));
        let request = body.map_or(request.clone(), |body| request.json(body));
        self.simulator.handle(request).response().cloned().unwrap()
    }
}

fn put(world: &World, body: &Value) -> Response {
    world.call(Method::PUT, "Invoices", Some(body))
}

#[test]
fn an_invoice_has_lines_and_totals_that_follow_them() {
    let world = world();
    let company = world.company("Alpha");
    let lines = json!([
        { "itemName": "Seats", "quantity": 3, "rate": "12.3456", "taxDollars": "7.41", "ourCost": 21 },
        { "itemName": "Courtesy", "quantity": 2, "rate": 10, "nonBillable": 1 },
    ]);
    let fields = json!({ "companyID": company, "invoiceNumber": "A-1", "orderNumber": "PO 7", "lines": lines });
    let made = world.simulator.make_invoices(world.database.ci, &[fields]).unwrap().remove(0);
    let row = world.item(&format!("Invoices/{}", made.id));
    for (field, wanted) in [
        ("companyID", json!(company)),
        ("invoiceNumber", json!("A-1")),
        ("orderNumber", json!("PO 7")),
        ("invoiceTotal", json!(44.45)),
        ("totalTaxValue", json!(7.41)),
        ("invoiceDateTime", json!("2026-11-20T00:00:00Z")),
        ("createDateTime", json!("2026-11-20T12:00:00Z")),
        ("dueDate", json!("2026-12-20T00:00:00Z")),
        ("fromDate", json!("2026-11-01T00:00:00Z")),
        ("toDate", json!("2026-11-30T00:00:00Z")),
        ("isVoided", json!(false)),
        ("paidDate", Value::Null),
        ("webServiceDate", Value::Null),
    ] {
        assert_eq!(row[field], wanted, "{field}");
    }
    assert_eq!(world.lines_of(made.id), made.lines);
    let line = world.item(&format!("BillingItems/{}", made.lines[0]));
    assert_eq!(
        [&line["extendedPrice"], &line["totalAmount"], &line["ourCost"]],
        [&json!(37.04), &json!(37.04), &json!(21.0)]
    );
    assert_eq!(world.item(&format!("BillingItems/{}", made.lines[1]))["totalAmount"], json!(0.0));

    let next = json!({ "companyID": company, "invoiceTotal": 99, "lines": [{ "itemName": "x", "rate": 1 }] });
    let next = world.simulator.make_invoices(world.database.ci, &[next]).unwrap().remove(0);
    assert_eq!(world.amounts(next.id), [json!(99.0), json!(0.0)], "an amount that was given need not be right");
    let wrong = [json!({ "companyID": company }), json!({ "companyID": 7 })];
    assert!(world.simulator.make_invoices(world.database.ci, &wrong).is_err());
    assert_eq!(world.ids("Invoices", &match_all()), [made.id, next.id], "all or nothing");
}

#[test]
fn totals_hold_taxes_or_not() {
    for (form, wanted) in [(InvoiceTotal::WithTax, 12.0), (InvoiceTotal::WithoutTax, 10.0)] {
        let world = world();
        world.simulator.switches_mut(|switches| switches.invoice_total = form);
        let invoice = world.invoice(&[]);
        let line = json!({ "itemName": "x", "rate": 10, "taxDollars": 2 });
        world.simulator.add_invoice_line(world.database.ci, invoice.id, &line).unwrap();
        assert_eq!(world.amounts(invoice.id), [json!(wanted), json!(2.0)], "{form:?}");
    }
}

#[test]
fn some_fields_are_taken_in_no_filter() {
    let world = world();
    world.invoice(&[("Seats", "3", "12.50")]);
    for (entity, field) in [
        ("Invoices", "dueDate"),
        ("Invoices", "taxRegionID"),
        ("BillingItems", "lineItemFullDescription"),
        ("BillingItems", "lineItemGroupDescription"),
    ] {
        let answer = world.query(entity, &json!([{ "op": "exist", "field": field }]));
        assert_eq!(answer.status, 500, "{entity}.{field}");
        assert!(text(&answer).contains("cannot be queried"), "{entity}.{field}");
        let included = json!({ "filter": match_all(), "includeFields": ["id", field] });
        assert_eq!(world.post(&format!("{entity}/query"), &included).status, 200, "but shown: {entity}.{field}");
    }
}

#[test]
fn open_invoices_and_changed_ones_are_found_by_groups() {
    let world = world();
    let [open, paid, voided, old] = [(); 4].map(|()| world.invoice(&[("x", "1", "10")]).id);
    let ci = world.database.ci;
    world.simulator.pay_invoice(ci, paid, Some(date(2026, 11, 19))).unwrap();
    world.simulator.void_invoice(ci, voided).unwrap();
    world.simulator.pay_invoice(ci, old, Some(date(2026, 1, 2))).unwrap();
    let is_open = json!({ "op": "and", "items": [
        { "op": "notExist", "field": "paidDate" }, { "op": "eq", "field": "isVoided", "value": false },
    ] });
    let newly_paid = json!({ "op": "and", "items": [
        { "op": "gte", "field": "paidDate", "value": "2026-11-19T00:00:00" }, { "op": "gt", "field": "id", "value": open },
    ] });
    assert_eq!(world.ids("Invoices", &json!([is_open])), [open]);
    assert_eq!(world.ids("Invoices", &json!([{ "op": "or", "items": [is_open, newly_paid] }])), [open, paid]);
    let since = json!([{ "op": "gte", "field": "voidedDate", "value": "2026-11-20T12:00:00.000Z" }]);
    assert_eq!(world.ids("Invoices", &since), [voided]);
    assert_eq!(world.ids("Invoices", &json!([{ "op": "gt", "field": "id", "value": voided }])), [old]);
}

#[test]
fn three_fields_are_written_and_paid_date_keeps_the_date_only() {
    let world = world();
    let id = world.invoice(&[("x", "1", "10")]).id;
    let patched = world.patch(
        "Invoices",
        &json!({ "id": id, "invoiceNumber": "B-2", "paidDate": "2026-11-20T23:59:00-11:00", "webServiceDate": "2026-11-20T12:00:01Z", "invoiceTotal": 1, "isVoided": true }),
    );
    assert_eq!((patched.status, patched.value()), (200, json!({ "itemId": id })));
    let row = world.item(&format!("Invoices/{id}"));
    assert_eq!(row["invoiceNumber"], json!("B-2"));
    assert_eq!(row["paidDate"], json!("2026-11-20T00:00:00Z"));
    assert_eq!(row["webServiceDate"], json!("2026-11-20T12:00:01Z"));
    assert_eq!([&row["invoiceTotal"], &row["isVoided"]], [&json!(10.0), &json!(false)], "the others stay");

    let number = "n".repeat(101);
    assert_eq!(world.patch("Invoices", &json!({ "id": id, "invoiceNumber": number })).status, 500);
    assert_eq!(world.patch("Invoices", &json!({ "id": 999_999, "paidDate": null })).status, 404);
    assert_eq!(world.post("Invoices", &json!({})).status, 405, "the API makes no invoices");
    assert_eq!(world.call(Method::DELETE, &format!("Invoices/{id}"), None).status, 405);
    assert_eq!(world.call(Method::PATCH, &format!("Invoices/{id}"), Some(&json!({}))).status, 405);

    let line = world.lines_of(id)[0];
    let changed = json!({ "id": line, "webServiceDate": "2026-11-20T12:00:02Z", "rate": 99 });
    assert_eq!(world.patch("BillingItems", &changed).status, 200);
    let row = world.item(&format!("BillingItems/{line}"));
    assert_eq!([&row["webServiceDate"], &row["rate"]], [&json!("2026-11-20T12:00:02Z"), &json!(10.0)]);
}

#[test]
fn fields_that_cannot_be_written_may_be_refused_where_they_differ() {
    let world = world();
    let made = world.invoice(&[("x", "1", "10")]);
    world.simulator.switches_mut(|switches| switches.unwritable_fields = Unwritable::Refused);
    let refused = world.patch("Invoices", &json!({ "id": made.id, "paidDate": "2026-11-20", "invoiceTotal": 1 }));
    assert_eq!((refused.status, text(&refused)), (500, "invoiceTotal cannot be updated.".to_owned()));
    assert_eq!(world.item(&format!("Invoices/{}", made.id))["paidDate"], Value::Null);
    assert_eq!(world.patch("BillingItems", &json!({ "id": made.lines[0], "rate": 11 })).status, 500);
    let mut whole = world.item(&format!("Invoices/{}", made.id));
    whole["paidDate"] = json!("2026-11-20");
    assert_eq!(put(&world, &whole).status, 200, "a whole row that differs in what can be written");
    assert_eq!(world.item(&format!("Invoices/{}", made.id))["paidDate"], json!("2026-11-20T00:00:00Z"));
}

#[test]
fn a_paid_date_is_cleared_by_patch_and_by_put_each_as_its_switch_says() {
    for (how, status, left) in [
        (Clearing::Accepted, 200, Value::Null),
        (Clearing::Ignored, 200, json!("2026-11-19T00:00:00Z")),
        (Clearing::Refused, 500, json!("2026-11-19T00:00:00Z")),
    ] {
        for by_put in [false, true] {
            let world = world();
            world.simulator.switches_mut(|switches| match by_put {
                true => switches.clear_paid_date_put = how,
                false => switches.clear_paid_date_patch = how,
            });
            let id = world.invoice(&[]).id;
            let number = format!("INV-{id}");
            world.simulator.pay_invoice(world.database.ci, id, Some(date(2026, 11, 19))).unwrap();
            let body = json!({ "id": id, "paidDate": null, "invoiceNumber": number });
            let answer = if by_put { put(&world, &body) } else { world.patch("Invoices", &body) };
            assert_eq!(answer.status, status, "{how:?} {by_put}");
            let row = world.item(&format!("Invoices/{id}"));
            assert_eq!([&row["paidDate"], &row["invoiceNumber"]], [&left, &json!(number)], "{how:?} {by_put}");
            let other = json!({ "id": id, "invoiceNumber": "C-3" });
            assert_eq!(world.patch("Invoices", &other).status, 200, "what clears nothing is not met");
            world.simulator.switches_mut(|switches| *switches = Default::default());
            assert_eq!(world.patch("Invoices", &body).status, 200);
        }
    }
}

#[test]
fn a_put_clears_what_it_does_not_name() {
    let world = world();
    let id = world.invoice(&[("x", "1", "10")]).id;
    let all = json!({ "id": id, "paidDate": "2026-11-20", "webServiceDate": "2026-11-20T12:00:00Z" });
    assert_eq!(world.patch("Invoices", &all).status, 200);
    assert_eq!(put(&world, &json!({ "id": id, "invoiceNumber": "D-4" })).status, 200);
    let row = world.item(&format!("Invoices/{id}"));
    assert_eq!([&row["paidDate"], &row["webServiceDate"]], [&Value::Null, &Value::Null]);
    assert_eq!([&row["invoiceNumber"], &row["invoiceTotal"]], [&json!("D-4"), &json!(10.0)]);
}

#[test]
fn who_may_not_see_invoices_sees_none_and_no_pdf_either() {
    let world = world();
    let id = world.invoice(&[("x", "1", "10")]).id;
    let none = Permissions::default().with("Invoices", Access::NONE);
    world.simulator.set_permissions(world.database.ci, none).unwrap();
    assert_eq!(world.ids("Invoices", &match_all()), [0_i64; 0]);
    for path in [format!("Invoices/{id}"), format!("Invoices/{id}/InvoicePdf")] {
        assert_eq!(world.get(&path).status, 404, "{path}");
    }
    assert_eq!(world.patch("Invoices", &json!({ "id": id, "paidDate": "2026-11-20" })).status, 500);
    world.simulator.switches_mut(|switches| switches.missing_item = MissingItem::NullItem);
    let answer = world.get(&format!("Invoices/{id}/InvoicePdf"));
    assert_eq!((answer.status, answer.value()), (200, json!({ "item": null })));
}

#[test]
fn costs_of_lines_are_for_those_who_may_read_them() {
    let world = world();
    let company = world.company("Alpha");
    let invoice = json!({ "companyID": company, "lines": [{ "itemName": "x", "rate": 10, "ourCost": 4 }] });
    let made = world.simulator.make_invoices(world.database.ci, &[invoice]).unwrap().remove(0);
    let cost = || world.item(&format!("BillingItems/{}", made.lines[0]))["ourCost"].clone();
    assert_eq!(cost(), json!(4.0));
    world.simulator.set_costs_readable(world.database.ci, false).unwrap();
    assert_eq!(cost(), Value::Null);
}

#[tokio::test]
async fn the_pdf_is_small_valid_looking_and_the_same_each_time() {
    let world = world();
    let made = world.invoice(&[("x", "3", "12.50")]);
    let client = client(&world).await;
    let pdf = client.invoice_pdf(autotask::Id::new(made.id)).await.unwrap();
    assert!(pdf.is_whole_pdf());
    assert_eq!(pdf.content_type.as_deref(), Some("application/pdf"));
    assert_eq!(pdf.file_name, Some(format!("INV-{}.pdf", made.id)));
    let text = String::from_utf8(pdf.bytes.clone()).unwrap();
    assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"), "{text}");
    assert!(text.contains(&format!("(Invoice INV-{})", made.id)) && text.contains("(Total 37.50)"), "{text}");
    let xref: usize = text.rsplit_once("startxref\n").unwrap().1.lines().next().unwrap().parse().unwrap();
    assert!(text[xref..].starts_with("xref\n0 6\n"), "{text}");
    for (line, number) in text[xref..].lines().skip(3).take(5).zip(1..) {
        let at: usize = line[..10].parse().unwrap();
        assert!(text[at..].starts_with(&format!("{number} 0 obj\n")), "{number}: {line}");
    }
    assert_eq!(client.invoice_pdf(autotask::Id::new(made.id)).await.unwrap(), pdf);

    world.simulator.renumber_invoice(world.database.ci, made.id, "(x)\\é").unwrap();
    world.simulator.void_invoice(world.database.ci, made.id).unwrap();
    let other = client.invoice_pdf(autotask::Id::new(made.id)).await.unwrap();
    assert!(
        String::from_utf8(other.bytes)
            .unwrap()
            .contains("(Invoice ?x???) Tj 0 -28 Td (Total 37.50) Tj 0 -28 Td (VOID)")
    );
}

#[tokio::test]
async fn a_pdf_comes_in_every_form_that_the_switch_names() {
    use autotask::Error;
    let world = world();
    let id = world.invoice(&[("x", "3", "12.50")]).id;
    let client = client(&world).await;
    let whole = client.invoice_pdf(autotask::Id::new(id)).await.unwrap();
    for form in [PdfForm::Escaped, PdfForm::NotPdf, PdfForm::WrongSize, PdfForm::TooBig, PdfForm::NoBase64] {
        world.simulator.switches_mut(|switches| switches.invoice_pdf = form);
        let answer = client.invoice_pdf(autotask::Id::new(id)).await;
        match form {
            PdfForm::Whole => unreachable!("not among them"),
            PdfForm::Escaped => assert_eq!(answer.unwrap(), whole),
            PdfForm::NotPdf => assert!(!answer.unwrap().is_whole_pdf()),
            PdfForm::WrongSize => {
                let pdf = answer.unwrap();
                assert_eq!((pdf.declared_size, &pdf.bytes), (whole.declared_size.map(|size| size + 1), &whole.bytes));
            }
            PdfForm::TooBig => assert!(matches!(answer, Err(Error::OutOfBounds { .. })), "{answer:?}"),
            PdfForm::NoBase64 => assert!(matches!(answer, Err(Error::Malformed { .. })), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn faults_meet_pdfs_and_pages_of_invoices() {
    let world = world();
    let made = world.invoice(&[("x", "3", "12.50")]);
    let path = format!("Invoices/{}/InvoicePdf", made.id);
    let fault = |verb: &str, path: &str, kind: FaultKind| {
        world.simulator.clear_faults();
        world.simulator.add_fault(Fault::new(Match::new(verb, path), kind));
    };
    fault("GET", "*/InvoicePdf", FaultKind::Delay { ms: 1_500 });
    assert_eq!(world.send(Method::GET, &path, None).delay_ms, 1_500);
    fault("GET", "*/InvoicePdf", FaultKind::Status { status: 500, body: json!({ "errors": ["no PDF"] }) });
    assert_eq!(text(&world.get(&path)), "no PDF");
    fault("GET", "*/InvoicePdf", FaultKind::Status { status: 404, body: Value::Null });
    let missing = client(&world).await.invoice_pdf(autotask::Id::new(made.id)).await;
    assert!(matches!(missing, Err(autotask::Error::NotFound { .. })), "{missing:?}");
    fault("GET", "*/InvoicePdf", FaultKind::BadPage { how: BadPage::Truncated });
    let cut = client(&world).await.invoice_pdf(autotask::Id::new(made.id)).await;
    assert!(matches!(cut, Err(autotask::Error::Malformed { .. })), "{cut:?}");
    fault("POST", "*/Invoices/query", FaultKind::BadPage { how: BadPage::Html });
    assert!(world.query("Invoices", &match_all()).body.starts_with(b"<"));
    fault("PATCH", "*/Invoices", FaultKind::ApplyThenReset);
    let lost = json!({ "id": made.id, "paidDate": "2026-11-20" });
    assert!(world.send(Method::PATCH, "Invoices", Some(&lost)).response().is_none());
    assert_eq!(world.item(&format!("Invoices/{}", made.id))["paidDate"], json!("2026-11-20T00:00:00Z"));
}

#[tokio::test]
async fn the_client_reads_and_writes_them() {
    use autotask::{BillingItem, Field, Filter, Id, Invoice, InvoicePatch, InvoiceReplacement};
    let world = world();
    world.simulator.set_costs_readable(world.database.ci, false).unwrap();
    let made = world.invoice(&[("Seats", "3", "12.50"), ("Setup", "1", "99.99")]);
    let client = client(&world).await;
    let all = client.query::<Invoice>().include(Invoice::READ_FIELDS).all().await.unwrap();
    assert_eq!((all.len(), all[0].invoice_total), (1, Some(Decimal::new(13749, 2))));
    let lines = client.query::<BillingItem>().any_of("invoiceID", [all[0].id]).include(BillingItem::READ_FIELDS);
    let lines = lines.all().await.unwrap();
    let amounts: Vec<_> = lines.iter().map(|line| line.total_amount.unwrap()).collect();
    assert_eq!(amounts, [Decimal::new(3750, 2), Decimal::new(9999, 2)]);

    let id = Id::<Invoice>::new(made.id);
    let paid = || async { client.get(id).await.unwrap().unwrap().paid_date };
    let mut patch = InvoicePatch::new(id);
    patch.paid_date = date(2026, 11, 20).into();
    client.patch(&patch).await.unwrap();
    assert!(paid().await.is_some());
    let open = client.query::<Invoice>().filter(Filter::not_exist("paidDate")).count();
    assert_eq!(open.await.unwrap(), 0);
    patch.paid_date = Field::Null;
    world.simulator.switches_mut(|switches| switches.clear_paid_date_patch = Clearing::Ignored);
    client.patch(&patch).await.unwrap();
    assert!(paid().await.is_some(), "so it is cleared the other way");
    let read = client.get(id).await.unwrap().unwrap();
    client.replace(&InvoiceReplacement::of(&read, None).unwrap()).await.unwrap();
    assert_eq!(paid().await, None);
    assert_eq!(client.get(id).await.unwrap().unwrap().invoice_number, read.invoice_number);
}

#[test]
fn what_people_do_to_invoices_shows() {
    let world = world();
    let ci = world.database.ci;
    let made = world.invoice(&[("Seats", "3", "12.50"), ("Setup", "1", "100")]);
    let row = || world.item(&format!("Invoices/{}", made.id));
    world.simulator.remove_invoice_line(ci, made.lines[1]).unwrap();
    assert_eq!((world.amounts(made.id)[0].clone(), world.lines_of(made.id)), (json!(37.5), vec![made.lines[0]]));
    let line = json!({ "itemName": "Travel", "quantity": 2, "rate": "0.5", "taxDollars": "0.2" });
    let line = world.simulator.add_invoice_line(ci, made.id, &line).unwrap();
    assert_eq!(world.amounts(made.id), [json!(38.7), json!(0.2)]);
    assert_eq!(world.lines_of(made.id), [made.lines[0], line]);
    world.simulator.change_due_date(ci, made.id, LATER).unwrap();
    world.simulator.renumber_invoice(ci, made.id, "E-5").unwrap();
    world.simulator.pay_invoice(ci, made.id, Some(LATER)).unwrap();
    for (field, wanted) in
        [("dueDate", "2026-12-24T00:00:00Z"), ("invoiceNumber", "E-5"), ("paidDate", "2026-12-24T00:00:00Z")]
    {
        assert_eq!(row()[field], json!(wanted), "{field}");
    }
    world.simulator.pay_invoice(ci, made.id, None).unwrap();
    assert_eq!(row()["paidDate"], Value::Null);
    world.clock.advance(SignedDuration::from_hours(1));
    world.simulator.void_invoice(ci, made.id).unwrap();
    assert_eq!([&row()["isVoided"], &row()["voidedDate"]], [&json!(true), &json!("2026-11-20T13:00:00Z")]);
    assert!(row()["voidedByResourceID"].is_i64());
    assert_eq!(world.amounts(made.id)[0], json!(38.7));
    assert!(world.simulator.void_invoice(ci, made.id).is_err());
    world.simulator.delete_invoice(ci, made.id).unwrap();
    assert_eq!(world.get(&format!("Invoices/{}", made.id)).status, 404);
    assert_eq!(world.lines_of(made.id), [0_i64; 0]);
    assert!(world.simulator.delete_invoice(ci, made.id).unwrap_err().to_string().contains("there is no Invoice"));
    assert!(world.simulator.remove_invoice_line(ci, line).is_err());
}

#[test]
fn a_person_can_do_all_of_it_by_the_routes_for_invoices() {
    let world = world();
    let company = world.company("Alpha");
    let line = json!({ "itemName": "x", "rate": 10 });
    let one = json!({ "companyID": company, "lines": [line] });
    let made = world.by_hand("make", Some(&json!([one, one])));
    let made: Vec<MadeInvoice> = made
        .value()
        .as_array()
        .unwrap()
        .iter()
        .map(|made| MadeInvoice {
            id: made["id"].as_i64().unwrap(),
            lines: made["lines"].as_array().unwrap().iter().map(|line| line.as_i64().unwrap()).collect(),
        })
        .collect();
    let (id, other) = (made[0].id, made[1].id);
    let added = world.by_hand(&format!("add_line/{id}"), Some(&line));
    assert_eq!(added.value(), json!({ "id": made[1].lines[0] + 1 }));
    assert_eq!(world.by_hand(&format!("remove_line/{}", made[0].lines[0]), None).status, 200);
    assert_eq!(world.by_hand(&format!("pay/{id}"), None).value(), json!({}));
    assert_eq!(world.item(&format!("Invoices/{id}"))["paidDate"], json!("2026-11-20T00:00:00Z"));
    for (path, body) in [
        (format!("pay/{id}"), Some(json!({ "date": "2026-11-18" }))),
        (format!("due/{id}"), Some(json!({ "date": "2026-12-24" }))),
        (format!("renumber/{id}"), Some(json!({ "number": "F-6" }))),
        (format!("void/{id}"), None),
        (format!("unpay/{id}"), None),
        (format!("delete/{other}"), None),
    ] {
        assert_eq!(world.by_hand(&path, body.as_ref()).status, 200, "{path}");
    }
    let row = world.item(&format!("Invoices/{id}"));
    assert_eq!(
        [&row["invoiceNumber"], &row["isVoided"], &row["paidDate"]],
        [&json!("F-6"), &json!(true), &Value::Null]
    );
    assert_eq!(world.ids("Invoices", &match_all()), [id]);
    for (path, body, status) in [
        ("make".to_owned(), json!({ "companyID": 7 }), 404),
        ("make".to_owned(), json!({ "companyID": company, "frobs": 1 }), 400),
        (format!("void/{id}"), json!({}), 400),
        (format!("void/{other}"), json!({}), 404),
        (format!("due/{id}"), json!({}), 400),
        ("dismiss/1".to_owned(), json!({}), 404),
    ] {
        assert_eq!(world.by_hand(&path, Some(&body)).status, status, "{path} {body}");
    }
}

#[test]
fn changes_of_companies_and_contacts_are_stamped_whoever_makes_them() {
    let world = world();
    let company = world.company("Alpha");
    let contact = |name: &str, primary: bool| {
        world.insert(
            "Contacts",
            json!({ "companyID": company, "firstName": name, "lastName": "x", "primaryContact": primary }),
        )
    };
    let (first, second) = (contact("Ann", true), contact("Ben", false));
    let stamp = |path: String, field: &str| world.item(&path)[field].as_str().unwrap().to_owned();
    let changed = || stamp(format!("Companies/{company}"), "lastTrackedModifiedDateTime");
    let person = |id: i64| stamp(format!("Contacts/{id}"), "lastModifiedDate");
    assert_eq!([changed(), person(first)], ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"]);

    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(world.patch("Companies", &json!({ "id": company, "city": "Leith" })).status, 200);
    let primary = json!({ "id": second, "primaryContact": true });
    assert_eq!(world.patch(&format!("Companies/{company}/Contacts"), &primary).status, 200);
    assert_eq!([changed(), person(first), person(second)], ["2026-11-20T13:00:00Z"; 3], "the old primary contact, too");

    world.clock.advance(SignedDuration::from_hours(1));
    world.simulator.patch(world.database.ci, "Companies", company, &json!({ "isActive": false })).unwrap();
    world.simulator.patch(world.database.ci, "Contacts", first, &json!({ "title": "CFO" })).unwrap();
    assert_eq!([changed(), person(first)], ["2026-11-20T14:00:00Z"; 2]);
    assert_eq!(person(second), "2026-11-20T13:00:00Z");
}

#[test]
fn the_demos_invoices_are_believable() {
    let world = world();
    let ci = world.database.ci;
    let demo = seed::demo_msp(&world.simulator, ci, date(2026, 11, 20)).unwrap();
    let told = &demo.invoices;
    let rows = world.simulator.rows(ci, "Invoices").unwrap();
    assert_eq!(rows.iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>(), told.all);
    assert_eq!(rows.len(), 3 * 36 + 1);
    let row = |id: i64| rows.iter().find(|row| row["id"] == json!(id)).unwrap();
    let open = rows.iter().filter(|row| row["paidDate"].is_null() && row["isVoided"] == json!(false));
    assert_eq!(open.map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>(), told.open);
    assert!((20..60).contains(&told.open.len()), "{}", told.open.len());
    let voided: Vec<_> =
        rows.iter().filter(|row| row["isVoided"] == json!(true)).map(|row| row["id"].clone()).collect();
    assert_eq!(voided, [json!(told.voided)]);
    let zero: Vec<_> =
        rows.iter().filter(|row| row["invoiceTotal"] == json!(0.0)).map(|row| row["id"].clone()).collect();
    assert_eq!(zero, [json!(told.zero)]);
    let (one, other) = (row(told.same_number.0), row(told.same_number.1));
    assert_eq!(one["invoiceNumber"], other["invoiceNumber"]);
    assert_ne!(one["companyID"], other["companyID"]);
    let numbers: std::collections::BTreeSet<_> = rows.iter().map(|row| row["invoiceNumber"].to_string()).collect();
    assert_eq!(numbers.len(), rows.len() - 1, "only these two share a number");

    let lines = world.simulator.rows(ci, "BillingItems").unwrap();
    let decimal = |value: &Value| value.to_string().parse::<Decimal>().unwrap();
    for invoice in &rows {
        let own = lines.iter().filter(|line| line["invoiceID"] == invoice["id"]);
        let sum: Decimal = own.map(|line| decimal(&line["totalAmount"]) + decimal(&line["taxDollars"])).sum();
        assert_eq!(sum, decimal(&invoice["invoiceTotal"]), "{invoice}");
    }
    let line = demo.lines[0].clone();
    let first_of = |id: i64| {
        let now = |line: &&Value| line["contractID"] == json!(id) && line["serviceID"] == json!(demo.service_id);
        lines.iter().rev().find(now).unwrap()["quantity"].clone()
    };
    assert_eq!(first_of(line.contract_id), json!(f64::from(i32::try_from(line.units).unwrap())));

    let again = self::world();
    seed::demo_msp(&again.simulator, again.database.ci, date(2026, 11, 20)).unwrap();
    assert_eq!(again.simulator.rows(again.database.ci, "Invoices").unwrap(), rows, "the same each time");
    for day in [date(2026, 1, 1), date(2026, 2, 28)] {
        let other = self::world();
        seed::demo_msp(&other.simulator, other.database.ci, day).unwrap();
    }
}

#[test]
fn among_forty_thousand_lines_every_one_is_reached_by_its_id_and_by_its_invoice() {
    let world = world();
    let ci = world.database.ci;
    let companies: Vec<i64> = (0..100).map(|n| world.company(&format!("Client {n}"))).collect();
    let line = json!({ "itemName": "Seats", "quantity": 3, "rate": "12.50" });
    let invoices: Vec<Value> =
        (0..5_000).map(|n| json!({ "companyID": companies[n % 100], "lines": vec![line.clone(); 8] })).collect();
    let made = world.simulator.make_invoices(ci, &invoices).unwrap();
    let mut read = Vec::new();
    loop {
        let after = read.last().copied().unwrap_or(0);
        let query = json!({ "filter": [{ "op": "gt", "field": "id", "value": after }], "includeFields": ["id"] });
        let page = world.post("BillingItems/query", &query).value();
        let page = page["items"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>();
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, made.iter().flat_map(|invoice| invoice.lines.clone()).collect::<Vec<_>>());
    let some: Vec<i64> = made.iter().step_by(11).map(|invoice| invoice.id).collect();
    let count = json!({ "filter": [{ "op": "in", "field": "invoiceID", "value": some }] });
    let counted = world.post("BillingItems/query/count", &count).value();
    assert_eq!(counted, json!({ "queryCount": some.len() * 8 }));
}
