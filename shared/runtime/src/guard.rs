//! A panic ends one request or one record, not the process.

use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;

/// Something panicked; what and where was logged by the panic hook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(String);

/// Runs a future to its end or its panic. Unwind safety: what a panic leaves half done lies in the
/// future, which is dropped, or in storage, which has only whole writes.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| Panicked(text(&*payload)))
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_owned())
}
