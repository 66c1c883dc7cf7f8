//! Mails as files: one `.eml` each, which any mail program opens.

use super::clock::LocalClock;
use async_trait::async_trait;
use domain::mail::{Address, Mail, MailError, Mailer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::mail::mime;

/// Where mails come from.
const SENDER: &str = "autotask@vendor.example";

/// What a mail service can do besides taking a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFault {
    /// It is away: nothing is sent.
    Away,
    /// It refuses every mail.
    Refuses,
    /// It takes the mail and never answers.
    TakesAndHangs,
    /// It never answers, and does not take the mail.
    Hangs,
}

/// One machine's SES.
#[derive(Debug)]
pub struct LocalMail {
    sender: Option<Address>,
    clock: Arc<LocalClock>,
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Mail>,
    fault: Option<MailFault>,
}

impl LocalMail {
    /// Forgotten with the process.
    #[must_use]
    pub fn memory(clock: Arc<LocalClock>) -> Self {
        Self { sender: Address::parse(SENDER).ok(), clock, folder: None, state: Mutex::default() }
    }

    /// The same in a deployment without an address to send from.
    #[must_use]
    pub fn off(clock: Arc<LocalClock>) -> Self {
        Self { sender: None, ..Self::memory(clock) }
    }

    /// Kept in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(clock: Arc<LocalClock>, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: Some(folder.to_owned()), ..Self::memory(clock) })
    }

    /// From now on mails end so; `None`: as they should.
    pub fn set_fault(&self, fault: Option<MailFault>) {
        self.lock().fault = fault;
    }

    /// The mails of this process that went out, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Mail> {
        self.lock().sent.clone()
    }

    /// The same as they travel.
    #[must_use]
    pub fn travelling(&self) -> Vec<String> {
        let Some(sender) = &self.sender else { return Vec::new() };
        let now = self.clock.now();
        self.sent().iter().map(|mail| String::from_utf8_lossy(&mime(sender, mail, now)).into_owned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `20261201T001500Z-0193….eml`: by time, and a mail that is sent twice lies there once.
    fn write(&self, sender: &Address, mail: &Mail) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let now = self.clock.now();
        std::fs::write(
            folder.join(format!("{}-{}.eml", now.strftime("%Y%m%dT%H%M%SZ"), mail.id)),
            mime(sender, mail, now),
        )
    }
}

#[async_trait]
impl Mailer for LocalMail {
    fn sender(&self) -> Option<&Address> {
        self.sender.as_ref()
    }

    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let Some(sender) = &self.sender else { return Err(MailError::Off) };
        let fault = self.lock().fault;
        match fault {
            Some(MailFault::Away) => return Err(MailError::Unavailable("the mail service is away".into())),
            Some(MailFault::Refuses) => return Err(MailError::Refused("the address is blocked".into())),
            Some(MailFault::Hangs) => std::future::pending::<()>().await,
            Some(MailFault::TakesAndHangs) | None => {}
        }
        self.write(sender, mail).map_err(|error| MailError::Unavailable(Box::new(error)))?;
        self.lock().sent.push(mail.clone());
        if fault == Some(MailFault::TakesAndHangs) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
