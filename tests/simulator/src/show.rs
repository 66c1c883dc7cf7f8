//! Rows as a reader sees them.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::cell::Cell;
use crate::refusal::Refusal;
use crate::schema::Entity;
use crate::state::Tenant;
use crate::switches::PeriodTypeForm;
use crate::table::Row;

/// A field to be shown.
#[derive(Debug)]
pub(crate) enum Include {
    Field(usize),
    Udf(String),
    Udfs,
}

/// Resolves `IncludeFields`; one unknown name fails the whole query.
pub(crate) fn include(entity: &Entity, names: Vec<String>) -> Result<Vec<Include>, Refusal> {
    names
        .into_iter()
        .map(|name| {
            if let Some(at) = entity.field(&name).filter(|at| !entity.fields[*at].internal) {
                return Ok(Include::Field(at));
            }
            if entity.has_udfs() && name.eq_ignore_ascii_case("userDefinedFields") {
                return Ok(Include::Udfs);
            }
            match entity.def.udfs.iter().find(|udf| udf.eq_ignore_ascii_case(&name)) {
                Some(udf) => Ok(Include::Udf((*udf).to_owned())),
                None => Err(Refusal::unknown_field(&name, entity.def.name)),
            }
        })
        .collect()
}

/// Rows of one answer. Where no row has a user-defined value, the collection is left out.
pub(crate) fn items(tenant: &Tenant, entity: &Entity, rows: &[&Row], include: Option<&[Include]>) -> Vec<Value> {
    let with_udfs = rows.iter().any(|row| !row.udfs.is_empty());
    let zone = tenant.switches.date_values.zone();
    rows.iter().map(|row| Value::Object(item(tenant, entity, row, include, with_udfs, &zone))).collect()
}

fn item(
    tenant: &Tenant,
    entity: &Entity,
    row: &Row,
    include: Option<&[Include]>,
    with_udfs: bool,
    zone: &TimeZone,
) -> Map<String, Value> {
    let mut object = Map::new();
    let mut show = |at: usize| {
        object.insert(entity.fields[at].name.clone(), field(tenant, entity, row, at, zone));
    };
    match include {
        None => {
            (0..entity.fields.len()).filter(|at| !entity.fields[*at].internal).for_each(&mut show);
            if entity.has_udfs() && with_udfs {
                object.insert("userDefinedFields".to_owned(), row.udfs_json(entity));
            }
        }
        Some(include) => {
            let mut udfs = Vec::new();
            for wanted in include {
                match wanted {
                    Include::Field(at) => show(*at),
                    Include::Udf(name) => udfs.push(name.as_str()),
                    Include::Udfs => udfs.extend(entity.def.udfs),
                }
            }
            if with_udfs && !udfs.is_empty() {
                object.insert("userDefinedFields".to_owned(), some_udfs(entity, row, &udfs));
            }
        }
    }
    object
}

fn some_udfs(entity: &Entity, row: &Row, wanted: &[&str]) -> Value {
    let all = row.udfs_json(entity);
    let kept = all
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| item["name"].as_str().is_some_and(|name| wanted.contains(&name)));
    json!(kept.collect::<Vec<_>>())
}

fn field(tenant: &Tenant, entity: &Entity, row: &Row, at: usize, zone: &TimeZone) -> Value {
    let field = &entity.fields[at];
    let cell = &row.cells[at];
    if field.secret || (field.cost && !tenant.db.meta.costs_readable) {
        return Value::Null;
    }
    if field.name == "contractPeriodType"
        && tenant.switches.contract_period_type == PeriodTypeForm::Letter
        && let (Some(picks), Cell::Int(number)) = (field.picklist, cell)
        && let Some((_, letter, _)) = picks.iter().find(|(value, ..)| value == number)
    {
        return json!(letter);
    }
    cell.to_json(zone)
}
