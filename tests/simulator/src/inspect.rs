//! The routes under `/_sim`: what a test asks the simulator about, and does to it.

mod callouts;
mod invoices;

use http::Method;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use crate::faults::Fault;
use crate::sim::{Simulator, SimulatorError};
use crate::spec::{DatabaseSpec, Permissions};
use crate::switches::Switches;
use crate::wire::{Response, WireRequest};

/// Answers an inspection request. Such requests are neither logged nor met by faults.
pub(crate) fn answer(simulator: &Simulator, request: &WireRequest) -> Response {
    let path = request.path.trim_start_matches("/_sim").trim_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    let result = match (&request.method, segments.as_slice()) {
        (&Method::GET, ["requests"]) => Ok(requests(simulator)),
        (&Method::DELETE, ["requests"]) => {
            simulator.clear_requests();
            Ok(done())
        }
        (_, ["faults", rest @ ..]) => faults(simulator, request, rest),
        (_, ["switches"]) => switches(simulator, request),
        (&Method::GET, ["adjustments"]) => adjustments(simulator, request),
        (_, ["callouts", rest @ ..]) => callouts::answer(simulator, request, rest),
        (_, ["databases", rest @ ..]) => databases(simulator, request, rest),
        _ => Err(Trouble::NotFound("there is no such route".to_owned())),
    };
    match result {
        Ok(response) => response,
        Err(Trouble::Invalid(text)) => Response::error(400, text),
        Err(Trouble::NotFound(text)) => Response::error(404, text),
    }
}

enum Trouble {
    Invalid(String),
    NotFound(String),
}

impl From<SimulatorError> for Trouble {
    fn from(error: SimulatorError) -> Self {
        match error.0.starts_with("there is no") {
            true => Trouble::NotFound(error.0),
            false => Trouble::Invalid(error.0),
        }
    }
}

type Answer = Result<Response, Trouble>;

fn done() -> Response {
    Response::json(200, &json!({}))
}

fn read<T: DeserializeOwned>(request: &WireRequest) -> Result<T, Trouble> {
    serde_json::from_slice(&request.body).map_err(|error| Trouble::Invalid(error.to_string()))
}

fn requests(simulator: &Simulator) -> Response {
    let lines: String = simulator
        .requests()
        .iter()
        .filter_map(|request| serde_json::to_string(request).ok())
        .map(|line| line + "\n")
        .collect();
    Response::new(200, "application/x-ndjson", lines)
}

fn faults(simulator: &Simulator, request: &WireRequest, rest: &[&str]) -> Answer {
    match (&request.method, rest) {
        (&Method::GET, []) => Ok(Response::json(200, &json!(simulator.faults()))),
        (&Method::POST, []) => {
            let value: Value = read(request)?;
            let list = match value {
                Value::Array(list) => list,
                one => vec![one],
            };
            let faults: Vec<Fault> = list
                .into_iter()
                .map(serde_json::from_value)
                .collect::<Result<_, _>>()
                .map_err(|error| Trouble::Invalid(error.to_string()))?;
            let ids: Vec<u64> = faults.into_iter().map(|fault| simulator.add_fault(fault)).collect();
            Ok(Response::json(200, &json!({ "id": ids.last(), "ids": ids })))
        }
        (&Method::DELETE, []) => {
            simulator.clear_faults();
            Ok(done())
        }
        (&Method::DELETE, [id]) => {
            simulator.remove_fault(number(id)?);
            Ok(done())
        }
        _ => Err(Trouble::NotFound("there is no such route".to_owned())),
    }
}

/// `POST` changes the switches it names; the others stay.
fn switches(simulator: &Simulator, request: &WireRequest) -> Answer {
    if request.method == Method::POST {
        let changes: serde_json::Map<String, Value> = read(request)?;
        let mut all = json!(simulator.switches());
        for (name, value) in changes {
            all[name] = value;
        }
        let switches: Switches = serde_json::from_value(all).map_err(|error| Trouble::Invalid(error.to_string()))?;
        simulator.switches_mut(|held| *held = switches);
    }
    Ok(Response::json(200, &json!(simulator.switches())))
}

fn adjustments(simulator: &Simulator, request: &WireRequest) -> Answer {
    let ci = request.parameter("ci").map(|ci| number::<u64>(&ci)).transpose()?;
    let all = simulator.adjustments();
    let wanted: Vec<_> = all.iter().filter(|adjustment| ci.is_none_or(|ci| adjustment.ci == ci)).collect();
    Ok(Response::json(200, &json!(wanted)))
}

fn databases(simulator: &Simulator, request: &WireRequest, rest: &[&str]) -> Answer {
    let show = |value: &Value| Ok(Response::json(200, value));
    match (&request.method, rest) {
        (&Method::POST, []) => {
            let spec: DatabaseSpec = read(request)?;
            let database = simulator.add_database(spec)?;
            Ok(Response::json(201, &json!(database)))
        }
        (&Method::GET, []) => show(&json!(simulator.databases())),
        (&Method::PATCH, [ci]) => change_database(simulator, request, number(ci)?),
        (&Method::POST, [ci, deed @ ("renew" | "end" | "post" | "adjust"), of @ ..]) => {
            by_hand(simulator, request, number(ci)?, deed, of)
        }
        (&Method::POST, [ci, "invoice", rest @ ..]) => invoices::answer(simulator, request, number(ci)?, rest),
        (&Method::POST, [ci, entity]) => {
            let rows = match read(request)? {
                Value::Array(rows) => rows,
                row => vec![row],
            };
            show(&json!(simulator.insert(number(ci)?, entity, &rows)?))
        }
        (&Method::GET, [ci, entity]) => show(&json!(simulator.rows(number(ci)?, entity)?)),
        (&Method::GET, [ci, entity, id]) => {
            let id: i64 = number(id)?;
            let rows = simulator.rows(number(ci)?, entity)?;
            let row = rows.iter().find(|row| row["id"] == json!(id));
            show(row.ok_or_else(|| Trouble::NotFound(format!("there is no {entity} {id}")))?)
        }
        (&Method::PATCH, [ci, entity, id]) => {
            show(&simulator.patch(number(ci)?, entity, number(id)?, &read(request)?)?)
        }
        (&Method::DELETE, [ci, entity, id]) => {
            simulator.delete(number(ci)?, entity, number(id)?)?;
            Ok(done())
        }
        _ => Err(Trouble::NotFound("there is no such route".to_owned())),
    }
}

/// `{"permissions"?, "costs_readable"?, "secret"?, "moved_to"?, "webhooks_max"?}`.
fn change_database(simulator: &Simulator, request: &WireRequest, ci: u64) -> Answer {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        permissions: Option<Permissions>,
        costs_readable: Option<bool>,
        secret: Option<String>,
        moved_to: Option<Url>,
        webhooks_max: Option<u32>,
    }
    let change: Change = read(request)?;
    if let Some(permissions) = change.permissions {
        simulator.set_permissions(ci, permissions)?;
    }
    if let Some(readable) = change.costs_readable {
        simulator.set_costs_readable(ci, readable)?;
    }
    if let Some(secret) = change.secret {
        simulator.set_secret(ci, &secret)?;
    }
    if let Some(most) = change.webhooks_max {
        simulator.set_webhooks_max(ci, Some(most))?;
    }
    if let Some(zone) = change.moved_to {
        simulator.move_database(ci, zone)?;
    }
    Ok(done())
}

/// What a person does: to a contract, or with `adjust` to a line.
fn by_hand(simulator: &Simulator, request: &WireRequest, ci: u64, deed: &str, of: &[&str]) -> Answer {
    #[derive(Default, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Renewal {
        start: Option<Date>,
        end: Option<Date>,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Day {
        date: Date,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        from: Date,
        change: i64,
    }
    let shown = match (deed, of) {
        ("renew", [contract]) => {
            let Renewal { start, end } = if request.body.is_empty() { Renewal::default() } else { read(request)? };
            json!({ "id": simulator.renew_until(ci, number(contract)?, start, end)? })
        }
        ("end", [contract]) => {
            simulator.end_contract(ci, number(contract)?, read::<Day>(request)?.date)?;
            json!({})
        }
        ("post", [contract]) => {
            json!({ "rows": simulator.post_period(ci, number(contract)?, read::<Day>(request)?.date)? })
        }
        ("adjust", [lines, line]) => {
            let Change { from, change } = read(request)?;
            json!({ "units": simulator.adjust_by_hand(ci, lines, number(line)?, from, change)? })
        }
        _ => return Err(Trouble::NotFound("there is no such route".to_owned())),
    };
    Ok(Response::json(200, &shown))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Trouble> {
    text.parse().map_err(|_| Trouble::Invalid(format!("{text} is no number")))
}
