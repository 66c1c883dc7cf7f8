//! The steps.

use super::check::{self, Expected};
use super::client::Client;
use super::tables::{cell, lines, table};
use super::{Billing, DemoError, Invoices, Report, Summary};
use crate::serve::Login;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulator::seed::DemoMsp;

/// How long before the schedule fires the vendor counts.
const COUNTED_BEFORE: SignedDuration = SignedDuration::from_mins(10);
pub(super) const PARTNER: &str = "msp1";
pub(super) const PACKAGE: &str = "awareness";
pub(super) const ADMIN: &str = "partner_admin";
pub(super) const BILLING: &str = "partner_billing";
pub(super) const SERVICE: &str = "service";
const VENDOR: &str = "vendor_admin";

/// The demo under way.
pub(super) struct Demo<'a> {
    pub(super) http: Client,
    pub(super) login: Login,
    pub(super) msp: DemoMsp,
    say: &'a mut (dyn FnMut(&str) + Send),
    /// `/v1/connections/{cid}`, once there is one.
    pub(super) connection: String,
    pub(super) wrong: Vec<String>,
}

pub(super) type Step<T = ()> = Result<T, DemoError>;

impl<'a> Demo<'a> {
    pub(super) fn new(http: Client, login: Login, msp: DemoMsp, say: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        Self { http, login, msp, say, connection: String::new(), wrong: Vec::new() }
    }

    /// All of it: the seat sync, then package billing, then invoices.
    pub(super) async fn play(mut self) -> Step<Report> {
        let mut summary = self.seats().await?;
        summary.billing = self.packages().await?;
        summary.invoices = self.invoices().await?;
        Ok(Report { summary, wrong: self.wrong })
    }

    /// The first act.
    async fn seats(&mut self) -> Step<Summary> {
        self.push().await?;
        self.connect().await?;
        let suggested = self.auto_map().await?;
        let confirmed = self.confirm().await?;
        self.preview().await?;
        let first = self.the_first().await?;
        let totals = self.sync(first).await?;
        let second_run_writes = self.again().await?;
        let autotask_calls = self.http.requests().await?.len();
        let companies = self.http.rows(self.login.ci, "Companies").await?;
        let count = |state: &str| totals[state].as_u64().unwrap_or_default();
        let summary = Summary {
            connected: !self.connection.is_empty(),
            // Company 0 is the MSP itself.
            companies: companies.iter().filter(|company| company["id"].as_i64() != Some(0)).count(),
            suggested,
            confirmed,
            lines: count("lines"),
            changed: count("changed"),
            unchanged: count("unchanged"),
            held: count("held"),
            failed: count("failed"),
            skipped: count("skipped"),
            second_run_writes,
            autotask_calls,
            billing: Billing::default(),
            invoices: Invoices::default(),
        };
        self.judge(&summary, &totals);
        Ok(summary)
    }

    pub(super) fn say(&mut self, text: impl AsRef<str>) {
        (self.say)(text.as_ref());
    }

    pub(super) fn title(&mut self, text: &str) {
        self.say(format!("\n── {text}"));
    }

    /// The vendor's back end tells what it knows.
    async fn push(&mut self) -> Step {
        self.title("The vendor pushes partner, packages, accounts and counts");
        for role in [SERVICE, VENDOR] {
            self.http.log_in(role, None).await?;
        }
        for role in [ADMIN, BILLING] {
            self.http.log_in(role, Some(PARTNER)).await?;
        }
        let profile = json!({
            "integration_vendor": "Sentinel Awareness",
            "integration_code": self.login.integration_code,
            "support_address": "support@sentinelawareness.example",
        });
        self.http.call(VENDOR, "PUT", "/v1/vendor/profile", Some(profile)).await?;
        let partner = json!({"name": "Northgate IT", "time_zone": "UTC", "active": true});
        self.http.call(SERVICE, "PUT", &format!("/v1/partners/{PARTNER}"), Some(partner)).await?;
        let package = json!({
            "name": "Security Awareness Training", "metric": "user", "unit_price_to_partner": "1.75", "currency": "USD",
        });
        self.http.call(SERVICE, "PUT", &format!("/v1/packages/{PACKAGE}"), Some(package)).await?;
        let packages = json!({"packages": [PACKAGE]});
        self.http.call(SERVICE, "PUT", &format!("/v1/partners/{PARTNER}/packages"), Some(packages)).await?;
        let account = |of: &simulator::seed::DemoAccount| {
            json!({
                "partner": PARTNER, "account_id": of.account_id, "name": of.name, "contact_email": of.contact_email,
                "packages": [{"id": PACKAGE}], "active": true,
            })
        };
        let accounts: Vec<Value> = self.msp.accounts.iter().map(account).collect();
        let pushed = self.http.call(SERVICE, "POST", "/v1/accounts/batch", Some(json!({"items": accounts}))).await?;
        self.expect_all("accounts", &pushed);
        self.count_seats().await?;
        let known = self.msp.accounts.len();
        self.say(format!("{known} accounts of `{PARTNER}`, each with a count of `{PACKAGE}`."));
        Ok(())
    }

    /// The vendor counts, as of now.
    async fn count_seats(&mut self) -> Step {
        let now = self.http.local("GET", "/_local/clock", None).await?;
        let count = |of: &simulator::seed::DemoAccount| {
            json!({
                "partner": PARTNER, "account_id": of.account_id, "package_id": PACKAGE, "active": of.seats,
                "as_of": now["now"],
            })
        };
        let counts: Vec<Value> = self.msp.accounts.iter().map(count).collect();
        let pushed = self.http.call(SERVICE, "POST", "/v1/usage/batch", Some(json!({"items": counts}))).await?;
        self.expect_all("counts", &pushed);
        Ok(())
    }

    pub(super) fn expect_all(&mut self, what: &str, pushed: &Value) {
        if pushed["failed"].as_u64().is_some_and(|failed| failed > 0) {
            self.wrong.push(format!("some {what} were refused: {pushed}"));
        }
    }

    /// The partner enters user and secret.
    async fn connect(&mut self) -> Step {
        self.title("The partner connects its Autotask");
        let entered = json!({
            "psa": "autotask", "username": self.login.username, "secret": self.login.secret, "features": ["seat_sync"],
        });
        let made = self.http.call(ADMIN, "POST", "/v1/connections", Some(entered)).await?;
        let id = made["id"].as_str().ok_or(DemoError::Shape("POST /v1/connections"))?;
        self.connection = format!("/v1/connections/{id}");
        let permissions = made["permissions"].as_array().cloned().unwrap_or_default();
        let mut rows = vec![
            ["Status".to_owned(), cell(&made["status"])],
            ["Zone".to_owned(), cell(&made["zone"]["url"])],
            ["Database".to_owned(), cell(&made["zone"]["ci"])],
        ];
        let feature = |of: &Value| [format!("Feature {}", cell(&of["feature"])), cell(&of["state"])];
        rows.extend(permissions.iter().map(feature));
        self.say(table(["What", "Found"], rows));
        Ok(())
    }

    /// Accounts are matched with companies, contracts and lines.
    async fn auto_map(&mut self) -> Step<usize> {
        self.title("Auto-map looks for each account's company, contract and line");
        let path = format!("{}/company-mappings/auto-map", self.connection);
        let run = self.http.call(BILLING, "POST", &path, Some(json!({"rerun": false}))).await?;
        self.drain().await?;
        if let Some(id) = run["run_id"].as_str() {
            let run = self.http.call(BILLING, "GET", &format!("{}/runs/{id}", self.connection), None).await?;
            if run["status"] != "done" {
                self.wrong.push(format!("auto-map ended as {}: {run}", run["status"]));
            }
        }
        let accounts = self.accounts().await?;
        let suggested: Vec<&Value> = accounts.iter().filter(|a| status(a) == "suggested").collect();
        let row = |account: &&Value| {
            let mapping = &account["mapping"];
            let line = mapping["lines"].get(0).map_or("–".to_owned(), |line| named(line, "name_now"));
            [cell(&account["name"]), cell(&mapping["company"]["name"]), cell(&mapping["contract"]["name"]), line]
        };
        let rows = suggested.iter().map(row).collect();
        let count = suggested.len();
        self.say(table(["Account", "Company", "Contract", "Line"], rows));
        Ok(count)
    }

    async fn accounts(&self) -> Step<Vec<Value>> {
        self.http.all(BILLING, &format!("{}/accounts", self.connection)).await
    }

    /// A person says yes to the suggestions and decides the rest.
    async fn confirm(&mut self) -> Step<usize> {
        self.title("A person confirms the suggestions and decides the rest");
        let accounts = self.accounts().await?;
        let ids: Vec<&Value> = accounts.iter().filter(|a| status(a) == "suggested").map(|a| &a["account_id"]).collect();
        if !ids.is_empty() {
            let path = format!("{}/company-mappings/bulk-confirm", self.connection);
            self.http.call(BILLING, "POST", &path, Some(json!({"account_ids": ids}))).await?;
        }
        let mut decided = Vec::new();
        for account in &self.accounts().await? {
            let lines = account["mapping"]["lines"].as_array().map_or(0, Vec::len);
            if status(account) == "confirmed" && lines > 0 {
                continue;
            }
            let choice = self.decide(account).await?;
            decided.push([cell(&account["name"]), status(account).to_owned(), choice]);
        }
        if !decided.is_empty() {
            self.say("Auto-map left these to a person:");
            self.say(table(["Account", "Was", "Decision"], decided));
        }
        let confirmed = self.accounts().await?.iter().filter(|a| status(a) == "confirmed").count();
        self.say(format!("{confirmed} accounts are confirmed."));
        Ok(confirmed)
    }

    /// What a person who knows the clients picks for one account.
    async fn decide(&mut self, account: &Value) -> Step<String> {
        let id = account["account_id"].as_str().ok_or(DemoError::Shape("GET C/accounts"))?;
        let path = format!("{}/company-mappings/{id}", self.connection);
        let Some(known) = self.msp.lines.iter().find(|line| line.account_id == id) else {
            self.http.call(BILLING, "PUT", &path, Some(json!({"excluded": true}))).await?;
            return Ok("excluded: no company of this MSP".to_owned());
        };
        let company = known.company_id;
        let contracts = format!("{}/autotask/companies/{company}/contracts", self.connection);
        let contracts = items(self.http.call(BILLING, "GET", &contracts, None).await?);
        let eligible = contracts.iter().find(|contract| contract["eligible"] == true);
        let contract = eligible.ok_or(DemoError::Shape("GET C/autotask/companies/{id}/contracts"))?;
        let services = format!("{}/autotask/contracts/{}/services", self.connection, contract["id"]);
        let services = self.http.call(BILLING, "GET", &services, None).await?;
        let ours = |line: &&Value| line["service_id"].as_i64() == Some(self.msp.service_id);
        let lines = items(services);
        let line = lines.iter().find(ours).ok_or(DemoError::Shape("GET C/autotask/contracts/{id}/services"))?;
        let choice = json!({
            "company_id": company, "contract_id": contract["id"],
            "lines": [{"package_id": PACKAGE, "contract_service_id": line["contract_service_id"]}],
        });
        self.http.call(BILLING, "PUT", &path, Some(choice)).await?;
        Ok(format!("company {company}, {}", cell(&contract["name"])))
    }

    /// What the sync would do.
    async fn preview(&mut self) -> Step {
        self.title("Preview of the seat sync");
        let id = self.start_run("seat_sync", "preview").await?;
        let run = self.ended(&id).await?;
        if run["status"] != "planned" {
            self.wrong.push(format!("the preview ended as {}: {run}", run["status"]));
        }
        let found = self.lines(&id).await?;
        self.say(lines(&found));
        Ok(())
    }

    pub(super) async fn start_run(&self, kind: &str, mode: &str) -> Step<String> {
        let body = json!({"kind": kind, "mode": mode});
        let run = self.http.call(BILLING, "POST", &format!("{}/runs", self.connection), Some(body)).await?;
        run["run_id"].as_str().map(str::to_owned).ok_or(DemoError::Shape("POST C/runs"))
    }

    pub(super) async fn ended(&mut self, id: &str) -> Step<Value> {
        self.drain().await?;
        self.http.call(BILLING, "GET", &format!("{}/runs/{id}", self.connection), None).await
    }

    pub(super) async fn lines(&self, id: &str) -> Step<Vec<Value>> {
        self.http.all(BILLING, &format!("{}/runs/{id}/lines", self.connection)).await
    }

    pub(super) async fn drain(&mut self) -> Step {
        let drained = self.http.local("POST", "/_local/drain", None).await?;
        for trouble in ["failed", "dead", "remaining"] {
            if drained[trouble] != 0 {
                self.wrong.push(format!("after a drain {trouble} is {}", drained[trouble]));
            }
        }
        Ok(())
    }

    /// The 1st has come, and the vendor has counted once more.
    async fn the_first(&mut self) -> Step<Timestamp> {
        let now = self.now().await?;
        let next = now.to_zoned(TimeZone::UTC).date().last_of_month().tomorrow();
        let first = next.ok().and_then(|day| day.at(0, 15, 0, 0).to_zoned(TimeZone::UTC).ok());
        let slot = first.ok_or(DemoError::Shape("the calendar"))?.timestamp();
        let before = slot - COUNTED_BEFORE;
        if before > now {
            self.http.local("POST", "/_local/clock", Some(json!({"now": before}))).await?;
        }
        self.count_seats().await?;
        Ok(slot)
    }

    pub(super) async fn now(&self) -> Step<Timestamp> {
        let now = self.http.local("GET", "/_local/clock", None).await?;
        now["now"].as_str().and_then(|text| text.parse().ok()).ok_or(DemoError::Shape("the clock"))
    }

    /// The schedule fires.
    async fn sync(&mut self, slot: Timestamp) -> Step<Value> {
        self.title(&format!("The schedule fires: {slot}"));
        self.http.local("POST", "/_local/schedules/seat-sync", Some(json!({"time": slot}))).await?;
        self.drain().await?;
        let runs = self.http.all(BILLING, &format!("{}/runs?kind=seat_sync", self.connection)).await?;
        let scheduled = runs.iter().find(|run| run["trigger"] == "schedule");
        let run = scheduled.ok_or(DemoError::Shape("GET C/runs"))?;
        let id = run["id"].as_str().ok_or(DemoError::Shape("GET C/runs"))?;
        let found = self.lines(id).await?;
        self.say(lines(&found));
        let totals = &run["totals"];
        self.say(format!("The run is {}: {}.", cell(&run["status"]), in_words(totals)));
        let day = slot.to_zoned(TimeZone::UTC).date().to_string();
        let rows = self.http.rows(self.login.ci, "ContractServiceUnits").await?;
        let wrong = check::units(&self.expected(), &rows, &day);
        let checked = self.msp.lines.len();
        self.say(format!(
            "Read {checked} lines from the simulated Autotask itself: {} are not as they should be.",
            wrong.len()
        ));
        self.wrong.extend(wrong);
        Ok(totals.clone())
    }

    pub(super) fn expected(&self) -> Vec<Expected> {
        let seats = |account: &str| self.msp.accounts.iter().find(|a| a.account_id == account).map_or(0, |a| a.seats);
        let of = |line: &simulator::seed::DemoLine| Expected {
            seats: seats(&line.account_id),
            billed: line.contract_service_id == self.msp.billed_line,
            line: line.clone(),
        };
        self.msp.lines.iter().map(of).collect()
    }

    /// A person presses Sync Now: everything is right already.
    async fn again(&mut self) -> Step<usize> {
        self.title("A second, fresh run: everything is right already, so it must write nothing");
        let before = self.http.requests().await?.len();
        let id = self.start_run("seat_sync", "apply").await?;
        let run = self.ended(&id).await?;
        let requests = self.http.requests().await?;
        let writes = check::writes(&requests[before.min(requests.len())..]);
        let read = requests.len() - before;
        self.say(format!(
            "The run is {}: {read} requests to Autotask, of which {writes} change anything.",
            cell(&run["status"])
        ));
        if run["totals"]["changed"] != 0 {
            self.wrong.push(format!("the second run changed lines: {}", run["totals"]));
        }
        Ok(writes)
    }

    /// What must hold of the numbers.
    fn judge(&mut self, summary: &Summary, totals: &Value) {
        let states = ["changed", "unchanged", "held", "failed", "skipped", "superseded", "unverified"];
        let sum: u64 = states.iter().filter_map(|state| totals[*state].as_u64()).sum();
        let seats_differ = |each: &&Expected| !each.billed && each.seats != each.line.units;
        let differing = self.expected().iter().filter(seats_differ).count() as u64;
        let mapped = self.msp.lines.len() as u64;
        for (holds, claim) in [
            (summary.connected, "the partner is connected"),
            (summary.companies == 40, "the MSP has 40 companies"),
            (summary.confirmed as u64 == mapped, "every account with a company is confirmed"),
            (summary.lines == sum, "lines are the sum of their states"),
            (summary.lines == mapped, "each confirmed account has its line in the run"),
            (summary.changed == differing, "exactly the lines whose count differs were changed"),
            (summary.skipped == 1, "the line whose period is billed was left alone"),
            (summary.held == 0 && summary.failed == 0, "no line is held or failed"),
            (summary.second_run_writes == 0, "the second run wrote nothing"),
        ] {
            if !holds {
                self.wrong.push(format!("it does not hold that {claim}: {summary:?}"));
            }
        }
        self.verdict(
            0,
            "All of it is right: by the simulated Autotask's own rows and log, every mapped line carries the vendor's count,\n\
             the line whose period is billed was left alone, and the second run changed nothing.",
        );
    }

    /// Says that an act is right, or what of it is not: all that was found wrong from `first` on.
    pub(super) fn verdict(&mut self, first: usize, right: &str) {
        let wrong = self.wrong[first..].to_vec();
        self.say(format!("\n{}", if wrong.is_empty() { right } else { "Not all of it is right:" }));
        for wrong in wrong {
            self.say(format!("  {wrong}"));
        }
    }
}

/// `35 lines, 22 changed, 12 unchanged, 1 skipped`: what there is none of is left out.
pub(super) fn in_words(totals: &Value) -> String {
    let states = ["lines", "changed", "unchanged", "skipped", "held", "failed", "unverified", "superseded"].into_iter();
    let counted = states.filter_map(|state| Some((totals[state].as_u64().filter(|count| *count > 0)?, state)));
    counted.map(|(count, state)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

fn status(account: &Value) -> &str {
    account["mapping"]["status"].as_str().unwrap_or("unmapped")
}

fn named(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => cell(&value["contract_service_id"]),
        name => cell(name),
    }
}

/// A listing's items, whether it stands by itself or in `items` or `lines`.
pub(super) fn items(mut answer: Value) -> Vec<Value> {
    for name in ["items", "lines", "services", "contracts"] {
        if answer[name].is_array() {
            answer = answer[name].take();
            break;
        }
    }
    match answer {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
