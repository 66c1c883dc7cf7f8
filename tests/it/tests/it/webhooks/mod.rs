//! Webhooks of Autotask: callouts as Autotask makes them, through the function that takes them and the one that applies
//! them.

mod admin;
mod cost;
mod end_to_end;
mod forged;
mod receive;
mod work;

use domain::records::Collection;
use domain::webhooks::{
    Action, Delivery, GENERATION_FIRST, Hook, HookMaster, InstalledWebhook, WebhookEntity, Webhooks, WebhooksState,
    sign,
};
use http::{HeaderMap, HeaderValue};
use local::gateway::event::HttpRequest;
use serde_json::{Value, json};
use testkit::{Reply, World};

/// The webhooks of the world's connection.
pub const GUID: &str = "5d6ab4e0-0000-4000-8000-0000000000a1";
/// The resource that the API user is.
const API_RESOURCE: i64 = 29_682_911;

/// How many, where the environment does not say otherwise.
fn given(name: &str, usual: usize) -> usize {
    #[allow(clippy::disallowed_methods, reason = "a test's size")]
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn master(world: &World) -> HookMaster {
    world.ports().config.hooks.as_ref().unwrap().master.clone()
}

fn hook(world: &World) -> Hook {
    Hook { partner: world.partner.clone(), connection: world.connection.clone(), generation: GENERATION_FIRST }
}

/// A callout's body with the escapes of Autotask's serializer.
pub fn body(entity: &str, id: i64, sequence: u64, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = json!({
        "Action": "Update", "Guid": GUID.to_uppercase(), "EntityType": entity, "Id": id,
        "Fields": {"companyName": "Søren & Søns <\"Café\">", "isActive": true},
        "EventTime": "2026-11-20T10:00:00Z", "SequenceNumber": sequence, "PersonID": 4,
    });
    change(&mut body);
    escaped(&body.to_string())
}

fn escaped(json: &str) -> Vec<u8> {
    let mut escaped = String::new();
    for letter in json.chars() {
        match letter {
            '&' | '<' | '>' | '\'' | '`' | '+' => escaped.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter if letter.is_ascii() => escaped.push(letter),
            letter => {
                let mut units = [0_u16; 2];
                for unit in letter.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    escaped.into_bytes()
}

/// Sends a request to the receiver as API Gateway does.
async fn post(world: &World, path: &str, signature: Option<&str>, body: &[u8]) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if let Some(signature) = signature {
        headers.insert("x-hook-signature", signature.parse().unwrap());
    }
    let request = HttpRequest { method: "POST", path, query: "", headers: &headers, body };
    let (parts, body) = world.bundle.api(&request, None).await.into_parts();
    let text = String::from_utf8_lossy(&body).into_owned();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    Reply { status: parts.status.as_u16(), headers: parts.headers, json, text }
}

fn path(world: &World, hook: &Hook) -> String {
    format!("/hooks/autotask/{}", master(world).token(hook))
}

/// Autotask calls: the URL and the key are those of the first generation.
async fn call(world: &World, body: &[u8]) -> Reply {
    let hook = hook(world);
    post(world, &path(world, &hook), Some(&sign(&master(world).key(&hook), body)), body).await
}

async fn delivery(world: &World, sequence: u64) -> Delivery {
    let of = Collection::Deliveries(world.partner.clone(), world.connection.clone(), GUID.to_owned());
    let all: Vec<Delivery> = world.load_all(&of).await;
    all.into_iter().find(|delivery| delivery.sequence == sequence).expect("the delivery is kept")
}

/// The connection has webhooks, as after an install.
async fn installed(world: &World) {
    let hook = |entity: WebhookEntity| InstalledWebhook {
        entity,
        id: Some(1),
        name: "ours".to_owned(),
        guid: Some(GUID.to_owned()),
        generation: GENERATION_FIRST,
        active: true,
        ready: true,
        complete_to: None,
        look_from: None,
        problem: None,
        skipped: Vec::new(),
        keyed_at: None,
        made_by: None,
    };
    world
        .put(&Webhooks {
            wanted: vec![WebhookEntity::Companies],
            state: WebhooksState::Installed,
            hooks: vec![hook(WebhookEntity::Companies)],
            api_resource: Some(API_RESOURCE),
            ..Webhooks::none(&world.partner, &world.connection)
        })
        .await;
}

#[test]
fn a_body_is_escaped_as_autotask_does() {
    let json = r#"{"a":"<é & 'x' 😀>"}"#;
    let escaped = String::from_utf8(escaped(json)).unwrap();
    assert_eq!(escaped, r#"{"a":"\u003C\u00E9 \u0026 \u0027x\u0027 \uD83D\uDE00\u003E"}"#);
    let (before, after): (Value, Value) =
        (serde_json::from_str(json).unwrap(), serde_json::from_str(&escaped).unwrap());
    assert_eq!(before, after);
    assert_eq!(serde_json::to_value(Action::Update).unwrap(), json!("update"));
}
