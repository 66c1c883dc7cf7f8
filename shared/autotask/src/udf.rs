//! User-defined fields on entities.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One user-defined field of a row: its name and its value as text.
///
/// For list fields the value is the list item's value, not its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDefinedField {
    /// Name as shown in Autotask, e.g. `Portal Id`.
    #[serde(default, with = "crate::wire::required")]
    pub name: String,
    /// Value, `None` when empty.
    #[serde(default, with = "crate::wire::optional")]
    pub value: Option<String>,
}

/// The user-defined fields of a row.
///
/// Autotask leaves the collection out when no row of the answer has a value, so that an empty
/// collection does not mean that none are defined.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct UserDefinedFields(Vec<UserDefinedField>);

impl UserDefinedFields {
    /// The value of the field with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name)?.value.as_deref()
    }

    /// Sets a field. Autotask's `PATCH` touches only the fields listed.
    pub fn set(&mut self, name: impl Into<String>, value: Option<String>) {
        let name = name.into();
        match self.0.iter_mut().find(|field| field.name == name) {
            Some(field) => field.value = value,
            None => self.0.push(UserDefinedField { name, value }),
        }
    }

    /// All fields, in Autotask's order.
    pub fn iter(&self) -> std::slice::Iter<'_, UserDefinedField> {
        self.0.iter()
    }

    /// Whether no field is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// Answers with `""` and `{}` in this place have been seen: both mean none.
impl<'de> Deserialize<'de> for UserDefinedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientList)
    }
}

struct LenientList;

impl<'de> Visitor<'de> for LenientList {
    type Value = UserDefinedFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of user-defined fields")
    }

    fn visit_unit<E>(self) -> Result<UserDefinedFields, E> {
        Ok(UserDefinedFields::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<UserDefinedFields, E> {
        Ok(UserDefinedFields::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UserDefinedFields, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(UserDefinedFields::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<UserDefinedFields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = list.next_element()? {
            fields.push(field);
        }
        Ok(UserDefinedFields(fields))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_and_every_sloppy_form_of_none_are_read() {
        let read: UserDefinedFields = serde_json::from_str(
            r#"[{"name":"Portal Id","value":"c_81"},{"name":"Seats","value":7},{"name":"Tier","value":null}]"#,
        )
        .unwrap();
        assert_eq!(read.get("Portal Id"), Some("c_81"));
        assert_eq!(read.get("Seats"), Some("7"));
        assert_eq!(read.get("Tier"), None);
        for none in ["[]", "null", "\"\"", "{}"] {
            assert!(serde_json::from_str::<UserDefinedFields>(none).unwrap().is_empty(), "{none}");
        }
    }
}
