//! What Autotask tells about itself: entities, fields, picklists, user-defined fields, versions.

use serde_json::{Value, json};

use crate::schema::{Entity, Field, Role, catalogue};
use crate::spec::Level;
use crate::state::Tenant;
use crate::switches::{PeriodTypeForm, UserAccessForm};
use crate::tables::{ENCRYPTED_UDFS, INACTIVE_LABELS, LIST_UDFS, Pick};
use crate::wire::Response;

/// `GET /versioninformation`.
pub(crate) fn versions() -> Response {
    Response::json(200, &json!({ "apiVersions": ["V1.0"] }))
}

/// `GET /{Entity}/entityInformation`.
pub(crate) fn information(tenant: &Tenant, entity: &Entity) -> Response {
    let access = tenant.db.meta.permissions.access(entity.def.plural);
    let can = |verb: &str| has_verb(entity, verb);
    let show = |level: Level, can: bool| match (tenant.switches.user_access, level.granted() && can) {
        (UserAccessForm::Number, granted) => json!(i32::from(granted)),
        (UserAccessForm::Text, granted) => json!(i32::from(granted).to_string()),
    };
    let can_query = can("query");
    Response::json(
        200,
        &json!({ "info": {
            "name": entity.def.name,
            "canCreate": can("POST"),
            "canDelete": can("DELETE"),
            "canQuery": can_query,
            "canUpdate": can("PATCH"),
            "userAccessForCreate": show(access.add, can("POST")),
            "userAccessForDelete": show(access.delete, can("DELETE")),
            "userAccessForQuery": show(access.view, can_query),
            "userAccessForUpdate": show(access.edit, can("PATCH")),
            "hasUserDefinedFields": entity.has_udfs(),
            "supportsWebhookCallouts": matches!(entity.role, Role::Watched(_)),
        }}),
    )
}

/// Whether any path of the entity has the verb (`query`: whether it can be queried).
fn has_verb(entity: &Entity, verb: &str) -> bool {
    let root = format!("/V1.0/{}", entity.def.plural);
    let child = entity.def.child.as_ref().map(|child| format!("/V1.0/{}/{{parentId}}/{}", child.parent, child.segment));
    catalogue().operations.iter().any(|(path, verbs)| {
        let own = |base: &String| {
            let rest = path.strip_prefix(base.as_str());
            match verb {
                "query" => rest == Some("/query"),
                _ => matches!(rest, Some("" | "/{id}")) && verbs.contains(verb),
            }
        };
        own(&root) || child.as_ref().is_some_and(own)
    })
}

/// `GET /{Entity}/entityInformation/fields`.
pub(crate) fn fields(tenant: &Tenant, entity: &Entity) -> Response {
    let fields: Vec<Value> =
        entity.fields.iter().filter(|field| !field.internal).map(|field| describe(tenant, entity, field)).collect();
    Response::json(200, &json!({ "fields": fields }))
}

/// Flagged read-only and yet taken on create: the real metadata says so, too.
const SAID_READ_ONLY: &[&str] = &["contractPeriodType", "exclusionContractID"];

fn describe(tenant: &Tenant, entity: &Entity, field: &Field) -> Value {
    let referenced = field.references.map_or("", |plural| catalogue().known(plural).def.name);
    json!({
        "name": field.name,
        "dataType": field.kind.data_type(),
        "length": field.length,
        "isRequired": field.required || field.name == "id",
        "isReadOnly": field.read_only || SAID_READ_ONLY.contains(&field.name.as_str()),
        "isQueryable": field.queryable && has_verb(entity, "query"),
        "isReference": field.references.is_some(),
        "referenceEntityType": referenced,
        "isPickList": field.picklist.is_some(),
        "picklistValues": picklist(tenant, field),
        "picklistParentValueField": "",
        "isSupportedWebhookField": entity.is_webhook_field(field),
    })
}

/// Values are strings here, though the field itself holds a number.
fn picklist(tenant: &Tenant, field: &Field) -> Value {
    let Some(picks) = field.picklist else { return Value::Null };
    let letters = field.name == "contractPeriodType" && tenant.switches.contract_period_type == PeriodTypeForm::Letter;
    values(picks, letters)
}

fn values(picks: &[Pick], letters: bool) -> Value {
    picks
        .iter()
        .zip(1..)
        .map(|((number, letter, label), order)| {
            let value = if letters { (*letter).to_owned() } else { number.to_string() };
            json!({
                "value": value,
                "label": label,
                "isDefaultValue": false,
                "sortOrder": order,
                "parentValue": "",
                "isActive": !INACTIVE_LABELS.contains(label),
                "isSystem": true,
            })
        })
        .collect()
}

/// `GET /{Entity}/entityInformation/userDefinedFields`.
pub(crate) fn user_defined_fields(entity: &Entity) -> Response {
    let fields: Vec<Value> = entity
        .def
        .udfs
        .iter()
        .map(|name| {
            let list = LIST_UDFS.iter().find(|(own, _)| own == name).map(|(_, picks)| *picks);
            json!({
                "name": name,
                "label": name,
                "type": "string",
                "length": 8_000,
                "description": "",
                "isRequired": false,
                "isReadOnly": false,
                "isQueryable": !ENCRYPTED_UDFS.contains(name),
                "isReference": false,
                "referenceEntityType": "",
                "isPickList": list.is_some(),
                "picklistValues": list.map(|picks| values(picks, false)),
                "picklistParentValueField": "",
                "defaultValue": null,
                "isSupportedWebhookField": matches!(entity.role, Role::Watched(_)),
            })
        })
        .collect();
    Response::json(200, &json!({ "fields": fields }))
}
