#![allow(clippy::unwrap_used)]
use super::*;
use bytes::Bytes;

fn response(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn name(error: &Error) -> &'static str {
    match error {
        Error::Unauthorised { .. } => "Unauthorised",
        Error::Forbidden { .. } => "Forbidden",
        Error::NotFound { .. } => "NotFound",
        Error::Rejected { .. } => "Rejected",
        Error::RateLimited { .. } => "RateLimited",
        Error::ThreadLimit { .. } => "ThreadLimit",
        Error::Unavailable { .. } => "Unavailable",
        Error::NotSent { .. } => "NotSent",
        Error::UnknownOutcome { .. } => "UnknownOutcome",
        Error::Malformed { .. } => "Malformed",
        Error::OutOfBounds { .. } => "OutOfBounds",
    }
}

/// status, body, what a read makes of it, what a write makes of it
const TABLE: &[(u16, &str, &str, &str)] = &[
    (401, "", "Unauthorised", "Unauthorised"),
    (403, r#"{"errors":["no"]}"#, "Forbidden", "Forbidden"),
    (404, "", "NotFound", "NotFound"),
    (404, "<html><body>404</body></html>", "NotFound", "NotFound"),
    (404, r#"{"errors":["bad"]}"#, "Rejected", "Rejected"),
    (400, r#"{"errors":["bad"]}"#, "Rejected", "Rejected"),
    (405, r#"{"Message":"The requested resource does not support http method 'GET'."}"#, "Rejected", "Rejected"),
    (429, "", "RateLimited", "RateLimited"),
    (429, r#"{"errors":["API thread threshold of 3 threads has been exceeded"]}"#, "ThreadLimit", "ThreadLimit"),
    (500, r#"{"errors":["Itgenatr005: Thread threshold of 3 threads exceeded"]}"#, "ThreadLimit", "ThreadLimit"),
    (500, r#"{"errors":["On this thread the API thread  threshold of 3 was exceeded"]}"#, "ThreadLimit", "ThreadLimit"),
    (503, r#"{"errors":[{"message":"thread limit reached"}]}"#, "ThreadLimit", "ThreadLimit"),
    (500, r#"{"errors":["Unable to find frobs in the Company Entity."]}"#, "Rejected", "Rejected"),
    (500, r#"{"errors":["Conversion failed when converting varchar 'x' to data type int."]}"#, "Rejected", "Rejected"),
    (500, r#"{"errors":["Unexpected character encountered while parsing value: t"]}"#, "Rejected", "Rejected"),
    (500, r#"{"errors":["Value does not reference an existing entity for taskType ."]}"#, "Rejected", "Rejected"),
    (500, r#"{"errors":["contactID: Value 123 does not exist or is invalid"]}"#, "Rejected", "Rejected"),
    (
        500,
        r#"{"errors":["Reference value on field: contactID of type: Contact does not exist or is invalid."]}"#,
        "Rejected",
        "Rejected",
    ),
    (
        500,
        r#"{"errors":["Invalid query syntax. Queries are limited to 500 or fewer 'OR' conditions."]}"#,
        "Rejected",
        "Rejected",
    ),
    (
        500,
        r#"{"errors":["The logged in Resource does not have the adequate permissions to create this entity type."]}"#,
        "Forbidden",
        "Forbidden",
    ),
    (
        500,
        r#"{"errors":["No matching records found. The logged in Resource may not have the required permissions to delete the data."]}"#,
        "NotFound",
        "NotFound",
    ),
    (
        500,
        r#"{"errors":["Deadlock victim. The transaction was rolled back, says a text that nobody listed."]}"#,
        "Unavailable",
        "UnknownOutcome",
    ),
    (500, "", "Unavailable", "UnknownOutcome"),
    (500, "<html>Server Error</html>", "Unavailable", "UnknownOutcome"),
    (502, "<html>Bad gateway</html>", "Unavailable", "UnknownOutcome"),
    (503, "", "Unavailable", "UnknownOutcome"),
    (504, "", "Unavailable", "UnknownOutcome"),
    (408, "", "Unavailable", "UnknownOutcome"),
    (409, "", "Rejected", "UnknownOutcome"),
    (302, "", "Malformed", "UnknownOutcome"),
];

#[test]
fn every_answer_has_its_meaning() {
    for (status, body, read, write) in TABLE {
        let response = response(*status, body);
        assert_eq!(name(&failure(MethodKind::Read, &response, None)), *read, "read {status} {body}");
        let error = failure(MethodKind::Write, &response, None);
        assert_eq!(name(&error), *write, "write {status} {body}");
        assert_eq!(error.may_have_been_applied(), *write == "UnknownOutcome", "{status} {body}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_counted_from_the_answers_own() {
    let with = |headers: &[(&str, &str)]| {
        let mut response = response(429, "");
        response.headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        failure(MethodKind::Read, &response, None).retry_after()
    };
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
    let date = ("Date", "Fri, 20 Nov 2026 11:00:00 GMT");
    assert_eq!(with(&[("Retry-After", "Fri, 20 Nov 2026 11:00:42 GMT"), date]), Some(Duration::from_secs(42)));
    assert_eq!(with(&[("Retry-After", "Fri, 20 Nov 2026 10:00:00 GMT"), date]), Some(Duration::ZERO));
    assert_eq!(with(&[("Retry-After", "Fri, 20 Nov 2026 11:00:42 GMT")]), None);
    assert_eq!(with(&[("Retry-After", "soon")]), None);
}

#[test]
fn words_are_bounded_printable_and_without_secrets() {
    let credentials = Credentials::new("u", "canary-secret".into(), Some("canary-code".into()));
    // The secret straddles the cut: taking it out must come first.
    let body = format!(r#"{{"errors":["{}canary-secret and canary-code\n","b"]}}"#, "x".repeat(TEXT_CHARS_MAX - 4));
    let error = failure(MethodKind::Read, &response(500, &body), Some(&credentials));
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("cana"), "{printed}");
    assert!(error.texts()[0].chars().count() <= TEXT_CHARS_MAX + 1);
    assert_eq!(error.texts()[1], "b");

    let many = format!(r#"{{"errors":[{}]}}"#, vec![r#""x""#; 50].join(","));
    assert_eq!(texts(many.as_bytes(), None).len(), TEXTS_MAX);
    assert!(texts(b"<html>canary</html>", None).is_empty());
    assert_eq!(texts(b"plain words\r\n", None), ["plain words"]);
}
