//! The simulator as a library.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use crate::api::{self, Setting};
use crate::auth;
use crate::clock::Clock;
use crate::faults::{ActiveFault, Fault};
use crate::inspect;
use crate::limits::{InFlight, Slot};
use crate::persist::{self, Record};
use crate::routes::{Target, resolve};
use crate::rows::insert;
use crate::schema::{Entity, catalogue};
use crate::spec::{Database, DatabaseSpec, PAGE_SIZE_MAX, digest};
use crate::state::{AppliedAdjustment, Db, LoggedRequest, Meta, State, Tenant};
use crate::switches::Switches;
use crate::wire::{Outcome, Response, WireRequest};

/// How a simulator is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it can be reached, with a trailing slash; zone and page URLs begin with it.
    pub base_url: Url,
    /// Where its state lies; none keeps it in memory.
    pub data: Option<PathBuf>,
    /// Decides every dice that has no seed of its own.
    pub seed: u64,
    /// Unconfirmed behaviours. A folder with state has its own, which win.
    pub switches: Switches,
    /// How long, in real time, one callout may take.
    pub callout_timeout: Duration,
}

/// How long Autotask waits for the answer to a callout.
pub const CALLOUT_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Options {
    fn default() -> Self {
        Self {
            base_url: Url::parse("https://webservices99.autotask.net/").expect("a literal URL"),
            data: None,
            seed: 0,
            switches: Switches::default(),
            callout_timeout: CALLOUT_TIMEOUT,
        }
    }
}

/// A wish that cannot be met.
#[derive(Debug)]
pub struct SimulatorError(pub(crate) String);

impl std::fmt::Display for SimulatorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SimulatorError {}

/// A stateful Autotask. Clones share one state.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    base: Url,
    seed: u64,
    state: Mutex<State>,
    in_flight: InFlight,
    callout_timeout: Duration,
    /// There are new callouts.
    raised: Notify,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A simulator, with the state of `options.data` if there is one.
    ///
    /// # Panics
    /// If the folder cannot be read or written; use [`Simulator::open`] to be told instead.
    pub fn new(clock: Arc<dyn Clock>, options: Options) -> Simulator {
        Self::open(clock, options).expect("the simulator's folder can be read and written")
    }

    /// A simulator, with the state of `options.data` if there is one.
    pub fn open(clock: Arc<dyn Clock>, options: Options) -> std::io::Result<Simulator> {
        let mut state = match &options.data {
            Some(folder) => persist::open(folder)?,
            None => State::default(),
        };
        if state.databases.is_empty() {
            state.switches = options.switches;
        }
        let inner = Inner {
            clock,
            base: with_slash(options.base_url),
            seed: options.seed,
            state: Mutex::new(state),
            in_flight: InFlight::default(),
            callout_timeout: options.callout_timeout,
            raised: Notify::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where this simulator says it can be reached.
    pub fn base_url(&self) -> &Url {
        &self.inner.base
    }

    /// Handles one request, the inspection routes under `/_sim` included. Waits for nothing: a
    /// delay is told in the outcome and carried out by who holds the connection.
    pub fn handle(&self, request: WireRequest) -> Outcome {
        let slot = self.enter(&request);
        self.handle_in(&request, &slot)
    }

    /// Takes a place among the requests in flight, to be held until the answer is out.
    pub(crate) fn enter(&self, request: &WireRequest) -> Slot {
        let endpoint = match resolve(&request.method, &request.path).target {
            Target::Call(call) => call.endpoint(),
            Target::Nowhere | Target::WrongVerb => None,
        };
        let user = request.header_text("UserName").unwrap_or_default().to_lowercase();
        let code = request.header_text("ApiIntegrationCode").unwrap_or_default();
        Slot::take(&self.inner.in_flight, endpoint.map(|endpoint| format!("{}/{user}/{endpoint}", digest(code))))
    }

    pub(crate) fn handle_in(&self, request: &WireRequest, slot: &Slot) -> Outcome {
        let mut state = self.lock();
        let setting = self.setting();
        let outcome = if request.path.starts_with("/_sim/") {
            drop(state);
            let response = inspect::answer(self, request);
            state = self.lock();
            Outcome::respond(response)
        } else {
            api::answer(&mut state, setting, request, slot.over)
        };
        self.tell_of_callouts(&mut state);
        match state.journal.flush() {
            Ok(()) => outcome,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the simulator's state cannot be written");
                Outcome::respond(Response::error(503, "The simulator cannot write its state."))
            }
        }
    }

    /// Applies what came late and is due by the clock. Every request does this first, too.
    pub fn run_due(&self) {
        self.changing(|_, _| ());
    }

    /// Sets up a database with its API user, its own company (id 0) and two resources.
    pub fn add_database(&self, spec: DatabaseSpec) -> Result<Database, SimulatorError> {
        self.changing(|state, setting| {
            if spec.username.trim().is_empty() || state.user(&spec.username).is_some() {
                return Err(SimulatorError("the user name is empty or taken".to_owned()));
            }
            let highest = state.databases.iter().map(|db| db.meta.ci).max();
            let ci = spec.ci.unwrap_or(highest.map_or(FIRST_CI, |highest| highest + 1));
            if state.database(ci).is_some() {
                return Err(SimulatorError(format!("there is a database {ci}")));
            }
            let index = state.databases.len();
            let username = spec.username.clone();
            state.databases.push(Db::new(meta(spec, ci)));
            state.keep_meta(index);
            let resource_id = furnish(&mut state.tenant(index, setting.now), &username);
            state.databases[index].meta.resource_id = resource_id;
            state.keep_meta(index);
            Ok(database(state, setting.base, index))
        })
    }

    /// The databases there are.
    pub fn databases(&self) -> Vec<Database> {
        self.changing(|state, setting| {
            (0..state.databases.len()).map(|index| database(state, setting.base, index)).collect()
        })
    }

    /// The database of an API user.
    pub fn database_of(&self, username: &str) -> Option<Database> {
        self.changing(|state, setting| state.user(username).map(|index| database(state, setting.base, index)))
    }

    /// Moves a database to another zone: the look-up tells `zone`, requests elsewhere get 401.
    pub fn move_database(&self, ci: u64, zone: Url) -> Result<(), SimulatorError> {
        self.with_meta(ci, |meta| meta.moved_to = Some(with_slash(zone)))
    }

    /// Changes what a database's user may do.
    pub fn set_permissions(&self, ci: u64, permissions: crate::spec::Permissions) -> Result<(), SimulatorError> {
        self.with_meta(ci, |meta| meta.permissions = permissions)
    }

    /// Shows or hides costs.
    pub fn set_costs_readable(&self, ci: u64, readable: bool) -> Result<(), SimulatorError> {
        self.with_meta(ci, |meta| meta.costs_readable = readable)
    }

    /// Bounds how many webhooks the API user may have; `None` lifts the bound.
    pub fn set_webhooks_max(&self, ci: u64, most: Option<u32>) -> Result<(), SimulatorError> {
        self.with_meta(ci, |meta| meta.webhooks_max = most)
    }

    /// Changes the API user's secret, as a person in Autotask would; unlocks the user.
    pub fn set_secret(&self, ci: u64, secret: &str) -> Result<(), SimulatorError> {
        self.with_meta(ci, |meta| {
            meta.secret = digest(secret);
            meta.failed_logins = 0;
        })
    }

    /// Gives a database another API user, as a person in Autotask would: who logs in from now on. The one of before stays
    /// among the resources; it is switched off there (`isActive`), or not.
    ///
    /// # Errors
    /// If the database is unknown, or the user name taken.
    pub fn set_api_user(&self, ci: u64, username: &str, secret: &str) -> Result<i64, SimulatorError> {
        let row = json!({"firstName": "API", "lastName": "User", "userName": username, "licenseType": 7});
        if self.database_of(username).is_some() {
            return Err(SimulatorError("the user name is taken".to_owned()));
        }
        let ids = self.insert(ci, "Resources", &[row])?;
        let id = *ids.first().ok_or_else(|| SimulatorError("the resource was not made".to_owned()))?;
        self.with_meta(ci, |meta| {
            (meta.username, meta.secret) = (username.to_owned(), digest(secret));
            (meta.resource_id, meta.failed_logins) = (id, 0);
        })?;
        Ok(id)
    }

    /// Every request since the log was cleared.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.lock().log.clone()
    }

    /// Empties the log; numbers go on.
    pub fn clear_requests(&self) {
        self.changing(|state, _| {
            state.log.clear();
            let seq = state.next_seq;
            state.journal.record(|| Record::ClearRequests(seq));
        });
    }

    /// Every adjustment that took effect, in that order, over all databases.
    pub fn adjustments(&self) -> Vec<AppliedAdjustment> {
        self.changing(|state, _| state.adjustments.clone())
    }

    /// Puts a fault into force. Answers its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.changing(|state, _| {
            state.next_fault += 1;
            let id = state.next_fault;
            state.faults.push(ActiveFault { id, fault, hits: 0, rolls: 0 });
            state.keep_faults();
            id
        })
    }

    /// Faults in force, with their hits.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.lock().faults.clone()
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.changing(|state, _| {
            state.faults.clear();
            state.keep_faults();
        });
    }

    /// Ends one fault.
    pub fn remove_fault(&self, id: u64) {
        self.changing(|state, _| {
            state.faults.retain(|fault| fault.id != id);
            state.keep_faults();
        });
    }

    /// The switches as they stand.
    pub fn switches(&self) -> Switches {
        self.lock().switches.clone()
    }

    /// Changes switches.
    pub fn switches_mut(&self, change: impl FnOnce(&mut Switches)) {
        self.changing(|state, _| {
            change(&mut state.switches);
            let switches = state.switches.clone();
            state.journal.record(|| Record::Switches(switches));
        });
    }

    /// The day it is, in UTC.
    pub fn today(&self) -> Date {
        self.inner.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    fn setting(&self) -> Setting<'_> {
        Setting { base: &self.inner.base, seed: self.inner.seed, now: self.inner.clock.now() }
    }

    /// The state with everything applied that is due.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        api::run_due(&mut state, self.setting());
        state
    }

    fn tell_of_callouts(&self, state: &mut State) {
        if state.callouts.take_news() {
            self.inner.raised.notify_one();
        }
    }

    /// Returns once there are new callouts.
    pub(crate) async fn callouts_raised(&self) {
        self.inner.raised.notified().await;
    }

    /// Returns once somebody moved the clock.
    pub(crate) async fn clock_moved(&self) {
        self.inner.clock.moved().await;
    }

    pub(crate) fn callout_timeout(&self) -> Duration {
        self.inner.callout_timeout
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn changing<T>(&self, change: impl FnOnce(&mut State, Setting) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state, self.setting());
        self.tell_of_callouts(&mut state);
        if let Err(error) = state.journal.flush() {
            tracing::error!(error = &error as &dyn std::error::Error, "the simulator's state cannot be written");
        }
        result
    }

    fn with_meta(&self, ci: u64, change: impl FnOnce(&mut Meta)) -> Result<(), SimulatorError> {
        self.changing(|state, _| {
            let index = state.database(ci).ok_or_else(|| no_database(ci))?;
            change(&mut state.databases[index].meta);
            state.keep_meta(index);
            Ok(())
        })
    }

    pub(crate) fn with_tenant<T>(
        &self,
        ci: u64,
        entity: &str,
        change: impl FnOnce(&mut Tenant, &'static Entity) -> Result<T, SimulatorError>,
    ) -> Result<T, SimulatorError> {
        self.changing(|state, setting| {
            let index = state.database(ci).ok_or_else(|| no_database(ci))?;
            let entity =
                catalogue().entity(entity).ok_or_else(|| SimulatorError(format!("there is no entity {entity}")))?;
            change(&mut state.tenant(index, setting.now).by_hand(), entity)
        })
    }
}

const FIRST_CI: u64 = 700_123;

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url
}

fn meta(spec: DatabaseSpec, ci: u64) -> Meta {
    Meta {
        ci,
        username: spec.username,
        secret: digest(&spec.secret),
        integration_code: digest(&spec.integration_code),
        permissions: spec.permissions,
        page_size: spec.page_size.clamp(1, PAGE_SIZE_MAX),
        costs_readable: spec.costs_readable,
        hourly_threshold: spec.hourly_threshold,
        locked_after: spec.locked_after,
        resource_id: 0,
        moved_to: None,
        failed_logins: 0,
        webhooks_max: spec.webhooks_max,
    }
}

/// What every database has from its first day. Answers the API user's resource id.
fn furnish(tenant: &mut Tenant, username: &str) -> i64 {
    let resources = catalogue().known("Resources");
    let resource = |tenant: &mut Tenant, row: Value| insert(tenant, resources, &row).unwrap_or_default();
    let owner = resource(
        tenant,
        json!({
            "firstName": "Morgan", "lastName": "Reyes", "userName": "mreyes", "licenseType": 1,
        }),
    );
    let api_user = resource(
        tenant,
        json!({
            "firstName": "API", "lastName": "User", "userName": username, "licenseType": 7,
        }),
    );
    let own = json!({
        "id": 0, "companyName": "Our own company", "companyType": 1, "phone": "555-0100", "ownerResourceID": owner,
    });
    let currency = json!({"name": "USD", "description": "US dollar", "isInternalCurrency": true});
    insert(tenant, catalogue().known("Currencies"), &currency).unwrap_or_default();
    // The row is ours and complete: it cannot be refused.
    insert(tenant, catalogue().known("Companies"), &own).unwrap_or_default();
    api_user
}

fn database(state: &State, base: &Url, index: usize) -> Database {
    let meta = &state.databases[index].meta;
    let zone = meta.moved_to.as_ref().unwrap_or(base);
    let url = zone.join(auth::SERVICE).unwrap_or_else(|_| zone.clone());
    Database { ci: meta.ci, url, resource_id: meta.resource_id }
}

fn no_database(ci: u64) -> SimulatorError {
    SimulatorError(format!("there is no database {ci}"))
}
