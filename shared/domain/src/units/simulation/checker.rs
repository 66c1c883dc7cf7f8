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

    /// Without hand edits each of our effects leads from a wanted value to a wanted value: at the one date of all runs,
    /// or at every date, where what is wanted counts onward.
    fn values_are_before_or_target(&self) -> Result<(), String> {
        let one_date = self.actors.iter().all(|a| a.date == DATES[0]);
        if self.effects.iter().any(|e| e.by_hand) || !(one_date || self.onward) {
            return Ok(());
        }
        let mut effects = self.effects.clone();
        effects.sort_by_key(|e| e.at);
        let dates = if self.onward { &DATES[..] } else { &DATES[..1] };
        let mut units = self.initial;
        for effect in effects {
            for date in dates.iter().filter(|date| effect.date <= **date) {
                let units = &mut units[index(*date)];
                *units += effect.change;
                let was_there = self.onward && self.initial.contains(units);
                if !was_there && !self.wants.iter().any(|(_, wanted)| wanted == units) {
                    return Err(format!("units were {units} at {date}, which nobody wanted"));
                }
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
        if self.onward {
            return DATES.into_iter().try_for_each(|date| self.onward_target_stands(date));
        }
        for date in DATES {
            let words = self.actors.iter().filter(|a| a.date == date);
            let words = words.filter_map(|a| Some((a.source_as_of, a.verdict.as_ref()?)));
            let good = words.filter(|(_, (v, ..))| matches!(v, Verdict::Changed { .. } | Verdict::Unchanged { .. }));
            let newest = good.max_by_key(|(as_of, (_, _, at))| (*as_of, *at));
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

    /// What counts onward stands at its date and at each later one, until a newer one begins.
    fn onward_target_stands(&self, date: Date) -> Result<(), String> {
        let good = |actor: &&Actor| {
            let verdict = actor.verdict.as_ref();
            verdict.is_some_and(|(v, ..)| matches!(v, Verdict::Changed { .. } | Verdict::Unchanged { .. }))
        };
        let at = |actor: &&Actor| (actor.source_as_of, actor.verdict.as_ref().map(|(_, _, at)| *at));
        let newest = self.actors.iter().filter(|a| a.date <= date).filter(good).max_by_key(at);
        let Some(actor) = newest else { return Ok(()) };
        let Some((verdict, want, _)) = &actor.verdict else { return Ok(()) };
        // A run that finds its own date right does not look at later ones; and see `moved_along`.
        let unchanged = matches!(verdict, Verdict::Unchanged { .. });
        let unseen = unchanged && (actor.date < date || self.moved_along(verdict, date));
        let named = self.actors.iter().any(|a| a.source_as_of >= actor.source_as_of && self.names_the_rest(a));
        if self.effects.iter().any(|e| e.by_hand) || unseen || named {
            return Ok(());
        }
        match self.units(date, i64::MAX) {
            end if end == want.units => Ok(()),
            end => Err(format!("{end} units at {date}, the newest target counts onward and is {}", want.units)),
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
        matches!(verdict, Verdict::Unchanged { .. }) && self.actors.iter().any(|a| a.date < date)
    }
}
