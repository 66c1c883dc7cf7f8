//! The three states of a field in a patch.

use serde::{Serialize, Serializer};

use crate::wire::Wire;

/// What a patch does to one field.
///
/// Autotask's `PATCH` changes only the fields that are in the body. That an explicit `null` clears
/// a field is how it appears to work, but the vendor's documents do not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Field<V> {
    /// Leave it as it is: the field is not in the body.
    #[default]
    Unset,
    /// Clear it: the field is `null` in the body.
    Null,
    /// Set it to this value.
    Set(V),
}

impl<V> Field<V> {
    /// Whether the patch leaves the field alone.
    pub const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }
}

impl<V> From<V> for Field<V> {
    fn from(value: V) -> Self {
        Self::Set(value)
    }
}

impl<V: Wire> Serialize for Field<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unset | Self::Null => serializer.serialize_none(),
            Self::Set(value) => value.write(serializer),
        }
    }
}
