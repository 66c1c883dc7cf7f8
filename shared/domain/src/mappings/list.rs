//! Every account with what it is mapped to.

use super::context::Context;
use super::theirs::Theirs;
use super::{Mapping, MappingStatus};
use crate::ids::{AccountId, LineRef};
use crate::ports::{Order, PageRequest, Read};
use crate::problem::Result;
use crate::records::{Collection, Versioned, load_all, load_page};
use crate::vendor::{Account, AccountClaim};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one look into the store.
const LOOK_RECORDS: u32 = 200;
/// Accounts that one page looks at; where few pass the filters, a page ends here and the next goes on.
const LOOKED_AT_MAX: usize = 2_000;

/// What accounts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountQuery {
    /// Only with this status.
    pub status: Option<StatusFilter>,
    /// Part of the name, id or e-mail address; case does not matter.
    pub q: Option<String>,
    /// At most this many.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<String>,
    /// Read names and units of the mapped lines from Autotask.
    pub live: bool,
}

/// A mapping's status, with what has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// No mapping.
    Unmapped,
    /// A mapping in this state.
    Is(MappingStatus),
}

/// An account with its mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Its mapping.
    pub mapping: Option<Versioned<Mapping>>,
    /// What its lines are now, in their order; empty unless asked for.
    pub lines_now: Vec<LineNow>,
    /// Which other PSA has claimed it.
    pub claimed_by: Option<String>,
}

/// A mapped line as Autotask has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineNow {
    /// The service's name; absent where the line is gone or out of sight.
    pub name: Option<String>,
    /// Units today; absent where no row covers today.
    pub units: Option<i64>,
    /// When it was read.
    pub checked_at: Timestamp,
}

/// A page of accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountPage {
    /// The rows, by account id.
    pub rows: Vec<AccountRow>,
    /// Where the next page goes on.
    pub next: Option<String>,
}

/// Lists active accounts and those that have a mapping, by id. Without `live` nothing is asked of Autotask.
///
/// # Errors
/// `not_found` outside the caller's reach; with `live` Autotask's own.
pub async fn list_accounts(context: Context<'_>, query: &AccountQuery) -> Result<AccountPage> {
    context.connection().await?;
    let (partner, storage, scope) = (context.partner, &*context.ports.storage, context.scope);
    let of = Collection::Mappings(partner.clone(), context.connection.clone());
    let mappings = load_all::<Mapping>(storage, scope, &of, Read::Strong).await?;
    let mut mappings: BTreeMap<AccountId, Versioned<Mapping>> =
        mappings.into_iter().map(|m| (m.account.clone(), m)).collect();
    let of = Collection::AccountClaims(partner.clone());
    let claims = load_all::<AccountClaim>(storage, scope, &of, Read::Strong).await?;
    let claims: BTreeMap<AccountId, String> = claims.into_iter().map(|c| (c.value.account, c.value.psa)).collect();
    let (accounts, next) = pick(context, query, &mappings).await?;
    let mut rows: Vec<AccountRow> = accounts
        .into_iter()
        .map(|account| {
            let (mapping, claimed_by) = (mappings.remove(&account.id), claims.get(&account.id).cloned());
            AccountRow { account, mapping, lines_now: Vec::new(), claimed_by }
        })
        .collect();
    if query.live {
        look_at_lines(context, &mut rows).await?;
    }
    Ok(AccountPage { rows, next })
}

/// Accounts that pass the filters, in the order of their ids, and where to go on.
async fn pick(
    context: Context<'_>,
    query: &AccountQuery,
    mappings: &BTreeMap<AccountId, Versioned<Mapping>>,
) -> Result<(Vec<Account>, Option<String>)> {
    let of = Collection::Accounts(context.partner.clone());
    let (mut picked, mut looked_at, mut after) = (Vec::new(), 0, query.after.clone());
    loop {
        // Never more than still fit: the store's position is then the page's.
        let room = query.limit.saturating_sub(u32::try_from(picked.len()).unwrap_or(u32::MAX));
        let page = PageRequest { limit: room.min(LOOK_RECORDS), after, order: Order::Ascending, read: Read::Strong };
        let (accounts, next) = load_page::<Account>(&*context.ports.storage, context.scope, &of, page).await?;
        looked_at += accounts.len();
        let passing = accounts.into_iter().map(|a| a.value);
        picked.extend(passing.filter(|a| passes(query, a, mappings.get(&a.id).map(|m| &m.value))));
        let full = u32::try_from(picked.len()).is_ok_and(|n| n >= query.limit);
        if full || next.is_none() || looked_at >= LOOKED_AT_MAX {
            return Ok((picked, next));
        }
        after = next;
    }
}

fn passes(query: &AccountQuery, account: &Account, mapping: Option<&Mapping>) -> bool {
    let status = match query.status {
        None => true,
        Some(StatusFilter::Unmapped) => mapping.is_none(),
        Some(StatusFilter::Is(status)) => mapping.is_some_and(|m| m.status == status),
    };
    let fits = query.q.as_ref().is_none_or(|q| {
        let q = q.trim().to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&q);
        has(&account.name) || has(account.id.as_str()) || account.contact_email.as_deref().is_some_and(has)
    });
    status && fits && (account.active || mapping.is_some())
}

async fn look_at_lines(context: Context<'_>, rows: &mut [AccountRow]) -> Result<()> {
    let mapped = |row: &AccountRow| row.mapping.as_ref().map(|m| m.lines.iter().map(|l| l.line).collect::<Vec<_>>());
    let lines: Vec<LineRef> = rows.iter().filter_map(mapped).flatten().collect();
    if lines.is_empty() {
        return Ok(());
    }
    let theirs = Theirs::open(context).await?;
    let read = read_now(&theirs, &lines).await;
    theirs.close().await;
    let now = read?;
    let checked_at = context.ports.clock.now();
    for row in rows {
        let Some(mapping) = &row.mapping else { continue };
        let line_now = |line| {
            let (name, units) = now.get(&line).cloned().unwrap_or_default();
            LineNow { name, units, checked_at }
        };
        row.lines_now = mapping.lines.iter().map(|l| line_now(l.line)).collect();
    }
    Ok(())
}

type Now = BTreeMap<LineRef, (Option<String>, Option<i64>)>;

/// Names and units of lines, in a handful of calls for a whole page.
async fn read_now(theirs: &Theirs<'_>, lines: &[LineRef]) -> Result<Now> {
    let facts = theirs.lines_by_id(lines).await?;
    let contracts: BTreeSet<i64> = facts.iter().map(|l| l.contract_id).collect();
    let units = theirs.units_today(&contracts.into_iter().collect::<Vec<_>>()).await?;
    let units = |line| units.get(&line).map(|today| today.units);
    Ok(facts.into_iter().map(|l| (l.line, (l.name, units(l.line)))).collect())
}
