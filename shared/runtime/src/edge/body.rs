//! What a request carries, decoded or refused with the place that is wrong.

use super::error::ApiError;
use crate::app::App;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use domain::decoding::{OBJECT, pointer, rule};
use domain::problem::FieldError;
use domain::{Code, Error, Problem};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// A JSON body. Refusals name the place by JSON Pointer and never repeat a value: it may be a secret.
///
/// A handler gets it decoded or refused and asks for it by [`Body::read`] after it has looked at the caller's role:
/// who may not do a thing is told that, whatever stands in the body. The same holds for the other three.
#[derive(Debug)]
pub struct Body<T>(Result<T, ApiError>);

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct OptionalBody<T>(Result<Option<T>, ApiError>);

/// A CSV body (`text/csv`), UTF-8 with or without a byte order mark.
#[derive(Debug)]
pub struct CsvBody(Result<String, ApiError>);

/// The query's parameters.
#[derive(Debug)]
pub struct Params<T>(Result<T, ApiError>);

impl<T> Body<T> {
    /// The body.
    ///
    /// # Errors
    /// `invalid_input` with the place, `unsupported_media_type`, `payload_too_large`.
    pub fn read(self) -> Result<T, ApiError> {
        self.0
    }
}

impl<T> OptionalBody<T> {
    /// The body, if there is one.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub fn read(self) -> Result<Option<T>, ApiError> {
        self.0
    }
}

impl CsvBody {
    /// The file's text.
    ///
    /// # Errors
    /// As [`Body::read`].
    pub fn read(self) -> Result<String, ApiError> {
        self.0
    }
}

impl<T> Params<T> {
    /// The parameters.
    ///
    /// # Errors
    /// `invalid_input` with the parameter's name.
    pub fn read(self) -> Result<T, ApiError> {
        self.0
    }
}

/// The path's parameters. What cannot be an identifier names nothing: `not_found`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParams<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &App) -> Result<Self, Infallible> {
        let missing = || ApiError::from(Problem::field("", "the request has no body; send a JSON object"));
        Ok(Self(json_of(request, app).await.and_then(|body| body.ok_or_else(missing))))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for OptionalBody<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &App) -> Result<Self, Infallible> {
        Ok(Self(json_of(request, app).await))
    }
}

impl FromRequest<App> for CsvBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &App) -> Result<Self, Infallible> {
        Ok(Self(csv_of(request, app).await))
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        Ok(Self(query.map(|Query(value)| value).map_err(|rejection| refused_parameter(&rejection.body_text()))))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for PathParams<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value))
            .map_err(|_| Error::not_found("thing: the path holds an impossible identifier").into())
    }
}

async fn json_of<T: DeserializeOwned>(request: Request, app: &App) -> Result<Option<T>, ApiError> {
    let is_json =
        media_type(request.headers()).is_none_or(|kind| kind == "application/json" || kind.ends_with("+json"));
    let bytes = bytes_of(request, app).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if !is_json {
        return Err(Error::problem(Code::UnsupportedMediaType, "Send `application/json`.").into());
    }
    json(&bytes).map(Some)
}

async fn csv_of(request: Request, app: &App) -> Result<String, ApiError> {
    if media_type(request.headers()).as_deref() != Some("text/csv") {
        return Err(Error::problem(Code::UnsupportedMediaType, "Send `text/csv`.").into());
    }
    let bytes = bytes_of(request, app).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::from(Problem::field("", "the file is not UTF-8")))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

async fn bytes_of(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let limit = app.edge.body_bytes_max;
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| Error::problem(Code::PayloadTooLarge, "").into())
}

/// Parameters have names and no pointers.
fn refused_parameter(text: &str) -> ApiError {
    let text = text.rsplit_once("query string: ").map_or(text, |(_, rest)| rest);
    let named = text.split_once(": ").filter(|(name, _)| !name.contains(' '));
    let problem = named.map_or_else(|| rule("", text), |(name, text)| rule(name, text));
    let named = problem.errors.into_iter().map(|FieldError { pointer, detail }| {
        let name = pointer.strip_prefix('/').unwrap_or(&pointer);
        let name = if name.is_empty() { "query" } else { name };
        FieldError { pointer: name.to_owned(), detail }
    });
    Problem::fields(named.collect()).unwrap_or_else(|| Problem::field("query", "cannot be read")).into()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("?");
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would take a list for a struct's fields in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::field("", OBJECT).into());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let at = pointer(error.path());
        refused(&at, error.inner())
    })?;
    reader.end().map_err(|error| refused("", &error))?;
    Ok(value)
}

fn refused(at: &str, error: &serde_json::Error) -> ApiError {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => rule(at, &error.to_string()).into(),
        Category::Syntax | Category::Eof | Category::Io => {
            let place = format!("is not JSON at line {}, column {}", error.line(), error.column());
            Problem::field(at, place).into()
        }
    }
}
