//! Writing rows through the API: what is demanded, checked and refused.

use http::Method;
use serde_json::{Map, Value, json};

use crate::adjust;
use crate::behaviour;
use crate::cell::{Cell, Kind};
use crate::filter::member;
use crate::query;
use crate::refusal::Refusal;
use crate::schema::{Entity, Field, catalogue};
use crate::state::Tenant;
use crate::table::{Row, read_cell};
use crate::wire::{Response, WireRequest};

/// `POST`, `PUT` and `PATCH` at the root, or under a parent.
pub(crate) fn write(
    tenant: &mut Tenant,
    entity: &Entity,
    parent: Option<i64>,
    request: &WireRequest,
) -> Result<Response, Refusal> {
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(&request.body) else {
        return Err(Refusal::invalid("The body of the request is not a JSON object."));
    };
    if let Some(parent) = parent {
        place_under(tenant, entity, parent, &mut body)?;
    }
    let access = tenant.db.meta.permissions.access(entity.def.plural);
    let id = match request.method {
        Method::POST if !access.add.granted() => return Err(Refusal::not_permitted("create")),
        Method::POST => create(tenant, entity, &body)?,
        _ if !access.edit.granted() => return Err(Refusal::not_permitted("update")),
        Method::PUT => update(tenant, entity, parent, &body, true)?,
        _ => update(tenant, entity, parent, &body, false)?,
    };
    Ok(item_id(id))
}

/// `DELETE` of a row, under a parent where the entity has one.
pub(crate) fn delete(tenant: &mut Tenant, entity: &Entity, parent: Option<i64>, id: i64) -> Result<Response, Refusal> {
    if !tenant.db.meta.permissions.access(entity.def.plural).delete.granted() {
        return Err(Refusal::not_permitted("delete"));
    }
    let row = tenant.row(entity, id).cloned();
    let row = row.filter(|row| belongs(entity, row, parent) && query::is_own(tenant, entity, row));
    let row = row.ok_or_else(Refusal::nothing_to_delete)?;
    behaviour::before_delete(tenant, entity, &row)?;
    tenant.remove(entity, id);
    Ok(item_id(id))
}

fn item_id(id: i64) -> Response {
    Response::json(200, &json!({ "itemId": id }))
}

/// The URL says who the parent is; a body that says otherwise is refused.
fn place_under(tenant: &Tenant, entity: &Entity, parent: i64, body: &mut Map<String, Value>) -> Result<(), Refusal> {
    let Some(child) = &entity.def.child else { return Ok(()) };
    let parents = catalogue().known(child.parent);
    if query::one(tenant, parents, parent).is_none() {
        return Err(Refusal::dangling(child.field, parent));
    }
    let given = member(body, child.field).filter(|value| !value.is_null());
    if let Some(given) = given
        && read_cell(entity, entity.at(child.field), given)?.int() != Some(parent)
    {
        return Err(Refusal::dangling(child.field, given));
    }
    body.retain(|name, _| !name.eq_ignore_ascii_case(child.field));
    body.insert(child.field.to_owned(), json!(parent));
    Ok(())
}

fn belongs(entity: &Entity, row: &Row, parent: Option<i64>) -> bool {
    match (&entity.def.child, parent) {
        (Some(child), Some(parent)) => row.get(entity, child.field).int() == Some(parent),
        _ => true,
    }
}

fn create(tenant: &mut Tenant, entity: &Entity, body: &Map<String, Value>) -> Result<i64, Refusal> {
    let mut row = Row::empty(entity);
    take_over(tenant, entity, &mut row, body, |field| !field.read_only)?;
    for family in adjust::FAMILIES {
        if entity.def.plural == family.adjustments {
            return adjust::apply(tenant, family, &row);
        }
    }
    behaviour::before_create(tenant, entity, &mut row)?;
    demand(entity, &row, None)?;
    set_defaults(tenant, entity, &mut row);
    check(tenant, entity, &row, None)?;
    behaviour::check_row(tenant, entity, &row)?;
    let id = tenant.put(entity, row);
    behaviour::after_create(tenant, entity, id)?;
    Ok(id)
}

fn update(
    tenant: &mut Tenant,
    entity: &Entity,
    parent: Option<i64>,
    body: &Map<String, Value>,
    whole: bool,
) -> Result<i64, Refusal> {
    let id = member(body, "id").ok_or_else(|| Refusal::missing_field("id"))?;
    let id = Cell::from_json(Kind::Long, id)?.int().ok_or_else(|| Refusal::missing_field("id"))?;
    let before = query::one(tenant, entity, id).filter(|row| belongs(entity, row, parent));
    let before = before.ok_or_else(Refusal::not_found)?;
    let mut row = before.clone();
    if whole {
        let costs_kept = !tenant.db.meta.costs_readable;
        for (cell, field) in row.cells.iter_mut().zip(&entity.fields) {
            let kept = field.read_only || field.fixed || field.internal || (field.cost && costs_kept);
            if !kept {
                *cell = Cell::Null;
            }
        }
    }
    take_over(tenant, entity, &mut row, body, |field| !field.read_only)?;
    behaviour::before_update(tenant, entity, (&mut row, &before), body, whole)?;
    for (at, field) in entity.fields.iter().enumerate().filter(|(_, field)| field.fixed) {
        if row.cells[at] != before.cells[at] {
            return Err(Refusal::invalid(format!("{} cannot be updated.", field.name)));
        }
    }
    demand(entity, &row, Some(&before))?;
    stamp(tenant, entity, &mut row, entity.def.touched);
    check(tenant, entity, &row, Some(&before))?;
    behaviour::check_row(tenant, entity, &row)?;
    tenant.put(entity, row);
    behaviour::after_update(tenant, entity, id, &before)?;
    Ok(id)
}

/// Writes what the body says into the fields that may be written; costs only with the right to.
fn take_over(
    tenant: &Tenant,
    entity: &Entity,
    row: &mut Row,
    body: &Map<String, Value>,
    writable: impl Fn(&Field) -> bool,
) -> Result<(), Refusal> {
    for (name, value) in body {
        if name.eq_ignore_ascii_case("userDefinedFields") {
            row.merge_udfs(entity, value)?;
        } else if let Some(at) = entity.field(name) {
            let field = &entity.fields[at];
            let cell = read_cell(entity, at, value)?;
            let hidden = field.internal || (field.cost && !tenant.db.meta.costs_readable);
            if writable(field) && !hidden {
                row.cells[at] = cell;
            }
        }
    }
    Ok(())
}

/// Required fields must hold something; what was empty before may stay so.
fn demand(entity: &Entity, row: &Row, before: Option<&Row>) -> Result<(), Refusal> {
    for (at, field) in entity.fields.iter().enumerate().filter(|(_, field)| field.required) {
        let cell = &row.cells[at];
        if before.is_some_and(|before| before.cells[at] == *cell) {
            continue;
        }
        let missing = match cell {
            Cell::Null => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        };
        if missing && field.picklist.is_some() {
            return Err(Refusal::missing_picklist(&field.name));
        }
        if missing {
            return Err(Refusal::missing_field(&field.name));
        }
    }
    Ok(())
}

/// Fills in defaults and time stamps of a new row.
pub(crate) fn set_defaults(tenant: &Tenant, entity: &Entity, row: &mut Row) {
    for (name, value) in entity.def.defaults {
        let at = entity.at(name);
        if row.cells[at].is_null()
            && let Ok(value) = serde_json::from_str(value)
            && let Ok(cell) = read_cell(entity, at, &value)
        {
            row.cells[at] = cell;
        }
    }
    stamp(tenant, entity, row, entity.def.stamped);
    stamp(tenant, entity, row, entity.def.touched);
}

/// Writes the present instant into some fields.
pub(crate) fn stamp(tenant: &Tenant, entity: &Entity, row: &mut Row, fields: &[&str]) {
    for name in fields {
        row.set(entity, name, Cell::instant(tenant.now));
    }
}

/// Lengths, picklists and references of the cells that are new or differ from `before`.
fn check(tenant: &Tenant, entity: &Entity, row: &Row, before: Option<&Row>) -> Result<(), Refusal> {
    for (at, field) in entity.fields.iter().enumerate() {
        let cell = &row.cells[at];
        if before.is_some_and(|before| before.cells[at] == *cell) {
            continue;
        }
        match cell {
            Cell::Text(text) if text.chars().count() > field.length => {
                return Err(Refusal::invalid(format!(
                    "{}: The value exceeds the maximum length of {}.",
                    field.name, field.length
                )));
            }
            Cell::Int(number) => check_number(tenant, field, *number)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_number(tenant: &Tenant, field: &Field, number: i64) -> Result<(), Refusal> {
    let in_picklist = |picks: &[crate::tables::Pick]| picks.iter().any(|(value, ..)| *value == number);
    if field.picklist.is_some_and(|picks| !in_picklist(picks)) {
        return Err(Refusal::dangling(&field.name, number));
    }
    if let Some(plural) = field.references {
        let entity = catalogue().known(plural);
        let usable = |row: &Row| {
            let active = entity.field("isActive").map(|at| &row.cells[at]);
            !matches!(active, Some(Cell::Bool(false) | Cell::Int(0)))
        };
        if !tenant.row(entity, number).is_some_and(usable) {
            return Err(Refusal::dangling(&field.name, number));
        }
    }
    Ok(())
}
