//! The catalogue: the project's own copy of the facts, read once, joined with `tables.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde_json::Value;

use crate::cell::Kind;
use crate::tables::{self, EntityDef, KINDS, PICKLISTS, Pick, WebhookKind};

/// Every path and its verbs, as the vendor's Swagger lists them.
pub const OPERATIONS: &str = include_str!("../../fixtures/autotask/operations.tsv");
/// Field names and types per entity, as the vendor's Swagger lists them.
pub const MODELS: &str = include_str!("../../fixtures/autotask/models.json");

/// An entity's place in the catalogue; tables of a database stand in the same order.
pub(crate) type EntityId = usize;

/// An entity with its fields.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: EntityId,
    pub(crate) def: &'static EntityDef,
    pub(crate) fields: Vec<Field>,
    pub(crate) role: Role,
    by_name: HashMap<String, usize>,
}

/// What an entity has to do with webhooks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Nothing.
    Plain,
    /// Webhooks watch it.
    Watched(&'static WebhookKind),
    /// It is webhooks.
    Webhook(&'static WebhookKind),
    /// It is the fields of webhooks, built-in or user-defined.
    WebhookField(&'static WebhookKind),
    /// It is the resources that webhooks leave out.
    Excluded,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) read_only: bool,
    pub(crate) fixed: bool,
    pub(crate) queryable: bool,
    pub(crate) cost: bool,
    /// Written, persisted, never shown.
    pub(crate) secret: bool,
    /// Kept, persisted, never shown.
    pub(crate) internal: bool,
    /// Rows can be found by this field's integer value.
    pub(crate) indexed: bool,
    pub(crate) length: usize,
    pub(crate) picklist: Option<&'static [Pick]>,
    pub(crate) references: Option<&'static str>,
}

/// The catalogue.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) entities: Vec<Entity>,
    /// `(pattern, verbs)` of the operations of these entities and of the calls without one.
    pub(crate) operations: Vec<(String, BTreeSet<String>)>,
}

impl Entity {
    /// The index of a field, its name in any case.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied().or_else(|| self.by_name.get(&name.to_ascii_lowercase()).copied())
    }

    /// The index of a field that the code names itself.
    pub(crate) fn at(&self, name: &str) -> usize {
        self.field(name).unwrap_or_else(|| unreachable!("{} has no field {name}", self.def.name))
    }

    /// Whether a webhook can have this field.
    pub(crate) fn is_webhook_field(&self, field: &Field) -> bool {
        matches!(self.role, Role::Watched(_))
            && !field.internal
            && field.name != "id"
            && !self.def.touched.contains(&field.name.as_str())
    }

    pub(crate) fn has_udfs(&self) -> bool {
        !self.def.udfs.is_empty()
    }
}

impl Catalogue {
    /// An entity by its plural, in any case.
    pub(crate) fn entity(&self, plural: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.def.plural.eq_ignore_ascii_case(plural))
    }

    /// An entity that the code names itself.
    pub(crate) fn known(&self, plural: &str) -> &Entity {
        self.entity(plural).unwrap_or_else(|| unreachable!("no entity {plural}"))
    }
}

/// The catalogue of this process.
pub(crate) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(build)
}

/// Every pattern that the simulator answers, with its verbs.
pub fn operations() -> BTreeMap<String, BTreeSet<String>> {
    catalogue().operations.iter().cloned().collect()
}

/// Every field that the simulator serves, by the entity's name in the vendor's models.
pub fn served_fields() -> BTreeMap<String, Vec<String>> {
    let shown = |entity: &Entity| {
        entity.fields.iter().filter(|field| !field.internal).map(|field| field.name.clone()).collect()
    };
    catalogue().entities.iter().map(|entity| (entity.def.name.to_owned(), shown(entity))).collect()
}

fn build() -> Catalogue {
    let models: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(MODELS).expect("models.json is part of this crate and is valid");
    let model = |def: &EntityDef| if def.model.is_empty() { def.name } else { def.model };
    let mut entities: Vec<Entity> =
        tables::entities().enumerate().map(|(id, def)| entity(id, def, &models[model(def)])).collect();
    number_webhook_fields(&mut entities);
    let operations = OPERATIONS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .filter(|(path, _)| is_served(path))
        .map(|(path, verbs)| (path.to_owned(), verbs.split_whitespace().map(str::to_owned).collect()))
        .collect();
    Catalogue { entities, operations }
}

/// The calls that belong to no entity.
const SINGLE_CALLS: &[&str] =
    &["/V1.0/ThresholdInformation", "/V1.0/Version", "/V1.0/ZoneInformation", "/VersionInformation"];

fn is_served(path: &str) -> bool {
    if SINGLE_CALLS.contains(&path) {
        return true;
    }
    let segments: Vec<&str> = path.trim_start_matches("/V1.0/").split('/').collect();
    match segments.as_slice() {
        [root, "{parentId}", segment, ..] => tables::entities()
            .any(|def| def.child.as_ref().is_some_and(|child| child.parent == *root && child.segment == *segment)),
        ["Invoices", "{id}", "InvoicePdf"] => true,
        // `Companies/{id}/invoiceSettings` is an entity of its own, not yet here.
        [_, "{id}", _, ..] => false,
        [root, ..] => tables::entities().any(|def| def.plural == *root),
        [] => false,
    }
}

fn entity(id: EntityId, def: &'static EntityDef, model: &BTreeMap<String, Value>) -> Entity {
    let mut fields: Vec<Field> = model
        .iter()
        .filter(|(name, _)| *name != "userDefinedFields")
        .map(|(name, kind)| field(def, wire_name(name), kind.as_str().unwrap_or_default()))
        .collect();
    fields.extend(def.later.iter().map(|(name, kind)| field(def, (*name).to_owned(), kind)));
    fields.extend(def.internal.iter().map(|name| Field { internal: true, ..field(def, (*name).to_owned(), "double") }));
    let by_name = fields
        .iter()
        .enumerate()
        .flat_map(|(at, field)| [(field.name.clone(), at), (field.name.to_ascii_lowercase(), at)])
        .collect();
    Entity { id, def, fields, role: role(def), by_name }
}

/// Fills in the picklists that webhooks have of the fields of what they watch.
fn number_webhook_fields(entities: &mut [Entity]) {
    for kind in KINDS {
        let of = |plural: &str| entities.iter().position(|entity| entity.def.plural == plural);
        let (Some(watched), Some(fields)) = (of(kind.watched), of(kind.fields)) else { continue };
        let udf_fields = kind.udf_fields.and_then(of);
        let watched = &entities[watched];
        let names = watched.fields.iter().filter(|field| watched.is_webhook_field(field));
        let built_in = numbered(kind.first_field, names.map(|field| field.name.as_str()));
        let udfs = numbered(kind.first_udf_field, watched.def.udfs.iter().copied());
        let mut fill = |entity: usize, field: &str, picks| {
            let at = entities[entity].at(field);
            entities[entity].fields[at].picklist = Some(picks);
        };
        fill(fields, "fieldID", built_in);
        if let Some(entity) = udf_fields {
            fill(entity, "udfFieldID", udfs);
        }
    }
}

/// The catalogue is built once and lives as long as the process, and so do its picklists.
fn numbered<'n>(first: i64, names: impl Iterator<Item = &'n str>) -> &'static [Pick] {
    let owned = |name: &str| -> &'static str { Box::leak(name.to_owned().into_boxed_str()) };
    let picks: Vec<Pick> = (first..).zip(names).map(|(number, name)| (number, "", owned(name))).collect();
    Box::leak(picks.into_boxed_slice())
}

fn role(def: &EntityDef) -> Role {
    for kind in KINDS {
        match def.plural {
            plural if plural == kind.watched => return Role::Watched(kind),
            plural if plural == kind.webhooks => return Role::Webhook(kind),
            plural if plural == kind.fields || Some(plural) == kind.udf_fields => return Role::WebhookField(kind),
            plural if plural == kind.excluded => return Role::Excluded,
            _ => {}
        }
    }
    Role::Plain
}

/// The models write `mSRP` and `rMMAlertID`; on the wire it is `msrp` and `rmmAlertID`.
fn wire_name(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("rMM") {
        return format!("rmm{rest}");
    }
    match name {
        "mSRP" => "msrp".to_owned(),
        "sKU" => "sku".to_owned(),
        "sICCode" => "sicCode".to_owned(),
        other => other.to_owned(),
    }
}

fn field(def: &'static EntityDef, name: String, model_type: &str) -> Field {
    let named = |list: &[&str]| list.contains(&name.as_str());
    let kind = match model_type {
        "boolean" => Kind::Bool,
        "int32" => Kind::Int,
        "int64" => Kind::Long,
        "double" => Kind::Decimal,
        "date-time" if named(def.dates) => Kind::Date,
        "date-time" => Kind::Instant,
        _ => Kind::Text,
    };
    let picklist = def.picklists.iter().find(|(field, _)| *field == name).map(|(_, list)| {
        PICKLISTS
            .iter()
            .find(|(picklist, _)| picklist == list)
            .map(|(_, picks)| *picks)
            .unwrap_or_else(|| unreachable!("no picklist {list}"))
    });
    let references = def.references.iter().find(|(field, _)| *field == name).map(|(_, plural)| *plural);
    Field {
        kind,
        required: named(def.required),
        read_only: name == "id" || named(def.read_only) || !(def.writable.is_empty() || named(def.writable)),
        fixed: named(def.fixed),
        queryable: !named(def.not_queryable),
        cost: named(def.costs),
        secret: named(def.secret),
        internal: false,
        indexed: references.is_some(),
        length: def
            .lengths
            .iter()
            .find(|(field, _)| *field == name)
            .map_or(if kind == Kind::Text { TEXT_LENGTH } else { 0 }, |(_, length)| *length),
        picklist,
        references,
        name,
    }
}

/// Most characters of a text whose own bound is not known.
const TEXT_LENGTH: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_the_tables_name_is_a_field_of_the_model() {
        for entity in &catalogue().entities {
            let def = entity.def;
            let lists = [
                def.required,
                def.not_queryable,
                def.read_only,
                def.writable,
                def.fixed,
                def.dates,
                def.costs,
                def.secret,
                def.internal,
                def.stamped,
                def.touched,
            ];
            let pairs = def
                .picklists
                .iter()
                .map(|(field, _)| *field)
                .chain(def.references.iter().map(|(field, _)| *field))
                .chain(def.lengths.iter().map(|(field, _)| *field))
                .chain(def.defaults.iter().map(|(field, _)| *field))
                .chain(def.child.iter().map(|child| child.field));
            for name in lists.into_iter().flatten().copied().chain(pairs) {
                assert!(entity.field(name).is_some(), "{} has no field {name}", def.name);
            }
            for (_, plural) in def.references {
                assert!(catalogue().entity(plural).is_some(), "no entity {plural}");
            }
        }
    }
}
