//! Telling people by mail what happened: whom, of what, and at most once an hour.
//!
//! What happened comes from the bundle's own events, so that no flow waits for a mail and none is forgotten. It is put
//! into one record of the connection first, and mailed from there: an event that comes twice is told once, a mail that
//! does not go out stays, and 200 failures are one mail.

mod compose;
mod daily;
mod hear;
mod preferences;
mod send;
mod state;
mod test_mail;

pub use daily::{REMIND_EVERY, Ticked, tick};
pub use hear::{HEARS, HEARS_ISSUES, ISSUE_OPENED, hear};
pub use preferences::{
    EventKind, Notifications, NotificationsInput, NotificationsRecord, RECIPIENTS_MAX, Shown, notifications_of,
    put_notifications, read_notifications,
};
pub use state::{GATHER, GIVE_UP, MAIL_EVERY, NOTICES_MAX, Notice, NotifyState, RETRY_AWAY, SENDING, Sending};
pub use test_mail::{TEST_EVERY, send_test};
