#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::fake::{Fake, hostile_urls, response};

fn allowed(text: &str) -> bool {
    HostPolicy::autotask().check(text).is_ok()
}

#[test]
fn autotasks_own_urls_are_kept_verbatim_with_a_slash() {
    for (text, kept) in [
        ("https://webservices15.autotask.net/ATServicesRest/", "https://webservices15.autotask.net/ATServicesRest/"),
        ("https://webservices15.autotask.net/atServicesRest", "https://webservices15.autotask.net/atServicesRest/"),
        ("https://PRDE.autotask.net:443/ATServicesRest/", "https://prde.autotask.net/ATServicesRest/"),
    ] {
        assert_eq!(HostPolicy::autotask().check(text).unwrap().as_str(), kept);
    }
}

const HOSTILE: &[&str] = &[
    "",
    "https://",
    "http://webservices1.autotask.net/",
    "ftp://webservices1.autotask.net/",
    "//webservices1.autotask.net/",
    "webservices1.autotask.net",
    "javascript:alert(1)//.autotask.net/",
    "data:text/html,https://a.autotask.net/",
    "https:webservices1.autotask.net@evil.example/",
    "https://autotask.net/",
    "https://.autotask.net/",
    "https://autotask.net.evil.example/",
    "https://evil.example/autotask.net/",
    "https://evil.example/?webservices1.autotask.net/",
    "https://evil.example/#webservices1.autotask.net/",
    "https://evil.example#.autotask.net/",
    "https://evil.example?.autotask.net/",
    "https://evil.example\\.autotask.net/",
    "https:\\\\evil.example\\.autotask.net/",
    "https://evilautotask.net/",
    "https://webservices1-autotask.net/",
    "https://webservices1.autotask.net.evil.example/",
    "https://webservices1.autotask.net@evil.example/",
    "https://webservices1.autotask.net:pw@evil.example/",
    "https://user@webservices1.autotask.net/",
    "https://user:pw@webservices1.autotask.net/",
    "https://@webservices1.autotask.net/",
    "https://webservices1.autotask.net:8443/",
    "https://webservices1.autotask.net:80/",
    "https://webservices1.autotask.net:0443/",
    "https://webservices1.autotask.net./",
    "https://a.b.autotask.net/",
    "https://webservices1..autotask.net/",
    "https://webservices1.autotask\u{3002}net/",
    "https://webservices1.autotask\u{ff0e}net/",
    "https://webservices1\u{ff61}autotask.net/",
    "https://webservices1.\u{430}utotask.net/",
    "https://webservices1.autotask%2enet/",
    "https://webservices1%2eautotask.net/",
    "https://evil.example%2f.autotask.net/",
    "https://evil.example%00.autotask.net/",
    "https://w\u{ad}ebservices1.autotask.net/",
    "https://webservices1.auto\ttask.net/",
    "https://webservices1.autotask.net\n/",
    " https://webservices1.autotask.net/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://169.254.169.254/latest/",
    "https://localhost/",
    "https://webservices1.autotask.net/?next=x",
    "https://webservices1.autotask.net/#x",
    "https:///webservices1.autotask.net/",
    "https:/webservices1.autotask.net/",
    "https://web_services.autotask.net/",
    "https://*.autotask.net/",
];

#[test]
fn no_hostile_url_is_a_zone() {
    for text in HOSTILE {
        assert!(!allowed(text), "{text:?}");
    }
}

#[test]
fn over_a_thousand_hostile_urls_are_refused() {
    let urls = hostile_urls();
    assert!(urls.len() > 1_000, "{}", urls.len());
    for text in urls {
        assert!(!allowed(&text), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_url_elsewhere_is_a_zone(
        before in "(https?://)?[a-z0-9.:@/\\\\?#%-]{0,20}",
        middle in "(webservices[0-9]{1,2})?\\.?autotask\\.net",
        glue in "[.@:\\\\?#/%\u{3002}\u{ff0e}\u{200d}\t -]?[a-z0-9.-]{0,6}",
        after in "(evil\\.example|127\\.0\\.0\\.1|\\[::1\\])[/:?#]?[a-z0-9/]{0,10}",
    ) {
        // Whatever is accepted would be connected to by the very parser used here.
        for text in [format!("{before}{middle}{glue}{after}"), format!("https://{after}{glue}{middle}/"), format!("https://{middle}{glue}{after}")] {
            if let Ok(zone) = HostPolicy::autotask().check(&text) {
                let host = zone.as_url().host_str().unwrap();
                let label = host.strip_suffix(".autotask.net").unwrap_or("");
                prop_assert!(!label.is_empty() && !label.contains('.'), "{text:?} leads to {host}");
                prop_assert!(zone.as_str().starts_with("https://") && !text.contains(['@', '\\', ' ']), "{text:?}");
                prop_assert!(text.starts_with(&format!("https://{host}")), "{text:?} is not what it looks like");
            }
        }
    }

    #[test]
    fn no_random_text_is_a_zone(text in "\\PC{0,60}") {
        prop_assert!(!allowed(&text));
        let in_host = format!("https://{text}.autotask.net/");
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        prop_assert!(!allowed(&in_host) || plain, "{in_host:?}");
    }
}

#[test]
fn an_extra_origin_is_allowed_exactly_and_without_a_login() {
    let policy = HostPolicy::autotask().with_extra_origin(&Url::parse("http://127.0.0.1:9401/").unwrap());
    assert!(policy.check("http://127.0.0.1:9401/ATServicesRest/").is_ok());
    assert!(policy.check("https://webservices1.autotask.net/ATServicesRest/").is_ok());
    for text in [
        "http://127.0.0.1:9402/",
        "https://127.0.0.1:9401/",
        "http://localhost:9401/",
        "http://u@127.0.0.1:9401/",
        "http://127.0.0.1:9401\\@evil.example/",
    ] {
        assert!(policy.check(text).is_err(), "{text}");
    }
}

async fn looked_up(status: u16, body: &str) -> (Result<Zone, ZoneError>, Vec<Request>) {
    let body = body.to_owned();
    let fake = Fake::new(move |_, _| Ok(response(status, &body)));
    let zone = discover(&*fake, &HostPolicy::autotask(), &Url::parse(ENTRY).unwrap(), "me+x@msp.example").await;
    (zone, fake.sent())
}

#[tokio::test]
async fn the_zone_is_found_without_credentials() {
    let body = r#"{"zoneName":"Zone 15","url":"https://webservices15.autotask.net/ATServicesRest/","webUrl":"https://ww15.autotask.net/","ci":700123}"#;
    let (zone, sent) = looked_up(200, body).await;
    let zone = zone.unwrap();
    assert_eq!((zone.zone_name.as_str(), zone.ci), ("Zone 15", 700_123));
    assert_eq!(zone.url.as_str(), "https://webservices15.autotask.net/ATServicesRest/");
    assert_eq!(sent[0].method, Method::Get);
    assert_eq!(
        sent[0].url.as_str(),
        "https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation?user=me%2Bx%40msp.example"
    );
    assert!(sent[0].headers.is_empty());
}

#[tokio::test]
async fn unknown_users_refused_hosts_and_failures_are_told_apart() {
    let unknown = r#"{"errors":["Zone information could not be determined"]}"#;
    assert!(matches!(looked_up(500, unknown).await.0, Err(ZoneError::UnknownUser)));
    let evil = r#"{"zoneName":"x","url":"https://evil.example/ATServicesRest/","webUrl":"","ci":1}"#;
    assert!(matches!(looked_up(200, evil).await.0, Err(ZoneError::Refused { .. })));
    for (status, body) in [
        (500, ""),
        (500, r#"{"errors":["other"]}"#),
        (503, ""),
        (404, "<html>"),
        (200, "<html>"),
        (200, r#"{"zoneName":"x"}"#),
    ] {
        let error = looked_up(status, body).await.0.unwrap_err();
        assert!(error.is_transient(), "{status} {body}: {error:?}");
    }
}

#[tokio::test]
async fn a_blank_user_is_unknown_without_asking() {
    let fake = Fake::new(|_, _| Err(TransportError::not_sent("must not be asked")));
    let zone = discover(&*fake, &HostPolicy::autotask(), &Url::parse(ENTRY).unwrap(), "  ").await;
    assert!(matches!(zone, Err(ZoneError::UnknownUser)));
    assert!(fake.sent().is_empty());
}
