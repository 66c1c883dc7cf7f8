//! An Autotask whose invoices are made when they are asked for: it keeps none, so that the heap is the fetch's own.

use async_trait::async_trait;
use autotask::{Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows of a page.
const PAGE: i64 = 500;
/// Customers that the invoices go to in turn.
const COMPANIES: i64 = 300;
/// Lines of each invoice.
const LINES: i64 = 8;

#[derive(Debug)]
pub(crate) struct MadeUp {
    invoices: i64,
    calls: AtomicU32,
}

impl MadeUp {
    pub(crate) fn new(invoices: u32) -> Self {
        Self { invoices: i64::from(invoices), calls: AtomicU32::new(0) }
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The ids of a query's rows, first and last.
    fn span(&self, entity: &str, filters: &Value) -> (i64, i64) {
        let bound = |field: &str, op: &str| {
            let all = filters.as_array().into_iter().flatten();
            all.filter(|filter| filter["field"] == field && filter["op"] == op)
                .find_map(|filter| filter["value"].as_i64())
        };
        let from = bound("id", "gt").map_or(1, |id| id + 1).max(1);
        match entity {
            "Companies" => (from, COMPANIES),
            "Invoices" => (from, self.invoices),
            "BillingItems" => {
                let (first, last) = (bound("invoiceID", "gte").unwrap_or(1), bound("invoiceID", "lte").unwrap_or(0));
                (first * LINES, last * LINES + LINES - 1)
            }
            _ => (1, 0),
        }
    }
}

fn row(entity: &str, id: i64) -> Value {
    match entity {
        "Companies" => json!({"id": id, "companyName": format!("Customer {id}"), "companyType": 1, "isActive": true}),
        "Invoices" => json!({
            "id": id, "companyID": id % COMPANIES + 1, "invoiceNumber": format!("INV-{id}"),
            "invoiceDateTime": "2026-11-02T00:00:00Z", "createDateTime": "2026-11-02T10:00:00Z",
            "dueDate": "2026-12-02T00:00:00Z", "invoiceTotal": 300.0, "totalTaxValue": 0.0, "isVoided": false,
        }),
        _ => json!({
            "id": id, "invoiceID": id / LINES, "companyID": 1, "itemName": "Seats", "description": "Seats, per user",
            "quantity": 3.0, "rate": 12.5, "extendedPrice": 37.5, "totalAmount": 37.5, "taxDollars": 0.0,
            "itemDate": "2026-11-01T00:00:00Z",
        }),
    }
}

#[async_trait]
impl Transport for MadeUp {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let path = request.url.path().to_owned();
        let entity = path.rsplit('/').nth(1).unwrap_or_default();
        let body: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
        let (first, last) = self.span(entity, &body["filter"]);
        let after = request.url.query_pairs().find(|(name, _)| name == "after").and_then(|(_, id)| id.parse().ok());
        let from = after.map_or(first, |id: i64| id + 1);
        let to = last.min(from + PAGE - 1);
        let items: Vec<Value> = (from..=to).map(|id| row(entity, id)).collect();
        let next = (to < last).then(|| {
            let mut url = request.url.clone();
            url.query_pairs_mut().clear().append_pair("after", &to.to_string());
            url.to_string()
        });
        let details = json!({"count": items.len(), "requestCount": PAGE, "prevPageUrl": null, "nextPageUrl": next});
        let body = json!({"items": items, "pageDetails": details}).to_string();
        Ok(Response { status: 200, headers: Vec::new(), body: body.into() })
    }
}
