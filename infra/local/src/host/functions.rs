//! The functions that the template deploys, and what starts them.

use super::invoke::{self, Work};
use super::routes::{self, Route};
use axum::Router;
use domain::ports::QueueName;
use runtime::App;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;

/// The schedules and how often each fires.
pub const JOBS: [(&str, Duration); 8] = [
    ("seat-sync", Duration::from_secs(3_600)),
    ("package-changes", Duration::from_secs(900)),
    ("sweep", Duration::from_secs(300)),
    ("invoice-fetch", Duration::from_secs(300)),
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
    ]
}

/// The function that works a queue off.
pub(super) fn worker(queue: QueueName) -> (&'static str, Work) {
    match queue {
        QueueName::SeatSync => ("seat-sync", invoke::seat_sync),
        QueueName::Map => ("map", invoke::map),
        QueueName::InvoiceFetch => ("invoice-fetch", invoke::invoice_fetch),
        QueueName::InvoicePdf => ("invoice-pdf", invoke::invoice_pdf),
    }
}

/// The names of all functions.
#[must_use]
pub fn functions_known() -> [&'static str; 9] {
    ["connect", "zone-discover", "map", "intake", "seat-sync", "runs", "invoices", "invoice-fetch", "invoice-pdf"]
}
