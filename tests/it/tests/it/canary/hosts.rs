//! A thousand URLs that an attacker, a mistake or a proxy could put into Autotask's answers: none is followed.

use domain::connections::{NewConnection, connect};
use domain::runs::{Run, RunKind, Trigger};
use domain::vendor::Partner;
use domain::{Actor, Role};
use secrecy::SecretString;
use serde_json::json;
use simulator::{Fault, FaultKind, Match};
use testkit::{SECRET, USERNAME, World};

const ENTRY: &str = "https://webservices.autotask.net";
const ZONE: &str = "https://webservices99.autotask.net";

/// Schemes and what stands in their place.
const SCHEMES: [&str; 14] = [
    "https://",
    "http://",
    "//",
    "https:/",
    "https:\\\\",
    "ftp://",
    "file://",
    "gopher://",
    "ws://",
    " https://",
    "https://\t",
    "https:///",
    "h\nttps://",
    "",
];
/// Hosts that are not Autotask's, however much they look like it.
const HOSTS: [&str; 30] = [
    "evil.example",
    "evilautotask.net",
    "autotask.net",
    ".autotask.net",
    "autotask.net.evil.example",
    "webservices99.autotask.net.evil.example",
    "webservices99.autotask.net@evil.example",
    "api.user:secret@webservices99.autotask.net",
    "@webservices99.autotask.net",
    "webservices99.autotask.net:444",
    "webservices99.autotask.net:80",
    "webservices99.autotask.net.",
    "webservices99.autotask.net%2eevil.example",
    "webservices99.autotask.net%00.evil.example",
    "webservices99.autotask.net\\.evil.example",
    "evil.example#.autotask.net",
    "evil.example?.autotask.net",
    "evil.example/.autotask.net",
    "evil.example\\.autotask.net",
    "webservices99\u{3002}autotask\u{3002}net",
    "\u{ff57}ebservices99.autotask.net",
    "webservices99.autot\u{0430}sk.net",
    "a.b.autotask.net",
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "169.254.169.254",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "localhost",
];
const PATHS: [&str; 3] = ["/ATServicesRest/", "/ATServicesRest/V1.0/Companies/query/next?paging=%7B%7D", ""];

fn hostile() -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for scheme in SCHEMES {
        for host in HOSTS {
            urls.extend(PATHS.map(|path| format!("{scheme}{host}{path}")));
        }
    }
    let own = "webservices99.autotask.net/ATServicesRest/";
    urls.extend(SCHEMES.iter().filter(|scheme| **scheme != "https://").map(|scheme| format!("{scheme}{own}")));
    urls.extend(
        ["javascript:alert(1)", "data:text/html,x", "mailto:a@b.example", "\u{0}", "https://", "/", "?", "#"]
            .map(str::to_owned),
    );
    urls.push(format!("{ZONE}/{}", "a".repeat(10_000)));
    urls
}

fn only_autotask(world: &World) {
    let hosts = world.transport.hosts();
    let strange: Vec<_> = hosts.keys().filter(|host| *host != ENTRY && *host != ZONE).collect();
    assert!(strange.is_empty(), "requests were sent to {strange:?}");
}

fn input() -> NewConnection {
    NewConnection {
        psa: None,
        username: Some(USERNAME.to_owned()),
        secret: Some(SecretString::from(SECRET)),
        email: None,
        priority: None,
        invoice_reference: None,
        filters: None,
        features: None,
        profile: None,
    }
}

#[tokio::test]
async fn no_credentials_go_to_a_zone_that_is_not_autotasks() {
    let world = World::builder().unconnected().build().await;
    world
        .put(&Partner {
            id: world.partner.clone(),
            name: "Acme IT".to_owned(),
            time_zone: "UTC".to_owned(),
            active: true,
        })
        .await;
    let (urls, actor) = (hostile(), Actor::system("test", "r1"));
    assert!(urls.len() >= 1_000, "{}", urls.len());
    for (at, url) in urls.iter().enumerate() {
        let zone = json!({"zoneName": "Zone", "url": url, "webUrl": url, "ci": world.ci});
        let answer = FaultKind::Status { status: 200, body: zone };
        world.sim.add_fault(Fault::new(Match::new("GET", "*zoneInformation"), answer));
        let made = connect(world.ports(), &world.scope(), &actor, &world.partner, input()).await;
        assert!(made.is_err(), "{url:?} was taken for a zone");
        if at % 100 == 0 {
            let body = json!({"username": USERNAME});
            let reply = world.api(Role::PartnerAdmin).post("/v1/zones/discover", body).await;
            assert!(!reply.is_success() && !reply.text.contains("evil"), "{url:?}: {}", reply.text);
        }
        world.sim.clear_faults();
    }
    let hosts = world.transport.hosts();
    assert_eq!(hosts.keys().collect::<Vec<_>>(), [ENTRY], "the look-up itself, and nothing else");
    assert!(world.sim.requests().iter().all(|request| request.path.to_lowercase().ends_with("zoneinformation")));
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_followed() {
    let world = testkit::world().await;
    world.lines(1).await;
    let actor = Actor::system("test", "r1");
    let of = (&world.partner, &world.connection);
    let run = Run::queued(world.ports(), &actor, of, RunKind::SeatSync, Trigger::Manual);
    let mut urls = hostile();
    urls.extend(["https://webservices5.autotask.net/ATServicesRest/V1.0/Companies/query/next?paging=x".to_owned()]);
    // Each plans a whole run: a part of them, over all schemes, hosts and paths.
    for url in urls.iter().rev().step_by(7) {
        let page = json!({"items": [], "pageDetails": {"count": 0, "requestCount": 500, "prevPageUrl": null, "nextPageUrl": url}});
        let answer = FaultKind::Status { status: 200, body: page };
        // Our own share of the hourly limit refills.
        world.advance(jiff::SignedDuration::from_secs(10));
        world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceUnits/query"), answer));
        let made = domain::billing::compute(world.ports(), &world.scope(), of.0, of.1, &run).await;
        assert!(made.is_err(), "{url:?} was followed, or taken for the end of the list");
        world.sim.clear_faults();
    }
    only_autotask(&world);
}

#[tokio::test]
async fn a_run_that_is_led_elsewhere_ends_and_says_so() {
    let world = World::builder().at("2026-11-30T12:00:00Z").build().await;
    let lines = world.lines(2).await;
    world.usage(&lines[0], 12).await;
    let elsewhere = FaultKind::BadPage { how: simulator::BadPage::ForeignHost };
    world.sim.add_fault(Fault::new(Match::new("POST", "*ContractServiceUnits/query"), elsewhere));
    world.tick("seat-sync", "2026-12-01T00:15:00Z").await;
    world.drain().await;
    let of = domain::records::Collection::Runs(world.partner.clone(), world.connection.clone());
    let run = world.load_all::<Run>(&of).await.pop().unwrap();
    assert_eq!(run.state, domain::runs::RunState::Failed);
    assert_eq!(run.problem.map(|(code, _)| code), Some(domain::problem::Code::AutotaskUnavailable));
    assert!(world.writes().is_empty());
    only_autotask(&world);
}
