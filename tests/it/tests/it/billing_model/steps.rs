//! What may happen, at random.

use super::check::Seen;
use super::model::{Billed, Model, Rule, Said};
use super::{Item, Town, Trace};
use domain::Role;
use domain::ids::LineKind;
use domain::runs::{LineState, Run, RunMode};
use jiff::{SignedDuration, Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) struct Play {
    pub town: Town,
    pub model: Model,
    pub seen: Seen,
    pub trace: Trace,
    pub dice: StdRng,
    /// Whether one package is billed by counts, and rules make units of quantities.
    counts_and_rules: bool,
    begin: Timestamp,
    told: Vec<Value>,
    auto_sync: bool,
    /// How often a contract was renewed, and a run undone.
    pub renewals: usize,
    pub undos: usize,
    /// Each account's contract.
    contracts: Vec<i64>,
    /// Accounts whose mapping still names the contract before the renewal.
    unfollowed: BTreeMap<usize, i64>,
}

impl Play {
    pub(super) fn new(town: Town, seed: u64, counts_and_rules: bool) -> Self {
        let begin = town.world.clock.now();
        let contracts = town.clients.iter().map(|client| client.contract_id).collect();
        Self {
            town,
            model: Model::default(),
            seen: Seen::default(),
            trace: Trace::new(seed),
            dice: StdRng::seed_from_u64(seed),
            counts_and_rules,
            begin,
            told: Vec::new(),
            auto_sync: false,
            renewals: 0,
            undos: 0,
            contracts,
            unfollowed: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.town.world.clock.now()
    }

    fn any(&mut self, count: usize) -> usize {
        self.dice.random_range(0..count)
    }

    fn any_account(&mut self) -> usize {
        self.any(self.town.clients.len())
    }

    fn any_package(&mut self) -> String {
        let at = self.any(self.town.packages.len());
        self.town.packages[at].clone()
    }

    fn id(&self, account: usize) -> String {
        self.town.clients[account].account.to_string()
    }

    /// Something was said of a package that may change what its line has, and what one that it is leaving has.
    fn reason(&mut self, account: usize, package: &str) {
        for item in self.model.items(package) {
            self.seen.reason((account, item));
        }
        if let Some(billed) = self.model.billed(package) {
            self.seen.not_only_swapped((account, billed.item));
        }
    }

    /// The same, as of a time. What is said of a package is no newer word on a line that another package has by now.
    fn said(&mut self, account: usize, package: &str, at: Timestamp) {
        self.reason(account, package);
        for item in self.model.items(package) {
            if self.model.package_of(item).is_none_or(|holder| holder == package) {
                self.seen.said_again((account, item), at);
            }
        }
    }

    /// A run that may change what any line has, back to the beginning of the month.
    fn reason_for_all(&mut self) {
        for account in 0..self.town.clients.len() {
            for package in self.town.packages.clone() {
                if let Some(billed) = self.model.billed(&package) {
                    self.seen.reason((account, billed.item));
                }
            }
        }
    }

    pub(super) async fn step(&mut self) {
        self.town.world.advance(SignedDuration::from_secs(1));
        match self.dice.random_range(0..100) {
            0..34 => self.change().await,
            34..40 => self.repeat().await,
            40..46 => self.whole_account().await,
            46 => self.leave_or_return().await,
            47..54 => self.by_hand(),
            54..58 => self.map_anew().await,
            58..61 => self.toggle().await,
            61..64 => self.start("initial").await,
            64..70 => self.start("package_changes").await,
            70..72 => self.start("seat_sync").await,
            72..77 => self.sweep().await,
            77..81 => self.pause_account().await,
            81..83 => self.pause().await,
            83..88 => self.count().await,
            88..90 => self.renew().await,
            90..92 => self.undo().await,
            92..97 => self.hours().await,
            _ => self.days().await,
        }
    }

    /// When something happened at the vendor: just now, or told late.
    fn happened(&mut self) -> Timestamp {
        let micros = i64::try_from(self.told.len()).unwrap() + 1;
        let late = match self.dice.random_range(0..10) {
            0..6 => 0,
            6..9 => self.dice.random_range(0..7_200),
            _ => self.dice.random_range(0..20 * 86_400),
        };
        (self.now() - SignedDuration::from_secs(late)).max(self.begin) - SignedDuration::from_micros(1_000_000 - micros)
    }

    async fn change(&mut self) {
        let account = self.any_account();
        let mut has: Vec<String> = self.town.packages.clone();
        has.retain(|package| self.model.has(account, package).is_some());
        let other = self.any_package();
        let held = if has.is_empty() { None } else { Some(has[self.any(has.len())].clone()) };
        let (from, to) = match (held, self.dice.random_range(0..10)) {
            (None, _) | (_, 0..2) => (None, Some(other)),
            (Some(held), 2..5) => (Some(held), Some(other)),
            (Some(held), 5..8) => (Some(held.clone()), Some(held)),
            (Some(held), _) => (Some(held), None),
        };
        let quantity = to.as_ref().map(|_| self.dice.random_range(0..12_i64));
        let at = self.happened();
        let name = format!("c{:04}", self.told.len());
        let body = json!({
            "partner": self.town.world.partner, "account_id": self.id(account), "from": from, "to": to,
            "quantity": quantity, "occurred_at": at, "change_id": name,
        });
        let reply = self.town.tell(body.clone()).await;
        self.trace.add(format!("{} told {body}: {} {}", self.now(), reply.status, reply.json["state"]));
        assert!(reply.is_success(), "{}", reply.text);
        self.told.push(body);
        let packages = [from.as_deref(), to.as_deref()];
        for package in packages.into_iter().flatten() {
            self.said(account, package, at);
        }
        if let Some(from) = from.as_deref().filter(|from| Some(*from) != to.as_deref()) {
            self.model.say(account, from, at, &name, Said::Not);
        }
        if let Some((to, quantity)) = to.as_deref().zip(quantity) {
            self.model.say(account, to, at, &name, Said::Has(quantity));
        }
    }

    async fn repeat(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let at = self.any(self.told.len());
        let body = self.told[at].clone();
        let reply = self.town.tell(body.clone()).await;
        self.trace.add(format!("{} repeated {}: {}", self.now(), body["change_id"], reply.json["state"]));
        assert!(reply.is_success() && reply.json["outcome"] == "repeated", "{}", reply.text);
    }

    async fn whole_account(&mut self) {
        let account = self.any_account();
        let mut list = BTreeMap::new();
        for package in self.town.packages.clone() {
            if self.dice.random_bool(0.5) {
                let quantity = self.model.has(account, &package).filter(|_| self.dice.random_bool(0.5));
                list.insert(package, quantity.unwrap_or_else(|| self.dice.random_range(0..12)));
            }
        }
        let packages: Vec<Value> = list.iter().map(|(id, quantity)| json!({"id": id, "quantity": quantity})).collect();
        let body = json!({"name": format!("Client {account}"), "packages": packages});
        let path = format!("/v1/partners/{}/accounts/{}", self.town.world.partner, self.id(account));
        let at = self.now();
        let reply = self.town.back_end().put(&path, body.clone()).await;
        self.trace.add(format!("{at} account {} is {body}: {}", self.id(account), reply.json["outcome"]));
        reply.assert_status(200);
        for package in self.town.packages.clone() {
            // A list is told again and again: what it repeats is nothing new, and leaves alone what a person took back.
            match self.model.has(account, &package) == list.get(&package).copied() {
                true => self.reason(account, &package),
                false => self.said(account, &package, at),
            }
        }
        self.model.say_all(account, &self.town.packages, &list, at);
        self.model.leave(account, false);
    }

    /// An account is no longer a client, or is one again, with the packages that it had.
    async fn leave_or_return(&mut self) {
        let account = self.any_account();
        let path = format!("/v1/partners/{}/accounts/{}", self.town.world.partner, self.id(account));
        let back_end = self.town.back_end();
        let is_client = !self.model.has_left(account);
        let reply = match is_client {
            true => back_end.delete(&path).await,
            false => back_end.put(&path, json!({"name": format!("Client {account}"), "active": true})).await,
        };
        let call = if is_client { "left" } else { "returned" };
        self.trace.add(format!("{} account {} {call}: {}", self.now(), self.id(account), reply.status));
        assert!(reply.is_success(), "{}", reply.text);
        self.model.leave(account, is_client);
        for package in self.town.packages.clone() {
            self.reason(account, &package);
        }
    }

    fn by_hand(&mut self) {
        let lines = self.town.lines();
        let today = self.town.world.sim.today();
        if lines.is_empty() {
            return;
        }
        let line = &lines[self.any(lines.len())];
        let change = [-3, -2, -1, 1, 2, 3][self.any(6)];
        let entity = if line.spot.1.bundle { "ContractServiceBundles" } else { "ContractServices" };
        let world = &self.town.world;
        let done = world.sim.adjust_by_hand(world.ci, entity, line.line.id, today, change);
        self.trace.add(format!("{} by hand {change:+} on {}: {done:?}", self.now(), line.line));
        if let Ok(units) = done {
            let at = self.now();
            self.seen.edited(line, today, at, units);
        }
    }

    pub(super) async fn map(&mut self, package: &str, item: Item, counted: bool, rule: Rule) {
        let source = if counted { "usage" } else { "package" };
        let max = (rule.max < i64::MAX).then_some(rule.max);
        let sent = json!({"free": rule.free, "ratio": rule.ratio, "min": rule.min, "max": max});
        let reply = self.town.map(package, item, source, sent).await;
        self.trace.add(format!("{} mapped {package} to {item:?} by {source}, {rule:?}: {}", self.now(), reply.status));
        if reply.status != 200 {
            assert!(
                matches!(reply.json["code"].as_str(), Some("contract_service_shared" | "connection_paused")),
                "{}",
                reply.text
            );
            return;
        }
        let before = self.model.billed(package).copied();
        self.model.map(package, Billed { item, counted, rule });
        for account in 0..self.town.clients.len() {
            self.reason(account, package);
            if let Some(before) = before.filter(|before| before.item != item) {
                self.seen.reason((account, before.item));
                // Where there is nothing to swap, the old line is a reduction like any other.
                if self.model.has(account, package).is_some() && !self.model.has_left(account) {
                    self.seen.swapped((account, before.item));
                }
            }
        }
    }

    async fn map_anew(&mut self) {
        let package = self.any_package();
        let at = self.any(self.town.items.len());
        let item = self.town.items[at];
        let Billed { counted, rule, .. } = *self.model.billed(&package).unwrap();
        self.map(&package, item, counted, rule).await;
    }

    pub(super) async fn toggle(&mut self) {
        self.auto_sync = !self.auto_sync;
        self.trace.add(format!("{} auto sync {}", self.now(), self.auto_sync));
        self.town.auto_sync(self.auto_sync).await;
    }

    pub(super) async fn start(&mut self, kind: &str) {
        let reply = self.town.start(kind).await;
        self.trace.add(format!("{} started {kind}: {} {}", self.now(), reply.status, reply.json["code"]));
        if !reply.is_success() {
            assert_eq!(reply.status, 409, "{}", reply.text);
        }
        if kind != "package_changes" {
            self.reason_for_all();
        }
    }

    pub(super) async fn sweep(&mut self) {
        let now = self.now().to_string();
        self.trace.add(format!("{now} sweep"));
        self.town.world.tick("package-changes", &now).await;
    }

    async fn pause_account(&mut self) {
        let account = self.any_account();
        // Most are at work most of the time.
        let call = if self.dice.random_bool(0.3) { "pause" } else { "resume" };
        let path = format!("C/company-mappings/{}/{call}", self.id(account));
        let reply = self.town.billing().post(&path, Value::Null).await;
        self.trace.add(format!("{} {call} {}: {}", self.now(), self.id(account), reply.status));
    }

    async fn pause(&mut self) {
        let call = if self.dice.random_bool(0.3) { "pause" } else { "resume" };
        let reply = self.town.world.api(Role::PartnerAdmin).post(&format!("C/{call}"), Value::Null).await;
        self.trace.add(format!("{} {call} the connection: {}", self.now(), reply.status));
    }

    /// Everything goes on that was paused.
    pub(super) async fn resume_all(&mut self) {
        self.trace.add(format!("{} resume all", self.now()));
        self.town.world.api(Role::PartnerAdmin).post("C/resume", Value::Null).await;
        for account in 0..self.town.clients.len() {
            let path = format!("C/company-mappings/{}/resume", self.id(account));
            self.town.billing().post(&path, Value::Null).await;
        }
        self.follow().await;
    }

    fn counted(&self) -> Vec<String> {
        let counted = |package: &&String| self.model.billed(package).is_some_and(|billed| billed.counted);
        self.town.packages.iter().filter(counted).cloned().collect()
    }

    async fn count(&mut self) {
        let packages = self.counted();
        if packages.is_empty() {
            return;
        }
        let package = packages[self.any(packages.len())].clone();
        let account = self.any_account();
        let count = self.dice.random_range(0..15);
        self.count_of(account, &package, count).await;
    }

    /// A fresh count for everybody, the same as before where there was one.
    pub(super) async fn count_all(&mut self) {
        for package in self.counted() {
            for account in 0..self.town.clients.len() {
                let count = self.model.counted(account, &package).unwrap_or(3);
                self.count_of(account, &package, count).await;
            }
        }
    }

    async fn count_of(&mut self, account: usize, package: &str, count: i64) {
        self.town.world.advance(SignedDuration::from_secs(1));
        let at = self.now();
        let path = format!("/v1/usage/{}/{}/{package}", self.town.world.partner, self.id(account));
        let reply = self.town.back_end().put(&path, json!({"active": count, "as_of": at})).await;
        self.trace.add(format!("{at} counted {count} of {package} for {}: {}", self.id(account), reply.status));
        reply.assert_status(200);
        // A count is no newer word before a run has seen it.
        self.reason(account, package);
        self.model.count(account, package, at, count);
    }

    /// A person renews a contract on the first of a month, follows it here, and lets all be compared: the new contract
    /// has the units of the day before, and knows nothing of what was dated for later.
    async fn renew(&mut self) {
        self.resume_all().await;
        self.drain().await;
        self.go_to_next_month().await;
        let (account, first) = (self.any_account(), self.town.world.sim.today().first_of_month());
        let world = &self.town.world;
        let Ok(next) = world.sim.renew(world.ci, self.contracts[account], Some(first)) else { return };
        self.trace.add(format!("{} renewed the contract of {} as {next}", self.now(), self.id(account)));
        self.contracts[account] = next;
        self.renewals += 1;
        self.unfollowed.insert(account, next);
        for item in self.town.items.clone() {
            self.seen.reason((account, item));
            self.seen.not_only_swapped((account, item));
            self.seen.said_again((account, item), Timestamp::MAX);
        }
        self.follow().await;
        self.start("initial").await;
        // Of what was not told here nobody knows, should the run have to wait until it is given up.
        self.drain().await;
    }

    /// A person takes back the newest run that wrote something: its lines have what they had before it, until a newer
    /// word.
    async fn undo(&mut self) {
        self.drain().await;
        let mut runs = self.town.runs().await;
        runs.sort_by_key(|run| run.created_at);
        let wrote = |run: &&Run| run.kind.is_billing() && run.mode == RunMode::Apply && run.totals.changed > 0;
        let Some(run) = runs.iter().rfind(wrote) else { return };
        let (made, now) = (self.town.report(run).await, self.now());
        let reply = self.town.billing().post(&format!("C/runs/{}/undo", run.id), json!({"mode": "apply"})).await;
        self.trace.add(format!(
            "{} undo {:?} {}: {} {}",
            self.now(),
            run.kind,
            run.id,
            reply.status,
            reply.json["code"]
        ));
        if !reply.is_success() {
            assert!(matches!(reply.status, 409 | 422), "{}", reply.text);
            return;
        }
        for line in &made {
            let account = self.town.account(line.account.as_str());
            let item = Item { bundle: line.kind == LineKind::Bundle, id: line.service_id };
            self.seen.reason((account, item));
            self.seen.not_only_swapped((account, item));
            if let Some(before) = line.units_now.filter(|_| line.state == LineState::Changed) {
                self.seen.undone((account, item), if line.created { 0 } else { before }, now);
            }
        }
        self.drain().await;
        self.undos += 1;
        let undo = self.town.runs().await.into_iter().find(|run| reply.json["run_id"] == run.id.as_str()).unwrap();
        let lines = self.town.lines();
        for back in self.town.report(&undo).await.iter().filter(|line| line.state == LineState::Changed) {
            let before = made.iter().find(|line| line.line == back.line).unwrap();
            let wanted = if before.created { Some(0) } else { before.units_now };
            let line = lines.iter().find(|line| Some(line.line) == back.line).unwrap();
            for day in [back.effective_date, super::next_first(back.effective_date)] {
                if self.seen.is_edited(line.spot, day) {
                    continue;
                }
                assert_eq!(Some(line.units(day)), wanted, "{line:?}: {} {}", back.words, before.words);
            }
        }
    }

    /// Maps accounts to the contracts that theirs were renewed as.
    async fn follow(&mut self) {
        for (account, next) in self.unfollowed.clone() {
            let path = format!("C/company-mappings/{}/remap", self.id(account));
            let reply = self.town.billing().post(&path, json!({"to_contract_id": next, "reason": "renewal"})).await;
            self.trace.add(format!("{} followed to {next}: {} {}", self.now(), reply.status, reply.json["code"]));
            if reply.is_success() {
                self.unfollowed.remove(&account);
            }
        }
    }

    async fn hours(&mut self) {
        let hours = self.dice.random_range(1..30);
        self.go_to(self.now() + SignedDuration::from_hours(hours)).await;
    }

    async fn days(&mut self) {
        let days = self.dice.random_range(1..20);
        self.go_to(self.now() + SignedDuration::from_hours(24 * days)).await;
    }

    /// Time goes by; the seat sync's slots are fired in time.
    pub(super) async fn go_to(&mut self, time: Timestamp) {
        self.trace.add(format!("{} -> {time}", self.now()));
        loop {
            let today = self.town.world.sim.today();
            let slot = super::next_first(today).at(0, 15, 0, 0).in_tz("UTC").unwrap().timestamp();
            if slot > time {
                break;
            }
            self.trace.add(format!("{slot} seat sync's slot"));
            self.town.world.tick("seat-sync", &slot.to_string()).await;
            self.reason_for_all();
            self.drain().await;
            self.town.world.advance(SignedDuration::from_mins(1));
        }
        let left = time.duration_since(self.now());
        if left.is_positive() {
            self.town.world.advance(left);
        }
    }

    /// Works everything off, and compares.
    pub(super) async fn drain(&mut self) {
        let drained = self.town.world.drain().await;
        assert_eq!((drained.dead, drained.remaining), (0, 0));
        self.trace.add(format!("{} drained", self.now()));
        self.compare().await;
    }

    pub(super) async fn compare(&mut self) {
        let wrong = self.seen.check(&self.town, &mut self.model).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Later than the end of this month's reductions.
    pub(super) async fn go_to_next_month(&mut self) {
        let first = super::next_first(self.town.world.sim.today());
        let time = first.saturating_add(1.days()).at(12, 0, 0, 0).in_tz("UTC").unwrap().timestamp();
        self.go_to(time).await;
    }

    pub(super) fn is_counted(&self) -> bool {
        self.counts_and_rules
    }
}
