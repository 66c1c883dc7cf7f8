//! Which function serves which route: read from the functions' own OpenAPI descriptions, matched as API Gateway does.

use crate::gateway::event::Matched;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

/// One route of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Method, in capitals.
    pub method: &'static str,
    /// `/v1/connections/{cid}`.
    pub template: String,
}

/// The routes of an OpenAPI description.
#[must_use]
pub fn of(api: &OpenApi) -> Vec<Route> {
    let paths = api.paths.paths.iter();
    paths
        .flat_map(|(path, item)| methods(item).into_iter().map(|method| Route { method, template: path.clone() }))
        .collect()
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let all = [
        ("GET", item.get.is_some()),
        ("PUT", item.put.is_some()),
        ("POST", item.post.is_some()),
        ("DELETE", item.delete.is_some()),
        ("PATCH", item.patch.is_some()),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(method, _)| method).collect()
}

/// How well a route fits a request.
#[derive(Debug)]
pub enum Fit {
    /// Path and method.
    Route(Matched),
    /// The path alone.
    Path(Matched),
}

/// Matches a request with a route; a fixed segment is worth more than a parameter, which the number says.
#[must_use]
pub fn fit(route: &Route, method: &str, path: &str) -> Option<(usize, Fit)> {
    let mut parameters = Vec::new();
    let mut fixed = 0;
    let (mut wanted, mut given) = (route.template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => break,
            (Some(template), Some(segment)) => match parameter(template) {
                Some(_) if segment.is_empty() => return None,
                Some(name) => parameters.push((name.to_owned(), unescape(segment)?)),
                None if template == segment => fixed += 1,
                None => return None,
            },
            _ => return None,
        }
    }
    let matched = Matched { key: format!("{method} {}", route.template), parameters };
    Some((fixed, if route.method == method { Fit::Route(matched) } else { Fit::Path(matched) }))
}

fn parameter(template: &str) -> Option<&str> {
    template.strip_prefix('{')?.strip_suffix('}')
}

/// `%41` → `A`; `None` where that is no text.
fn unescape(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}
