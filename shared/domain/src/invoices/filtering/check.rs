//! Filters as a person sends them, held against bounds and against Autotask's own lists.

use crate::decoding;
use crate::ids::{ConnectionId, PartnerId};
use crate::invoices::filters::{Filters, FiltersRecord, UdfFilter};
use crate::problem::{FieldError, Problem};
use autotask::metadata::{FieldInformation, Fields, Picklist};
use autotask::{Client, Company, Contact};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::Value;

/// Most labels of one list: with [`IDS_MAX`] two such lists stay below the 500 OR conditions that Autotask takes.
pub const LABELS_MAX: usize = 20;
/// Most company ids of one list: they are asked for in one request together with the labels.
pub const IDS_MAX: usize = 450;
/// Longest label or name of a field, in characters: Autotask's own are shorter.
const NAME_CHARS_MAX: usize = 100;
/// Longest value of a user-defined field that can be asked for, in characters.
const VALUE_CHARS_MAX: usize = 500;
/// No invoice of today's Autotask is older.
const EARLIEST: Date = date(1995, 1, 1);
/// Labels that a refusal repeats.
const TOLD_MAX: usize = 30;

/// Something that is taken and may not be what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterWarning {
    /// Which field of the filters, as a JSON Pointer.
    pub pointer: String,
    /// In words.
    pub detail: String,
}

/// Filters that Autotask understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    filters: Filters,
    company_type_ids: Vec<i64>,
    classification_ids: Vec<i64>,
    company_udf_value: Option<String>,
    contact_udf_value: Option<String>,
    /// What may not be meant.
    pub(crate) warnings: Vec<FilterWarning>,
}

impl Checked {
    /// As they are stored.
    pub(crate) fn record(&self, partner: &PartnerId, connection: &ConnectionId, now: Timestamp) -> FiltersRecord {
        FiltersRecord {
            partner: partner.clone(),
            connection: connection.clone(),
            filters: self.filters.clone(),
            company_type_ids: self.company_type_ids.clone(),
            classification_ids: self.classification_ids.clone(),
            company_udf_value: self.company_udf_value.clone(),
            contact_udf_value: self.contact_udf_value.clone(),
            changed_at: now,
        }
    }
}

/// Filters that came as JSON within another body, at `/filters`.
pub(crate) fn decoded(value: Value) -> Result<Filters, Vec<FieldError>> {
    decoding::from_value(value).map_err(|problem| below(problem.errors))
}

/// Moves refusals below `/filters`.
pub(crate) fn below(errors: Vec<FieldError>) -> Vec<FieldError> {
    let moved = |error: FieldError| FieldError { pointer: format!("/filters{}", error.pointer), ..error };
    errors.into_iter().map(moved).collect()
}

/// What can be said of filters without Autotask. Pure.
pub(crate) fn bounds(filters: &Filters, today: Date) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: String, rule: &str| errors.push(FieldError { pointer, detail: rule.to_owned() });
    for (name, labels) in [("company_types", &filters.company_types), ("classifications", &filters.classifications)] {
        if labels.len() > LABELS_MAX {
            refuse(format!("/{name}"), "has at most 20 labels");
        }
        for (at, label) in labels.iter().enumerate() {
            if label.trim().is_empty() || label.chars().count() > NAME_CHARS_MAX {
                refuse(format!("/{name}/{at}"), "must be a label of 1 to 100 characters");
            }
        }
    }
    let ids = &filters.company_ids;
    for (name, list) in [("in", &ids.only), ("not_in", &ids.except)] {
        if list.len() > IDS_MAX {
            refuse(format!("/company_ids/{name}"), "has at most 450 ids");
        }
        for (at, id) in list.iter().enumerate() {
            if *id < 0 {
                refuse(format!("/company_ids/{name}/{at}"), "must be an id of a company in Autotask, 0 or more");
            } else if name == "not_in" && ids.only.contains(id) {
                refuse(format!("/company_ids/{name}/{at}"), "stands in `in` as well");
            }
        }
    }
    for (name, udf) in [("company_udf", &filters.company_udf), ("contact_udf", &filters.contact_udf)] {
        let Some(udf) = udf else { continue };
        for (member, text, most) in [("name", &udf.name, NAME_CHARS_MAX), ("equals", &udf.equals, VALUE_CHARS_MAX)] {
            if text.trim().is_empty() || text.chars().count() > most {
                refuse(format!("/{name}/{member}"), "must be text that is neither empty nor too long");
            }
        }
    }
    let latest = today.checked_add(jiff::Span::new().years(1)).unwrap_or(Date::MAX);
    if filters.invoice_date_from.is_some_and(|from| from < EARLIEST || from > latest) {
        refuse("/invoice_date_from".to_owned(), "must be a day from 1995-01-01 on, at most a year ahead");
    }
    errors
}

/// Whether filters name anything that only Autotask knows.
pub(crate) fn asks(filters: &Filters) -> bool {
    let Filters { company_types, classifications, company_udf, contact_udf, .. } = filters;
    !company_types.is_empty() || !classifications.is_empty() || company_udf.is_some() || contact_udf.is_some()
}

/// Looks labels and user-defined fields up in Autotask: at most three calls, none where nothing is named.
///
/// # Errors
/// The client's; what Autotask does not know is in the answer.
pub(crate) async fn resolve(client: &Client, filters: &Filters) -> autotask::Result<Result<Checked, Vec<FieldError>>> {
    let mut checked = plain(filters);
    let mut errors = Vec::new();
    if !filters.company_types.is_empty() || !filters.classifications.is_empty() {
        let fields = client.fields::<Company>().await?;
        let mut found = Found { errors: &mut errors, warnings: &mut checked.warnings };
        let types = found.labels(&fields, "companyType", "company_types", &filters.company_types);
        let classes = found.labels(&fields, "classification", "classifications", &filters.classifications);
        (checked.filters.company_types, checked.company_type_ids) = types;
        (checked.filters.classifications, checked.classification_ids) = classes;
    }
    if let Some(udf) = &filters.company_udf {
        let fields = client.user_defined_fields::<Company>().await?;
        let of = field(&fields, "company_udf", "companies", udf, &mut errors);
        (checked.filters.company_udf, checked.company_udf_value) = of;
    }
    if let Some(udf) = &filters.contact_udf {
        let fields = client.user_defined_fields::<Contact>().await?;
        let of = field(&fields, "contact_udf", "contacts", udf, &mut errors);
        (checked.filters.contact_udf, checked.contact_udf_value) = of;
    }
    Ok(if errors.is_empty() { Ok(checked) } else { Err(errors) })
}

/// Filters that name nothing that only Autotask knows, in order and without doubles.
pub(crate) fn plain(filters: &Filters) -> Checked {
    let mut filters = filters.clone();
    for list in [&mut filters.company_ids.only, &mut filters.company_ids.except] {
        list.sort_unstable();
        list.dedup();
    }
    Checked {
        filters,
        company_type_ids: Vec::new(),
        classification_ids: Vec::new(),
        company_udf_value: None,
        contact_udf_value: None,
        warnings: Vec::new(),
    }
}

/// All refusals as one answer.
pub(crate) fn refused(errors: Vec<FieldError>) -> Option<Problem> {
    Problem::fields(errors)
}

struct Found<'a> {
    errors: &'a mut Vec<FieldError>,
    warnings: &'a mut Vec<FilterWarning>,
}

impl Found<'_> {
    /// Labels as Autotask spells them, with their numbers.
    fn labels(&mut self, fields: &Fields, field: &str, name: &str, labels: &[String]) -> (Vec<String>, Vec<i64>) {
        let (mut spelled, mut numbers) = (Vec::new(), Vec::new());
        let list = fields.picklist(field);
        for (at, label) in labels.iter().enumerate() {
            let pointer = format!("/{name}/{at}");
            let number = list.as_ref().and_then(|list| list.value_of_label(label));
            let Some((list, number)) = list.as_ref().zip(number) else {
                let detail = format!("is none of Autotask's: {}", known(list.as_ref()));
                self.errors.push(FieldError { pointer, detail });
                continue;
            };
            let entry = list.entries().iter().find(|entry| entry.number() == Some(number));
            if entry.is_some_and(|entry| entry.is_active == Some(false)) {
                let detail = format!("`{}` is switched off in Autotask; companies may still carry it.", label.trim());
                self.warnings.push(FilterWarning { pointer, detail });
            }
            if !numbers.contains(&number) {
                numbers.push(number);
                spelled.push(list.label_of(number).unwrap_or(label).trim().to_owned());
            }
        }
        (spelled, numbers)
    }
}

fn known(list: Option<&Picklist<'_>>) -> String {
    let labels = |list: &Picklist<'_>| {
        let active = list.entries().iter().filter(|entry| entry.is_active != Some(false));
        active.filter_map(|entry| entry.label.clone()).take(TOLD_MAX).collect::<Vec<_>>().join(", ")
    };
    list.map(labels).filter(|labels| !labels.is_empty()).unwrap_or_else(|| "it has no such labels".to_owned())
}

/// A user-defined field as Autotask spells it, with the value that rows carry.
fn field(
    fields: &Fields,
    name: &str,
    of: &str,
    udf: &UdfFilter,
    errors: &mut Vec<FieldError>,
) -> (Option<UdfFilter>, Option<String>) {
    let mut refuse = |member: &str, detail: String| {
        errors.push(FieldError { pointer: format!("/{name}/{member}"), detail });
        (None, None)
    };
    let Some(known) = fields.get(udf.name.trim()) else {
        let words = format!(
            "is no user-defined field of {of} that Autotask's API shows; it never shows fields of which several values \
             can be picked: use a list of which one can"
        );
        return refuse("name", words);
    };
    if known.is_queryable == Some(false) {
        return refuse("name", "is encrypted, or otherwise closed to Autotask's API".to_owned());
    }
    let spelled = UdfFilter { name: known.name.clone(), equals: udf.equals.trim().to_owned() };
    if known.picklist_values.is_empty() {
        return (Some(spelled), None);
    }
    match stored(known, &spelled.equals) {
        Some(value) => (Some(spelled), Some(value)),
        None => {
            let labels = known.picklist_values.iter().filter_map(|entry| entry.label.clone()).take(TOLD_MAX);
            refuse("equals", format!("is none of the field's values: {}", labels.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Rows of a list field carry the entry's value; people know its label.
fn stored(known: &FieldInformation, text: &str) -> Option<String> {
    let same = |own: &str| own.trim().to_lowercase() == text.to_lowercase();
    let entries = &known.picklist_values;
    let by_label = entries.iter().find(|entry| entry.label.as_deref().is_some_and(same));
    by_label.or_else(|| entries.iter().find(|entry| same(&entry.value))).map(|entry| entry.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoices::filters::CompanyFilter;

    const TODAY: Date = date(2026, 11, 20);

    fn pointers(filters: &Filters) -> Vec<String> {
        bounds(filters, TODAY).into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn no_filter_is_always_right() {
        assert_eq!(pointers(&Filters::default()), Vec::<String>::new());
        assert!(!asks(&Filters::default()));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_place() {
        let filters = Filters {
            company_types: vec!["Customer".to_owned(), "  ".to_owned()],
            classifications: vec!["x".to_owned(); LABELS_MAX + 1],
            company_ids: CompanyFilter { only: vec![3, -1], except: vec![5, 3] },
            company_udf: Some(UdfFilter { name: String::new(), equals: "Yes".to_owned() }),
            contact_udf: Some(UdfFilter { name: "Billing Contact".to_owned(), equals: " ".to_owned() }),
            invoice_date_from: Some(date(2028, 1, 1)),
            ..Filters::default()
        };
        assert_eq!(
            pointers(&filters),
            [
                "/company_types/1",
                "/classifications",
                "/company_ids/in/1",
                "/company_ids/not_in/1",
                "/company_udf/name",
                "/contact_udf/equals",
                "/invoice_date_from"
            ]
        );
        let long = Filters {
            company_ids: CompanyFilter { only: (0..=450).collect(), except: Vec::new() },
            invoice_date_from: Some(date(1994, 12, 31)),
            ..Filters::default()
        };
        assert_eq!(pointers(&long), ["/company_ids/in", "/invoice_date_from"]);
    }
}
