//! Identifiers of our own things. Autotask's are `autotask::Id<_>` at the edge and plain `i64` in records.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest identifier that a vendor's back end may give a partner, account or package, in characters.
pub const ID_CHARS_MAX: usize = 64;

/// An identifier that was refused: empty, too long, or with a character that has a meaning in our keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identifier has 1 to {ID_CHARS_MAX} characters of A-Z a-z 0-9 . _ : @ -, starting with a letter or digit")]
pub struct BadId;

fn check(text: &str) -> Result<(), BadId> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '@' | '-');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.len() <= ID_CHARS_MAX && text.chars().all(good) { Ok(()) } else { Err(BadId) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes an identifier that came from outside.
            ///
            /// # Errors
            /// [`BadId`] if it is empty, too long or holds a character that our keys give a meaning.
            pub fn new(text: impl Into<String>) -> Result<Self, BadId> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }
    };
}

text_id!(
    /// An MSP: the vendor's customer and our tenant.
    PartnerId
);
text_id!(
    /// One partner's link to one Autotask database: `con_` and a UUID. A new connection has a new id.
    ConnectionId
);
text_id!(
    /// The partner's end client as the vendor knows it.
    AccountId
);
text_id!(
    /// Something the vendor sells.
    PackageId
);
text_id!(
    /// One change of an account's packages, as the vendor names it.
    ChangeId
);
text_id!(
    /// One payment of an invoice, as the vendor names it.
    PaymentId
);
text_id!(
    /// One run: a UUID v7, so that runs sort by time, or a scheduled slot's fixed name.
    RunId
);

/// What a contract line holds: a service or a bundle of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A `ContractServices` row.
    Service,
    /// A `ContractServiceBundles` row.
    Bundle,
}

/// One line of a contract in Autotask: where units live. The id is Autotask's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineRef {
    /// Service or bundle: their ids are counted apart.
    pub kind: LineKind,
    /// `ContractServices.id` or `ContractServiceBundles.id`.
    pub id: i64,
}

impl LineRef {
    /// The contract service with this id.
    #[must_use]
    pub fn service(id: i64) -> Self {
        Self { kind: LineKind::Service, id }
    }

    /// The contract service bundle with this id.
    #[must_use]
    pub fn bundle(id: i64) -> Self {
        Self { kind: LineKind::Bundle, id }
    }
}

impl fmt::Display for LineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LineKind::Service => "svc",
            LineKind::Bundle => "bun",
        };
        write!(f, "{kind}-{}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_cannot_carry_a_key_separator() {
        for bad in ["", "a#b", "a/b", "a b", "-a", ".a", "ä", &"x".repeat(65)] {
            assert!(PartnerId::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["acme", "a", "9", "con_01", "a.b:c@d-e", &"x".repeat(64)] {
            assert!(PartnerId::new(good).is_ok(), "{good:?} was refused");
        }
    }
}
