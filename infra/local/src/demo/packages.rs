//! The second act: what the vendor sells as packages becomes contract lines, follows a change, and is taken back.

use super::check::{self, Owed};
use super::steps::{ADMIN, BILLING, Demo, PACKAGE, PARTNER, SERVICE, Step, in_words};
use super::tables::{cell, estimates, lines, table};
use super::{Billing, DemoError};
use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use simulator::seed::DemoAccount;
use std::collections::{BTreeMap, BTreeSet};

/// A package beside the one of the first act: what the vendor sells, and to whom.
struct Offer {
    id: &'static str,
    name: &'static str,
    metric: &'static str,
    price: &'static str,
    /// What of Autotask's catalogue the partner looks through.
    kind: &'static str,
    /// One client in so many has it, beginning with this one.
    every: (usize, usize),
    /// How many of it a client has.
    quantity: fn(&DemoAccount) -> i64,
}

const OFFERS: [Offer; 3] = [
    Offer {
        id: "phishing",
        name: "Phishing Simulation",
        metric: "user",
        price: "0.55",
        kind: "product",
        every: (6, 0),
        quantity: |client| client.seats,
    },
    Offer {
        id: "courses",
        name: "Compliance Courses",
        metric: "user",
        price: "0.95",
        kind: "service",
        every: (9, 4),
        quantity: |client| client.seats / 2 + 1,
    },
    Offer {
        id: "dmarc",
        name: "E-mail Authentication",
        metric: "domain",
        price: "6.50",
        kind: "service",
        every: (12, 3),
        quantity: |client| client.seats / 10 + 1,
    },
];
/// The feature that is switched on.
const FEATURE: &str = "package_billing";
/// How long after the initial sync a client changes its package.
const CHANGED_AFTER: SignedDuration = SignedDuration::from_hours(9 * 24 + 10);
/// How many more of the new package the client takes.
const MORE: i64 = 3;
/// Of which package somebody added a line by hand, and with how many units.
const BY_HAND: (&str, i64) = ("courses", 1);
/// The vendor's name of the change.
const CHANGE: &str = "chg-1001";

/// What a client has of a package: by account and package.
type Told = BTreeMap<(String, &'static str), i64>;

impl Demo<'_> {
    /// All of the second act.
    pub(super) async fn packages(&mut self) -> Step<Billing> {
        let found_wrong = self.wrong.len();
        let told = self.tell().await?;
        self.gate_is_shut().await?;
        let services = self.map_packages().await?;
        self.gate_is_open().await?;
        let owed = self.owed(&told, &services)?;
        let by_hand = self.by_hand(&owed, services[BY_HAND.0]).await?;
        let before = self.http.rows(self.login.ci, "ContractServices").await?.len();
        let initial = self.initial_preview(&by_hand).await?;
        self.initial_apply(&initial, &owed, &by_hand).await?;
        let swap = self.swap(&told, &services).await?;
        self.take_back(&swap, &owed).await?;
        let after = self.http.rows(self.login.ci, "ContractServices").await?.len();
        let billing = Billing {
            lines_created: after.saturating_sub(before),
            changed: self.changed("package_changes").await?,
            undone: self.changed("undo").await?,
        };
        self.judge_packages(&billing, &owed, found_wrong);
        Ok(billing)
    }

    /// Package billing is switched on, and the vendor says who has what.
    async fn tell(&mut self) -> Step<Told> {
        self.title("Package billing is switched on, and the vendor tells more packages and who has them");
        let path = format!("{}/settings", self.connection);
        let settings = self.http.call(ADMIN, "GET", &path, None).await?;
        let mut features = settings["features"].as_array().cloned().unwrap_or_default();
        features.push(json!(FEATURE));
        self.http.call(ADMIN, "PATCH", &path, Some(json!({"features": features}))).await?;
        for offer in &OFFERS {
            let package = json!({
                "name": offer.name, "metric": offer.metric, "unit_price_to_partner": offer.price, "currency": "USD",
            });
            self.http.call(SERVICE, "PUT", &format!("/v1/packages/{}", offer.id), Some(package)).await?;
        }
        let packages: Vec<&str> = [PACKAGE].into_iter().chain(OFFERS.iter().map(|offer| offer.id)).collect();
        let path = format!("/v1/partners/{PARTNER}/packages");
        self.http.call(SERVICE, "PUT", &path, Some(json!({"packages": packages}))).await?;
        let mut told = Told::new();
        let mut accounts = Vec::new();
        for (number, line) in self.msp.lines.iter().enumerate() {
            let client = self.client(&line.account_id)?;
            let mut has = vec![json!({"id": PACKAGE})];
            for offer in OFFERS.iter().filter(|offer| number % offer.every.0 == offer.every.1) {
                let quantity = (offer.quantity)(client);
                has.push(json!({"id": offer.id, "quantity": quantity}));
                told.insert((client.account_id.clone(), offer.id), quantity);
            }
            if has.len() > 1 {
                accounts.push(json!({
                    "partner": PARTNER, "account_id": client.account_id, "name": client.name,
                    "contact_email": client.contact_email, "packages": has, "active": true,
                }));
            }
        }
        let pushed = self.http.call(SERVICE, "POST", "/v1/accounts/batch", Some(json!({"items": accounts}))).await?;
        self.expect_all("accounts", &pushed);
        let row = |package: &Value| {
            let in_use = &package["in_use"];
            let source = cell(&package["unit_price_to_partner"]);
            [
                cell(&package["name"]),
                cell(&package["metric"]),
                source,
                cell(&in_use["accounts"]),
                cell(&in_use["seats"]),
            ]
        };
        let rows = self.listed().await?.0.iter().map(row).collect();
        self.say(table(["Package", "Counted by", "Price to partner", "Clients", "Units in all"], rows));
        Ok(told)
    }

    fn client(&self, account: &str) -> Step<&DemoAccount> {
        let found = self.msp.accounts.iter().find(|client| client.account_id == account);
        found.ok_or(DemoError::Shape("the demo's MSP"))
    }

    /// `GET C/packages`: the packages, and whether the initial sync may be started.
    async fn listed(&self) -> Step<(Vec<Value>, Value)> {
        let mut listed = self.http.call(BILLING, "GET", &format!("{}/packages", self.connection), None).await?;
        match listed["items"].take() {
            Value::Array(packages) => Ok((packages, listed["initial_sync"].take())),
            _ => Err(DemoError::Shape("GET C/packages")),
        }
    }

    /// Nothing is billed before everything in use is mapped.
    async fn gate_is_shut(&mut self) -> Step {
        self.title("The initial sync waits until every package in use is mapped or excluded");
        let body = json!({"kind": "initial", "mode": "preview"});
        let path = format!("{}/runs", self.connection);
        let problem = self.http.refused(BILLING, "POST", &path, Some(body)).await?;
        self.say(format!("{}: {} {}", cell(&problem["code"]), cell(&problem["title"]), cell(&problem["detail"])));
        let (packages, _) = self.listed().await?;
        let in_use = packages.iter().filter(|package| package["in_use"]["accounts"] != 0);
        let in_use: BTreeSet<String> = in_use.map(|package| cell(&package["package_id"])).collect();
        let missing = problem["missing"].as_array().cloned().unwrap_or_default();
        let missing: BTreeSet<String> = missing.iter().map(|package| cell(&package["package_id"])).collect();
        if problem["code"] != "initial_sync_not_ready" || missing != in_use {
            self.wrong.push(format!("the initial sync is refused otherwise than for {in_use:?}: {problem}"));
        }
        Ok(())
    }

    /// A person looks each package up in Autotask's catalogue. Answers which service it is billed as.
    async fn map_packages(&mut self) -> Step<BTreeMap<&'static str, i64>> {
        self.title("A person maps each package to what it is billed as in Autotask");
        let mut services = BTreeMap::new();
        let mut rows = Vec::new();
        for package in self.listed().await?.0 {
            let offer = OFFERS.iter().find(|offer| package["package_id"] == offer.id);
            let (id, kind) = offer.map_or((PACKAGE, "service"), |offer| (offer.id, offer.kind));
            let name = cell(&package["name"]);
            let search = format!("{}/autotask/catalogue?kind={kind}&q={name}", self.connection);
            let found = self.http.call(BILLING, "GET", &search, None).await?;
            let ours = |item: &&Value| item["vendor_code"] == true && item["mapped_to"].is_null();
            let found = found["items"].as_array().and_then(|items| items.iter().find(ours)).cloned();
            let found = found.ok_or(DemoError::Shape("GET C/autotask/catalogue"))?;
            let path = format!("{}/package-mappings/{id}", self.connection);
            let choice = json!({"target": {"kind": kind, "id": found["id"]}});
            let saved = self.http.call(BILLING, "PUT", &path, Some(choice)).await?;
            let mapping = &saved["mapping"];
            let target = &mapping["target"];
            services.insert(id, target["id"].as_i64().ok_or(DemoError::Shape("PUT C/package-mappings/{package}"))?);
            if kind == "product" && target["product_id"] != json!(self.msp.product_with_service) {
                self.wrong.push(format!("{name} is not billed as the product that was chosen: {saved}"));
            }
            rows.push([
                name,
                format!("{kind} {}: {}", found["id"], cell(&found["name"])),
                format!("{} {}: {}", cell(&target["kind"]), target["id"], cell(&target["name"])),
                cell(&mapping["quantity_source"]),
            ]);
        }
        self.say(table(["Package", "Found in Autotask", "Billed as", "Units from"], rows));
        let known: BTreeSet<i64> = self.msp.spare_services.iter().copied().chain([self.msp.service_id]).collect();
        if services.values().copied().collect::<BTreeSet<i64>>() != known {
            self.wrong.push(format!("packages are mapped to {services:?} instead of {known:?}"));
        }
        Ok(services)
    }

    async fn gate_is_open(&mut self) -> Step {
        let (_, initial) = self.listed().await?;
        if initial["ready"] == true {
            self.say("Every package in use is mapped: the initial sync may be started.");
        } else {
            self.wrong.push(format!("the initial sync is not ready: {initial}"));
        }
        Ok(())
    }

    /// What the simulated Autotask should bill, by what the vendor told and where each client's contract is.
    fn owed(&self, told: &Told, services: &BTreeMap<&'static str, i64>) -> Step<Vec<Owed>> {
        let one = |((account, package), units): (&(String, &'static str), &i64)| {
            let line = self.msp.lines.iter().find(|line| line.account_id == *account)?;
            let service_id = *services.get(package)?;
            Some(Owed { account: account.clone(), contract_id: line.contract_id, service_id, units: *units })
        };
        told.iter().map(one).collect::<Option<_>>().ok_or(DemoError::Shape("the demo's MSP"))
    }

    /// Somebody has added one of the lines already, with too few units: it must be found, and not added once more.
    async fn by_hand(&mut self, owed: &[Owed], service: i64) -> Step<Owed> {
        let last = owed.iter().rfind(|line| line.service_id == service);
        let line = Owed { units: BY_HAND.1, ..last.ok_or(DemoError::Shape("the demo's MSP"))?.clone() };
        let row = json!({"contractID": line.contract_id, "serviceID": line.service_id, "units": line.units});
        self.http.insert(self.login.ci, "ContractServices", row).await?;
        let name = self.client(&line.account)?.name.clone();
        self.say(format!("In Autotask somebody has added one of the lines by hand: for {name}, {} unit.", line.units));
        Ok(line)
    }

    /// What the initial sync would do, and what it would cost each client.
    async fn initial_preview(&mut self, by_hand: &Owed) -> Step<Value> {
        self.title("Preview of the initial sync: what would be added or changed");
        let id = self.start_run("initial", "preview").await?;
        let run = self.ended(&id).await?;
        if run["status"] != "planned" {
            self.wrong.push(format!("the preview of the initial sync ended as {}: {run}", run["status"]));
        }
        let found = self.lines(&id).await?;
        let (changing, others): (Vec<Value>, Vec<Value>) =
            found.into_iter().partition(|line| line["state"] == "changed");
        self.say(estimates(&changing));
        self.say(format!("{} more lines stay as they are.", others.len()));
        let found = |line: &&Value| line["account_id"] == by_hand.account && line["service_id"] == by_hand.service_id;
        let found = changing.iter().find(found);
        if found.is_none_or(|line| line["created"] == true || line["units_now"] != by_hand.units) {
            self.wrong.push(format!("the line that was added by hand is not found: {found:?}"));
        }
        self.check_estimates(&run, &changing).await?;
        Ok(run)
    }

    /// Compares the estimates with Autotask's own prices.
    async fn check_estimates(&mut self, run: &Value, changing: &[Value]) -> Step {
        let services = self.http.rows(self.login.ci, "Services").await?;
        let money = |value: &Value| cell(value).parse::<Decimal>().ok();
        let (mut sum, mut without) = (Decimal::ZERO, 0);
        for line in changing {
            let price =
                services.iter().find(|row| row["id"] == line["service_id"]).and_then(|row| money(&row["unitPrice"]));
            let more = line["units_wanted"].as_i64().zip(line["units_now"].as_i64()).map(|(new, now)| new - now);
            let wanted = price.zip(more).map(|(price, more)| price * Decimal::from(more));
            let Some(told) = money(&line["invoice_change"]) else {
                without += 1;
                continue;
            };
            sum += told;
            if Some(told) != wanted {
                self.wrong.push(format!("the estimate of a line is {told} instead of {wanted:?}: {line}"));
            }
        }
        let change = &run["invoice_change"];
        if money(change) != Some(sum) {
            self.wrong.push(format!("the estimates of all lines are {sum}, and that of the run is {change}"));
        }
        let left_out =
            if without == 0 { String::new() } else { format!(", without {without} lines that have no estimate") };
        self.say(format!("All invoices together change by {} a month{left_out}.", cell(change)));
        Ok(())
    }

    /// A person applies what was shown.
    async fn initial_apply(&mut self, preview: &Value, owed: &[Owed], by_hand: &Owed) -> Step {
        self.title("The preview is applied, by its plan_hash");
        let id = preview["id"].as_str().ok_or(DemoError::Shape("GET C/runs/{rid}"))?;
        let path = format!("{}/runs/{id}/apply", self.connection);
        self.http.call(BILLING, "POST", &path, Some(json!({"plan_hash": preview["plan_hash"]}))).await?;
        let run = self.ended(id).await?;
        let found = self.lines(id).await?;
        let created: BTreeSet<(String, i64)> = found
            .iter()
            .filter(|line| line["created"] == true)
            .filter_map(|line| Some((cell(&line["account_id"]), line["service_id"].as_i64()?)))
            .collect();
        let name = |line: &Owed| (line.account.clone(), line.service_id);
        let mut missing: BTreeSet<(String, i64)> = owed.iter().map(name).collect();
        missing.remove(&name(by_hand));
        if created != missing {
            self.wrong.push(format!("the initial sync says that it added {created:?} instead of {missing:?}"));
        }
        self.say(format!(
            "The run is {}: {}; {} lines were added to contracts.",
            cell(&run["status"]),
            in_words(&run["totals"]),
            created.len()
        ));
        if run["status"] != "done" {
            self.wrong.push(format!("the initial sync ended as {}: {run}", run["status"]));
        }
        let day = self.today().await?;
        self.check_lines(owed, day).await?;
        self.check_seats(day).await?;
        self.nothing_pends().await
    }

    /// One client goes from one package to another, in the middle of the month.
    async fn swap(&mut self, told: &Told, services: &BTreeMap<&'static str, i64>) -> Step<Swap> {
        self.title(
            "Automatic sync is switched on, and days later the vendor's core tells that a client changed its package",
        );
        let settings = format!("{}/settings", self.connection);
        self.http.call(ADMIN, "PATCH", &settings, Some(json!({"billing_auto_sync": true}))).await?;
        let ahead = json!({"advance_seconds": CHANGED_AFTER.as_secs()});
        self.http.local("POST", "/_local/clock", Some(ahead)).await?;
        let [from, to, _] = OFFERS.each_ref().map(|offer| offer.id);
        let client = told.keys().find(|(account, has)| *has == from && !told.contains_key(&(account.clone(), to)));
        let account = client.ok_or(DemoError::Shape("the demo's MSP"))?.0.clone();
        let quantity = told[&(account.clone(), from)] + MORE;
        let now = self.now().await?;
        let event = json!({"detail-type": "account.package_changed", "source": "vendor.core", "detail": {
            "version": "1", "id": format!("evt-{CHANGE}"), "occurred_at": now, "partner_id": PARTNER,
            "data": {
                "account_id": account, "from": from, "to": to, "quantity": quantity, "occurred_at": now,
                "change_id": CHANGE,
            },
        }});
        self.http.local("POST", "/_local/events", Some(event)).await?;
        self.drain().await?;
        let path = format!("/v1/package-changes/{CHANGE}?partner={PARTNER}");
        let change = self.http.call(SERVICE, "GET", &path, None).await?;
        let run = change["run_id"].as_str().ok_or(DemoError::Shape("GET /v1/package-changes/{change_id}"))?.to_owned();
        let found = self.lines(&run).await?;
        self.say(lines(&found));
        self.say(format!("The change {CHANGE} is {}, by one run of its own.", cell(&change["state"])));
        if change["state"] != "done" {
            self.wrong.push(format!("the package change is not done: {change}"));
        }
        let mut told = told.clone();
        told.insert((account.clone(), from), 0);
        told.insert((account, to), quantity);
        let owed = self.owed(&told, services)?;
        let day = now.to_zoned(TimeZone::UTC).date();
        self.check_lines(&owed, day).await?;
        Ok(Swap { run, day, owed })
    }

    /// It was a mistake: the run is undone.
    async fn take_back(&mut self, swap: &Swap, owed: &[Owed]) -> Step {
        self.title("It was a mistake: the run is undone");
        let back = Self::as_before(swap, owed);
        let day_before = swap.day.yesterday().map_err(|_| DemoError::Shape("the calendar"))?;
        // The client pays for what it had until the day before.
        let wrong = self.wrong_lines(&back, (swap.day.first_of_month(), day_before)).await?;
        self.wrong.extend(wrong);
        let path = format!("{}/runs/{}/undo", self.connection, swap.run);
        let note = json!({"note": "The client stays with what it had."});
        let started = self.http.call(BILLING, "POST", &path, Some(note)).await?;
        let id = started["run_id"].as_str().ok_or(DemoError::Shape("POST C/runs/{rid}/undo"))?;
        let run = self.ended(id).await?;
        let found = self.lines(id).await?;
        self.say(lines(&found));
        if run["status"] != "done" {
            self.wrong.push(format!("the undo ended as {}: {run}", run["status"]));
        }
        self.check_lines(&back, swap.day).await?;
        self.check_seats(swap.day).await
    }

    /// What is owed without the swap: a line that it added has no units.
    fn as_before(swap: &Swap, owed: &[Owed]) -> Vec<Owed> {
        let before = |line: &Owed| {
            let same = |other: &&Owed| (&other.account, other.service_id) == (&line.account, line.service_id);
            Owed { units: owed.iter().find(same).map_or(0, |other| other.units), ..line.clone() }
        };
        swap.owed.iter().map(before).collect()
    }

    async fn today(&self) -> Step<Date> {
        Ok(self.now().await?.to_zoned(TimeZone::UTC).date())
    }

    /// Compares the packages' lines with what the vendor told, in Autotask itself, from a day on.
    async fn check_lines(&mut self, owed: &[Owed], day: Date) -> Step {
        let wrong = self.wrong_lines(owed, (day, Date::MAX)).await?;
        self.say(format!(
            "Read {} lines of packages from the simulated Autotask itself, from {day} on: {} are not as they should be.",
            owed.len(),
            wrong.len()
        ));
        self.wrong.extend(wrong);
        Ok(())
    }

    async fn wrong_lines(&self, owed: &[Owed], (first, last): (Date, Date)) -> Step<Vec<String>> {
        let lines = self.http.rows(self.login.ci, "ContractServices").await?;
        let units = self.http.rows(self.login.ci, "ContractServiceUnits").await?;
        let span = (&*first.to_string(), &*last.to_string());
        Ok(check::packages(owed, &self.msp.spare_services, (&lines, &units), span))
    }

    /// Whether the first act's lines still carry its counts.
    async fn check_seats(&mut self, day: Date) -> Step {
        let rows = self.http.rows(self.login.ci, "ContractServiceUnits").await?;
        self.wrong.extend(check::units(&self.expected(), &rows, &day.to_string()));
        // What is billed already follows with the next period.
        let next: Vec<_> = self.expected().into_iter().filter(|each| each.billed).collect();
        let next = next.into_iter().map(|each| check::Expected { billed: false, ..each }).collect::<Vec<_>>();
        let after = day.last_of_month().tomorrow().map_err(|_| DemoError::Shape("the calendar"))?;
        self.wrong.extend(check::units(&next, &rows, &after.to_string()));
        Ok(())
    }

    async fn nothing_pends(&mut self) -> Step {
        let pending = self.http.all(BILLING, &format!("{}/pending-changes", self.connection)).await?;
        if !pending.is_empty() {
            self.wrong.push(format!("package changes are still pending: {pending:?}"));
        }
        Ok(())
    }

    /// Lines that all runs of a kind changed.
    async fn changed(&self, kind: &str) -> Step<u64> {
        let runs = self.http.all(BILLING, &format!("{}/runs?kind={kind}", self.connection)).await?;
        Ok(runs.iter().filter_map(|run| run["totals"]["changed"].as_u64()).sum())
    }

    /// What must hold of the numbers.
    fn judge_packages(&mut self, billing: &Billing, owed: &[Owed], found_wrong: usize) {
        for (holds, claim) in [
            // The one that was there already was not, the swap's new one was.
            (billing.lines_created == owed.len(), "each missing line was added, once"),
            (billing.changed == 2, "the swap changed both of its lines"),
            (billing.undone == billing.changed, "the undo took back what the swap changed"),
        ] {
            if !holds {
                self.wrong.push(format!("it does not hold that {claim}: {billing:?}"));
            }
        }
        self.verdict(
            found_wrong,
            "All of it is right: by the simulated Autotask's own rows, every package has one line with the units that the\n\
             vendor told, the swap moved both of its lines, the undo gave their units back, and the seats stayed as they were.",
        );
    }
}

/// The swap that was pushed.
struct Swap {
    /// The run that did it.
    run: String,
    /// From when.
    day: Date,
    /// What is owed since.
    owed: Vec<Owed>,
}
