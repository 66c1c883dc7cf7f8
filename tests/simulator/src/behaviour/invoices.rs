//! Invoices: what little of them can be written, their totals, their PDF.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Map, Value, json};

use crate::cell::Cell;
use crate::query;
use crate::refusal::Refusal;
use crate::schema::{Entity, catalogue};
use crate::state::Tenant;
use crate::switches::{Clearing, InvoiceTotal, PdfForm, Unwritable};
use crate::table::{Row, read_cell};
use crate::wire::Response;

/// Size of a PDF that is too large for anybody's bounds, in bytes.
const TOO_BIG: usize = 8_000_000;

/// What the switches say of a change through the API.
pub(super) fn before_update(
    tenant: &Tenant,
    entity: &Entity,
    (row, before): (&mut Row, &Row),
    (body, whole): (&Map<String, Value>, bool),
) -> Result<(), Refusal> {
    if tenant.switches.unwritable_fields == Unwritable::Refused {
        for (name, value) in body {
            let Some(at) = entity.field(name).filter(|at| *at != entity.at("id")) else { continue };
            if entity.fields[at].read_only && read_cell(entity, at, value)? != before.cells[at] {
                return Err(Refusal::invalid(format!("{} cannot be updated.", entity.fields[at].name)));
            }
        }
    }
    let Some(paid) = entity.field("paidDate") else { return Ok(()) };
    let cleared = row.cells[paid].is_null() && !before.cells[paid].is_null();
    let switch = if whole { tenant.switches.clear_paid_date_put } else { tenant.switches.clear_paid_date_patch };
    match switch {
        Clearing::Ignored if cleared => row.cells[paid] = before.cells[paid].clone(),
        Clearing::Refused if cleared => return Err(Refusal::invalid("paidDate: The value cannot be removed.")),
        Clearing::Accepted | Clearing::Ignored | Clearing::Refused => {}
    }
    Ok(())
}

/// Fills in what follows of quantity and rate: prices to two places, as Autotask rounds when it posts.
pub(crate) fn price_line(entity: &Entity, line: &mut Row) {
    let amount = |row: &Row, field: &str| row.get(entity, field).decimal();
    if line.get(entity, "quantity").is_null() {
        line.set(entity, "quantity", Cell::Decimal(Decimal::ONE));
    }
    let (quantity, rate) = (amount(line, "quantity").unwrap_or_default(), amount(line, "rate").unwrap_or_default());
    let price = quantity.checked_mul(rate).unwrap_or_default();
    let price = price.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let price = if line.get(entity, "nonBillable").int() == Some(1) { Decimal::ZERO } else { price };
    for (field, value) in
        [("rate", rate), ("extendedPrice", price), ("totalAmount", price), ("taxDollars", Decimal::ZERO)]
    {
        if line.get(entity, field).is_null() {
            line.set(entity, field, Cell::Decimal(value));
        }
    }
    for (own, internal) in [
        ("rate", "internalCurrencyRate"),
        ("extendedPrice", "internalCurrencyExtendedPrice"),
        ("totalAmount", "internalCurrencyTotalAmount"),
        ("taxDollars", "internalCurrencyTaxDollars"),
    ] {
        let same = line.get(entity, own).clone();
        line.set(entity, internal, same);
    }
}

/// Writes into an invoice what its lines come to.
pub(crate) fn follow_lines(tenant: &Tenant, invoice: &mut Row) {
    let (invoices, items) = (catalogue().known("Invoices"), catalogue().known("BillingItems"));
    let mut total = Decimal::ZERO;
    let mut tax = Decimal::ZERO;
    for line in tenant.db.table(items).rows_by(items.at("invoiceID"), invoice.id(invoices)) {
        total = total.saturating_add(line.get(items, "totalAmount").decimal().unwrap_or_default());
        tax = tax.saturating_add(line.get(items, "taxDollars").decimal().unwrap_or_default());
    }
    if tenant.switches.invoice_total == InvoiceTotal::WithTax {
        total = total.saturating_add(tax);
    }
    invoice.set(invoices, "invoiceTotal", Cell::Decimal(total));
    invoice.set(invoices, "totalTaxValue", Cell::Decimal(tax));
}

/// `GET Invoices/{id}/InvoicePdf`; none where there is no such invoice, or none that the user may see.
pub(crate) fn pdf(tenant: &Tenant, invoice: i64) -> Option<Response> {
    let entity = catalogue().known("Invoices");
    let row = query::one(tenant, entity, invoice)?;
    let number = match row.get(entity, "invoiceNumber") {
        Cell::Text(text) => text.to_string(),
        _ => invoice.to_string(),
    };
    let form = tenant.switches.invoice_pdf;
    let mut file = page(&number, &row, entity);
    if form == PdfForm::NotPdf {
        file = b"<html><body>Preparing your invoice</body></html>".to_vec();
    }
    if form == PdfForm::TooBig {
        file.resize(TOO_BIG, b' ');
    }
    let size = if form == PdfForm::WrongSize { file.len() + 1 } else { file.len() };
    let data = STANDARD.encode(&file);
    let data = if form == PdfForm::NoBase64 { format!("{data}!") } else { data };
    let item = json!({
        "id": invoice, "contentType": "application/pdf", "fileName": format!("{number}.pdf"), "fileSize": size,
        "data": data,
    });
    let body = json!({ "item": item }).to_string();
    let body = if form == PdfForm::Escaped { body.replace('+', "\\u002B").replace('/', "\\/") } else { body };
    Some(Response::new(200, "application/json; charset=utf-8", body))
}

/// One page with the invoice's number and total: the same bytes for the same invoice.
fn page(number: &str, row: &Row, entity: &Entity) -> Vec<u8> {
    let total = row.get(entity, "invoiceTotal").decimal().unwrap_or_default();
    let voided = if *row.get(entity, "isVoided") == Cell::Bool(true) { " 0 -28 Td (VOID) Tj" } else { "" };
    let text =
        format!("BT /F1 18 Tf 72 760 Td (Invoice {}) Tj 0 -28 Td (Total {total:.2}) Tj{voided} ET", plain(number));
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = String::new();
    for (object, number) in objects.iter().zip(1..) {
        places.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = file.len();
    let count = objects.len() + 1;
    file.push_str(&format!("xref\n0 {count}\n0000000000 65535 f \n{places}"));
    file.push_str(&format!("trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"));
    file.into_bytes()
}

/// Text as a PDF's string takes it.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(plain).map(|c| if matches!(c, '(' | ')' | '\\') { '?' } else { c }).collect()
}
