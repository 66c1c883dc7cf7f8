//! Telling payments and credits. Each is taken once, by the vendor's name of it; told twice, late or after it was
//! deleted, it comes to the same.

use super::books::{Books, Nudge, With};
use super::read::{Standing, standing_of};
use super::retold::{self, Content, Name};
use crate::actor::{Actor, Scope};
use crate::calendar::day_of;
use crate::change::Change;
use crate::connections::{check_version, load_connection};
use crate::ids::{ConnectionId, PartnerId, PaymentId};
use crate::invoices::{Entry, Ledger, Payment, ToldPayment};
use crate::ports::Ports;
use crate::problem::{Code, Error, Problem, Result};
use crate::records::{Expect, Key, Versioned, Write, load};
use crate::vendor::check::{Checks, narrowed, unless_overtaken};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// Largest amount of one entry, in whole units of any currency; a ledger's sums stay far below what a Decimal holds.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// Most decimal places of an amount: Autotask's own money has four.
pub const AMOUNT_PLACES_MAX: u32 = 4;
/// Most payments and credits of one invoice, deleted ones too: some 200 bytes each, in a record of at most 400 KB.
pub const ENTRIES_MAX: usize = 500;
/// How far ahead of our clock a payment's time may lie: a day that is told without a time, in the zone farthest east.
const PAID_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24);
/// The oldest time that a payment may have: 2000-01-01, before which there was no Autotask.
const PAID_SINCE: i64 = 946_684_800;
/// Longest name of a currency, in characters: ISO 4217 has three.
const CURRENCY_CHARS: usize = 3;

/// A payment, as the vendor tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentInput {
    /// The vendor's name of it.
    pub id: PaymentId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// `Invoices.id`.
    pub invoice: i64,
    /// More than 0.
    pub amount: Decimal,
    /// When it was paid.
    pub paid_at: Timestamp,
    /// In which currency; must be the invoice's, where that is known.
    pub currency: Option<String>,
}

/// A credit on an invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct CreditInput {
    /// Its name, on this invoice.
    pub id: PaymentId,
    /// More than 0.
    pub amount: Decimal,
    /// When it was given; absent: now.
    pub at: Option<Timestamp>,
    /// In which currency; must be the invoice's, where that is known.
    pub currency: Option<String>,
}

/// What to do about something that is not here (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The caller is told.
    Refuse,
    /// Nobody can be told: it is kept until the rest comes.
    Keep,
}

/// How much of a payment is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// All of it.
    Whole,
    /// So much of it so far, all its refunds together: told twice or in another order, the largest counts.
    SoFar(Decimal),
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is known now.
    Recorded,
    /// It was known already; nothing was written.
    Repeated,
    /// It no longer counts.
    Deleted,
}

/// What became of a call, and how the invoice stands; absent where we do not know of which invoice it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What became of it.
    pub outcome: Outcome,
    /// How the invoice stands.
    pub standing: Option<Standing>,
}

/// Records a payment, and lets Autotask be told once its invoice is paid in full.
///
/// # Errors
/// `invalid_input` with every refused field; `not_found` for an unknown connection, and for an invoice that is not
/// here where that is to be refused; `idempotency_mismatch` for another payment under the same name;
/// `payment_deleted` for one that was deleted; `ledger_full`.
pub async fn record_payment(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    input: PaymentInput,
    unknown: Unknown,
) -> Result<Recorded> {
    let own = narrowed(scope, partner)?;
    let mut checks = Checks::default();
    check_amount(&mut checks, input.amount);
    check_time(&mut checks, "/paid_at", input.paid_at, ports.clock.now());
    check_currency(&mut checks, input.currency.as_deref());
    checks.done()?;
    let desk = Desk { ports, scope: &own, actor, partner };
    let (outcome, nudge) = unless_overtaken!(None, desk.try_payment(&input, unknown).await)?;
    desk.answer(outcome, nudge, Some((&input.connection, input.invoice))).await
}

/// Takes a payment out of its ledger: it was deleted, or given back.
///
/// # Errors
/// `not_found` for a payment that is not known, where that is to be refused; `invalid_input` for a refund that is no
/// amount; `precondition_failed` where the ledger is not of the version that the caller names.
pub async fn delete_payment(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    partner: &PartnerId,
    (id, refund): (&PaymentId, Refund),
    unknown: Unknown,
    if_match: Option<u64>,
) -> Result<Recorded> {
    let own = narrowed(scope, partner)?;
    if let Refund::SoFar(amount) = refund {
        let mut checks = Checks::default();
        check_amount(&mut checks, amount);
        checks.done()?;
    }
    let desk = Desk { ports, scope: &own, actor, partner };
    let (outcome, of, nudge) = unless_overtaken!(if_match, desk.try_delete(id, refund, unknown, if_match).await)?;
    desk.answer(outcome, nudge, of.as_ref().map(|of| (&of.0, of.1))).await
}

/// Records a credit on an invoice: what is to be paid of it is less.
///
/// # Errors
/// As [`record_payment`].
pub async fn record_credit(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, invoice): (&PartnerId, &ConnectionId, i64),
    input: CreditInput,
    unknown: Unknown,
) -> Result<Recorded> {
    let own = narrowed(scope, partner)?;
    let mut checks = Checks::default();
    check_amount(&mut checks, input.amount);
    if let Some(at) = input.at {
        check_time(&mut checks, "/credited_at", at, ports.clock.now());
    }
    check_currency(&mut checks, input.currency.as_deref());
    checks.done()?;
    let desk = Desk { ports, scope: &own, actor, partner };
    let (outcome, nudge) = unless_overtaken!(None, desk.try_credit((connection, invoice), &input, unknown).await)?;
    desk.answer(outcome, nudge, Some((connection, invoice))).await
}

/// Takes a credit out of its ledger.
///
/// # Errors
/// `not_found` for a credit that is not known, where that is to be refused; `precondition_failed` where the ledger is
/// not of the version that the caller names.
pub async fn delete_credit(
    ports: &Ports,
    scope: &Scope,
    actor: &Actor,
    (partner, connection, invoice): (&PartnerId, &ConnectionId, i64),
    id: &PaymentId,
    unknown: Unknown,
    if_match: Option<u64>,
) -> Result<Recorded> {
    let own = narrowed(scope, partner)?;
    let desk = Desk { ports, scope: &own, actor, partner };
    let (outcome, nudge) =
        unless_overtaken!(if_match, desk.try_uncredit((connection, invoice), id, unknown, if_match).await)?;
    desk.answer(outcome, nudge, Some((connection, invoice))).await
}

fn check_amount(checks: &mut Checks, amount: Decimal) {
    if amount <= Decimal::ZERO || amount > Decimal::from(AMOUNT_MAX) {
        checks.refuse("/amount", format!("must be more than 0 and at most {AMOUNT_MAX}"));
    } else if amount.normalize().scale() > AMOUNT_PLACES_MAX {
        checks.refuse("/amount", format!("must have at most {AMOUNT_PLACES_MAX} decimals"));
    }
}

fn check_time(checks: &mut Checks, pointer: &str, at: Timestamp, now: Timestamp) {
    if at.duration_since(now) > PAID_AHEAD_MAX {
        checks.refuse(pointer, format!("must not lie more than {} hours ahead", PAID_AHEAD_MAX.as_hours()));
    } else if at.as_second() < PAID_SINCE {
        checks.refuse(pointer, "must not lie before the year 2000");
    }
}

fn check_currency(checks: &mut Checks, currency: Option<&str>) {
    let good = |text: &str| text.len() == CURRENCY_CHARS && text.chars().all(|c| c.is_ascii_uppercase());
    if currency.is_some_and(|text| !good(text)) {
        checks.refuse("/currency", "must be an ISO 4217 code of three capitals");
    }
}

/// Where one call is dealt with.
struct Desk<'a> {
    ports: &'a Ports,
    scope: &'a Scope,
    actor: &'a Actor,
    partner: &'a PartnerId,
}

/// What a call does to a ledger, in words of the audit trail and of events.
struct Deed {
    action: &'static str,
    /// `payment_id` or `credit_id`.
    name: &'static str,
    id: PaymentId,
    amount: Decimal,
    /// A write beside the ledger's.
    pointer: Option<Write>,
}

type Done = (Outcome, Nudge);

impl<'a> Desk<'a> {
    async fn answer(&self, outcome: Outcome, nudge: Nudge, of: Option<(&ConnectionId, i64)>) -> Result<Recorded> {
        nudge.send(self.ports).await;
        let standing = match of {
            Some((connection, invoice)) => {
                let of = (self.partner, connection);
                Some(standing_of(self.ports, self.scope, of, invoice).await?)
            }
            None => None,
        };
        Ok(Recorded { outcome, standing })
    }

    async fn payment(&self, id: &PaymentId) -> Result<Option<Versioned<Payment>>> {
        let key = Key::Payment(self.partner.clone(), id.clone());
        Ok(load::<Payment>(&*self.ports.storage, self.scope, &key).await?)
    }

    /// What is there of an invoice; refused where it is not here and somebody can be told.
    async fn books(&self, (connection, invoice): (&ConnectionId, i64), unknown: Unknown) -> Result<Books> {
        load_connection(self.ports, self.scope, self.partner, connection).await?;
        let books = Books::load(self.ports, self.scope, (self.partner, connection), invoice).await?;
        if books.invoice.is_none() && unknown == Unknown::Refuse {
            let detail = format!(
                "Invoice {invoice} is not here: it was not fetched yet, a filter hides it, or Autotask has none of \
                 that id. Fetch new data and try again, or look at the filters."
            );
            return Err(Error::problem(Code::NotFound, detail));
        }
        Ok(books)
    }

    async fn try_payment(&self, input: &PaymentInput, unknown: Unknown) -> Result<Done> {
        let known = self.payment(&input.id).await?;
        let told = ToldPayment {
            connection: input.connection.clone(),
            invoice: input.invoice,
            amount: input.amount,
            currency: input.currency.clone(),
            paid_at: input.paid_at,
        };
        if let Some(found) = &known {
            if let Some(before) = found.told.as_ref().filter(|before| **before != told) {
                if unknown == Unknown::Keep {
                    let contents = (content(before), content(&told));
                    self.retold(&before.connection, Name::Payment(&input.id), contents).await?;
                }
                return Err(another("payment", &input.id));
            }
            if found.deleted_at.is_some() {
                return Err(deleted("payment", &input.id));
            }
            if found.told.is_some() {
                return Ok((Outcome::Repeated, Nudge::none()));
            }
        }
        let books = self.books((&input.connection, input.invoice), unknown).await?;
        check_fit(&books, input.currency.as_deref())?;
        let refunded = known.as_ref().map_or(Decimal::ZERO, |found| found.refunded);
        let zone = books.settings.zone();
        let now = self.ports.clock.now();
        let gone = (refunded >= input.amount).then_some(now);
        let mut ledger = books.ledger();
        room(&ledger)?;
        ledger.payments.push(Entry {
            id: input.id.clone(),
            amount: input.amount,
            refunded: refunded.min(input.amount),
            currency: input.currency.clone(),
            at: input.paid_at,
            on: day_of(input.paid_at, &zone),
            recorded_at: now,
            deleted_at: gone,
        });
        let (partner, id) = (self.partner.clone(), input.id.clone());
        let payment = Payment { partner, id, told: Some(told), refunded, deleted_at: gone };
        let expect = known.map_or(Expect::Absent, |found| Expect::Version(found.v));
        let deed = Deed {
            action: "payment.recorded",
            name: "payment_id",
            id: input.id.clone(),
            amount: input.amount,
            pointer: Some(Write::put(&payment, expect)?),
        };
        Ok((Outcome::Recorded, self.commit(books, ledger, deed).await?))
    }

    async fn try_delete(
        &self,
        id: &PaymentId,
        refund: Refund,
        unknown: Unknown,
        if_match: Option<u64>,
    ) -> Result<(Outcome, Option<(ConnectionId, i64)>, Nudge)> {
        let Some(found) = self.payment(id).await? else {
            if unknown == Unknown::Refuse {
                return Err(Error::not_found("payment"));
            }
            return self.bury(id, refund).await;
        };
        let (v, mut payment) = (found.v, found.value);
        let of = payment.told.as_ref().map(|told| (told.connection.clone(), told.invoice));
        let before = payment.clone();
        payment.give_back(refund, self.ports.clock.now());
        if payment == before {
            return Ok((Outcome::Repeated, of, Nudge::none()));
        }
        let pointer = Write::replace(&payment, v)?;
        let Some((connection, invoice)) = &of else {
            self.note(pointer, &payment).await?;
            return Ok((outcome_of(&payment), None, Nudge::none()));
        };
        let books = Books::load(self.ports, self.scope, (self.partner, connection), *invoice).await?;
        check_version(if_match, books.v())?;
        let mut ledger = books.ledger();
        let mut amount = Decimal::ZERO;
        for entry in ledger.payments.iter_mut().filter(|entry| entry.id == *id) {
            entry.refunded = payment.refunded.min(entry.amount);
            entry.deleted_at = payment.deleted_at;
            amount = entry.amount;
        }
        let whole = payment.deleted_at.is_some();
        let action = if whole { "payment.deleted" } else { "payment.refunded" };
        let deed = Deed { action, name: "payment_id", id: id.clone(), amount, pointer: Some(pointer) };
        let nudge = self.commit(books, ledger, deed).await?;
        Ok((outcome_of(&payment), of, nudge))
    }

    /// Keeps that a payment was deleted or given back which was not told yet, so that it counts for nothing, or for
    /// less, when it is.
    async fn bury(&self, id: &PaymentId, refund: Refund) -> Result<(Outcome, Option<(ConnectionId, i64)>, Nudge)> {
        let (partner, id) = (self.partner.clone(), id.clone());
        let mut payment = Payment { partner, id, told: None, refunded: Decimal::ZERO, deleted_at: None };
        payment.give_back(refund, self.ports.clock.now());
        self.note(Write::create(&payment)?, &payment).await?;
        Ok((outcome_of(&payment), None, Nudge::none()))
    }

    async fn note(&self, write: Write, payment: &Payment) -> Result<()> {
        let after = json!({"refunded": payment.refunded, "deleted_at": payment.deleted_at});
        let change = Change::of_partner(self.ports, self.actor, self.partner).write(write);
        let subject = format!("payment/{}", payment.id);
        Ok(change.audit("payment.deleted_before_told", subject, Value::Null, after)?.commit(self.scope).await?)
    }

    async fn try_credit(&self, of: (&ConnectionId, i64), input: &CreditInput, unknown: Unknown) -> Result<Done> {
        let books = self.books(of, unknown).await?;
        let mut ledger = books.ledger();
        if let Some(found) = ledger.credits.iter().find(|entry| entry.id == input.id) {
            let same = found.amount == input.amount
                && input.at.is_none_or(|at| at == found.at)
                && found.currency == input.currency;
            return match (found.stands(), same || found.amount.is_zero()) {
                (_, false) => {
                    // An event that names no time has its own: another one of the same credit tells nothing new.
                    let differs = found.amount != input.amount || found.currency != input.currency;
                    if unknown == Unknown::Keep && differs {
                        let first = Content {
                            invoice: of.1,
                            amount: found.amount,
                            currency: found.currency.as_deref(),
                            at: found.at,
                        };
                        let at = input.at.unwrap_or_else(|| self.ports.clock.now());
                        let second = Content { amount: input.amount, currency: input.currency.as_deref(), at, ..first };
                        self.retold(of.0, Name::Credit(&input.id), (first, second)).await?;
                    }
                    Err(another("credit", &input.id))
                }
                (false, true) => Err(deleted("credit", &input.id)),
                (true, true) => Ok((Outcome::Repeated, Nudge::none())),
            };
        }
        check_fit(&books, input.currency.as_deref())?;
        room(&ledger)?;
        let now = self.ports.clock.now();
        let at = input.at.unwrap_or(now);
        ledger.credits.push(Entry {
            id: input.id.clone(),
            amount: input.amount,
            refunded: Decimal::ZERO,
            currency: input.currency.clone(),
            at,
            on: day_of(at, &books.settings.zone()),
            recorded_at: now,
            deleted_at: None,
        });
        let deed = Deed::credit("credit.recorded", &input.id, input.amount);
        Ok((Outcome::Recorded, self.commit(books, ledger, deed).await?))
    }

    async fn try_uncredit(
        &self,
        of: (&ConnectionId, i64),
        id: &PaymentId,
        unknown: Unknown,
        if_match: Option<u64>,
    ) -> Result<Done> {
        let books = self.books(of, unknown).await?;
        check_version(if_match, books.v())?;
        let mut ledger = books.ledger();
        let now = self.ports.clock.now();
        let found = ledger.credits.iter_mut().find(|entry| entry.id == *id);
        let amount = match found {
            Some(entry) if !entry.stands() => return Ok((Outcome::Repeated, Nudge::none())),
            Some(entry) => {
                entry.deleted_at = Some(now);
                entry.amount
            }
            None if unknown == Unknown::Refuse => return Err(Error::not_found("credit")),
            None => {
                room(&ledger)?;
                ledger.credits.push(Entry {
                    id: id.clone(),
                    amount: Decimal::ZERO,
                    refunded: Decimal::ZERO,
                    currency: None,
                    at: now,
                    on: day_of(now, &jiff::tz::TimeZone::UTC),
                    recorded_at: now,
                    deleted_at: Some(now),
                });
                Decimal::ZERO
            }
        };
        let deed = Deed::credit("credit.deleted", id, amount);
        Ok((Outcome::Deleted, self.commit(books, ledger, deed).await?))
    }

    /// Nobody can be told that a name was used for something else but by an issue.
    async fn retold(
        &self,
        connection: &ConnectionId,
        name: Name<'_>,
        contents: (Content<'_>, Content<'_>),
    ) -> Result<()> {
        retold::open(self.ports, self.scope, self.actor, (self.partner, connection), name, contents).await
    }

    /// Writes a changed ledger with everything that follows of it.
    async fn commit(&self, books: Books, mut ledger: Ledger, deed: Deed) -> Result<Nudge> {
        // Somebody's word against a date of ours holds as long as the payments stand that it was written for.
        if ledger.sums().paid < books.ledger().sums().paid {
            ledger.disputed = None;
        }
        let shown = |ledger: &Ledger| json!({"paid": ledger.sums().paid, "credited": ledger.sums().credited});
        let (connection, invoice) = (books.connection.clone(), books.id);
        let (mut before, mut after) = (shown(&books.ledger()), shown(&ledger));
        if books.ledger.is_none() {
            before = Value::Null;
        }
        after[deed.name] = json!(deed.id);
        after["amount"] = json!(deed.amount);
        let mut told = json!({});
        told[deed.name] = json!(deed.id);
        let mut change = Change::of_connection(self.ports, self.actor, self.partner, &connection).audit(
            deed.action,
            format!("invoice/{invoice}"),
            before,
            after,
        )?;
        if let Some(name) = deed.ends() {
            let of = (self.partner, &connection, invoice);
            change = retold::resolve(change, self.ports, self.scope, of, name).await?;
        }
        if let Some(pointer) = deed.pointer {
            change = change.write(pointer);
        }
        let with = With { told: Some(told), ..With::default() };
        let (change, nudge) = books.write(change, self.ports, self.scope, &ledger, with).await?;
        change.commit(self.scope).await?;
        Ok(nudge)
    }
}

impl Deed {
    /// What no longer counts after it.
    fn ends(&self) -> Option<Name<'_>> {
        match self.action {
            "payment.deleted" => Some(Name::Payment(&self.id)),
            "credit.deleted" => Some(Name::Credit(&self.id)),
            _ => None,
        }
    }

    fn credit(action: &'static str, id: &PaymentId, amount: Decimal) -> Self {
        Self { action, name: "credit_id", id: id.clone(), amount, pointer: None }
    }
}

impl Payment {
    /// Takes note of a refund: the largest that was told counts, and what is deleted stays so.
    fn give_back(&mut self, refund: Refund, now: Timestamp) {
        let whole = match refund {
            Refund::Whole => true,
            Refund::SoFar(amount) => {
                self.refunded = self.refunded.max(amount);
                self.told.as_ref().is_some_and(|told| self.refunded >= told.amount)
            }
        };
        if whole && self.deleted_at.is_none() {
            self.deleted_at = Some(now);
        }
    }
}

fn outcome_of(payment: &Payment) -> Outcome {
    if payment.deleted_at.is_some() { Outcome::Deleted } else { Outcome::Recorded }
}

fn content(told: &ToldPayment) -> Content<'_> {
    let ToldPayment { invoice, amount, currency, paid_at, .. } = told;
    Content { invoice: *invoice, amount: *amount, currency: currency.as_deref(), at: *paid_at }
}

/// The invoice's currency is the only one that its entries may have.
fn check_fit(books: &Books, currency: Option<&str>) -> Result<()> {
    let known = books.invoice.as_ref().and_then(|invoice| invoice.currency.as_deref());
    match (known, currency) {
        (Some(known), Some(told)) if !known.eq_ignore_ascii_case(told) => {
            Err(Problem::field("/currency", format!("must be the invoice's, {known}")).into())
        }
        _ => Ok(()),
    }
}

fn room(ledger: &Ledger) -> Result<()> {
    if ledger.payments.len() + ledger.credits.len() < ENTRIES_MAX {
        return Ok(());
    }
    let detail = format!("The invoice has {ENTRIES_MAX} payments and credits already.");
    Err(Error::problem(Code::LedgerFull, detail))
}

fn another(what: &str, id: &PaymentId) -> Error {
    let detail = format!("The {what} {id} was told with other content; another {what} has a name of its own.");
    Error::problem(Code::IdempotencyMismatch, detail)
}

fn deleted(what: &str, id: &PaymentId) -> Error {
    let detail = format!("The {what} {id} was deleted; one that was made again has a name of its own.");
    Error::problem(Code::PaymentDeleted, detail)
}
