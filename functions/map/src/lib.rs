#![doc = include_str!("../README.md")]

mod accounts;
mod bulk;
mod catalogue;
mod csv;
mod mappings;
mod packages;
mod packages_views;
mod pause;
mod picker;
mod views;

use domain::mappings::{Context, MapMessage, work_on};
use domain::ports::Deadline;
use domain::{Actor, ConnectionId, PartnerId, Result, Role, Scope};
use runtime::App;
use runtime::edge::{ApiError, Caller, READERS};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of mapping.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(picker::search_companies))
        .routes(routes!(picker::list_contracts))
        .routes(routes!(picker::list_services))
        .routes(routes!(bulk::start_automap))
        .routes(routes!(bulk::bulk_confirm))
        .routes(routes!(mappings::put_mapping, mappings::delete_mapping))
        .routes(routes!(mappings::confirm_mapping))
        .routes(routes!(mappings::remap_mapping))
        .routes(routes!(pause::pause_account))
        .routes(routes!(pause::resume_account))
        .routes(routes!(packages::list_packages))
        .routes(routes!(packages::get_package_mapping, packages::put_package_mapping, packages::delete_package_mapping))
        .routes(routes!(catalogue::search_catalogue))
        .routes(routes!(csv::export_mappings))
        .routes(routes!(csv::import_mappings))
}

/// Works on one message of the queue `map`. One that cannot be read is logged and dropped: it never can be.
///
/// # Errors
/// Records or queues; the message is then delivered again.
pub async fn work(app: &App, body: &str, deadline: &dyn Deadline) -> Result<()> {
    match serde_json::from_str::<MapMessage>(body) {
        Ok(message) => work_on(&app.ports, &runtime::queue::scope(), message, deadline).await,
        Err(error) => {
            tracing::error!(error = %error, "dropped a message that is none");
            Ok(())
        }
    }
}

/// Who may look into Autotask and take the mappings away as a file.
const PICKERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling, Role::VendorSupport, Role::VendorAdmin];
/// Who may change mappings.
const MAPPERS: &[Role] = &[Role::PartnerAdmin, Role::PartnerBilling];

/// A call on a connection, by one of the roles that may make it.
struct Call {
    app: App,
    scope: Scope,
    actor: Actor,
    partner: PartnerId,
    connection: ConnectionId,
}

impl Call {
    fn new(app: App, caller: &Caller, roles: &[Role], connection: ConnectionId) -> Result<Self, ApiError> {
        caller.require(roles)?;
        let (scope, partner, actor) = (caller.scope()?, caller.partner()?.clone(), caller.actor().clone());
        Ok(Self { app, scope, actor, partner, connection })
    }

    fn context(&self) -> Context<'_> {
        Context {
            ports: &self.app.ports,
            scope: &self.scope,
            actor: &self.actor,
            partner: &self.partner,
            connection: &self.connection,
        }
    }
}
