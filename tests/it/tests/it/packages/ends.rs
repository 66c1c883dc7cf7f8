//! What becomes of package mappings when a connection ends or begins anew.

use super::*;
use domain::AccountId;
use domain::records::Record;
use domain::runs::{Dismissal, Period};
use simulator::DatabaseSpec;
use testkit::{INTEGRATION_CODE, SECRET, USERNAME};

fn dismissal(of: &Catalogue) -> Dismissal {
    let day = |text: &str| text.parse().unwrap();
    Dismissal {
        partner: of.world.partner.clone(),
        connection: of.world.connection.clone(),
        account: AccountId::new("a1").unwrap(),
        package: PackageId::new("p1").unwrap(),
        period: Period { start: day("2026-11-01"), end: day("2026-11-30") },
        who: "somebody".to_owned(),
        role: Role::PartnerBilling,
        note: None,
        at: of.world.clock.now(),
    }
}

#[tokio::test]
async fn the_end_of_a_connection_takes_the_package_mappings_unless_they_are_kept() {
    for (path, left) in [("C", 0), ("C?keep=mappings", 2)] {
        let of = Catalogue::new().await;
        of.map("p1", of.training).await;
        of.save("p2", into("p1")).await.assert_status(200);
        let dismissed = dismissal(&of);
        of.world.put(&dismissed).await;
        of.world.api(Role::PartnerAdmin).delete(path).await.assert_status(204);
        assert_eq!(of.mappings().await.len(), left, "{path}");
        assert_eq!(of.world.load::<Dismissal>(&dismissed.key()).await.is_some(), left > 0, "{path}");
        let turn = Key::PackageMappingTurn(of.world.partner.clone(), of.world.connection.clone());
        let found = of.world.ports().storage.get(&of.world.scope(), &turn, domain::ports::Read::Strong).await.unwrap();
        assert_eq!(found.is_some(), left > 0, "{path}");
    }
}

#[tokio::test]
async fn another_database_begins_without_package_mappings_and_the_same_one_keeps_them() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    let admin = of.world.api(Role::PartnerAdmin);
    let same = json!({"username": USERNAME, "secret": SECRET, "start_fresh": true});
    admin.post("C/relink", same).await.assert_status(200);
    assert_eq!(of.mappings().await.len(), 1);
    let other = DatabaseSpec::new("other@msp.example", "other-secret", INTEGRATION_CODE);
    of.world.sim.add_database(other).unwrap();
    let mut login = json!({"username": "other@msp.example", "secret": "other-secret"});
    admin.post("C/relink", login.clone()).await.assert_problem(409, "different_database");
    assert_eq!(of.mappings().await.len(), 1);
    login["start_fresh"] = json!(true);
    admin.post("C/relink", login).await.assert_status(200);
    assert!(of.mappings().await.is_empty());
    of.save("p1", to(of.training)).await.assert_problem(400, "invalid_input");
    of.save("p1", excluded()).await.assert_status(200);
}
