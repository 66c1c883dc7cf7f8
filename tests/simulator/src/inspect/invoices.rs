//! `POST /_sim/databases/{ci}/invoice/…`: what a person does to invoices.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{Answer, Trouble, number, read};
use crate::sim::Simulator;
use crate::wire::{Response, WireRequest};

pub(super) fn answer(simulator: &Simulator, request: &WireRequest, ci: u64, rest: &[&str]) -> Answer {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Day {
        date: Option<Date>,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Due {
        date: Date,
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Number {
        number: String,
    }
    let shown = match rest {
        ["make"] => {
            let invoices = match read(request)? {
                Value::Array(invoices) => invoices,
                invoice => vec![invoice],
            };
            json!(simulator.make_invoices(ci, &invoices)?)
        }
        ["void", id] => json!(simulator.void_invoice(ci, number(id)?)?),
        ["delete", id] => json!(simulator.delete_invoice(ci, number(id)?)?),
        ["pay", id] => {
            let day = if request.body.is_empty() { None } else { read::<Day>(request)?.date };
            json!(simulator.pay_invoice(ci, number(id)?, Some(day.unwrap_or_else(|| simulator.today())))?)
        }
        ["unpay", id] => json!(simulator.pay_invoice(ci, number(id)?, None)?),
        ["due", id] => json!(simulator.change_due_date(ci, number(id)?, read::<Due>(request)?.date)?),
        ["renumber", id] => {
            json!(simulator.renumber_invoice(ci, number(id)?, &read::<Number>(request)?.number)?)
        }
        ["add_line", id] => json!({ "id": simulator.add_invoice_line(ci, number(id)?, &read(request)?)? }),
        ["remove_line", line] => json!(simulator.remove_invoice_line(ci, number(line)?)?),
        _ => return Err(Trouble::NotFound("there is no such route".to_owned())),
    };
    Ok(Response::json(200, &if shown.is_null() { json!({}) } else { shown }))
}
