//! Webhooks of Autotask: how a callout is known to be genuine, kept, applied, reported, and what heals when some are lost.
//!
//! A callout is a hint that something changed and no more: what has changed is read from Autotask. So neither its order
//! nor its content can do harm, and what was lost is found again by looking.

mod apply;
mod callout;
mod changed;
mod delivery;
mod installed;
mod receive;
mod rejected;
mod rows;
mod signature;
mod token;
mod work;

pub use callout::{Action, Callout, NotACallout, WebhookEntity};
pub use delivery::{DELIVERY_KEPT, Delivery, DeliverySource, DeliveryStatus};
pub use installed::{InstalledWebhook, Webhooks, WebhooksState, load_webhooks};
pub use receive::{Genuine, Received, Refusal, check, deactivated, flush, receive};
pub use rejected::{RejectedRow, Rejections};
pub use signature::{SIGNATURE_HEADER, is_signed_with, sign};
pub use token::{GENERATION_FIRST, Hook, HookKey, HookMaster};
pub use work::{AdminMessage, EventMessage, work};
