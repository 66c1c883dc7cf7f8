//! Killed at any request and taken up again, with schedules that fire twice and late: what is kept and what is told is
//! what an undisturbed fetch keeps and tells.

use super::{day, given, hour, kept, on, tick, told, viewer, world_without_pdfs};
use domain::invoices::Customer;
use domain::records::Collection;
use local::host::KillScope;
use serde_json::{Value, json};
use testkit::World;

/// What is left of a story: copies without the times at which they were made, and events in any order.
#[derive(Debug, PartialEq)]
struct Left {
    invoices: Vec<Value>,
    customers: Vec<Value>,
    events: Vec<(String, i64)>,
    pdfs: usize,
}

impl Left {
    /// What is only here, or only there.
    fn differs_from(&self, other: &Left) -> Vec<String> {
        let lines = |left: &Left| -> Vec<String> {
            let docs = left.invoices.iter().chain(&left.customers).map(Value::to_string);
            docs.chain(left.events.iter().map(|event| format!("{event:?}"))).collect()
        };
        let (here, there) = (lines(self), lines(other));
        let only = |name: &str, own: &[String], other: &[String]| -> Vec<String> {
            own.iter().filter(|line| !other.contains(line)).map(|line| format!("{name}: {line}")).collect()
        };
        [only("here", &here, &there), only("there", &there, &here)].concat()
    }
}

async fn left(world: &World) -> Left {
    let timeless = |mut doc: Value| {
        for name in ["first_seen_at", "changed_at", "missing_since", "connection"] {
            if let Some(value) = doc.get_mut(name) {
                *value = json!(!value.is_null());
            }
        }
        doc
    };
    let invoices = kept(world).await.iter().map(|invoice| timeless(json!(invoice))).collect();
    let (partner, connection) = (world.partner.clone(), world.connection.clone());
    let customers: Vec<Customer> = world.load_all(&Collection::Customers(partner, connection)).await;
    let mut events = told(world);
    events.sort();
    let pdfs = viewer(world, "C/sync-status").await["pdfs_waiting"].as_u64().unwrap();
    Left {
        invoices,
        customers: customers.iter().map(|customer| timeless(json!(customer))).collect(),
        events,
        pdfs: usize::try_from(pdfs).unwrap(),
    }
}

/// A few days: an import, an hour in which people work, a day after which they have edited. Small pages make many
/// requests.
async fn story(kill_at: Option<u32>) -> (World, Left) {
    let world = World::builder().database(|database| database.page_size = 4).build().await;
    on(&world).await;
    let companies: Vec<i64> = ["Northwind", "Tailspin", "Contoso"].iter().map(|name| world.company(name)).collect();
    let made: Vec<i64> = (0..9)
        .map(|nth| world.invoice(companies[nth % 3], &[("Seats", 4, "2.50"), ("Backup", 1, "7.00")]).id)
        .collect();
    if let Some(request) = kill_at {
        world.kill.arm(request, KillScope::Background);
    }
    tick(&world).await;
    // The same tick again, and one that comes late.
    tick(&world).await;
    world.tick("invoice-fetch", "2026-11-20T10:00:00Z").await;

    // What people make bears its time: the same whatever was made up for before.
    world.clock.at_least("2026-11-20T15:00:00Z".parse().unwrap()).unwrap();
    let company = world.company("Fabrikam");
    world.invoice(company, &[("Seats", 6, "2.50")]);
    world.pay_in_autotask(made[0], "2026-11-20".parse().unwrap());
    world.void_invoice(made[1]);
    world.sim.patch(world.ci, "Companies", companies[0], &json!({"companyName": "Northwind Traders"})).unwrap();
    hour(&world).await;
    tick(&world).await;

    world.clock.at_least("2026-11-29T15:00:00Z".parse().unwrap()).unwrap();
    world.add_invoice_line(made[2], ("Setup", 1, "40.00"));
    world.invoice_due_on(made[3], "2027-01-31".parse().unwrap());
    world.delete_invoice(made[4]);
    day(&world).await;
    hour(&world).await;
    let left = left(&world).await;
    (world, left)
}

/// Every how-manieth request is a cut point: some in the suite, all with `CUT_EVERY=1`.
fn step() -> usize {
    given("CUT_EVERY", 6).max(1)
}

#[tokio::test]
async fn a_fetch_that_is_killed_at_any_request_leaves_what_an_undisturbed_one_leaves() {
    let (world, undisturbed) = story(None).await;
    let requests = u32::try_from(world.sim.requests().len()).unwrap();
    assert!(requests > 25, "{requests}");
    assert_eq!(undisturbed.invoices.len(), 10);
    for request in (1..=requests).step_by(step()) {
        let (world, left) = story(Some(request)).await;
        assert!(world.kill.status().1, "no kill at {request}");
        assert!(left == undisturbed, "killed at request {request}: {:#?}", left.differs_from(&undisturbed));
    }
}

#[tokio::test]
async fn a_fetch_that_is_killed_goes_on_at_the_page_where_it_stopped() {
    let world = world_without_pdfs().await;
    let made = world.many_invoices(1, 2_100, 1);
    // Companies, currencies, contacts; two pages of invoices and two of lines; the third page of invoices is the eighth
    // request.
    world.kill.arm(8, KillScope::Background);
    tick(&world).await;
    assert!(world.kill.status().1);
    let asked: Vec<i64> = world
        .sim
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/Invoices/query"))
        .filter_map(|request| {
            request.body["filter"].as_array()?.iter().find(|filter| filter["field"] == "id")?["value"].as_i64()
        })
        .collect();
    assert!(asked.contains(&-1) && asked.contains(&made[999]), "{asked:?}");
    assert_eq!(kept(&world).await.len(), 2_100);
    let created = told(&world).into_iter().filter(|(kind, _)| kind == "invoice.created").count();
    assert_eq!(created, 2_100);
}
