//! Typed queries.

use std::marker::PhantomData;

use futures::{Stream, StreamExt};
use serde::Deserialize;

use crate::client::Client;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::filter::{Filter, FilterValue, OR_CONDITIONS_MAX, or_conditions};
use crate::page::{self, PAGE_SIZE_MAX, Pages};
use crate::transport::Method;

/// Most ids of [`Query::any_of`] in one request: [`OR_CONDITIONS_MAX`] with room for a few more
/// conditions.
pub const OR_IDS_MAX: usize = 490;

/// Most lists of [`Query::any_of`] in one query: each one more multiplies the requests.
const LISTS_MAX: usize = 2;

/// A query of `T`'s rows, in ascending order of their ids.
///
/// It is sent as POST, and so is each following page: with the same body, to the zone's own host
/// only, within [`PAGES_MAX`](crate::PAGES_MAX). A result is complete or an error.
#[derive(Debug, Clone)]
pub struct Query<T> {
    client: Client,
    filters: Vec<Filter>,
    any_of: Vec<(String, Vec<FilterValue>)>,
    fields: Vec<String>,
    page_size: usize,
    entity: PhantomData<fn() -> T>,
}

impl<T: Entity> Query<T> {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            filters: Vec::new(),
            any_of: Vec::new(),
            fields: Vec::new(),
            page_size: PAGE_SIZE_MAX,
            entity: PhantomData,
        }
    }

    /// Only rows that pass `filter`, and every other filter given. Without one: all rows.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// Only rows whose `field` is one of `values`, however many: they are sent in requests of
    /// [`OR_IDS_MAX`], one after the other, and the results are joined. Equal values are sent once;
    /// of no values nothing is asked and nothing found.
    ///
    /// At most twice in a query, for rows that pass both, e.g. lines of some contracts with some
    /// services; the two share the [`OR_IDS_MAX`], so that two long lists make many requests.
    #[must_use]
    pub fn any_of<V: Into<FilterValue>>(
        mut self,
        field: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut values: Vec<FilterValue> = values.into_iter().map(Into::into).collect();
        values.retain(|value| seen.insert(value.clone()));
        self.any_of.push((field.into(), values));
        self
    }

    /// Only these fields; `id` is added if it is missing. Names that the zone does not know fail
    /// the query.
    #[must_use]
    pub fn include(mut self, fields: &[&str]) -> Self {
        self.fields.extend(fields.iter().map(|field| (*field).to_owned()));
        if !self.fields.is_empty() && !self.fields.iter().any(|field| field.eq_ignore_ascii_case("id")) {
            self.fields.insert(0, "id".to_owned());
        }
        self
    }

    /// Rows on a page, 1 to [`PAGE_SIZE_MAX`].
    #[must_use]
    pub fn page_size(mut self, rows: usize) -> Self {
        self.page_size = rows;
        self
    }

    /// The rows, page after page. It ends after the first error.
    pub fn stream(self) -> impl Stream<Item = Result<T>> + Send + 'static {
        async_stream::try_stream! {
            for filters in self.parts()? {
                let mut pages =
                    Pages::new(self.client.clone(), T::NAME, filters, &self.fields, self.page_size)?;
                while let Some(rows) = pages.next().await? {
                    for row in rows {
                        yield page::row(row, T::MODEL)?;
                    }
                }
            }
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn all(self) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        let mut stream = std::pin::pin!(self.stream());
        while let Some(row) = stream.next().await {
            rows.push(row?);
        }
        Ok(rows)
    }

    /// The row with the lowest id, if there is any. With [`Query::any_of`] of more than
    /// [`OR_IDS_MAX`] values: any row.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn first(self) -> Result<Option<T>> {
        let mut stream = std::pin::pin!(self.page_size(1).stream());
        stream.next().await.transpose()
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn count(self) -> Result<u64> {
        let mut total = 0_u64;
        for filters in self.parts()? {
            let url = self.client.data_url(&format!("{}/query/count", T::NAME))?;
            let body = page::query_body(&filters, &[], None)?;
            let found: Count = self.client.read(Method::Post, url, Some(body), page::json).await?;
            total = total.saturating_add(found.query_count);
        }
        Ok(total)
    }

    /// The filters of each request that the query takes.
    fn parts(&self) -> Result<Vec<Vec<Filter>>> {
        if self.any_of.len() > LISTS_MAX {
            return Err(Error::out_of_bounds("any_of may be used twice in a query"));
        }
        let unfiltered = |field: &String| T::NOT_QUERYABLE.iter().any(|name| name.eq_ignore_ascii_case(field));
        if self.any_of.iter().any(|(field, _)| unfiltered(field))
            || self.filters.iter().any(|filter| filter.asks_for(T::NOT_QUERYABLE))
        {
            return Err(Error::out_of_bounds(format!("Autotask takes none of {:?} in a filter", T::NOT_QUERYABLE)));
        }
        let used = or_conditions(&self.filters)?;
        if self.any_of.is_empty() {
            let everything = || vec![Filter::everything()];
            return Ok(vec![if self.filters.is_empty() { everything() } else { self.filters.clone() }]);
        }
        let room = OR_CONDITIONS_MAX.saturating_sub(used).min(OR_IDS_MAX);
        if room < self.any_of.len() {
            return Err(Error::out_of_bounds("the other conditions leave no room for any_of"));
        }
        let mut parts: Vec<Vec<Filter>> = vec![Vec::new()];
        for ((field, values), size) in self.any_of.iter().zip(self.list_sizes(room)) {
            let mut longer = Vec::new();
            for some in values.chunks(size) {
                let list = Filter::is_in(field.clone(), some.iter().cloned());
                longer.extend(parts.iter().map(|part| [part.as_slice(), std::slice::from_ref(&list)].concat()));
            }
            parts = longer;
        }
        for part in &mut parts {
            part.extend(self.filters.iter().cloned());
        }
        Ok(parts)
    }

    /// How many values of each list go into one request: of two, the shorter one stays whole if half of `room` is
    /// enough for it.
    fn list_sizes(&self, room: usize) -> Vec<usize> {
        let [(_, first), (_, second)] = self.any_of.as_slice() else {
            return vec![room; self.any_of.len()];
        };
        let shorter = first.len().min(second.len()).clamp(1, room / 2);
        if first.len() <= second.len() { vec![shorter, room - shorter] } else { vec![room - shorter, shorter] }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    query_count: u64,
}
