//! The typed client against the simulator, without sockets.

use autotask::{
    Client, Company, Contact, Contract, ContractService, ContractServiceAdjustment, ContractServicePatch,
    ContractServiceUnit, Credentials, Error, Field, Filter, HostPolicy, Id, NewContact, zone,
};
use jiff::civil::date;

use super::*;

pub(super) async fn client(world: &World) -> Client {
    let transport = world.simulator.transport();
    let entry = zone::ENTRY.parse().unwrap();
    let found = zone::discover(&*transport, &HostPolicy::autotask(), &entry, USER).await.unwrap();
    let credentials = Credentials::new(USER, SECRET.into(), Some(CODE.into()));
    Client::builder(transport, found.url, credentials).attempts_max(1).build()
}

#[tokio::test]
async fn the_client_finds_the_zone_and_reads_every_page() {
    let world = world_of(DatabaseSpec { page_size: 7, ..DatabaseSpec::new(USER, SECRET, CODE) });
    let lines = seed::lines(&world.simulator, world.database.ci, 30).unwrap();
    let client = client(&world).await;
    assert_eq!(client.query::<Company>().filter(Filter::everything()).all().await.unwrap().len(), 31);
    let first = date(2026, 12, 1);
    let rows = client
        .query::<ContractServiceUnit>()
        .any_of("contractServiceID", lines.iter().map(|line| Id::<ContractService>::new(line.contract_service_id)))
        .filter(Filter::lte("startDate", first))
        .filter(Filter::gte("endDate", first))
        .include(ContractServiceUnit::READ_FIELDS)
        .all()
        .await
        .unwrap();
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| row.units == Some(10)));
    assert_eq!(client.query::<Contract>().filter(Filter::eq("contractType", 7)).count().await.unwrap(), 30);
}

#[tokio::test]
async fn the_client_writes_as_autotask_wants_it() {
    let world = world();
    let line = world.line(10);
    let client = client(&world).await;
    let (contract, id) = (Id::<Contract>::new(line.contract), Id::<ContractService>::new(line.line));
    client.create(&ContractServiceAdjustment::of_line(contract, id, 5, date(2026, 12, 1))).await.unwrap();
    assert_eq!(world.units(line.line)[2], "2026-12-01..2026-12-31 15");

    let mut patch = ContractServicePatch::new(id);
    patch.unit_cost = Field::Set("8.25".parse().unwrap());
    client.patch_under(contract, &patch).await.unwrap();
    let read = client.get(id).await.unwrap().unwrap();
    assert_eq!(read.unit_cost, Some("8.25".parse().unwrap()));

    let company = Id::<Company>::new(world.company("Beta"));
    let contact = NewContact::new(company, "Ada", "Byron", 1_i64);
    let made = client.create_under(company, &contact).await.unwrap();
    let read = client.get(Id::<Contact>::new(made)).await.unwrap().unwrap();
    assert_eq!((read.company_id, read.is_active), (Some(company), Some(1)));
    client.delete_under(company, Id::<Contact>::new(made)).await.unwrap();
    assert!(client.get(Id::<Contact>::new(made)).await.unwrap().is_none());
}

#[tokio::test]
async fn the_client_understands_metadata() {
    let world = world();
    let client = client(&world).await;
    let fields = client.fields::<Contract>().await.unwrap();
    assert_eq!(fields.picklist("contractType").unwrap().value_of_label("Recurring Service"), Some(7));
    let known: Vec<&str> = Contract::FIELDS.iter().copied().filter(|name| *name != "userDefinedFields").collect();
    assert!(known.iter().all(|name| fields.get(name).is_some()));
    assert!(client.user_defined_fields::<Company>().await.unwrap().get("Tier").is_some());
    let access = client.entity_information::<ContractServiceUnit>().await.unwrap();
    assert_eq!((access.can_query, access.can_create), (Some(true), Some(false)));
    assert_eq!(client.threshold().await.unwrap().used, 4);
    assert_eq!(client.versions().await.unwrap(), ["V1.0"]);
}

#[tokio::test]
async fn the_client_tells_faults_apart() {
    let world = world();
    let line = world.line(10);
    let client = client(&world).await;
    let (contract, id) = (Id::<Contract>::new(line.contract), Id::<ContractService>::new(line.line));
    let adjust = || async {
        let body = ContractServiceAdjustment::of_line(contract, id, 1, date(2026, 12, 1));
        client.create(&body).await.map(drop)
    };
    let boom = json!({ "errors": ["boom"] });
    for (kind, may_have_been_applied) in [
        (FaultKind::ApplyThenStatus { status: 500, body: boom }, true),
        (FaultKind::ApplyThenReset, true),
        (FaultKind::Late { after_seconds: 5 }, true),
        (FaultKind::ThreadLimit { status: 500 }, false),
        (FaultKind::Unauthorized, false),
    ] {
        world.simulator.add_fault(Fault::new(Match::new("POST", "*ServiceAdjustments"), kind.clone()).times(1));
        let error = adjust().await.expect_err("a fault");
        assert_eq!(error.may_have_been_applied(), may_have_been_applied, "{kind:?}: {error}");
    }
    world.simulator.add_fault(Fault::new(Match::default(), FaultKind::BadPage { how: BadPage::ForeignHost }));
    let read = client.query::<Company>().filter(Filter::everything()).all().await;
    assert!(read.is_err(), "a page on somebody else's host is not followed");
    world.simulator.clear_faults();
    let dangling = ContractServiceAdjustment::of_line(contract, Id::new(999_999), 1, date(2026, 12, 1));
    assert!(matches!(client.create(&dangling).await, Err(Error::Rejected { .. })));
}
