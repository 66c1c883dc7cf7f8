//! Telling a package change: the account's packages, the change and what is pending of it, in one transaction; then it
//! is pushed, where that goes by itself.

use super::pending::{Backlog, Biller, Standing, biller};
use super::push::{due_now, push_told};
use super::registers::{self, Told};
use super::{ChangeSource, ChangeState, PackageChange, PendingChange};
use crate::actor::{Actor, Scope};
use crate::change::Change;
use crate::ids::{AccountId, ChangeId, PackageId, PartnerId, RunId};
use crate::mappings::{Mapping, MappingStatus};
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Key, Versioned, Write, load};
use crate::vendor::check::{Checks, known, narrowed, unless_overtaken};
use crate::vendor::{ACCOUNT_PACKAGES_MAX, Account, COUNT_MAX, Package, PartnerPackages, Stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How far ahead of our clock a change's time may lie: what clocks of servers differ by, with room. One farther ahead
/// would shut out every change until then.
pub const OCCURRED_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);
/// Most changes of one transaction that records an account's statement: each is up to three writes (the change, what
/// is pending of it, its event), beside the account's own and what goes with it.
pub(crate) const CHANGES_AT_ONCE: usize = 30;

/// A package change, as the vendor's back end tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeInput {
    /// Whose client.
    pub partner: PartnerId,
    /// Which account.
    pub account: AccountId,
    /// The vendor's own name of the change.
    pub id: ChangeId,
    /// The package that the account no longer has, or had in another quantity.
    pub from: Option<PackageId>,
    /// The package that it has now.
    pub to: Option<PackageId>,
    /// How many of it; required with `to`.
    pub quantity: Option<i64>,
    /// When it changed.
    pub occurred_at: Timestamp,
}

/// What became of a call that tells a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldOutcome {
    /// It is known now.
    Recorded,
    /// It was known already; nothing was written.
    Repeated,
}

/// A change with where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownChange {
    /// The change.
    pub change: PackageChange,
    /// Why it is not billed, where it is not: the code, where there is one, and in words.
    pub why: Option<(Option<Code>, String)>,
    /// The run that has it, or had it last.
    pub run: Option<RunId>,
}

/// Records a package change, and pushes it where the connection pushes by itself. Told again, it is `repeated`.
///
/// # Errors
/// `not_found` for an unknown account or package; `invalid_input` with every refused field; `idempotency_mismatch` for
/// another change under the same id.
pub async fn tell_change(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    input: ChangeInput,
) -> Result<(ToldOutcome, KnownChange)> {
    let own = narrowed(scope, &input.partner)?;
    let (partner, id) = (input.partner.clone(), input.id.clone());
    check(&input, ports.clock.now())?;
    let outcome = unless_overtaken!(None, try_tell(ports, &own, actor, &input).await)?;
    if outcome == ToldOutcome::Recorded {
        push_told(ports, &own, actor, &partner, Some(&input.account)).await;
    }
    Ok((outcome, read_change(ports, &own, &partner, &id).await?))
}

/// A change that was told, and where it stands.
///
/// # Errors
/// `not_found`.
pub async fn read_change(ports: &Ports, scope: &Scope, partner: &PartnerId, id: &ChangeId) -> Result<KnownChange> {
    let own = narrowed(scope, partner)?;
    let key = Key::PackageChange(partner.clone(), id.clone());
    let change = known::<PackageChange>(ports, &own, &key, "package change").await?.value;
    let (run, stored) = (change.run.clone(), change.why.clone().map(|(code, words)| (Some(code), words)));
    if change.state != ChangeState::Pending {
        return Ok(KnownChange { why: stored, run, change });
    }
    let Some(biller) = biller(ports, &own, partner).await? else {
        return Ok(KnownChange { why: stored, run, change });
    };
    let backlog = Backlog::load(ports, &own, biller, Some(&change.account)).await?;
    let why = match backlog.standing(&change) {
        Standing::Waits(waits) => Some((waits.code, waits.words)),
        Standing::Due | Standing::Nothing => stored,
    };
    Ok(KnownChange { why, run, change })
}

fn check(input: &ChangeInput, now: Timestamp) -> Result<()> {
    let mut checks = Checks::default();
    if input.from.is_none() && input.to.is_none() {
        checks.refuse("/to", "or `from` is required");
    }
    match (&input.to, input.quantity) {
        (Some(_), None) => checks.refuse("/quantity", "is required with `to`"),
        (_, Some(quantity)) if !(0..=COUNT_MAX).contains(&quantity) => {
            checks.refuse("/quantity", format!("must be 0 to {COUNT_MAX}"));
        }
        _ => {}
    }
    if input.occurred_at.duration_since(now) > OCCURRED_AHEAD_MAX {
        let minutes = OCCURRED_AHEAD_MAX.as_mins();
        checks.refuse("/occurred_at", format!("must not lie more than {minutes} minutes ahead"));
    }
    checks.done()
}

async fn try_tell(ports: &Ports, scope: &Scope, actor: &Actor, input: &ChangeInput) -> Result<ToldOutcome> {
    let key = Key::PackageChange(input.partner.clone(), input.id.clone());
    if let Some(found) = load::<PackageChange>(&*ports.storage, scope, &key).await? {
        return same(&found, input).map(|()| ToldOutcome::Repeated);
    }
    let account = Key::Account(input.partner.clone(), input.account.clone());
    let account = known::<Account>(ports, scope, &account, "account").await?;
    check_packages(ports, scope, input).await?;
    let after = registers::tell(&account, &told(input));
    if after.packages.len() > ACCOUNT_PACKAGES_MAX {
        let rule = format!("the account would have more than {ACCOUNT_PACKAGES_MAX} packages");
        return Err(Problem::field("/to", rule).into());
    }
    let billed = Billed::load(ports, scope, &input.partner, &input.account).await?;
    let mut change = PackageChange {
        partner: input.partner.clone(),
        id: input.id.clone(),
        account: input.account.clone(),
        from: input.from.clone(),
        to: input.to.clone(),
        quantity: input.quantity.filter(|_| input.to.is_some()),
        occurred_at: input.occurred_at,
        received_at: ports.clock.now(),
        source: ChangeSource::Change,
        state: billed.state(),
        why: None,
        run: None,
        tries: 0,
        done_at: None,
    };
    let moves = after.packages != account.packages || after.removed != account.removed;
    if !moves {
        change.state = ChangeState::Noted;
        let words = "Something newer was already told of these packages; that stands.";
        change.why = Some((Code::Superseded, words.to_owned()));
    }
    change.done_at = (change.state == ChangeState::Noted).then_some(change.received_at);
    let mut write = Change::of_partner(ports, actor, &input.partner);
    if moves {
        write = write.replace(&after, account.v)?;
    }
    write = write.audit(
        "account.package_changed",
        format!("account/{}", input.account),
        json!({"packages": shown(&account)}),
        json!({"packages": shown(&after), "change": change.id}),
    )?;
    write = billed.record(write, &change, &Expected::New)?;
    if let Some(wake) = billed.wake(ports).filter(|_| change.state == ChangeState::Pending) {
        write = write.write(wake?);
    }
    write.commit(scope).await?;
    Ok(ToldOutcome::Recorded)
}

/// Refuses another change under a known id.
fn same(found: &PackageChange, input: &ChangeInput) -> Result<()> {
    let quantity = input.quantity.filter(|_| input.to.is_some());
    let was = (&found.account, &found.from, &found.to, found.quantity, found.occurred_at);
    if was == (&input.account, &input.from, &input.to, quantity, input.occurred_at) {
        return Ok(());
    }
    let detail = format!("The change {} was told with other content; a new change has an id of its own.", input.id);
    Err(Error::problem(Code::IdempotencyMismatch, detail))
}

async fn check_packages(ports: &Ports, scope: &Scope, input: &ChangeInput) -> Result<()> {
    let mut checks = Checks::default();
    let storage = &*ports.storage;
    let key = Key::PartnerPackages(input.partner.clone());
    let allowed = load::<PartnerPackages>(storage, scope, &key).await?.map(|list| list.value.packages);
    for (pointer, package) in [("/from", &input.from), ("/to", &input.to)] {
        let Some(package) = package else { continue };
        if load::<Package>(storage, scope, &Key::Package(package.clone())).await?.is_none() {
            checks.refuse(pointer, "is not in the catalogue");
        } else if pointer == "/to" && !allowed.as_ref().is_some_and(|allowed| allowed.contains(package)) {
            checks.refuse(pointer, "is not among the packages that the partner may use");
        }
    }
    checks.done()
}

fn told(input: &ChangeInput) -> Told {
    Told {
        from: input.from.clone(),
        to: input.to.clone(),
        quantity: input.quantity,
        stamp: Stamp { at: input.occurred_at, change: input.id.clone() },
    }
}

/// An account's packages, as the audit trail shows them.
pub(crate) fn shown(account: &Account) -> Value {
    let package = |own: &crate::vendor::AccountPackage| json!({"id": own.id, "quantity": own.quantity});
    account.packages.iter().map(package).collect()
}

/// Whether the records of a change may be there already.
pub(crate) enum Expected {
    /// It must be new.
    New,
    /// It may have been written by a statement that was broken off before it took effect.
    Any,
}

/// Who bills an account's package changes.
pub(crate) struct Billed {
    biller: Option<Biller>,
    excluded: bool,
}

impl Billed {
    pub(crate) async fn load(ports: &Ports, scope: &Scope, partner: &PartnerId, account: &AccountId) -> Result<Self> {
        let biller = biller(ports, scope, partner).await?;
        let mut excluded = false;
        if let Some(biller) = &biller {
            let key = Key::Mapping(partner.clone(), biller.connection.id.clone(), account.clone());
            let mapping: Option<Versioned<Mapping>> = load(&*ports.storage, scope, &key).await?;
            excluded = mapping.is_some_and(|mapping| mapping.status == MappingStatus::Excluded);
        }
        Ok(Self { biller, excluded })
    }

    /// Whether the account's changes become contract lines.
    pub(crate) fn is_billed(&self) -> bool {
        self.biller.is_some() && !self.excluded
    }

    fn state(&self) -> ChangeState {
        if self.is_billed() { ChangeState::Pending } else { ChangeState::Noted }
    }

    /// Adds a change's records and its event.
    pub(crate) fn record<'a>(
        &self,
        write: Change<'a>,
        change: &PackageChange,
        expected: &Expected,
    ) -> Result<Change<'a>> {
        let put = |new: Write| match expected {
            Expected::New => new,
            Expected::Any => Write { expect: crate::records::Expect::Any, ..new },
        };
        let mut write = write.write(put(Write::create(change)?));
        if change.state == ChangeState::Pending {
            write = write.write(put(Write::create(&PendingChange(change.clone()))?));
        }
        let data = json!({
            "change_id": change.id, "account_id": change.account, "from": change.from, "to": change.to,
            "quantity": change.quantity, "occurred_at": change.occurred_at, "state": change.state,
            "connection_id": self.biller.as_ref().map(|biller| &biller.connection.id),
        });
        write.event("billing.package_change_recorded", data)
    }

    /// The write that makes the sweep look after the connection's changes, where they are pushed by themselves.
    pub(crate) fn wake(&self, ports: &Ports) -> Option<Result<Write>> {
        let now = ports.clock.now();
        let biller = self.biller.as_ref().filter(|biller| self.is_billed() && biller.pushes(now))?;
        Some(due_now(biller, now))
    }
}

/// The changes that a statement about a whole account makes: one for each package that it has now and did not have,
/// no longer has, or has in another quantity. Their ids follow from what they say, so that the same statement told
/// twice is the same changes.
pub(crate) fn differences(
    before: Option<&Account>,
    after: &Account,
    at: Timestamp,
    now: Timestamp,
) -> Vec<PackageChange> {
    let had = before.map(registers::effective).unwrap_or_default();
    let has = registers::effective(after);
    let packages: BTreeSet<&PackageId> = had.keys().chain(has.keys()).copied().collect();
    let changed = packages.into_iter().filter(|package| had.get(package) != has.get(package));
    let one = |package: &PackageId| {
        let quantity = has.get(package).copied();
        PackageChange {
            partner: after.partner.clone(),
            id: name(&after.id, at, package, quantity),
            account: after.id.clone(),
            from: had.contains_key(package).then(|| package.clone()),
            to: quantity.map(|_| package.clone()),
            quantity: quantity.flatten(),
            occurred_at: at,
            received_at: now,
            source: ChangeSource::Account,
            state: ChangeState::Pending,
            why: None,
            run: None,
            tries: 0,
            done_at: None,
        }
    };
    changed.map(one).collect()
}

/// The id of what a statement about a whole account says of one package: how many, or (none) that it is not there.
pub(crate) fn name(account: &AccountId, at: Timestamp, package: &PackageId, quantity: Option<Option<i64>>) -> ChangeId {
    let said = match quantity {
        None => "none".to_owned(),
        Some(None) => "some".to_owned(),
        Some(Some(quantity)) => quantity.to_string(),
    };
    let digest = Sha256::digest(format!("{account}\n{at}\n{package}\n{said}"));
    // Sorts before the names that vendors give: of the same instant a change says more than the account as a whole.
    let mut id = String::from("0-account-");
    for byte in digest.iter().take(16) {
        write!(id, "{byte:02x}").expect("a String takes every write");
    }
    ChangeId::new(id).expect("hexadecimal digits are an identifier")
}
