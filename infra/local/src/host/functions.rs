//! The functions that the template deploys, and what starts them.

use super::invoke::{Tock, Work};
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
        QueueName::SeatSync => ("seat-sync", |app, body, deadline| Box::pin(seat_sync::work(app, body, deadline))),
        QueueName::Map => ("map", |app, body, deadline| Box::pin(map::work(app, body, deadline))),
        QueueName::InvoiceFetch => {
            ("invoice-fetch", |app, body, deadline| Box::pin(invoice_fetch::work(app, body, deadline)))
        }
        QueueName::InvoicePdf => {
            ("invoice-pdf", |app, body, deadline| Box::pin(invoice_pdf::work(app, body, deadline)))
        }
        QueueName::Payments => ("payments", |app, body, deadline| Box::pin(payments::work(app, body, deadline))),
        QueueName::Webhooks => {
            ("webhook-work", |app, body, deadline| Box::pin(webhook_work::work(app, body, deadline)))
        }
        QueueName::WebhookAdmin => {
            ("webhook-admin", |app, body, deadline| Box::pin(webhook_admin::work(app, body, deadline)))
        }
    }
}

/// The function that a schedule's tick starts. A job that nobody knows goes where most do, and is logged there.
pub(super) fn dispatcher(job: &str) -> (&'static str, Tock) {
    match job {
        "payments" => ("payments", |app, tick, deadline| Box::pin(payments::tick(app, tick, deadline))),
        "notify" => ("notify", |app, tick, deadline| Box::pin(notify::tick(app, tick, deadline))),
        webhook_admin::JOB => {
            ("webhook-admin", |app, tick, deadline| Box::pin(webhook_admin::tick(app, tick, deadline)))
        }
        invoice_fetch::JOB => {
            ("invoice-fetch", |app, tick, deadline| Box::pin(invoice_fetch::tick(app, tick, deadline)))
        }
        _ => ("seat-sync", |app, tick, deadline| Box::pin(seat_sync::tick(app, tick, deadline))),
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
