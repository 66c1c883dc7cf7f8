use super::*;
use async_trait::async_trait;
use domain::connections::{NewConnection, connect, sweep_secrets};
use domain::ports::{Listing, PageRequest, Ports, Read, Storage, StorageError};
use domain::records::{Stored, Write};
use domain::{Actor, Scope};
use jiff::SignedDuration;
use secrecy::SecretString;
use std::sync::Arc;

/// Storage that fails when a connection is to be written: before it is, or after.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn Storage>,
    after_writing: bool,
}

#[async_trait]
impl Storage for Failing {
    async fn get(&self, scope: &Scope, key: &Key, read: Read) -> Result<Option<Stored>, StorageError> {
        self.inner.get(scope, key, read).await
    }

    async fn list(&self, scope: &Scope, of: &Collection, page: PageRequest) -> Result<Listing, StorageError> {
        self.inner.list(scope, of, page).await
    }

    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        if !writes.iter().any(|write| matches!(write.key, Key::Connection(..))) {
            return self.inner.write(scope, writes).await;
        }
        if self.after_writing {
            self.inner.write(scope, writes).await?;
        }
        Err(StorageError::Unavailable("storage went away".into()))
    }
}

fn failing(world: &World, after_writing: bool) -> Ports {
    let inner = world.ports().storage.clone();
    Ports { storage: Arc::new(Failing { inner, after_writing }), ..world.ports().clone() }
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

fn actor() -> Actor {
    Actor::system("test", "req_test")
}

#[tokio::test]
async fn what_dies_between_secret_and_record_leaves_no_connection_and_the_sweep_takes_the_secret() {
    let world = unconnected().await;
    let ports = failing(&world, false);
    let died = connect(&ports, &world.scope(), &actor(), &world.partner, input()).await;
    assert!(died.is_err());
    assert_eq!(connections_of(&world).await, []);
    assert_eq!(connection_secrets(&world).len(), 1);
    assert_eq!(sweep_secrets(world.ports(), &world.system_scope()).await.unwrap(), 0, "it may be a connect under way");
    world.advance(SignedDuration::from_mins(61));
    for swept in [1, 0] {
        assert_eq!(sweep_secrets(world.ports(), &world.system_scope()).await.unwrap(), swept);
    }
    nothing_is_saved(&world).await;
    admin(&world).post(CONNECTIONS, login()).await.assert_status(201);
}

#[tokio::test]
async fn a_lost_answer_keeps_the_secret_that_the_record_names() {
    let world = unconnected().await;
    let ports = failing(&world, true);
    let lost = connect(&ports, &world.scope(), &actor(), &world.partner, input()).await;
    assert!(lost.is_err());
    let made = connections_of(&world).await;
    assert_eq!(made.len(), 1);
    world.advance(SignedDuration::from_mins(61));
    assert_eq!(sweep_secrets(world.ports(), &world.system_scope()).await.unwrap(), 0);
    let path = format!("{CONNECTIONS}/{}/test", made[0].id);
    admin(&world).post(&path, Value::Null).await.assert_status(200);
}

#[tokio::test]
async fn a_secret_store_that_is_away_is_told_and_leaves_nothing() {
    let world = testkit::world().await;
    world.secrets.set_away(true);
    admin(&world).post("C/test", Value::Null).await.assert_problem(503, "secret_store_unavailable");
    admin(&world).post("C/relink", login()).await.assert_problem(503, "secret_store_unavailable");
    world.secrets.set_away(false);
    admin(&world).post("C/test", Value::Null).await.assert_status(200);
}

#[tokio::test]
async fn no_secret_is_ever_answered_logged_or_stored() {
    const CANARIES: &[&str] = &["CANARY-SECRET-1", "CANARY-WRONG-2", "CANARY-ROTATED-3"];
    let world = World::builder().unconnected().database(|db| CANARIES[0].clone_into(&mut db.secret)).build().await;
    let api = admin(&world);
    let mut told = Vec::new();
    let with = |secret: &str| json!({"username": USERNAME, "secret": secret});
    told.push(api.post(CONNECTIONS, with(CANARIES[1])).await);
    told.push(api.post(CONNECTIONS, json!({"username": 7, "secret": CANARIES[1], "frobs": CANARIES[1]})).await);
    told.push(api.post(CONNECTIONS, with(CANARIES[0])).await);
    let id = id_of(&told[2].json);
    let path = |rest: &str| format!("{CONNECTIONS}/{id}{rest}");
    // Autotask repeats what it was sent.
    let echo = answer(500, json!({"errors": [format!("Bad value {} in header", CANARIES[0])]}));
    fault(&world, "GET", "*/Contacts/entityInformation", echo);
    told.push(api.post(&path("/test"), Value::Null).await);
    world.sim.clear_faults();
    world.sim.set_secret(world.ci, CANARIES[2]).unwrap();
    told.push(api.post(&path("/test"), Value::Null).await);
    told.push(api.post(&path("/relink"), with(CANARIES[1])).await);
    told.push(api.post(&path("/relink"), with(CANARIES[2])).await);
    for rest in ["", "/settings", "/permissions", "/setup-progress"] {
        told.push(api.get(&path(rest)).await);
    }
    let logs = world.logs().text();
    let month = "2026-11".to_owned();
    let mut stored = String::new();
    for of in [
        Collection::Connections(world.partner.clone()),
        Collection::Issues(world.partner.clone(), id.clone()),
        Collection::Audit(world.partner.clone(), Some(id.clone()), month),
        Collection::Outbox(world.partner.clone()),
    ] {
        let listing = world.ports().storage.list(&world.system_scope(), &of, PageRequest::first(500)).await.unwrap();
        stored += &listing.items.iter().map(|item| item.doc.to_string()).collect::<String>();
    }
    let events: String = world.events.all().iter().map(|event| event.detail.to_string()).collect();
    assert!(stored.contains("connection.relinked") && !events.is_empty() && logs.contains("\"answered\""));
    for canary in CANARIES {
        for reply in &told {
            assert!(!reply.text.contains(canary), "{}", reply.text);
        }
        assert!(!logs.contains(canary) && !stored.contains(canary) && !events.contains(canary), "{canary} leaked");
    }
}
