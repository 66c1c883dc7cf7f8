//! From when a change of units counts: billing periods, and the roll past what is posted. Pure.

use super::reading::Row;
use crate::connections::settings::EffectiveFrom;
use jiff::Span;
use jiff::civil::Date;

pub use crate::calendar::day_of;

/// Posted rows that a change is moved past at most: five years of months. What is posted further ahead is for a
/// person.
const ROLLS_MAX: usize = 60;

/// What the date of a change depends on.
#[derive(Debug)]
pub struct Dating<'a> {
    /// From when it shall count.
    pub policy: EffectiveFrom,
    /// The day of the change, in the connection's zone: [`day_of`].
    pub day: Date,
    /// First day of the contract, where known.
    pub contract_start: Option<Date>,
    /// Last day of the contract, where known.
    pub contract_end: Option<Date>,
    /// The rows of the line that were read.
    pub rows: &'a [Row],
    /// Whether a date in a posted period moves on to the next period; else the caller has a rule of its own for it.
    pub roll: bool,
}

/// From when a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// From this day.
    On(Date),
    /// From this day, as the period that was meant is posted already.
    Rolled {
        /// The first day that is not posted.
        date: Date,
        /// First day of what is posted.
        posted_start: Date,
        /// Last day of what is posted.
        posted_end: Date,
    },
    /// The period that was meant is posted, and Autotask shows no row of the next: nobody can tell yet whether that
    /// may be written. To be tried again from this day.
    Unseen {
        /// The day after what is posted.
        date: Date,
        /// First day of what is posted.
        posted_start: Date,
        /// Last day of what is posted.
        posted_end: Date,
    },
    /// The contract does not run on the day that was meant.
    Outside {
        /// First day of the contract, where known.
        start: Option<Date>,
        /// Last day of the contract, where known.
        end: Option<Date>,
    },
}

/// From when a change counts. Billing periods are monthly: they begin on the day of the month on which a visible row
/// of exactly one month begins; else on that of the contract's first day; else on the 1st. In months that are too
/// short they begin on the last day, and in the next one again on their own.
#[must_use]
pub fn dated(dating: &Dating<'_>) -> Dated {
    let periods = Periods::of(dating);
    let date = match dating.policy {
        EffectiveFrom::ActualDate => dating.day,
        EffectiveFrom::NextPeriod => periods.after(dating.day),
        EffectiveFrom::PeriodStart => {
            let start = periods.start(dating.day);
            // A contract that begins within the period; one that begins after the day is not reached by it.
            dating.contract_start.filter(|first| *first <= dating.day).map_or(start, |first| start.max(first))
        }
    };
    let found = if dating.roll { rolled(dating, &periods, date) } else { Dated::On(date) };
    let (Dated::On(date) | Dated::Rolled { date, .. } | Dated::Unseen { date, .. }) = found else { return found };
    let (start, end) = (dating.contract_start, dating.contract_end);
    if start.is_some_and(|start| date < start) || end.is_some_and(|end| end < date) {
        return Dated::Outside { start, end };
    }
    found
}

/// Moves on past what is posted, to the beginning of a period.
fn rolled(dating: &Dating<'_>, periods: &Periods, meant: Date) -> Dated {
    let Some(posted) = covering(dating.rows, meant).filter(|row| row.billed) else { return Dated::On(meant) };
    let (posted_start, mut posted_end) = (posted.start, posted.end);
    let mut date = following(posted_end);
    for _ in 0..ROLLS_MAX {
        match covering(dating.rows, date) {
            None => break,
            Some(row) if row.billed => {
                posted_end = row.end;
                date = following(row.end);
            }
            // A change within a posted period splits its row, and what follows the split is no period of its own.
            Some(row) if !periods.begins(date) && row.start == date => date = periods.after(date),
            Some(_) => return Dated::Rolled { date, posted_start, posted_end },
        }
    }
    Dated::Unseen { date, posted_start, posted_end }
}

/// The row that covers a date; of several the one that starts last.
fn covering(rows: &[Row], date: Date) -> Option<&Row> {
    rows.iter().filter(|row| row.start <= date && date <= row.end).max_by_key(|row| (row.start, row.id))
}

fn following(day: Date) -> Date {
    day.tomorrow().unwrap_or(Date::MAX)
}

/// Monthly periods.
struct Periods {
    /// The day of the month on which they begin, 1 to 31.
    anchor: i8,
}

impl Periods {
    fn of(dating: &Dating<'_>) -> Self {
        let months = dating.rows.iter().filter_map(|row| Some((row, anchor_of(row)?)));
        // Of rows that disagree the one that holds the day, then the newest.
        let shown = months.max_by_key(|(row, _)| (row.start <= dating.day && dating.day <= row.end, row.start, row.id));
        let anchor = shown.map(|(_, anchor)| anchor).or(dating.contract_start.map(Date::day)).unwrap_or(1);
        Self { anchor }
    }

    /// The first day of the period that holds a day.
    fn start(&self, day: Date) -> Date {
        let this = in_month(self.anchor, day);
        if this <= day { this } else { in_month(self.anchor, moved(day.first_of_month(), -1)) }
    }

    /// The first day of the period after the one that holds a day.
    fn after(&self, day: Date) -> Date {
        in_month(self.anchor, moved(self.start(day).first_of_month(), 1))
    }

    fn begins(&self, day: Date) -> bool {
        self.start(day) == day
    }
}

/// The day of the month on which periods begin, where a row is exactly one of them. Its first day alone does not
/// tell: 28 February may stand for the 31st. Of two months that follow each other one has 31 days, so that both ends
/// together leave one answer.
fn anchor_of(row: &Row) -> Option<i8> {
    let next = following(row.end);
    if next.first_of_month() != moved(row.start.first_of_month(), 1) {
        return None;
    }
    let anchor = row.start.day().max(next.day());
    (in_month(anchor, row.start) == row.start && in_month(anchor, next) == next).then_some(anchor)
}

/// The day of the month of a date that an anchor stands for.
fn in_month(anchor: i8, of: Date) -> Date {
    of.with().day(anchor.clamp(1, of.days_in_month())).build().unwrap_or(of)
}

fn moved(day: Date, months: i32) -> Date {
    day.saturating_add(Span::new().months(months))
}

#[cfg(test)]
mod tests;
