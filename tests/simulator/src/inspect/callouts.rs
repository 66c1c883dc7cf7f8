//! `/_sim/callouts`: what webhooks report, and what is done to it.

use http::Method;
use serde_json::json;

use super::{Answer, Trouble, done, number, read};
use crate::callouts::Callout;
use crate::sim::Simulator;
use crate::wire::{Response, WireRequest};

pub(super) fn answer(simulator: &Simulator, request: &WireRequest, rest: &[&str]) -> Answer {
    match (&request.method, rest) {
        (&Method::GET, []) => {
            let ci = request.parameter("ci").map(|ci| number::<u64>(&ci)).transpose()?;
            let all = simulator.callouts();
            let wanted: Vec<&Callout> = all.iter().filter(|callout| ci.is_none_or(|ci| callout.ci == ci)).collect();
            Ok(Response::json(200, &json!(wanted)))
        }
        (&Method::DELETE, []) => {
            simulator.forget_callouts();
            Ok(done())
        }
        (&Method::POST, ["replay"]) => replay(simulator, request),
        (&Method::POST, ["lose"]) => Ok(Response::json(200, &json!({ "lost": simulator.lose_callouts() }))),
        _ => Err(Trouble::NotFound("there is no such route".to_owned())),
    }
}

/// `{"numbers"}` in this order, or the last `{"count"}` that were sent, the newest first.
fn replay(simulator: &Simulator, request: &WireRequest) -> Answer {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Replay {
        numbers: Option<Vec<u64>>,
        count: Option<usize>,
    }
    let numbers = match read(request)? {
        Replay { numbers: Some(numbers), count: None } => numbers,
        Replay { numbers: None, count: Some(count) } => {
            let all = simulator.callouts();
            let sent = all.iter().rev().filter(|callout| callout.attempts > 0 && callout.replay_of.is_none());
            sent.take(count).map(|callout| callout.number).collect()
        }
        _ => return Err(Trouble::Invalid("say either `numbers` or `count`".to_owned())),
    };
    Ok(Response::json(200, &json!({ "numbers": simulator.replay_callouts(&numbers)? })))
}
