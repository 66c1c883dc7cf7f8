//! The third act: invoices come in with their lines and PDFs, a payment goes back, and is taken back.

use super::check::writes;
use super::steps::{ADMIN, BILLING, Demo, PARTNER, Step};
use super::tables::{cell, table};
use super::{DemoError, Invoices};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The feature that is switched on.
const FEATURE: &str = "invoices";
/// The schedule that fetches.
const JOB: &str = "invoice-fetch";
/// Invoices that are shown.
const SHOWN: usize = 8;
/// The vendor's name of the payment.
const PAYMENT: &str = "pay-2001";
/// What a PDF begins with.
const PDF_MAGIC: &str = "%PDF-";

impl Demo<'_> {
    /// All of the third act.
    pub(super) async fn invoices(&mut self) -> Step<Invoices> {
        let found_wrong = self.wrong.len();
        let (fetched, lines) = self.fetch().await?;
        let pdfs = self.pdfs(&fetched).await?;
        let paid = self.pay(&fetched).await?;
        let second_fetch_writes = self.fetch_again().await?;
        let invoices = Invoices { fetched: fetched.len(), lines, pdfs, paid, second_fetch_writes };
        if self.wrong.len() == found_wrong {
            self.say(format!(
                "{} invoices with {} lines and {} PDFs are here; one was paid and the payment taken back; a second fetch \
                 wrote nothing.",
                invoices.fetched, invoices.lines, invoices.pdfs
            ));
        }
        Ok(invoices)
    }

    /// Invoices are switched on, and the first fetch reads everything.
    async fn fetch(&mut self) -> Step<(Vec<Value>, u64)> {
        self.title("Invoices are switched on, and the first fetch reads everything");
        let path = format!("{}/settings", self.connection);
        let settings = self.http.call(ADMIN, "GET", &path, None).await?;
        let mut features = settings["features"].as_array().cloned().unwrap_or_default();
        features.push(json!(FEATURE));
        self.http.call(ADMIN, "PATCH", &path, Some(json!({"features": features}))).await?;
        self.fire().await?;
        let status = self.http.call(BILLING, "GET", &format!("{}/sync-status", self.connection), None).await?;
        let counts = &status["import"]["last_counts"];
        let found = self.http.all(BILLING, &format!("{}/invoices", self.connection)).await?;
        let rows = found.iter().take(SHOWN).map(|invoice| {
            ["number", "date", "due_date", "total", "status", "outstanding"].map(|name| cell(&invoice[name]))
        });
        self.say(table(["Invoice", "Date", "Due", "Total", "Status", "Outstanding"], rows.collect()));
        let (lines, calls) = (counts["lines"].as_u64().unwrap_or_default(), cell(&counts["autotask_calls"]));
        self.say(format!("{} invoices with {lines} lines, in {calls} calls to Autotask.", found.len()));
        self.check_copies(&found).await?;
        if counts["invoices_created"].as_u64() != u64::try_from(found.len()).ok() {
            self.wrong.push(format!("the first fetch says otherwise than the list: {status}"));
        }
        Ok((found, lines))
    }

    /// Every invoice that Autotask has is here, as it is there.
    async fn check_copies(&mut self, found: &[Value]) -> Step {
        let rows = self.http.rows(self.login.ci, "Invoices").await?;
        let here: BTreeMap<i64, &Value> =
            found.iter().filter_map(|invoice| Some((invoice["autotask_id"].as_i64()?, invoice))).collect();
        if rows.len() != here.len() {
            self.wrong.push(format!("Autotask has {} invoices, {} are here", rows.len(), here.len()));
        }
        for row in &rows {
            let copy = row["id"].as_i64().and_then(|id| here.get(&id));
            let amount =
                |value: &Value| cell(value).parse::<rust_decimal::Decimal>().ok().map(|total| total.normalize());
            let same = copy.is_some_and(|copy| {
                amount(&copy["total"]) == amount(&row["invoiceTotal"])
                    && copy["number"] == row["invoiceNumber"]
                    && (copy["status"] == "voided") == (row["isVoided"] == true)
                    && copy["paid_date"].is_null() == row["paidDate"].is_null()
            });
            if !same {
                self.wrong.push(format!("invoice {} is not as Autotask has it: {copy:?}", row["id"]));
            }
        }
        Ok(())
    }

    /// Their PDFs have come by a queue of their own.
    async fn pdfs(&mut self, fetched: &[Value]) -> Step<usize> {
        let served: BTreeSet<String> = self
            .http
            .requests()
            .await?
            .iter()
            .filter(|request| request["status"].as_u64() == Some(200))
            .filter_map(|request| request["path"].as_str().filter(|path| path.ends_with("/InvoicePdf")))
            .map(str::to_owned)
            .collect();
        let wanted = fetched.iter().filter(|invoice| invoice["status"] != "voided").count();
        if served.len() != wanted {
            self.wrong.push(format!("{} PDFs were fetched of {wanted} invoices that are not voided", served.len()));
        }
        let first = fetched.iter().find(|invoice| invoice["status"] == "open");
        let id = first.and_then(|invoice| invoice["autotask_id"].as_i64()).ok_or(DemoError::Shape("the invoices"))?;
        let file = self.http.file(BILLING, &format!("{}/invoices/{id}/pdf", self.connection)).await?;
        if !file.starts_with(PDF_MAGIC.as_bytes()) {
            self.wrong.push(format!("what is served as the PDF of invoice {id} is none"));
        }
        Ok(served.len())
    }

    /// A client pays an invoice: Autotask gets the date. The payment is deleted: the date goes.
    async fn pay(&mut self, fetched: &[Value]) -> Step<usize> {
        self.title("A client pays an invoice, the vendor's core tells it, and later that it was taken back");
        let open = |invoice: &&Value| invoice["status"] == "open" && invoice["number_clash"] == false;
        let invoice = fetched.iter().find(open).ok_or(DemoError::Shape("the invoices"))?;
        let id = invoice["autotask_id"].as_i64().ok_or(DemoError::Shape("an invoice"))?;
        let paid = json!({
            "autotask_invoice_id": id, "amount": invoice["outstanding"], "paid_at": self.now().await?,
            "payment_id": PAYMENT,
        });
        self.tell_core("payment.succeeded", paid).await?;
        let paid = self.standing("paid in full", id).await?;
        self.tell_core("payment.deleted", json!({"payment_id": PAYMENT})).await?;
        let back = self.standing("payment deleted", id).await?;
        let rows = [paid.1.clone(), back.1.clone()].to_vec();
        self.say(table(["", "Invoice", "Status", "Outstanding", "Paid date in Autotask"], rows));
        let is = |standing: &(Value, [String; 5]), status: &str, dated: bool| {
            standing.0["status"] == status && (standing.1[4] != cell(&Value::Null)) == dated
        };
        if is(&paid, "paid", true) && is(&back, "open", false) && back.0["outstanding"] == invoice["outstanding"] {
            return Ok(1);
        }
        self.wrong.push(format!("the payment did not go to Autotask and back: {:?}, then {:?}", paid.1, back.1));
        Ok(0)
    }

    /// The vendor's core tells it on the bus.
    async fn tell_core(&mut self, kind: &str, data: Value) -> Step {
        let connection = self.connection.rsplit('/').next().unwrap_or_default().to_owned();
        let event = json!({"detail-type": kind, "source": "vendor.core", "detail": {
            "version": "1", "id": format!("evt-{kind}"), "occurred_at": self.now().await?, "partner_id": PARTNER,
            "connection_id": connection, "data": data,
        }});
        self.http.local("POST", "/_local/events", Some(event)).await?;
        self.drain().await
    }

    /// An invoice as it stands here, and as a row of the table.
    async fn standing(&mut self, when: &str, id: i64) -> Step<(Value, [String; 5])> {
        let invoice = self.http.call(BILLING, "GET", &format!("{}/invoices/{id}", self.connection), None).await?;
        let rows = self.http.rows(self.login.ci, "Invoices").await?;
        let there = rows.iter().find(|row| row["id"].as_i64() == Some(id)).map(|row| row["paidDate"].clone());
        let row = [
            when.to_owned(),
            cell(&invoice["number"]),
            cell(&invoice["status"]),
            cell(&invoice["outstanding"]),
            cell(&there.unwrap_or_default()),
        ];
        Ok((invoice, row))
    }

    /// An hour later nothing is new.
    async fn fetch_again(&mut self) -> Step<usize> {
        self.title("An hour later nothing is new");
        let (requests, events) = (self.http.requests().await?.len(), self.told().await?);
        let hour = json!({"advance_seconds": SignedDuration::from_hours(1).as_secs()});
        self.http.local("POST", "/_local/clock", Some(hour)).await?;
        self.fire().await?;
        let since = self.http.requests().await?.split_off(requests);
        let told = self.told().await? - events;
        self.say(format!("{} calls to Autotask, {} writes, {told} events.", since.len(), writes(&since)));
        Ok(writes(&since) + told)
    }

    /// Events about invoices and customers so far.
    async fn told(&mut self) -> Step<usize> {
        let all = self.http.local("GET", "/_local/events?since=0", None).await?;
        let events = all["events"].as_array().or(all.as_array()).ok_or(DemoError::Shape("GET /_local/events"))?;
        let about = |event: &&Value| {
            let kind = event["detail-type"].as_str().or(event["detail_type"].as_str()).unwrap_or_default();
            kind.starts_with("invoice.") || kind.starts_with("customer.")
        };
        Ok(events.iter().filter(about).count())
    }

    async fn fire(&mut self) -> Step {
        let now = self.now().await?;
        self.http.local("POST", &format!("/_local/schedules/{JOB}"), Some(json!({"time": now}))).await?;
        self.drain().await
    }
}
