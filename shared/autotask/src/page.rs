//! Answers with rows, and the way from page to page: the whole result or an error, never a part.

use std::collections::HashSet;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::transport::{Method, Response};
use crate::wire::{Scalar, Wire};

/// Most rows on a page, and Autotask's default.
pub const PAGE_SIZE_MAX: usize = 500;

/// The pages of one query, one after the other.
#[derive(Debug)]
pub(crate) struct Pages {
    client: Client,
    body: Bytes,
    next: Option<Url>,
    visited: HashSet<Url>,
    ids: HashSet<i64>,
    rows: u64,
}

#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_records: Option<usize>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    include_fields: &'a [String],
    filter: &'a [Filter],
}

/// The body of a query, or, without a page size, of a count.
pub(crate) fn query_body(filters: &[Filter], fields: &[String], page_size: Option<usize>) -> Result<Bytes> {
    let body = QueryBody { max_records: page_size, include_fields: fields, filter: filters };
    let json = serde_json::to_vec(&body).map_err(|_| Error::out_of_bounds("a filter cannot be written as JSON"))?;
    Ok(json.into())
}

impl Pages {
    pub(crate) fn new(
        client: Client,
        entity: &str,
        filters: Vec<Filter>,
        fields: &[String],
        page_size: usize,
    ) -> Result<Self> {
        crate::filter::or_conditions(&filters)?;
        if page_size == 0 || page_size > PAGE_SIZE_MAX {
            return Err(Error::out_of_bounds(format!("a page has 1 to {PAGE_SIZE_MAX} rows")));
        }
        let body = query_body(&filters, fields, Some(page_size))?;
        let first = client.data_url(&format!("{entity}/query"))?;
        Ok(Self { client, body, next: Some(first), visited: HashSet::new(), ids: HashSet::new(), rows: 0 })
    }

    /// The rows of the next page; `None` when all have been read.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Value>>> {
        let Some(url) = self.next.take() else {
            return Ok(None);
        };
        if self.visited.len() >= self.client.pages_max() {
            return Err(Error::out_of_bounds(format!("more than {} pages", self.client.pages_max())));
        }
        if !self.visited.insert(url.clone()) {
            return Err(Error::out_of_bounds("a page leads back to an earlier one"));
        }
        // The verb and the body of the query belong to every page: a GET answers 405.
        let page = self.client.read(Method::Post, url, Some(self.body.clone()), page).await?;
        self.count(&page)?;
        self.next = page.details.next_page_url.map(|next| self.checked(&next)).transpose()?;
        Ok(Some(page.items))
    }

    /// All rows.
    pub(crate) async fn all(mut self) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        while let Some(page) = self.next().await? {
            rows.extend(page);
        }
        Ok(rows)
    }

    /// Keeps count of the rows, so that neither a repeated nor a missing one goes unseen.
    fn count(&mut self, page: &Page) -> Result<()> {
        for id in page.items.iter().filter_map(|row| row.get("id").and_then(Value::as_i64)) {
            if !self.ids.insert(id) {
                return Err(Error::out_of_bounds("a row came twice in one query"));
            }
        }
        let on_page = u64::try_from(page.items.len()).unwrap_or(u64::MAX);
        self.rows = self.rows.saturating_add(on_page);
        // Whether `count` counts the page or the result, at the end we have at least as many.
        let announced = page.details.count.unwrap_or(0);
        let last = page.details.next_page_url.is_none();
        if last && self.rows < announced {
            return Err(Error::malformed(format!("it announces {announced} rows and has {}", self.rows)));
        }
        Ok(())
    }

    fn checked(&self, next: &str) -> Result<Url> {
        let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let url = if plain { Url::parse(next).ok() } else { None };
        match url {
            Some(url) if self.client.zone().owns(&url) => Ok(url),
            _ => Err(Error::out_of_bounds("the next page is not on the zone's own host")),
        }
    }
}

#[derive(Debug)]
struct Page {
    items: Vec<Value>,
    details: PageDetails,
}

#[derive(Debug, Deserialize)]
struct RawPage {
    items: Option<Vec<Value>>,
    #[serde(rename = "pageDetails")]
    details: Option<PageDetails>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageDetails {
    count: Option<u64>,
    // Required: an answer that says nothing of further pages might be cut short. `null` is the end.
    #[serde(deserialize_with = "Option::deserialize")]
    next_page_url: Option<String>,
}

fn page(response: &Response) -> Result<Page> {
    let page: RawPage = json(response)?;
    match page {
        RawPage { items: Some(items), details: Some(mut details) } => {
            details.next_page_url = details.next_page_url.filter(|url| !url.is_empty());
            Ok(Page { items, details })
        }
        RawPage { items: None, .. } => Err(Error::malformed("it has no items")),
        RawPage { details: None, .. } => Err(Error::malformed("it has no pageDetails")),
    }
}

/// The one row of an answer to `GET /{Entity}/{id}`.
pub(crate) fn item(response: &Response) -> Result<Option<Value>> {
    #[derive(Deserialize)]
    struct Item {
        #[serde(deserialize_with = "Option::deserialize")]
        item: Option<Value>,
    }
    let item: Item = json(response)?;
    Ok(item.item)
}

/// The id in an answer to a write, or what is wrong with the answer.
pub(crate) fn item_id(response: &Response) -> Result<i64, String> {
    #[derive(Deserialize)]
    struct ItemId {
        #[serde(rename = "itemId")]
        item_id: Scalar,
    }
    let answer: ItemId = json(response).map_err(|error| error.to_string())?;
    i64::read(answer.item_id).map_err(str::to_owned)
}

/// A row as `T`.
pub(crate) fn row<T: DeserializeOwned>(row: Value, model: &str) -> Result<T> {
    serde_json::from_value(row)
        .map_err(|error| Error::bad_json(format!("a {model} has a field of another kind"), &error))
}

/// The body as JSON, whatever the content type says.
pub(crate) fn json<T: DeserializeOwned>(response: &Response) -> Result<T> {
    if crate::answer::is_html(&response.body) {
        return Err(Error::malformed("it is a web page"));
    }
    serde_json::from_slice(crate::answer::unmarked(&response.body))
        .map_err(|error| Error::bad_json("it is not the JSON expected", &error))
}
