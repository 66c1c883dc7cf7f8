//! What a request carries, decoded or refused with the place that is wrong.

use super::error::ApiError;
use crate::app::App;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use domain::{Code, Error, Problem};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path as JsonPath, Segment};

/// Longest field name that is repeated in a pointer, in characters.
const NAME_CHARS_MAX: usize = 64;

/// A JSON body. Refusals name the place by JSON Pointer and never repeat a value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body<T>(pub T);

/// A JSON body that may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalBody<T>(pub Option<T>);

/// A CSV body (`text/csv`), UTF-8 with or without a byte order mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvBody(pub String);

/// The query's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<T>(pub T);

/// The path's parameters. What cannot be an identifier names nothing: `not_found`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParams<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        match OptionalBody::from_request(request, app).await?.0 {
            Some(value) => Ok(Self(value)),
            None => Err(Problem::field("", "the request has no body; send a JSON object").into()),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<App> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let is_json =
            media_type(request.headers()).is_none_or(|kind| kind == "application/json" || kind.ends_with("+json"));
        let bytes = bytes_of(request, app).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(None));
        }
        if !is_json {
            return Err(Error::problem(Code::UnsupportedMediaType, "Send `application/json`.").into());
        }
        json(&bytes).map(|value| Self(Some(value)))
    }
}

impl FromRequest<App> for CsvBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        if media_type(request.headers()).as_deref() != Some("text/csv") {
            return Err(Error::problem(Code::UnsupportedMediaType, "Send `text/csv`.").into());
        }
        let bytes = bytes_of(request, app).await?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| ApiError::from(Problem::field("", "the file is not UTF-8")))?;
        Ok(Self(text.trim_start_matches('\u{feff}').to_owned()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, rest)| rest);
            let named = text.split_once(": ").filter(|(name, _)| !name.contains(' '));
            named.map_or_else(|| rule("query", text), |(name, text)| rule(name, text)).into()
        })
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

async fn bytes_of(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let limit = app.edge.body_bytes_max;
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| Error::problem(Code::PayloadTooLarge, "").into())
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("?");
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
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

/// serde's words without the value that was refused, at the field that they are about.
fn rule(at: &str, words: &str) -> Problem {
    let words = words.rsplit_once(" at line ").map_or(words, |(words, _)| words);
    let about_a_field = [
        ("unknown field ", "is not a field of this request"),
        ("missing field ", "is required"),
        ("duplicate field ", "stands twice"),
    ];
    if let Some((_, rule)) = about_a_field.iter().find(|(start, _)| words.starts_with(start)) {
        return Problem::field(field_in(at, words), *rule);
    }
    let echoes = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if echoes.iter().any(|start| words.starts_with(start)) {
        // What stands before the last "expected" is the caller's own value.
        let expected = words.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
        return Problem::field(at, format!("must be {}", plain(expected)));
    }
    Problem::field(at, words)
}

/// The field that serde names, below `at`, which may end in it already.
fn field_in(at: &str, words: &str) -> String {
    let name: String = words.split('`').nth(1).unwrap_or_default().chars().take(NAME_CHARS_MAX).collect();
    let last = format!("/{}", escaped(&name));
    if at.ends_with(&last) { at.to_owned() } else { format!("{at}{last}") }
}

/// serde's names of types in words of JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        structure if structure.starts_with("struct ") => "an object",
        other => other,
    }
}

fn pointer(path: &JsonPath) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901: `~` and `/` in a name.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
