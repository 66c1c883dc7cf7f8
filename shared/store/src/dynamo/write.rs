//! Conditional writes whose answer may be lost.
//!
//! * A put carries a nonce of its own. When it is refused and the item that refused it bears that nonce, an
//!   earlier send of the same put had been carried out: success. The condition keeps a second one from
//!   being applied. If somebody else has replaced the item in between, the nonce is gone and the caller is
//!   told of the conflict, as it must read again anyhow.
//! * An unconditional put or delete is simply sent again.
//! * A delete on a version leaves nothing behind that could bear a nonce: a second send would find the item
//!   gone and could not tell our own delete from another's. Success would then be a guess, and a conflict a
//!   lie. So it goes as a transaction of one with a client request token: DynamoDB remembers the token for
//!   ten minutes, much longer than we send, and answers a repetition as it answered the first. That costs a
//!   second write unit and needs no tombstones.
//! * A transaction has the token, and the nonce in each of its puts: where an engine has forgotten the token,
//!   one item with the nonce proves the whole, as all are written or none.

use super::fault::{Fate, fate, fate_of_transaction, is_condition, reasons, storage_error};
use super::item::{self, Envelope, Item};
use super::{Dynamo, code};
use crate::keys::{self, Address};
use crate::table::{PK, SK};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure as Refusal, TransactWriteItem,
};
use domain::ports::{Read, StorageError};
use domain::records::{Act, Expect, Write};
use std::collections::HashMap;
use uuid::Uuid;

/// An expectation as a condition expression with its values.
struct Condition {
    expression: Option<&'static str>,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Condition {
    fn of(expect: Expect) -> Self {
        match expect {
            Expect::Any => Self { expression: None, values: None },
            Expect::Absent => Self { expression: Some("attribute_not_exists(pk)"), values: None },
            Expect::Version(v) => {
                let values = HashMap::from([(":v".to_owned(), AttributeValue::N(v.to_string()))]);
                Self { expression: Some("v = :v"), values: Some(values) }
            }
        }
    }

    fn expression(&self) -> Option<String> {
        self.expression.map(str::to_owned)
    }
}

impl Dynamo {
    pub(super) async fn write_one(&self, write: &Write) -> Result<(), StorageError> {
        match (&write.act, write.expect) {
            (Act::Put { .. }, _) => self.put(write).await,
            (Act::Delete, Expect::Any) => self.delete(write).await,
            (Act::Delete, Expect::Version(_)) => self.write_all(std::slice::from_ref(write)).await,
            // Deleting what is expected to be absent only checks that it is.
            (Act::Delete, Expect::Absent) | (Act::Check, _) => self.check(write).await,
        }
    }

    async fn put(&self, write: &Write) -> Result<(), StorageError> {
        let nonce = nonce();
        let condition = Condition::of(write.expect);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item_of(write, &nonce)?))
            .set_condition_expression(condition.expression())
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(Refusal::AllOld);
        let Err((error, fate)) = self.sent(fate, || request.clone().send()).await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                if refusal.item().is_some_and(|item| item::bears(item, &nonce)) {
                    tracing::info!(key = ?write.key, "a put was carried out and its answer lost");
                    return Ok(());
                }
                Err(StorageError::Conflict { at: 0, current: item::current(refusal.item()) })
            }
            _ => Err(storage_error(&format!("{:?}", write.key), error, fate)),
        }
    }

    async fn delete(&self, write: &Write) -> Result<(), StorageError> {
        let request =
            self.client.delete_item().table_name(&self.table).set_key(Some(key_of(keys::address(&write.key))));
        self.sent(fate, || request.clone().send())
            .await
            .map(|_| ())
            .map_err(|(error, fate)| storage_error(&format!("{:?}", write.key), error, fate))
    }

    async fn check(&self, write: &Write) -> Result<(), StorageError> {
        if write.expect == Expect::Any {
            return Ok(());
        }
        let current = self.read(&write.key, Read::Strong).await?;
        let holds = match write.expect {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::Version(v) => current.as_ref().is_some_and(|current| current.v == v),
        };
        if holds { Ok(()) } else { Err(StorageError::Conflict { at: 0, current: current.map(Box::new) }) }
    }

    /// All writes or none, in one transaction.
    pub(super) async fn write_all(&self, writes: &[Write]) -> Result<(), StorageError> {
        let nonce = nonce();
        // DynamoDB takes no check without a condition; what is left out must not shift the others' places.
        let sent: Vec<usize> = (0..writes.len())
            .filter(|at| !matches!((&writes[*at].act, writes[*at].expect), (Act::Check, Expect::Any)))
            .collect();
        if sent.is_empty() {
            return Ok(());
        }
        let items = sent.iter().map(|at| self.part(&writes[*at], &nonce)).collect::<Result<Vec<_>, _>>()?;
        let request =
            self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(nonce.clone());
        let Err((error, fate)) = self.sent(fate_of_transaction, || request.clone().send()).await else {
            return Ok(());
        };
        refused(writes, &sent, &nonce, error, fate)
    }

    fn part(&self, write: &Write, nonce: &str) -> Result<TransactWriteItem, StorageError> {
        let condition = Condition::of(write.expect);
        let key = || key_of(keys::address(&write.key));
        let malformed = |source| item::malformed(&write.key, source);
        let part = TransactWriteItem::builder();
        let part = match write.act {
            Act::Put { .. } => part.put(
                Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item_of(write, nonce)?))
                    .set_condition_expression(condition.expression())
                    .set_expression_attribute_values(condition.values)
                    .return_values_on_condition_check_failure(Refusal::AllOld)
                    .build()
                    .map_err(malformed)?,
            ),
            Act::Delete => part.delete(
                Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key()))
                    .set_condition_expression(condition.expression())
                    .set_expression_attribute_values(condition.values)
                    .return_values_on_condition_check_failure(Refusal::AllOld)
                    .build()
                    .map_err(malformed)?,
            ),
            Act::Check => part.condition_check(
                ConditionCheck::builder()
                    .table_name(&self.table)
                    .set_key(Some(key()))
                    .set_condition_expression(condition.expression())
                    .set_expression_attribute_values(condition.values)
                    .return_values_on_condition_check_failure(Refusal::AllOld)
                    .build()
                    .map_err(malformed)?,
            ),
        };
        Ok(part.build())
    }
}

/// What a transaction's failure means: our own success, somebody else's write, or neither.
fn refused(
    writes: &[Write],
    sent: &[usize],
    nonce: &str,
    error: SdkError<TransactWriteItemsError>,
    fate: Fate,
) -> Result<(), StorageError> {
    let refused: Vec<_> =
        reasons(&error).unwrap_or_default().iter().enumerate().filter(|(_, reason)| is_condition(reason)).collect();
    if refused.iter().any(|(_, reason)| reason.item().is_some_and(|item| item::bears(item, nonce))) {
        tracing::info!(writes = writes.len(), "a transaction was carried out and its answer lost");
        return Ok(());
    }
    if let Some((place, reason)) = refused.first() {
        let at = sent.get(*place).copied().unwrap_or(*place);
        return Err(StorageError::Conflict { at, current: item::current(reason.item()) });
    }
    tracing::warn!(code = code(&error), writes = writes.len(), "a transaction was not carried out");
    let first = sent.first().and_then(|at| writes.get(*at)).map(|write| format!("{:?}", write.key));
    Err(storage_error(&format!("transaction from {}", first.unwrap_or_default()), error, fate))
}

fn item_of(write: &Write, nonce: &str) -> Result<Item, StorageError> {
    let Act::Put { entity, doc, index, expires } = &write.act else {
        return Err(item::malformed(&write.key, "only a put has an item"));
    };
    let v = match write.expect {
        Expect::Absent => 1,
        Expect::Version(v) => v + 1,
        Expect::Any => 0,
    };
    let address = keys::address(&write.key);
    let envelope = Envelope { address: &address, entity, v, nonce, index: index.as_ref(), expires: *expires };
    item::encode(&write.key, doc, &envelope)
}

fn key_of(at: Address) -> Item {
    Item::from([(PK.to_owned(), AttributeValue::S(at.pk)), (SK.to_owned(), AttributeValue::S(at.sk))])
}

/// Marks one write, whatever process sends it. Not from the `Ids` port: a replayed seed would yield the
/// marks of an earlier life, and a mark decides nothing but whether a write is our own.
#[expect(clippy::disallowed_methods, reason = "a mark must never repeat, not even in a replay from a seed")]
fn nonce() -> String {
    Uuid::new_v4().to_string()
}
