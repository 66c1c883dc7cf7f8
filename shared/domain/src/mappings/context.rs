//! On which connection a call works, for whom.

use super::Mapping;
use crate::actor::{Actor, Scope};
use crate::connections::settings::SettingsRecord;
use crate::connections::{Connection, Settings};
use crate::ids::{AccountId, ConnectionId, PartnerId};
use crate::ports::Ports;
use crate::problem::{Error, Result};
use crate::records::{Key, Versioned, load};
use crate::vendor::Account;

/// On which connection a call works, for whom.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The ports.
    pub ports: &'a Ports,
    /// The caller's reach.
    pub scope: &'a Scope,
    /// Who.
    pub actor: &'a Actor,
    /// Whose connection.
    pub partner: &'a PartnerId,
    /// Which connection.
    pub connection: &'a ConnectionId,
}

impl Context<'_> {
    /// The connection; `not_found` outside the caller's reach.
    pub(super) async fn connection(&self) -> Result<Versioned<Connection>> {
        let key = Key::Connection(self.partner.clone(), self.connection.clone());
        load(&*self.ports.storage, self.scope, &key).await?.ok_or_else(|| Error::not_found("connection"))
    }

    /// The connection's settings; the defaults where none are stored.
    pub(super) async fn settings(&self) -> Result<Settings> {
        let key = Key::Settings(self.partner.clone(), self.connection.clone());
        let found = load::<SettingsRecord>(&*self.ports.storage, self.scope, &key).await?;
        Ok(found.map(|f| f.value.settings).unwrap_or_default())
    }

    /// An account of the partner.
    pub(super) async fn account(&self, id: &AccountId) -> Result<Account> {
        let key = Key::Account(self.partner.clone(), id.clone());
        let found = load::<Account>(&*self.ports.storage, self.scope, &key).await?;
        found.map(|f| f.value).ok_or_else(|| Error::not_found("account"))
    }

    /// An account's mapping, if it has one.
    pub(super) async fn mapping(&self, account: &AccountId) -> Result<Option<Versioned<Mapping>>> {
        Ok(load(&*self.ports.storage, self.scope, &self.mapping_key(account)).await?)
    }

    pub(super) fn mapping_key(&self, account: &AccountId) -> Key {
        Key::Mapping(self.partner.clone(), self.connection.clone(), account.clone())
    }

    pub(super) fn company_key(&self, company: i64) -> Key {
        Key::CompanyTaken(self.partner.clone(), self.connection.clone(), company)
    }
}
