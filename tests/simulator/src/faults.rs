//! Faults that are asked for: which request gets which, told by dice that a seed decides.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::{Response, WireRequest};

/// A fault and the requests that it meets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// What happens to them.
    pub fault: FaultKind,
    /// How often at most; for ever by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Share of the matching requests, 0 to 1; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Decides the dice; by default the simulator's own seed and the fault's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Fault {
    /// A fault that meets every matching request.
    pub fn new(matches: Match, fault: FaultKind) -> Self {
        Self { matches, fault, times: None, probability: None, seed: None }
    }

    /// The same fault, at most `times` times.
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same fault for a share of the requests.
    pub fn probability(self, probability: f64, seed: u64) -> Self {
        Self { probability: Some(probability), seed: Some(seed), ..self }
    }
}

/// Which requests a fault meets; what is left out matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The verb, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A glob over the whole path: `*` for anything, `?` for one character, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The database that the request is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<u64>,
}

impl Match {
    /// Requests with this verb whose path fits the glob.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()), database: None }
    }

    fn fits(&self, request: &WireRequest, ci: Option<u64>) -> bool {
        let path = request.path.trim_end_matches('/').to_ascii_lowercase();
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(request.method.as_str()))
            && self.path.as_ref().is_none_or(|glob| glob_fits(&glob.to_ascii_lowercase(), &path))
            && self.database.is_none_or(|wanted| ci == Some(wanted))
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Answered with this, not applied.
    Status {
        /// HTTP status.
        status: u16,
        /// A text is sent as it is, anything else as JSON.
        #[serde(default)]
        body: Value,
    },
    /// Applied, then answered with this.
    ApplyThenStatus {
        /// HTTP status.
        status: u16,
        /// A text is sent as it is, anything else as JSON.
        #[serde(default)]
        body: Value,
    },
    /// The connection is closed; not applied.
    Reset,
    /// Applied, then the connection is closed.
    ApplyThenReset,
    /// The connection is closed at once; applied when the clock gets there.
    Late {
        /// Seconds of clock.
        after_seconds: u64,
    },
    /// Handled, but answered later.
    Delay {
        /// Real milliseconds.
        ms: u64,
    },
    /// A list that cannot be trusted.
    BadPage {
        /// In which way.
        how: BadPage,
    },
    /// The thread limit's text.
    ThreadLimit {
        /// Under which status.
        #[serde(default = "too_many")]
        status: u16,
    },
    /// 401.
    Unauthorized,
}

fn too_many() -> u16 {
    429
}

/// How a page is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadPage {
    /// HTML where JSON belongs, with status 200.
    Html,
    /// JSON that ends in the middle.
    Truncated,
    /// A next page on somebody else's host.
    ForeignHost,
    /// A next page that is this page.
    Loop,
}

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveFault {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    #[serde(flatten)]
    pub fault: Fault,
    /// Requests that it met.
    pub hits: u64,
    /// Dice thrown so far.
    #[serde(default)]
    pub rolls: u64,
}

/// The first fault in force that fits and whose dice fall. Counts dice and hits.
pub(crate) fn pick(faults: &mut [ActiveFault], request: &WireRequest, ci: Option<u64>, seed: u64) -> Option<FaultKind> {
    let fits = |active: &&mut ActiveFault| {
        active.fault.times.is_none_or(|times| active.hits < times) && active.fault.matches.fits(request, ci)
    };
    // Dice are thrown for each fault in turn until one falls.
    let active = faults.iter_mut().filter(fits).find_map(|active| active.dice_fall(seed).then_some(active))?;
    active.hits += 1;
    Some(active.fault.fault.clone())
}

/// Dice have a million sides: probabilities count to six places.
const SIDES: u64 = 1_000_000;

impl ActiveFault {
    fn dice_fall(&mut self, seed: u64) -> bool {
        let Some(probability) = self.fault.probability else {
            return true;
        };
        let seed = self.fault.seed.unwrap_or_else(|| mix(seed ^ self.id));
        let roll = mix(seed.wrapping_add(self.rolls)) % SIDES;
        self.rolls += 1;
        let wanted =
            Decimal::try_from(probability).ok().and_then(|share| (share * Decimal::from(SIDES)).to_u64()).unwrap_or(0);
        roll < wanted
    }
}

/// SplitMix64's finaliser: neighbouring numbers give unrelated ones.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn glob_fits(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// The answer that a fault prescribes.
pub(crate) fn prescribed(status: u16, body: &Value) -> Response {
    match body {
        Value::Null => Response::new(status, "text/plain", ""),
        Value::String(text) if text.trim_start().starts_with('<') => Response::new(status, "text/html", text.clone()),
        Value::String(text) => Response::new(status, "text/plain", text.clone()),
        other => Response::json(status, other),
    }
}

/// Spoils a list.
pub(crate) fn spoil(how: BadPage, response: Response, request_url: &str, own_page: &str) -> Response {
    match how {
        BadPage::Html => Response::html(200, "<!DOCTYPE html><html><body><h1>Please stand by</h1></body></html>"),
        BadPage::Truncated => {
            let half = response.body.len() / 2;
            Response { body: response.body.slice(..half), ..response }
        }
        BadPage::ForeignHost => {
            let path = request_url.split_once("ATServicesRest").map_or("/", |(_, rest)| rest);
            let url = format!("https://collector.example.net/ATServicesRest{path}/next?paging=%7B%7D");
            with_next(response, &url)
        }
        BadPage::Loop => with_next(response, own_page),
    }
}

fn with_next(response: Response, url: &str) -> Response {
    let mut body = response.value();
    match body.get_mut("pageDetails") {
        Some(details) => details["nextPageUrl"] = json!(url),
        None => return response,
    }
    Response::json(response.status, &body)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn globs_fit_as_people_expect() {
        assert!(glob_fits("*contractserviceadjustments", "/atservicesrest/v1.0/contractserviceadjustments"));
        assert!(glob_fits("*/companies/query*", "/atservicesrest/v1.0/companies/query"));
        assert!(glob_fits("/a/?/c", "/a/b/c"));
        assert!(!glob_fits("*/companies", "/atservicesrest/v1.0/companies/query"));
        assert!(glob_fits("*a*b", "xxaxxbxb"));
    }

    #[test]
    fn dice_are_the_same_for_the_same_seed_and_near_their_share() {
        let fall = |seed| {
            let mut faults = vec![ActiveFault {
                id: 1,
                fault: Fault::new(Match::default(), FaultKind::Reset).probability(0.1, seed),
                hits: 0,
                rolls: 0,
            }];
            let request = WireRequest::new(Method::GET, "/x");
            let falls: Vec<bool> = (0..10_000).map(|_| pick(&mut faults, &request, None, 0).is_some()).collect();
            (falls, faults[0].hits)
        };
        let (first, hits) = fall(7);
        assert_eq!((first.clone(), hits), fall(7));
        assert_ne!(first, fall(8).0);
        assert!((900..1_100).contains(&hits), "{hits}");
    }
}
