//! [`Storage`] on one DynamoDB table.

mod fault;
mod item;
mod page;
mod write;

use crate::keys::{self, Range, Sort};
use crate::table::{GSI1, GSI1_PK, GSI1_SK, PK, SK};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::actor::Scope;
use domain::ports::{Listing, Order, PageRequest, Read, Storage, StorageError};
use domain::records::{Collection, Key, Stored, WRITES_MAX, Write};
use fault::{Fate, RESENDS, fate, storage_error};
use std::fmt;
use std::time::Duration;

/// The first pause before a request is sent again; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(40);
/// Most records of one page; DynamoDB ends a page at 1 MB by itself.
const LIMIT_MAX: u32 = 1_000;

/// Records in one DynamoDB table.
#[derive(Clone)]
pub struct Dynamo {
    client: Client,
    table: String,
}

impl fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamo").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Dynamo {
    /// The table `table`, which must exist; see [`crate::table::create_table`] for engines on one machine.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Sends until there is an answer, at most `1 + RESENDS` times. Every time it is the same request.
    async fn sent<T, E, F>(
        &self,
        fate: impl Fn(&SdkError<E>) -> Fate,
        send: impl Fn() -> F,
    ) -> Result<T, (SdkError<E>, Fate)>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut sends = 0;
        loop {
            let error = match send().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let fate = fate(&error);
            if sends == RESENDS || matches!(fate, Fate::Refused | Fate::Malformed) {
                return Err((error, fate));
            }
            tokio::time::sleep(PAUSE_FIRST * 2_u32.pow(sends)).await;
            sends += 1;
        }
    }

    async fn read(&self, key: &Key, read: Read) -> Result<Option<Stored>, StorageError> {
        let at = keys::address(key);
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(at.pk))
            .key(SK, AttributeValue::S(at.sk))
            .consistent_read(read == Read::Strong);
        let answer = self
            .sent(fate, || request.clone().send())
            .await
            .map_err(|(error, fate)| storage_error(&format!("{key:?}"), error, fate))?;
        answer.item.map(item::decode).transpose()
    }

    fn query(&self, range: &Range, page: &PageRequest, limit: u32) -> Result<QueryFluentBuilder, StorageError> {
        let (pk, sk) = if range.indexed { (GSI1_PK, GSI1_SK) } else { (PK, SK) };
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(range.indexed.then(|| GSI1.to_owned()))
            .consistent_read(page.read == Read::Strong && !range.indexed)
            .scan_index_forward(page.order == Order::Ascending)
            // One more than asked for tells whether there is a next page.
            .limit(i32::try_from(limit + 1).expect("LIMIT_MAX fits"))
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()));
        let (condition, bounds) = match &range.sort {
            Sort::All => (format!("{pk} = :pk"), vec![]),
            Sort::Prefix(prefix) => {
                let condition = format!("{pk} = :pk AND begins_with({sk}, :sk)");
                (condition, vec![(":sk", prefix.clone().into_owned())])
            }
            Sort::Below(end) => (format!("{pk} = :pk AND {sk} < :sk"), vec![(":sk", end.clone())]),
            Sort::Between(from, to) => {
                let condition = format!("{pk} = :pk AND {sk} BETWEEN :from AND :to");
                (condition, vec![(":from", from.clone()), (":to", to.clone())])
            }
        };
        let request = bounds.into_iter().fold(request.key_condition_expression(condition), |request, (name, bound)| {
            request.expression_attribute_values(name, AttributeValue::S(bound))
        });
        let start = page.after.as_deref().map(|token| page::start(range, token)).transpose()?;
        Ok(request.set_exclusive_start_key(start))
    }
}

#[async_trait]
impl Storage for Dynamo {
    async fn get(&self, scope: &Scope, key: &Key, read: Read) -> Result<Option<Stored>, StorageError> {
        admitted(scope.may_read(key))?;
        self.read(key, read).await
    }

    async fn list(&self, scope: &Scope, of: &Collection, page: PageRequest) -> Result<Listing, StorageError> {
        admitted(scope.may_list(of))?;
        let range = keys::range(of);
        let limit = page.limit.clamp(1, LIMIT_MAX);
        let request = self.query(&range, &page, limit)?;
        let answer = self
            .sent(fate, || request.clone().send())
            .await
            .map_err(|(error, fate)| storage_error(&format!("{of:?}"), error, fate))?;
        let mut items = answer.items.unwrap_or_default();
        let limit = usize::try_from(limit).expect("LIMIT_MAX fits");
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(|last| page::token(&range, last)).transpose()?
        } else {
            answer.last_evaluated_key.as_ref().map(|key| page::token(&range, key)).transpose()?
        };
        let items = items.into_iter().map(item::decode).collect::<Result<_, _>>()?;
        Ok(Listing { items, next })
    }

    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        for write in &writes {
            admitted(scope.may_write(&write.key))?;
        }
        match writes.as_slice() {
            [] => Ok(()),
            [one] => self.write_one(one).await,
            many if many.len() <= WRITES_MAX => self.write_all(many).await,
            many => {
                let source = format!("{} writes; one transaction has at most {WRITES_MAX}", many.len()).into();
                Err(StorageError::Corrupt { key: "transaction".to_owned(), source })
            }
        }
    }
}

fn admitted(yes: bool) -> Result<(), StorageError> {
    if yes { Ok(()) } else { Err(StorageError::OutOfScope) }
}

/// A service error's code, for the log line of a failure that goes on.
fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or("no answer")
}
