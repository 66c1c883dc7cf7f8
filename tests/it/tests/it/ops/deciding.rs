//! Seen, closed, never again; one issue or many.

use super::*;

#[tokio::test]
async fn a_seen_issue_stays_open_and_says_who_saw_it() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    let api = world.api(BILLING).header("x-request-id", "req-seen");
    let seen = api.post(&at(&issue, "/acknowledge"), json!({"reason": "Asked the client."})).await.expect(200);
    assert_eq!(state(&seen), ("acknowledged", 1));
    let decision = &seen["decision"];
    assert_eq!(
        (&decision["action"], &decision["who"], &decision["role"], &decision["reason"]),
        (&json!("acknowledge"), &json!("user-partner_billing"), &json!("partner_billing"), &json!("Asked the client."))
    );
    let row = audited(&world, "issue.acknowledged").await;
    let name = format!("account/{}/{}#held_zero", lines[0].account, lines[0].package);
    assert_eq!(row.subject, format!("issue/{name}"));
    assert_eq!((row.actor.request_id.as_str(), row.actor.reason.as_deref()), ("req-seen", Some("Asked the client.")));
    assert_eq!((&row.before[&name]["state"], &row.after[&name]["state"]), (&json!("open"), &json!("acknowledged")));

    api.post(&at(&issue, "/acknowledge"), Value::Null).await.assert_status(200);
    audited(&world, "issue.acknowledged").await;
    run(&world).await;
    assert_eq!(state(&again(&world, &issue).await), ("acknowledged", 2), "met again, it stays seen");
    assert_eq!(world.published("issue.opened").len(), 1);
    let counters = world.api(BILLING).get("C").await.expect(200)["counters"]["issues"].clone();
    world.usage(&lines[0], 10).await;
    run(&world).await;
    assert_eq!(state(&again(&world, &issue).await), ("resolved", 2));
    let after = world.api(BILLING).get("C").await.expect(200)["counters"]["issues"].clone();
    assert_eq!(counters.as_u64().unwrap(), after.as_u64().unwrap() + 1, "it was counted while it was there");
}

#[tokio::test]
async fn what_is_dismissed_opens_again_at_the_next_occurrence() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    let closed = world.api(BILLING).post(&at(&issue, "/dismiss"), Value::Null).await.expect(200);
    assert_eq!(state(&closed), ("dismissed", 1));
    let told = world.published("issue.resolved");
    assert_eq!((told.len(), &told[0].detail["data"]["state"]), (1, &json!("dismissed")));
    run(&world).await;
    let issue = again(&world, &issue).await;
    assert_eq!((state(&issue), &issue["reopened"], &issue["decision"]), (("open", 1), &json!(1), &Value::Null));
    assert_eq!(world.published("issue.opened").len(), 2);
}

#[tokio::test]
async fn what_is_ignored_is_counted_and_told_to_nobody_until_somebody_wants_to_know() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    world.api(BILLING).post(&at(&issue, "/ignore"), Value::Null).await.assert_status(200);
    run(&world).await;
    assert_eq!(state(&again(&world, &issue).await), ("ignored", 2));
    world.usage(&lines[0], 10).await;
    run(&world).await;
    let gone = again(&world, &issue).await;
    assert_eq!((state(&gone), gone["resolved_at"].is_null()), (("ignored", 2), false));
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let back = again(&world, &issue).await;
    assert_eq!((state(&back), back["resolved_at"].is_null()), (("ignored", 3), true));
    assert_eq!((world.published("issue.opened").len(), world.published("issue.resolved").len()), (1, 1));
    assert_eq!(listed(&world, "state=open,acknowledged").await, Vec::<Value>::new());

    world.api(BILLING).post(&at(&issue, "/acknowledge"), Value::Null).await.assert_status(200);
    assert_eq!(state(&again(&world, &issue).await), ("acknowledged", 3));
    assert_eq!(world.published("issue.opened").len(), 2);
}

#[tokio::test]
async fn viewers_and_the_back_end_only_look_and_support_says_why() {
    let (world, lines) = eve(1).await;
    world.usage(&lines[0], 0).await;
    run(&world).await;
    let issue = one(&world, "").await;
    for role in [Role::PartnerViewer, Role::Service] {
        world.api(role).get(&at(&issue, "")).await.assert_status(200);
        for act in ["retry", "acknowledge", "dismiss", "ignore"] {
            let reply = world.api(role).post(&at(&issue, &format!("/{act}")), Value::Null).await;
            reply.assert_problem(403, "forbidden_role");
        }
        let body = json!({"ids": [issue["id"]], "action": "ignore"});
        world.api(role).post("C/issues/bulk", body).await.assert_problem(403, "forbidden_role");
    }
    let support = world.api(Role::VendorSupport);
    let refused = support.post(&at(&issue, "/dismiss"), json!({"reason": "  "})).await;
    assert_eq!(refused.assert_problem(400, "invalid_input")["field"], "reason");
    let long = json!({"reason": "x".repeat(501)});
    support.post(&at(&issue, "/dismiss"), long).await.assert_problem(400, "invalid_input");
    support.post(&at(&issue, "/dismiss"), json!({"reason": "Ticket 4711."})).await.assert_status(200);
    let row = audited(&world, "issue.dismissed").await;
    assert_eq!((row.actor.role, row.actor.reason.as_deref()), (Role::VendorSupport, Some("Ticket 4711.")));
}

#[tokio::test]
async fn many_issues_are_decided_at_once_in_one_row_of_the_audit_trail() {
    let (world, lines) = eve(3).await;
    for line in &lines {
        world.usage(line, 0).await;
    }
    run(&world).await;
    let issues = listed(&world, "").await;
    let ids: Vec<&Value> = issues.iter().map(|issue| &issue["id"]).collect();
    let mut given: Vec<Value> = ids[..2].iter().map(|id| (*id).clone()).collect();
    given.extend([given[0].clone(), json!("iss_nonsense")]);
    let api = world.api(BILLING);
    let done = api.post("C/issues/bulk", json!({"ids": given, "action": "ignore"})).await.expect(200);
    let outcomes: Vec<&str> =
        done["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["changed", "changed", "refused"], "each once");
    assert_eq!(done["results"][2]["error"]["code"], "not_found");
    let row = audited(&world, "issue.ignored").await;
    assert_eq!((row.subject.as_str(), row.after.as_object().unwrap().len()), ("issues", 2));

    // All of a code means those at which somebody should look.
    let body = json!({"all_of": {"code": "held_zero"}, "action": "dismiss"});
    let done = api.post("C/issues/bulk", body.clone()).await.expect(200);
    assert_eq!((done["results"].as_array().unwrap().len(), &done["left"]), (1, &json!(0)));
    assert_eq!(listed(&world, "state=dismissed").await.len(), 1);
    let done = api.post("C/issues/bulk", body).await.expect(200);
    assert_eq!(done["results"], json!([]));
    for body in [
        json!({"action": "dismiss"}),
        json!({"ids": [], "action": "dismiss"}),
        json!({"ids": ids, "all_of": {"code": "held_zero"}, "action": "dismiss"}),
        json!({"ids": vec!["iss_x"; 50], "action": "dismiss"}),
        json!({"ids": ids, "action": "forget"}),
        json!({"all_of": {"code": "no_such_code"}, "action": "dismiss"}),
    ] {
        api.post("C/issues/bulk", body).await.assert_problem(400, "invalid_input");
    }
}

#[tokio::test]
async fn more_issues_than_one_request_takes_are_left_and_said() {
    let (world, lines) = eve(52).await;
    for line in &lines {
        forget_usage(&world, line).await;
    }
    run(&world).await;
    let api = world.api(BILLING);
    let body = json!({"all_of": {"code": "usage_missing"}, "action": "acknowledge"});
    let done = api.post("C/issues/bulk", body).await.expect(200);
    assert_eq!((done["results"].as_array().unwrap().len(), &done["left"]), (49, &json!(3)));
    assert_eq!(listed(&world, "state=open").await.len(), 3);
}
