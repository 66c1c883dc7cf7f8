//! Bytes in five minutes, and the time of an invocation.

use super::{asked, fault, file, hour, invoices, pdf_bytes, record, rows, work, world};
use domain::invoices::pdf::{self, PdfMessage, WINDOW, WINDOW_BYTES_MAX};
use domain::ports::Deadline;
use jiff::Timestamp;
use local::host::KillScope;
use std::time::Duration;

#[tokio::test]
async fn no_five_minutes_bring_more_than_ten_million_bytes_and_all_files_come_in_the_end() {
    let world = world().await;
    let ids = invoices(&world, 9).await;
    let sizes = [4_000_000, 2_000_000, 700_000, 30_000, 7_340_032, 1_000, 2_600_000, 2_700_000, 50_000];
    for (id, size) in ids.iter().zip(sizes) {
        fault(&world, *id, file(&pdf_bytes(size)));
    }
    let from = world.clock.now();
    hour(&world).await;
    assert!(rows(&world).await.is_empty());
    let came: Vec<(Timestamp, usize)> = asked(&world).iter().map(|request| request.at).zip(sizes).collect();
    assert_eq!(came.len(), 9, "each once");
    for (start, _) in &came {
        let end = *start + WINDOW;
        let sum: usize = came.iter().filter(|(at, _)| (*start..end).contains(at)).map(|(_, size)| size).sum();
        assert!(u64::try_from(sum).unwrap() <= WINDOW_BYTES_MAX, "{sum} bytes from {start}");
    }
    let lasted = world.clock.now().duration_since(from);
    assert!(lasted < WINDOW * 8, "it waits no longer than it must: {lasted}");
    for (id, size) in ids.iter().zip(sizes) {
        let stored = record(&world, *id).await.unwrap().stored.unwrap();
        assert_eq!(stored.size, u64::try_from(size).unwrap());
    }
}

#[tokio::test]
async fn what_a_killed_worker_may_have_fetched_counts_as_the_largest_file() {
    let world = world().await;
    let ids = invoices(&world, 2).await;
    world.kill.arm(1, KillScope::Background);
    pdf::ask(world.ports(), &world.scope(), &world.partner, &world.connection).await.unwrap();
    world.work_one().await;
    world.kill.arm(u32::MAX, KillScope::Background);
    assert!(work(&world).await.worker.is_some());
    let retaken = world.advance(jiff::SignedDuration::from_secs(1_801));
    world.work_one().await;
    assert_eq!(asked(&world).len(), 1, "there is no room for another one yet");
    assert!(work(&world).await.next_at.is_some_and(|next| next > retaken));
    world.drain().await;
    assert!(rows(&world).await.is_empty());
    assert!(asked(&world)[1].at.duration_since(retaken) >= WINDOW);
    assert!(record(&world, ids[0]).await.is_some());
}

/// So much is left, whatever is done.
#[derive(Debug)]
struct Left(Duration);

impl Deadline for Left {
    fn remaining(&self) -> Duration {
        self.0
    }
}

#[tokio::test]
async fn near_the_end_of_its_time_it_hands_on_before_it_asks() {
    let world = world().await;
    let ids = invoices(&world, 2).await;
    let message = PdfMessage { partner: world.partner.clone(), connection: world.connection.clone() };
    let scope = world.system_scope();
    pdf::work(world.ports(), &scope, &Left(Duration::from_secs(104)), &message).await.unwrap();
    assert!(asked(&world).is_empty(), "a call may take 60 s, and what follows 45 s");
    assert_eq!(world.queue.waiting().len(), 1);
    pdf::work(world.ports(), &scope, &Left(Duration::from_secs(105)), &message).await.unwrap();
    assert_eq!(asked(&world).len(), ids.len());
    world.drain().await;
    assert_eq!((asked(&world).len(), rows(&world).await.len()), (ids.len(), 0));
}

#[tokio::test]
async fn one_partners_message_reaches_no_other() {
    let world = world().await;
    let ids = invoices(&world, 1).await;
    let other = domain::PartnerId::new("other").unwrap();
    let message = PdfMessage { partner: other.clone(), connection: world.connection.clone() };
    pdf::work(world.ports(), &world.system_scope(), &Left(Duration::MAX), &message).await.unwrap();
    assert!(asked(&world).is_empty() && record(&world, ids[0]).await.is_none());
    let scope = domain::Scope::Partner(other);
    assert!(pdf::ask(world.ports(), &scope, &world.partner, &world.connection).await.is_err());
    let message = PdfMessage { partner: world.partner.clone(), ..message };
    assert!(pdf::work(world.ports(), &scope, &Left(Duration::MAX), &message).await.is_err());
}
