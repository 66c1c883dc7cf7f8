//! Callouts of Autotask's webhooks.

use domain::Scope;

/// The scope in which refused callouts are counted, which belong to nobody. An accepted one narrows to the partner that
/// its URL proves.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a refused callout is nobody's")]
pub fn scope() -> Scope {
    Scope::system("a webhook's receiver")
}
