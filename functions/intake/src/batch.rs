//! Batches: every item is read and done for itself, and answered in its place.

use domain::decoding::from_value;
use domain::vendor::BATCH_ITEMS_MAX;
use domain::{Error, Problem};
use runtime::edge::{ApiError, RefusedField};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A batch whose items are not yet read: one that is malformed must not cost the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    items: Vec<Value>,
}

impl Batch {
    /// Reads each item.
    ///
    /// # Errors
    /// `invalid_input` for an empty batch or one with too many items.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<Vec<Result<T, Error>>, ApiError> {
        if self.items.is_empty() || self.items.len() > BATCH_ITEMS_MAX {
            return Err(Problem::field("/items", format!("must have 1 to {BATCH_ITEMS_MAX} entries")).into());
        }
        Ok(self.items.into_iter().map(|item| Ok(from_value(item)?)).collect())
    }
}

/// Puts the results of the items that could be read back among those that could not.
pub(crate) fn in_place<T, R>(items: Vec<Result<T, Error>>, done: Vec<Result<R, Error>>) -> Vec<Result<R, Error>> {
    let mut done = done.into_iter();
    items
        .into_iter()
        .filter_map(|item| match item {
            Ok(_) => done.next(),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// Why one item of a batch was not done.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemProblem {
    /// The code, as of a problem of its own.
    #[schema(example = "not_found")]
    code: &'static str,
    /// In words.
    detail: String,
    /// Refused fields; pointers start at the item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<RefusedField>,
}

impl From<Error> for ItemProblem {
    fn from(error: Error) -> Self {
        let error = ApiError::from(error);
        let problem = error.problem();
        let detail = if problem.detail.is_empty() { problem.code.title().to_owned() } else { problem.detail.clone() };
        let field =
            |e: &domain::problem::FieldError| RefusedField { pointer: e.pointer.clone(), detail: e.detail.clone() };
        Self { code: problem.code.as_str(), detail, errors: problem.errors.iter().map(field).collect() }
    }
}

/// What became of one item of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemResult {
    /// The item's place in the batch, from 0.
    index: usize,
    /// How it ended; absent where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "updated")]
    outcome: Option<Value>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ItemProblem>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    /// Items that are done.
    succeeded: usize,
    /// Items that failed.
    failed: usize,
    /// One result per item, in their order.
    results: Vec<ItemResult>,
}

impl BatchView {
    /// The view of results whose outcome `name` tells.
    pub(crate) fn of<R>(results: Vec<Result<R, Error>>, name: impl Fn(R) -> Value) -> Self {
        let failed = results.iter().filter(|r| r.is_err()).count();
        let succeeded = results.len() - failed;
        let view = |(index, result): (usize, Result<R, Error>)| match result {
            Ok(done) => ItemResult { index, outcome: Some(name(done)), error: None },
            Err(error) => ItemResult { index, outcome: None, error: Some(error.into()) },
        };
        Self { succeeded, failed, results: results.into_iter().enumerate().map(view).collect() }
    }
}
