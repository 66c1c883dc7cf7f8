//! Webhooks that point at us and are nobody's.

use super::*;
use domain::ConnectionId;

fn put(world: &World, url: &str) -> i64 {
    let row = json!({
        "name": "a webhook", "webhookUrl": url, "deactivationUrl": url, "secretKey": "a key of somebody",
        "isActive": true, "sendThresholdExceededNotification": false, "isSubscribedToUpdateEvents": true,
    });
    world.sim.insert(world.ci, "ContactWebhooks", &[row]).unwrap()[0]
}

#[tokio::test]
async fn those_of_nobody_are_listed_and_removed_and_all_others_stay() {
    let world = world().await;
    let of = |partner: &PartnerId, connection: &str| {
        let connection = ConnectionId::new(connection).unwrap();
        url(&world, &Hook { partner: partner.clone(), connection, generation: 1 })
    };
    let made_up = put(&world, &format!("{}hooks/autotask/AAAA", testkit::HOOKS_BASE));
    let gone = put(&world, &of(&world.partner, "con_gone"));
    let kept = [
        put(&world, &of(&another_partner(), "con_theirs")),
        put(&world, "https://elsewhere.example/hooks/autotask/AAAA"),
    ];
    let table = table(&world).await;
    let orphans: Vec<&Value> =
        table["items"].as_array().unwrap().iter().filter(|row| row["status"] == json!("orphan")).collect();
    let ids: Vec<_> = orphans.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [format!("contacts-{made_up}"), format!("contacts-{gone}")]);
    assert!(orphans.iter().all(|row| row["url"].as_str().unwrap().ends_with('…')));
    let reply = world.api(Role::PartnerAdmin).post("C/webhooks/clean-orphans", Value::Null).await.expect(200);
    assert_eq!(reply, json!({"removed": 2}));
    let left: Vec<i64> = rows(&world, "ContactWebhooks").iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert!(left.len() == 3 && kept.iter().all(|id| left.contains(id)), "{left:?}");
    let reply = world.api(Role::PartnerAdmin).post("C/webhooks/clean-orphans", Value::Null).await.expect(200);
    assert_eq!(reply, json!({"removed": 0}));
    assert_eq!(audited(&world, "webhooks.clean_orphans").await, 2);
}
