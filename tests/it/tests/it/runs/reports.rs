use super::*;
use domain::mappings::Mapping;
use domain::records::Key;
use domain::runs::{Run, RunKind, RunState, Trigger, lines as run_lines};
use domain::vendor::Account;
use std::collections::BTreeSet;

#[tokio::test]
async fn runs_come_newest_first_in_pages_and_by_filter() {
    let world = testkit::world().await;
    world.lines(1).await;
    let mut ids = Vec::new();
    for mode in ["preview", "apply", "preview", "preview", "apply"] {
        ids.push(started(&world, sync(mode)).await);
        world.drain().await;
    }
    ids.reverse();
    assert_eq!(pages(&world, "C/runs?limit=2").await, ids);
    let previews = [&ids[1], &ids[2], &ids[4]].map(Clone::clone);
    assert_eq!(pages(&world, "C/runs?limit=2&status=planned").await, previews);
    assert!(pages(&world, "C/runs?kind=auto_map").await.is_empty());
    let viewer = world.api(Role::PartnerViewer);
    for bad in ["C/runs?limit=0", "C/runs?limit=201", "C/runs?kind=x", "C/runs?cursor=x", "C/runs?size=1"] {
        viewer.get(bad).await.assert_problem(400, "invalid_input");
    }
}

/// The ids on all pages; each page asks for the next with its own filters.
async fn pages(world: &World, path: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.api(Role::PartnerViewer).get(&format!("{path}{cursor}")).await.expect(200);
        ids.extend(page["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return ids };
        let sign = if path.contains('?') { '&' } else { '?' };
        cursor = format!("{sign}cursor={next}");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let world = testkit::world().await;
    world.lines(3).await;
    let first = started(&world, sync("preview")).await;
    let second = started(&world, sync("preview")).await;
    world.drain().await;
    let viewer = world.api(Role::PartnerViewer);
    let of_lines = |page: Value| page["next_cursor"].as_str().unwrap().to_owned();
    let cursor = of_lines(viewer.get(&format!("C/runs/{first}/lines?limit=1")).await.expect(200));
    for other in [
        format!("C/runs/{second}/lines?cursor={cursor}"),
        format!("C/runs/{first}/lines?state=held&cursor={cursor}"),
        format!("C/runs?cursor={cursor}"),
    ] {
        viewer.get(&other).await.assert_problem(400, "invalid_input");
    }
    let of_runs = of_lines(viewer.get("C/runs?limit=1").await.expect(200));
    viewer.get(&format!("C/runs?status=planned&cursor={of_runs}")).await.assert_problem(400, "invalid_input");
    let page = viewer.get(&format!("C/runs/{first}/lines?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(page["items"][0]["no"], 2);
}

#[tokio::test]
async fn lines_say_what_was_what_was_wanted_and_what_was_seen_by_state_and_account() {
    let world = testkit::world().await;
    let made = world.lines(4).await;
    world.usage(&made[0], 12).await;
    world.usage(&made[2], 0).await;
    let id = started(&world, sync("apply")).await;
    world.drain().await;
    let all = lines(&world, &id).await;
    assert_eq!(all.len(), 4);
    let seen = |name: &str| all[0][name].clone();
    assert_eq!((seen("units_now"), seen("count"), seen("units_wanted")), (json!(10), json!(12), json!(12)));
    assert_eq!((seen("delta"), seen("units_sent"), seen("units_verified")), (json!(2), json!(2), json!(12)));
    assert_eq!(seen("state"), "changed");
    let viewer = world.api(Role::VendorSupport);
    let held = viewer.get(&format!("C/runs/{id}/lines?state=held")).await.expect(200);
    assert_eq!(held["items"].as_array().unwrap().len(), 1);
    assert_eq!((&held["items"][0]["no"], &held["items"][0]["code"]), (&json!(3), &json!("held_zero")));
    let of_one = viewer.get(&format!("C/runs/{id}/lines?account={}", made[3].account)).await.expect(200);
    assert_eq!(of_one["items"].as_array().unwrap().len(), 1);
    assert_eq!(of_one["items"][0]["state"], "unchanged");
}

#[tokio::test]
async fn a_name_that_is_a_formula_does_nothing_in_a_spreadsheet() {
    let world = testkit::world().await;
    let made = world.lines(2).await;
    let key = Key::Account(world.partner.clone(), made[0].account.clone());
    let account = world.load::<Account>(&key).await.unwrap().value;
    world.put(&Account { name: "=HYPERLINK(\"http://evil\",\"x\")".to_owned(), ..account }).await;
    let key = Key::Mapping(world.partner.clone(), world.connection.clone(), made[1].account.clone());
    let mut mapping = world.load::<Mapping>(&key).await.unwrap().value;
    mapping.company.as_mut().unwrap().name = "@SUM(A1:A9), \"Inc\"\r\n".to_owned();
    world.put(&mapping).await;
    world.usage(&made[0], 7).await;
    let run = preview(&world).await;
    let path = format!("C/runs/{}/lines.csv", run["id"].as_str().unwrap());
    let answer = world.api(Role::PartnerViewer).get(&path).await;
    answer.assert_status(200);
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    assert!(answer.text.contains(r#","'=HYPERLINK(""http://evil"",""x"")","#), "{}", answer.text);
    assert!(answer.text.contains("\"'@SUM(A1:A9), \"\"Inc\"\"\r\n\""), "{}", answer.text);
    assert!(answer.text.contains(",-3,"), "a number of ours keeps its sign: {}", answer.text);
    let rows = answer.text.matches("preview\r\n").count();
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn support_finds_a_client_by_a_part_of_its_name_and_the_day() {
    let world = testkit::world().await;
    let made = world.lines(3).await;
    let id = started(&world, sync("apply")).await;
    world.drain().await;
    let name = lines(&world, &id).await[1]["account_name"].as_str().unwrap().to_uppercase();
    let find = |client: &str, date: &str| format!("/v1/vendor/lines?client={}&date={date}", client.replace(' ', "%20"));
    let support = world.api(Role::VendorSupport);
    let found = support.get(&find(&name, "2026-11-20")).await.expect(200);
    let ids: BTreeSet<&str> =
        found["items"].as_array().unwrap().iter().map(|line| line["account_id"].as_str().unwrap()).collect();
    assert!(ids.contains(made[1].account.as_str()), "{found}");
    assert_eq!((&found["items"][0]["run_id"], &found["truncated"]), (&json!(id), &json!(false)));
    let by_effective_date = support.get(&find(&name, "2026-11-01")).await.expect(200);
    assert_eq!(by_effective_date["items"], found["items"]);
    for other in [find("no such client", "2026-11-20"), find(&name, "2026-11-19")] {
        assert_eq!(support.get(&other).await.expect(200)["items"], json!([]));
    }
    let elsewhere = support.clone().of_partner("other").get(&find(&name, "2026-11-20")).await.expect(200);
    assert_eq!(elsewhere["items"], json!([]));
    support.of_no_partner().get(&find(&name, "2026-11-20")).await.assert_problem(400, "invalid_input");
    world.api(Role::PartnerAdmin).get(&find(&name, "2026-11-20")).await.assert_problem(403, "forbidden_role");
    world
        .api(Role::VendorAdmin)
        .get("/v1/vendor/lines?client=&date=2026-11-20")
        .await
        .assert_problem(400, "invalid_input");
}

#[tokio::test]
async fn runs_of_the_mapper_are_shown_with_their_outcome() {
    let world = testkit::world().await;
    let actor = domain::Actor::system("test", "r");
    let of = (&world.partner, &world.connection);
    let mut run = Run::queued(world.ports(), &actor, of, RunKind::AutoMap, Trigger::Manual);
    run.state = RunState::Done;
    run.outcome = json!({"suggested": 4});
    world.put(&run).await;
    let seen = shown(&world, run.id.as_str()).await;
    assert_eq!((&seen["kind"], &seen["outcome"]["suggested"]), (&json!("auto_map"), &json!(4)));
    assert_eq!(lines(&world, run.id.as_str()).await.len(), 0);
    let path = format!("C/runs/{}/cancel", run.id);
    world.api(Role::PartnerBilling).post(&path, json!(null)).await.assert_problem(409, "run_not_writable");
}

#[tokio::test]
async fn lines_stored_again_replace_those_before_and_fewer_leave_none_behind() {
    let world = testkit::world().await;
    world.lines(1).await;
    let run = preview(&world).await;
    let stored = all_runs(&world).await.remove(0);
    let (ports, scope) = (world.ports(), world.scope());
    let load = || run_lines::load_lines(ports, &scope, &stored.partner, &stored.connection, &stored.id);
    let one = load().await.unwrap().remove(0);
    let many = |count: u32, words: &str| -> Vec<_> {
        (1..=count).map(|no| domain::runs::RunLine { no, words: words.to_owned(), ..one.clone() }).collect()
    };
    for (count, words, chunks) in
        [(250, "first", 3), (250, "first", 3), (260, "second", 3), (90, "third", 1), (0, "", 0)]
    {
        let lines = many(count, words);
        assert_eq!(run_lines::store_lines(ports, &scope, &stored, &lines).await.unwrap(), chunks);
        assert_eq!(load().await.unwrap(), lines);
    }
    assert_eq!(run["status"], "planned");
}
