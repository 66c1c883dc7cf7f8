use super::*;
use async_trait::async_trait;
use domain::packages::{ChangeInput, tell_change};
use domain::ports::{Listing, PageRequest, Read, Storage, StorageError};
use domain::records::{Stored, Write};
use domain::runs::RunState;
use domain::{Actor, Ports, Scope};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

#[tokio::test]
async fn the_same_change_told_twice_at_once_is_recorded_once() {
    let world = world().await;
    auto_sync(&world, true).await;
    let body = change(&world, "c1", (None, Some("basic")), 5, &now(&world));
    let (a, b) = futures::join!(tell(&world, body.clone()), tell(&world, body));
    let mut outcomes = [a.json["outcome"].clone(), b.json["outcome"].clone()];
    outcomes.sort_by_key(ToString::to_string);
    assert_eq!(outcomes, [json!("recorded"), json!("repeated")]);
    assert_eq!((pending(&world).await.len(), runs(&world).await.len()), (1, 1));
    assert_eq!(world.published("billing.package_change_recorded").len(), 1);
    world.leave_messages();
}

#[tokio::test]
async fn where_the_run_cannot_be_handed_on_the_change_is_recorded_and_the_sweep_starts_another() {
    let world = world().await;
    auto_sync(&world, true).await;
    world.queue.set_away(true);
    let told = tell(&world, change(&world, "c1", (None, Some("basic")), 5, &now(&world))).await.expect(202);
    assert_eq!((&told["outcome"], &told["state"]), (&json!("recorded"), &json!("pending")));
    assert_eq!(has(&world).await, packages(&[("basic", 5)]));
    world.queue.set_away(false);
    later(&world, 15);
    world.tick("package-changes", &now(&world)).await;
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 2);
    assert_eq!((runs[0].state, runs[1].state), (RunState::Failed, RunState::Queued));
    assert_eq!(runs[1].changes.as_deref(), Some(&[ChangeId::new("c1").unwrap()][..]));
    world.leave_messages();
}

/// A store that goes away after so many writes: as an invocation that is killed there finds it.
#[derive(Debug)]
struct Leaving {
    inner: Arc<dyn Storage>,
    writes_left: AtomicI64,
}

impl Leaving {
    fn is_here(&self) -> Result<(), StorageError> {
        match self.writes_left.load(Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(StorageError::Unavailable("it is away".into())),
        }
    }
}

#[async_trait]
impl Storage for Leaving {
    async fn get(&self, scope: &Scope, key: &Key, read: Read) -> Result<Option<Stored>, StorageError> {
        self.is_here()?;
        self.inner.get(scope, key, read).await
    }

    async fn list(&self, scope: &Scope, of: &Collection, page: PageRequest) -> Result<Listing, StorageError> {
        self.is_here()?;
        self.inner.list(scope, of, page).await
    }

    async fn write(&self, scope: &Scope, writes: Vec<Write>) -> Result<(), StorageError> {
        self.is_here()?;
        self.inner.write(scope, writes).await?;
        self.writes_left.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

fn told(world: &World) -> ChangeInput {
    ChangeInput {
        partner: world.partner.clone(),
        account: AccountId::new(CLIENT).unwrap(),
        id: ChangeId::new("c1").unwrap(),
        from: None,
        to: Some(PackageId::new("basic").unwrap()),
        quantity: Some(5),
        occurred_at: world.clock.now(),
    }
}

#[tokio::test]
async fn wherever_the_call_is_broken_off_told_again_or_swept_the_change_is_there_once_and_pushed() {
    for writes in 0..6 {
        for told_again in [false, true] {
            let world = world().await;
            auto_sync(&world, true).await;
            let storage = Leaving { inner: world.ports().storage.clone(), writes_left: AtomicI64::new(writes) };
            let ports = Ports { storage: Arc::new(storage), ..world.ports().clone() };
            let actor = Actor::system("test", "req_1");
            let broken = tell_change(&ports, &world.scope(), &actor, told(&world)).await;
            assert!(broken.is_err() || writes > 1, "{writes}");
            let recorded = own_record(&world, "c1").await.is_some();
            assert_eq!(recorded, writes > 0, "{writes}");
            if told_again || !recorded {
                tell_change(world.ports(), &world.scope(), &actor, told(&world)).await.unwrap();
            }
            later(&world, 15);
            world.tick("package-changes", &now(&world)).await;
            later(&world, 15);
            world.tick("package-changes", &now(&world)).await;
            assert_eq!(has(&world).await, packages(&[("basic", 5)]), "{writes}");
            assert_eq!(pending(&world).await.len(), 1, "{writes}");
            let begun = runs(&world).await.into_iter().filter(|run| run.state == RunState::Queued).count();
            assert_eq!(begun, 1, "{writes}");
            world.leave_messages();
        }
    }
}
