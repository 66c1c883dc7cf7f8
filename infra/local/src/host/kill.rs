//! Killing an invocation in the worst moment: its request has arrived and been answered, and nobody knows.

use super::real;
use async_trait::async_trait;
use autotask::transport::{Request, Response, Transport, TransportError};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Which invocations count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every background invocation: queues, schedules, events.
    Background,
    /// Those and API requests.
    Everything,
    /// One function's, whatever started it.
    Function(String),
}

/// A kill that waits for its request.
#[derive(Debug, Clone, Default)]
pub struct Kill(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(u32, Scope)>,
    /// Taken by a request whose answer has not come yet.
    falling: bool,
    fired: bool,
}

impl Kill {
    /// Kills at the `after`-th request (from 1) counted from now; once.
    pub fn arm(&self, after: u32, scope: Scope) {
        *self.lock() = State { armed: Some((after.max(1), scope)), falling: false, fired: false };
    }

    /// Whether it still waits, and whether it has killed.
    #[must_use]
    pub fn status(&self) -> (bool, bool) {
        let state = self.lock();
        (state.armed.is_some() || state.falling, state.fired)
    }

    fn takes(&self, invocation: &Invocation) -> bool {
        let mut state = self.lock();
        let Some((left, scope)) = &mut state.armed else { return false };
        let counts = match scope {
            Scope::Background => !invocation.api,
            Scope::Everything => true,
            Scope::Function(name) => invocation.function == name.as_str(),
        };
        if !counts {
            return false;
        }
        *left -= 1;
        if *left > 0 {
            return false;
        }
        state.armed = None;
        state.falling = true;
        true
    }

    fn fall(&self) {
        let mut state = self.lock();
        state.falling = false;
        state.fired = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One run of a function's handler.
#[derive(Debug, Clone)]
struct Invocation {
    function: &'static str,
    api: bool,
    cut: Arc<Notify>,
}

tokio::task_local! {
    static INVOCATION: Invocation;
}

/// Runs a handler so that it can be killed; `None` when it was.
pub(crate) async fn killable<T>(function: &'static str, api: bool, handler: impl Future<Output = T>) -> Option<T> {
    let invocation = Invocation { function, api, cut: Arc::new(Notify::new()) };
    let cut = Arc::clone(&invocation.cut);
    tokio::select! {
        biased;
        () = cut.notified() => None,
        answer = INVOCATION.scope(invocation, handler) => Some(answer),
    }
}

/// The way to Autotask, past the kill.
pub struct KillableTransport {
    inner: Arc<dyn Transport>,
    kill: Kill,
}

impl KillableTransport {
    /// Sends by `inner`, unless `kill` takes the request.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>, kill: Kill) -> Self {
        Self { inner, kill }
    }
}

impl fmt::Debug for KillableTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KillableTransport").field("kill", &self.kill.status()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for KillableTransport {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let taken = INVOCATION.try_with(|invocation| self.kill.takes(invocation).then(|| Arc::clone(&invocation.cut)));
        let Ok(Some(cut)) = taken else { return self.inner.send(request).await };
        let (inner, kill) = (Arc::clone(&self.inner), self.kill.clone());
        real::spawn(async move {
            // Whatever the answer is, nobody will see it.
            let _ = inner.send(request).await;
            kill.fall();
            cut.notify_one();
        });
        std::future::pending().await
    }
}
