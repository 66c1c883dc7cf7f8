//! The table's shape, as data: `template.yaml` has the same and a test compares the two.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::update_time_to_live::UpdateTimeToLiveError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};

/// Partition key of the table.
pub const PK: &str = "pk";
/// Sort key of the table.
pub const SK: &str = "sk";
/// The index over all partners.
pub const GSI1: &str = "gsi1";
/// Its partition key.
pub const GSI1_PK: &str = "gsi1pk";
/// Its sort key.
pub const GSI1_SK: &str = "gsi1sk";
/// When a record may be dropped: epoch seconds.
pub const TTL: &str = "ttl";

/// The shape of the table; every key attribute is a string, every index projects all attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Attributes that keys are made of.
    pub attributes: &'static [&'static str],
    /// Partition and sort key.
    pub key: (&'static str, &'static str),
    /// Indexes: name, partition and sort key.
    pub indexes: &'static [(&'static str, &'static str, &'static str)],
    /// The attribute that drops a record.
    pub ttl: &'static str,
}

/// The shape of the table.
#[must_use]
pub const fn definition() -> Definition {
    Definition {
        attributes: &[PK, SK, GSI1_PK, GSI1_SK],
        key: (PK, SK),
        indexes: &[(GSI1, GSI1_PK, GSI1_SK)],
        ttl: TTL,
    }
}

/// Why a table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Its description is incomplete.
    #[error("the table's definition is incomplete")]
    Definition(#[from] BuildError),
    /// The engine refused or did not answer.
    #[error("the table cannot be created")]
    Create(#[source] Box<SdkError<CreateTableError>>),
    /// The engine did not take the TTL attribute.
    #[error("the table's time to live cannot be set")]
    Ttl(#[source] Box<SdkError<UpdateTimeToLiveError>>),
}

/// Creates the table unless it is there. For one machine and tests; in the cloud the template does.
///
/// # Errors
/// [`TableError`] says which step the engine refused.
pub async fn create_table(client: &Client, name: &str) -> Result<(), TableError> {
    let shape = definition();
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(element(shape.key.0, KeyType::Hash)?)
        .key_schema(element(shape.key.1, KeyType::Range)?);
    for attribute in shape.attributes {
        let attribute =
            AttributeDefinition::builder().attribute_name(*attribute).attribute_type(ScalarAttributeType::S).build()?;
        request = request.attribute_definitions(attribute);
    }
    for (index, pk, sk) in shape.indexes {
        let index = GlobalSecondaryIndex::builder()
            .index_name(*index)
            .key_schema(element(pk, KeyType::Hash)?)
            .key_schema(element(sk, KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()?;
        request = request.global_secondary_indexes(index);
    }
    match request.send().await {
        Ok(_) => set_ttl(client, name, shape.ttl).await,
        Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => Ok(()),
        Err(error) => Err(TableError::Create(Box::new(error))),
    }
}

fn element(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

async fn set_ttl(client: &Client, name: &str, attribute: &str) -> Result<(), TableError> {
    let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build()?;
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(specification)
        .send()
        .await
        .map_err(|error| TableError::Ttl(Box::new(error)))?;
    Ok(())
}
