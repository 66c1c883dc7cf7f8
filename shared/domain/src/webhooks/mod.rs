//! Webhooks of Autotask: how a callout is known to be genuine, kept, applied, reported, and what heals when some are lost.
//!
//! A callout is a hint that something changed and no more: what has changed is read from Autotask. So neither its order
//! nor its content can do harm, and what was lost is found again by looking.

mod amend;
mod apply;
mod callout;
mod changed;
mod delivery;
mod fit;
mod heal;
mod install;
mod installed;
mod look_after;
mod receive;
mod rejected;
mod replay;
mod report;
mod rows;
mod schedule;
mod signature;
mod table;
mod theirs;
mod token;
mod work;

pub use callout::{Action, Callout, NotACallout, WebhookEntity};
pub use delivery::{DELIVERY_KEPT, Delivery, DeliverySource, DeliveryStatus};
pub use install::{ENTITIES_DEFAULT, install, rotate_keys, uninstall};
pub use installed::{
    InstalledWebhook, PastWebhook, Poll, PollStep, WebhookProblem, Webhooks, WebhooksState, load_webhooks,
};
pub use look_after::look_after;
pub use receive::{Genuine, Received, Refusal, check, deactivated, flush, receive};
pub use rejected::{RejectedRow, Rejections};
pub use replay::{Only, REPLAY_MAX, ReplayRange, Replayed, replay, replay_one};
pub use report::{Below, DeliveryFilter, DeliveryId, NotADeliveryId, list_deliveries, list_rejected, read_delivery};
pub use schedule::heal_tick;
pub use signature::{SIGNATURE_HEADER, is_signed_with, sign};
pub use table::{NotAWebhookId, RowStatus, Table, TableRow, WebhookId, clean_orphans, reactivate, table};
pub use token::{GENERATION_FIRST, Hook, HookKey, HookMaster};
pub use work::{AdminMessage, EventMessage, work};

pub(crate) use table::{forget, remove_while_possible};
