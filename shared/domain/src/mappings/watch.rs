//! The nightly watch: finds mappings whose company, contract, lines or services are gone, ended or about to end, says so
//! once, proposes the successor of a renewed contract, and takes it where the settings say so and nothing is ambiguous.
//!
//! Each finding is one issue, opened the first night, counted again on others, closed on the night its cause is gone.

use super::broken::{Told, WHOLE, mark, mark_working, subject};
use super::look::{Seen, look};
use super::remap::remap;
use super::renewal::PLACE_TAKEN;
use super::standing::{Standing, Trouble, is_watched, standing};
use super::{CompanyTaken, Context, Mapping, MappingSource, MappingStatus};
use crate::budget::Mode;
use crate::change::Change;
use crate::connections::settings::RenewalPolicy;
use crate::connections::{ConnectionStatus, Settings};
use crate::ids::{AccountId, LineRef};
use crate::issues::{self, Fix, Issue, More, Subject};
use crate::ports::{Read, StorageError};
use crate::problem::{Code, Error, Result};
use crate::records::{Collection, Key, Versioned, load, load_all};
use crate::vendor::Account;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The subject of the issue about things that the API user cannot see.
const UNSEEN: &str = "mappings";

/// What a watch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watched {
    /// Mappings looked at.
    pub mappings: u32,
    /// Mappings with something wrong.
    pub troubled: u32,
    /// Mappings whose names or dates were no longer those of Autotask.
    pub changed: u32,
    /// Mappings moved to the successor of their contract.
    pub remapped: u32,
    /// Calls made to Autotask, without those of moving mappings.
    pub calls: u32,
}

/// Watches one connection's mappings; one that is not connected is left alone.
///
/// # Errors
/// What is wrong with the connection, a failed call as explained; storage's own: try again.
pub async fn watch(context: Context<'_>) -> Result<Watched> {
    let connection = context.connection().await?;
    if connection.status != ConnectionStatus::Connected {
        return Ok(Watched::default());
    }
    look_after(context, &Ours::load(context).await?, true).await
}

/// The same for the mappings of some companies, as soon as something says that these have changed. What a whole night
/// finds out (issues whose cause is gone, things that cannot be seen) is left to it.
///
/// # Errors
/// As [`watch`].
pub async fn watch_companies(context: Context<'_>, companies: &BTreeSet<i64>) -> Result<Watched> {
    let ours = Ours::of_companies(context, companies).await?;
    if ours.mappings.is_empty() {
        return Ok(Watched::default());
    }
    look_after(context, &ours, false).await
}

/// Looks at mappings; at all of a connection (`whole`) or at some.
async fn look_after(context: Context<'_>, ours: &Ours, whole: bool) -> Result<Watched> {
    let settings = context.settings().await?;
    let today = context.ports.clock.now().to_zoned(settings.zone()).date();
    let until = today.saturating_add(settings.renewal_notice_days.max(0).days());
    let watched: Vec<&Versioned<Mapping>> = ours.mappings.values().filter(|m| is_watched(m)).collect();
    let plain: Vec<&Mapping> = watched.iter().map(|mapping| &mapping.value).collect();
    let seen = look(context, &plain, until, Mode::Background).await?;
    let night = Night { context, settings: &settings, ours, seen: &seen, today };
    let mut done = Watched { calls: seen.calls, ..Watched::default() };
    let mut kept = BTreeSet::new();
    for mapping in watched {
        let standing = standing(mapping, ours.name(&mapping.account), &seen, until);
        done.mappings += 1;
        done.troubled += u32::from(!standing.troubles.is_empty());
        done.changed += u32::from(standing.renamed.is_some());
        done.remapped += u32::from(night.one(mapping, &standing, &mut kept).await?);
    }
    if whole {
        night.close_others(&kept).await?;
        night.unseen().await?;
    }
    Ok(done)
}

/// What of ours a watch looks at.
struct Ours {
    mappings: BTreeMap<AccountId, Versioned<Mapping>>,
    names: BTreeMap<AccountId, String>,
    issues: BTreeMap<(String, Code), Issue>,
}

impl Ours {
    async fn load(context: Context<'_>) -> Result<Self> {
        let Context { ports, scope, partner, connection, .. } = context;
        let of = Collection::Mappings(partner.clone(), connection.clone());
        let mappings = load_all::<Mapping>(&*ports.storage, scope, &of, Read::Strong).await?;
        let of = Collection::Accounts(partner.clone());
        let accounts = load_all::<Account>(&*ports.storage, scope, &of, Read::Eventual).await?;
        let of = Collection::Issues(partner.clone(), connection.clone());
        let issues = load_all::<Issue>(&*ports.storage, scope, &of, Read::Strong).await?;
        Ok(Self {
            mappings: mappings.into_iter().map(|m| (m.account.clone(), m)).collect(),
            names: accounts.into_iter().map(|a| (a.value.id, a.value.name)).collect(),
            issues: issues.into_iter().map(|i| ((i.subject.clone(), i.code), i.value)).collect(),
        })
    }

    /// Those of some companies. Their issues are counted again when they are met again.
    async fn of_companies(context: Context<'_>, companies: &BTreeSet<i64>) -> Result<Self> {
        let Context { ports, scope, partner, connection, .. } = context;
        let mut ours = Self { mappings: BTreeMap::new(), names: BTreeMap::new(), issues: BTreeMap::new() };
        for company in companies {
            let Some(taken) = load::<CompanyTaken>(&*ports.storage, scope, &context.company_key(*company)).await?
            else {
                continue;
            };
            for account in &taken.accounts {
                let Some(mapping) = context.mapping(account).await? else { continue };
                let key = Key::Account(partner.clone(), account.clone());
                if let Some(known) = load::<Account>(&*ports.storage, scope, &key).await? {
                    ours.names.insert(account.clone(), known.value.name);
                }
                for code in WHOLE {
                    let on = subject(&mapping);
                    let key = Key::Issue(partner.clone(), connection.clone(), on.clone(), code.as_str().to_owned());
                    if let Some(issue) = load::<Issue>(&*ports.storage, scope, &key).await? {
                        ours.issues.insert((on, code), issue.value);
                    }
                }
                ours.mappings.insert(account.clone(), mapping);
            }
        }
        Ok(ours)
    }

    fn name<'a>(&'a self, account: &'a AccountId) -> &'a str {
        self.names.get(account).map_or(account.as_str(), String::as_str)
    }

    /// An issue whose cause was there when it was last looked at.
    fn open(&self, subject: &str, code: Code) -> Option<&Issue> {
        self.issues.get(&(subject.to_owned(), code)).filter(|issue| issue.stands())
    }
}

/// One night at one connection.
struct Night<'a> {
    context: Context<'a>,
    settings: &'a Settings,
    ours: &'a Ours,
    seen: &'a Seen,
    today: Date,
}

/// An issue's name: subject and code.
type Name = (String, Code);

impl Night<'_> {
    /// Follows one mapping. `kept` gathers the issues that stay. Returns whether it was moved to another contract.
    async fn one(&self, mapping: &Versioned<Mapping>, standing: &Standing, kept: &mut BTreeSet<Name>) -> Result<bool> {
        let Context { ports, scope, actor, .. } = self.context;
        let mapping = &self.rename(mapping, standing).await?;
        let (account, broken) = (subject(mapping), standing.broken());
        if standing.unseen && standing.troubles.is_empty() {
            kept.extend(WHOLE.map(|code| (account.clone(), code)));
            kept.extend(mapping.lines.iter().map(|line| (of_line(line.line), Code::ServiceInactive)));
            return Ok(false);
        }
        if broken.is_none() && !standing.unseen && mapping.status == MappingStatus::Broken {
            mark_working(ports, scope, actor, mapping).await?;
        }
        for trouble in &standing.troubles {
            let on = match (trouble.code, trouble.lines.as_slice()) {
                (Code::ServiceInactive, [line]) => of_line(*line),
                _ => account.clone(),
            };
            kept.insert((on.clone(), trouble.code));
            self.tell(mapping, standing, trouble, &on).await?;
        }
        self.follow(mapping, standing).await
    }

    /// Puts the names and dates of today into the mapping. Somebody else's change meanwhile wins.
    async fn rename(&self, mapping: &Versioned<Mapping>, standing: &Standing) -> Result<Versioned<Mapping>> {
        let Context { ports, scope, actor, partner, connection } = self.context;
        let Some(next) = &standing.renamed else { return Ok(mapping.clone()) };
        let names = |m: &Mapping| {
            let services: Vec<&str> = m.lines.iter().map(|line| line.service_name.as_str()).collect();
            json!({"company": m.company, "contract": m.contract, "services": services})
        };
        let change = Change::of_connection(ports, actor, partner, connection).replace(next, mapping.v)?.audit(
            "mapping.renamed",
            format!("mapping/{}", mapping.account),
            names(mapping),
            names(next),
        )?;
        match change.commit(scope).await {
            Ok(()) => Ok(Versioned { v: mapping.v + 1, value: next.clone() }),
            Err(StorageError::Conflict { .. }) => Ok(mapping.clone()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a trouble's issue, or counts it once more; marks the mapping where it breaks it.
    async fn tell(&self, mapping: &Versioned<Mapping>, standing: &Standing, trouble: &Trouble, on: &str) -> Result<()> {
        let Context { ports, scope, actor, partner, connection } = self.context;
        let present = self.ours.open(on, trouble.code);
        let since = present.map_or(self.today, |issue| issue.opened_at.to_zoned(self.settings.zone()).date());
        let words = format!("{} Known since {since}.", trouble.words);
        let told = self.told(mapping, standing, trouble, on);
        let marked = trouble.breaks && mark(ports, scope, actor, mapping, trouble.code, &words, &told).await?;
        if marked || present.is_some_and(|issue| self.is_told(issue, &words, &told)) {
            return Ok(());
        }
        let subject = Subject { partner, connection, subject: on };
        let mut change = Change::of_connection(ports, actor, partner, connection);
        for (detail_type, data) in &told.events {
            change = change.event(detail_type, data.clone())?;
        }
        let change = issues::open_with(change, ports, scope, subject, trouble.code, &words, told.more).await?;
        Ok(change.commit(scope).await?)
    }

    /// Whether an open issue already says today what there is to say: the same night came twice.
    fn is_told(&self, issue: &Issue, words: &str, told: &Told) -> bool {
        let more = told.more.as_ref().is_none_or(|more| more.data == issue.data && more.fix == issue.fix);
        issue.last_at.to_zoned(self.settings.zone()).date() == self.today && issue.detail == words && more
    }

    /// The proposal of a renewal, and an event for each successor that was not known.
    fn told(&self, mapping: &Mapping, standing: &Standing, trouble: &Trouble, on: &str) -> Told {
        let contract = mapping.contract.as_ref().map(|c| json!({"id": c.id, "name": c.name, "end": c.end}));
        if !PLACE_TAKEN.contains(&trouble.code) || standing.renewal.candidates.is_empty() {
            let of_contract = trouble.code == Code::ContractEnding;
            let more = of_contract.then(|| More { data: json!({"contract": contract}), fix: None });
            return Told { more, ..Told::default() };
        }
        let candidates: Vec<Value> = standing.renewal.candidates.iter().map(|c| c.shown()).collect();
        let known = self.ours.issues.get(&(on.to_owned(), trouble.code)).map(|issue| &issue.data["candidates"]);
        let is_known = |candidate: &Value| {
            let all = known.and_then(Value::as_array).into_iter().flatten();
            all.into_iter().any(|other| other["contract_id"] == candidate["contract_id"])
        };
        let events = candidates.iter().filter(|candidate| !is_known(candidate)).map(|candidate| {
            let data = json!({"account_id": mapping.account, "contract": contract, "successor": candidate});
            ("contract.renewal_detected", data)
        });
        let events = events.collect();
        let only = standing.renewal.unambiguous();
        let fix = only.map(|next| {
            let body = json!({"to_contract_id": next.contract.id, "reason": "renewal"});
            let path = format!("company-mappings/{}/remap", mapping.account);
            let not_before = next.contract.start.filter(|start| *start > self.today);
            Fix { not_before, ..Fix::of(&mapping.connection, "POST", &path, body) }
        });
        let successor = only.map(|next| next.shown());
        let ambiguous = only.is_none();
        let data =
            json!({"contract": contract, "successor": successor, "candidates": candidates, "ambiguous": ambiguous});
        Told { more: Some(More { data, fix }), events, by: None }
    }

    /// Moves a mapping to the one successor that has begun, where the settings say so.
    async fn follow(&self, mapping: &Mapping, standing: &Standing) -> Result<bool> {
        let renewed = standing.troubles.iter().any(|trouble| trouble.code == Code::ContractRenewed);
        let begun = |start: Option<Date>| start.is_some_and(|start| start <= self.today);
        let next = standing.renewal.unambiguous().filter(|next| begun(next.contract.start));
        let (Some(next), true, RenewalPolicy::AutoRemap) = (next, renewed, self.settings.renewal) else {
            return Ok(false);
        };
        let Some(present) = self.context.mapping(&mapping.account).await? else { return Ok(false) };
        let contract = |m: &Mapping| m.contract.as_ref().map(|contract| contract.id);
        if !is_watched(&present) || contract(&present) != contract(mapping) {
            return Ok(false);
        }
        let source = MappingSource::Renewal;
        match remap(self.context, &mapping.account, next.contract.id, source, Some(present.v)).await {
            Ok(saved) => {
                tracing::info!(account.id = %mapping.account, contract.id = next.contract.id, "followed a renewal");
                Ok(saved.saved.changed)
            }
            Err(Error::Problem(problem)) => {
                let code = problem.code.as_str();
                tracing::warn!(account.id = %mapping.account, code, "a renewal could not be followed; it stays proposed");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Closes the issues whose cause is gone: everything of ours that this night did not meet.
    async fn close_others(&self, kept: &BTreeSet<Name>) -> Result<()> {
        let Context { ports, scope, actor, partner, connection } = self.context;
        for issue in self.ours.issues.values().filter(|issue| issue.stands()) {
            let ours = match issue.code {
                Code::ServiceInactive => issue.subject.starts_with("line/"),
                code => WHOLE.contains(&code) && self.is_an_account(&issue.subject),
            };
            if ours && !kept.contains(&(issue.subject.clone(), issue.code)) {
                let on = Subject { partner, connection, subject: &issue.subject };
                let change = Change::of_connection(ports, actor, partner, connection);
                issues::resolve(change, ports, scope, on, issue.code).await?.commit(scope).await?;
            }
        }
        Ok(())
    }

    /// Whether an issue is about an account as a whole: runs have issues of their own about an account's packages.
    fn is_an_account(&self, subject: &str) -> bool {
        subject.strip_prefix("account/").is_some_and(|account| !account.contains('/'))
    }

    /// One issue for everything that the API user cannot see, however much it is.
    async fn unseen(&self) -> Result<()> {
        let Context { ports, scope, actor, partner, connection } = self.context;
        let on = Subject { partner, connection, subject: UNSEEN };
        let change = Change::of_connection(ports, actor, partner, connection);
        let present = self.ours.open(UNSEEN, Code::PermissionMissing);
        let words = self.seen.blind.join(" ");
        let change = match self.seen.blind.is_empty() {
            true => issues::resolve(change, ports, scope, on, Code::PermissionMissing).await?,
            false if present.is_some_and(|issue| self.is_told(issue, &words, &Told::default())) => change,
            false => issues::open(change, ports, scope, on, Code::PermissionMissing, &words).await?,
        };
        Ok(change.commit(scope).await?)
    }
}

fn of_line(line: LineRef) -> String {
    format!("line/{line}")
}
