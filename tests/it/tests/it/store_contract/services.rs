//! Secrets, queues and the bus, on the endpoint that `STORE_TEST_ENDPOINT` names; without it there is no engine that
//! speaks their protocols, and nothing is tested here.

#![allow(clippy::disallowed_methods, reason = "names must be new for each run, on an engine that remembers")]

use super::bench::{connection, partner, second_engine};
use async_trait::async_trait;
use domain::ports::{Clock, Events, OutEvent, Queue, QueueName, SecretName, SecretVersion, Secrets, SecretsError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::secrets::CACHE_TTL;
use store::{Aws, Bus, SecretsManager, Settings, Sqs};

/// A clock that is moved by hand.
#[derive(Debug, Default)]
struct Hand(AtomicI64);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
    async fn pause(&self, _: Duration) {}
}

async fn engine() -> Option<Aws> {
    Some(store::Aws::new(&Settings::local(second_engine()?)).await)
}

fn new_name() -> String {
    format!("it-{}", uuid::Uuid::new_v4())
}

fn secret(value: &str) -> SecretString {
    SecretString::from(value)
}

async fn text(store: &SecretsManager, name: &SecretName, version: &SecretVersion) -> Option<String> {
    match store.get(name, version).await {
        Ok(value) => Some(value.expose_secret().to_owned()),
        Err(SecretsError::Missing) => None,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_secret_is_read_by_the_version_that_a_record_names() {
    let Some(aws) = engine().await else { return };
    let store = SecretsManager::new(aws.secrets(), new_name(), Arc::new(Hand::default()));
    let name = SecretName::Connection(partner("acme:1"), connection("con_1"));
    assert_eq!(text(&store, &name, &SecretVersion(new_name())).await, None);
    let first = store.put(&name, secret("one")).await.unwrap();
    let second = store.put(&name, secret("two")).await.unwrap();
    assert_ne!(first, second);
    for _ in 0..2 {
        assert_eq!(text(&store, &name, &first).await.as_deref(), Some("one"));
        assert_eq!(text(&store, &name, &second).await.as_deref(), Some("two"));
    }
    let vendor = store.put(&SecretName::Vendor, secret("code")).await.unwrap();
    assert_eq!(text(&store, &SecretName::Vendor, &vendor).await.as_deref(), Some("code"));
    let listed = store.list().await.unwrap();
    assert_eq!(listed.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&name]);
    assert!(!format!("{store:?}").contains("two"));
}

#[tokio::test]
async fn deployments_do_not_see_each_others_secrets() {
    let Some(aws) = engine().await else { return };
    let (stack, name) = (new_name(), SecretName::Connection(partner("acme"), connection("con_1")));
    let of = |stack: &str| SecretsManager::new(aws.secrets().clone(), stack, Arc::new(Hand::default()));
    let version = of(&stack).put(&name, secret("one")).await.unwrap();
    let other = of(&format!("{stack}x"));
    assert_eq!(text(&other, &name, &version).await, None);
    assert!(other.list().await.unwrap().is_empty());
    other.delete(&name).await.unwrap();
    assert_eq!(of(&stack).list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_deleted_secret_is_gone_and_can_be_made_anew() {
    let Some(aws) = engine().await else { return };
    let store = SecretsManager::new(aws.secrets(), new_name(), Arc::new(Hand::default()));
    let name = SecretName::Connection(partner("acme"), connection("con_1"));
    store.delete(&name).await.unwrap();
    let old = store.put(&name, secret("one")).await.unwrap();
    assert_eq!(text(&store, &name, &old).await.as_deref(), Some("one"));
    for _ in 0..2 {
        store.delete(&name).await.unwrap();
        assert_eq!(text(&store, &name, &old).await, None, "not even from memory");
        assert!(store.list().await.unwrap().is_empty());
    }
    let new = store.put(&name, secret("two")).await.unwrap();
    assert_eq!(text(&store, &name, &new).await.as_deref(), Some("two"));
    assert_eq!(store.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_another_instance_deleted_is_served_from_memory_for_five_minutes_at_most() {
    let Some(aws) = engine().await else { return };
    let (clock, stack) = (Arc::new(Hand::default()), new_name());
    let here = SecretsManager::new(aws.secrets().clone(), stack.clone(), clock.clone());
    let there = SecretsManager::new(aws.secrets(), stack, clock.clone());
    let name = SecretName::Connection(partner("acme"), connection("con_1"));
    let version = here.put(&name, secret("one")).await.unwrap();
    assert_eq!(text(&here, &name, &version).await.as_deref(), Some("one"));
    there.delete(&name).await.unwrap();
    clock.0.store(CACHE_TTL.as_secs() - 1, Ordering::SeqCst);
    assert_eq!(text(&here, &name, &version).await.as_deref(), Some("one"));
    clock.0.store(CACHE_TTL.as_secs(), Ordering::SeqCst);
    assert_eq!(text(&here, &name, &version).await, None);
}

async fn received(aws: &Aws, url: &str, at_least: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..10 {
        let request = aws.sqs().receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(1);
        for message in request.send().await.unwrap().messages.unwrap_or_default() {
            let receipt = message.receipt_handle().unwrap();
            aws.sqs().delete_message().queue_url(url).receipt_handle(receipt).send().await.unwrap();
            bodies.push(message.body.unwrap());
        }
        if bodies.len() >= at_least {
            break;
        }
    }
    bodies
}

async fn queue(aws: &Aws) -> String {
    aws.sqs().create_queue().queue_name(new_name()).send().await.unwrap().queue_url.unwrap()
}

#[tokio::test]
async fn a_message_arrives_in_its_queue_and_a_delayed_one_later() {
    let Some(aws) = engine().await else { return };
    let (seats, map) = (queue(&aws).await, queue(&aws).await);
    let urls = [(QueueName::SeatSync, seats.clone()), (QueueName::Map, map.clone())];
    let sqs = Sqs::new(aws.sqs().clone(), urls);
    let group = partner("acme:1@x");
    sqs.send(QueueName::SeatSync, "now".to_owned(), Duration::ZERO, &group).await.unwrap();
    sqs.send(QueueName::Map, "other".to_owned(), Duration::ZERO, &group).await.unwrap();
    // More than SQS takes is sent with what it takes.
    sqs.send(QueueName::SeatSync, "later".to_owned(), Duration::from_secs(3_600), &group).await.unwrap();
    assert_eq!(received(&aws, &seats, 1).await, ["now"]);
    assert_eq!(received(&aws, &map, 1).await, ["other"]);
    let attributes = aws.sqs().get_queue_attributes().queue_url(&seats);
    let attributes = attributes.attribute_names(aws_sdk_sqs::types::QueueAttributeName::All).send().await.unwrap();
    let delayed = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed;
    assert_eq!(attributes.attributes().unwrap()[&delayed], "1");
}

#[tokio::test]
async fn a_queue_without_a_url_or_that_is_not_there_is_an_error() {
    let Some(aws) = engine().await else { return };
    let url = format!("{}/000000000000/{}", second_engine().unwrap(), new_name());
    let sqs = Sqs::new(aws.sqs(), [(QueueName::Map, url)]);
    for name in [QueueName::Map, QueueName::SeatSync] {
        assert!(sqs.send(name, "x".to_owned(), Duration::ZERO, &partner("acme")).await.is_err());
    }
}

#[tokio::test]
async fn every_event_reaches_the_bus_however_many_there_are() {
    let Some(aws) = engine().await else { return };
    let (bus, url) = (new_name(), queue(&aws).await);
    aws.events().create_event_bus().name(&bus).send().await.unwrap();
    let pattern = json!({ "source": [store::bus::SOURCE], "detail-type": ["billing.run_completed"] }).to_string();
    aws.events().put_rule().name("all").event_bus_name(&bus).event_pattern(pattern).send().await.unwrap();
    let attributes = aws.sqs().get_queue_attributes().queue_url(&url);
    let arn = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
    let attributes = attributes.attribute_names(arn.clone()).send().await.unwrap();
    let target = aws_sdk_eventbridge::types::Target::builder().id("queue").arn(&attributes.attributes().unwrap()[&arn]);
    let request = aws.events().put_targets().rule("all").event_bus_name(&bus).targets(target.build().unwrap());
    request.send().await.unwrap();

    let event = |n: usize| OutEvent {
        detail_type: "billing.run_completed".to_owned(),
        // Twenty-three of 40 KB: neither ten at a time nor all fit one call by size.
        detail: json!({ "id": n, "pad": "x".repeat(40_000) }),
    };
    Bus::new(aws.events().clone(), &bus).publish(&(0..23).map(event).collect::<Vec<_>>()).await.unwrap();
    let ids: HashSet<u64> = received(&aws, &url, 23)
        .await
        .iter()
        .map(|body| serde_json::from_str::<Value>(body).unwrap()["detail"]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), 23);
}
