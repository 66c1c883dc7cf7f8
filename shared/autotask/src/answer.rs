//! From an answer to what it means. Pure: status, headers and body in, [`Error`] out.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::credentials::Credentials;
use crate::error::{Error, OutcomeCause, TEXT_CHARS_MAX, TEXTS_MAX};
use crate::transport::Response;

/// Whether a call reads or writes. Queries are reads although they are POSTs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// May be sent again at will.
    Read,
    /// Sent again, it might be applied twice.
    Write,
}

/// Texts by which Autotask says, with a 500, that this user may not.
const PERMISSION_TEXTS: &[&str] = &["does not have the adequate permissions", "may not have the required permissions"];

/// Text by which Autotask says, with a 500, that the row is not there.
const MISSING_ROW_TEXTS: &[&str] = &["no matching records found"];

/// Text by which ASP.NET says, with a 404, that there is no such route.
const MISSING_ROUTE_TEXTS: &[&str] = &["no http resource was found"];

/// Texts by which Autotask says, with a 500, that the request is wrong. Two parts must follow each
/// other in this order. Only what is listed counts as refused: an unlisted 500 may have been applied.
const VALIDATION_TEXTS: &[(&str, &str)] = &[
    ("unable to find ", " entity"),
    ("conversion failed when converting", ""),
    ("unexpected character encountered while parsing value", ""),
    ("value does not reference an existing entity", ""),
    ("value ", "does not exist or is invalid"),
    ("reference value on field", "does not exist or is invalid"),
    ("invalid query syntax", ""),
    ("queries are limited to 500", ""),
];

/// What a non-2xx answer means.
pub(crate) fn failure(kind: MethodKind, response: &Response, credentials: Option<&Credentials>) -> Error {
    let status = response.status;
    let texts = texts(&response.body, credentials);
    if is_thread_limit(&texts) {
        return Error::ThreadLimit { retry_after: retry_after(response), texts };
    }
    match status {
        401 => Error::Unauthorised { texts },
        403 => Error::Forbidden { texts },
        404 if texts.is_empty() => Error::NotFound { texts },
        400 | 404 | 405 => Error::Rejected { status, texts },
        429 => Error::RateLimited { retry_after: retry_after(response), texts },
        500 if says_any(&texts, MISSING_ROW_TEXTS) => Error::NotFound { texts },
        500 if says_any(&texts, PERMISSION_TEXTS) => Error::Forbidden { texts },
        500 if is_validation(&texts) => Error::Rejected { status, texts },
        _ if kind == MethodKind::Write => Error::UnknownOutcome { source: OutcomeCause::Status { status, texts } },
        408 | 425 | 500..=599 => Error::Unavailable { status: Some(status), texts, source: None },
        300..=399 => Error::malformed(format!("it redirects ({status})")),
        _ => Error::Rejected { status, texts },
    }
}

/// The thread limit inside an answer of any status, 200 included.
pub(crate) fn thread_limit(response: &Response, credentials: Option<&Credentials>) -> Option<Error> {
    let texts = texts(&response.body, credentials);
    is_thread_limit(&texts).then(|| Error::ThreadLimit { retry_after: retry_after(response), texts })
}

/// Whether the body is a web page, as IIS answers for a route that it does not know.
pub(crate) fn is_html(body: &[u8]) -> bool {
    unmarked(body).trim_ascii_start().starts_with(b"<")
}

/// The body without the byte order mark that some servers put before it.
pub(crate) fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Whether a 404 says that the row is missing, rather than the route.
pub(crate) fn is_missing_row(response: &Response) -> bool {
    let texts = texts(&response.body, None);
    response.status == 404
        && !is_html(&response.body)
        && !is_thread_limit(&texts)
        && !says_any(&texts, MISSING_ROUTE_TEXTS)
}

/// Autotask's words in an answer: `errors[]` of texts or objects, else `Message`, else a short plain
/// body. Secrets are taken out before anything is cut.
pub(crate) fn texts(body: &[u8], credentials: Option<&Credentials>) -> Vec<String> {
    let mut texts = match serde_json::from_slice::<Value>(unmarked(body)) {
        Ok(value) => json_texts(&value),
        Err(_) if is_html(body) => Vec::new(),
        Err(_) => vec![String::from_utf8_lossy(unmarked(body)).into_owned()],
    };
    for text in &mut texts {
        if let Some(credentials) = credentials {
            credentials.scrub(text);
        }
        *text = tidy(text);
    }
    texts.retain(|text| !text.is_empty());
    texts.truncate(TEXTS_MAX);
    texts
}

fn json_texts(value: &Value) -> Vec<String> {
    if let Some(text) = value.as_str() {
        return vec![text.to_owned()];
    }
    let Some(object) = value.as_object() else {
        return Vec::new();
    };
    let get = |name: &str| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    match get("errors") {
        Some(Value::Array(errors)) if !errors.is_empty() => errors.iter().flat_map(json_texts).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => get("message").and_then(Value::as_str).map(str::to_owned).into_iter().collect(),
    }
}

fn tidy(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = printable.clone().take(TEXT_CHARS_MAX).collect();
    if printable.count() > TEXT_CHARS_MAX {
        kept.push('…');
    }
    kept.trim().to_owned()
}

fn is_thread_limit(texts: &[String]) -> bool {
    let threshold_exceeded = |text: &str| {
        text.match_indices("thread").any(|(at, word)| {
            let rest = &text[at + word.len()..];
            rest.trim_start().starts_with("threshold") && rest.contains("exceeded")
        })
    };
    texts
        .iter()
        .map(|text| text.to_ascii_lowercase())
        .any(|text| text.contains("itgenatr005") || text.contains("thread limit") || threshold_exceeded(&text))
}

fn says_any(texts: &[String], wanted: &[&str]) -> bool {
    texts.iter().map(|text| text.to_ascii_lowercase()).any(|text| wanted.iter().any(|part| text.contains(part)))
}

fn is_validation(texts: &[String]) -> bool {
    texts.iter().map(|text| text.to_ascii_lowercase()).any(|text| {
        VALIDATION_TEXTS.iter().any(|(first, then)| text.split_once(first).is_some_and(|(_, rest)| rest.contains(then)))
    })
}

/// `Retry-After`: seconds, or an HTTP date, which is counted from the answer's own `Date`.
#[must_use]
pub fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let now = http_date(response.header("date")?.trim())?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
