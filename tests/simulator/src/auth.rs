//! Who may talk to which database, and where.

use http::header::HOST;
use serde_json::json;
use url::Url;

use crate::routes::Resolved;
use crate::spec::digest;
use crate::state::State;
use crate::wire::{Response, WireRequest};

/// The service's own folder; every zone URL ends in it.
pub(crate) const SERVICE: &str = "ATServicesRest/";

/// `zoneInformation?user=`: no credentials needed, any host will do.
pub(crate) fn zone(state: &State, base: &Url, request: &WireRequest) -> Response {
    let user = request.parameter("user").unwrap_or_default();
    let Some(index) = state.user(&user) else {
        return Response::error(500, "Zone information could not be determined");
    };
    let meta = &state.databases[index].meta;
    let zone = meta.moved_to.as_ref().unwrap_or(base);
    Response::json(
        200,
        &json!({
            "zoneName": if meta.moved_to.is_some() { "Simulated Zone 2" } else { "Simulated Zone 1" },
            "url": format!("{zone}{SERVICE}"),
            "webUrl": zone,
            "ci": meta.ci,
        }),
    )
}

/// Lets a request in or says why not: unknown user 500, wrong integration code 500, wrong zone 401,
/// locked 401, wrong secret 401.
pub(crate) fn admit(state: &mut State, request: &WireRequest, resolved: &Resolved) -> Result<usize, Response> {
    let unauthorized = || Response::new(401, "application/json; charset=utf-8", "");
    let user = request.header_text("UserName").unwrap_or_default();
    let index = state
        .user(user)
        .ok_or_else(|| Response::error(500, "The API user name or integration code of the request is not valid."))?;
    let meta = &mut state.databases[index].meta;
    if digest(request.header_text("ApiIntegrationCode").unwrap_or_default()) != meta.integration_code {
        return Err(Response::error(500, "IntegrationCode is invalid."));
    }
    if meta.moved_to.as_ref().is_some_and(|zone| !is_at(zone, request, resolved)) {
        return Err(unauthorized());
    }
    if meta.failed_logins >= meta.locked_after {
        return Err(unauthorized());
    }
    if digest(request.header_text("Secret").unwrap_or_default()) != meta.secret {
        meta.failed_logins += 1;
        state.keep_meta(index);
        return Err(unauthorized());
    }
    if meta.failed_logins > 0 {
        meta.failed_logins = 0;
        state.keep_meta(index);
    }
    Ok(index)
}

/// The database that a request seems to be for, told by its user name.
pub(crate) fn database(state: &State, request: &WireRequest) -> Option<usize> {
    let user = request.header_text("UserName").map(str::to_owned).or_else(|| request.parameter("user"))?;
    state.user(&user)
}

/// Whether a request went to this zone: the same path prefix, and the same host where it is told.
fn is_at(zone: &Url, request: &WireRequest, resolved: &Resolved) -> bool {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = |zone: &Url| match (zone.host_str(), zone.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    resolved.prefix.eq_ignore_ascii_case(zone.path())
        && host.is_none_or(|host| host.eq_ignore_ascii_case(&authority(zone)))
}
