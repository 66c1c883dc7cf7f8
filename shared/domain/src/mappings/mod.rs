//! Which Autotask company, contract and lines belong to which account.

mod record;

pub use record::{
    Broken, CompanyRef, CompanyTaken, ContractRef, LineTaken, MappedLine, Mapping, MappingSource, MappingStatus,
};
