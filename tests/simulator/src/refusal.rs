//! Refusals, with the texts that Autotask is known to use (or, where none is known, plain ones).

use crate::wire::Response;

/// A request that was understood and refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    text: String,
}

impl Refusal {
    /// Most of what is wrong with data is answered 500.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self { status: 500, text: text.into() }
    }

    pub(crate) fn missing_field(name: &str) -> Self {
        Self::invalid(format!("Missing required field: {name}."))
    }

    pub(crate) fn missing_picklist(name: &str) -> Self {
        Self::invalid(format!("Value does not reference an existing entity for {name} ."))
    }

    pub(crate) fn dangling(field: &str, value: impl std::fmt::Display) -> Self {
        Self::invalid(format!("{field}: Value {value} does not exist or is invalid"))
    }

    pub(crate) fn unknown_field(name: &str, entity: &str) -> Self {
        Self::invalid(format!("Unable to find {name} in the {entity} Entity."))
    }

    pub(crate) fn not_permitted(deed: &str) -> Self {
        Self::invalid(format!(
            "The logged in Resource does not have the adequate permissions to {deed} this entity type."
        ))
    }

    pub(crate) fn nothing_to_delete() -> Self {
        Self::invalid(
            "No matching records found. The logged in Resource may not have the required permissions to delete the data.",
        )
    }

    pub(crate) fn not_found() -> Self {
        Self { status: 404, text: "No matching records found.".to_owned() }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn response(&self) -> Response {
        Response::error(self.status, self.text.clone())
    }
}

impl From<crate::cell::Misfit> for Refusal {
    fn from(misfit: crate::cell::Misfit) -> Self {
        Self::invalid(misfit.0)
    }
}
