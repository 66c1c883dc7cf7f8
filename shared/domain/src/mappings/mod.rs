//! Which Autotask company, contract and lines belong to which account.

mod again;
mod automap;
pub(crate) mod broken;
mod browse;
mod claims;
mod confirm;
mod context;
mod csv;
mod csv_rows;
mod facts;
mod import;
mod import_file;
mod import_within;
mod list;
mod look;
mod matching;
mod pause;
mod place;
mod put;
mod record;
mod remap;
mod renewal;
mod runs;
mod save;
mod shown;
mod standing;
mod target;
mod theirs;
pub(crate) mod told;
pub mod topology;
mod wanted;
mod watch;

pub use again::run_again;
pub use automap::{first_automap, start_automap};
pub use broken::{mark_broken, mark_working, sees_all, subject};
pub use browse::{
    COMPANIES_MAX, CompanyContracts, CompanyFacts, CompanySearch, ContractLines, SEARCH_CHARS_MAX, contracts_of,
    lines_of, search_companies,
};
pub use claims::HOLDERS_MAX;
pub use confirm::{BULK_CONFIRM_MAX, bulk_confirm, confirm, unmap};
pub use context::Context;
pub use csv::{COLUMNS, export, status_text};
pub use csv_rows::{IMPORT_BYTES_MAX, IMPORT_ROWS_MAX};
pub(crate) use facts::is_monthly;
pub use facts::{ContractFacts, LineFacts, Remark};
pub use import::{ImportOutcome, ImportRow, dry_run, start_import};
pub use list::{AccountPage, AccountQuery, AccountRow, LineNow, StatusFilter, list_accounts};
pub(crate) use look::look;
pub use pause::set_paused;
pub(crate) use place::{Left, forget_left, keep_left, place_line};
pub use put::Saved;
pub use record::{
    Broken, CompanyRef, CompanyTaken, ContractRef, LineHolder, LineTaken, MappedLine, Mapping, MappingSource,
    MappingStatus, PackageContract,
};
pub use remap::{Move, remap, remap_from};
pub use runs::{MapMessage, work_on};
pub use save::{SavedWithRemarks, save};
pub(crate) use standing::{Standing, Trouble, is_watched, standing};
pub(crate) use theirs::Theirs;
pub use topology::TopologyUse;
pub use wanted::{LINES_MAX, Wanted, WantedLine};
pub use watch::{Watched, watch, watch_companies};
