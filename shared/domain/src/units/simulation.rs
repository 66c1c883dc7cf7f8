//! The protocol under seeded faults, without sockets: one line, several invocations of several runs, reads that lag,
//! POSTs that are lost, late or wrongly answered, kills at every await, pauses, hand edits, newer targets and two
//! effective dates. The machine under test is the production one; an independent checker knows only what Autotask
//! did and what the runs said.

use super::SETTLE;
use super::ledger::{Seq, UnitLine};
use super::protocol::{Action, Answer, Event, HeldWhy, Look, Order, Task, Verdict, Want, step};
use crate::ids::{ConnectionId, LineRef, PartnerId, RunId};
use crate::records::Versioned;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

mod checker;

/// Schedules in the test suite; REL-1's million runs with `SIM_SCHEDULES=1000000`.
const SCHEDULES: u64 = 100_000;
/// Within how many schedules each planted bug must be found (REL-4).
const BUG_SCHEDULES: u64 = 10_000;
/// Ticks after which a schedule counts as stuck.
const TICKS_MAX: u32 = 20_000;
/// Longest delay of a late POST, in seconds: Autotask runs a call for up to five minutes.
const LATE_MAX: u64 = 300;
/// Longest life of an invocation, in seconds: Lambda's own bound.
const INVOCATION_MAX: i64 = 900;
/// After how many seconds a writer that did not sign off is forgotten.
const WRITER_MAX: i64 = 1_800;
const DATES: [Date; 3] = [date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1)];

/// A defect planted around the machine, to prove that the checker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    BlindRetry,
    NoSettle,
    LeaseInsteadOfVersion,
    DeltaCarriedInMessage,
    TheirsBeforeOurs,
    CloseOnAnswer,
    ResetMeansNotSent,
    OlderTargetWins,
    OthersIgnored,
    SendsLate,
    JudgesByTheClockOfTheWrite,
    UnknownMeansApplied,
    LaterDatesKeepTheOldTarget,
    LaterDatesNotTakenBack,
}

const BUGS: [Bug; 14] = [
    Bug::BlindRetry,
    Bug::NoSettle,
    Bug::LeaseInsteadOfVersion,
    Bug::DeltaCarriedInMessage,
    Bug::TheirsBeforeOurs,
    Bug::CloseOnAnswer,
    Bug::ResetMeansNotSent,
    Bug::OlderTargetWins,
    Bug::OthersIgnored,
    Bug::SendsLate,
    Bug::JudgesByTheClockOfTheWrite,
    Bug::UnknownMeansApplied,
    Bug::LaterDatesKeepTheOldTarget,
    Bug::LaterDatesNotTakenBack,
];

/// SplitMix64: small, seeded, the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What Autotask did: each change of units with the time it took effect.
#[derive(Debug, Clone, Copy)]
struct Effect {
    at: i64,
    date: Date,
    change: i64,
    by_hand: bool,
}

/// What a target is computed from; only ever replaced by something newer.
#[derive(Debug, Clone)]
struct Source {
    units: i64,
    as_of: i64,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a handful of them exist at a time")]
enum Pc {
    Start,
    ReadOurs,
    ReadTheirs { ours: Option<Versioned<UnitLine>>, seen_at: i64 },
    Do(Action),
    Answer(Answer),
    Done,
}

#[derive(Debug)]
struct Actor {
    run: RunId,
    date: Date,
    pc: Pc,
    task: Option<Task>,
    ready_at: i64,
    started_at: i64,
    kills_left: u32,
    carried: Option<i64>,
    early_theirs: Option<[i64; DATES.len()]>,
    /// A person's own target: fixed at the first start, whatever is counted later. Such a run stays signed on as a
    /// writer until it is finished.
    press: Option<Option<Source>>,
    source_as_of: i64,
    verdict: Option<(Verdict, Want, i64)>,
}

struct World {
    seed: u64,
    bug: Bug,
    dice: Dice,
    now: i64,
    ledger: Option<(u64, UnitLine)>,
    initial: [i64; DATES.len()],
    effects: Vec<Effect>,
    lag: i64,
    faults: u64,
    sources: Vec<Source>,
    actors: Vec<Actor>,
    writers: Vec<(usize, i64)>,
    hand_edits_left: u32,
    posted: Vec<(u64, i64)>,
    wants: Vec<(Date, i64)>,
    refused: bool,
    newest_source: i64,
    /// Whether targets of a date count at later ones, too.
    onward: bool,
    trace: Vec<String>,
}

fn stamp(seconds: i64) -> Timestamp {
    date(2026, 12, 1).at(0, 0, 0, 0).in_tz("UTC").unwrap().timestamp() + SignedDuration::from_secs(seconds)
}

fn fresh() -> UnitLine {
    let (partner, connection) = (PartnerId::new("p").unwrap(), ConnectionId::new("c").unwrap());
    UnitLine::new(&partner, &connection, LineRef::service(1))
}

fn index(date: Date) -> usize {
    DATES.iter().position(|known| *known == date).unwrap()
}

impl World {
    fn new(seed: u64, bug: Bug) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0xA24B_AED4_963E_E407) ^ 0x5EED);
        let base = 1 + i64::try_from(dice.below(20)).unwrap();
        let later = base + i64::try_from(dice.below(3)).unwrap();
        let calm = dice.chance(5);
        let mut world = Self {
            seed,
            bug,
            now: 0,
            ledger: None,
            initial: [base, later, later],
            effects: Vec::new(),
            lag: if dice.chance(50) { 0 } else { i64::try_from(dice.below(120)).unwrap() },
            faults: if calm { 0 } else { 10 + dice.below(50) },
            sources: vec![Source { units: i64::try_from(dice.below(30)).unwrap(), as_of: -100 }],
            actors: Vec::new(),
            writers: Vec::new(),
            hand_edits_left: if dice.chance(25) { 1 + u32::try_from(dice.below(2)).unwrap() } else { 0 },
            posted: Vec::new(),
            wants: Vec::new(),
            refused: false,
            newest_source: -100,
            onward: false,
            trace: Vec::new(),
            dice,
        };
        let two_dates = world.dice.chance(20);
        world.onward = two_dates && world.dice.chance(50);
        if world.onward {
            world.set_later_dates(base);
        }
        let actors = 2 + world.dice.below(3);
        for n in 0..actors {
            // Every third actor is a duplicate delivery of the first run.
            let name = if n == 2 { "run0".to_owned() } else { format!("run{n}") };
            let date = if n == 2 || !two_dates { DATES[0] } else { world.any_date() };
            let date = if n == 2 { world.actors[0].date } else { date };
            let ready_at = i64::try_from(world.dice.below(900)).unwrap();
            world.actors.push(Actor {
                run: RunId::new(name).unwrap(),
                date,
                pc: Pc::Start,
                task: None,
                ready_at,
                started_at: 0,
                kills_left: 2,
                carried: None,
                early_theirs: None,
                press: (n == 1 && world.dice.chance(40)).then_some(None),
                source_as_of: 0,
                verdict: None,
            });
        }
        world
    }

    /// What counts onward counts at every later date, whatever earlier runs had set for those.
    fn set_later_dates(&mut self, base: i64) {
        self.initial = [base; DATES.len()];
        if self.dice.chance(50) {
            for at in 1..DATES.len() {
                self.initial[at] = i64::try_from(self.dice.below(20)).unwrap();
            }
            self.ledger = Some((1, UnitLine { kept: DATES[1..].to_vec(), ..fresh() }));
        }
    }

    fn any_date(&mut self) -> Date {
        let dates = if self.onward { DATES.len() } else { 2 };
        DATES[usize::try_from(self.dice.below(dates as u64)).unwrap()]
    }

    fn units(&self, date: Date, at: i64) -> i64 {
        let moved: i64 = self.effects.iter().filter(|e| e.at <= at && e.date <= date).map(|e| e.change).sum();
        self.initial[index(date)] + moved
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..TICKS_MAX {
            let Some(actor) = self.pick() else { return self.check_end() };
            self.disturb();
            self.tick(actor)?;
        }
        Err("the schedule does not end".to_owned())
    }

    /// Some actor that is ready; time goes on to the first one that will be.
    fn pick(&mut self) -> Option<usize> {
        self.now += i64::try_from(self.dice.below(3)).unwrap();
        let waiting: Vec<(usize, i64)> = self
            .actors
            .iter()
            .enumerate()
            .filter(|(_, a)| !matches!(a.pc, Pc::Done))
            .map(|(i, a)| (i, a.ready_at))
            .collect();
        let first = waiting.iter().map(|(_, at)| *at).min()?;
        self.now = self.now.max(first);
        let ready: Vec<usize> = waiting.iter().filter(|(_, at)| *at <= self.now).map(|(i, _)| *i).collect();
        let n = self.dice.below(ready.len() as u64);
        Some(ready[usize::try_from(n).unwrap()])
    }

    /// Newer counts and hand edits come whenever they like.
    fn disturb(&mut self) {
        if self.sources.len() < 3 && self.dice.chance(3) {
            let units = i64::try_from(self.dice.below(30)).unwrap();
            let as_of = self.fresh_time();
            self.sources.push(Source { units, as_of });
            self.trace.push(format!("{} source {units}", self.now));
        }
        if self.hand_edits_left > 0 && self.dice.chance(2) {
            self.hand_edits_left -= 1;
            let change = 1 + i64::try_from(self.dice.below(4)).unwrap();
            let date = DATES[usize::from(self.dice.chance(30))];
            self.effects.push(Effect { at: self.now, date, change, by_hand: true });
            self.trace.push(format!("{} hand {change:+} at {date}", self.now));
        }
    }

    /// A time that no other source has: intake refuses another count of the same time.
    fn fresh_time(&mut self) -> i64 {
        self.newest_source = self.now.max(self.newest_source + 1);
        self.newest_source
    }

    fn tick(&mut self, n: usize) -> Result<(), String> {
        let in_flight = !matches!(self.actors[n].pc, Pc::Start);
        if in_flight && self.actors[n].kills_left > 0 && self.dice.chance(self.faults / 10) {
            self.kill(n);
            return Ok(());
        }
        // A pause of a sandbox, within what an invocation can last.
        let left = INVOCATION_MAX - (self.now - self.actors[n].started_at);
        if in_flight && left > 0 && self.dice.chance(self.faults / 20) {
            let pause = self.dice.below(u64::try_from(left).unwrap());
            self.actors[n].ready_at = self.now + i64::try_from(pause).unwrap();
            return Ok(());
        }
        match std::mem::replace(&mut self.actors[n].pc, Pc::Start) {
            Pc::Start => self.start(n),
            Pc::ReadOurs => self.read_ours(n),
            Pc::ReadTheirs { ours, seen_at } => return self.read_theirs(n, ours, seen_at),
            Pc::Do(action) => return self.carry_out(n, action),
            Pc::Answer(answer) => {
                let now = stamp(self.now);
                return self.feed(n, Event::Answered(answer, now));
            }
            Pc::Done => {}
        }
        Ok(())
    }

    fn kill(&mut self, n: usize) {
        self.trace.push(format!("{} kill {n} in {:?}", self.now, self.actors[n].pc));
        let wait = i64::try_from(self.dice.below(1_800)).unwrap();
        let actor = &mut self.actors[n];
        actor.kills_left -= 1;
        actor.task = None;
        actor.pc = Pc::Start;
        actor.ready_at = self.now + wait;
    }

    /// An invocation begins: sign on as a writer, then read the sources.
    fn start(&mut self, n: usize) {
        let now = self.now;
        let actors = &self.actors;
        self.writers.retain(|(who, since)| *who != n && (actors[*who].press.is_some() || now - since < WRITER_MAX));
        self.writers.push((n, self.now));
        let counted = self.sources.last().unwrap().clone();
        let source = match &self.actors[n].press {
            None => counted,
            Some(Some(pressed)) => pressed.clone(),
            Some(None) => {
                let as_of = self.fresh_time();
                let pressed = Source { units: i64::try_from(self.dice.below(30)).unwrap(), as_of };
                self.actors[n].press = Some(Some(pressed.clone()));
                pressed
            }
        };
        let actor = &mut self.actors[n];
        actor.started_at = self.now;
        actor.early_theirs = None;
        actor.source_as_of = source.as_of;
        let as_of = if self.bug == Bug::OlderTargetWins { 1_000_000 } else { source.as_of };
        let seq = Seq { at: stamp(as_of), count_as_of: stamp(as_of), id: String::new() };
        let want = Want {
            units: source.units,
            effective_date: actor.date,
            cost: None,
            seq,
            pressed: actor.press.is_some(),
            onward: self.onward && self.bug != Bug::LaterDatesKeepTheOldTarget,
            run: actor.run.clone(),
        };
        self.wants.push((actor.date, source.units));
        actor.task = Some(Task::new(fresh(), want));
        actor.pc = Pc::ReadOurs;
    }

    fn read_ours(&mut self, n: usize) {
        let seen_at = self.now;
        if self.bug == Bug::TheirsBeforeOurs && self.actors[n].early_theirs.is_none() {
            let at = self.now - self.lag;
            self.actors[n].early_theirs = Some(DATES.map(|date| self.units(date, at)));
            self.actors[n].pc = Pc::ReadOurs;
            return;
        }
        let ours = self.ledger.clone().map(|(v, value)| Versioned { v, value });
        self.actors[n].pc = Pc::ReadTheirs { ours, seen_at };
    }

    fn read_theirs(&mut self, n: usize, ours: Option<Versioned<UnitLine>>, seen_at: i64) -> Result<(), String> {
        let at = self.now - self.lag;
        let mut units = DATES.map(|date| self.units(date, at));
        if let Some(early) = self.actors[n].early_theirs.take() {
            units = early;
        }
        if self.bug == Bug::DeltaCarriedInMessage {
            let i = index(self.actors[n].date);
            units[i] = *self.actors[n].carried.get_or_insert(units[i]);
        }
        let others = self.bug != Bug::OthersIgnored && self.others(n);
        let now = stamp(self.now);
        let seen_at = match self.bug {
            Bug::NoSettle => now + SETTLE + SETTLE,
            // Takes the time of judging for the time of looking.
            Bug::JudgesByTheClockOfTheWrite => stamp(self.now + 700),
            _ => stamp(seen_at),
        };
        if self.bug == Bug::LaterDatesNotTakenBack {
            // Looks at later dates as if they had what the run's own has.
            let own = index(self.actors[n].date);
            let of_own = units[own];
            units[own..].fill(of_own);
        }
        let theirs = move |date: Date| Some(units[index(date)]);
        let look = Look { ours, theirs: &theirs, seen_at, now, others };
        self.feed(n, Event::Looked(&look))
    }

    fn feed(&mut self, n: usize, event: Event<'_>) -> Result<(), String> {
        let task = self.actors[n].task.as_mut().unwrap();
        let action = step(task, event);
        self.trace.push(format!("{} actor{n} -> {action:?}", self.now));
        match action {
            Action::Look => self.actors[n].pc = Pc::ReadOurs,
            Action::Confirm => {
                self.actors[n].pc = Pc::ReadOurs;
                self.actors[n].ready_at = self.now + i64::try_from(self.dice.below(60)).unwrap();
            }
            Action::Wait(until) => {
                self.sign_off(n);
                let until = (until.as_second() - stamp(0).as_second()).max(self.now);
                self.actors[n].ready_at = until + i64::try_from(self.dice.below(30)).unwrap();
                self.actors[n].pc = Pc::Start;
            }
            Action::Finish(verdict) => return self.finish(n, verdict),
            action @ (Action::Put { .. } | Action::Post(_)) => self.actors[n].pc = Pc::Do(action),
        }
        Ok(())
    }

    fn sign_off(&mut self, n: usize) {
        let finished = self.actors[n].verdict.is_some();
        if self.actors[n].press.is_none() || finished {
            self.writers.retain(|(who, _)| *who != n);
        }
    }

    /// Whether another writer is signed on.
    fn others(&self, n: usize) -> bool {
        let sticky = |who: usize| self.actors[who].press.is_some();
        self.writers.iter().any(|(who, since)| *who != n && (sticky(*who) || self.now - since < WRITER_MAX))
    }

    fn carry_out(&mut self, n: usize, action: Action) -> Result<(), String> {
        match action {
            Action::Put { expect, record } => {
                let v = self.ledger.as_ref().map(|(v, _)| *v);
                if v == expect || self.bug == Bug::LeaseInsteadOfVersion {
                    self.ledger = Some((v.unwrap_or(0) + 1, *record));
                    self.feed(n, Event::Stored)
                } else {
                    self.feed(n, Event::Conflict)
                }
            }
            Action::Post(order) => {
                self.post(n, &order);
                Ok(())
            }
            _ => Err("nothing to carry out".to_owned()),
        }
    }

    /// The POST leaves, and something happens to it.
    fn post(&mut self, n: usize, order: &Order) {
        let left = Duration::from_secs(
            u64::try_from((INVOCATION_MAX - (self.now - self.actors[n].started_at)).max(0)).unwrap(),
        );
        let may = order.may_leave(stamp(self.now), left, Duration::from_secs(60));
        if !may && self.bug != Bug::SendsLate {
            self.actors[n].pc = Pc::Answer(Answer::NotSent);
            return;
        }
        let attempt = self.ledger.as_ref().map_or(0, |(_, line)| line.attempts);
        self.posted.push((attempt, self.now));
        let apply_at = |at: i64| Effect { at, date: order.effective_date, change: order.change, by_hand: false };
        let faulty = self.dice.chance(self.faults);
        let fate = if faulty { self.dice.below(7) } else { 0 };
        let (effect, answer) = match fate {
            0 => (Some(self.now), Answer::Acked(Some(1))),
            1 => (Some(self.now), Answer::Unknown(None)),
            2 => (Some(self.now), Answer::Unknown(Some("500".to_owned()))),
            3 => (None, Answer::Unknown(self.dice.chance(50).then(|| "500".to_owned()))),
            4 => (Some(self.now + 1 + i64::try_from(self.dice.below(LATE_MAX)).unwrap()), Answer::Unknown(None)),
            5 => (None, Answer::NotSent),
            _ => {
                self.refused = true;
                (None, Answer::Refused("no".to_owned()))
            }
        };
        self.effects.extend(effect.map(apply_at));
        self.trace.push(format!("{} actor{n} POST {:+} fate {fate}", self.now, order.change));
        let answer = match (self.bug, answer) {
            (Bug::BlindRetry, Answer::Unknown(_)) => {
                self.effects.push(apply_at(self.now));
                Answer::Acked(None)
            }
            (Bug::ResetMeansNotSent, Answer::Unknown(_)) => Answer::NotSent,
            (_, answer) => answer,
        };
        if matches!(self.bug, Bug::CloseOnAnswer | Bug::UnknownMeansApplied) {
            let wanted = if self.bug == Bug::CloseOnAnswer {
                answer == Answer::Acked(Some(1))
            } else {
                matches!(answer, Answer::Unknown(_))
            };
            if wanted {
                self.close_unseen(n, order);
                return;
            }
        }
        self.actors[n].pc = Pc::Answer(answer);
    }

    /// What a hasty client does: takes the answer for the effect.
    fn close_unseen(&mut self, n: usize, order: &Order) {
        if let Some((v, line)) = &mut self.ledger {
            *v += 1;
            line.open = None;
        }
        let want = self.actors[n].task.as_ref().unwrap().want().clone();
        let verdict = Verdict::Changed { before: want.units - order.change, units: want.units, item: None };
        self.actors[n].verdict = Some((verdict, want, self.now));
        self.actors[n].pc = Pc::Done;
        self.sign_off(n);
    }

    /// Whether a change was lost as often as it may be sent.
    fn gave_up(&self) -> bool {
        let tries = |a: &Actor| matches!(&a.verdict, Some((Verdict::Held { why: HeldWhy::Tries, .. }, ..)));
        self.actors.iter().any(tries)
    }

    fn finish(&mut self, n: usize, verdict: Verdict) -> Result<(), String> {
        let want = self.actors[n].task.as_ref().unwrap().want().clone();
        self.actors[n].pc = Pc::Done;
        let hands = self.effects.iter().any(|e| e.by_hand);
        if let Verdict::Held { why, .. } = &verdict
            && !hands
            && !matches!(why, HeldWhy::Tries | HeldWhy::Busy)
            && !(*why == HeldWhy::Earlier && (self.refused || self.gave_up()))
        {
            return Err(format!("held without a hand edit: {verdict:?}"));
        }
        self.actors[n].verdict = Some((verdict, want, self.now));
        self.sign_off(n);
        Ok(())
    }
}

fn find(bug: Bug, schedules: u64) -> Option<(u64, String)> {
    (0..schedules).find_map(|seed| {
        let mut world = World::new(seed, bug);
        world.run().err().map(|what| {
            let trace = world.trace.join("\n");
            (
                seed,
                format!(
                    "seed {} ({:?}): {what}\ninitial {:?} lag {}\n{trace}",
                    world.seed, bug, world.initial, world.lag
                ),
            )
        })
    })
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a longer run is asked for by hand")]
fn no_schedule_of_faults_bills_a_unit_twice_or_misreports_a_line() {
    let schedules = std::env::var("SIM_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(SCHEDULES);
    let half = schedules / 2;
    let (low, high) = std::thread::scope(|scope| {
        let low = scope.spawn(move || (0..half).find_map(wrong));
        let high = scope.spawn(move || (half..schedules).find_map(wrong));
        (low.join().unwrap(), high.join().unwrap())
    });
    if let Some(found) = low.or(high) {
        panic!("{found}");
    }
}

fn wrong(seed: u64) -> Option<String> {
    let mut world = World::new(seed, Bug::None);
    let what = world.run().err()?;
    Some(format!("seed {seed}: {what}\ninitial {:?} lag {}\n{}", world.initial, world.lag, world.trace.join("\n")))
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in [1, 77, 4_242] {
        let trace = |seed| {
            let mut world = World::new(seed, Bug::None);
            world.run().unwrap();
            world.trace
        };
        assert_eq!(trace(seed), trace(seed));
    }
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in BUGS {
        let found = find(bug, BUG_SCHEDULES);
        assert!(found.is_some(), "{bug:?} was not seen in {BUG_SCHEDULES} schedules");
    }
}
