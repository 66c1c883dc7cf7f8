//! `limit` and `cursor` of every listing.

use super::error::ApiError;
use domain::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

/// Rows of a page where the caller does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 50;
/// Most rows of a page.
pub const PAGE_LIMIT_MAX: u32 = 200;

/// What part of a listing is wanted. Flatten-free: list the two fields in a query type of your own
/// where there are more, and call [`limit_of`](Paging::limit_of).
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows of the page, 1 to 200; 50 if not given.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Paging {
    /// The wanted number of rows.
    ///
    /// # Errors
    /// `invalid_input` out of 1..=200.
    pub fn limit(&self) -> Result<u32, ApiError> {
        Self::limit_of(self.limit)
    }

    /// The same for a query type with a `limit` of its own.
    ///
    /// # Errors
    /// As [`Paging::limit`].
    pub fn limit_of(given: Option<u32>) -> Result<u32, ApiError> {
        let limit = given.unwrap_or(PAGE_LIMIT_DEFAULT);
        if (1..=PAGE_LIMIT_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::field("limit", format!("must be 1 to {PAGE_LIMIT_MAX}")).into())
        }
    }
}
