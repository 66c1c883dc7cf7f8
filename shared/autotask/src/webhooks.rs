//! Webhooks of any kind, their fields and the resources that they leave out.

use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::entities::{
    NewWebhook, WEBHOOK_NAME_MAX, WEBHOOK_URL_MAX, Webhook, WebhookExcludedResource, WebhookField, WebhookKind,
    WebhookPatch, WebhookUdfField,
};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::filter::Filter;
use crate::id::Id;
use crate::metadata::{EntityInformation, Picklist, PicklistEntry};
use crate::page::{self, Pages};
use crate::transport::Method;

impl Client {
    /// The webhooks of a kind.
    pub fn webhooks(&self, kind: WebhookKind) -> Webhooks {
        Webhooks { client: self.clone(), kind }
    }
}

/// The webhooks of one kind.
///
/// Fields are to be added one after the other: Autotask allows three calls at once on an entity.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    kind: WebhookKind,
}

/// What a webhook does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldUse {
    /// A change of it is reported.
    pub subscribed: bool,
    /// Every callout tells it.
    pub always_shown: bool,
}

/// The numbers under which webhooks know fields, by the fields' names. They differ from database to database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookFieldIds(Vec<PicklistEntry>);

impl WebhookFieldIds {
    /// The number of the field of this name, whatever its case: a field's name in rows, or a user-defined one's.
    pub fn id_of(&self, name: &str) -> Option<i64> {
        Picklist { entries: &self.0 }.value_of_label(name)
    }

    /// The name of the field of this number.
    pub fn name_of(&self, id: i64) -> Option<&str> {
        Picklist { entries: &self.0 }.label_of(id)
    }

    /// How many fields a webhook can have.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A field, a user-defined one, or a resource, below a webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChildBody {
    #[serde(rename = "webhookID")]
    webhook_id: Id<Webhook>,
    #[serde(rename = "fieldID", skip_serializing_if = "Option::is_none")]
    field_id: Option<i64>,
    #[serde(rename = "udfFieldID", skip_serializing_if = "Option::is_none")]
    udf_field_id: Option<i64>,
    #[serde(rename = "resourceID", skip_serializing_if = "Option::is_none")]
    resource_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_subscribed_field: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_display_always_field: Option<bool>,
}

impl ChildBody {
    fn of(webhook: Id<Webhook>) -> Self {
        Self {
            webhook_id: webhook,
            field_id: None,
            udf_field_id: None,
            resource_id: None,
            is_subscribed_field: None,
            is_display_always_field: None,
        }
    }

    fn used(self, used: FieldUse) -> Self {
        let FieldUse { subscribed, always_shown } = used;
        Self { is_subscribed_field: Some(subscribed), is_display_always_field: Some(always_shown), ..self }
    }
}

const FIELDS: &str = "Fields";
const UDF_FIELDS: &str = "UdfFields";
const EXCLUDED: &str = "ExcludedResources";

impl Webhooks {
    /// Of what.
    pub const fn kind(&self) -> WebhookKind {
        self.kind
    }

    /// What the API user may do with them. Creating webhooks is a right of its own, which no security level has
    /// unless somebody gives it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn information(&self) -> Result<EntityInformation> {
        self.client.information_of(self.kind.entity()).await
    }

    /// The webhooks that pass `filter`, those of other users too where Autotask shows them. Keys are not asked for.
    ///
    /// # Errors
    /// As a query's.
    pub async fn query(&self, filter: Filter) -> Result<Vec<Webhook>> {
        let rows = self.rows(self.kind.entity(), filter, Webhook::READ_FIELDS).await?;
        rows.into_iter().map(|row| page::row(row, "Webhook")).collect()
    }

    /// The webhook with this id, or `None` if there is none.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get(&self, id: Id<Webhook>) -> Result<Option<Webhook>> {
        let url = self.client.data_url(&format!("{}/{id}", self.kind.entity()))?;
        self.client.get_item(url, |item| page::row(item, "Webhook")).await
    }

    /// Creates a webhook; answers its id. It calls out once it has a subscribed field and [`Webhook::is_ready`].
    ///
    /// # Errors
    /// [`Error::Forbidden`] without the right to create webhooks; [`Error::OutOfBounds`] for a name or URL that is too
    /// long; [`Error::UnknownOutcome`] when it may exist, which is also what a refusal looks like whose text is
    /// not known (too many webhooks, a second one for the same URL): look for it before sending again.
    pub async fn create(&self, webhook: &NewWebhook) -> Result<Id<Webhook>> {
        fits("name", &webhook.name, WEBHOOK_NAME_MAX)?;
        fits("URL", &webhook.webhook_url, WEBHOOK_URL_MAX)?;
        fits("deactivation URL", &webhook.deactivation_url, WEBHOOK_URL_MAX)?;
        let client = self.client.hiding(webhook.secret_key.secret().clone());
        client.write(Method::Post, self.kind.entity(), webhook).await.map(Id::new)
    }

    /// Changes some fields of a webhook.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn patch(&self, patch: &WebhookPatch) -> Result<()> {
        for (what, field, most) in [
            ("name", &patch.name, WEBHOOK_NAME_MAX),
            ("URL", &patch.webhook_url, WEBHOOK_URL_MAX),
            ("deactivation URL", &patch.deactivation_url, WEBHOOK_URL_MAX),
        ] {
            if let Field::Set(text) = field {
                fits(what, text, most)?;
            }
        }
        let client = match &patch.secret_key {
            Some(key) => self.client.hiding(key.secret().clone()),
            None => self.client.clone(),
        };
        client.write(Method::Patch, self.kind.entity(), patch).await.map(drop)
    }

    /// Deletes a webhook with all that is below it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there, or this API user may not delete it.
    pub async fn delete(&self, id: Id<Webhook>) -> Result<()> {
        self.client.delete_at(&format!("{}/{id}", self.kind.entity())).await
    }

    /// The numbers of the fields that a webhook can have.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn field_ids(&self) -> Result<WebhookFieldIds> {
        self.ids_in(self.kind.fields_entity(), "fieldID").await
    }

    /// The numbers of the user-defined fields that a webhook can have; none of [`WebhookKind::TicketNote`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn udf_field_ids(&self) -> Result<WebhookFieldIds> {
        match self.kind.udf_fields_entity() {
            Some(entity) => self.ids_in(entity, "udfFieldID").await,
            None => Ok(WebhookFieldIds::default()),
        }
    }

    /// A webhook's fields.
    ///
    /// # Errors
    /// As a query's.
    pub async fn fields(&self, webhook: Id<Webhook>) -> Result<Vec<WebhookField>> {
        let rows = self.rows(self.kind.fields_entity(), of(webhook), WebhookField::READ_FIELDS).await?;
        rows.into_iter().map(|row| page::row(row, "WebhookField")).collect()
    }

    /// Gives a webhook a field, by its number.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn add_field(&self, webhook: Id<Webhook>, field: i64, used: FieldUse) -> Result<Id<WebhookField>> {
        let body = ChildBody { field_id: Some(field), ..ChildBody::of(webhook) }.used(used);
        self.add(webhook, FIELDS, &body).await.map(Id::new)
    }

    /// Takes a field from a webhook.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there.
    pub async fn remove_field(&self, webhook: Id<Webhook>, field: Id<WebhookField>) -> Result<()> {
        self.remove(webhook, FIELDS, field.get()).await
    }

    /// A webhook's user-defined fields; none of [`WebhookKind::TicketNote`].
    ///
    /// # Errors
    /// As a query's.
    pub async fn udf_fields(&self, webhook: Id<Webhook>) -> Result<Vec<WebhookUdfField>> {
        let Some(entity) = self.kind.udf_fields_entity() else { return Ok(Vec::new()) };
        let rows = self.rows(entity, of(webhook), WebhookUdfField::READ_FIELDS).await?;
        rows.into_iter().map(|row| page::row(row, "WebhookUdfField")).collect()
    }

    /// Gives a webhook a user-defined field, by its number.
    ///
    /// # Errors
    /// As [`Client::create`]; [`Error::OutOfBounds`] of [`WebhookKind::TicketNote`].
    pub async fn add_udf_field(&self, webhook: Id<Webhook>, field: i64, used: FieldUse) -> Result<Id<WebhookUdfField>> {
        self.has_udf_fields()?;
        let body = ChildBody { udf_field_id: Some(field), ..ChildBody::of(webhook) }.used(used);
        self.add(webhook, UDF_FIELDS, &body).await.map(Id::new)
    }

    /// Takes a user-defined field from a webhook.
    ///
    /// # Errors
    /// As [`Self::remove_field`]; [`Error::OutOfBounds`] of [`WebhookKind::TicketNote`].
    pub async fn remove_udf_field(&self, webhook: Id<Webhook>, field: Id<WebhookUdfField>) -> Result<()> {
        self.has_udf_fields()?;
        self.remove(webhook, UDF_FIELDS, field.get()).await
    }

    /// The resources whose changes a webhook does not report.
    ///
    /// # Errors
    /// As a query's.
    pub async fn excluded_resources(&self, webhook: Id<Webhook>) -> Result<Vec<WebhookExcludedResource>> {
        let entity = self.kind.excluded_resources_entity();
        let rows = self.rows(entity, of(webhook), WebhookExcludedResource::READ_FIELDS).await?;
        rows.into_iter().map(|row| page::row(row, "WebhookExcludedResource")).collect()
    }

    /// No longer reports what a resource changes: its own API user, so that an integration does not hear itself.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn exclude_resource(&self, webhook: Id<Webhook>, resource: i64) -> Result<Id<WebhookExcludedResource>> {
        let body = ChildBody { resource_id: Some(resource), ..ChildBody::of(webhook) };
        self.add(webhook, EXCLUDED, &body).await.map(Id::new)
    }

    /// Reports again what a resource changes.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not excluded.
    pub async fn remove_excluded_resource(
        &self,
        webhook: Id<Webhook>,
        excluded: Id<WebhookExcludedResource>,
    ) -> Result<()> {
        self.remove(webhook, EXCLUDED, excluded.get()).await
    }

    async fn rows(&self, entity: &str, filter: Filter, fields: &[&str]) -> Result<Vec<Value>> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        Pages::new(self.client.clone(), entity, vec![filter], &fields, page::PAGE_SIZE_MAX)?.all().await
    }

    async fn ids_in(&self, entity: &str, field: &str) -> Result<WebhookFieldIds> {
        let fields = self.client.fields_at(&format!("{entity}/entityInformation/fields")).await?;
        let entries = fields.get(field).map(|field| field.picklist_values.clone());
        Ok(WebhookFieldIds(entries.unwrap_or_default()))
    }

    async fn add(&self, webhook: Id<Webhook>, segment: &str, body: &ChildBody) -> Result<i64> {
        self.client.write(Method::Post, &format!("{}/{webhook}/{segment}", self.kind.entity()), body).await
    }

    async fn remove(&self, webhook: Id<Webhook>, segment: &str, id: i64) -> Result<()> {
        self.client.delete_at(&format!("{}/{webhook}/{segment}/{id}", self.kind.entity())).await
    }

    fn has_udf_fields(&self) -> Result<()> {
        match self.kind.udf_fields_entity() {
            Some(_) => Ok(()),
            None => Err(Error::out_of_bounds("webhooks of ticket notes have no user-defined fields")),
        }
    }
}

fn of(webhook: Id<Webhook>) -> Filter {
    Filter::eq("webhookID", webhook)
}

/// Autotask's refusal of a text that is too long is not on the list of those that are known, so that it would
/// look like an unknown outcome.
fn fits(what: &str, text: &str, most: usize) -> Result<()> {
    match text.chars().count() {
        count if count <= most => Ok(()),
        _ => Err(Error::out_of_bounds(format!("a webhook's {what} has at most {most} characters"))),
    }
}
