#![allow(clippy::unwrap_used)]

use jiff::civil::date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::*;
use crate::Id;

#[test]
fn the_rows_of_the_facts_are_read() {
    let unit: ContractServiceUnit = serde_json::from_str(
        r#"{"id":91001,"approveAndPostDate":null,"contractID":3300,"contractServiceID":880,"cost":70.0,"endDate":"2026-11-30T00:00:00Z","internalCurrencyPrice":125.0,"organizationalLevelAssociationID":null,"price":125.0,"serviceID":41,"startDate":"2026-11-01T00:00:00Z","units":10,"vendorCompanyID":null}"#,
    )
    .unwrap();
    assert_eq!((unit.id, unit.contract_service_id, unit.units), (Id::new(91001), Some(Id::new(880)), Some(10)));
    assert_eq!(unit.cost, Some(Decimal::from(70)));
    assert_eq!(unit.start_date.unwrap().calendar_date(&TimeZone::UTC), date(2026, 11, 1));
    assert_eq!(unit.approve_and_post_date, None);

    let company: Company = serde_json::from_str(
        r#"{"id":4101,"address2":null,"companyName":"Blue Kite Ltd","companyType":1,"createDate":"2024-03-02T09:15:00.12Z","isActive":true,"postalCode":66000,"brandNew":{"x":[]},"userDefinedFields":[{"name":"Portal Id","value":"c_81"}]}"#,
    )
    .unwrap();
    assert_eq!(company.company_type, Some(CompanyType::Customer));
    assert_eq!(company.postal_code.as_deref(), Some("66000"));
    assert_eq!(company.user_defined_fields.get("Portal Id"), Some("c_81"));
}

#[test]
fn what_this_crate_has_no_name_for_keeps_its_number_or_text() {
    let contract = |json: &str| serde_json::from_str::<Contract>(json).unwrap();
    let read = contract(r#"{"id":1,"contractType":7,"status":1,"contractPeriodType":"m"}"#);
    assert_eq!(read.contract_type, Some(ContractType::RecurringService));
    assert_eq!(read.status, Some(ContractStatus::InEffect));
    assert_eq!(read.contract_period_type, Some(PicklistValue::Name("m".to_owned())));
    let read = contract(r#"{"id":1,"contractType":"4","status":99,"contractPeriodType":2}"#);
    assert_eq!(read.contract_type, Some(ContractType::Other(4)));
    assert_eq!(read.status, Some(ContractStatus::Other(99)));
    assert_eq!(read.contract_period_type, Some(PicklistValue::Number(2)));
    assert_eq!(ContractType::Other(4).number(), 4);
}

#[test]
fn a_row_without_its_id_is_refused() {
    assert!(serde_json::from_str::<Company>(r#"{"companyName":"x"}"#).is_err());
    assert!(serde_json::from_str::<Company>(r#"{"id":null}"#).is_err());
}
