//! HTTP requests as API Gateway's events (payload format 2.0), and its answers as HTTP responses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// A request as the front has it.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method, in capitals.
    pub method: &'a str,
    /// Path, still escaped.
    pub path: &'a str,
    /// Query string, still escaped.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Body.
    pub body: &'a [u8],
}

/// The route that a request matched.
#[derive(Debug, Clone)]
pub struct Matched {
    /// `POST /v1/connections/{cid}/test`.
    pub key: String,
    /// Values of the path's parameters, unescaped.
    pub parameters: Vec<(String, String)>,
}

/// The event of a request whose token was accepted.
#[must_use]
pub fn of_request(
    request: &HttpRequest<'_>,
    matched: &Matched,
    claims: Option<&Map<String, Value>>,
    request_id: &str,
    now: Timestamp,
) -> Value {
    let (body, is_base64) = match std::str::from_utf8(request.body) {
        Ok("") => (Value::Null, false),
        Ok(text) => (Value::from(text), false),
        Err(_) => (Value::from(BASE64.encode(request.body)), true),
    };
    let mut context = json!({
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": "localhost",
        "domainPrefix": "localhost",
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": text_of(request.headers, "user-agent"),
        },
        "requestId": request_id,
        "routeKey": matched.key,
        "stage": "$default",
        "time": now.to_zoned(TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
        "timeEpoch": now.as_millisecond(),
    });
    if let Some(claims) = claims {
        context["authorizer"] = json!({"jwt": {"claims": as_texts(claims), "scopes": null}});
    }
    let parameters: Map<String, Value> =
        matched.parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": matched.key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers(request.headers),
        "requestContext": context,
        "body": body,
        "isBase64Encoded": is_base64,
    });
    if !parameters.is_empty() {
        event["pathParameters"] = Value::Object(parameters);
    }
    let query = query_parameters(request.query);
    if !query.is_empty() {
        event["queryStringParameters"] = Value::Object(query);
    }
    event
}

/// The HTTP response of a function's answer; `None` where it is not an answer.
#[must_use]
pub fn to_response(answer: &Value) -> Option<Response<Bytes>> {
    let status = answer.get("statusCode")?.as_u64().and_then(|code| u16::try_from(code).ok())?;
    let body = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_base64 = answer.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    let body = if is_base64 { Bytes::from(BASE64.decode(body).ok()?) } else { Bytes::from(body.to_owned()) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in answer.get("headers").and_then(Value::as_object).into_iter().flatten() {
        add(response.headers_mut(), name, value);
    }
    for (name, values) in answer.get("multiValueHeaders").and_then(Value::as_object).into_iter().flatten() {
        if answer.get("headers").and_then(|single| single.get(name)).is_none() {
            values.as_array().into_iter().flatten().for_each(|value| add(response.headers_mut(), name, value));
        }
    }
    Some(response)
}

fn add(headers: &mut HeaderMap, name: &str, value: &Value) {
    let name = HeaderName::from_bytes(name.as_bytes());
    let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.append(name, value);
    }
}

/// API Gateway hands claims on as texts, whatever they were.
fn as_texts(claims: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    claims.iter().map(|(name, value)| (name.clone(), Value::String(text(value)))).collect()
}

/// Names in small letters, several values of one name joined by a comma.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut all = Map::new();
    for name in headers.keys() {
        let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        all.insert(name.as_str().to_owned(), Value::from(values.join(",")));
    }
    all
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn query_parameters(query: &str) -> Map<String, Value> {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let joined = match all.get(name.as_ref()).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        all.insert(name.into_owned(), Value::from(joined));
    }
    all
}
