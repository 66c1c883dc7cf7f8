//! Mornings: connections that still do not work, accounts without a company, new issues.

use super::*;
use jiff::SignedDuration;
use testkit::SECRET;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Lets a day pass, with the tick that its morning has.
async fn day(world: &World) {
    world.advance(DAY);
    tick(world).await;
}

async fn lose_credentials(world: &World) {
    world.sim.set_secret(world.ci, "another").unwrap();
    world.api(Role::PartnerAdmin).post("C/test", Value::Null).await.assert_problem(422, "credentials_invalid");
    world.drain().await;
}

#[tokio::test]
async fn a_connection_that_needs_credentials_is_told_once_and_every_three_days_until_it_works() {
    let world = testkit::world().await;
    told_of(&world, &["disconnected"]).await;
    lose_credentials(&world).await;
    assert_eq!(world.mail.sent().len(), 1, "one mail");
    let mut told = Vec::new();
    for number in 1..=7 {
        let before = world.mail.sent().len();
        day(&world).await;
        if world.mail.sent().len() > before {
            told.push(number);
        }
    }
    assert_eq!(told, [3, 6]);
    let last = world.mail.sent().pop().unwrap();
    assert!(last.text().contains("for 5 days") || last.text().contains("for 6 days"), "{}", last.text());
    world.sim.set_secret(world.ci, SECRET).unwrap();
    world.api(Role::PartnerAdmin).post("C/test", Value::Null).await.assert_status(200);
    world.drain().await;
    let before = world.mail.sent().len();
    for _ in 0..7 {
        day(&world).await;
    }
    assert_eq!(world.mail.sent().len(), before, "none after it works again");
}

#[tokio::test]
async fn a_connection_that_was_ended_is_told_and_reminded_of_for_a_month() {
    let world = testkit::world().await;
    told_of(&world, &["disconnected"]).await;
    world.api(Role::PartnerAdmin).delete("C?keep=mappings").await.assert_status(204);
    world.drain().await;
    assert_eq!(world.mail.sent().len(), 1);
    for _ in 0..60 {
        day(&world).await;
    }
    assert_eq!(world.mail.sent().len(), 11);
}

#[tokio::test]
async fn new_accounts_without_a_company_are_told_in_the_morning_and_the_first_ones_are_not() {
    let world = testkit::world().await;
    told_of(&world, &["account_unmapped"]).await;
    let put = async |id: &str, name: &str| {
        let path = format!("/v1/partners/{}/accounts/{id}", world.partner);
        let reply = world.api(Role::Service).put(&path, json!({"name": name, "packages": []})).await;
        assert!(reply.status < 300, "{}", reply.text);
    };
    put("old", "Was there").await;
    day(&world).await;
    assert!(world.mail.sent().is_empty());
    put("new", "Umbrella Corp").await;
    day(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].text().contains("Umbrella Corp (new)") && !mails[0].text().contains("Was there"),
        "{}",
        mails[0].text()
    );
    day(&world).await;
    assert_eq!(world.mail.sent().len(), 1);
}

#[tokio::test]
async fn a_digest_names_the_issues_that_opened_since_the_last_one() {
    let world = testkit::world().await;
    told_of(&world, &["digest"]).await;
    let line = world.lines(1).await.remove(0);
    world.usage(&line, 12).await;
    refuse_changes(&world);
    sync(&world).await;
    assert!(world.mail.sent().is_empty());
    day(&world).await;
    let mails = world.mail.sent();
    assert_eq!(mails.len(), 1, "{:?}", subjects(&mails));
    assert!(mails[0].subject().ends_with("new issues"), "{}", mails[0].subject());
    assert!(mails[0].text().contains("issues are open"), "{}", mails[0].text());
    day(&world).await;
    assert_eq!(world.mail.sent().len(), 1, "nothing new");
}
