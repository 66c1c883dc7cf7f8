//! Callouts that are not genuine, in all the ways that somebody could try. None is taken, and none costs a call.

use super::{body, given, hook, master};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use domain::ports::{Listing, PageRequest, Queue, QueueError, QueueName, Read, Storage, StorageError};
use domain::records::{Collection, Key, Stored, Write};
use domain::webhooks::{Hook, HookMaster, sign};
use domain::{ConnectionId, PartnerId, Ports, Scope};
use http::{HeaderValue, Request};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use runtime::App;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use testkit::world;
use tower::ServiceExt;

/// Storage and queues that count every call: a forged callout must make none.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl Counting {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, _: &Scope, _: &Key, _: Read) -> Result<Option<Stored>, StorageError> {
        self.count();
        Ok(None)
    }
    async fn list(&self, _: &Scope, _: &Collection, _: PageRequest) -> Result<Listing, StorageError> {
        self.count();
        Ok(Listing { items: Vec::new(), next: None })
    }
    async fn write(&self, _: &Scope, _: Vec<Write>) -> Result<(), StorageError> {
        self.count();
        Ok(())
    }
}

#[async_trait]
impl Queue for Counting {
    async fn send(&self, _: QueueName, _: String, _: Duration, _: &PartnerId) -> Result<(), QueueError> {
        self.count();
        Ok(())
    }
}

/// One request to the receiver.
#[derive(Debug, Clone)]
struct Sent {
    token: String,
    signatures: Vec<Vec<u8>>,
    body: Vec<u8>,
}

struct Receiver {
    router: Router,
    calls: Arc<Counting>,
}

impl Receiver {
    fn new(ports: &Ports, edge: &App) -> Self {
        let calls = Arc::new(Counting::default());
        let ports = Ports { storage: calls.clone(), queue: calls.clone(), ..ports.clone() };
        let app = App { ports, edge: edge.edge.clone() };
        Self { router: runtime::edge::public_service(app, webhook_receive::routes()), calls }
    }

    async fn status(&self, sent: &Sent) -> u16 {
        let token: String = sent.token.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut request = Request::post(format!("/hooks/autotask/{token}"));
        for signature in &sent.signatures {
            let Ok(value) = HeaderValue::from_bytes(signature) else { return 400 };
            request = request.header("X-Hook-Signature", value);
        }
        let request = request.body(Body::from(sent.body.clone())).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status().as_u16()
    }
}

fn genuine(master: &HookMaster, hook: &Hook, body: &[u8]) -> Sent {
    let signature = sign(&master.key(hook), body).into_bytes();
    Sent { token: master.token(hook), signatures: vec![signature], body: body.to_vec() }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Every single change of one genuine callout: each bit of body, signature and token, each cut.
fn every_small_change(of: &Sent) -> Vec<Sent> {
    let mut all = Vec::new();
    for bit in 0..of.body.len() * 8 {
        all.push(Sent { body: flipped(&of.body, bit), ..of.clone() });
    }
    for bit in 0..of.signatures[0].len() * 8 {
        all.push(Sent { signatures: vec![flipped(&of.signatures[0], bit)], ..of.clone() });
    }
    for bit in 0..of.token.len() * 8 {
        if let Ok(token) = String::from_utf8(flipped(of.token.as_bytes(), bit)) {
            all.push(Sent { token, ..of.clone() });
        }
    }
    all.extend((0..of.body.len()).map(|end| Sent { body: of.body[..end].to_vec(), ..of.clone() }));
    let signature = &of.signatures[0];
    all.extend((0..signature.len()).map(|end| Sent { signatures: vec![signature[..end].to_vec()], ..of.clone() }));
    all.extend((1..of.token.len()).map(|end| Sent { token: of.token[..end].to_owned(), ..of.clone() }));
    all
}

/// The same content, written otherwise.
fn rewritten(of: &Sent) -> Vec<Sent> {
    let value: Value = serde_json::from_slice(&of.body).unwrap();
    let text = String::from_utf8(of.body.clone()).unwrap();
    let bodies = [
        serde_json::to_vec(&value).unwrap(),
        serde_json::to_vec_pretty(&value).unwrap(),
        text.replace("\\u0026", "&").into_bytes(),
        text.to_lowercase().into_bytes(),
        format!("{text}\n").into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        Vec::new(),
        b"null".to_vec(),
    ];
    bodies.into_iter().filter(|body| *body != of.body).map(|body| Sent { body, ..of.clone() }).collect()
}

/// Headers that are missing, doubled, or spelled otherwise.
fn headers(of: &Sent) -> Vec<Sent> {
    let signature = String::from_utf8(of.signatures[0].clone()).unwrap();
    let code = signature.strip_prefix("sha1=").unwrap();
    let spelled = [
        code.to_owned(),
        format!("SHA1={code}"),
        format!("sha256={code}"),
        format!("sha1={}", code.trim_end_matches('=')),
        format!("sha1={}", code.replace('+', "-").replace('/', "_").to_lowercase()),
        format!("sha1= {code}"),
        format!("sha1={code}, sha1={code}"),
        "sha1=".to_owned(),
        String::new(),
    ];
    let mut all: Vec<Sent> =
        spelled.into_iter().map(|text| Sent { signatures: vec![text.into_bytes()], ..of.clone() }).collect();
    all.push(Sent { signatures: Vec::new(), ..of.clone() });
    all.push(Sent { signatures: vec![of.signatures[0].clone(); 2], ..of.clone() });
    all.push(Sent {
        signatures: vec![b"sha1=AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec(), of.signatures[0].clone()],
        ..of.clone()
    });
    all
}

/// URLs and keys that belong to others, or to times long gone.
fn crossed(master: &HookMaster, own: &Hook, body: &[u8]) -> Vec<Sent> {
    let other_partner = Hook { partner: PartnerId::new("other").unwrap(), ..own.clone() };
    let other_connection = Hook { connection: ConnectionId::new("con_other").unwrap(), ..own.clone() };
    let hooks = [own.clone(), own.at(own.generation + 2), other_partner, other_connection];
    let mut all = Vec::new();
    for url in &hooks {
        for key in hooks.iter().filter(|key| *key != url) {
            all.push(Sent { token: master.token(url), ..genuine(master, key, body) });
        }
    }
    all
}

/// A hundred thousand with `FORGED=100000`; the suite makes do with every small change and some more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_forged_callouts_none_is_taken_and_none_costs_a_call() {
    let world = world().await;
    let (master, own) = (master(&world), hook(&world));
    let receiver = Arc::new(Receiver::new(world.ports(), &world.app));
    let bodies = [
        body("Account", 175, 1, |_| {}),
        body("Contact", 4, 2, |body| body["Fields"] = serde_json::json!({})),
        body("TicketNote", 9_007_199, 3, |body| body["Fields"]["title"] = "日本語 😀".into()),
    ];
    let real: Vec<Sent> = bodies.iter().map(|body| genuine(&master, &own, body)).collect();
    let mut forged = Vec::new();
    for (sent, body) in real.iter().zip(&bodies) {
        forged.extend(every_small_change(sent));
        forged.extend(rewritten(sent));
        forged.extend(headers(sent));
        forged.extend(crossed(&master, &own, body));
    }
    // Several changes at once, and parts of one callout with those of another.
    let mut dice = StdRng::seed_from_u64(5);
    let wanted = given("FORGED", 20_000);
    while forged.len() < wanted {
        let mut sent = real.choose(&mut dice).unwrap().clone();
        for _ in 0..dice.random_range(1..4) {
            match dice.random_range(0..4) {
                0 => sent.body = flipped(&sent.body, dice.random_range(0..sent.body.len() * 8)),
                1 => {
                    let at = dice.random_range(0..sent.signatures[0].len() * 8);
                    sent.signatures = vec![flipped(&sent.signatures[0], at)];
                }
                2 => sent.body.insert(dice.random_range(0..sent.body.len()), dice.random()),
                _ => sent.signatures.clone_from(&real.choose(&mut dice).unwrap().signatures),
            }
        }
        let is_real = real.iter().any(|real| real.body == sent.body && real.signatures == sent.signatures);
        if !is_real {
            forged.push(sent);
        }
    }
    let count = forged.len();
    assert!(count >= wanted);
    let halves = forged.chunks(count.div_ceil(2)).map(<[Sent]>::to_vec).collect::<Vec<_>>();
    let tried = halves.into_iter().map(|half| {
        let receiver = receiver.clone();
        #[allow(clippy::disallowed_methods, reason = "a test uses both cores")]
        tokio::spawn(async move {
            for sent in half {
                let status = receiver.status(&sent).await;
                assert!([400, 401, 404, 413].contains(&status), "{status}: {sent:?}");
            }
        })
    });
    for half in tried.collect::<Vec<_>>() {
        half.await.unwrap();
    }
    assert_eq!(receiver.calls.0.load(Ordering::SeqCst), 0, "a forged callout made a call");
    // The receiver does take what is genuine.
    for sent in &real {
        assert_eq!(receiver.status(sent).await, 200);
    }
    assert_eq!(receiver.calls.0.load(Ordering::SeqCst), 2 * 3, "kept and queued");
}
