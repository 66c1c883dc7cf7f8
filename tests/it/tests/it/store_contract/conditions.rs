//! What conditions, transactions and scopes promise.

#![allow(clippy::disallowed_methods, reason = "tests play dispatchers and vendors, who see all partners")]

use super::bench::{account, benches, conflict, connection, corrupt, out_of_scope, partner, put, system, unavailable};
use domain::actor::Scope;
use domain::ids::{AccountId, PackageId};
use domain::ports::{Read, Storage};
use domain::records::{Act, Expect, Key, Stored, WRITES_MAX, Write};
use serde_json::json;

#[tokio::test]
async fn a_record_comes_back_as_it_was_put() {
    let doc = json!({
        "text": "ünï #code", "empty": "", "none": null, "yes": true, "list": [1, "two", null, []], "map": {},
        "small": i64::MIN, "large": u64::MAX, "nested": {"pk": 1, "_a": {"b": [{}]}},
        // Names that the store uses itself, and its escape.
        "pk": "mine", "sk": 1, "v": 7, "nonce": "n", "ttl": "never", "entity": [], "gsi1pk": {}, "gsi1sk": null,
        "_pk": "mine too", "_": 0, "__v": 1,
    });
    for bench in benches().await {
        bench.write([put(account("a"), Expect::Absent, doc.clone())]).await.unwrap();
        assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 1, doc: doc.clone() }));
        let eventual = bench.store.get(&system(), &account("a"), Read::Eventual).await.unwrap();
        assert_eq!(eventual.map(|stored| stored.v), Some(1));
        assert_eq!(bench.get(&account("b")).await, None);
    }
}

#[tokio::test]
async fn creating_what_exists_is_a_conflict_that_shows_what_is_there() {
    for bench in benches().await {
        bench.write([put(account("a"), Expect::Absent, json!({"n": 1}))]).await.unwrap();
        let refused = conflict(bench.write([put(account("a"), Expect::Absent, json!({"n": 2}))]).await);
        assert_eq!(refused, (0, Some(Stored { v: 1, doc: json!({"n": 1}) })));
        assert_eq!(bench.get(&account("a")).await.unwrap().doc, json!({"n": 1}));
    }
}

#[tokio::test]
async fn versions_count_up_and_an_outdated_one_is_refused() {
    for bench in benches().await {
        let version = |v, n| put(account("a"), Expect::Version(v), json!({ "n": n }));
        assert_eq!(conflict(bench.write([version(1, 0)]).await), (0, None));
        bench.write([put(account("a"), Expect::Absent, json!({"n": 1, "gone": 1}))]).await.unwrap();
        bench.write([version(1, 2)]).await.unwrap();
        assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 2, doc: json!({"n": 2}) }));
        assert_eq!(conflict(bench.write([version(1, 3)]).await), (0, Some(Stored { v: 2, doc: json!({"n": 2}) })));
        bench.write([version(2, 3)]).await.unwrap();
        assert_eq!(bench.get(&account("a")).await.unwrap().v, 3);
    }
}

#[tokio::test]
async fn an_unconditional_write_takes_whatever_is_there() {
    for bench in benches().await {
        for n in 1..=2 {
            bench.write([put(account("a"), Expect::Any, json!({ "n": n }))]).await.unwrap();
            assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 0, doc: json!({ "n": n }) }));
        }
        for _ in 1..=2 {
            bench.write([Write::delete(account("a"), Expect::Any)]).await.unwrap();
            assert_eq!(bench.get(&account("a")).await, None);
        }
    }
}

#[tokio::test]
async fn a_delete_on_a_version_deletes_that_version_only() {
    for bench in benches().await {
        let delete = |v| Write::delete(account("a"), Expect::Version(v));
        assert_eq!(conflict(bench.write([delete(1)]).await), (0, None));
        bench.write([put(account("a"), Expect::Absent, json!({"n": 1}))]).await.unwrap();
        assert_eq!(conflict(bench.write([delete(2)]).await), (0, Some(Stored { v: 1, doc: json!({"n": 1}) })));
        bench.write([delete(1)]).await.unwrap();
        assert_eq!(bench.get(&account("a")).await, None);
        assert_eq!(conflict(bench.write([delete(1)]).await), (0, None));
    }
}

#[tokio::test]
async fn a_check_alone_checks() {
    for bench in benches().await {
        let check = |expect| Write::check(account("a"), expect);
        bench.write([check(Expect::Absent)]).await.unwrap();
        bench.write([check(Expect::Any)]).await.unwrap();
        conflict(bench.write([check(Expect::Version(1))]).await);
        bench.write([put(account("a"), Expect::Absent, json!({}))]).await.unwrap();
        bench.write([check(Expect::Version(1))]).await.unwrap();
        conflict(bench.write([check(Expect::Absent)]).await);
        conflict(bench.write([Write::delete(account("a"), Expect::Absent)]).await);
    }
}

#[tokio::test]
async fn a_refused_transaction_names_the_write_and_leaves_everything_alone() {
    for bench in benches().await {
        bench.write([put(account("old"), Expect::Absent, json!({"n": 1}))]).await.unwrap();
        let refused = bench
            .write([
                // Sent nowhere, as there is nothing to check, and counted all the same.
                Write::check(account("whatever"), Expect::Any),
                put(account("new"), Expect::Absent, json!({})),
                put(account("old"), Expect::Version(9), json!({})),
            ])
            .await;
        assert_eq!(conflict(refused), (2, Some(Stored { v: 1, doc: json!({"n": 1}) })));
        assert_eq!(bench.get(&account("new")).await, None);
        let refused = bench
            .write([put(account("new"), Expect::Absent, json!({})), Write::check(account("old"), Expect::Version(2))])
            .await;
        assert_eq!(conflict(refused).0, 1);
        let refused = bench
            .write([Write::delete(account("gone"), Expect::Version(1)), put(account("new"), Expect::Absent, json!({}))])
            .await;
        assert_eq!(conflict(refused), (0, None));
        assert_eq!(bench.get(&account("new")).await, None);
    }
}

#[tokio::test]
async fn a_transaction_writes_everything() {
    for bench in benches().await {
        bench.write(["a", "b"].map(|id| put(account(id), Expect::Absent, json!({})))).await.unwrap();
        bench
            .write([
                put(account("a"), Expect::Version(1), json!({"n": 2})),
                Write::delete(account("b"), Expect::Version(1)),
                put(account("c"), Expect::Any, json!({})),
                Write::check(account("d"), Expect::Absent),
                Write::delete(account("e"), Expect::Any),
            ])
            .await
            .unwrap();
        assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 2, doc: json!({"n": 2}) }));
        assert_eq!(bench.get(&account("b")).await, None);
        assert_eq!(bench.get(&account("c")).await.unwrap().v, 0);
        let many = |n| (0..n).map(|n| put(account(&format!("m{n}")), Expect::Absent, json!({}))).collect::<Vec<_>>();
        bench.write(many(WRITES_MAX)).await.unwrap();
        corrupt(bench.write(many(WRITES_MAX + 1)).await);
        bench.write([]).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_engine_cannot_take_is_malformed_and_not_unavailable() {
    for bench in benches().await {
        let big = |kib: usize| put(account("big"), Expect::Any, json!({ "text": "x".repeat(kib * 1024) }));
        bench.write([big(300)]).await.unwrap();
        assert_eq!(bench.get(&account("big")).await.unwrap().doc["text"].as_str().unwrap().len(), 300 * 1024);
        corrupt(bench.write([big(450)]).await);
        corrupt(bench.write([big(450), put(account("b"), Expect::Any, json!({}))]).await);
        corrupt(bench.write([1, 2].map(|n| put(account("twice"), Expect::Any, json!({ "n": n })))).await);
        corrupt(bench.write([put(account("text"), Expect::Any, json!("no object"))]).await);
    }
}

#[tokio::test]
async fn a_partner_reaches_its_own_records_and_no_others() {
    for bench in benches().await {
        let (own, foreign) = (Scope::Partner(partner("acme1")), account("a"));
        bench.write([put(foreign.clone(), Expect::Absent, json!({"n": 1}))]).await.unwrap();
        out_of_scope(bench.store.get(&own, &foreign, Read::Strong).await);
        for write in [
            put(foreign.clone(), Expect::Any, json!({})),
            Write::delete(foreign.clone(), Expect::Any),
            Write::check(foreign.clone(), Expect::Any),
        ] {
            out_of_scope(bench.store.write(&own, vec![write.clone()]).await);
            let mine = Key::Account(partner("acme1"), AccountId::new("a").unwrap());
            out_of_scope(bench.store.write(&own, vec![put(mine, Expect::Any, json!({})), write]).await);
        }
        assert_eq!(bench.get(&foreign).await, Some(Stored { v: 1, doc: json!({"n": 1}) }));
        let mine = Key::Settings(partner("acme1"), connection("c"));
        bench.store.write(&own, vec![put(mine.clone(), Expect::Absent, json!({}))]).await.unwrap();
        assert!(bench.store.get(&own, &mine, Read::Strong).await.unwrap().is_some());
        assert_eq!(bench.get(&Key::Account(partner("acme1"), AccountId::new("a").unwrap())).await, None);
    }
}

#[tokio::test]
async fn the_vendors_records_are_everybodys_to_read_and_only_the_systems_to_write() {
    for bench in benches().await {
        let own = Scope::Partner(partner("acme"));
        for key in [Key::VendorProfile, Key::Package(PackageId::new("backup").unwrap())] {
            out_of_scope(bench.store.write(&own, vec![put(key.clone(), Expect::Any, json!({}))]).await);
            out_of_scope(bench.store.write(&own, vec![Write::delete(key.clone(), Expect::Any)]).await);
            bench.write([put(key.clone(), Expect::Absent, json!({}))]).await.unwrap();
            assert!(bench.store.get(&own, &key, Read::Strong).await.unwrap().is_some());
            out_of_scope(bench.store.write(&own, vec![Write::check(key, Expect::Version(1))]).await);
        }
        let keys = [None, Some(partner("acme1"))].map(|p| Key::Idempotency(p, "k".to_owned()));
        for key in keys {
            out_of_scope(bench.store.get(&own, &key, Read::Strong).await);
        }
    }
}

#[tokio::test]
async fn a_record_that_may_be_dropped_says_when_and_never_too_early() {
    for bench in benches().await {
        let act = Act::Put {
            entity: "test",
            doc: json!({}),
            index: None,
            expires: Some("2026-12-01T00:00:00.5Z".parse().unwrap()),
        };
        bench.write([Write { key: account("a"), expect: Expect::Absent, act }]).await.unwrap();
        let item = bench.raw(&account("a")).await.unwrap();
        assert_eq!(item["ttl"].as_n().unwrap(), "1796083201");
        assert_eq!(item["entity"].as_s().unwrap(), "test");
        bench.write([put(account("b"), Expect::Absent, json!({}))]).await.unwrap();
        assert!(!bench.raw(&account("b")).await.unwrap().contains_key("ttl"));
    }
}

#[tokio::test]
async fn an_engine_that_is_away_is_unavailable() {
    // Bound by us and closed at once, so that nobody answers.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = store::Aws::new(&store::Settings::local(format!("http://{port}"))).await.dynamodb();
    let away = store::Dynamo::new(client, "table");
    unavailable(away.get(&system(), &account("a"), Read::Strong).await);
    unavailable(away.write(&system(), vec![put(account("a"), Expect::Absent, json!({}))]).await);
}
