//! Who may do what; other partners' connections do not exist.

use super::*;

const ALL: [Role; 6] = [
    Role::PartnerAdmin,
    Role::PartnerBilling,
    Role::PartnerViewer,
    Role::VendorSupport,
    Role::VendorAdmin,
    Role::Service,
];

#[tokio::test]
async fn everybody_looks_pickers_search_and_mappers_map() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    for role in ALL {
        let api = of.world.api(role);
        for path in ["C/packages", "C/package-mappings/p1"] {
            assert_eq!(api.get(path).await.status, 200, "{role:?} {path}");
        }
        let search = api.get("C/autotask/catalogue?kind=service").await;
        let picks = !matches!(role, Role::PartnerViewer | Role::Service);
        assert_eq!(search.status, if picks { 200 } else { 403 }, "{role:?}");
        let maps = matches!(role, Role::PartnerAdmin | Role::PartnerBilling);
        for _ in 0..2 {
            let put = api.put("C/package-mappings/p2", excluded()).await;
            assert_eq!(put.status, if maps { 200 } else { 403 }, "{role:?}");
        }
        let delete = api.delete("C/package-mappings/p2").await;
        assert_eq!(delete.status, if maps { 204 } else { 403 }, "{role:?}");
        if !maps {
            put_nonsense_is_refused_for_the_role(&of, role).await;
        }
    }
}

/// A role that may not do it learns nothing of what would be wrong with it.
async fn put_nonsense_is_refused_for_the_role(of: &Catalogue, role: Role) {
    let reply = of.world.api(role).put("C/package-mappings/p2", json!({"nonsense": 1})).await;
    reply.assert_problem(403, "forbidden_role");
}

#[tokio::test]
async fn a_foreign_partners_connection_does_not_exist() {
    let of = Catalogue::new().await;
    of.map("p1", of.training).await;
    of.world.sim.clear_requests();
    for role in ALL {
        let stranger = of.world.api(role).of_partner("stranger");
        for path in ["C/packages", "C/package-mappings/p1"] {
            stranger.get(path).await.assert_problem(404, "not_found");
        }
    }
    for role in [Role::PartnerAdmin, Role::PartnerBilling] {
        let stranger = of.world.api(role).of_partner("stranger");
        stranger.get("C/autotask/catalogue?kind=service").await.assert_problem(404, "not_found");
        stranger.put("C/package-mappings/p1", excluded()).await.assert_problem(404, "not_found");
        stranger.delete("C/package-mappings/p1").await.assert_problem(404, "not_found");
        let own = of.world.api(role);
        let other = "/v1/connections/con_9/package-mappings/p1";
        own.put(other, excluded()).await.assert_problem(404, "not_found");
        own.delete(other).await.assert_problem(404, "not_found");
        own.get("/v1/connections/con_9/packages").await.assert_problem(404, "not_found");
    }
    assert!(of.world.sim.requests().is_empty());
    assert_eq!(of.mapping("p1").await.unwrap().target.unwrap().id, of.training);
}
