//! Rows and where to find them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::cell::{Cell, Kind, Misfit};
use crate::schema::Entity;

/// One row: its cells in the order of the entity's fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) cells: Box<[Cell]>,
    /// User-defined fields that hold a value.
    pub(crate) udfs: Vec<(String, Value)>,
}

impl Row {
    pub(crate) fn empty(entity: &Entity) -> Self {
        Self { cells: vec![Cell::Null; entity.fields.len()].into(), udfs: Vec::new() }
    }

    pub(crate) fn get(&self, entity: &Entity, field: &str) -> &Cell {
        &self.cells[entity.at(field)]
    }

    pub(crate) fn set(&mut self, entity: &Entity, field: &str, cell: Cell) {
        self.cells[entity.at(field)] = cell;
    }

    pub(crate) fn id(&self, entity: &Entity) -> i64 {
        self.get(entity, "id").int().unwrap_or_default()
    }

    /// Takes over what a JSON object says; unknown names are ignored, as the real binder does.
    pub(crate) fn merge(&mut self, entity: &Entity, object: &Map<String, Value>) -> Result<(), Misfit> {
        for (name, value) in object {
            if name.eq_ignore_ascii_case("userDefinedFields") {
                self.merge_udfs(entity, value)?;
            } else if let Some(at) = entity.field(name) {
                self.cells[at] = read_cell(entity, at, value)?;
            }
        }
        Ok(())
    }

    pub(crate) fn merge_udfs(&mut self, entity: &Entity, list: &Value) -> Result<(), Misfit> {
        if !entity.has_udfs() {
            return Ok(());
        }
        for item in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
            let Some(known) = entity.def.udfs.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
                return Err(Misfit(format!("Unable to find {name} in the {} Entity.", entity.def.name)));
            };
            self.udfs.retain(|(held, _)| held != known);
            match item.get("value") {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => self.udfs.push(((*known).to_owned(), json!(text))),
                Some(other) => self.udfs.push(((*known).to_owned(), json!(other.to_string()))),
            }
        }
        Ok(())
    }

    /// Every field as JSON, internal and secret ones on request (for keeping, not for showing).
    pub(crate) fn to_json(&self, entity: &Entity, zone: &TimeZone, internal: bool) -> Map<String, Value> {
        let shown = |secret: bool, cell: &Cell| if secret && !internal { Value::Null } else { cell.to_json(zone) };
        let mut object: Map<String, Value> = entity
            .fields
            .iter()
            .zip(&self.cells)
            .filter(|(field, _)| internal || !field.internal)
            .map(|(field, cell)| (field.name.clone(), shown(field.secret, cell)))
            .collect();
        if entity.has_udfs() {
            object.insert("userDefinedFields".to_owned(), self.udfs_json(entity));
        }
        object
    }

    pub(crate) fn udfs_json(&self, entity: &Entity) -> Value {
        let value = |name: &str| {
            self.udfs.iter().find(|(held, _)| held == name).map_or(Value::Null, |(_, value)| value.clone())
        };
        entity.def.udfs.iter().map(|name| json!({ "name": name, "value": value(name) })).collect()
    }
}

/// A written value as a cell; `contractPeriodType` may come as its letter.
pub(crate) fn read_cell(entity: &Entity, at: usize, value: &Value) -> Result<Cell, Misfit> {
    let field = &entity.fields[at];
    if let (Some(picks), Value::String(text)) = (field.picklist, value)
        && let Some((number, ..)) =
            picks.iter().find(|(_, letter, _)| !letter.is_empty() && letter.eq_ignore_ascii_case(text))
    {
        return Ok(Cell::Int(*number));
    }
    Cell::from_json(field.kind, value)
}

/// The rows of one entity in one database, found by id and by the ids they refer to.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<i64, Row>,
    pub(crate) next_id: i64,
    index: Vec<Option<BTreeMap<i64, BTreeSet<i64>>>>,
}

impl Table {
    pub(crate) fn new(entity: &Entity) -> Self {
        Self {
            rows: BTreeMap::new(),
            next_id: entity.def.first_id,
            index: entity
                .fields
                .iter()
                .map(|field| is_indexed(field.indexed, field.kind).then(BTreeMap::new))
                .collect(),
        }
    }

    /// Puts a row under its id. Answers the one that was there.
    pub(crate) fn put(&mut self, entity: &Entity, row: Row) -> Option<Row> {
        let id = row.id(entity);
        let before = self.remove(id);
        self.next_id = self.next_id.max(id.saturating_add(1));
        for (index, cell) in self.index.iter_mut().zip(&row.cells) {
            if let (Some(index), Cell::Int(value)) = (index, cell) {
                index.entry(*value).or_default().insert(id);
            }
        }
        self.rows.insert(id, row);
        before
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        for (index, cell) in self.index.iter_mut().zip(&row.cells) {
            if let (Some(index), Cell::Int(value)) = (index, cell)
                && let Some(ids) = index.get_mut(value)
            {
                ids.remove(&id);
                if ids.is_empty() {
                    index.remove(value);
                }
            }
        }
        Some(row)
    }

    pub(crate) fn take_id(&mut self) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn is_indexed(&self, field: usize) -> bool {
        self.index.get(field).is_some_and(Option::is_some)
    }

    /// Ids of the rows whose indexed field holds `value`, ascending.
    pub(crate) fn ids_by(&self, field: usize, value: i64) -> impl Iterator<Item = i64> + '_ {
        self.index
            .get(field)
            .and_then(Option::as_ref)
            .and_then(|index| index.get(&value))
            .into_iter()
            .flatten()
            .copied()
    }

    /// Rows whose indexed field holds `value`, by ascending id.
    pub(crate) fn rows_by(&self, field: usize, value: i64) -> impl Iterator<Item = &Row> + '_ {
        self.ids_by(field, value).filter_map(|id| self.rows.get(&id))
    }
}

fn is_indexed(wanted: bool, kind: Kind) -> bool {
    wanted && matches!(kind, Kind::Int | Kind::Long)
}
