//! The independent checker: it knows only what Autotask did, what was asked for, and what the runs said.

use super::super::protocol::Verdict;
use super::{Actor, Bug, DATES, Effect, World, index};
use jiff::civil::Date;

impl World {
    /// Everything that must be so when nobody has anything left to do.
    pub(super) fn check_end(&self) -> Result<(), String> {
        self.each_intent_posts_once()?;
        if self.bug != Bug::CloseOnAnswer && self.ledger.as_ref().is_some_and(|(_, line)| line.open.is_some()) {
            return Err("an intent stays open".to_owned());
        }
        self.values_are_before_or_target()?;
        self.reports_are_true()?;
        self.newest_target_stands()
    }

    fn each_intent_posts_once(&self) -> Result<(), String> {
        let mut attempts: Vec<u64> = self.posted.iter().map(|(attempt, _)| *attempt).collect();
        attempts.sort_unstable();
        let before = attempts.len();
        attempts.dedup();
        if attempts.len() == before { Ok(()) } else { Err("one intent was posted twice".to_owned()) }
    }

    /// Without hand edits each of our effects leads from a wanted value to a wanted value.
    fn values_are_before_or_target(&self) -> Result<(), String> {
        if self.effects.iter().any(|e| e.by_hand) || self.actors.iter().any(|a| a.date != DATES[0]) {
            return Ok(());
        }
        let mut effects = self.effects.clone();
        effects.sort_by_key(|e| e.at);
        let mut units = self.initial[0];
        for effect in effects {
            units += effect.change;
            if !self.wants.iter().any(|(_, wanted)| *wanted == units) {
                return Err(format!("units were {units}, which nobody wanted"));
            }
        }
        Ok(())
    }

    /// A line that is reported changed or unchanged had the reported units, as far as reads can show, at some time
    /// between the first look and the report.
    fn reports_are_true(&self) -> Result<(), String> {
        for actor in &self.actors {
            let Some((verdict, want, at)) = &actor.verdict else {
                return Err("a run has no word on the line".to_owned());
            };
            let units = match verdict {
                Verdict::Changed { units, .. } | Verdict::Unchanged { units } => *units,
                _ => continue,
            };
            if units != want.units {
                return Err(format!("{verdict:?} for a target of {}", want.units));
            }
            let mut effects: Vec<&Effect> = self.effects.iter().filter(|e| e.at <= *at).collect();
            effects.sort_by_key(|e| e.at);
            let mut value = self.initial[index(want.effective_date)];
            let mut was_so = value == units;
            for effect in effects.into_iter().filter(|e| e.date <= want.effective_date) {
                value += effect.change;
                was_so |= value == units;
            }
            if !was_so {
                return Err(format!("{verdict:?} was never so"));
            }
        }
        Ok(())
    }

    /// Where the newest target was reported written or standing, it stands, unless a person changed the line since
    /// we last looked.
    fn newest_target_stands(&self) -> Result<(), String> {
        for date in DATES {
            let words = self.actors.iter().filter(|a| a.date == date);
            let words = words.filter_map(|a| Some((a.source_as_of, a.verdict.as_ref()?)));
            let good = words.filter(|(_, (v, ..))| matches!(v, Verdict::Changed { .. } | Verdict::Unchanged { .. }));
            let newest = good.max_by_key(|(as_of, (_, _, at))| (*as_of, *at));
            if self.onward && date == DATES[1] && self.newest_is_of_the_first_date() {
                self.onward_target_stands()?;
                continue;
            }
            let Some((as_of, (verdict, want, _))) = newest else { continue };
            if self.effects.iter().any(|e| e.by_hand) || self.moved_along(verdict, date) {
                continue;
            }
            let end = self.units(date, i64::MAX);
            // Somebody else's word on the line is open (held after three lost tries): that run names it.
            let unsaid = self.actors.iter().any(|a| a.source_as_of >= as_of && self.names_the_rest(a));
            if end != want.units && !unsaid {
                return Err(format!("{end} units at {date} at the end, the newest target is {}", want.units));
            }
        }
        Ok(())
    }

    fn newest_of_all(&self) -> Option<&Actor> {
        let good = |actor: &&Actor| {
            let verdict = actor.verdict.as_ref();
            verdict.is_some_and(|(v, ..)| matches!(v, Verdict::Changed { .. } | Verdict::Unchanged { .. }))
        };
        let at = |actor: &&Actor| (actor.source_as_of, actor.verdict.as_ref().map(|(_, _, at)| *at));
        self.actors.iter().filter(good).max_by_key(at)
    }

    fn newest_is_of_the_first_date(&self) -> bool {
        self.newest_of_all().is_some_and(|actor| actor.date == DATES[0])
    }

    /// A newest target that counts onward also stands where we ourselves had written another for later.
    fn onward_target_stands(&self) -> Result<(), String> {
        let Some(actor) = self.newest_of_all() else { return Ok(()) };
        let Some((Verdict::Changed { .. }, want, _)) = &actor.verdict else { return Ok(()) };
        let ours_later = self.effects.iter().any(|e| !e.by_hand && e.date == DATES[1]);
        let named = self.actors.iter().any(|a| a.source_as_of >= actor.source_as_of && self.names_the_rest(a));
        if self.effects.iter().any(|e| e.by_hand) || !ours_later || named {
            return Ok(());
        }
        match self.units(DATES[1], i64::MAX) {
            end if end == want.units => Ok(()),
            end => Err(format!("{end} units later, the newest target counts onward and is {}", want.units)),
        }
    }

    /// Whether a run's own word tells why units are not at its target.
    fn names_the_rest(&self, actor: &Actor) -> bool {
        match &actor.verdict {
            Some((Verdict::Held { .. } | Verdict::Refused(_), ..)) => true,
            // Superseded by a newer target of the other date: what it had written before stands.
            Some((Verdict::Superseded { .. }, ..)) => self.actors.iter().any(|other| other.date != actor.date),
            _ => false,
        }
    }

    /// Units that stood already at a later date were not written by us, so a change before them moves them along.
    fn moved_along(&self, verdict: &Verdict, date: Date) -> bool {
        matches!(verdict, Verdict::Unchanged { .. })
            && date == DATES[1]
            && self.actors.iter().any(|a| a.date == DATES[0])
    }
}
