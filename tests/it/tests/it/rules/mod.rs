//! The rules of package billing as they show through the routes: daily counts, settings, schedules.

mod daily_counts;
