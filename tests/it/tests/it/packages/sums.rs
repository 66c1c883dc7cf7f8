//! One service is billed by one package; others are summed into that one.

use super::*;

#[tokio::test]
async fn two_packages_of_one_service_are_refused_and_told_of_the_sum() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    for _ in 0..2 {
        let reply = of.save("p2", to(of.training)).await;
        let problem = reply.assert_problem(422, "contract_service_shared");
        assert_eq!((&problem["package_id"], &problem["field"]), (&json!("p1"), &json!("target")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("Basic (p1)") && detail.contains("sum_into"), "{detail}");
    }
    assert!(of.mapping("p2").await.is_none());
    of.save("p2", json!({"target": {"kind": "bundle", "id": of.bundle}})).await.assert_status(200);
    for changed in [true, false] {
        assert_eq!(of.save("p2", into("p1")).await.expect(200)["changed"], changed);
    }
    let summed = of.mapping("p2").await.unwrap();
    assert_eq!((summed.sum_into, summed.target), (Some(PackageId::new("p1").unwrap()), None));
    assert_eq!(summed.former.len(), 1, "the bundle's lines are swapped for the sum");
    of.save("p3", json!({"target": {"kind": "bundle", "id": of.bundle}})).await.assert_status(200);
}

#[tokio::test]
async fn a_sum_goes_one_step_into_a_package_that_is_billed() {
    let of = Catalogue::new().await;
    let refused = async |package: &str, body: Value, words: &str| {
        let reply = of.save(package, body).await;
        let problem = reply.assert_problem(400, "invalid_input");
        assert_eq!(pointers(problem), ["/sum_into"]);
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    };
    refused("p1", into("p1"), "another package").await;
    refused("p1", into("p2"), "Plus (p2) must be mapped").await;
    of.save("p2", excluded()).await.assert_status(200);
    refused("p1", into("p2"), "Plus (p2) must be mapped").await;
    of.map("p3", of.training).await;
    of.save("p2", into("p3")).await.assert_status(200);
    refused("p1", into("p2"), "summed into Premium (p3) itself").await;
    of.save("p1", into("p3")).await.assert_status(200);
    assert!(of.world.writes().is_empty());
}

#[tokio::test]
async fn a_package_that_others_are_summed_into_keeps_a_line() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    of.map("p2", of.backup).await;
    of.save("p3", into("p1")).await.assert_status(200);
    let names = |reply: &Reply| {
        let problem = reply.assert_problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("Premium (p3)"), "{problem}");
        assert_eq!(problem["packages"], json!(["p3"]));
    };
    for _ in 0..2 {
        names(&of.save("p1", excluded()).await);
        names(&of.save("p1", into("p2")).await);
        names(&of.billing().delete("C/package-mappings/p1").await);
    }
    let third = of.world.service("Third", "1.00", "0.50");
    of.map("p1", third).await;
    of.billing().delete("C/package-mappings/p3").await.assert_status(204);
    of.billing().delete("C/package-mappings/p1").await.assert_status(204);
    assert_eq!(of.mappings().await.len(), 1);
}

#[tokio::test]
async fn of_saves_at_once_for_one_service_one_wins() {
    let of = Catalogue::new().await;
    let packages: Vec<String> = (0..6).map(|n| format!("q{n}")).collect();
    for package in &packages {
        of.world.package(package, package).await;
    }
    let replies = futures::future::join_all(packages.iter().map(|p| of.save(p, to(of.training)))).await;
    let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{:?}", replies.iter().map(|r| &r.text).collect::<Vec<_>>());
    for (package, lost) in packages.iter().zip(&replies).filter(|(_, reply)| reply.status != 200) {
        // Autotask takes few calls at once: who got no turn is told to come back, and then that it is too late.
        match lost.status {
            503 => of.save(package, to(of.training)).await.assert_problem(422, "contract_service_shared"),
            _ => lost.assert_problem(422, "contract_service_shared"),
        };
    }
    let holders = of.mappings().await;
    assert_eq!(holders.iter().filter(|m| m.target.as_ref().is_some_and(|t| t.id == of.training)).count(), 1);
}

#[tokio::test]
async fn a_sum_and_the_end_of_its_line_at_once_do_not_both_happen() {
    for seed in 1..=6 {
        let of = Catalogue::of(World::builder().seed(seed).build().await).await;
        of.map("p1", of.training).await;
        of.map("p2", of.backup).await;
        let saves = [
            of.save("p3", into("p1")),
            of.save("p1", excluded()),
            of.save("p2", into("p1")),
            of.save("p1", into("p2")),
        ];
        futures::future::join_all(saves).await;
        let all = of.mappings().await;
        for summed in all.iter().filter(|m| m.sum_into.is_some()) {
            let holder = all.iter().find(|m| Some(&m.package) == summed.sum_into.as_ref());
            assert!(holder.is_some_and(|m| m.target.is_some()), "seed {seed}: {all:#?}");
        }
    }
}
