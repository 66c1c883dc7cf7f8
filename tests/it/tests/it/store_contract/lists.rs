//! What listings promise.

use super::bench::{Bench, account, benches, connection, corrupt, out_of_scope, partner, put, put_in, system};
use domain::actor::Scope;
use domain::ids::{AccountId, LineRef, RunId};
use domain::ports::{Order, PageRequest, Read, Storage};
use domain::records::{Collection, Expect, Index, Key, SHARDS};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// All pages of a collection as `(the docs' ids, the pages' sizes)`.
async fn pages(bench: &Bench, of: &Collection, limit: u32, order: Order) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = PageRequest { limit, after, order, read: Read::Strong };
        let listing = bench.store.list(&system(), of, page).await.unwrap();
        sizes.push(listing.items.len());
        ids.extend(listing.items.iter().map(|item| item.doc["id"].as_str().unwrap().to_owned()));
        match listing.next {
            Some(token) => after = Some(token),
            None => return (ids, sizes),
        }
        assert!(sizes.len() < 100, "pages without end");
    }
}

async fn all(bench: &Bench, of: &Collection) -> Vec<String> {
    pages(bench, of, 100, Order::Ascending).await.0
}

async fn accounts(bench: &Bench, n: usize) {
    let ids = (1..=n).map(|n| format!("a{n}"));
    bench.write(ids.map(|id| put(account(&id), Expect::Absent, json!({ "id": id })))).await.unwrap();
}

#[tokio::test]
async fn pages_hold_every_record_once_in_order_and_the_last_says_so() {
    for bench in benches().await {
        accounts(&bench, 7).await;
        let of = Collection::Accounts(partner("acme"));
        let up: Vec<String> = (1..=7).map(|n| format!("a{n}")).collect();
        let down: Vec<String> = up.iter().rev().cloned().collect();
        assert_eq!(pages(&bench, &of, 3, Order::Ascending).await, (up.clone(), vec![3, 3, 1]));
        assert_eq!(pages(&bench, &of, 2, Order::Descending).await, (down, vec![2, 2, 2, 1]));
        assert_eq!(pages(&bench, &of, 7, Order::Ascending).await, (up.clone(), vec![7]));
        assert_eq!(pages(&bench, &of, 0, Order::Ascending).await, (up, vec![1; 7]));
        let empty = Collection::Accounts(partner("nobody"));
        assert_eq!(pages(&bench, &empty, 3, Order::Ascending).await, (vec![], vec![0]));
    }
}

#[tokio::test]
async fn a_collection_holds_its_own_kind_only() {
    let (p, c) = (partner("acme"), connection("con_1"));
    let company = |p: &str, c: &str, n| Key::CompanyTaken(partner(p), connection(c), n);
    let run = |id: &str| RunId::new(id).unwrap();
    let of_run = |id: &str, n| Key::RunLine(partner("acme"), connection("con_1"), run(id), n);
    let keys = [
        ("partner", Key::Partner(p.clone())),
        ("con_1", Key::Connection(p.clone(), c.clone())),
        ("con_11", Key::Connection(p.clone(), connection("con_11"))),
        ("settings", Key::Settings(p.clone(), c.clone())),
        ("mapping", Key::Mapping(p.clone(), c.clone(), AccountId::new("a").unwrap())),
        ("7", company("acme", "con_1", 7)),
        ("8 of con_11", company("acme", "con_11", 8)),
        ("9 of acme1", company("acme1", "con_1", 9)),
        ("line taken", Key::LineTaken(p.clone(), c.clone(), LineRef::service(7))),
        ("unit line", Key::UnitLine(p.clone(), c.clone(), LineRef::bundle(7))),
        ("r/2", of_run("r", 2)),
        ("r/10", of_run("r", 10)),
        ("r1/1", of_run("r1", 1)),
        ("r chunk", Key::RunChunk(p.clone(), c.clone(), run("r"), 1)),
        ("run r", Key::Run(p.clone(), c.clone(), run("r"))),
        ("issue", Key::Issue(p.clone(), c.clone(), "account/a#b c".to_owned(), "usage_missing".to_owned())),
        ("audit", Key::Audit(p.clone(), Some(c.clone()), "2026-12".to_owned(), "1".to_owned())),
        ("partner's audit", Key::Audit(p.clone(), None, "2026-12".to_owned(), "1".to_owned())),
    ];
    for bench in benches().await {
        for (id, key) in &keys {
            bench.write([put(key.clone(), Expect::Absent, json!({ "id": id }))]).await.unwrap();
        }
        let claims: [(Collection, &[&str]); 11] = [
            (Collection::Connections(p.clone()), &["con_1", "con_11"]),
            (Collection::Mappings(p.clone(), c.clone()), &["mapping"]),
            (Collection::CompaniesTaken(p.clone(), c.clone()), &["7"]),
            (Collection::LinesTaken(p.clone(), c.clone()), &["line taken"]),
            (Collection::UnitLines(p.clone(), c.clone()), &["unit line"]),
            (Collection::RunLines(p.clone(), c.clone(), run("r")), &["r/2", "r/10"]),
            (Collection::RunChunks(p.clone(), c.clone(), run("r")), &["r chunk"]),
            (Collection::Runs(p.clone(), c.clone()), &["run r"]),
            (Collection::Issues(p.clone(), c.clone()), &["issue"]),
            (Collection::Audit(p.clone(), Some(c.clone()), "2026-12".to_owned()), &["audit"]),
            (Collection::Audit(p.clone(), None, "2026-12".to_owned()), &["partner's audit"]),
        ];
        for (of, ids) in claims {
            assert_eq!(all(&bench, &of).await, ids, "{of:?}");
        }
    }
}

#[tokio::test]
async fn a_partner_lists_its_own_records_and_no_others() {
    for bench in benches().await {
        accounts(&bench, 3).await;
        let list = async |scope: &Scope, of: &Collection| bench.store.list(scope, of, PageRequest::first(10)).await;
        let (own, other) = (Scope::Partner(partner("acme")), Scope::Partner(partner("acme1")));
        let of = Collection::Accounts(partner("acme"));
        assert_eq!(list(&own, &of).await.unwrap().items.len(), 3);
        out_of_scope(list(&other, &of).await);
        assert!(list(&own, &Collection::Packages).await.unwrap().items.is_empty());
        let until = "2026-12-01T00:00:00Z".parse().unwrap();
        let due = Collection::Due { job: "seats".to_owned(), shard: 0, until };
        let writebacks = Collection::WritebacksDue { shard: 0, until };
        for of in [due, writebacks, Collection::OutboxShard(0), Collection::OpenRuns(0), Collection::Board(0)] {
            out_of_scope(list(&own, &of).await);
            assert!(list(&system(), &of).await.unwrap().items.is_empty());
        }
    }
}

#[tokio::test]
async fn a_page_token_leads_nowhere_but_on() {
    for bench in benches().await {
        accounts(&bench, 3).await;
        let mut foreign = Vec::new();
        for (id, key) in [("c1", "a1"), ("c2", "a2")] {
            let key = Key::Account(partner("acme1"), AccountId::new(key).unwrap());
            foreign.push(put(key, Expect::Absent, json!({ "id": id })));
        }
        bench.write(foreign).await.unwrap();
        let first = Collection::Accounts(partner("acme"));
        let token = bench.store.list(&system(), &first, PageRequest::first(1)).await.unwrap().next;
        let with = |after: Option<String>| PageRequest { after, ..PageRequest::first(10) };
        let rest = bench.store.list(&system(), &first, with(token.clone())).await.unwrap();
        assert_eq!(rest.items.len(), 2);
        let second = Collection::Accounts(partner("acme1"));
        out_of_scope(bench.store.list(&system(), &second, with(token)).await);
        for broken in ["", "x", "e30", "!"] {
            let result = bench.store.list(&system(), &first, with(Some(broken.to_owned()))).await;
            match broken {
                "e30" => out_of_scope(result),
                _ => corrupt(result),
            }
        }
    }
}

/// The ids of all shards of an index.
async fn shards(bench: &Bench, of: impl Fn(u8) -> Collection) -> Vec<String> {
    let mut keys = Vec::new();
    for shard in 0..SHARDS {
        let listing = bench.store.list(&system(), &of(shard), PageRequest::first(100)).await.unwrap();
        keys.extend(listing.items.iter().map(|item| item.doc["key"].as_str().unwrap().to_owned()));
    }
    keys.sort();
    keys
}

#[tokio::test]
async fn what_is_due_is_found_in_its_job_and_until_its_time() {
    let at: Timestamp = "2026-12-01T06:00:00Z".parse().unwrap();
    let schedule = |p: &str, job: &str| Key::Schedule(partner(p), connection("c"), job.to_owned());
    let due = |job: &str, at| Index::Due { job: job.to_owned(), at };
    for bench in benches().await {
        for n in 0..20_i64 {
            let at = at + SignedDuration::from_nanos(n - 10);
            bench.write([put_in(schedule(&format!("p{n}"), "seats"), due("seats", at))]).await.unwrap();
        }
        bench.write([put_in(schedule("p1", "probe"), due("probe", at))]).await.unwrap();
        let of = |job: &'static str, until| move |shard| Collection::Due { job: job.to_owned(), shard, until };
        assert_eq!(shards(&bench, of("seats", at)).await.len(), 11);
        assert_eq!(shards(&bench, of("seats", at - SignedDuration::from_nanos(11))).await.len(), 0);
        assert_eq!(shards(&bench, of("seats", at + SignedDuration::from_hours(1))).await.len(), 20);
        assert_eq!(shards(&bench, of("probe", at)).await, [format!("{:?}", schedule("p1", "probe"))]);
        assert_eq!(shards(&bench, of("prob", at)).await.len(), 0);
    }
}

#[tokio::test]
async fn each_index_holds_its_own_and_lets_go_of_what_leaves_it() {
    let at: Timestamp = "2026-12-01T06:00:00Z".parse().unwrap();
    for bench in benches().await {
        let connected = Key::Connection(partner("acme"), connection("c"));
        let run = Key::Run(partner("acme"), connection("c"), RunId::new("r").unwrap());
        let event = Key::Outbox(partner("acme"), "1".to_owned());
        bench.write([put_in(connected.clone(), Index::Board)]).await.unwrap();
        bench.write([put_in(run.clone(), Index::OpenRun { at })]).await.unwrap();
        bench.write([put_in(event.clone(), Index::Outbox { at })]).await.unwrap();
        assert_eq!(shards(&bench, Collection::Board).await, [format!("{connected:?}")]);
        assert_eq!(shards(&bench, Collection::OpenRuns).await, [format!("{run:?}")]);
        assert_eq!(shards(&bench, Collection::OutboxShard).await, [format!("{event:?}")]);
        bench.write([put(run, Expect::Version(1), json!({}))]).await.unwrap();
        assert!(shards(&bench, Collection::OpenRuns).await.is_empty());
    }
}

#[tokio::test]
async fn index_pages_go_on_where_they_ended() {
    let at: Timestamp = "2026-12-01T06:00:00Z".parse().unwrap();
    for bench in benches().await {
        for n in 0..9 {
            let key = Key::Outbox(partner("acme"), format!("{n}"));
            let mut write = put_in(key, Index::Outbox { at });
            if let domain::records::Act::Put { doc, .. } = &mut write.act {
                doc["id"] = json!(n.to_string());
            }
            bench.write([write]).await.unwrap();
        }
        let shard = store::keys::shard_of("P#acme#outbox");
        let (ids, sizes) = pages(&bench, &Collection::OutboxShard(shard), 4, Order::Ascending).await;
        assert_eq!((ids.concat().as_str(), sizes), ("012345678", vec![4, 4, 1]));
    }
}
