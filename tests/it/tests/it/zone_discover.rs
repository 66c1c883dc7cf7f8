//! `POST /v1/zones/discover`, from event JSON, against an Autotask that knows one user.

use crate::edge::support::{Answer, Call, World, world_with};
use async_trait::async_trait;
use autotask::{HostPolicy, Request, Response, Transport, TransportError};
use bytes::Bytes;
use domain::ports::Config;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KNOWN: &str = "k4h5@msp.example";

/// Answers the look-up as Autotask does, or as told.
#[derive(Debug, Default)]
struct ZoneInformation {
    asked: Mutex<Vec<String>>,
    zone_url: Option<&'static str>,
    away: bool,
}

#[async_trait]
impl Transport for ZoneInformation {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        assert!(request.headers.is_empty(), "the look-up sends no credentials");
        self.asked.lock().unwrap().push(request.url.to_string());
        if self.away {
            return Err(TransportError::unknown("canary-socket"));
        }
        let known = request.url.query_pairs().any(|(name, value)| name == "user" && value == KNOWN);
        let url = self.zone_url.unwrap_or("https://webservices15.autotask.net/ATServicesRest/");
        let (status, body) = if known {
            (200, json!({"zoneName": "EU", "url": url, "webUrl": "https://ww15.autotask.net/", "ci": 123_456}))
        } else {
            (500, json!({"errors": ["Zone information could not be determined"]}))
        };
        Ok(Response { status, headers: Vec::new(), body: Bytes::from(body.to_string()) })
    }
}

fn world(autotask: &Arc<ZoneInformation>) -> World {
    let config = Config {
        zone_entry: "https://webservices.autotask.net/".parse().unwrap(),
        hosts: HostPolicy::autotask(),
        request_timeout: Duration::from_secs(1),
        hooks: None,
    };
    world_with(autotask.clone(), config)
}

async fn discover(autotask: &Arc<ZoneInformation>, call: Call) -> Answer {
    call.send(&world(autotask).app, zone_discover::routes()).await
}

fn call(username: &str) -> Call {
    Call::post("/v1/zones/discover", &json!({"username": username}))
}

#[tokio::test]
async fn a_known_user_has_a_zone() {
    let autotask = Arc::<ZoneInformation>::default();
    let answer = discover(&autotask, call(&format!(" {KNOWN}\t")).acme("partner_admin")).await;
    assert_eq!(answer.status, 200);
    let zone = json!({
        "url": "https://webservices15.autotask.net/ATServicesRest/", "web_url": "https://ww15.autotask.net/", "ci": 123_456,
    });
    assert_eq!(answer.json(), zone);
    let asked = autotask.asked.lock().unwrap().clone();
    assert_eq!(asked, ["https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation?user=k4h5%40msp.example"]);
}

#[tokio::test]
async fn what_cannot_be_found_says_why() {
    let unknown = discover(&Arc::default(), call("nobody@msp.example").acme("partner_admin")).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (422, "zone_not_found"));

    let away = Arc::new(ZoneInformation { away: true, ..Default::default() });
    let answer = discover(&away, call(KNOWN).acme("partner_admin")).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "autotask_unavailable"));
    assert!(answer.header("retry-after").is_some() && !answer.text.contains("canary"), "{}", answer.text);

    for hostile in ["https://webservices15.autotask.net.evil.example/", "http://webservices15.autotask.net/"] {
        let autotask = Arc::new(ZoneInformation { zone_url: Some(hostile), ..Default::default() });
        let answer = discover(&autotask, call(KNOWN).acme("partner_admin")).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "autotask_unavailable"), "{hostile}");
        assert!(!answer.text.contains("evil"), "{}", answer.text);
    }
}

#[tokio::test]
async fn nothing_is_asked_for_a_bad_request_or_a_role_that_may_not() {
    let autotask = Arc::<ZoneInformation>::default();
    for username in ["", "  "] {
        let answer = discover(&autotask, call(username).acme("partner_admin")).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (400, Some("username")));
    }
    for role in ["partner_billing", "partner_viewer"] {
        assert_eq!(discover(&autotask, call(KNOWN).acme(role)).await.status, 403, "{role}");
    }
    assert_eq!(discover(&autotask, call(KNOWN).vendor("service")).await.status, 403);
    assert!(autotask.asked.lock().unwrap().is_empty());
    for role in ["vendor_support", "vendor_admin"] {
        assert_eq!(discover(&autotask, call(KNOWN).vendor(role)).await.status, 200, "{role}");
    }
}
