//! From a path to a call. Paths are case-insensitive and may end in a slash.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use http::Method;

use crate::schema::{Entity, catalogue};

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Zone,
    Versions,
    Threshold,
    Query(&'static Entity),
    Count(&'static Entity),
    Next(&'static Entity),
    Item(&'static Entity, i64),
    /// `/{Entity}`: writes.
    Root(&'static Entity),
    Information(&'static Entity),
    Fields(&'static Entity),
    UserDefinedFields(&'static Entity),
    Children(&'static Entity, i64),
    Child(&'static Entity, i64, i64),
    InvoicePdf(&'static Entity, i64),
}

impl Call {
    /// The object endpoint whose threads the call uses; zone look-ups use none.
    pub(crate) fn endpoint(self) -> Option<&'static str> {
        match self {
            Call::Zone | Call::Versions => None,
            Call::Threshold => Some("ThresholdInformation"),
            Call::Query(entity)
            | Call::Count(entity)
            | Call::Next(entity)
            | Call::Item(entity, _)
            | Call::Root(entity)
            | Call::Information(entity)
            | Call::Fields(entity)
            | Call::UserDefinedFields(entity)
            | Call::Children(entity, _)
            | Call::Child(entity, ..)
            | Call::InvoicePdf(entity, _) => Some(entity.def.plural),
        }
    }
}

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Target {
    /// No such route: the web server answers, not the API.
    Nowhere,
    /// The route has no such verb.
    WrongVerb,
    Call(Call),
}

/// A path taken apart: what stands before `ATServicesRest`, and where the rest leads.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// `/` or the prefix of a zone, with slashes on both ends.
    pub(crate) prefix: String,
    pub(crate) target: Target,
}

pub(crate) fn resolve(method: &Method, path: &str) -> Resolved {
    let decoded: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| decode(segment).to_ascii_lowercase())
        .collect();
    let Some(service) = decoded.iter().position(|segment| segment == "atservicesrest") else {
        return Resolved { prefix: "/".to_owned(), target: Target::Nowhere };
    };
    let prefix = match service {
        0 => "/".to_owned(),
        _ => format!("/{}/", decoded[..service].join("/")),
    };
    let rest: Vec<&str> = decoded[service + 1..].iter().map(String::as_str).collect();
    Resolved { prefix, target: lead(method, &rest) }
}

fn decode(segment: &str) -> String {
    // A `+` in a path is a plus; form decoding would make it a space.
    let escaped = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn lead(method: &Method, rest: &[&str]) -> Target {
    for pattern in patterns() {
        if let Some(numbers) = pattern.matches(rest) {
            if !pattern.verbs.contains(method.as_str()) {
                return Target::WrongVerb;
            }
            return Target::Call((pattern.make)(pattern.entity, &numbers));
        }
    }
    Target::Nowhere
}

struct Pattern {
    segments: Vec<Segment>,
    verbs: BTreeSet<String>,
    entity: Option<&'static Entity>,
    make: fn(Option<&'static Entity>, &[i64]) -> Call,
}

enum Segment {
    Literal(String),
    Number,
}

impl Pattern {
    fn matches(&self, rest: &[&str]) -> Option<Vec<i64>> {
        if rest.len() != self.segments.len() {
            return None;
        }
        let mut numbers = Vec::new();
        for (segment, given) in self.segments.iter().zip(rest) {
            match segment {
                Segment::Literal(text) if text == given => {}
                Segment::Literal(_) => return None,
                Segment::Number => numbers.push(given.parse().ok()?),
            }
        }
        Some(numbers)
    }
}

fn patterns() -> &'static [Pattern] {
    static PATTERNS: OnceLock<Vec<Pattern>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let mut patterns = Vec::new();
        for (path, verbs) in &catalogue().operations {
            patterns.push(pattern(path, verbs.clone()));
            // Not in the vendor's list, but in every answer that has a next page.
            if path.ends_with("/query") {
                patterns.push(pattern(&format!("{path}/next"), verbs.clone()));
            }
        }
        patterns
    })
}

fn pattern(path: &str, verbs: BTreeSet<String>) -> Pattern {
    let lower = path.to_ascii_lowercase();
    let segments = lower
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| match segment.starts_with('{') {
            true => Segment::Number,
            false => Segment::Literal(segment.to_owned()),
        })
        .collect();
    let named: Vec<&str> = path.trim_start_matches("/V1.0/").split('/').collect();
    let (entity, make) = maker(&named);
    Pattern { segments, verbs, entity, make }
}

type Maker = fn(Option<&'static Entity>, &[i64]) -> Call;

fn maker(named: &[&str]) -> (Option<&'static Entity>, Maker) {
    match named {
        ["ZoneInformation"] => (None, |_, _| Call::Zone),
        ["ThresholdInformation"] => (None, |_, _| Call::Threshold),
        [root, "{parentId}", segment, rest @ ..] => (child(root, segment), of_entity(rest, true)),
        [root, rest @ ..] => match catalogue().entity(root) {
            Some(entity) => (Some(entity), of_entity(rest, false)),
            None => (None, |_, _| Call::Versions),
        },
        [] => (None, |_, _| Call::Versions),
    }
}

fn child(root: &str, segment: &str) -> Option<&'static Entity> {
    catalogue()
        .entities
        .iter()
        .find(|entity| entity.def.child.as_ref().is_some_and(|child| child.parent == root && child.segment == segment))
}

/// Only patterns of known entities get here; the entity is always there.
fn of_entity(rest: &[&str], child: bool) -> Maker {
    fn known(entity: Option<&'static Entity>) -> &'static Entity {
        entity.unwrap_or(&catalogue().entities[0])
    }
    match (rest, child) {
        (["query"], _) => |entity, _| Call::Query(known(entity)),
        (["query", "count"], _) => |entity, _| Call::Count(known(entity)),
        (["query", "next"], _) => |entity, _| Call::Next(known(entity)),
        (["entityInformation"], _) => |entity, _| Call::Information(known(entity)),
        (["entityInformation", "fields"], _) => |entity, _| Call::Fields(known(entity)),
        (["entityInformation", _], _) => |entity, _| Call::UserDefinedFields(known(entity)),
        ([_, "InvoicePdf"], false) => |entity, numbers| Call::InvoicePdf(known(entity), numbers[0]),
        ([], false) => |entity, _| Call::Root(known(entity)),
        ([], true) => |entity, numbers| Call::Children(known(entity), numbers[0]),
        (_, false) => |entity, numbers| Call::Item(known(entity), numbers[0]),
        (_, true) => |entity, numbers| Call::Child(known(entity), numbers[0], numbers[1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &Method, path: &str) -> String {
        match resolve(method, path).target {
            Target::Call(call) => format!("{:?}", call.endpoint()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_are_found_in_any_case_and_with_a_slash() {
        for path in [
            "/ATServicesRest/V1.0/Companies/query",
            "/atservicesrest/v1.0/companies/QUERY/",
            "/zone9/aTServicesRest/V1.0/Companies/query",
        ] {
            assert_eq!(call(&Method::POST, path), "Some(\"Companies\")", "{path}");
        }
        assert_eq!(resolve(&Method::GET, "/zone9/ATServicesRest/V1.0/Version").prefix, "/zone9/");
    }

    #[test]
    fn a_known_path_with_another_verb_is_no_unknown_path() {
        assert_eq!(call(&Method::PATCH, "/ATServicesRest/V1.0/Companies/7"), "WrongVerb");
        assert_eq!(call(&Method::POST, "/ATServicesRest/V1.0/Contacts"), "Nowhere");
        assert_eq!(call(&Method::POST, "/ATServicesRest/V1.0/ContractServices"), "Nowhere");
        assert_eq!(call(&Method::GET, "/ATServicesRest/V1.0/Frobs/query"), "Nowhere");
        assert_eq!(call(&Method::GET, "/V1.0/Companies/7"), "Nowhere");
    }
}
