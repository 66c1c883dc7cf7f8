//! A long time, hour by hour: people make, edit, void, delete and pay invoices in Autotask, the vendor tells payments and
//! credits, a partner changes filters. At the end our copy is what Autotask shows, and the ledger explains what is
//! outstanding.

use super::{day, given, kept, now, told, world_without_pdfs};
use domain::Role;
use domain::invoices::{Invoice, InvoiceStatus, load_lines};
use jiff::SignedDuration;
use jiff::civil::Date;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::World;

/// Days that pass: few in the suite, a year with `YEAR_DAYS=365`.
fn days() -> usize {
    given("YEAR_DAYS", 4)
}

fn seed() -> u64 {
    u64::try_from(given("YEAR_SEED", 1)).unwrap()
}

/// What the vendor told of an invoice: amounts of payments and credits that stand.
#[derive(Debug, Default, Clone)]
struct Said {
    payments: BTreeMap<String, Decimal>,
    credits: BTreeMap<String, Decimal>,
}

struct Story {
    world: World,
    dice: StdRng,
    companies: Vec<i64>,
    invoices: Vec<i64>,
    /// Paid by a person's hand in Autotask: nobody else may touch that.
    by_hand: Vec<i64>,
    said: BTreeMap<i64, Said>,
    /// What was done to each invoice, for whoever has to find out why one differs.
    done: BTreeMap<i64, Vec<String>>,
    count: u32,
}

impl Story {
    async fn begin() -> Self {
        let world = world_without_pdfs().await;
        let companies = ["Northwind", "Tailspin", "Contoso", "Fabrikam"].map(|name| world.company(name)).to_vec();
        let dice = StdRng::seed_from_u64(seed());
        Self {
            world,
            dice,
            companies,
            invoices: Vec::new(),
            by_hand: Vec::new(),
            said: BTreeMap::new(),
            done: BTreeMap::new(),
            count: 0,
        }
    }

    fn did(&mut self, invoice: i64, what: &str) {
        let at = now(&self.world);
        self.done.entry(invoice).or_default().push(format!("{at} {what}"));
    }

    fn row(&self, invoice: i64) -> Value {
        let rows = self.world.sim.rows(self.world.ci, "Invoices").unwrap();
        rows.into_iter().find(|row| row["id"] == invoice).unwrap_or_default()
    }

    fn today(&self) -> Date {
        self.world.sim.today()
    }

    /// One that nobody has paid or voided, here or there.
    fn untouched(&mut self) -> Option<i64> {
        let said =
            |id: &i64| self.said.get(id).is_some_and(|said| !said.payments.is_empty() || !said.credits.is_empty());
        let free: Vec<i64> = self.invoices.iter().copied().filter(|id| !said(id)).collect();
        let open = |id: &i64| {
            let row = self.row(*id);
            row["paidDate"].is_null() && row["isVoided"] != true && !row.is_null()
        };
        let free: Vec<i64> = free.into_iter().filter(open).collect();
        free.choose(&mut self.dice).copied()
    }

    async fn act(&mut self) {
        self.count += 1;
        let price = format!("{}.{:02}", self.dice.random_range(1..90), self.dice.random_range(0..100));
        match self.dice.random_range(0..12) {
            0..=3 => {
                let company = *self.companies.choose(&mut self.dice).unwrap();
                let quantity = self.dice.random_range(1..9);
                let lines = [("Seats", quantity, price.as_str()), ("Backup", 1, "7.25")];
                let made = self.world.invoice(company, &lines[..self.dice.random_range(1..=2)]);
                self.invoices.push(made.id);
                self.did(made.id, "made");
            }
            4 => {
                if let Some(id) = self.untouched() {
                    self.world.add_invoice_line(id, ("Setup", 1, &price));
                    self.did(id, "a line more");
                }
            }
            5 => {
                if let Some(id) = self.untouched() {
                    let due = self.today().saturating_add(jiff::Span::new().days(self.dice.random_range(5..60)));
                    self.world.invoice_due_on(id, due);
                    self.did(id, "due on another day");
                }
            }
            6 => {
                if let Some(id) = self.untouched() {
                    match self.dice.random_range(0..3) {
                        0 => {
                            self.world.void_invoice(id);
                            self.did(id, "voided");
                        }
                        1 => {
                            self.world.delete_invoice(id);
                            self.invoices.retain(|other| *other != id);
                            self.did(id, "deleted");
                        }
                        _ => {
                            self.world.renumber_invoice(id, &format!("R-{}", self.count));
                            self.did(id, "renumbered");
                        }
                    }
                }
            }
            7 => {
                if let Some(id) = self.untouched() {
                    self.world.pay_in_autotask(id, self.today());
                    self.by_hand.push(id);
                    self.did(id, "paid there");
                }
            }
            8 => {
                if let Some(id) = self.by_hand.pop() {
                    self.world.unpay_in_autotask(id);
                    self.did(id, "no longer paid there");
                }
            }
            9 | 10 => self.tell_payment().await,
            _ => self.take_back().await,
        }
    }

    /// A payment in full or in part, or a credit, of an invoice that is here and open.
    async fn tell_payment(&mut self) {
        let here = kept(&self.world).await;
        let open: Vec<&Invoice> = here.iter().filter(|invoice| invoice.status == InvoiceStatus::Open).collect();
        let open: Vec<&&Invoice> = open.iter().filter(|invoice| self.invoices.contains(&invoice.id)).collect();
        let Some(invoice) = open.choose(&mut self.dice) else { return };
        let row = self.row(invoice.id);
        // What a person has just done there is for the next fetch to see.
        if !row["paidDate"].is_null() || row["isVoided"] == true {
            return;
        }
        let left = invoice.outstanding().amount;
        let amount = if self.dice.random_bool(0.6) { left } else { (left / Decimal::from(3)).round_dp(2) };
        if amount.is_zero() {
            return;
        }
        let invoice = invoice.id;
        self.did(invoice, &format!("told of {amount} of {left}"));
        let (id, service) = (format!("told-{}", self.count), self.world.api(Role::Service));
        let said = self.said.entry(invoice).or_default();
        if self.dice.random_bool(0.8) {
            let body = json!({"connection": self.world.connection, "autotask_invoice_id": invoice,
                "amount": amount, "paid_at": now(&self.world), "payment_id": id});
            for _ in 0..2 {
                let reply = service.post("/v1/payments", body.clone()).await;
                assert!(reply.is_success(), "{}", reply.text);
            }
            said.payments.insert(id, amount);
        } else {
            let reply = service
                .post(&format!("C/invoices/{invoice}/credits"), json!({"credit_id": id, "amount": amount}))
                .await;
            assert!(reply.is_success(), "{}", reply.text);
            said.credits.insert(id, amount);
        }
    }

    async fn take_back(&mut self) {
        let told: Vec<(i64, String)> = self
            .said
            .iter()
            .flat_map(|(invoice, said)| said.payments.keys().map(|id| (*invoice, id.clone())))
            .collect();
        let Some((invoice, id)) = told.choose(&mut self.dice).cloned() else { return };
        let reply = self.world.api(Role::Service).delete(&format!("/v1/payments/{id}")).await;
        assert!(reply.is_success(), "{}", reply.text);
        self.said.get_mut(&invoice).unwrap().payments.remove(&id);
        self.did(invoice, "a payment taken back");
    }

    async fn filters(&mut self, nth: usize) {
        let out: Vec<i64> = if nth.is_multiple_of(2) { vec![self.companies[0]] } else { Vec::new() };
        let admin = self.world.api(Role::PartnerAdmin);
        let reply = admin.put("C/filters", json!({"company_ids": {"in": [], "not_in": out}})).await;
        assert!(reply.is_success(), "{}", reply.text);
    }

    async fn hour(&self) {
        self.world.advance(SignedDuration::from_hours(1));
        let at = now(&self.world);
        self.world.tick("invoice-fetch", &at).await;
        self.world.tick("payments", &at).await;
        self.world.drain().await;
    }

    /// What Autotask shows and what we keep, as comparable texts; all that differs is told, with what was done to it.
    async fn compare(&self) {
        let ours: BTreeMap<i64, Invoice> = kept(&self.world).await.into_iter().map(|own| (own.id, own)).collect();
        let mut created: BTreeMap<i64, u32> = BTreeMap::new();
        for (kind, id) in told(&self.world) {
            *created.entry(id).or_default() += u32::from(kind == "invoice.created");
        }
        let mut differ = BTreeMap::new();
        for id in self.invoices.iter().chain(ours.keys()) {
            let said = match ours.get(id) {
                None => vec!["is not here".to_owned()],
                Some(own) if !self.invoices.contains(id) => {
                    is("status of a deleted one", own.status, InvoiceStatus::Missing).into_iter().collect()
                }
                Some(own) => self.differs(own).await,
            };
            let events = is("times created", created.get(id).copied().unwrap_or_default(), 1);
            let said: Vec<String> = said.into_iter().chain(events).collect();
            if !said.is_empty() {
                differ.insert(*id, (said, self.done.get(id)));
            }
        }
        assert!(differ.is_empty(), "seed {}: {differ:#?}", seed());
    }

    /// In what our copy of an invoice that is there differs from it, or does not follow from what was said.
    async fn differs(&self, own: &Invoice) -> Vec<String> {
        let money = |value: &Value| -> Decimal { value.to_string().parse::<Decimal>().unwrap_or_default().normalize() };
        let day = |value: &Value| value.as_str().map(|text| text[..10].to_owned());
        let row = self.row(own.id);
        let lines = load_lines(self.world.ports(), &self.world.scope(), own, 0, 1_000).await.unwrap();
        let said = self.said.get(&own.id).cloned().unwrap_or_default();
        let (paid, credited): (Decimal, Decimal) = (said.payments.values().sum(), said.credits.values().sum());
        let left = (own.total - paid - credited).max(Decimal::ZERO);
        let by_hand = self.by_hand.contains(&own.id);
        let outstanding = if own.voided_on.is_none() && !by_hand { left } else { Decimal::ZERO };
        let covered = left.is_zero() && !paid.is_zero() && own.voided_on.is_none();
        [
            is("number", own.number.as_str(), row["invoiceNumber"].as_str().unwrap_or_default()),
            is("total", own.total.normalize(), money(&row["invoiceTotal"])),
            is("due", own.due.map(|day| day.to_string()), day(&row["dueDate"])),
            is("paid on", own.paid_on.map(|day| day.to_string()), day(&row["paidDate"])),
            is("voided", own.voided_on.is_some(), row["isVoided"] == true),
            is("lines", lines.iter().map(|line| line.amount).sum::<Decimal>().normalize(), own.total.normalize()),
            is("ledger", (own.ledger.paid, own.ledger.credited), (paid, credited)),
            is("outstanding", own.outstanding().amount.normalize(), outstanding.normalize()),
            is("paid", own.paid_on.is_some(), covered || by_hand),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn is<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Option<String> {
    (ours != theirs).then(|| format!("{what}: {ours:?}, and should be {theirs:?}"))
}

#[tokio::test]
async fn after_a_long_time_our_copy_is_what_autotask_shows_and_the_ledger_explains_it() {
    let mut story = Story::begin().await;
    for nth in 0..days() {
        for hour in 0..24 {
            if story.dice.random_bool(0.25) {
                story.act().await;
            }
            if hour == 12 && nth % 3 == 2 {
                story.filters(nth / 3).await;
            }
            story.hour().await;
        }
    }
    story.filters(1).await;
    story.hour().await;
    // As long as a round of all invoices takes, a page each day.
    for _ in 0..kept(&story.world).await.len() / 500 + 3 {
        day(&story.world).await;
        story.hour().await;
    }
    story.compare().await;
}
