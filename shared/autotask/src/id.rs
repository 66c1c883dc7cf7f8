//! Typed ids.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::{Scalar, Wire};

/// The id of a row of entity `T`: an `i64`, unique within one entity of one Autotask database.
///
/// 0 is a valid company id: it is the tenant's own company.
pub struct Id<T> {
    value: i64,
    entity: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id with this number.
    pub const fn new(value: i64) -> Self {
        Self { value, entity: PhantomData }
    }

    /// The number as Autotask writes it.
    pub const fn get(self) -> i64 {
        self.value
    }
}

// Derives would ask the same of `T`, which is only a name here.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.value)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> From<i64> for Id<T> {
    fn from(value: i64) -> Self {
        Self::new(value)
    }
}

impl<T> From<Id<T>> for i64 {
    fn from(id: Id<T>) -> Self {
        id.value
    }
}

impl<T> std::str::FromStr for Id<T> {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.value)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::wire::required::deserialize(deserializer)
    }
}

impl<T> Wire for Id<T> {
    fn read(scalar: Scalar) -> Result<Self, &'static str> {
        i64::read(scalar).map(Self::new)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Anything;

    #[test]
    fn an_id_is_a_bare_number_on_the_wire_and_may_arrive_as_text() {
        assert_eq!(serde_json::to_string(&Id::<Anything>::new(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<Id<Anything>>("7").unwrap(), Id::new(7));
        assert_eq!(serde_json::from_str::<Id<Anything>>("\"7\"").unwrap(), Id::new(7));
        assert!(serde_json::from_str::<Id<Anything>>("7.5").is_err());
        assert!(serde_json::from_str::<Id<Anything>>("null").is_err());
    }
}
