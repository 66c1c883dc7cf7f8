//! What the client needs to know of an entity, and the macros that write entities down.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An Autotask entity: a row's type and where it lives.
///
/// The flags are checked when the program is compiled: a call that Autotask has no route for does
/// not build.
pub trait Entity: DeserializeOwned + Send + 'static {
    /// Path segment, e.g. `ContractServiceUnits`.
    const NAME: &'static str;
    /// Singular name, as in Autotask's documents, e.g. `ContractServiceUnit`.
    const MODEL: &'static str;
    /// The few fields that most callers need. For [`Query::include`](crate::Query::include).
    const READ_FIELDS: &'static [&'static str];
    /// Every field of the type, by its name on the wire.
    const FIELDS: &'static [&'static str];
    /// Whether `query`, `query/count` and `GET /{id}` exist.
    const QUERYABLE: bool;
    /// Whether rows are created at the entity's own path.
    const ROOT_CREATE: bool;
    /// Whether rows are changed at the entity's own path.
    const ROOT_PATCH: bool;
    /// Whether rows are deleted at the entity's own path. `false` also where Autotask would and nobody here does.
    const ROOT_DELETE: bool = false;
    /// Fields that Autotask takes in no filter, whether typed here or not.
    const NOT_QUERYABLE: &'static [&'static str] = &[];
}

/// An entity that is written under its parent.
pub trait Child: Entity {
    /// The parent, e.g. `Contract`.
    type Parent: Entity;
    /// Path segment below the parent's row, e.g. `Services`.
    const CHILD_PATH: &'static str;
    /// Whether rows are created there.
    const CREATE: bool;
    /// Whether rows are changed there.
    const PATCH: bool;
    /// Whether rows are deleted there.
    const DELETE: bool;
}

/// A body that creates a row of an entity.
pub trait Create: Serialize + Sync {
    /// Of which entity.
    type Entity: Entity;
    /// Every field of the body, by its name on the wire.
    const FIELDS: &'static [&'static str];
}

/// A body that changes some fields of a row; its `id` is part of the body.
pub trait Patch: Serialize + Sync {
    /// Of which entity.
    type Entity: Entity;
    /// Every field of the body, by its name on the wire.
    const FIELDS: &'static [&'static str];
}

/// A body that replaces all writable fields of a row: what it leaves out, Autotask clears. So it
/// always holds every one of them.
pub trait Replace: Serialize + Sync {
    /// Of which entity.
    type Entity: Entity;
    /// Every field of the body, by its name on the wire.
    const FIELDS: &'static [&'static str];
}

/// A row: every field but the id optional, because zones and security levels differ in what they
/// send.
macro_rules! row {
    (
        $(#[$doc:meta])*
        $name:ident, read $read:expr;
        $( $(#[$field_doc:meta])* $field:ident $wire:literal $type:ty, )*
        $( + $udf:ident $udf_wire:literal )?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// Id.
            #[serde(with = "crate::wire::required")]
            pub id: crate::Id<$name>,
            $(
                $(#[$field_doc])*
                #[serde(rename = $wire, default, with = "crate::wire::optional", skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
            $(
                /// User-defined fields; empty also when Autotask left them out.
                #[serde(rename = $udf_wire, default, skip_serializing_if = "crate::UserDefinedFields::is_empty")]
                pub $udf: crate::UserDefinedFields,
            )?
        }

        impl $name {
            /// A row with only its id, for tests and fakes.
            pub fn with_id(id: impl Into<crate::Id<$name>>) -> Self {
                Self { id: id.into(), $( $field: None, )* $( $udf: crate::UserDefinedFields::default(), )? }
            }

            /// See [`Entity::READ_FIELDS`](crate::Entity::READ_FIELDS).
            pub const READ_FIELDS: &'static [&'static str] = $read;
            /// See [`Entity::FIELDS`](crate::Entity::FIELDS).
            pub const FIELDS: &'static [&'static str] = &["id", $( $wire, )* $( $udf_wire, )?];
        }
    };
}

/// A row of an entity that has its own path.
macro_rules! entity {
    (
        $(#[$doc:meta])*
        $name:ident at $path:literal, read $read:expr, query $query:literal, create $create:literal, patch $patch:literal
        $(, delete $delete:literal)?
        $(, never filtered $unfiltered:expr)?;
        $($fields:tt)*
    ) => {
        crate::entity::row! {
            $(#[$doc])*
            $name, read $read;
            $($fields)*
        }

        impl crate::Entity for $name {
            const NAME: &'static str = $path;
            const MODEL: &'static str = stringify!($name);
            const READ_FIELDS: &'static [&'static str] = $name::READ_FIELDS;
            const FIELDS: &'static [&'static str] = $name::FIELDS;
            const QUERYABLE: bool = $query;
            const ROOT_CREATE: bool = $create;
            const ROOT_PATCH: bool = $patch;
            $( const ROOT_DELETE: bool = $delete; )?
            $( const NOT_QUERYABLE: &'static [&'static str] = $unfiltered; )?
        }
    };
}

/// Where an entity is written under its parent.
macro_rules! child {
    ($name:ident under $parent:ident at $path:literal, create $create:literal, patch $patch:literal, delete $delete:literal) => {
        impl crate::Child for $name {
            type Parent = $parent;
            const CHILD_PATH: &'static str = $path;
            const CREATE: bool = $create;
            const PATCH: bool = $patch;
            const DELETE: bool = $delete;
        }
    };
}

/// A body that creates: what Autotask requires is required, the rest is left out unless set.
macro_rules! create {
    (
        $(#[$doc:meta])*
        $name:ident creates $entity:ident;
        required { $( $(#[$req_doc:meta])* $req:ident $req_wire:literal $req_type:ty, )* }
        optional { $( $(#[$opt_doc:meta])* $opt:ident $opt_wire:literal $opt_type:ty, )* }
        $( + $udf:ident $udf_wire:literal )?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $( $(#[$req_doc])* #[serde(rename = $req_wire, with = "crate::wire::required")] pub $req: $req_type, )*
            $(
                $(#[$opt_doc])*
                #[serde(rename = $opt_wire, default, with = "crate::wire::optional", skip_serializing_if = "Option::is_none")]
                pub $opt: Option<$opt_type>,
            )*
            $(
                /// User-defined fields: of list fields the item's value, not its label.
                #[serde(rename = $udf_wire, default, skip_serializing_if = "crate::UserDefinedFields::is_empty")]
                pub $udf: crate::UserDefinedFields,
            )?
        }

        impl $name {
            /// A body with what is required.
            #[allow(clippy::too_many_arguments, reason = "as many as Autotask requires")]
            pub fn new($( $req: impl Into<$req_type>, )*) -> Self {
                Self { $( $req: $req.into(), )* $( $opt: None, )* $( $udf: crate::UserDefinedFields::default(), )? }
            }
        }

        impl crate::Create for $name {
            type Entity = $entity;
            const FIELDS: &'static [&'static str] = &[$( $req_wire, )* $( $opt_wire, )* $( $udf_wire, )?];
        }
    };
}

/// A body that changes some fields.
macro_rules! patch {
    (
        $(#[$doc:meta])*
        $name:ident changes $entity:ident;
        $( $(#[$field_doc:meta])* $field:ident $wire:literal $type:ty, )*
        $( + $udf:ident $udf_wire:literal )?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            /// The row to change: in the body, never in the path.
            pub id: crate::Id<$entity>,
            $(
                $(#[$field_doc])*
                #[serde(rename = $wire, skip_serializing_if = "crate::Field::is_unset")]
                pub $field: crate::Field<$type>,
            )*
            $(
                /// User-defined fields to change; those not listed stay as they are.
                #[serde(rename = $udf_wire, skip_serializing_if = "crate::UserDefinedFields::is_empty")]
                pub $udf: crate::UserDefinedFields,
            )?
        }

        impl $name {
            /// A patch that changes nothing yet.
            pub fn new(id: impl Into<crate::Id<$entity>>) -> Self {
                Self { id: id.into(), $( $field: crate::Field::Unset, )* $( $udf: crate::UserDefinedFields::default(), )? }
            }
        }

        impl crate::Patch for $name {
            type Entity = $entity;
            const FIELDS: &'static [&'static str] = &["id", $( $wire, )* $( $udf_wire, )?];
        }
    };
}

/// A picklist number with names for the values that are the same in every database.
macro_rules! picklist_number {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $number:literal, )* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )*
            /// Any other number: look its label up in the field's picklist.
            Other(i64),
        }

        impl $name {
            /// The number on the wire.
            pub const fn number(self) -> i64 {
                match self {
                    $( Self::$variant => $number, )*
                    Self::Other(number) => number,
                }
            }
        }

        impl From<i64> for $name {
            fn from(number: i64) -> Self {
                match number {
                    $( $number => Self::$variant, )*
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for crate::FilterValue {
            fn from(value: $name) -> Self {
                Self::Int(value.number())
            }
        }

        impl crate::wire::Wire for $name {
            fn read(scalar: crate::wire::Scalar) -> Result<Self, &'static str> {
                i64::read(scalar).map(Self::from)
            }

            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.number())
            }
        }
    };
}

pub(crate) use {child, create, entity, patch, picklist_number, row};
