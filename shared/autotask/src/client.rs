//! The client: one tenant's zone, one API user.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::answer::{self, MethodKind};
use crate::credentials::Credentials;
use crate::entities::{self, Invoice, InvoicePdf};
use crate::entity::{Child, Create, Entity, Patch, Replace};
use crate::error::{Error, OutcomeCause, Result};
use crate::id::Id;
use crate::page;
use crate::query::Query;
use crate::retry::{self, Decision, Pause, TokioPause};
use crate::transport::{Header, Method, REQUEST_TIMEOUT, Request, Response, Transport, TransportError};
use crate::zone::ZoneUrl;

/// Most pages that one query reads: 500,000 rows. Beyond that something leads in circles.
pub const PAGES_MAX: usize = 1_000;

/// A client for one tenant. Cheap to clone.
///
/// Reads are tried again after errors that say nothing about the request ([`retry::decide`]);
/// writes are sent once, always.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    transport: Arc<dyn Transport>,
    zone: ZoneUrl,
    credentials: Credentials,
    pause: Arc<dyn Pause>,
    timeout: Duration,
    user_agent: String,
    pages_max: usize,
    attempts_max: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("zone", &self.inner.zone.as_str()).finish_non_exhaustive()
    }
}

/// Sets what most callers leave alone.
#[derive(Clone)]
pub struct ClientBuilder {
    inner: Inner,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("zone", &self.inner.zone.as_str()).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// How long one request may take; [`REQUEST_TIMEOUT`] by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner.timeout = timeout;
        self
    }

    /// `User-Agent` header.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.inner.user_agent = user_agent.into();
        self
    }

    /// Most pages that one query reads; [`PAGES_MAX`] by default.
    #[must_use]
    pub fn pages_max(mut self, pages: usize) -> Self {
        self.inner.pages_max = pages;
        self
    }

    /// How often a read is sent at most: 1 to [`retry::ATTEMPTS_MAX`]. Who answers a person wants
    /// few.
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.inner.attempts_max = attempts;
        self
    }

    /// How to wait between attempts of a read.
    #[must_use]
    pub fn pause(mut self, pause: Arc<dyn Pause>) -> Self {
        self.inner.pause = pause;
        self
    }

    /// The client.
    pub fn build(self) -> Client {
        Client { inner: Arc::new(self.inner) }
    }
}

impl Client {
    /// A client with the usual bounds.
    pub fn new(transport: Arc<dyn Transport>, zone: ZoneUrl, credentials: Credentials) -> Self {
        Self::builder(transport, zone, credentials).build()
    }

    /// A client with other bounds.
    pub fn builder(transport: Arc<dyn Transport>, zone: ZoneUrl, credentials: Credentials) -> ClientBuilder {
        let inner = Inner {
            transport,
            zone,
            credentials,
            pause: Arc::new(TokioPause),
            timeout: REQUEST_TIMEOUT,
            user_agent: concat!("autotask-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            pages_max: PAGES_MAX,
            attempts_max: retry::ATTEMPTS_MAX,
        };
        ClientBuilder { inner }
    }

    /// The zone that the client calls.
    pub fn zone(&self) -> &ZoneUrl {
        &self.inner.zone
    }

    /// A query of `T`'s rows.
    pub fn query<T: Entity>(&self) -> Query<T> {
        const { assert!(T::QUERYABLE, "Autotask has no query for this entity") };
        Query::new(self.clone())
    }

    /// The row with this id, or `None` if there is none that this API user may see.
    ///
    /// # Errors
    /// See [`Error`]; a 404 that is a web page is [`Error::NotFound`]: there the route is missing,
    /// not the row.
    pub async fn get<T: Entity>(&self, id: Id<T>) -> Result<Option<T>> {
        const { assert!(T::QUERYABLE, "Autotask has no such route for this entity") };
        let url = self.data_url(&format!("{}/{id}", T::NAME))?;
        self.get_item(url, |item| page::row(item, T::MODEL)).await
    }

    /// Creates a row at the entity's own path; answers its id.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`] when the row may exist: look for it before sending again.
    pub async fn create<B: Create>(&self, body: &B) -> Result<i64> {
        const { assert!(B::Entity::ROOT_CREATE, "rows of this entity are not created at its own path") };
        self.write(Method::Post, B::Entity::NAME, body).await
    }

    /// Creates a row under its parent; answers its id.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn create_under<B: Create>(&self, parent: Id<<B::Entity as Child>::Parent>, body: &B) -> Result<i64>
    where
        B::Entity: Child,
    {
        const { assert!(<B::Entity as Child>::CREATE, "rows of this entity are not created under its parent") };
        self.write(Method::Post, &child_path::<B::Entity>(parent), body).await
    }

    /// Changes some fields of a row at the entity's own path; answers its id.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`] when the change may have been made.
    pub async fn patch<P: Patch>(&self, patch: &P) -> Result<i64> {
        const { assert!(P::Entity::ROOT_PATCH, "rows of this entity are not changed at its own path") };
        self.write(Method::Patch, P::Entity::NAME, patch).await
    }

    /// Changes some fields of a row under its parent; answers its id.
    ///
    /// # Errors
    /// As [`Client::patch`].
    pub async fn patch_under<P: Patch>(&self, parent: Id<<P::Entity as Child>::Parent>, patch: &P) -> Result<i64>
    where
        P::Entity: Child,
    {
        const { assert!(<P::Entity as Child>::PATCH, "rows of this entity are not changed under its parent") };
        self.write(Method::Patch, &child_path::<P::Entity>(parent), patch).await
    }

    /// Replaces all writable fields of a row at the entity's own path; answers its id.
    ///
    /// # Errors
    /// As [`Client::patch`].
    pub async fn replace<R: Replace>(&self, row: &R) -> Result<i64> {
        const { assert!(R::Entity::ROOT_PATCH, "rows of this entity are not changed at its own path") };
        self.write(Method::Put, R::Entity::NAME, row).await
    }

    /// The PDF of an invoice. Asked for once, unlike other reads: who wants megabytes again comes back later.
    ///
    /// In memory are, at most, the answer and the decoded file.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such invoice, or none that this API user may see;
    /// [`Error::Malformed`] when the answer is no file: a web page, or data that is no base64;
    /// [`Error::OutOfBounds`] when the file is larger than [`INVOICE_PDF_MAX`](crate::INVOICE_PDF_MAX).
    pub async fn invoice_pdf(&self, invoice: Id<Invoice>) -> Result<InvoicePdf> {
        let credentials = Some(&self.inner.credentials);
        let url = self.data_url(&format!("{}/{invoice}/InvoicePdf", Invoice::NAME))?;
        let mut response = self.read_once(Method::Get, url, None, answer::is_missing_row).await?;
        if !is_success(&response) {
            return Err(Error::NotFound { texts: answer::texts(&response.body, credentials) });
        }
        response.body = entities::plain_base64(response.body);
        self.parsed(&response, |response| entities::read_invoice_pdf(&response.body))
    }

    /// Deletes a row at the entity's own path.
    ///
    /// # Errors
    /// As [`Client::delete_under`].
    pub async fn delete<T: Entity>(&self, id: Id<T>) -> Result<()> {
        const { assert!(T::ROOT_DELETE, "rows of this entity are not deleted at its own path") };
        self.delete_at(&format!("{}/{id}", T::NAME)).await
    }

    /// Deletes a row under its parent.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not there, or this API user may not delete it: Autotask says
    /// the same to both.
    pub async fn delete_under<T: Child>(&self, parent: Id<T::Parent>, id: Id<T>) -> Result<()> {
        const { assert!(T::DELETE, "rows of this entity cannot be deleted") };
        self.delete_at(&format!("{}/{id}", child_path::<T>(parent))).await
    }

    pub(crate) async fn delete_at(&self, path: &str) -> Result<()> {
        let url = self.data_url(path)?;
        let response = self.send_write(Method::Delete, url, None).await?;
        match answer::thread_limit(&response, Some(&self.inner.credentials)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The rows of any entity, typed or not, as JSON.
    ///
    /// # Errors
    /// As a query's.
    pub async fn raw_query(&self, entity: &str, filter: crate::Filter) -> Result<Vec<Value>> {
        let pages = page::Pages::new(self.clone(), entity, vec![filter], &[], page::PAGE_SIZE_MAX)?;
        pages.all().await
    }

    /// The row of any entity as JSON; `path` is below `V1.0/`, e.g. `Tickets/7`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn raw_get(&self, path: &str) -> Result<Option<Value>> {
        let url = self.data_url(path)?;
        self.get_item(url, Ok).await
    }

    /// The same client, which takes one more secret out of the texts of errors.
    pub(crate) fn hiding(&self, secret: SecretString) -> Self {
        let credentials = self.inner.credentials.clone().hiding(secret);
        Self { inner: Arc::new(Inner { credentials, ..(*self.inner).clone() }) }
    }

    pub(crate) fn pages_max(&self) -> usize {
        self.inner.pages_max
    }

    /// A URL below `V1.0/`. Paths are made of names and numbers; anything that could lead
    /// elsewhere is refused.
    pub(crate) fn data_url(&self, path: &str) -> Result<Url> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'_' || byte == b'-';
        if path.is_empty() || path.starts_with('/') || !path.bytes().all(plain) {
            return Err(Error::out_of_bounds("a path has other characters than letters, digits and slashes"));
        }
        self.inner.zone.at(&format!("V1.0/{path}"))
    }

    pub(crate) async fn get_item<T>(&self, url: Url, read: impl Fn(Value) -> Result<T>) -> Result<Option<T>> {
        let parse = |response: &Response| {
            if answer::is_missing_row(response) {
                return Ok(None);
            }
            page::item(response)?.map(&read).transpose()
        };
        self.read_where(Method::Get, url, None, answer::is_missing_row, parse).await
    }

    /// Sends a read until it has an answer that `parse` takes, or retrying ends.
    pub(crate) async fn read<T>(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        parse: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        self.read_where(method, url, body, |_| false, parse).await
    }

    async fn read_where<T>(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        also_good: impl Fn(&Response) -> bool,
        parse: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        let mut attempt = 1;
        loop {
            let result = self
                .read_once(method, url.clone(), body.clone(), &also_good)
                .await
                .and_then(|response| self.parsed(&response, &parse));
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if attempt >= self.inner.attempts_max {
                return Err(error);
            }
            match retry::decide(attempt, MethodKind::Read, &error) {
                Decision::Stop => return Err(error),
                Decision::After(wait) => {
                    tracing::debug!(attempt, ?wait, %error, "reading from Autotask again");
                    self.inner.pause.pause(wait).await;
                    attempt += 1;
                }
            }
        }
    }

    // The thread limit can come with any status, so with 200 too; there it is no usable answer.
    fn parsed<T>(&self, response: &Response, parse: impl Fn(&Response) -> Result<T>) -> Result<T> {
        parse(response).map_err(|error| answer::thread_limit(response, Some(&self.inner.credentials)).unwrap_or(error))
    }

    async fn read_once(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        also_good: impl Fn(&Response) -> bool,
    ) -> Result<Response> {
        self.check_credentials()?;
        let response = self.send(method, url, body).await.map_err(|error| match error {
            TransportError::NotSent { .. } => Error::NotSent { source: error },
            TransportError::Unknown { .. } => {
                Error::Unavailable { status: None, texts: Vec::new(), source: Some(error) }
            }
        })?;
        if is_success(&response) || also_good(&response) {
            return Ok(response);
        }
        Err(answer::failure(MethodKind::Read, &response, Some(&self.inner.credentials)))
    }

    pub(crate) async fn write<B: Serialize + Sync>(&self, method: Method, path: &str, body: &B) -> Result<i64> {
        let body = serde_json::to_vec(body).map_err(|_| Error::out_of_bounds("a body cannot be written as JSON"))?;
        let response = self.send_write(method, self.data_url(path)?, Some(body.into())).await?;
        page::item_id(&response).map_err(|what| {
            answer::thread_limit(&response, Some(&self.inner.credentials))
                .unwrap_or(Error::UnknownOutcome { source: OutcomeCause::Answer { what } })
        })
    }

    async fn send_write(&self, method: Method, url: Url, body: Option<Bytes>) -> Result<Response> {
        self.check_credentials()?;
        let response = self.send(method, url, body).await.map_err(|error| match error {
            TransportError::NotSent { .. } => Error::NotSent { source: error },
            TransportError::Unknown { .. } => Error::UnknownOutcome { source: OutcomeCause::Transport(error) },
        })?;
        if is_success(&response) {
            return Ok(response);
        }
        Err(answer::failure(MethodKind::Write, &response, Some(&self.inner.credentials)))
    }

    fn check_credentials(&self) -> Result<()> {
        if self.inner.credentials.fit_into_headers() {
            return Ok(());
        }
        Err(Error::out_of_bounds("the credentials have characters that no HTTP header can carry"))
    }

    async fn send(&self, method: Method, url: Url, body: Option<Bytes>) -> Result<Response, TransportError> {
        let mut headers = self.inner.credentials.headers();
        headers.push(Header::plain("Content-Type", "application/json"));
        headers.push(Header::plain("Accept", "application/json"));
        headers.push(Header::plain("User-Agent", self.inner.user_agent.clone()));
        let path = url.path().to_owned();
        let request = Request { method, url, headers, body, timeout: self.inner.timeout };
        let result = self.inner.transport.send(request).await;
        match &result {
            Ok(response) => {
                tracing::debug!(%method, path, status = response.status, "Autotask answered")
            }
            Err(error) => tracing::debug!(%method, path, %error, "Autotask did not answer"),
        }
        result
    }
}

const fn is_success(response: &Response) -> bool {
    response.status >= 200 && response.status < 300
}

fn child_path<T: Child>(parent: Id<T::Parent>) -> String {
    format!("{}/{parent}/{}", T::Parent::NAME, T::CHILD_PATH)
}
