//! Answers that are lost, and engines that are busy.

use super::bench::{Bench, Fault, account, benches, conflict, put, system, unavailable};
use domain::ports::{Read, Storage};
use domain::records::{Expect, Stored, Write};
use futures::FutureExt;
use serde_json::{Value, json};

/// How often the store itself sends one write at most.
const STORE_SENDS: usize = 4;
/// How often one write is sent at most: by the SDK, times by the store. The SDK sends less often when it has
/// retried much lately, over all clients of a process.
const SENDS_MAX: usize = 3 * STORE_SENDS;

fn lose(answers: usize) -> impl Iterator<Item = Fault> {
    (0..answers).map(|_| Fault::LoseAnswer)
}

/// Carries `writes` out with so many answers lost, from nothing but what `before` puts; asserts success.
async fn survives(bench: &Bench, before: &[Write], writes: &[Write], answers: usize) {
    for id in ["a", "b", "c"] {
        bench.other.write(&system(), vec![Write::delete(account(id), Expect::Any)]).await.unwrap();
    }
    for write in before {
        bench.other.write(&system(), vec![write.clone()]).await.unwrap();
    }
    bench.faults.set(lose(answers));
    bench.write(writes.to_vec()).await.unwrap_or_else(|error| panic!("{answers} lost of {writes:?}: {error:?}"));
    assert_eq!(bench.faults.left(), 0, "an answer that should have been lost was not asked for");
}

/// Within the SDK's own attempts, and beyond them.
const LOSSES: [usize; 2] = [1, STORE_SENDS - 1];

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_done_once() {
    for bench in benches().await {
        for answers in LOSSES {
            survives(&bench, &[], &[put(account("a"), Expect::Absent, json!({"n": 1}))], answers).await;
            assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 1, doc: json!({"n": 1}) }));
        }
    }
}

#[tokio::test]
async fn a_replacement_whose_answer_is_lost_is_done_once() {
    for bench in benches().await {
        for answers in LOSSES {
            let old = put(account("a"), Expect::Absent, json!({"n": 1}));
            survives(&bench, &[old], &[put(account("a"), Expect::Version(1), json!({"n": 2}))], answers).await;
            assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 2, doc: json!({"n": 2}) }));
        }
    }
}

#[tokio::test]
async fn a_delete_whose_answer_is_lost_is_done() {
    for bench in benches().await {
        for answers in LOSSES {
            for expect in [Expect::Version(1), Expect::Any] {
                let old = put(account("a"), Expect::Absent, json!({}));
                survives(&bench, &[old], &[Write::delete(account("a"), expect)], answers).await;
                assert_eq!(bench.get(&account("a")).await, None);
            }
        }
    }
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_is_done_once() {
    for bench in benches().await {
        for answers in LOSSES {
            let old = ["a", "b"].map(|id| put(account(id), Expect::Absent, json!({"n": 1})));
            let writes = [
                put(account("a"), Expect::Version(1), json!({"n": 2})),
                Write::delete(account("b"), Expect::Version(1)),
                put(account("c"), Expect::Absent, json!({"n": 3})),
            ];
            survives(&bench, &old, &writes, answers).await;
            assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 2, doc: json!({"n": 2}) }));
            assert_eq!(bench.get(&account("b")).await, None);
            assert_eq!(bench.get(&account("c")).await, Some(Stored { v: 1, doc: json!({"n": 3}) }));
        }
    }
}

#[tokio::test]
async fn a_transaction_of_deletes_whose_answer_is_lost_is_done() {
    for bench in benches().await {
        let old = ["a", "b"].map(|id| put(account(id), Expect::Absent, json!({})));
        let writes = ["a", "b"].map(|id| Write::delete(account(id), Expect::Version(1)));
        survives(&bench, &old, &writes, STORE_SENDS - 1).await;
        assert_eq!((bench.get(&account("a")).await, bench.get(&account("b")).await), (None, None));
    }
}

#[tokio::test]
async fn a_transaction_that_its_engine_forgot_is_known_by_its_nonce() {
    for bench in benches().await {
        let engine = bench.clone();
        let forget = async move {
            let item = engine.raw(&account("a")).await.unwrap();
            // What an engine that has forgotten the token answers: refused, and by which item.
            let refusal = json!({ "Code": "ConditionalCheckFailed", "Item": { "nonce": { "S": item["nonce"].as_s().unwrap() } } });
            let reasons = json!([{ "Code": "None" }, refusal]);
            engine
                .faults
                .set([Fault::Answer("TransactionCanceledException", json!({ "CancellationReasons": reasons }))]);
        };
        bench.faults.set([Fault::LoseAnswerThen(forget.boxed())]);
        bench.write(["a", "b"].map(|id| put(account(id), Expect::Absent, json!({})))).await.unwrap();
        assert_eq!(bench.faults.left(), 0);
        // Without the nonce it is somebody else's.
        let refusal = json!([{ "Code": "None" }, { "Code": "ConditionalCheckFailed", "Item": { "nonce": { "S": "theirs" }, "v": { "N": "3" } } }]);
        bench.faults.set([Fault::Answer("TransactionCanceledException", json!({ "CancellationReasons": refusal }))]);
        let refused = conflict(bench.write(["c", "d"].map(|id| put(account(id), Expect::Absent, json!({})))).await);
        assert_eq!(refused, (1, Some(Stored { v: 3, doc: json!({}) })));
    }
}

#[tokio::test]
async fn a_write_that_somebody_else_has_overwritten_meanwhile_is_a_conflict() {
    for bench in benches().await {
        let other = bench.other.clone();
        let overwrite = async move {
            let newer = put(account("a"), Expect::Version(1), json!({"by": "other"}));
            other.write(&system(), vec![newer]).await.unwrap();
        };
        bench.faults.set([Fault::LoseAnswerThen(overwrite.boxed())]);
        let refused = conflict(bench.write([put(account("a"), Expect::Absent, json!({"by": "us"}))]).await);
        assert_eq!(refused, (0, Some(Stored { v: 2, doc: json!({"by": "other"}) })));
    }
}

#[tokio::test]
async fn what_somebody_else_creates_after_a_delete_is_left_alone() {
    for bench in benches().await {
        bench.write([put(account("a"), Expect::Absent, json!({"by": "us"}))]).await.unwrap();
        let other = bench.other.clone();
        let create = async move {
            let newer = put(account("a"), Expect::Absent, json!({"by": "other"}));
            other.write(&system(), vec![newer]).await.unwrap();
        };
        bench.faults.set([Fault::LoseAnswerThen(create.boxed())]);
        bench.write([Write::delete(account("a"), Expect::Version(1))]).await.unwrap();
        assert_eq!(bench.get(&account("a")).await, Some(Stored { v: 1, doc: json!({"by": "other"}) }));
    }
}

#[tokio::test]
async fn a_delete_that_somebody_else_did_first_is_a_conflict_even_when_answers_are_lost() {
    for bench in benches().await {
        bench.faults.set(lose(2));
        let refused = conflict(bench.write([Write::delete(account("a"), Expect::Version(1))]).await);
        assert_eq!(refused, (0, None));
    }
}

#[tokio::test]
async fn the_same_content_by_somebody_else_is_still_a_conflict() {
    for bench in benches().await {
        let write = put(account("a"), Expect::Absent, json!({"n": 1}));
        bench.other.write(&system(), vec![write.clone()]).await.unwrap();
        bench.faults.set(lose(1));
        conflict(bench.write([write.clone()]).await);
        bench.faults.set(lose(1));
        conflict(bench.write([put(account("b"), Expect::Absent, json!({})), write]).await);
        assert_eq!(bench.get(&account("b")).await, None);
    }
}

#[tokio::test]
async fn without_any_answer_the_store_gives_up_and_says_so() {
    for bench in benches().await {
        bench.faults.set(lose(SENDS_MAX));
        unavailable(bench.write([put(account("a"), Expect::Absent, json!({}))]).await);
        assert!((STORE_SENDS..=SENDS_MAX).contains(&bench.faults.requests()), "{}", bench.faults.requests());
        bench.faults.set((0..SENDS_MAX).map(|_| Fault::NeverArrive));
        unavailable(bench.store.get(&system(), &account("a"), Read::Strong).await);
    }
}

fn cancelled(codes: [&str; 2]) -> Value {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({ "Code": code })).collect();
    json!({ "Message": "Transaction cancelled", "CancellationReasons": reasons })
}

#[tokio::test]
async fn a_busy_engine_is_waited_for() {
    let message = || json!({ "message": "busy" });
    for bench in benches().await {
        for (n, code) in
            ["ThrottlingException", "TransactionConflictException", "RequestLimitExceeded"].iter().enumerate()
        {
            bench.faults.set([Fault::Answer(code, message()), Fault::Answer(code, message())]);
            bench.write([put(account(&format!("one{n}")), Expect::Absent, json!({}))]).await.unwrap();
            assert_eq!(bench.faults.left(), 0);
        }
        for (n, code) in ["TransactionConflict", "ThrottlingError"].iter().enumerate() {
            let busy = || Fault::Answer("TransactionCanceledException", cancelled(["None", code]));
            bench.faults.set([busy(), busy()]);
            let writes = ["x", "y"].map(|id| put(account(&format!("{id}{n}")), Expect::Absent, json!({})));
            bench.write(writes).await.unwrap();
            assert_eq!(bench.faults.left(), 0);
            bench.faults.set((0..9).map(|_| busy()));
            unavailable(bench.write(["x", "y"].map(|id| put(account(id), Expect::Absent, json!({})))).await);
            assert_eq!(bench.faults.requests(), STORE_SENDS, "a conflict is waited for by the store, not by the SDK");
        }
    }
}
