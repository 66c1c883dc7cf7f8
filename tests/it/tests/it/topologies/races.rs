//! Several changes at once: nobody who holds a company or line is lost, and nobody holds what the settings forbid.

use super::*;

/// What one account does, while the others do theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Joins,
    Leaves,
    Stays,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![Just(Does::Joins), Just(Does::Leaves), Just(Does::Stays)]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Whoever has a mapping that holds, of the mappings as they are.
async fn holders(msp: &Msp) -> Vec<String> {
    let of = Collection::Mappings(msp.world.partner.clone(), msp.world.connection.clone());
    let mappings = msp.world.load_all::<Mapping>(&of).await;
    mappings.iter().filter(|m| m.holds()).map(|m| m.account.to_string()).collect()
}

/// Companies and lines are held by exactly those whose mappings say so.
async fn agree(msp: &Msp, company: i64, line: i64) {
    let holders = holders(msp).await;
    let names: Vec<&str> = holders.iter().map(String::as_str).collect();
    assert_eq!(companies(msp).await.remove(&company).unwrap_or_default(), holders);
    assert_eq!(lines(msp).await.remove(&LineRef::service(line)).unwrap_or_default(), training(&names));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn of_joins_and_leaves_at_once_none_is_lost(all in proptest::collection::vec((does(), any::<u8>()), 2..8)) {
        block_on(async {
            let msp = many("sum").await;
            let client = msp.client("Blue Kite Ltd");
            let mut ids = Vec::new();
            for (n, (does, turn)) in all.iter().enumerate() {
                let id = format!("a{n}");
                msp.account(&id, &id, "").await;
                suggest(&msp, &id, client).await;
                if *does != Does::Joins {
                    confirm(&msp, &id).await.assert_status(200);
                }
                ids.push((*turn, id, *does));
            }
            ids.sort_by_key(|(turn, ..)| *turn);
            let acts = ids.iter().map(|(_, id, does)| async {
                match does {
                    Does::Joins => confirm(&msp, id).await.assert_status(200),
                    Does::Leaves => unmap(&msp, id).await.assert_status(204),
                    Does::Stays => {}
                }
            });
            futures::future::join_all(acts).await;
            let mut expected: Vec<String> = ids.iter().filter(|(.., does)| *does != Does::Leaves).map(|(_, id, _)| id.clone()).collect();
            expected.sort();
            assert_eq!(holders(&msp).await, expected);
            agree(&msp, client.0, client.2).await;
        });
    }
}

#[tokio::test]
async fn a_join_and_a_switch_off_at_once_do_not_both_succeed() {
    for (switches_first, reads) in [(true, 0), (false, 0), (true, 1), (false, 1), (false, 3)] {
        let msp = many("sum").await;
        let client = msp.client("Blue Kite Ltd");
        for id in ["a1", "a2"] {
            msp.account(id, id, "").await;
            suggest(&msp, id, client).await;
        }
        confirm(&msp, "a1").await.assert_status(200);
        let off = async {
            // Reads beforehand put the two out of step.
            for _ in 0..reads {
                msp.billing().get("C/accounts").await.assert_status(200);
            }
            set(&msp, json!({"many_accounts_per_company": "off"})).await
        };
        let (joined, switched) = if switches_first {
            let (switched, joined) = futures::join!(off, confirm(&msp, "a2"));
            (joined, switched)
        } else {
            futures::join!(confirm(&msp, "a2"), off)
        };
        let told = format!("{} {}", switched.text, joined.text);
        assert_eq!(setting(&msp).await == ManyAccounts::Off, switched.status == 200, "{told}");
        assert_ne!(switched.status == 200, joined.status == 200, "{told}");
        agree(&msp, client.0, client.2).await;
    }
}

#[tokio::test]
async fn many_suggestions_of_one_company_are_all_confirmed_in_bulk() {
    let msp = many("sum").await;
    let client = msp.client("Blue Kite Ltd");
    let ids: Vec<String> = (10..30).map(|n| format!("a{n}")).collect();
    for id in &ids {
        msp.account(id, id, "").await;
        suggest(&msp, id, client).await;
    }
    let bulk = msp.billing().post("C/company-mappings/bulk-confirm", json!({"account_ids": ids})).await.expect(200);
    let outcomes: BTreeSet<_> =
        bulk["results"].as_array().unwrap().iter().map(|r| r["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, BTreeSet::from(["confirmed"]), "{bulk}");
    agree(&msp, client.0, client.2).await;
}

#[tokio::test]
async fn two_who_are_pointed_at_different_lines_at_once_do_not_split_a_sum() {
    for turned in [false, true] {
        let msp = many("sum").await;
        let (company, contract, line) = msp.client("Blue Kite Ltd");
        let second = msp.line(contract, msp.service);
        for id in ["a1", "a2"] {
            msp.account(id, id, "").await;
        }
        // Both hold the company already, without lines.
        for id in ["a1", "a2"] {
            msp.save(id, json!({"company_id": company, "contract_id": contract})).await.assert_status(200);
        }
        let (a1, a2) = match turned {
            false => futures::join!(
                msp.save("a1", mapped(company, contract, line)),
                msp.save("a2", mapped(company, contract, second))
            ),
            true => futures::join!(
                msp.save("a1", mapped(company, contract, second)),
                msp.save("a2", mapped(company, contract, line))
            ),
        };
        let saved = [&a1, &a2].iter().filter(|reply| reply.status == 200).count();
        assert!(saved <= 1, "{} {}", a1.text, a2.text);
        assert!(lines(&msp).await.len() <= 1);
    }
}
