//! When runs start, and what becomes of those that cannot: slots, catching up, approval, credentials.

mod credentials;
mod slots;

use super::{DECEMBER, adjustments, last_run, report, runs, started, units};
use domain::connections::{Connection, SEAT_SYNC_JOB, Schedule};
use domain::records::Key;
use testkit::World;

async fn edit_connection(world: &World, change: impl FnOnce(&mut Connection)) {
    let key = Key::Connection(world.partner.clone(), world.connection.clone());
    let mut connection = world.load::<Connection>(&key).await.unwrap().value;
    change(&mut connection);
    world.put(&connection).await;
}

async fn schedule(world: &World) -> Schedule {
    let key = Key::Schedule(world.partner.clone(), world.connection.clone(), SEAT_SYNC_JOB.to_owned());
    world.load::<Schedule>(&key).await.unwrap().value
}

async fn tick(world: &World, time: &str) {
    world.tick("seat-sync", time).await;
    world.drain().await;
}
