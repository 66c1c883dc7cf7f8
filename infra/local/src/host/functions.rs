//! The functions that the template deploys, and what starts them.

use super::invoke::{self, Tock, Work};
use super::routes::{self, Route};
use axum::Router;
use domain::ports::QueueName;
use runtime::App;
use serde_json::Value;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;

/// The schedules and how often each fires.
pub const JOBS: [(&str, Duration); 11] = [
    ("seat-sync", Duration::from_secs(3_600)),
    ("package-changes", Duration::from_secs(900)),
    ("sweep", Duration::from_secs(300)),
    ("invoice-fetch", Duration::from_secs(300)),
    ("payments", Duration::from_secs(300)),
    ("notify", Duration::from_secs(900)),
    ("webhook-heal", Duration::from_secs(3_600)),
    ("probe", Duration::from_secs(86_400)),
    ("watch", Duration::from_secs(86_400)),
    ("health", Duration::from_secs(3_600)),
    ("secrets-sweep", Duration::from_secs(86_400)),
];

/// A function that serves HTTP.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: &'static str,
    /// Its service.
    pub(super) router: Router,
    /// Its routes.
    pub(super) routes: Vec<Route>,
}

/// Every function that serves HTTP.
pub(super) fn all(app: &App) -> Vec<Function> {
    let function = |name, api: OpenApiRouter<App>| {
        let routes = routes::of(api.get_openapi());
        Function { name, router: runtime::edge::service(app.clone(), api), routes }
    };
    vec![
        function("connect", connect::routes()),
        function("zone-discover", zone_discover::routes()),
        function("map", map::routes()),
        function("intake", intake::routes()),
        function("runs", runs::routes()),
        function("invoices", invoices::routes()),
        function("payments", payments::routes()),
        function("notify", notify::routes()),
        function("webhook-admin", webhook_admin::routes()),
        receiver(app),
        function("ops", ops::routes()),
    ]
}

/// What Autotask calls: no route of the API, and open to anybody.
fn receiver(app: &App) -> Function {
    let paths = [webhook_receive::CALLOUT_PATH, webhook_receive::DEACTIVATED_PATH];
    let routes = paths.map(|path| Route { method: "POST", template: path.to_owned() }).to_vec();
    let router = runtime::edge::public_service(app.clone(), webhook_receive::routes());
    Function { name: "webhook-receive", router, routes }
}

/// The function that works a queue off.
pub(super) fn worker(queue: QueueName) -> (&'static str, Work) {
    match queue {
        QueueName::SeatSync => ("seat-sync", invoke::seat_sync),
        QueueName::Map => ("map", invoke::map),
        QueueName::InvoiceFetch => ("invoice-fetch", invoke::invoice_fetch),
        QueueName::InvoicePdf => ("invoice-pdf", invoke::invoice_pdf),
        QueueName::Payments => ("payments", invoke::payments),
        QueueName::Webhooks => ("webhook-work", invoke::webhooks),
        QueueName::WebhookAdmin => ("webhook-admin", invoke::webhook_admin),
    }
}

/// The function that a schedule's tick starts. A job that nobody knows goes where most do, and is logged there.
pub(super) fn dispatcher(job: &str) -> (&'static str, Tock) {
    match job {
        "payments" => ("payments", invoke::payments_tick),
        "notify" => ("notify", invoke::notify_tick),
        webhook_admin::JOB => ("webhook-admin", invoke::webhook_admin_tick),
        invoice_fetch::JOB => ("invoice-fetch", invoke::invoice_fetch_tick),
        _ => ("seat-sync", invoke::seat_sync_tick),
    }
}

/// Whether one of our functions hears this event of ours.
pub(super) fn hears(detail_type: &str, detail: &Value) -> bool {
    notify::hears(detail_type, detail)
}

/// The names of all functions.
#[must_use]
pub fn functions_known() -> [&'static str; 15] {
    [
        "connect",
        "zone-discover",
        "map",
        "intake",
        "seat-sync",
        "runs",
        "invoices",
        "invoice-fetch",
        "invoice-pdf",
        "payments",
        "notify",
        "webhook-receive",
        "webhook-work",
        "webhook-admin",
        "ops",
    ]
}
