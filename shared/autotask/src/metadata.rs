//! What a tenant's Autotask says about itself: entities, fields, picklists, limits.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::client::Client;
use crate::entity::Entity;
use crate::error::Result;
use crate::page;
use crate::transport::Method;

/// How much of an entity the API user may reach. What is restricted looks empty, not forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserAccess {
    /// Nothing.
    None,
    /// All rows.
    All,
    /// Some rows.
    Restricted,
    /// Something that this crate does not know.
    Other(String),
}

// Documented as 0, 1, 2; whether they come as numbers, digits or words is not, and the vendor's
// Swagger has an object there. What cannot be read must not fail the whole answer.
fn user_access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserAccess>, D::Error> {
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        value => value.to_string(),
    };
    Ok(Some(match text.trim().to_ascii_lowercase().as_str() {
        "0" | "none" => UserAccess::None,
        "1" | "all" => UserAccess::All,
        "2" | "restricted" => UserAccess::Restricted,
        _ => UserAccess::Other(text),
    }))
}

/// What the API user may do with an entity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityInformation {
    /// Name of the entity.
    #[serde(default, with = "crate::wire::optional")]
    pub name: Option<String>,
    /// Whether rows can be created.
    #[serde(default, with = "crate::wire::optional")]
    pub can_create: Option<bool>,
    /// Whether rows can be deleted.
    #[serde(default, with = "crate::wire::optional")]
    pub can_delete: Option<bool>,
    /// Whether rows can be queried.
    #[serde(default, with = "crate::wire::optional")]
    pub can_query: Option<bool>,
    /// Whether rows can be changed.
    #[serde(default, with = "crate::wire::optional")]
    pub can_update: Option<bool>,
    /// Which rows this user may create.
    #[serde(default, deserialize_with = "user_access")]
    pub user_access_for_create: Option<UserAccess>,
    /// Which rows this user may delete.
    #[serde(default, deserialize_with = "user_access")]
    pub user_access_for_delete: Option<UserAccess>,
    /// Which rows this user may query.
    #[serde(default, deserialize_with = "user_access")]
    pub user_access_for_query: Option<UserAccess>,
    /// Which rows this user may change.
    #[serde(default, deserialize_with = "user_access")]
    pub user_access_for_update: Option<UserAccess>,
    /// Whether it has user-defined fields.
    #[serde(default, with = "crate::wire::optional")]
    pub has_user_defined_fields: Option<bool>,
    /// Whether webhooks exist for it.
    #[serde(default, with = "crate::wire::optional")]
    pub supports_webhook_callouts: Option<bool>,
}

/// One field of an entity, built-in or user-defined.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldInformation {
    /// Name as in rows and filters.
    pub name: String,
    /// Label, of user-defined fields.
    #[serde(default, with = "crate::wire::optional")]
    pub label: Option<String>,
    /// Type, e.g. `integer`; user-defined fields call it `type`.
    #[serde(default, alias = "type", with = "crate::wire::optional")]
    pub data_type: Option<String>,
    /// Longest text, 0 for other types.
    #[serde(default, with = "crate::wire::optional")]
    pub length: Option<i64>,
    /// Whether it is required; also set on read-only fields, where it means nothing.
    #[serde(default, with = "crate::wire::optional")]
    pub is_required: Option<bool>,
    /// Whether it cannot be written; not to be relied on for creates.
    #[serde(default, with = "crate::wire::optional")]
    pub is_read_only: Option<bool>,
    /// Whether filters may use it.
    #[serde(default, with = "crate::wire::optional")]
    pub is_queryable: Option<bool>,
    /// Whether it refers to another entity.
    #[serde(default, with = "crate::wire::optional")]
    pub is_reference: Option<bool>,
    /// To which entity; empty if to none.
    #[serde(default, with = "crate::wire::optional")]
    pub reference_entity_type: Option<String>,
    /// Whether its values are of a list.
    #[serde(default, with = "crate::wire::optional")]
    pub is_pick_list: Option<bool>,
    /// The list's values, inactive ones too.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub picklist_values: Vec<PicklistEntry>,
    /// The field whose value decides which values may be used; empty if none.
    #[serde(default, with = "crate::wire::optional")]
    pub picklist_parent_value_field: Option<String>,
    /// Whether webhooks can report it.
    #[serde(default, with = "crate::wire::optional")]
    pub is_supported_webhook_field: Option<bool>,
}

/// One value of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PicklistEntry {
    /// The value: text here, a number in rows.
    #[serde(with = "crate::wire::required")]
    pub value: String,
    /// What people see.
    #[serde(default, with = "crate::wire::optional")]
    pub label: Option<String>,
    /// Whether it is the default.
    #[serde(default, with = "crate::wire::optional")]
    pub is_default_value: Option<bool>,
    /// Order.
    #[serde(default, with = "crate::wire::optional")]
    pub sort_order: Option<i64>,
    /// The parent field's value with which it may be used; empty if any.
    #[serde(default, with = "crate::wire::optional")]
    pub parent_value: Option<String>,
    /// Whether it can still be used.
    #[serde(default, with = "crate::wire::optional")]
    pub is_active: Option<bool>,
    /// Whether Autotask owns it.
    #[serde(default, with = "crate::wire::optional")]
    pub is_system: Option<bool>,
}

impl PicklistEntry {
    /// The value as rows carry it.
    pub fn number(&self) -> Option<i64> {
        self.value.trim().parse().ok()
    }
}

/// The fields of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<FieldInformation>);

impl Fields {
    /// The field of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&FieldInformation> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The picklist of the field of this name, if it has values.
    pub fn picklist(&self, name: &str) -> Option<Picklist<'_>> {
        let field = self.get(name)?;
        (!field.picklist_values.is_empty()).then_some(Picklist { entries: &field.picklist_values })
    }

    /// All fields.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldInformation> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The values of a picklist field.
#[derive(Debug, Clone, Copy)]
pub struct Picklist<'a> {
    pub(crate) entries: &'a [PicklistEntry],
}

impl<'a> Picklist<'a> {
    /// The number of the value with this label, whatever its case; an active one first.
    pub fn value_of_label(&self, label: &str) -> Option<i64> {
        let label = label.trim();
        let matches = |entry: &&PicklistEntry| {
            entry.label.as_deref().is_some_and(|text| text.trim().to_lowercase() == label.to_lowercase())
        };
        let active = |entry: &&PicklistEntry| entry.is_active != Some(false);
        let found = self.entries.iter().filter(matches);
        found.clone().find(active).or_else(|| self.entries.iter().find(matches))?.number()
    }

    /// The label of this value.
    pub fn label_of(&self, value: i64) -> Option<&'a str> {
        self.entries.iter().find(|entry| entry.number() == Some(value))?.label.as_deref()
    }

    /// All values, inactive ones too.
    pub fn entries(&self) -> &'a [PicklistEntry] {
        self.entries
    }
}

/// How much of the database's hourly limit is used. Shared by every integration of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Threshold {
    /// Requests allowed in the time frame, usually 10,000.
    #[serde(rename = "externalRequestThreshold", with = "crate::wire::required")]
    pub limit: i64,
    /// The rolling time frame in minutes, usually 60.
    #[serde(rename = "requestThresholdTimeframe", with = "crate::wire::required")]
    pub timeframe_minutes: i64,
    /// Requests made in the current time frame.
    #[serde(rename = "currentTimeframeRequestCount", with = "crate::wire::required")]
    pub used: i64,
}

impl Client {
    /// What the API user may do with an entity.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn entity_information<T: Entity>(&self) -> Result<EntityInformation> {
        self.information_of(T::NAME).await
    }

    pub(crate) async fn information_of(&self, name: &str) -> Result<EntityInformation> {
        #[derive(Deserialize)]
        struct Answer {
            info: EntityInformation,
        }
        let url = self.data_url(&format!("{name}/entityInformation"))?;
        let answer: Answer = self.read(Method::Get, url, None, page::json).await?;
        Ok(answer.info)
    }

    /// An entity's built-in fields, with their picklists.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn fields<T: Entity>(&self) -> Result<Fields> {
        self.fields_at(&format!("{}/entityInformation/fields", T::NAME)).await
    }

    /// An entity's user-defined fields.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn user_defined_fields<T: Entity>(&self) -> Result<Fields> {
        self.fields_at(&format!("{}/entityInformation/userDefinedFields", T::NAME)).await
    }

    pub(crate) async fn fields_at(&self, path: &str) -> Result<Fields> {
        #[derive(Deserialize)]
        struct Answer {
            fields: Vec<FieldInformation>,
        }
        let url = self.data_url(path)?;
        let answer: Answer = self.read(Method::Get, url, None, page::json).await?;
        Ok(Fields(answer.fields))
    }

    /// How much of the hourly limit is used. Ask from one place, one call at a time.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn threshold(&self) -> Result<Threshold> {
        let url = self.data_url("ThresholdInformation")?;
        self.read(Method::Get, url, None, page::json).await
    }

    /// The versions of the API that the zone has: `V1.0`.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    pub async fn versions(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            api_versions: Vec<String>,
        }
        let url = self.zone().at("VersionInformation")?;
        let answer: Answer = self.read(Method::Get, url, None, page::json).await?;
        Ok(answer.api_versions)
    }
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PicklistEntry>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
